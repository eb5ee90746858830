"""Text of DALI and UWS: instants, integers, phases, single values."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from uws.errors import MultiValuedParamNotSupported, UsageError
from uws.models import Phase

__all__ = [
    "ILLEGAL_IN_XML",
    "INTEGER_MAX",
    "RUN_ID_MAX",
    "format_instant",
    "only_value",
    "parse_instant",
    "parse_integer",
    "parse_last",
    "parse_phase",
    "shown",
    "values_of",
]


ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML 1.0 document can hold, not even escaped (its production 2, Char)."""


INTEGER_MAX = 2**31 - 1
"""Larger LAST and EXECUTIONDURATION mean the same as this one (xs:int, UWS-21)."""

RUN_ID_MAX = 64
"""Characters of a job's `runId`, whichever way it is set: those of RUNID (DALI 1.1, 3.4.6)."""


_EXTENDED = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?)?Z?",
    re.ASCII | re.IGNORECASE,
)


_BASIC = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:(\d\d)(?:\.(\d+))?)?)?Z?",
    re.ASCII | re.IGNORECASE,
)


_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def shown(text: str) -> str:
    """Quote a client's text for an error message, cut to 60 characters."""
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}... ({len(text)} characters)"


def parse_instant(name: str, text: str) -> datetime:
    """Read an instant in UTC, in the loose forms that UWS clients send.

    Accepted are the extended and basic ISO 8601 forms from the bare year to fractions of a
    second, with `T` or a blank before the time, with or without `Z` (UWS-6, UWS-16, DALI-T2).
    Digits beyond microseconds are cut off.

    Raises
    ------
    UsageError
        When the text is no such instant, or carries an offset from UTC.
    """
    found = _EXTENDED.fullmatch(text.strip()) or _BASIC.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{name}: {shown(text)} is not an instant in UTC; "
            "write it as 2030-01-31T12:00:00Z, without an offset"
        )
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise UsageError(f"{name}: {shown(text)} is not an instant: {error}") from error


def format_instant(instant: datetime) -> str:
    """Write an instant as UWS wants it: UTC with `Z`, microseconds only where there are any.

    The offset `+00:00` of `isoformat` would make pyvo refuse the whole document (UWS-T1).
    """
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat()}Z"


def parse_integer(name: str, text: str) -> int:
    """Read an integer of at most 18 digits, in ASCII, with an optional sign.

    Raises
    ------
    UsageError
        When the text is anything else.
    """
    if not _INTEGER.fullmatch(text.strip()):
        raise UsageError(f"{name}: {shown(text)} is not an integer")
    return int(text)


def parse_last(text: str | None) -> int | None:
    """Read LAST, the number of jobs that are listed at most; None where it is not given.

    Raises
    ------
    UsageError
        When it is no integer above 0 (UWS-14, UWS-16).
    """
    if text is None:
        return None
    last = parse_integer("LAST", text)
    if last <= 0:
        raise UsageError(f"LAST: {last} is not above 0")
    return min(last, INTEGER_MAX)


def parse_phase(text: str) -> Phase:
    """Read the name of a phase, in upper or lower case.

    Raises
    ------
    UsageError
        When there is no such phase, naming those that exist.
    """
    try:
        return Phase(text.strip().upper())
    except ValueError as error:
        allowed = " ".join(Phase)
        raise UsageError(f"PHASE: {shown(text)} is no phase; there are {allowed}") from error


def values_of(pairs: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Collect all values of a parameter; names are case-insensitive (DALI-1)."""
    return [value for key, value in pairs if key.upper() == name]


def only_value(pairs: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the value of a parameter that takes one, or None where it is not there.

    Raises
    ------
    MultiValuedParamNotSupported
        When it is repeated (DALI-5).
    """
    values = values_of(pairs, name)
    if len(values) > 1:
        raise MultiValuedParamNotSupported(f"{name} takes one value, {len(values)} were given")
    return values[0] if values else None
