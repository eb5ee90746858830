"""Columns of summary and manifest, and the names of the user's own columns in them.

A new column is one row here; documents, reserved names and pages of rows follow.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import count
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from soda_service.engine.colour.methods import METHODS
from soda_service.formats.votable import Field
from soda_service.request.parsing import format_bands, format_triplets
from soda_service.request.spec import Kind
from soda_service.request.table import POSITION_NAMES, option_names, parameter_specs
from soda_service.request.values import CutoutOptions
from soda_service.results.rows import FileEntry, Outcome, PlannedRow
from soda_service.sky.release import Release
from uws.dali import ILLEGAL_IN_XML

__all__ = [
    "MANIFEST",
    "Column",
    "Line",
    "manifest_fields",
    "manifest_reader",
    "option_cells",
    "option_reader",
    "output_names",
    "row_cells",
    "summary_keys",
]

# Any, in this module: a number, a text, a list of these or None, as JSON and VOTable have them.


class Line(NamedTuple):
    """The subject of a line of the manifest."""

    row: PlannedRow
    outcome: Outcome
    file: FileEntry | None
    """None for a row without file."""

    release: Release
    job_url: str
    """Empty if it is not known."""

    @property
    def band(self) -> str | None:
        """The bands of the file."""
        return None if self.file is None else format_bands(self.file.bands, self.release)

    @property
    def url(self) -> str | None:
        """The address of the file."""
        if self.file is None or not self.job_url:
            return None
        return f"{self.job_url}/results/{quote(self.file.path)}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the manifest."""

    field: Field
    """Its VOTable description."""

    source: str
    """Dotted attribute of a `Line`; the cell is blank if it is of a file and the row has none."""


def _column(name: str, datatype: str, unit: str, ucd: str, description: str, source: str) -> Column:
    size = "*" if datatype in {"char", "unicodeChar"} else ""
    return Column(Field(name, datatype, size, unit, ucd, description=description), source)


MANIFEST = (
    _column("row", "int", "", "meta.record", "Row of the positions table, from 1", "row.number"),
    _column("ra", "double", "deg", "pos.eq.ra;meta.main", "Requested right ascension, ICRS",
            "row.ra_deg"),
    _column("dec", "double", "deg", "pos.eq.dec;meta.main", "Requested declination, ICRS",
            "row.dec_deg"),
    _column("object_id", "long", "", "meta.id", "Requested COADD_OBJECT_ID", "row.object_id"),
    _column("tile", "unicodeChar", "", "meta.id;obs.field", "Tile the cutout was made from",
            "row.tile"),
    _column("status", "char", "", "meta.code.status",
            "ok, partial, no_coverage, unmatched or failed", "outcome.status.value"),
    _column("message", "unicodeChar", "", "meta.note", "Why a file is missing or cut short",
            "outcome.message"),
    _column("coverage", "double", "", "arith.ratio",
            "Fraction of the requested area with valid pixels", "outcome.coverage"),
    _column("band", "char", "", "instr.bandpass", "Band, or bands as red, green, blue", "band"),
    _column("file", "unicodeChar", "", "meta.file", "Path of the file in the job's tree",
            "file.path"),
    _column("url", "char", "", "meta.ref.url;meta.main", "Address of the file", "url"),
    _column("content_type", "char", "", "meta.code.mime", "Media type", "file.media_type"),
    _column("size", "long", "byte", "phys.size;meta.file", "Size of the file", "file.size_bytes"),
    _column("sha256", "char", "", "meta.checksum", "SHA-256 of the file, hexadecimal",
            "file.sha256"),
)  # fmt: skip
"""The manifest's columns, in order; the user's own follow."""


def manifest_fields(extra: Sequence[str]) -> tuple[Field, ...]:
    """Return the fields of the manifest: its own columns, then the user's.

    Parameters
    ----------
    extra
        The user's own columns, as the table names them.
    """
    own = output_names(extra).values()
    text = "The user's own column"
    columns = (*MANIFEST, *(_column(name, "unicodeChar", "", "", text, "") for name in own))
    return tuple(column.field for column in columns)


def manifest_reader(extra: Sequence[str]) -> Callable[[Line], list[Any]]:
    """Return a function that makes the cells of a line of the manifest, the user's own included.

    Parameters
    ----------
    extra
        The user's own columns, as the table names them.
    """
    of_file = {f"file.{each.name}" for each in fields(FileEntry)}
    pick = attrgetter(*(column.source for column in MANIFEST))
    bare = [None if column.source in of_file else column.source for column in MANIFEST]
    pick_bare = [source and attrgetter(source) for source in bare]

    def read(line: Line) -> list[Any]:
        own = [line.row.extra.get(name, "") for name in extra]
        if line.file is not None:
            return [*pick(line), *own]
        return [*(get(line) if get else None for get in pick_bare), *own]

    return read


_SummaryCell = Callable[[PlannedRow, Outcome], Any]


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value


def _adjusted(ra_deg: float | None) -> float | str:
    return "" if ra_deg is None else (ra_deg - 360 if ra_deg > 180 else ra_deg)


_FITS_COLORS = "FITS_COLORS"

_BEFORE_OPTIONS: Mapping[str, _SummaryCell] = MappingProxyType(
    {
        "RA": lambda row, _: _or_empty(row.ra_deg),
        "DEC": lambda row, _: _or_empty(row.dec_deg),
        # A string: 63-bit ids do not survive programs that read JSON numbers as doubles.
        "COADD_OBJECT_ID": lambda row, _: None if row.object_id is None else str(row.object_id),
        # A user's column in the old service's example; clients expect it in every summary.
        _FITS_COLORS: lambda _row, _outcome: "",
    }
)
_AFTER_OPTIONS: Mapping[str, _SummaryCell] = MappingProxyType(
    {
        "POSITION_TYPE": lambda row, _: "coord" if row.object_id is None else "coadd",
        "RA_ADJUSTED": lambda row, _: _adjusted(row.ra_deg),
        "FILES": lambda _, outcome: [entry.name for entry in outcome.files],
        "FOLDER": lambda row, outcome: row.folder if outcome.files else "",
        "TILEDIR": lambda row, _: row.tile_dir,
        "TILENAME": lambda row, _: row.tile,
        "SEXAGECIMAL": lambda row, _: row.name if row.tile else "",
        "ALPHAWIN_J2000": lambda row, _: _or_empty(row.centre_ra_deg) if row.tile else "",
        "DELTAWIN_J2000": lambda row, _: _or_empty(row.centre_dec_deg) if row.tile else "",
        "ROW": lambda row, _: row.number,
        "STATUS": lambda _, outcome: outcome.status,
        "MESSAGE": lambda _, outcome: outcome.message,
        "SIZE_PIX": lambda _, outcome: None if outcome.size_px is None else list(outcome.size_px),
        "COVERAGE": lambda _, outcome: outcome.coverage,
    }
)
"""Values of a cutout in the summary, before and after its options; the user's columns follow."""


def row_cells(
    row: PlannedRow, outcome: Outcome, options: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the values of a cutout in the summary, without the user's own columns.

    Parameters
    ----------
    options
        Those of the options (`option_cells`).
    """
    before = {name: cell(row, outcome) for name, cell in _BEFORE_OPTIONS.items()}
    after = {name: cell(row, outcome) for name, cell in _AFTER_OPTIONS.items()}
    return {**before, **options, **after}


def summary_keys() -> list[str]:
    """Return all keys that a cutout may have in the summary, without the user's own columns."""
    return [*_BEFORE_OPTIONS, *option_names(), *_AFTER_OPTIONS]


def option_reader(release: Release) -> Callable[[CutoutOptions], Mapping[str, Any]]:
    """Return a cached `option_cells` of a release: rows repeat few different options."""
    return lru_cache(maxsize=4096)(lambda options: MappingProxyType(option_cells(options, release)))


def option_cells(options: CutoutOptions, release: Release) -> dict[str, Any]:
    """Return options by name, in the order and form of the summary."""
    scale, specs = release.pixel_scale_arcsec, parameter_specs()
    cells: dict[str, Any] = {"XSIZE": options.xsize_arcmin, "YSIZE": options.ysize_arcmin}
    for axis, pixels in (("X", options.xpix), ("Y", options.ypix)):
        if pixels is not None:
            cells[f"{axis}PIX"] = pixels
            if scale:
                cells[f"{axis}SIZE"] = pixels * scale / 60
    for name in _ordered_options():
        value = options.get(name)
        match specs[name].kind:
            case Kind.BANDS:
                cells[name] = format_bands(value, release)
            case Kind.TRIPLETS:
                cells[name] = format_triplets(value, release)
            case Kind.PLANES:
                cells[name] = ",".join(value) or "all"
            case Kind.BOOLEAN:
                cells[name] = float(value)
            case _:
                cells[name] = value
    return cells


def _ordered_options() -> list[str]:
    """Return the options except sizes, in the old service's order; new ones come last."""
    methods = METHODS.values()
    first = [
        "EDGE",
        *(method.triplets for method in methods),
        *(setting.name for method in methods for setting in method.settings),
        "MAKE_FITS",
        *(method.switch for method in methods),
        "DISCARD_FITS_FILES",
        "COLORS_FITS",
    ]
    sizes = ("XSIZE", "YSIZE", "XPIX", "YPIX")
    return [*first, *(name for name in option_names() if name not in (*first, *sizes))]


def _reserved() -> list[str]:
    return [*(column.field.name for column in MANIFEST), *POSITION_NAMES, *summary_keys()]


def _xml_text(text: str) -> str:
    """Replace each character that XML does not allow with a blank."""
    return ILLEGAL_IN_XML.sub(" ", text)


def output_names(columns: Sequence[str]) -> Mapping[str, str]:
    """Return names for the user's columns in summary and manifest, unique regardless of case.

    A column keeps its name unless a column of the service or an earlier one has it. Others
    become `user_STATUS`, then `user_STATUS_2`. FITS_COLORS keeps its name: in the old service's
    summary it is a user's column.

    Parameters
    ----------
    columns
        As the table names them, no two alike.

    Returns
    -------
    Mapping
        Name as in the table -> name in the documents, in the order of the table.
    """
    names = {_FITS_COLORS: _FITS_COLORS} if _FITS_COLORS in columns else {}
    used = {name.casefold() for name in _reserved()}
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
