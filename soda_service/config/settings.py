"""Settings read into frozen dataclasses: TOML tables and environment variables, checked.

Knows types, bounds and paths of keys, and nothing of what any setting means: that is
`soda_service.config`.
"""

import difflib
import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, NewType, TypeVar, get_args, get_origin, get_type_hints

from soda_service.errors import ConfigError

__all__ = [
    "OUTSIDE",
    "Layer",
    "Location",
    "bounds",
    "environment_layer",
    "file_layer",
    "read_tree",
    "warn_of_slips",
]

Tree = TypeVar("Tree")

Location = NewType("Location", str)
"""A directory or a URL; a relative directory is taken from where the setting was written."""

_log = logging.getLogger(__name__)

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


OUTSIDE = ""
"""Name, in a layer, of the section of what stands outside all sections."""


@dataclass(frozen=True, slots=True)
class Layer:
    """All settings of one origin."""

    place: str
    """`conf/production.toml`, `environment`: for messages."""

    sections: Mapping[str, Mapping[str, object]]
    """Section -> key -> value, of TOML's types or as text."""

    folder: Path = field(default_factory=Path.cwd)
    """What relative paths in it start from."""


def bounds(minimum: float | None = None, maximum: float | None = None) -> Mapping[str, object]:
    """Make the metadata of a number's field: the least and the greatest value (inclusive)."""
    return MappingProxyType({"minimum": minimum, "maximum": maximum})


def file_layer(path: Path) -> Layer:
    """Read a TOML file; raises ConfigError when it cannot be read or is not TOML."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    sections = {name: value for name, value in content.items() if isinstance(value, dict)}
    outside = {name: value for name, value in content.items() if name not in sections}
    return Layer(str(path), {OUTSIDE: outside, **sections}, path.resolve().parent)


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Find the settings among environment variables: SODA_SECTION__KEY, and SODA_DATA.

    Other variables without the double underscore are other people's: a cluster manager, for
    one, sets SODA_PORT and SODA_SERVICE_HOST for a service that is called soda.
    """
    sections: dict[str, dict[str, object]] = {}
    if environ.get("SODA_DATA"):
        sections[OUTSIDE] = {"data": environ["SODA_DATA"]}
    for variable, text in environ.items():
        section, mark, key = variable.removeprefix("SODA_").partition("__")
        if variable.startswith("SODA_") and mark:
            sections.setdefault(section.lower(), {})[key.lower()] = text
    return Layer("environment", sections)


def warn_of_slips(kind: type, environ: Mapping[str, str]) -> None:
    """Warn of SODA_WEB_PORT where SODA_WEB__PORT was meant.

    It is no error: a cluster manager sets that very variable for a service called soda-web.
    """
    sections = get_type_hints(kind)
    for variable in environ:
        section, _, key = variable.removeprefix("SODA_").lower().partition("_")
        known = getattr(sections.get(section), "__dataclass_fields__", {})
        if variable.startswith("SODA_") and key in known:
            meant = f"SODA_{section}__{key}".upper()
            _log.warning("%s is no setting and is passed over; is %s meant?", variable, meant)


def read_tree(kind: type[Tree], layers: tuple[Layer, ...]) -> Tree:
    """Make a dataclass, some of whose fields are sections, from layers; the later layer wins.

    Parameters
    ----------
    kind
        A dataclass all of whose fields have defaults; those that are dataclasses are sections.

    Raises
    ------
    ConfigError
        For an unknown section or key, a value of the wrong type or out of bounds; names the
        key's path and where it was written.
    """
    hints = get_type_hints(kind)
    sections = {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)
    }
    for layer in layers:
        for name in layer.sections.keys() - sections.keys() - {OUTSIDE}:
            raise ConfigError(f"{layer.place}: {_unknown(name, name, sections, 'section')}")
    values = _read_values(kind, OUTSIDE, layers)
    for name, section in sections.items():
        values[name] = section(**_read_values(section, name, layers))
    return kind(**values)


def _read_values(kind: type, name: str, layers: tuple[Layer, ...]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    metadata = {field.name: field.metadata for field in fields(kind)}
    values: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.sections.get(name, {}).items():
            path = f"{name}.{key}" if name else key
            if key not in hints:
                raise ConfigError(f"{layer.place}: {_unknown(path, key, hints, 'setting')}")
            where = f"{layer.place}: {path}"
            values[key] = _convert(value, hints[key], where, layer.folder)
            _check_bounds(values[key], metadata[key], where)
    return values


def _unknown(path: str, key: str, known: Mapping[str, Any], noun: str) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"{path}: no such {noun}; {hint}"


def _check_bounds(value: object, metadata: Mapping[str, Any], where: str) -> None:
    minimum, maximum = metadata.get("minimum"), metadata.get("maximum")
    if minimum is None and maximum is None:
        return
    assert isinstance(value, (int, float))  # noqa: S101 - bounds stand on numbers only
    if (minimum is not None and not value >= minimum) or (maximum is not None and value > maximum):
        allowed = f"{minimum} to {maximum}" if maximum is not None else f"at least {minimum}"
        raise ConfigError(f"{where}: {value} is out of bounds; allowed: {allowed}")


def _convert(value: object, hint: Any, where: str, folder: Path) -> Any:  # noqa: PLR0911
    # Any: the hint is whatever a field's annotation says, the answer is of that type.
    # A return for each kind of setting reads better than one variable set in eight places.
    origin = get_origin(hint)
    if origin is UnionType:  # `Path | None` is the only union in use
        return _convert(value, get_args(hint)[0], where, folder)
    if origin is Literal:
        return _word(value, get_args(hint), where)
    if origin is tuple:
        return _items(value, get_args(hint)[0], where, folder)
    if hint is bool:
        return _boolean(value, where)
    if hint is int or hint is float:
        return _number(value, hint, where)
    if is_dataclass(hint):
        raise ConfigError(f"{where}: is a section: expected a table, found {value!r}")
    if not isinstance(value, str):
        raise ConfigError(f"{where}: expected text, found {value!r}")
    if hint is Path:
        return _path(value, where, folder)
    if hint is Location and value and "://" not in value:
        return Location(str(_path(value, where, folder)))
    return value


def _word(value: object, words: tuple[str, ...], where: str) -> str:
    if isinstance(value, str) and value.lower() in words:
        return value.lower()
    raise ConfigError(f"{where}: {value!r} is not allowed; allowed: {', '.join(words)}")


def _boolean(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ConfigError(f"{where}: expected true or false, found {value!r}")


def _number(value: object, kind: type[int] | type[float], where: str) -> int | float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = kind(value)
        except (ValueError, OverflowError):
            pass
        else:
            if isinstance(value, str) or number == value:  # 1.5 is no integer
                return number
    noun = "an integer" if kind is int else "a number"
    raise ConfigError(f"{where}: expected {noun}, found {value!r}")


def _path(value: str, where: str, folder: Path) -> Path:
    if not value or "\0" in value:
        raise ConfigError(f"{where}: expected a path, found {value!r}")
    return Path(os.path.normpath(folder / Path(value).expanduser()))


def _items(value: object, hint: Any, where: str, folder: Path) -> tuple[Any, ...]:
    # Any: as in _convert.
    found = [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value
    if not isinstance(found, list):
        raise ConfigError(f"{where}: expected a list, found {value!r}")
    return tuple(_convert(item, hint, where, folder) for item in found)
