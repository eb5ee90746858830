"""What a request means once its text has been read: options, rows, the request itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CutoutOptions", "CutoutRequest", "Filters", "PositionRow", "Triplet"]

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
    """A job's parameters, checked. The rows of the table are read as a stream, apart."""

    release: str
    """Name of the release, in its own spelling."""

    options: CutoutOptions
    """Options in effect where a row says nothing."""

    ra_deg: float | None = None
    """The one position of a job without a table."""

    dec_deg: float | None = None
    object_id: int | None = None
    job_name: str = ""
    email: str = ""
    webhook: str = ""
    response_format: str = ""
    """`fits`, `png`, `jpeg`, `xml` or `json`; empty where the client left it open."""

    filters: Filters | None = None
    """SODA's, where they choose what is cut."""

    warnings: tuple[str, ...] = ()
