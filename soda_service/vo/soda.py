"""The parameters of SODA, for service descriptors (SODA 1.0, section 4).

All documents use this list. A discovery response has one generic descriptor, whose ID is the cell
of a column. A DataLink response has one for each data set, with its ID and coverage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from soda_service.engine.wcs.position import Circle, Polygon
from soda_service.formats import FORMATS, picture_formats
from soda_service.formats.votable import Field, Param
from soda_service.request.options import default_options, option_text
from soda_service.request.spec import Described, Kind, ParameterSpec, plane_names
from soda_service.request.table import PARAMETERS, option_names
from soda_service.request.values import CutoutOptions
from soda_service.sky.release import Release

__all__ = ["ASYNC_ID", "SYNC_ID", "Coverage", "soda_input_params"]

SYNC_ID = "ivo://ivoa.net/std/SODA#sync-1.0"
ASYNC_ID = "ivo://ivoa.net/std/SODA#async-1.0"

Interval = tuple[float, float]

_TYPES = {
    "CIRCLE": ("double", "3", "circle"),
    "POLYGON": ("double", "*", "polygon"),
    "BAND": ("double", "2", "interval"),
    "TIME": ("double", "2", "interval"),
}
"""Data type, array size and xtype of SODA's parameters that are not text (SODA 1.0, section 3)."""

_TRUTH = ("true", "false")

_STATES = ("I",)
"""Polarisation states: images show total intensity only."""

_OF_BANDS = "COLORS_FITS"
"""Chooses among the bands of a data set; one of a single band has no choice."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Known coverage of a data set: the ranges in its descriptor (SODA-29)."""

    circle: Circle | None = None
    """A circle around the image."""

    polygon: Polygon | None = None
    """Outline of the image."""

    band_m: Interval | None = None
    """Wavelengths, m."""

    time_mjd: Interval | None = None
    """Times, MJD, UTC, d."""


def soda_input_params(
    releases: Sequence[Release],
    *,
    dataset: str = "",
    id_ref: str = "",
    coverage: Coverage | None = None,
    bands: Sequence[str] = (),
    is_async: bool = False,
) -> tuple[Param, ...]:
    """Return the input parameters of a descriptor of `/sync` or `/async`.

    Texts have no default, so that clients send only what their user chose. Numbers have the default
    of the release, since pyvo fails on empty ones, and clients send it. Numbers with different
    defaults in the releases are omitted.

    Parameters
    ----------
    releases
        Possible releases of the data sets; at least one.
    dataset
        Identifier of the data set, if only one is described.
    id_ref
        Otherwise the XML ID of the column of identifiers.
    coverage
        Coverage of the data set.
    bands
        Names of the bands to choose from, if the data set has several.
    is_async
        Whether several files may be made.

    Raises
    ------
    ConfigError
        If a release's own defaults are not valid.
    """
    within = coverage or Coverage()
    shown = {Described.SYNC, Described.ASYNC} if is_async else {Described.SYNC}
    defaults = [default_options(release) for release in releases]
    options = (
        PARAMETERS[name]
        for name in option_names()
        if PARAMETERS[name].descriptor in shown and (bands or name != _OF_BANDS)
    )
    return (
        Param(_field("ID", ref=id_ref), dataset),
        *_shape_params(within),
        _interval_param("BAND", within.band_m),
        _interval_param("TIME", within.time_mjd),
        Param(_field("POL"), options=_STATES),
        Param(_field("MASK"), options=_TRUTH),
        *(param for spec in options for param in _option(spec, releases, defaults, bands)),
        _format_param(),
    )


def _format_param() -> Param:
    data = [row.title for row in FORMATS.values() if not row.is_picture]
    pictures = [row.title for row in picture_formats()]
    text = (
        f"{' or '.join(data)}; or a picture as {' or '.join(pictures)}: in colour if one is "
        f"requested, otherwise the band in grey. Default: {next(iter(FORMATS))}."
    )
    return Param(replace(_field("RESPONSEFORMAT"), description=text), options=tuple(FORMATS))


def _field(name: str, *, ref: str = "") -> Field:
    """Return the parameter for a row of `PARAMETERS`."""
    spec = PARAMETERS[name]
    datatype, arraysize, xtype = _TYPES.get(name, ("char", "*", ""))
    if spec.kind is Kind.FLOAT:
        datatype, arraysize = "double", ""
    return Field(
        name,
        datatype,
        arraysize,
        unit=spec.unit,
        ucd=spec.ucd,
        xtype=xtype,
        description=spec.description,
        ref=ref,
    )


def _shape_params(within: Coverage) -> Iterator[Param]:
    circle, polygon = within.circle, within.polygon
    numbers = (circle.ra_deg, circle.dec_deg, circle.radius_deg) if circle else ()
    yield Param(_field("CIRCLE"), maximum=_text(numbers))
    vertices = polygon.vertices_deg if polygon else ()
    yield Param(
        _field("POLYGON"), maximum=_text([angle for vertex in vertices for angle in vertex])
    )
    yield Param(_field("POS"))


def _interval_param(name: str, within: Interval | None) -> Param:
    low, high = (_text([bound]) for bound in within) if within else ("", "")
    return Param(_field(name), minimum=low, maximum=high)


def _text(numbers: Sequence[float]) -> str:
    return " ".join(map(repr, map(float, numbers)))


def _option(
    spec: ParameterSpec,
    releases: Sequence[Release],
    defaults: Sequence[CutoutOptions],
    bands: Sequence[str],
) -> Iterator[Param]:
    """Return an option of a cutout; a number only if all releases have the same default."""
    texts = {
        option_text(spec.name, options, release)
        for options, release in zip(defaults, releases, strict=True)
    }
    field = _field(spec.name)
    default = texts.pop() if len(texts) == 1 else ""
    if spec.kind is Kind.FLOAT:
        if default:
            yield Param(field, default)
        return
    if default:
        field = replace(field, description=f"{field.description} Default: {default}.")
    planes = [plane_names(release) for release in releases]
    choices = {
        Kind.BOOLEAN: _TRUTH,
        Kind.BANDS: tuple(bands),
        Kind.PLANES: tuple(name for name in planes[0] if all(name in others for others in planes)),
    }
    yield Param(field, options=choices.get(spec.kind, spec.choices))
