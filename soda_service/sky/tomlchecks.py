"""Checks of TOML values: each takes what the file says and gives it in its right type."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from soda_service.errors import ConfigError

__all__ = [
    "Check",
    "check_table",
    "count",
    "expression",
    "flag",
    "increasing_pair",
    "matching",
    "number",
    "option_text",
    "positive",
    "root_below",
    "size_pair",
    "subtable",
    "subtables",
    "text",
    "texts",
]

# A TOML value is of any type until it is checked, and then of the type that its key asks for.
Check = Callable[[Any], Any]


def check_table(
    values: Mapping[str, Any],
    checks: Mapping[str, Check],
    faults: list[str],
    *,
    place: str = "",
    required: Sequence[str] = (),
) -> dict[str, Any]:
    """Check a table of TOML key by key.

    Parameters
    ----------
    values
        The table.
    checks
        The keys that there are.
    faults
        Gets a line for each unknown, missing or wrong key, beginning with the key's path.
    place
        What stands before the keys in those lines: `limits.`.
    required
        Keys that must be there.

    Returns
    -------
    dict
        The good ones.
    """
    good = {}
    for key, value in values.items():
        if key not in checks:
            faults.append(f"{place}{key}: unknown key; there are: {', '.join(checks)}")
            continue
        try:
            good[key] = checks[key](value)
        except ConfigError as error:
            faults.append(f"{place}{key}: {error}")
    faults += [f"{place}{key}: is missing" for key in required if key not in values]
    return good


def text(value: Any) -> str:
    """Take a text."""
    if not isinstance(value, str):
        raise ConfigError(f"{value!r} is not a text")
    return value


def matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    """Make the check of a text that must match as a whole."""

    def check(value: Any) -> str:
        if not pattern.fullmatch(text(value)):
            raise ConfigError(f"{value!r} is not {what} ({pattern.pattern})")
        return str(value)

    return check


def flag(value: Any) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{value!r} is neither true nor false")
    return value


def number(value: Any) -> float:
    """Take a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{value!r} is not a finite number")
    return float(value)


def positive(value: Any) -> float:
    """Take a number above 0."""
    if number(value) <= 0:
        raise ConfigError(f"{value!r} is not above 0")
    return float(value)


def count(value: Any) -> int:
    """Take a whole number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{value!r} is not a whole number from 0 on")
    return value


def texts(key_pattern: re.Pattern[str], check: Callable[[Any], str] = text) -> Check:
    """Make the check of a table of texts."""

    def checked(value: Any) -> dict[str, str]:
        result = {}
        for key, entry in subtable(value).items():
            if not key_pattern.fullmatch(key):
                raise ConfigError(f"{key!r} is not a name like {key_pattern.pattern}")
            try:
                result[key] = check(entry)
            except ConfigError as error:
                raise ConfigError(f"{key}: {error}") from error
        return result

    return checked


def option_text(value: Any) -> str:
    """Take an option's value, written as a user would send it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return text(value)


def expression(value: Any) -> str:
    """Take a regular expression with named groups in lower case."""
    try:
        groups = re.compile(text(value)).groupindex
    except re.error as error:
        raise ConfigError(f"{value!r} is no regular expression: {error}") from error
    if not groups or any(name != name.lower() for name in groups):
        raise ConfigError(f"{value!r} has no named groups in lower case, (?P<name>...)")
    return str(value)


def root_below(folder: Path) -> Callable[[Any], str]:
    """Make the check of a root: an address, or a directory, beside `folder`'s files if relative."""

    def check(value: Any) -> str:
        root = text(value)
        scheme, colon, _ = root.partition("://")
        if not root or (colon and scheme not in ("http", "https", "s3")):
            raise ConfigError(f"{root!r} is no directory and no https:// or s3:// address")
        return root if colon else str(folder.absolute() / root)

    return check


def subtable(value: Any) -> Mapping[str, Any]:
    """Take a table."""
    if not isinstance(value, dict):
        raise ConfigError(f"{value!r} is not a table")
    return value


def subtables(value: Any) -> list[Mapping[str, Any]]:
    """Take a list of tables."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ConfigError(f"{value!r} is not a list of tables, written [[...]]")
    return value


def _pair(value: Any, check: Check) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"{value!r} is not a list of two numbers")
    return check(value[0]), check(value[1])


def increasing_pair(value: Any) -> tuple[float, float]:
    """Take two positive numbers, the smaller first."""
    low, high = _pair(value, positive)
    if low >= high:
        raise ConfigError(f"{value!r} is not the smaller, then the greater number")
    return low, high


def size_pair(value: Any) -> tuple[int, int]:
    """Take a width and a height in pixels."""
    width, height = _pair(value, count)
    if not width or not height:
        raise ConfigError(f"{value!r} is not a width and a height above 0")
    return width, height
