"""The specification of a parameter: kind, scope, unit and limits, and their description."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from soda_service.sky.release import Release

__all__ = [
    "PIXELS_MAX",
    "Described",
    "Kind",
    "Limits",
    "ParameterSpec",
    "Scope",
    "bounds",
    "describe_allowed",
    "plane_names",
]

PIXELS_MAX = 20_000
"""Largest width of a cutout in pixels for any release: 1.6 GB per plane."""


class Kind(StrEnum):
    """Kinds of values."""

    FLOAT = "float"
    INTEGER = "int"
    BOOLEAN = "bool"
    WORD = "word"
    BANDS = "bands"
    TRIPLETS = "triplets"
    PLANES = "planes"
    TEXT = "text"
    EMAIL = "email"
    URL = "url"
    TABLE = "table"
    SHAPE = "shape"
    INTERVAL = "interval"


class Scope(StrEnum):
    """Where a parameter may be given."""

    JOB = "job"
    """For the job only."""

    POSITION = "position"
    """The centre of a cutout: in a row, or for a job without a table."""

    OPTION = "option"
    """For the job, in a row, or as a default of a release."""

    FILTER = "filter"
    """SODA parameter that selects data sets or a part of them, instead of a centre. It may be
    repeated, unless it is a `BOOLEAN`."""


class Described(StrEnum):
    """In which service descriptors a parameter stands."""

    NEVER = "never"
    SYNC = "sync"
    """In those of `/sync` and of `/async`."""

    ASYNC = "async"
    """In those of `/async` only: it chooses among several files."""


class Limits(StrEnum):
    """Which limits apply to a number."""

    FIXED = "fixed"
    """`minimum` and `maximum` of the spec."""

    SIZE = "size"
    """Smallest and largest size of the release, arcmin."""

    PIXELS = "pixels"
    """One pixel to the largest size of the release, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSpec:
    """Specification of one parameter."""

    name: str
    """Name in upper case; requests may use any case."""

    kind: Kind
    scope: Scope
    description: str
    """One sentence for users."""

    unit: str = ""
    """VOUnit; empty if there is none."""

    ucd: str = ""
    """UCD 1.1+; empty if none fits."""

    default: str = ""
    """Default value as text; empty if there is none."""

    limits: Limits = Limits.FIXED
    minimum: float | None = None
    maximum: float | None = None
    """Largest value; for text the largest number of characters."""

    choices: tuple[str, ...] = ()
    """Allowed words of a `Kind.WORD`."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other words -> the word of `choices` with the same meaning."""

    descriptor: Described = Described.NEVER
    """In which service descriptors it stands."""


_PLANES = ("SCI", "MSK", "WGT")
"""Planes of most tiles, and of all those of DES."""


def plane_names(release: Release) -> tuple[str, ...]:
    """Return the planes of a release; the usual ones if only its tiles know them."""
    return tuple(plane.role for plane in release.planes) or _PLANES


def bounds(spec: ParameterSpec, release: Release) -> tuple[float | None, float | None]:
    """Return the smallest and largest number allowed for a release, in the unit of the spec."""
    match spec.limits:
        case Limits.FIXED:
            return spec.minimum, spec.maximum
        case Limits.SIZE:
            return release.size_min_arcmin, release.size_max_arcmin
        case Limits.PIXELS:
            if release.pixel_scale_arcsec is None:
                return 1, PIXELS_MAX
            # The largest size in pixels, rounded half to even (SPEC).
            largest = round(release.size_max_arcmin * 60 / release.pixel_scale_arcsec)
            return 1, min(max(1, largest), PIXELS_MAX)


_ALLOWED: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.BOOLEAN: "true, false, t, f, yes, no, 1 or 0",
        Kind.TABLE: "CSV with a header row, or a VOTable",
        Kind.SHAPE: "numbers in degrees, separated by blanks",
        Kind.INTERVAL: "two numbers, the lower one first; -Inf or +Inf for an open end",
    }
)
"""Descriptions that do not depend on the parameter."""


def describe_allowed(spec: ParameterSpec, release: Release) -> str:
    """Describe the allowed values of a parameter for a release in a few words."""
    bands = f"bands of {release.name} ({', '.join(release.band_names)})"
    match spec.kind:
        case Kind.FLOAT | Kind.INTEGER:
            allowed = _describe_range(spec, release)
        case Kind.WORD:
            allowed = " or ".join(spec.choices)
        case Kind.BANDS:
            allowed = f"{bands}, each at most once"
        case Kind.TRIPLETS:
            allowed = f"three different {bands} per picture; separate pictures by ; without repeats"
        case Kind.PLANES:
            allowed = f"all, or planes of {release.name} ({', '.join(plane_names(release))})"
        case Kind.TEXT:
            allowed = f"at most {spec.maximum} characters"
        case Kind.EMAIL:
            allowed = f"an address like name@example.org, at most {spec.maximum} characters"
        case Kind.URL:
            allowed = f"an address like https://example.org/done, at most {spec.maximum} characters"
        case _:
            allowed = _ALLOWED[spec.kind]
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
