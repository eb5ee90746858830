"""The TOML file of a release, read and written. Keys have the names of `Release`'s fields."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import tomli_w
from annotated_types import Interval
from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainValidator, ValidationInfo

from soda_service.config.validation import (
    Flag,
    Integer,
    Number,
    Source,
    read_toml,
    source_of,
    validate,
)
from soda_service.sky.release import Band, Plane, Release
from soda_service.sky.table import write_atomically

__all__ = [
    "OBJECT_COLUMNS",
    "is_band_name",
    "is_release_name",
    "parse_release",
    "write_release",
]

OBJECT_COLUMNS = ("coadd_object_id", "ra", "dec", "alphawin_j2000", "deltawin_j2000", "tilename")
"""Columns of an object catalogue that `object_columns` may rename."""

_RELEASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", re.ASCII)
_BAND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+'-]{0,31}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_FIELD = re.compile(r"\{([^{}]*)\}")


def is_release_name(text: str) -> bool:
    """Return whether a text is a valid name of a release (and of its files)."""
    return _RELEASE_NAME.fullmatch(text) is not None


def is_band_name(text: str) -> bool:
    """Return whether a text is a valid name of a band (and of a column in a list of bands)."""
    return _BAND_NAME.fullmatch(text) is not None


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not {what} ({pattern.pattern})")
        return text

    return AfterValidator(check)


def _template(text: str) -> str:
    template = text.removeprefix("{root}/")
    bare = _FIELD.sub("x", template)
    named = all(_IDENTIFIER.fullmatch(name) for name in _FIELD.findall(template))
    if not template or not named or set(bare) & set("{}"):
        raise ValueError(
            f"{text!r} is not a path with columns in braces: {{tilename}}_{{band}}.fits"
        )
    if bare.startswith("/") or ".." in PurePosixPath(bare).parts:
        raise ValueError(f"{text!r} leads out of the root; a path must stay below it")
    return template


def _root(text: str, info: ValidationInfo) -> str:
    scheme, colon, _ = text.partition("://")
    if not text or (colon and scheme not in ("http", "https", "s3")):
        raise ValueError(f"{text!r} is neither a directory nor an https:// or s3:// address")
    return text if colon else str(source_of(info).folder.absolute() / text)


def _hdu(value: Any) -> str | int:
    if (isinstance(value, str) and value) or (type(value) is int and value >= 0):
        return value
    raise ValueError(f"found {value!r}; expected a name, or a number from 0")


def _bit(number: int) -> int:
    if number & (number - 1):
        raise ValueError(f"{number} is not a single bit; expected 0, 1, 2, 4, 8 and so on")
    return number


def _increasing(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] >= pair[1]:
        raise ValueError(f"{list(pair)} is not increasing; expected the smaller number first")
    return pair


def _option(value: Any) -> Any:
    """Return the value of an option as a user would send it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else value


def _expression(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    if not groups or any(name != name.lower() for name in groups):
        raise ValueError(f"{text!r} has no named groups in lower case; expected (?P<name>...)")
    return text


def _distinct(entries: tuple[Any, ...]) -> tuple[Any, ...]:  # Any: of _Band or _Plane
    names = [getattr(entry, fields(entry)[0].name) for entry in entries]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValueError(f"{name!r} occurs twice")
    return entries


def _some(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not entries:
        raise ValueError("there are no bands; a release has at least one")
    return entries


_Positive = Annotated[Number, Interval(gt=0)]
_Range = Annotated[tuple[_Positive, _Positive], AfterValidator(_increasing)]
_Pixels = Annotated[Integer, Interval(ge=1)]
_BandName = Annotated[str, _matching(_BAND_NAME, "a band's name")]
_Word = Annotated[str, _matching(re.compile(r"[A-Za-z0-9_+.-]{0,32}", re.ASCII), "a word")]
_Column = Annotated[str, _matching(re.compile(r".+"), "a column's name")]
_Identifier = Annotated[str, _matching(_IDENTIFIER, "a column's name")]
_Option = Annotated[str, _matching(re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII), "an option's name")]
_ObjectColumn = Annotated[
    str, _matching(re.compile("|".join(OBJECT_COLUMNS)), "a catalogue's column")
]


@dataclass(frozen=True, slots=True)
class _Band:
    name: _BandName
    wavelength_m: _Range | None = None
    spelling: _BandName | None = None


@dataclass(frozen=True, slots=True)
class _Plane:
    role: _Word
    hdu: Annotated[str | int, PlainValidator(_hdu)]


@dataclass(frozen=True, slots=True)
class _Limits:
    size_min_arcmin: _Positive = 0.1
    size_max_arcmin: _Positive = 12.0

    def __post_init__(self) -> None:
        if self.size_min_arcmin > self.size_max_arcmin:
            raise ValueError(
                f"size_min_arcmin = {self.size_min_arcmin} exceeds"
                f" size_max_arcmin = {self.size_max_arcmin}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReleaseFile:
    """The tables and keys of the file, in the order in which they are written."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Annotated[str, _matching(_RELEASE_NAME, "a release's name")]
    title: str | None = None
    default: Flag = False
    database: _Word = ""
    root: Annotated[str, AfterValidator(_root)]
    path_template: Annotated[str, AfterValidator(_template)]
    name_prefix: _Word = "J"
    pixel_scale_arcsec: _Positive | None = None
    tile_size_px: tuple[_Pixels, _Pixels] | None = None
    zero_point_mag: Number | None = None
    time_mjd: _Range | None = None
    unit: str = ""
    mask_no_data_bit: Annotated[Integer, Interval(ge=0), AfterValidator(_bit)] = 0
    serves_whole_tiles: Flag = True
    acknowledgement: str = ""
    bands: Annotated[tuple[_Band, ...], AfterValidator(_distinct), AfterValidator(_some)]
    planes: Annotated[tuple[_Plane, ...], AfterValidator(_distinct)] = ()
    limits: _Limits = _Limits()
    defaults: dict[_Option, Annotated[str, BeforeValidator(_option)]] = field(default_factory=dict)
    tile_columns: dict[_Identifier, _Column] = field(default_factory=dict)
    tile_patterns: dict[_Identifier, Annotated[str, AfterValidator(_expression)]] = field(
        default_factory=dict
    )
    object_columns: dict[_ObjectColumn, _Column] = field(default_factory=dict)


_SHARED = tuple(
    key.name
    for key in fields(_ReleaseFile)
    if key.name in Release.__dataclass_fields__ and key.name not in ("bands", "planes")
)
"""Keys that are also fields of `Release`, with the same values."""


def parse_release(path: Path) -> Release:
    """Read a release's TOML file.

    Parameters
    ----------
    path
        The file. A relative `root` is relative to its folder.

    Returns
    -------
    Release

    Raises
    ------
    ConfigError
        If the file cannot be read or has errors: each error with file and key.
    """
    table = validate(_ReleaseFile, read_toml(path), Source(path.parent), place=str(path))
    shared = {key: getattr(table, key) for key in _SHARED}
    return Release(
        **{**shared, "title": table.name if table.title is None else table.title},
        bands=tuple(Band(band.name, *(band.wavelength_m or ())) for band in table.bands),
        band_spelling={band.name: band.spelling for band in table.bands if band.spelling},
        planes=tuple(Plane(plane.role, plane.hdu) for plane in table.planes),
        is_default=table.default,
        size_min_arcmin=table.limits.size_min_arcmin,
        size_max_arcmin=table.limits.size_max_arcmin,
        source=path,
    )


def write_release(release: Release, path: Path) -> None:
    """Write a release as TOML, atomically. `parse_release` reads an equal value back.

    Parameters
    ----------
    release
        Its `source` and `is_local` are not written: they follow from the location.
    path
        The file, by convention `{name}.toml` in lower case.
    """
    table = {
        **{key: getattr(release, key) for key in _SHARED},
        "default": release.is_default,
        "bands": [_band_table(band, release.band_spelling) for band in release.bands],
        "planes": [asdict(plane) for plane in release.planes],
        "limits": {
            "size_min_arcmin": release.size_min_arcmin,
            "size_max_arcmin": release.size_max_arcmin,
        },
    }
    keys = {key.name: key.default for key in fields(_ReleaseFile)}
    said = {key: table[key] for key, default in keys.items() if _says_much(table[key], default)}
    write_atomically(path, tomli_w.dumps(said))


def _band_table(band: Band, spelling: Mapping[str, str]) -> dict[str, Any]:
    lower, upper = band.wavelength_min_m, band.wavelength_max_m
    limits = None if lower is None or upper is None else (lower, upper)
    table = asdict(_Band(band.name, limits, spelling.get(band.name)))
    return {key: value for key, value in table.items() if value is not None}


def _says_much(value: Any, default: Any) -> bool:
    """Return whether a key needs a line: it does not if it is empty or has its default."""
    return value not in (None, {}, []) and (bool(value) or value != default)
