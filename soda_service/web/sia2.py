"""`/sia2`: search for images (Simple Image Access 2.0)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice

from flask import Blueprint, Response, request

from soda_service.errors import OptionsError
from soda_service.formats.votable import (
    MEDIA_TYPE,
    Descriptor,
    Field,
    Info,
    Param,
    Table,
    write_votable,
)
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases
from soda_service.vo.images import DATALINK_TYPE, Images, rows_of
from soda_service.vo.obscore import COLUMNS, ID_COLUMN, SYSTEMS
from soda_service.vo.sia import (
    SIA_ID,
    ResponseFormat,
    SiaQuery,
    input_params,
    parse_query,
    read_format,
    select,
)
from soda_service.vo.soda import SYNC_ID, soda_input_params
from soda_service.web.served import ServedReleases
from soda_service.web.services import Services
from soda_service.web.votables import fault_of_error, fault_votable, request_texts
from uws.errors import UWSError
from uws.http.responses import inline_as

__all__ = ["create_sia2", "write_separated"]

_TABLE = Table(
    "images",
    COLUMNS,
    (Info("standardID", "ivo://ivoa.net/std/SIA"),),
    SYSTEMS,
    "Images of the survey that match the query",
)


@dataclass(frozen=True, slots=True)
class _Found:
    rows: Iterator[Sequence[str]]
    is_cut: bool
    """Whether more rows match the query."""


@dataclass(frozen=True, slots=True)
class _Search:
    """Finds images in all releases that are served."""

    releases: Releases
    served: ServedReleases
    rows_default: int
    rows_max: int

    def find(self, query: SiaQuery, base: str) -> _Found:
        wanted = self.rows_default if query.rows_max is None else query.rows_max
        left, is_cut = min(wanted, self.rows_max), wanted == 0
        found: list[Iterator[Sequence[str]]] = []
        for release in self.served.all():
            index, authority = self.releases.index(release), self.releases.authority
            images = Images(release, index, authority, f"{base}/links")
            numbers = select(query, images, self.releases)
            is_cut |= len(numbers) > left
            found.append(rows_of(images, numbers[:left].tolist()))
            left -= min(left, len(numbers))
        return _Found(chain.from_iterable(found), is_cut)

    def describe(self, base: str) -> tuple[Descriptor, ...]:
        inputs = input_params(rows_default=self.rows_default, rows_max=self.rows_max)
        return _descriptors(base, self.served.all(), inputs)


def create_sia2(services: Services) -> Blueprint:
    """Create the blueprint."""
    blueprint = Blueprint("sia2", __name__)
    limits, base_url = services.config.sia2, services.base_url
    search = _Search(
        services.holdings.releases, services.served, limits.rows_default, limits.rows_max
    )

    @blueprint.route("/sia2", methods=["GET", "POST"])
    def sia2() -> Response:
        """Search images by position, wavelength and more; the response describes all parameters."""
        wanted = ResponseFormat("votable", MEDIA_TYPE)
        try:
            texts = request_texts(request)
            wanted = read_format(texts)
            found = search.find(parse_query(texts), base_url())
        except (OptionsError, UWSError) as error:
            return _fault(*fault_of_error(error), wanted)
        content = _content(found, wanted, search.describe(base_url()))
        response = Response(content, content_type=wanted.content_type)
        suffix = "vot" if wanted.kind == "votable" else wanted.kind
        response.headers["Content-Disposition"] = inline_as(f"images.{suffix}")
        return response

    return blueprint


def _content(
    found: _Found, wanted: ResponseFormat, descriptors: Sequence[Descriptor]
) -> Iterator[bytes]:
    match wanted.kind:
        case "csv":
            return write_separated(COLUMNS, found.rows, delimiter=",")
        case "tsv":
            return write_separated(COLUMNS, found.rows, delimiter="\t")
        case _:
            return write_votable(_TABLE, found.rows, descriptors, is_cut=found.is_cut)


def _descriptors(
    base: str, releases: Sequence[Release], inputs: tuple[Param, ...]
) -> tuple[Descriptor, ...]:
    """Describe the services for the rows, and this service itself (SIA-13)."""
    identifier = Field("ID", "char", "*", ucd="meta.id;meta.dataset", ref=ID_COLUMN)
    links = Descriptor(
        "links",
        f"{base}/links",
        (Param(identifier),),
        "ivo://ivoa.net/std/DataLink#links-1.1",
        "Links of an image: the file, a preview, cutouts",
        DATALINK_TYPE,
    )
    this = Descriptor(
        "this", f"{base}/sia2", inputs, SIA_ID, "Images of the survey", MEDIA_TYPE, is_this=True
    )
    if not releases:
        return links, this
    cutout = Descriptor(
        "cutout",
        f"{base}/sync",
        soda_input_params(releases, id_ref=ID_COLUMN),
        SYNC_ID,
        "A cutout or a picture of an image",
    )
    return cutout, links, this


def _fault(text: str, status: HTTPStatus, wanted: ResponseFormat) -> Response:
    """Return an error: as VOTable, or as plain text if CSV or TSV was requested (SIA-14)."""
    if wanted.kind == "votable":
        return fault_votable(text, status, wanted.content_type)
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")


_ROWS_AT_ONCE = 200


def write_separated(
    fields: Sequence[Field], rows: Iterable[Sequence[str]], *, delimiter: str
) -> Iterator[bytes]:
    """Write a header line with the column names, then a line per row (RFC 4180).

    Parameters
    ----------
    rows
        Texts in the order of the fields; an empty text is null.
    delimiter
        Comma or tab.

    Yields
    ------
    bytes
        Pieces of many lines.
    """
    lines = iter(rows)
    block: list[Sequence[str]] = [[field.name for field in fields]]
    while block:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(block)
        yield text.getvalue().encode()
        block = list(islice(lines, _ROWS_AT_ONCE))
