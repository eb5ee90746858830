"""PARAMETERS: every parameter of the service, declared once.

Parsing, ranges, help page, OpenAPI, form and service descriptors all read these specifications. To
add a cutout option, add a row to `OPTIONS`, and a field to `CutoutOptions` if code reads it as an
attribute. Picture methods and formats add their parameters through `METHODS` and `FORMATS`. Any
other parameter is a row below and a field of `CutoutRequest`. Entries may be added at run time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from typing_extensions import override

from soda_service.engine.colour.methods import METHODS, Method
from soda_service.formats import FORMATS, Format
from soda_service.request.sodaspecs import FILTERS
from soda_service.request.spec import (
    Described,
    Kind,
    Limits,
    ParameterSpec,
    Scope,
)

__all__ = [
    "DOCUMENT_FORMATS",
    "EDGES",
    "FILTER_NAMES",
    "ID_MAX",
    "OPTIONS",
    "PARAMETERS",
    "POSITION_NAMES",
    "option_names",
    "parameter_specs",
]


ID_MAX = 2**63 - 1
"""Largest catalogue id: the largest signed 64-bit integer."""

RA_MAX_DEG = 1_000_000
"""Largest absolute right ascension that is wrapped into 0..360. Larger numbers are mistakes, and
would lose their decimals."""

EDGES: Mapping[str, str] = MappingProxyType(
    {
        "trim": "trim at the tile edge",
        "pad": "pad to the full size with empty pixels",
        "mosaic": "fill missing pixels from neighbouring tiles",
    }
)
"""How to handle cutouts that extend beyond their tile: word -> meaning."""

DOCUMENT_FORMATS: Mapping[str, str] = MappingProxyType(
    {"application/xml": "xml", "text/xml": "xml", "application/json": "json"}
)
"""Media types of a job document -> words of RESPONSEFORMAT."""


def _flag(
    name: str, default: str, description: str, descriptor: Described = Described.NEVER
) -> ParameterSpec:
    """Return the specification of a Boolean option."""
    return ParameterSpec(
        name,
        Kind.BOOLEAN,
        Scope.OPTION,
        description,
        ucd="meta.code",
        default=default,
        descriptor=descriptor,
    )


def _size(axis: str, along: str) -> tuple[ParameterSpec, ParameterSpec]:
    """Return the specifications of the size along one axis, in arcmin and in pixels."""
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
            f"Size of the cutout along the tile's {along} in pixels; replaces {axis}SIZE and "
            "cannot be combined with XSIZE or YSIZE.",
            unit="pixel",
            ucd="phys.size",
            limits=Limits.PIXELS,
        ),
    )


_XSIZE, _XPIX = _size("X", "x axis (its width)")
_YSIZE, _YPIX = _size("Y", "y axis (its height)")

_PLACES = (
    ParameterSpec(
        "RELEASE",
        Kind.TEXT,
        Scope.JOB,
        "Data release to cut from; the default depends on the service.",
        ucd="meta.id",
        maximum=128,
    ),
    ParameterSpec(
        "DB",
        Kind.TEXT,
        Scope.JOB,
        "Database of the release (DESDR); checked against the release.",
        ucd="meta.id",
        maximum=128,
    ),
    ParameterSpec(
        "POSITIONS",
        Kind.TABLE,
        Scope.JOB,
        "Table of positions, CSV with a header row or VOTable: RA and DEC, or COADD_OBJECT_ID, in "
        "each row, and any options that differ between rows.",
    ),
    ParameterSpec(
        "RA",
        Kind.FLOAT,
        Scope.POSITION,
        "Right ascension of the centre, ICRS; requires DEC.",
        unit="deg",
        ucd="pos.eq.ra",
        minimum=-RA_MAX_DEG,
        maximum=RA_MAX_DEG,
    ),
    ParameterSpec(
        "DEC",
        Kind.FLOAT,
        Scope.POSITION,
        "Declination of the centre, ICRS; requires RA.",
        unit="deg",
        ucd="pos.eq.dec",
        minimum=-90,
        maximum=90,
    ),
    ParameterSpec(
        "COADD_OBJECT_ID",
        Kind.INTEGER,
        Scope.POSITION,
        "Catalogue object at the centre, instead of RA and DEC.",
        ucd="meta.id",
        minimum=0,
        maximum=ID_MAX,
    ),
    *FILTERS,
)
"""Data and positions to cut."""

_OPTIONS = (
    _XSIZE,
    _YSIZE,
    _XPIX,
    _YPIX,
    ParameterSpec(
        "EDGE",
        Kind.WORD,
        Scope.OPTION,
        "What to do if the cutout extends beyond its tile: "
        + "; ".join(f"{word}: {meaning}" for word, meaning in EDGES.items())
        + ".",
        ucd="meta.code",
        default="trim",
        choices=tuple(EDGES),
    ),
    _flag(
        "MAKE_FITS",
        "true",
        "Whether to make FITS files, one for each band of COLORS_FITS.",
        Described.ASYNC,
    ),
    ParameterSpec(
        "COLORS_FITS",
        Kind.BANDS,
        Scope.OPTION,
        "Bands of the FITS files (gri; separated by commas if names have several letters: W1,W2).",
        ucd="instr.bandpass",
        default="i",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "PLANES",
        Kind.PLANES,
        Scope.OPTION,
        "Planes of the FITS files (SCI,WGT; separated by commas, or repeated), or all. The science "
        "plane always comes first; planes that a tile lacks are left out.",
        ucd="meta.code",
        default="all",
        descriptor=Described.SYNC,
    ),
    _flag(
        "DISCARD_FITS_FILES",
        "false",
        "Whether to delete FITS files that are made only for colour pictures.",
        Described.ASYNC,
    ),
)

_OF_JOB = (
    ParameterSpec(
        "JOBNAME",
        Kind.TEXT,
        Scope.JOB,
        "Name of the job in lists and mails, at most 128 characters. Default: RUNID.",
        ucd="meta.title",
        maximum=128,
    ),
    ParameterSpec(
        "RUNID",
        Kind.TEXT,
        Scope.JOB,
        "Label chosen by the client (runId). Default: the first 64 characters of JOBNAME.",
        ucd="meta.id",
        maximum=64,
    ),
    ParameterSpec(
        "EMAIL",
        Kind.EMAIL,
        Scope.JOB,
        "Mail address to notify when the job ends, and before its results are deleted.",
        ucd="meta.email",
        maximum=254,
    ),
    ParameterSpec(
        "WEBHOOK",
        Kind.URL,
        Scope.JOB,
        "URL (https) to call by POST when the job ends.",
        ucd="meta.ref.url",
        maximum=2000,
    ),
)

OPTIONS: dict[str, ParameterSpec] = {spec.name: spec for spec in _OPTIONS}
"""Options of a cutout except those of picture methods, by name."""

FILTER_NAMES = tuple(spec.name for spec in FILTERS)
"""Names of the SODA parameters."""

POSITION_NAMES = tuple(spec.name for spec in _PLACES if spec.scope is Scope.POSITION)
"""Names of the parameters of a centre."""


def _method_specs(method: Method) -> Iterator[ParameterSpec]:
    """Yield the specifications of a picture method."""
    text = f"Whether to make colour pictures by {method.phrase}."
    yield _flag(method.switch, "false", text, Described.SYNC)
    yield ParameterSpec(
        method.triplets,
        Kind.TRIPLETS,
        Scope.OPTION,
        f"Colour pictures to make by the {method.title} method: three bands for red, green and "
        "blue; separate several pictures by semicolons (gry;riy).",
        ucd="instr.bandpass",
        default="irg",
        descriptor=Described.SYNC,
    )
    for setting in method.settings:
        yield ParameterSpec(
            setting.name,
            Kind.FLOAT,
            Scope.OPTION,
            setting.description,
            default=str(setting.default),
            minimum=setting.minimum,
            maximum=setting.maximum,
            descriptor=Described.SYNC,
        )


def _format_spec(formats: Sequence[Format]) -> ParameterSpec:
    """Return the specification of RESPONSEFORMAT."""
    data = [row.title for row in formats if not row.is_picture]
    pictures = [row.title for row in formats if row.is_picture]
    aliases = {word: row.name for row in formats for word in (row.media_type, *row.aliases)}
    return ParameterSpec(
        "RESPONSEFORMAT",
        Kind.WORD,
        Scope.JOB,
        f"Format of the files: {' or '.join(data)}, with colour pictures as {pictures[0]}; or "
        f"{' or '.join(pictures)} for pictures only, with each band in grey unless colour pictures "
        "are selected. XML or JSON: format of a job document.",
        ucd="meta.code.mime",
        choices=(*(row.name for row in formats), *dict.fromkeys(DOCUMENT_FORMATS.values())),
        aliases=MappingProxyType({**aliases, **DOCUMENT_FORMATS}),
        descriptor=Described.SYNC,
    )


@dataclass(frozen=True, slots=True)
class _Joined:
    specs: Mapping[str, ParameterSpec]
    option_names: tuple[str, ...]


@lru_cache(maxsize=8)
def _join(
    options: tuple[ParameterSpec, ...], methods: tuple[Method, ...], formats: tuple[Format, ...]
) -> _Joined:
    rows = [*_PLACES, *options, *(spec for method in methods for spec in _method_specs(method))]
    specs = {spec.name: spec for spec in (*rows, *_OF_JOB, _format_spec(formats))}
    names = tuple(spec.name for spec in rows if spec.scope is Scope.OPTION)
    return _Joined(MappingProxyType(specs), names)


def _joined() -> _Joined:
    """Join the current specifications of all registers."""
    return _join(tuple(OPTIONS.values()), tuple(METHODS.values()), tuple(FORMATS.values()))


def parameter_specs() -> Mapping[str, ParameterSpec]:
    """Return a snapshot of `PARAMETERS`, for code that reads it often."""
    return _joined().specs


def option_names() -> tuple[str, ...]:
    """Return the names of cutout options: set by release, job or row, and the later one wins."""
    return _joined().option_names


class _Parameters(Mapping[str, ParameterSpec]):
    """View of the specifications that are registered when it is read."""

    @override
    def __getitem__(self, name: str) -> ParameterSpec:
        return parameter_specs()[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(parameter_specs())

    @override
    def __len__(self) -> int:
        return len(parameter_specs())


PARAMETERS: Mapping[str, ParameterSpec] = _Parameters()
"""Every parameter by name, in the order shown to users."""
