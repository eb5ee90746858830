"""What is said of a parameter: kind, place, unit, limits, and the words for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from soda_service.sky.release import Release

__all__ = ["PIXELS_MAX", "Kind", "Limits", "ParameterSpec", "Scope", "bounds", "describe_allowed"]

PIXELS_MAX = 20_000
"""Largest width of a cutout in pixels, whatever its release allows: 1.6 GB a plane."""


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
    URL = "url"
    TABLE = "table"
    SHAPE = "shape"
    INTERVAL = "interval"


class Scope(StrEnum):
    """Where a parameter may be given."""

    JOB = "job"
    """With the job only."""

    POSITION = "position"
    """The centre of a cutout: of the job without a table, or of a row."""

    OPTION = "option"
    """With the job, in a row, and as a default of a release."""

    FILTER = "filter"
    """Of SODA: which data sets, and which part of them, instead of a centre; any number of times,
    if it is not a `BOOLEAN`."""


class Limits(StrEnum):
    """Which limits hold for a number."""

    FIXED = "fixed"
    """`minimum` and `maximum` of the row."""

    SIZE = "size"
    """The release's smallest and largest size, arcmin."""

    PIXELS = "pixels"
    """One pixel to the release's largest size in its pixels."""


@dataclass(frozen=True, slots=True, eq=False)
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


_ALLOWED: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.BOOLEAN: "true, false, t, f, yes, no, 1 or 0",
        Kind.TABLE: "CSV with a header row, or a VOTable",
        Kind.SHAPE: "numbers of degrees, separated by blanks",
        Kind.INTERVAL: "two numbers, the lower one first; -Inf and +Inf leave an end open",
    }
)
"""What does not depend on the parameter."""


def describe_allowed(spec: ParameterSpec, release: Release) -> str:
    """Say in a few words which values a parameter may have with a release."""
    bands = f"bands of {release.name} ({', '.join(release.band_names)})"
    match spec.kind:
        case Kind.FLOAT | Kind.INTEGER:
            allowed = _describe_range(spec, release)
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
