"""The values of UWS 1.1: job, phase, parameter, result, error summary, chunk.

Frozen and free of any storage or protocol; imports the standard library only.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, Self

from uws.errors import NotFoundError

__all__ = [
    "ABORTABLE",
    "ACTIVE",
    "AT_WORK",
    "FINISHED",
    "MOVES",
    "PARAMETERS_MAX",
    "STARTABLE",
    "Chunk",
    "ChunkReport",
    "ChunkState",
    "ErrorKind",
    "ErrorSummary",
    "Failure",
    "Job",
    "Load",
    "Parameter",
    "Phase",
    "Progress",
    "Result",
    "check_job_id",
    "new_job_id",
]


class Phase(StrEnum):
    """Execution phase of a job (UWS 1.1, 2.1.3); the enumeration is closed."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"
    ARCHIVED = "ARCHIVED"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""Phases in which a request may block on WAIT (UWS 2.2.1.2)."""

PARAMETERS_MAX = 10_000
"""Parameters of one job; one may be repeated by the thousand."""

AT_WORK = frozenset({Phase.QUEUED, Phase.EXECUTING})
"""Phases in which a job is planned, worked and finished."""

FINISHED = frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED})
"""Phases of jobs without remaining work."""

MOVES: Mapping[Phase, frozenset[Phase]] = MappingProxyType(
    {
        Phase.PENDING: frozenset({Phase.QUEUED, Phase.ABORTED, Phase.ERROR}),
        Phase.HELD: frozenset({Phase.QUEUED, Phase.ABORTED, Phase.ERROR}),
        Phase.QUEUED: frozenset({Phase.EXECUTING, Phase.HELD, Phase.ABORTED, Phase.ERROR}),
        Phase.EXECUTING: frozenset({Phase.COMPLETED, Phase.ABORTED, Phase.ERROR, Phase.SUSPENDED}),
        Phase.SUSPENDED: frozenset({Phase.EXECUTING, Phase.ABORTED, Phase.ERROR}),
        Phase.UNKNOWN: frozenset(),
        Phase.COMPLETED: frozenset({Phase.ARCHIVED}),
        Phase.ERROR: frozenset({Phase.ARCHIVED}),
        Phase.ABORTED: frozenset({Phase.ARCHIVED}),
        Phase.ARCHIVED: frozenset(),
    }
)
"""The legal moves (UWS 2.1.3): from each phase, the phases that may follow."""

STARTABLE = frozenset(phase for phase in Phase if Phase.QUEUED in MOVES[phase])
"""Phases in which PHASE=RUN is accepted: PENDING and HELD."""

ABORTABLE = frozenset(phase for phase in Phase if Phase.ABORTED in MOVES[phase])
"""Phases in which PHASE=ABORT is accepted: all with remaining work."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One job parameter as the client sent it; a repeated one is a repeated value."""

    name: str
    """Canonical upper case (UWS-T11)."""

    value: str
    """The text, or, by reference, the key of the content in `JobFiles`."""

    by_reference: bool = False
    """True for uploads and for values too long or not fit for XML (UWS 2.2.2.4)."""

    media_type: str = "text/plain"
    """Media type of content kept by reference."""


@dataclass(frozen=True, slots=True)
class Result:
    """One entry of the result list."""

    id: str
    """Unique within the job."""

    key: str
    """Key in `JobFiles`; for a result made on demand, any text that the job type understands."""

    media_type: str
    size_bytes: int | None = None


class ErrorKind(StrEnum):
    """Type of an error summary (UWS App. B); no other value is valid."""

    TRANSIENT = "transient"
    FATAL = "fatal"


class Failure(Protocol):
    """An error that knows whether trying again will help: every `uws.errors.UWSError` does."""

    @property
    def is_transient(self) -> bool:
        """Whether a resource is temporarily unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Why a job is in phase ERROR."""

    message: str
    """One line that begins with a DALI label (`UsageError: ...`)."""

    kind: ErrorKind = ErrorKind.FATAL
    detail: str = ""
    """Whole text for `{job}/error`; the message where empty."""

    @classmethod
    def of(cls, error: Failure) -> Self:
        """Sum up an error: its text in one line, and as it is in the detail."""
        text = str(error)
        kind = ErrorKind.TRANSIENT if error.is_transient else ErrorKind.FATAL
        return cls(" ".join(text.split()), kind, text)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job, counted in the job type's own items."""

    total: int = 0
    done: int = 0
    """Items that succeeded, or ended for a reason that is not a failure."""

    failed: int = 0
    size_bytes: int = 0
    """Bytes of results made so far."""

    by_plan: int = 0
    """How many of those done and failed were finished by planning: they say nothing about speed."""

    @property
    def worked(self) -> int:
        """Items finished by the work of chunks."""
        return self.done + self.failed - self.by_plan

    @property
    def left(self) -> int:
        """Items not finished."""
        return self.total - self.done - self.failed


class ChunkState(StrEnum):
    """State of a chunk of work."""

    WAITING = "waiting"
    """Planned, not yet sent to the queue."""

    SENT = "sent"
    """In the queue, or lost from it."""

    RUNNING = "running"
    """Leased by a worker."""

    DONE = "done"
    FAILED = "failed"
    """Given up after the allowed number of tries."""

    UNAVAILABLE = "away"
    """Given up because a resource was unavailable for too long."""


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """Report of a finished chunk: counts and a few words, never the results themselves."""

    done: int
    failed: int = 0
    size_bytes: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON that only the job type reads."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items of a job that are worked together, by one worker in one task."""

    job_id: str
    number: int
    """0-based."""

    spec: Mapping[str, Any]
    """Plain JSON from `JobType.plan`."""

    total: int
    """Items in it."""

    state: ChunkState = ChunkState.WAITING
    attempts: int = 0
    """How often it was claimed since an item of it was finished."""

    failures: int = 0
    """Attempts that ended because a resource was unavailable, or that outlived their lease."""

    report: ChunkReport | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A UWS job as the store knows it at one moment. Times are aware, in UTC."""

    id: str
    job_type: str
    owner: str
    """Empty for the anonymous owner."""

    phase: Phase
    creation_time: datetime
    destruction: datetime
    execution_duration_s: int
    """0 is unlimited (UWS 2.1.4)."""

    run_id: str = ""
    url: str = ""
    """Address of the job as its client saw it when it was created, for documents made later."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    quote: datetime | None = None
    error: ErrorSummary | None = None
    parameters: tuple[Parameter, ...] = ()
    results: tuple[Result, ...] = ()
    progress: Progress = Progress()
    chunk_count: int | None = None
    """None until the job is planned."""

    notes: tuple[str, ...] = ()
    """Warnings and remarks of the job type for the client, shown in jobInfo."""


@dataclass(frozen=True, slots=True)
class Load:
    """Remaining work of a planned job, to estimate its end."""

    job_id: str
    left: int
    """Items not finished."""

    worked: int
    """Items finished since it started."""

    start_time: datetime | None
    quote: datetime | None
    """The latest estimate of its end."""


_JOB_ID = re.compile("[0-9a-f]{32}")


def new_job_id() -> str:
    """Return an id that cannot be guessed: 32 hexadecimal digits, one URL segment (UWS-1)."""
    return uuid.uuid4().hex


def check_job_id(job_id: str) -> None:
    """Refuse text that cannot be a job's id, before it is looked up.

    Raises
    ------
    NotFoundError
        When it was not made by `new_job_id`.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise NotFoundError(f"there is no job {job_id}")
