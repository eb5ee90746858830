"""DALI text and values: instants, integers, phases, and the control parameters of a request.

`parse_x` reads what a client wrote and refuses with `UsageError`; `format_x` writes what the
documents say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uws.dali import INTEGER_MAX, RUN_ID_MAX, only_value, parse_instant, parse_integer
from uws.errors import UsageError
from uws.models import Parameter

__all__ = ["DOCUMENT_FORMATS", "Submission", "read_submission"]


DOCUMENT_FORMATS = {
    "xml": "application/xml",
    "application/xml": "application/xml",
    "text/xml": "text/xml",
    "json": "application/json",
    "application/json": "application/json",
    "html": "text/html",
    "text/html": "text/html",
}
"""RESPONSEFORMAT of the UWS documents: the allowed values, and the media type of the response."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a request sent: parameters of the job, and those that control the job itself."""

    parameters: tuple[Parameter, ...] = ()
    phase: str | None = None
    """RUN, ABORT or whatever was written, in upper case."""

    action: str | None = None
    """In upper case."""

    run_id: str | None = None
    """RUNID, or without it the beginning of JOBNAME, which stays a parameter of the job, whole."""

    destruction: datetime | None = None
    execution_duration_s: int | None = None


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
    if len(text) > RUN_ID_MAX:
        raise UsageError(f"RUNID: {len(text)} characters, at most {RUN_ID_MAX} are allowed")
    return text


def _job_name(fields: Sequence[Parameter]) -> str | None:
    """Return what of a JOBNAME is the job's label; what is wrong with it the job type says."""
    names = [field.value for field in fields if field.name == _JOB_NAME and not field.by_reference]
    is_good = len(names) == 1 and len(names[0]) <= _JOB_NAME_MAX and names[0].isprintable()
    return names[0].strip()[:RUN_ID_MAX].rstrip() if is_good else None


def _parse_duration(text: str) -> int:
    seconds = parse_integer("EXECUTIONDURATION", text)
    if seconds < 0:
        raise UsageError(f"EXECUTIONDURATION: {seconds} is below 0; give seconds, 0 is unlimited")
    return min(seconds, INTEGER_MAX)
