"""DALI 1.1's `/examples`: requests that work on this service, for people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from lxml import etree

from soda_service.request.options import default_options
from soda_service.sky.dataset import dataset_id
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases
from soda_service.vo.soda import ASYNC_ID, SYNC_ID

__all__ = ["ExamplePosition", "examples_document", "place_in"]

_XHTML = "http://www.w3.org/1999/xhtml"
_VOCABULARY = "http://www.ivoa.net/rdf/examples#"

_RADIUS_DEG = 0.005
"""About 0.6 arcmin across: made in milliseconds."""


@dataclass(frozen=True, slots=True)
class ExamplePosition:
    """A position in a release."""

    release: str
    dataset: str
    """Identifier of the image there, in `band`."""

    ra_deg: float
    dec_deg: float
    band: str
    """A band in which the release makes FITS files."""


def place_in(release: Release, releases: Releases) -> ExamplePosition | None:
    """Return the centre of a tile; None if there is no tile."""
    table = releases.index(release).table
    if not table.names:
        return None
    middle = len(table.names) // 2
    band = default_options(release).colors_fits[0]
    ra_deg, dec_deg = (round(float(angles[middle]), 5) for angles in (table.ra_deg, table.dec_deg))
    identifier = dataset_id(releases.authority, release.name, table.names[middle], band)
    return ExamplePosition(release.name, identifier, ra_deg, dec_deg, band)


def examples_document(base_url: str, title: str, place: ExamplePosition | None) -> bytes:
    """Return the page (DALI-31); without a position it has no example."""
    root = etree.Element(f"{{{_XHTML}}}html", nsmap={None: _XHTML})
    etree.SubElement(_child(root, "head"), f"{{{_XHTML}}}title").text = f"Examples: {title}"
    body = _child(root, "body", vocab=_VOCABULARY)
    _child(body, "h1").text = f"Examples: {title}"
    if place is None:
        _child(body, "p").text = "There are no images to cut from yet."
    else:
        circle = f"{place.ra_deg} {place.dec_deg} {_RADIUS_DEG}"
        one = [("ID", place.dataset), ("CIRCLE", circle)]
        address = f"{base_url}/sync?{urlencode(one)}"
        command = f"curl -o a.fits '{address}'"
        _add_example(body, "sync", "One cutout, made immediately", SYNC_ID, one, command)
        beside = f"{place.ra_deg} {round(place.dec_deg + _RADIUS_DEG, 5)} {_RADIUS_DEG}"
        two = [("ID", place.dataset), ("CIRCLE", circle), ("CIRCLE", beside), ("PHASE", "RUN")]
        data = " ".join(f"-d '{name}={value}'" for name, value in two)
        command = f"curl -i {base_url}/async {data}"
        _add_example(body, "async", "Two cutouts as a job", ASYNC_ID, two, command)
    declaration = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>'
    return bytes(etree.tostring(root, encoding="utf-8", doctype=declaration))


def _add_example(
    body: etree._Element,
    name: str,
    title: str,
    standard_id: str,
    pairs: Sequence[tuple[str, str]],
    command: str,
) -> None:
    example = _child(body, "div", id=name, resource=f"#{name}", typeof="example")
    _child(example, "h2", property="name").text = title
    says = _child(example, "p")
    says.text = "By "
    _child(says, "code", property="capability").text = standard_id
    entries = _child(example, "dl")
    for key, value in pairs:
        pair = _child(entries, "div", property="generic-parameter", typeof="keyval")
        _child(pair, "dt", property="key").text = key
        _child(pair, "dd", property="value").text = value
    _child(example, "pre").text = command


def _child(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XHTML}}}{tag}", attributes)
