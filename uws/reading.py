"""DALI text and values: instants, integers, phases, and the control parameters of a request.

`parse_x` reads what a client wrote and refuses with `UsageError`; `format_x` writes what the
documents say. Imports models and errors only.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from uws.errors import MultiValuedParamNotSupported, UsageError
from uws.models import Parameter, Phase

__all__ = [
    "DOCUMENT_FORMATS",
    "ILLEGAL_IN_XML",
    "Submission",
    "format_instant",
    "only_value",
    "parse_instant",
    "parse_integer",
    "parse_last",
    "parse_phase",
    "read_submission",
    "shown",
    "values_of",
]

ILLEGAL_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document can hold, not even escaped."""

DOCUMENT_FORMATS = {
    "xml": "application/xml",
    "application/xml": "application/xml",
    "text/xml": "text/xml",
    "json": "application/json",
    "application/json": "application/json",
    "html": "text/html",
    "text/html": "text/html",
}
"""RESPONSEFORMAT of the UWS documents: what may be asked for, and the media type answered."""

_INTEGER_MAX = 2**31 - 1
"""Larger LAST and EXECUTIONDURATION mean the same as this one (xs:int, UWS-21)."""

_RUN_ID_MAX = 64  # characters, DALI 1.1, 3.4.6

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
    return min(last, _INTEGER_MAX)


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
    """Give the value of a parameter that takes one, or None where it is not there.

    Raises
    ------
    MultiValuedParamNotSupported
        When it is repeated (DALI-5).
    """
    values = values_of(pairs, name)
    if len(values) > 1:
        raise MultiValuedParamNotSupported(f"{name} takes one value, {len(values)} were given")
    return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Submission:
    """What a request sent: parameters of the job, and those that control the job itself."""

    parameters: tuple[Parameter, ...] = ()
    phase: str | None = None
    """RUN, ABORT or whatever was written, in upper case."""

    action: str | None = None
    """In upper case."""

    run_id: str | None = None
    """RUNID, or without it JOBNAME, which stays a parameter of the job as well."""

    destruction: datetime | None = None
    execution_duration_s: int | None = None

    def with_parameters(self, parameters: Sequence[Parameter], *, phase: str) -> "Submission":
        """Give the same request with other parameters and another phase."""
        return replace(self, parameters=tuple(parameters), phase=phase)


_JOB_NAME, _JOB_NAME_MAX = "JOBNAME", 128
_CONTROLS = frozenset({"PHASE", "ACTION", "RUNID", "DESTRUCTION", "EXECUTIONDURATION"})


def read_submission(fields: Sequence[Parameter]) -> Submission:
    """Sort the fields of a request into job parameters and control parameters (UWS-40).

    RESPONSEFORMAT is a control where it names a format of the UWS documents, and a parameter of
    the job, whose results it governs (DALI-13), where it names any other.

    Raises
    ------
    UsageError
        When a control parameter is malformed, or was sent as a file.
    MultiValuedParamNotSupported
        When one is repeated.
    """
    controls = [(field.name, _control_text(field)) for field in fields if field.name in _CONTROLS]
    phase = only_value(controls, "PHASE")
    action = only_value(controls, "ACTION")
    run_id = only_value(controls, "RUNID")
    destruction = only_value(controls, "DESTRUCTION")
    duration = only_value(controls, "EXECUTIONDURATION")
    return Submission(
        parameters=tuple(field for field in fields if not _is_control(field)),
        phase=None if phase is None else phase.strip().upper(),
        action=None if action is None else action.strip().upper(),
        run_id=_job_name(fields) if run_id is None else _checked_run_id(run_id),
        destruction=None if destruction is None else parse_instant("DESTRUCTION", destruction),
        execution_duration_s=None if duration is None else _parse_duration(duration),
    )


def _is_control(field: Parameter) -> bool:
    if field.name == "RESPONSEFORMAT":
        return not field.by_reference and field.value.strip().lower() in DOCUMENT_FORMATS
    return field.name in _CONTROLS


def _control_text(field: Parameter) -> str:
    if field.by_reference:
        raise UsageError(f"{field.name}: must be a short text, not a file")
    return field.value


def _checked_run_id(text: str) -> str:
    if len(text) > _RUN_ID_MAX:
        raise UsageError(f"RUNID: {len(text)} characters, at most {_RUN_ID_MAX} are allowed")
    return text


def _job_name(fields: Sequence[Parameter]) -> str | None:
    """Give what people call the job; what is wrong with it is for the job type to say."""
    names = [field.value for field in fields if field.name == _JOB_NAME and not field.by_reference]
    is_good = len(names) == 1 and len(names[0]) <= _JOB_NAME_MAX and names[0].isprintable()
    return names[0].strip() if is_good else None


def _parse_duration(text: str) -> int:
    seconds = parse_integer("EXECUTIONDURATION", text)
    if seconds < 0:
        raise UsageError(f"EXECUTIONDURATION: {seconds} is below 0; give seconds, 0 is unlimited")
    return min(seconds, _INTEGER_MAX)
