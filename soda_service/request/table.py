"""PARAMETERS: every parameter of the service, declared once.

Parsing, ranges, help page, OpenAPI, form and service descriptors all read these rows. A new
parameter is one row here and one field of `CutoutOptions` or `CutoutRequest`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from soda_service.request.spec import (
    PIXELS_MAX,
    Kind,
    Limits,
    ParameterSpec,
    Scope,
    bounds,
    describe_allowed,
)

__all__ = [
    "EDGES",
    "FILTER_NAMES",
    "ID_MAX",
    "OPTION_NAMES",
    "PARAMETERS",
    "PIXELS_MAX",
    "POLARISATIONS",
    "POSITION_NAMES",
    "Kind",
    "Limits",
    "ParameterSpec",
    "Scope",
    "bounds",
    "describe_allowed",
]


ID_MAX = 2**63 - 1
"""Largest catalogue id: what a signed 64-bit column of a database holds."""

RA_MAX_DEG = 1_000_000
"""Largest right ascension, of either sign, that is wrapped into 0..360: larger numbers come of a
mistake, and lose their decimals on the way."""


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

POLARISATIONS = (
    *("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA"),
)
"""States of ObsCore 1.1, section B.6.6."""

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


# UCDs and units are those of SODA 1.0, section 3, with erratum 1.
_FILTERS = (
    ParameterSpec(
        "ID",
        Kind.TEXT,
        Scope.FILTER,
        "Data set to cut from, by its identifier; without it the release's tile of the position.",
        ucd="meta.id;meta.dataset",
        maximum=1024,
    ),
    ParameterSpec(
        "POS",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or POLYGON ra1 dec1 ra2 "
        "dec2 ra3 dec3 ..., ICRS.",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "CIRCLE",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: ra dec radius, ICRS.",
        unit="deg",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "POLYGON",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: ra1 dec1 ra2 dec2 ra3 dec3 ..., ICRS, joined by great circles.",
        unit="deg",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "BAND",
        Kind.INTERVAL,
        Scope.FILTER,
        "Interval of wavelength, which chooses the bands that overlap it.",
        unit="m",
        ucd="em.wl;stat.interval",
    ),
    ParameterSpec(
        "TIME",
        Kind.INTERVAL,
        Scope.FILTER,
        "Interval of time that the observations must overlap, MJD, UTC.",
        unit="d",
        ucd="time.interval;obs.exposure",
    ),
    ParameterSpec(
        "POL",
        Kind.WORD,
        Scope.FILTER,
        "States of polarisation, any of which will do.",
        ucd="meta.code;phys.polarization",
        choices=POLARISATIONS,
    ),
    ParameterSpec(
        "MASK",
        Kind.BOOLEAN,
        Scope.FILTER,
        "Whether to blank the pixels outside the shape; otherwise its bounding box is cut.",
        ucd="meta.code",
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
        "Table of positions, CSV with a header row or VOTable: RA and DEC, or COADD_OBJECT_ID, in "
        "each row, and any options that differ from row to row.",
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
    *_FILTERS,
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
        "Mail address that is told when the job is done, and before its results are destroyed.",
        ucd="meta.email",
        maximum=254,
    ),
    ParameterSpec(
        "WEBHOOK",
        Kind.URL,
        Scope.JOB,
        "Address (https) that is called by POST when the job has ended.",
        ucd="meta.ref.url",
        maximum=2000,
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

FILTER_NAMES = tuple(spec.name for spec in _FILTERS)
"""SODA's parameters."""

POSITION_NAMES = tuple(spec.name for spec in _ROWS if spec.scope is Scope.POSITION)
"""Parameters that give a centre."""
