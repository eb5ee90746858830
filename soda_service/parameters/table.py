"""PARAMETERS: every parameter of the service, declared once.

Parsing, ranges, help page, OpenAPI, form and service descriptors all read these rows. A new
parameter is one row here and one field of `CutoutOptions` or `CutoutRequest`. Imports
`tiles.release` (the value) only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from soda_service.tiles.release import Release

__all__ = [
    "EDGES",
    "ID_MAX",
    "OPTION_NAMES",
    "PARAMETERS",
    "PIXELS_MAX",
    "POSITION_NAMES",
    "Kind",
    "Limits",
    "ParameterSpec",
    "Scope",
    "bounds",
    "describe_allowed",
]


class Kind(StrEnum):
    """What the text of a parameter stands for."""

    FLOAT = "float"
    INTEGER = "int"
    BOOLEAN = "bool"
    WORD = "word"
    BANDS = "bands"
    TRIPLETS = "triplets"
    TEXT = "text"
    EMAIL = "email"
    TABLE = "table"


class Scope(StrEnum):
    """Where a parameter may be given."""

    JOB = "job"
    """With the job only."""

    POSITION = "position"
    """The centre of a cutout: of the job without a table, or of a row."""

    OPTION = "option"
    """With the job, in a row, and as a default of a release."""


class Limits(StrEnum):
    """Which limits hold for a number."""

    FIXED = "fixed"
    """`minimum` and `maximum` of the row."""

    SIZE = "size"
    """The release's smallest and largest size, arcmin."""

    PIXELS = "pixels"
    """One pixel to the release's largest size in its pixels."""


ID_MAX = 2**63 - 1
"""Largest catalogue id: what a signed 64-bit column of a database holds."""

RA_MAX_DEG = 1_000_000
"""Largest right ascension, of either sign, that is wrapped into 0..360: larger numbers come of a
mistake, and lose their decimals on the way."""

PIXELS_MAX = 20_000
"""Largest width of a cutout in pixels, whatever its release allows: 1.6 GB a plane."""

RGB_MAX = 1e30
RGB_MIN = 1e-36
"""Largest and smallest scale of pixel values that pictures can be made of: these are computed in
single precision (1e-38 .. 3e38), and images in W m-2 Hz-1 have a noise of 1e-34."""

EDGES: Mapping[str, str] = MappingProxyType(
    {
        "trim": "cut short at the tile's edge",
        "pad": "filled up to the full size with empty pixels",
        "mosaic": "pixels that the tile has not, or without weight, filled from its neighbours",
    }
)
"""What may be done where a cutout reaches beyond its tile; word -> what it means."""

_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "application/fits": "fits",
        "image/fits": "fits",
        "image/png": "png",
        "image/jpeg": "jpeg",
        "jpg": "jpeg",
        "application/xml": "xml",
        "text/xml": "xml",
        "application/json": "json",
    }
)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter as users may give it."""

    name: str
    """Canonical upper case; users may write any case."""

    kind: Kind
    scope: Scope
    description: str
    """One sentence for users."""

    unit: str = ""
    """VOUnit, empty where there is none."""

    ucd: str = ""
    """UCD 1.1+, empty where none fits."""

    default: str = ""
    """Text in effect where nobody says otherwise; empty: none."""

    limits: Limits = Limits.FIXED
    minimum: float | None = None
    maximum: float | None = None
    """For text the largest number of characters."""

    choices: tuple[str, ...] = ()
    """The words of a `Kind.WORD`."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other words -> the word of `choices` that they stand for."""


def _rgb(name: str, default: str, description: str, *, minimum: float) -> ParameterSpec:
    """Give the row of a number that steers the Lupton method."""
    return ParameterSpec(
        name,
        Kind.FLOAT,
        Scope.OPTION,
        description,
        default=default,
        minimum=minimum,
        maximum=RGB_MAX,
    )


def _flag(name: str, default: str, description: str) -> ParameterSpec:
    """Give the row of an option that is true or false."""
    return ParameterSpec(
        name, Kind.BOOLEAN, Scope.OPTION, description, ucd="meta.code", default=default
    )


def _triplets(name: str, method: str) -> ParameterSpec:
    """Give the row of the bands of a method's colour pictures."""
    return ParameterSpec(
        name,
        Kind.TRIPLETS,
        Scope.OPTION,
        f"Colour pictures to make by the {method} method: three bands each, shown as red, green "
        "and blue in this order; several are separated by semicolons (gry;riy).",
        ucd="instr.bandpass",
        default="irg",
    )


def _size(axis: str, along: str) -> tuple[ParameterSpec, ParameterSpec]:
    """Give the rows of the size along one axis, in arcmin and in pixels."""
    return (
        ParameterSpec(
            f"{axis}SIZE",
            Kind.FLOAT,
            Scope.OPTION,
            f"Size of the cutout along the tile's {along}.",
            unit="arcmin",
            ucd="phys.angSize",
            default="1.0",
            limits=Limits.SIZE,
        ),
        ParameterSpec(
            f"{axis}PIX",
            Kind.INTEGER,
            Scope.OPTION,
            f"Size of the cutout along the tile's {along} in pixels; takes the place of "
            f"{axis}SIZE and cannot be given beside XSIZE or YSIZE.",
            unit="pixel",
            ucd="phys.size",
            limits=Limits.PIXELS,
        ),
    )


_XSIZE, _XPIX = _size("X", "x axis (its width)")
_YSIZE, _YPIX = _size("Y", "y axis (its height)")

_ROWS = (
    ParameterSpec(
        "RELEASE",
        Kind.TEXT,
        Scope.JOB,
        "Data release to cut from; without it the service's default release.",
        ucd="meta.id",
        maximum=128,
    ),
    ParameterSpec(
        "DB",
        Kind.TEXT,
        Scope.JOB,
        "Database that the release belongs to (DESDR); checked against the release.",
        ucd="meta.id",
        maximum=128,
    ),
    ParameterSpec(
        "POSITIONS",
        Kind.TABLE,
        Scope.JOB,
        "Table of positions as CSV with a header row: RA and DEC, or COADD_OBJECT_ID, in each "
        "row, and any options that differ from row to row.",
    ),
    ParameterSpec(
        "RA",
        Kind.FLOAT,
        Scope.POSITION,
        "Right ascension of the centre, ICRS; given together with DEC.",
        unit="deg",
        ucd="pos.eq.ra",
        minimum=-RA_MAX_DEG,
        maximum=RA_MAX_DEG,
    ),
    ParameterSpec(
        "DEC",
        Kind.FLOAT,
        Scope.POSITION,
        "Declination of the centre, ICRS; given together with RA.",
        unit="deg",
        ucd="pos.eq.dec",
        minimum=-90,
        maximum=90,
    ),
    ParameterSpec(
        "COADD_OBJECT_ID",
        Kind.INTEGER,
        Scope.POSITION,
        "Object of the release's catalogue that is the centre, instead of RA and DEC.",
        ucd="meta.id",
        minimum=0,
        maximum=ID_MAX,
    ),
    _XSIZE,
    _YSIZE,
    _XPIX,
    _YPIX,
    ParameterSpec(
        "EDGE",
        Kind.WORD,
        Scope.OPTION,
        "What is done where the cutout reaches beyond its tile: "
        + "; ".join(f"{word}: {meaning}" for word, meaning in EDGES.items())
        + ".",
        ucd="meta.code",
        default="trim",
        choices=tuple(EDGES),
    ),
    _flag("MAKE_FITS", "true", "Whether to make FITS files, one for each band of COLORS_FITS."),
    ParameterSpec(
        "COLORS_FITS",
        Kind.BANDS,
        Scope.OPTION,
        "Bands to make FITS files of (gri; with commas where a name has several letters: W1,W2).",
        ucd="instr.bandpass",
        default="i",
    ),
    _flag(
        "DISCARD_FITS_FILES",
        "false",
        "Whether to drop the FITS files that are made only because a colour picture needs them.",
    ),
    _flag("MAKE_RGB_STIFF", "false", "Whether to make colour pictures by the STIFF method."),
    _triplets("RGB_STIFF_COLORS", "STIFF"),
    _flag(
        "MAKE_RGB_LUPTON",
        "false",
        "Whether to make colour pictures by the method of Lupton et al. (2004).",
    ),
    _triplets("RGB_LUPTON_COLORS", "Lupton"),
    _rgb("RGB_MINIMUM", "1.0", "Pixel value that is black in a Lupton picture.", minimum=-RGB_MAX),
    _rgb("RGB_STRETCH", "50.0", "Linear stretch of a Lupton picture.", minimum=RGB_MIN),
    _rgb("RGB_ASINH", "10.0", "Asinh softening Q of a Lupton picture.", minimum=RGB_MIN),
    ParameterSpec(
        "JOBNAME",
        Kind.TEXT,
        Scope.JOB,
        "Name of the job in lists and mails; without it the RUNID.",
        ucd="meta.title",
        maximum=128,
    ),
    ParameterSpec(
        "RUNID",
        Kind.TEXT,
        Scope.JOB,
        "Label of the client's own, kept with the job.",
        ucd="meta.id",
        maximum=64,
    ),
    ParameterSpec(
        "EMAIL",
        Kind.EMAIL,
        Scope.JOB,
        "Address that is told when the job is done.",
        ucd="meta.email",
        maximum=254,
    ),
    ParameterSpec(
        "RESPONSEFORMAT",
        Kind.WORD,
        Scope.JOB,
        "Format of the files: FITS, with colour pictures as PNG; or PNG or JPEG, which makes "
        "pictures only, each band in grey where none in colour is asked for. XML or JSON: of a "
        "job's document.",
        ucd="meta.code.mime",
        choices=("fits", "png", "jpeg", "xml", "json"),
        aliases=_FORMATS,
    ),
)

PARAMETERS: Mapping[str, ParameterSpec] = MappingProxyType({spec.name: spec for spec in _ROWS})
"""Every parameter by its name, in the order in which users are shown them."""

OPTION_NAMES = tuple(spec.name for spec in _ROWS if spec.scope is Scope.OPTION)
"""Options of a cutout: given by release, job or row, the later one wins."""

POSITION_NAMES = tuple(spec.name for spec in _ROWS if spec.scope is Scope.POSITION)
"""Parameters that give a centre."""


def bounds(spec: ParameterSpec, release: Release) -> tuple[float | None, float | None]:
    """Give the smallest and the largest number allowed for a release, in the row's unit."""
    match spec.limits:
        case Limits.FIXED:
            return spec.minimum, spec.maximum
        case Limits.SIZE:
            return release.size_min_arcmin, release.size_max_arcmin
        case Limits.PIXELS:
            if release.pixel_scale_arcsec is None:
                return 1, PIXELS_MAX
            # As many pixels as the largest size in arcmin gives (SPEC: round half to even).
            largest = round(release.size_max_arcmin * 60 / release.pixel_scale_arcsec)
            return 1, min(max(1, largest), PIXELS_MAX)


def describe_allowed(spec: ParameterSpec, release: Release) -> str:
    """Say in a few words which values a parameter may have with a release."""
    bands = f"bands of {release.name} ({', '.join(release.band_names)})"
    match spec.kind:
        case Kind.FLOAT | Kind.INTEGER:
            allowed = _describe_range(spec, release)
        case Kind.BOOLEAN:
            allowed = "true, false, t, f, yes, no, 1 or 0"
        case Kind.WORD:
            allowed = " or ".join(spec.choices)
        case Kind.BANDS:
            allowed = f"{bands}, each once"
        case Kind.TRIPLETS:
            allowed = f"three different {bands} for each picture, separated by ; and none twice"
        case Kind.TEXT:
            allowed = f"at most {spec.maximum} characters"
        case Kind.EMAIL:
            allowed = f"an address like name@example.org, at most {spec.maximum} characters"
        case Kind.TABLE:
            allowed = "CSV with a header row"
    return allowed


def _describe_range(spec: ParameterSpec, release: Release) -> str:
    low, high = bounds(spec, release)
    noun = "integer" if spec.kind is Kind.INTEGER else "number"
    unit = f" {spec.unit}" if spec.unit else ""
    if low is not None and high is not None:
        return f"{noun} from {low} to {high}{unit}"
    if low is not None:
        return f"{noun} from {low}{unit}"
    return f"finite {noun}{unit and ' in'}{unit}"
