"""Names of columns in summary and manifest: ours, and those of the user's own that go beside."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from types import MappingProxyType

from soda_service.formats.votable import Field
from soda_service.request.table import OPTION_NAMES, POSITION_NAMES
from uws.dali import ILLEGAL_IN_XML

__all__ = ["MANIFEST", "SUMMARY_KEYS", "manifest_fields", "output_names"]


def _column(name: str, datatype: str, unit: str, ucd: str, description: str) -> Field:
    size = "*" if datatype in {"char", "unicodeChar"} else ""
    return Field(name, datatype, size, unit, ucd, description=description)


MANIFEST = (
    _column("row", "int", "", "meta.record", "Row of the positions table, from 1"),
    _column("ra", "double", "deg", "pos.eq.ra;meta.main", "Right ascension asked for, ICRS"),
    _column("dec", "double", "deg", "pos.eq.dec;meta.main", "Declination asked for, ICRS"),
    _column("object_id", "long", "", "meta.id", "COADD_OBJECT_ID asked for"),
    _column("tile", "unicodeChar", "", "meta.id;obs.field", "Tile the cutout was made from"),
    _column(
        "status", "char", "", "meta.code.status", "ok, partial, no_coverage, unmatched or failed"
    ),
    _column("message", "unicodeChar", "", "meta.note", "Why a file is missing or cut short"),
    _column(
        "coverage", "double", "", "arith.ratio", "Fraction of the asked area with valid pixels"
    ),
    _column("band", "char", "", "instr.bandpass", "Band, or bands as red, green, blue"),
    _column("file", "unicodeChar", "", "meta.file", "Path of the file in the job's tree"),
    _column("url", "char", "", "meta.ref.url;meta.main", "Address of the file"),
    _column("content_type", "char", "", "meta.code.mime", "Media type"),
    _column("size", "long", "byte", "phys.size;meta.file", "Size of the file"),
    _column("sha256", "char", "", "meta.checksum", "SHA-256 of the file, hexadecimal"),
)
"""The manifest's columns, in order; the user's own follow."""


def manifest_fields(extra_columns: Sequence[str]) -> tuple[Field, ...]:
    """Describe the manifest's columns and those of the user's own, by their names as sent."""
    own = output_names(extra_columns).values()
    text = "The user's own column"
    return (*MANIFEST, *(_column(name, "unicodeChar", "", "", text) for name in own))


_FITS_COLORS = "FITS_COLORS"

SUMMARY_KEYS = (
    _FITS_COLORS,
    "POSITION_TYPE",
    "RA_ADJUSTED",
    "FILES",
    "TILEDIR",
    "TILENAME",
    "SEXAGECIMAL",
    "ALPHAWIN_J2000",
    "DELTAWIN_J2000",
    "ROW",
    "STATUS",
    "MESSAGE",
    "SIZE_PIX",
    "COVERAGE",
    "FOLDER",
)
"""What the summary says of a cutout beside its position and its options."""

_RESERVED = frozenset(
    name.casefold()
    for name in (
        *(column.name for column in MANIFEST),
        *SUMMARY_KEYS,
        *POSITION_NAMES,
        *OPTION_NAMES,
    )
)


def _xml_text(text: str) -> str:
    """Put a blank for each character that XML cannot hold."""
    return ILLEGAL_IN_XML.sub(" ", text)


def output_names(columns: Sequence[str]) -> Mapping[str, str]:
    """Name the user's columns in summary and manifest: unique, whatever the case of letters.

    A column keeps its name if nothing of ours is called so and no column before it. Others
    become `user_STATUS`, then `user_STATUS_2`. FITS_COLORS keeps its name: in the old service's
    summary it is a user's column.

    Parameters
    ----------
    columns
        As the table has them, no two alike.

    Returns
    -------
    Mapping
        Name as in the table -> name in the documents, in the order of the table.
    """
    names = {_FITS_COLORS: _FITS_COLORS} if _FITS_COLORS in columns else {}
    used = set(_RESERVED)
    for column in columns:
        name = _xml_text(column)
        if column not in names and name.casefold() not in used:
            names[column] = name
            used.add(name.casefold())
    for column in columns:
        if column not in names:
            names[column] = next(n for n in _candidates(column) if n.casefold() not in used)
            used.add(names[column].casefold())
    return MappingProxyType({column: names[column] for column in columns})


def _candidates(column: str) -> Iterator[str]:
    name = f"user_{_xml_text(column)}"
    yield name
    yield from (f"{name}_{number}" for number in count(2))
