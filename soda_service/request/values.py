"""What a request means once its text has been read: options, rows, the request itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = [
    "Centre",
    "CutoutOptions",
    "CutoutRequest",
    "Filters",
    "PositionRow",
    "Table",
    "Triplet",
]

Triplet = tuple[str, str, str]
"""Bands shown as red, green, blue, in the release's spelling."""


@dataclass(frozen=True, slots=True)
class CutoutOptions:
    """Options of one cutout, complete: row over job over release (SPEC, cutout options)."""

    xsize_arcmin: float
    """Width along the tile's x; the size in pixels rules where it is given."""

    ysize_arcmin: float
    xpix: int | None
    """Width in pixels, or None where the size is in arcmin."""

    ypix: int | None
    edge: str
    make_fits: bool
    colors_fits: tuple[str, ...]
    """Bands, in the release's spelling, in the order asked for."""

    discard_fits_files: bool
    make_rgb_stiff: bool
    rgb_stiff_colors: tuple[Triplet, ...]
    make_rgb_lupton: bool
    rgb_lupton_colors: tuple[Triplet, ...]
    rgb_minimum: float
    rgb_stretch: float
    rgb_asinh: float
    response_format: str = ""
    """`png` or `jpeg`: pictures only, in that format; empty: FITS files, and pictures as PNG."""


class Centre(NamedTuple):
    """Where one cutout is asked for: `ra_deg` and `dec_deg`, or `object_id`."""

    ra_deg: float | None
    """ICRS, 0 <= RA < 360."""

    dec_deg: float | None
    object_id: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A positions table, CSV or VOTable, that is still to be read."""

    content: str
    """The table itself, or the key of the job's file that holds it."""

    by_reference: bool = False
    """Whether `content` is a key."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What SODA's parameters ask for; each combination of their values is a cutout (SODA-15)."""

    ids: tuple[str, ...] = ()
    """Identifiers of data sets, as sent."""

    shapes: tuple[str, ...] = ()
    """On the sky, as POS writes them."""

    bands_m: tuple[tuple[float, float], ...] = ()
    """Intervals of wavelength, m."""

    times_mjd: tuple[tuple[float, float], ...] = ()
    """Intervals of time, MJD UTC, d."""

    polarisations: tuple[str, ...] = ()
    """States, any of which will do (SODA-13)."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One row of the positions table: either `ra_deg` and `dec_deg`, or `object_id`.

    Or a combination of SODA's filters: a shape, and its centre.
    """

    number: int
    """1 for the first row after the header."""

    ra_deg: float | None
    """ICRS, as asked; wrapped into 0..360."""

    dec_deg: float | None
    object_id: int | None
    options: CutoutOptions
    extra: Mapping[str, str] = field(default_factory=dict)
    """The user's own columns, as text, unchanged."""

    tile: str = ""
    """The tile that is asked for by its name; empty: that of the position."""

    shape: str = ""
    """What is cut, as POS writes it; empty: a box about the position."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""

    nothing: str = ""
    """Why there is nothing to cut, where the filters alone tell."""


@dataclass(frozen=True, slots=True)
class CutoutRequest:
    """A job's parameters, checked; a plain value that travels with the job as JSON.

    The rows of a table are read as a stream, apart: see `rows_of`.
    """

    release: str
    """Name of the release, in its own spelling."""

    options: CutoutOptions
    """Options in effect where a row says nothing."""

    where: Centre | Filters | Table
    """What is cut: at one position, what SODA's parameters choose, or at those of a table."""

    is_default_release: bool = False
    """Whether the client left the release open."""

    job_name: str = ""
    email: str = ""
    webhook: str = ""
    response_format: str = ""
    """`fits`, `png`, `jpeg`, `xml` or `json`; empty where the client left it open."""

    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the request as plain JSON, which `from_json` reads."""
        where = self.where
        fields = where._asdict() if isinstance(where, Centre) else asdict(where)
        name = next(name for name, kind in _WAYS.items() if isinstance(where, kind))
        return asdict(self) | {"where": {name: fields}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CutoutRequest":
        """Read what `to_json` returned, also after a way through a JSON text.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        fields = {name: _as_tuples(value) for name, value in content.items()}
        ((name, where),) = fields.pop("where").items()
        options = CutoutOptions(**fields.pop("options"))
        return cls(options=options, where=_WAYS[name](**where), **fields)


_WAYS: Mapping[str, type[Centre | Filters | Table]] = MappingProxyType(
    {"centre": Centre, "filters": Filters, "table": Table}
)


def _as_tuples(value: Any) -> Any:
    # Any: of JSON's types; the arrays of a request are tuples.
    if isinstance(value, dict):
        return {name: _as_tuples(item) for name, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
