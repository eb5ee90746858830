"""The parts of a running UWS server, joined: store, files, job types, executor, limits.

Built once in the web process and once in each worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from uws.dali import format_instant
from uws.errors import UsageError
from uws.files import JobFiles
from uws.jobtype import JobType
from uws.store import JobStore

__all__ = ["Executor", "JobLimits", "Runtime", "bounded_destruction", "bounded_duration"]

_RETRY_PAUSE_MAX_S = 60.0
"""Longest pause between retries, s."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits and assumptions of the server, from its configuration."""

    execution_default_s: int = 6 * 3600
    execution_max_s: int = 24 * 3600
    lifetime_default_s: int = 14 * 86400
    lifetime_max_s: int = 90 * 86400
    archive: bool = False
    """Whether a job is archived after its destruction time: kept, without its results."""

    archive_days: int = 365
    """How long archived jobs are kept, days."""

    parameters_at_job: bool = False
    """Whether parameters of a PENDING job are taken at the address of the job too, against DALI
    1.1, section 2.1."""

    wait_max_s: int = 30
    running_jobs_max: int = 20
    """Jobs of one owner that are QUEUED or EXECUTING at a time."""

    window: int = 8
    """Chunks of one job in the queue at a time, so that no job fills it."""

    tries: int = 3
    """Attempts of work that kills its worker or raises a bug; the minimum for other errors."""

    retry_pause_s: float = 5.0
    """Pause before the first retry of work whose resources were unavailable, s; each further pause
    is twice as long, up to a minute."""

    retry_for_s: float = 600.0
    """Total length of these pauses before the work is given up, s."""

    lease_s: int = 30
    """A worker that does not renew its lease for this time loses its chunk or step, s."""

    inline_value_max: int = 4096
    """Longer parameter values (characters) are kept by reference, out of the job document."""

    waiters_max: int = 800
    """Requests that WAIT in one process; beyond it a WAIT is answered at once."""

    def pause_after_s(self, failures: int) -> float | None:
        """Return the pause before the next attempt of work whose resources were unavailable, s.

        Parameters
        ----------
        failures
            Number of failures in a row, the last one included; 1 or more.

        Returns
        -------
        float or None
            None if it was tried for `retry_for_s`, and at least `tries` times.
        """
        pause_s, waited_s = self.retry_pause_s, 0.0
        for _ in range(failures - 1):
            waited_s += pause_s
            pause_s = min(2 * pause_s, _RETRY_PAUSE_MAX_S)
        has_time = pause_s > 0 and waited_s < self.retry_for_s
        return pause_s if has_time or failures < self.tries else None


class Executor(Protocol):
    """The queue of work. It holds ids only; sending the same work twice is harmless.

    Every method raises `TransientError` when the queue cannot be reached. Nothing is lost then: the
    store remembers the work and `sweep` sends it again.
    """

    forks: bool = False
    """Whether each task has a process of its own, which may be killed to end it."""

    def send_plan(self, job_id: str) -> None:
        """Send the job to be planned (and, if small, worked and finished in the same task)."""
        ...

    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        """Send chunks to be worked."""
        ...

    def send_finish(self, job_id: str) -> None:
        """Send the job to be finished."""
        ...

    def cancel(self, job_id: str) -> None:
        """Remove the job's tasks from the queue and stop running ones."""
        ...

    def stop(self, holder: str) -> None:
        """Kill a task that lost its lease, through its worker, on any host."""

    def epoch(self) -> str:
        """Return a text that changes when the queue was restarted and may have lost its tasks."""
        return ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """All that steps and verbs need."""

    store: JobStore
    files: JobFiles
    job_types: Mapping[str, JobType]
    executor: Executor
    limits: JobLimits = field(default_factory=JobLimits)


def bounded_destruction(
    asked: datetime | None, *, created: datetime, limits: JobLimits
) -> tuple[datetime, tuple[str, ...]]:
    """Bring a destruction time within the limits.

    Parameters
    ----------
    asked
        None stands for the default lifetime.
    created
        When the job was created; its longest lifetime counts from there.

    Returns
    -------
    datetime, tuple of str
        The time that holds, and a note for the client where it is not the one asked for.

    Raises
    ------
    UsageError
        When the time is past.
    """
    if asked is None:
        return created + timedelta(seconds=limits.lifetime_default_s), ()
    if asked <= datetime.now(UTC):
        raise UsageError(f"DESTRUCTION: {format_instant(asked)} is past; to end a job, delete it")
    latest = created + timedelta(seconds=limits.lifetime_max_s)
    if asked <= latest:
        return asked, ()
    days = limits.lifetime_max_s / 86400
    note = f"DESTRUCTION was limited to {days:g} days after creation, {format_instant(latest)}"
    return latest, (note,)


def bounded_duration(asked_s: int | None, limits: JobLimits) -> tuple[int, tuple[str, ...]]:
    """Bring an execution duration within the limits.

    Parameters
    ----------
    asked_s
        Seconds, 0 is unlimited; None stands for the default.

    Returns
    -------
    int, tuple of str
        The duration that holds, and a note for the client where it is not the one asked for.
    """
    if asked_s is None:
        return limits.execution_default_s, ()
    limit_s = limits.execution_max_s
    if limit_s == 0 or 0 < asked_s <= limit_s:
        return asked_s, ()
    return limit_s, (f"EXECUTIONDURATION was limited to {limit_s} s",)
