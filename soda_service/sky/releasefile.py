"""The TOML file of a release: text to `Release` and back. Keys are named as `Release`'s fields."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from soda_service.errors import ConfigError
from soda_service.sky import tomlchecks as checks
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
"""Columns of an object catalogue that `object_columns` can rename."""

_RELEASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", re.ASCII)
_BAND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+'-]{0,31}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_+.-]{0,32}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_FIELD = re.compile(r"\{([^{}]*)\}")


def is_release_name(text: str) -> bool:
    """Tell whether a text can name a release (and its files)."""
    return _RELEASE_NAME.fullmatch(text) is not None


def is_band_name(text: str) -> bool:
    """Tell whether a text can name a band (and stand in a list of bands)."""
    return _BAND_NAME.fullmatch(text) is not None


def _template(value: Any) -> str:
    template = checks.text(value).removeprefix("{root}/")
    bare = _FIELD.sub("x", template)
    named = all(_IDENTIFIER.fullmatch(name) for name in _FIELD.findall(template))
    if not template or not named or set(bare) & set("{}"):
        raise ConfigError(
            f"{value!r} is no path with columns in braces: {{tilename}}_{{band}}.fits"
        )
    if bare.startswith("/") or ".." in PurePosixPath(bare).parts:
        raise ConfigError(f"{value!r} does not stay below the root")
    return template


def _hdu(value: Any) -> str | int:
    return value if isinstance(value, str) and value else checks.count(value)


def _bit(value: Any) -> int:
    bit = checks.count(value)
    if bit & (bit - 1):
        raise ConfigError(f"{value} is no single bit: 1, 2, 4, 8 and so on, as a whole number")
    return bit


_column_name = checks.matching(re.compile(r".+"), "a column's name")
_word = checks.matching(_WORD, "a word")

_KEYS: Mapping[str, checks.Check] = {
    "name": checks.matching(_RELEASE_NAME, "a release's name"),
    "title": checks.text,
    "default": checks.flag,
    "database": _word,
    "root": checks.text,  # parse_release, which knows the folder, has the real check
    "path_template": _template,
    "bands": checks.subtables,
    "planes": checks.subtables,
    "name_prefix": _word,
    "pixel_scale_arcsec": checks.positive,
    "tile_size_px": checks.size_pair,
    "zero_point_mag": checks.number,
    "time_mjd": checks.increasing_pair,
    "unit": checks.text,
    "mask_no_data_bit": _bit,
    "serves_whole_tiles": checks.flag,
    "acknowledgement": checks.text,
    "limits": checks.subtable,
    "defaults": checks.texts(re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII), checks.option_text),
    "tile_columns": checks.texts(_IDENTIFIER, _column_name),
    "tile_patterns": checks.texts(_IDENTIFIER, checks.expression),
    "object_columns": checks.texts(re.compile("|".join(OBJECT_COLUMNS)), _column_name),
}
_BAND_KEYS: Mapping[str, checks.Check] = {
    "name": checks.matching(_BAND_NAME, "a band's name"),
    "wavelength_m": checks.increasing_pair,
    "spelling": checks.matching(_BAND_NAME, "a band's name"),
}
_PLANE_KEYS: Mapping[str, checks.Check] = {"role": _word, "hdu": _hdu}
_LIMIT_KEYS: Mapping[str, checks.Check] = {
    "size_min_arcmin": checks.positive,
    "size_max_arcmin": checks.positive,
}


def parse_release(path: Path) -> Release:
    """Read a release's TOML file.

    Parameters
    ----------
    path
        The file; a `root` that is no absolute path lies beside it.

    Returns
    -------
    Release

    Raises
    ------
    ConfigError
        If it cannot be read or anything is wrong in it: each fault with file and key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
    faults: list[str] = []
    fields = checks.check_table(
        values,
        {**_KEYS, "root": checks.root_below(path.parent)},
        faults,
        required=("name", "root", "path_template", "bands"),
    )
    bands = list(_parsed(fields.pop("bands", ()), _BAND_KEYS, faults, place="bands", key="name"))
    planes = list(
        _parsed(fields.pop("planes", ()), _PLANE_KEYS, faults, place="planes", key="role")
    )
    limits = checks.check_table(fields.pop("limits", {}), _LIMIT_KEYS, faults, place="limits.")
    if limits.get("size_min_arcmin", 0.1) > limits.get("size_max_arcmin", 12.0):
        faults.append("limits.size_min_arcmin: exceeds size_max_arcmin (0.1 and 12.0 by default)")
    if "bands" in values and not bands:
        faults.append("bands: a release has at least one band")
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return Release(
        title=fields.pop("title", fields["name"]),
        bands=tuple(Band(b["name"], *b.get("wavelength_m", ())) for b in bands),
        band_spelling={b["name"]: b["spelling"] for b in bands if "spelling" in b},
        planes=tuple(Plane(plane["role"], plane["hdu"]) for plane in planes),
        is_default=fields.pop("default", False),
        source=path,
        **limits,
        **fields,
    )


def _parsed(
    entries: list[Mapping[str, Any]],
    keys: Mapping[str, checks.Check],
    faults: list[str],
    *,
    place: str,
    key: str,
) -> Iterator[Mapping[str, Any]]:
    """Check a list of tables, none of which may have another's `key`."""
    required = (key, "hdu") if "hdu" in keys else (key,)
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        here = f"{place}[{number}]."
        good = checks.check_table(entry, keys, faults, place=here, required=required)
        if good.get(key) in seen:
            faults.append(f"{here}{key}: {good[key]!r} comes twice")
        seen.add(good.get(key, ""))
        yield good


def write_release(release: Release, path: Path) -> None:
    """Write a release as TOML, in one step; `parse_release` gives an equal value back.

    Parameters
    ----------
    release
        Its `source` and `is_local` are not written: they follow from the place.
    path
        The file, `{name}.toml` in lower case by custom.
    """
    write_atomically(path, "\n".join(_toml_lines(release)) + "\n")


def _toml_lines(release: Release) -> Iterator[str]:
    plain = {
        "name": release.name,
        "title": release.title,
        "default": release.is_default or None,
        "database": release.database or None,
        "root": release.root,
        "path_template": release.path_template,
        "name_prefix": release.name_prefix,
        "pixel_scale_arcsec": release.pixel_scale_arcsec,
        "tile_size_px": release.tile_size_px,
        "zero_point_mag": release.zero_point_mag,
        "time_mjd": release.time_mjd,
        "unit": release.unit or None,
        "mask_no_data_bit": release.mask_no_data_bit or None,
        "serves_whole_tiles": release.serves_whole_tiles,
        "acknowledgement": release.acknowledgement or None,
    }
    yield from _pairs(plain)
    for band in release.bands:
        wavelength = (band.wavelength_min_m, band.wavelength_max_m)
        entry = {
            "name": band.name,
            "wavelength_m": None if None in wavelength else wavelength,
            "spelling": release.band_spelling.get(band.name),
        }
        yield from ("", "[[bands]]", *_pairs(entry))
    for plane in release.planes:
        yield from ("", "[[planes]]", *_pairs({"role": plane.role, "hdu": plane.hdu}))
    limits = {
        "size_min_arcmin": release.size_min_arcmin,
        "size_max_arcmin": release.size_max_arcmin,
    }
    tables: Mapping[str, Mapping[str, object]] = {
        "limits": limits,
        "defaults": release.defaults,
        "tile_columns": release.tile_columns,
        "tile_patterns": release.tile_patterns,
        "object_columns": release.object_columns,
    }
    for name, table in tables.items():
        if table:
            yield from ("", f"[{name}]", *_pairs(table))


def _pairs(table: Mapping[str, object]) -> Iterator[str]:
    return (f"{key} = {_toml(value)}" for key, value in table.items() if value is not None)


def _toml(value: object) -> str:
    """Write a TOML value; JSON's texts and numbers are TOML's, but for the sign DEL."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
