"""DataLink 1.1: the links of a data set, and the services for it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from soda_service.engine.wcs.position import Circle, Polygon
from soda_service.engine.wcs.vectors import positions
from soda_service.errors import CutoutError
from soda_service.formats import FITS, picture_formats
from soda_service.formats.votable import Descriptor, Field, Info, Param, Table, write_votable
from soda_service.sky.dataset import Dataset, dataset_id
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import Caps
from soda_service.vo.images import DATALINK_TYPE, wavelengths_m
from soda_service.vo.soda import ASYNC_ID, SYNC_ID, Coverage, soda_input_params

__all__ = ["COLUMNS", "LINKS_ID", "Link", "LinkMaker", "write_links"]

LINKS_ID = "ivo://ivoa.net/std/DataLink#links-1.1"

_PREVIEW_PX = 512
"""Size of a preview, which is made in milliseconds; a whole tile would take seconds."""

_SCALE_ARCSEC = 0.5
"""Pixel scale for previews if a release has none."""


def _column(
    name: str, ucd: str, description: str, *, datatype: str = "char", unit: str = ""
) -> Field:
    arraysize = "*" if datatype == "char" else ""
    return Field(name, datatype, arraysize, unit, ucd, description=description)


COLUMNS = (
    _column("ID", "meta.id;meta.main", "Requested identifier"),
    _column("access_url", "meta.ref.url", "Address of the content"),
    _column("service_def", "meta.ref", "Resource of this document that describes a service"),
    _column("error_message", "meta.code.error", "Why there is no link"),
    _column("description", "meta.note", "Description of the link"),
    _column("semantics", "meta.code", "Relation to the data set"),
    _column("content_type", "meta.code.mime", "Media type"),
    _column("content_length", "phys.size;meta.file", "Size", datatype="long", unit="byte"),
    _column("local_semantics", "meta.id.assoc", "The same in all data sets: a band, or a kind"),
)
"""Columns of a links table (DL-6)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A row; exactly one of `access_url`, `service_def` and `error_message` is set (DL-7)."""

    id: str
    semantics: str
    """A term of the core vocabulary: `#this`."""

    description: str
    access_url: str = ""
    service_def: str = ""
    error_message: str = ""
    """Begins with a keyword of DL-9."""

    content_type: str = ""
    content_length: int | None = None
    local_semantics: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row as text, in the order of `COLUMNS`."""
        length = "" if self.content_length is None else str(self.content_length)
        head = (self.id, self.access_url, self.service_def, self.error_message, self.description)
        return (*head, self.semantics, self.content_type, length, self.local_semantics)


def write_links(
    links: Iterable[Link], services: Sequence[Descriptor], links_url: str, *, is_cut: bool = False
) -> Iterator[bytes]:
    """Return a links document, which describes its own service at the end (DL-22).

    Parameters
    ----------
    services
        Services that the `service_def` of the links refer to.
    is_cut
        Whether identifiers were omitted (DL-3).
    """
    table = Table("links", COLUMNS, (Info("standardID", LINKS_ID),), description="Links")
    texts = {"ID": "Data set; may be repeated", "JOB": "Job whose results are listed instead"}
    inputs = [
        Param(Field(name, "char", "*", ucd="meta.id;meta.main", description=text))
        for name, text in texts.items()
    ]
    this = Descriptor(
        "this", links_url, tuple(inputs), LINKS_ID, "Links of data sets", DATALINK_TYPE,
        is_this=True,
    )  # fmt: skip
    rows = (link.cells() for link in links)
    yield from write_votable(table, rows, [*services, this], is_cut=is_cut)


@dataclass(slots=True)
class LinkMaker:
    """Makes the links of data sets for one document.

    Parameters
    ----------
    base
        Address of the service, without a trailing slash.
    authority
        Authority in the identifiers of data sets.
    size_of
        Function of the file size of a data set in bytes, None if unknown; raises `CutoutError` if
        there is no such file.

    Attributes
    ----------
    services
        Descriptors of the links made so far.
    """

    base: str
    authority: str
    size_of: Callable[[Dataset], int | None]
    services: list[Descriptor]

    def links(self, given: str, dataset: Dataset, index: TileIndex) -> Iterator[Link]:
        """Return the links of a data set, under the requested identifier."""
        release, tile = dataset.release, dataset.tile
        if not tile:
            yield from self._cutout_links(given, dataset, index)
            return
        bands = (dataset.band,) if dataset.band else release.band_names
        images = [self._image_link(given, Dataset(release, tile, band)) for band in bands]
        if release.serves_whole_tiles:
            yield from images
        there = [image for image in images if not image.error_message]
        if there:
            band = there[0].local_semantics
            yield self._preview(given, Dataset(release, tile, band), index)
            yield from self._cutout_links(given, dataset, index)
        elif not release.serves_whole_tiles:
            yield from images

    def _image_link(self, given: str, image: Dataset) -> Link:
        parts = (image.release.name, image.tile, image.band)
        what = f"Tile {image.tile} of {image.release.name}, band {image.band}"
        try:
            size_bytes = self.size_of(image)
        except CutoutError as error:
            fault = f"NotFoundFault: {error}"
            band = image.band
            return Link(given, "#this", what, error_message=fault, local_semantics=band)
        return Link(
            given,
            "#this",
            what,
            access_url=f"{self.base}/tiles/{'/'.join(quote(part, safe='') for part in parts)}",
            content_type=FITS.media_type,
            content_length=size_bytes,
            local_semantics=image.band,
        )

    def _preview(self, given: str, image: Dataset, index: TileIndex) -> Link:
        """Return the link to a picture of the centre of an image, in grey."""
        release = image.release
        number = index.number(image.tile)
        assert number is not None  # noqa: S101 - the data set was found there
        radius_deg = _PREVIEW_PX / 2 * (release.pixel_scale_arcsec or _SCALE_ARCSEC) / 3600
        centre = (index.table.ra_deg[number], index.table.dec_deg[number], radius_deg)
        circle = "+".join(f"{angle:.6f}" for angle in centre)
        identifier = dataset_id(self.authority, release.name, image.tile, image.band)
        shown = picture_formats()[0]
        query = f"ID={quote(identifier, safe='')}&CIRCLE={circle}&RESPONSEFORMAT={shown.name}"
        return Link(
            given,
            "#preview",
            f"The centre of tile {image.tile}, band {image.band}, in grey",
            access_url=f"{self.base}/sync?{query}",
            content_type=shown.media_type,
            local_semantics=image.band,
        )

    def _cutout_links(self, given: str, dataset: Dataset, index: TileIndex) -> Iterator[Link]:
        """Return links of the cutout service. The descriptors have the coverage of the data set."""
        release = dataset.release
        identifier = dataset_id(self.authority, release.name, dataset.tile, dataset.band)
        coverage = _coverage(dataset, index)
        what = "A cutout" if dataset.tile else "A cutout at any position of the release"
        # pyvo uses the first one for SODA sync (DL-T2).
        for path, standard_id, more in (
            ("sync", SYNC_ID, "made immediately: FITS of one band, or a picture"),
            ("async", ASYNC_ID, "as a job: any number of bands, pictures and shapes"),
        ):
            name = f"cutout-{path}-{len(self.services) // 2 + 1}"
            self.services.append(
                Descriptor(
                    name,
                    f"{self.base}/{path}",
                    soda_input_params(
                        [release],
                        dataset=identifier,
                        coverage=coverage,
                        bands=() if dataset.band else release.band_names,
                        is_async=path == "async",
                    ),
                    standard_id,
                    f"{what} {more}",
                    FITS.media_type if path == "sync" else "",
                    id=name,
                )
            )
            yield Link(
                given,
                "#cutout",
                f"{what} {more}",
                service_def=name,
                content_type=FITS.media_type if path == "sync" else "",
                local_semantics=path,
            )


def _coverage(dataset: Dataset, index: TileIndex) -> Coverage:
    """Return what is known of the coverage of a data set."""
    bands = [band for band in dataset.release.bands if dataset.band in ("", band.name)]
    known = [bounds for band in bands if (bounds := wavelengths_m(band)) is not None]
    # If one band has no wavelengths, the data set may reach beyond the others.
    is_known = len(known) == len(bands)
    band_m = (min(low for low, _ in known), max(high for _, high in known)) if is_known else None
    circle, polygon = _outline(dataset, index)
    return Coverage(circle, polygon, band_m, dataset.release.time_mjd)


def _outline(dataset: Dataset, index: TileIndex) -> tuple[Circle | None, Polygon | None]:
    """Return a circle around a tile's image, and its outline."""
    number = index.number(dataset.tile)
    if number is None:  # a whole release
        return None, None
    for shapes in index.images:
        place = int(np.searchsorted(shapes.tiles, number))
        if place == len(shapes.tiles) or shapes.tiles[place] != number:
            continue
        ra, dec = (float(angle) for angle in positions(shapes.centre[place]))
        # Rounded up, so that the corners stay inside.
        radius = math.ceil(math.degrees(shapes.radius[place]) * 1e6) / 1e6
        circle = Circle(round(ra, 9), round(dec, 9), min(radius, 180.0))
        if isinstance(shapes, Caps):
            return circle, None
        # Counter-clockwise as seen from inside the sphere (DALI-23).
        angles = np.round(np.stack(positions(shapes.corners[place][::-1]), axis=-1), 9)
        return circle, Polygon(tuple((ra, dec) for ra, dec in angles.tolist()))
    return None, None
