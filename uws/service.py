"""The verbs of UWS 1.1: create, start, wait, abort, delete and the rest, for any kind of job.

Each verb knows who asks and what the phase allows; nothing here knows HTTP.
Imports runtime, ending, models, errors and reading.
"""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from uws.ending import abort_job, destroy_job
from uws.errors import (
    AuthorizationError,
    NotFoundError,
    TooManyError,
    TransientError,
    UsageError,
    WrongPhaseError,
)
from uws.models import ACTIVE, FINISHED, ErrorSummary, Job, Parameter, Phase, Result
from uws.reading import format_instant, shown
from uws.runtime import JobLimits, Runtime

__all__ = ["JobService", "new_job_id"]

_log = logging.getLogger(__name__)

_STARTABLE = frozenset({Phase.PENDING, Phase.HELD})
_RUNNING = frozenset({Phase.QUEUED, Phase.EXECUTING})
_POLL_S = 0.05  # first pause of a waiting request, doubled up to
_POLL_MAX_S = 0.4


def new_job_id() -> str:
    """Make an id that nobody guesses: 32 hexadecimal digits, one URL segment (UWS-1)."""
    return uuid.uuid4().hex


class JobService:
    """What clients may do with jobs.

    Verbs on one job raise `NotFoundError` where there is no such job, and `AuthorizationError`
    where it is another owner's. Anonymous jobs, whose owner is empty, are for all who know the id.

    Parameters
    ----------
    runtime
        Store, files, job types, executor and limits.
    is_unlimited
        Tells of an owner whether the number of jobs at work is not limited.
    """

    def __init__(
        self, runtime: Runtime, *, is_unlimited: Callable[[str], bool] = lambda _owner: False
    ) -> None:
        self.runtime = runtime
        self._store = runtime.store
        self._files = runtime.files
        self._limits = runtime.limits
        self._is_unlimited = is_unlimited

    def create(  # noqa: PLR0913 - a job has as many properties that its maker may set
        self,
        owner: str,
        parameters: Sequence[Parameter],
        *,
        job_type: str,
        job_id: str | None = None,
        run: bool = False,
        run_id: str = "",
        destruction: datetime | None = None,
        execution_duration_s: int | None = None,
        url: str = "",
    ) -> Job:
        """Create a job, and start it where `run` says so.

        Without `run` nothing is said about the parameters, since more may come (DALI-9).

        Parameters
        ----------
        owner
            Who asks; empty for the anonymous owner.
        parameters
            In the order sent; content by reference lies below `job_id` already.
        job_type
            A key of `runtime.job_types`.
        job_id
            Of `new_job_id`; made here by default.
        run
            Check the parameters and send the job to work at once.
        run_id
            The client's own label.
        destruction, execution_duration_s
            As asked for; brought within the limits, of which a note tells.
        url
            Address under which the client will see the job.

        Raises
        ------
        UsageError
            When `run` is set and the job type refuses the parameters, or a property is wrong.
        TooManyError
            When `run` is set and the owner has too many jobs at work.

        In each case there is no job, and what lay below `job_id` is removed.
        """
        now = datetime.now(UTC)
        job_id = job_id or new_job_id()
        try:
            when, notes = _bounded_destruction(destruction, created=now, limits=self._limits)
            duration_s, more = _bounded_duration(execution_duration_s, self._limits)
            job = Job(
                id=job_id,
                job_type=job_type,
                owner=owner,
                phase=Phase.PENDING,
                creation_time=now,
                destruction=when,
                execution_duration_s=duration_s,
                run_id=run_id,
                url=url,
                parameters=tuple(parameters),
                notes=notes + more,
            )
            if run:
                job = replace(job, notes=job.notes + self._admit(job))
            self._store.create(job)
        except BaseException:
            self._files.delete(job_id)
            raise
        _log.info("job created", extra={"job_id": job_id, "owner": owner})
        if run:
            self._send(job_id)
        return self._store.get(job_id)

    def get(self, owner: str, job_id: str) -> Job:
        """Give one job, whole."""
        job = self._store.get(job_id)
        if job.owner not in ("", owner):
            raise AuthorizationError(f"job {job_id} is another owner's")
        return job

    def list(
        self,
        owner: str,
        *,
        phases: Collection[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
    ) -> Iterator[Job]:
        """List an owner's jobs, newest first, without parameters and results (UWS-9, 11..15).

        Parameters
        ----------
        owner
            Who asks.
        phases
            Only jobs in one of these; ARCHIVED jobs are listed only if named here.
        after
            Only jobs created later than this instant.
        last
            Only so many, of those that the other filters leave.
        """
        return self._store.list(owner, phases=phases, after=after, last=last)

    def start(self, owner: str, job_id: str) -> Job:
        """Send a PENDING or HELD job to work: it is QUEUED when this returns (UWS-T13).

        Parameters that the job type refuses put the job into ERROR with the text of the fault.

        Raises
        ------
        WrongPhaseError
            When the job was started before.
        TooManyError
            When the owner has too many jobs at work.
        """
        job = self.get(owner, job_id)
        if job.phase not in _STARTABLE:
            raise WrongPhaseError(_wrong_phase(job, "started", _STARTABLE))
        try:
            notes = self._admit(job)
        except TooManyError:
            raise
        except UsageError as error:
            self._store.move(job_id, Phase.ERROR, among=_STARTABLE, error=_summary(error))
            _log.info("job refused: %s", error, extra={"job_id": job_id})
        else:
            new_notes = [note for note in notes if note not in job.notes]
            if new_notes:
                self._store.add_notes(job_id, new_notes)
            self._send(job_id)
        return self._store.get(job_id)

    def abort(self, owner: str, job_id: str) -> Job:
        """Stop a job that is not finished; what results there are stay (UWS-42).

        Raises
        ------
        WrongPhaseError
            When the job is COMPLETED or in ERROR. A job already ABORTED is as wanted (UWS-43).
        """
        self.get(owner, job_id)
        abort_job(self.runtime, job_id)
        job = self._store.get(job_id)
        if job.phase != Phase.ABORTED:
            raise WrongPhaseError(_wrong_phase(job, "aborted", ACTIVE))
        return job

    def delete(self, owner: str, job_id: str) -> None:
        """Destroy a job in any phase, with its files and its work (UWS-44)."""
        self.get(owner, job_id)
        destroy_job(self.runtime, job_id)

    def wait(self, owner: str, job_id: str, *, seconds: int, phase: Phase | None = None) -> Job:
        """Give a job once its phase has changed, or after a time (UWS-33..37).

        Parameters
        ----------
        owner, job_id
            Who asks for which job.
        seconds
            Longest time, capped by `limits.wait_max_s`; below 0 stands for the cap.
        phase
            The phase that the client knows: where it is another by now, nothing is waited for.

        Raises
        ------
        NotFoundError
            Also when the job is deleted meanwhile.
        """
        job = self.get(owner, job_id)
        if job.phase not in ACTIVE or phase not in (None, job.phase):
            return job
        cap_s = self._limits.wait_max_s
        deadline = time.monotonic() + (min(seconds, cap_s) if seconds >= 0 else cap_s)
        pause_s = _POLL_S
        while (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _POLL_MAX_S)
            if self._store.phase(job_id) != job.phase:
                break
        return self._store.get(job_id)

    def set_parameters(
        self,
        owner: str,
        job_id: str,
        parameters: Sequence[Parameter],
        *,
        run_id: str | None = None,
    ) -> Job:
        """Replace all values of the parameters named; others stay (UWS-49).

        `run_id` replaces the label of the job. Files of values that are no longer used are
        removed, those of the new values if the change is refused.

        Raises
        ------
        WrongPhaseError
            When the job is no longer PENDING (DALI-9).
        """
        unused = [item.value for item in parameters if item.by_reference]
        try:
            job = self.get(owner, job_id)
            if not self._store.set_parameters(job_id, parameters, run_id=run_id):
                raise WrongPhaseError(_wrong_phase(job, "changed", {Phase.PENDING}))
            names = {item.name for item in parameters}
            unused = [
                item.value for item in job.parameters if item.by_reference and item.name in names
            ]
        finally:
            for key in unused:
                self._files.delete(key)
        return self._store.get(job_id)

    def set_destruction(self, owner: str, job_id: str, when: datetime) -> Job:
        """Set when the job is destroyed, within the limit from its creation (UWS-47).

        Raises
        ------
        UsageError
            When the instant is past: that would be a deletion in disguise.
        WrongPhaseError
            When the job is ARCHIVED.
        """
        job = self.get(owner, job_id)
        if job.phase == Phase.ARCHIVED:
            raise WrongPhaseError(f"job {job_id} is ARCHIVED; it was destroyed already")
        when, notes = _bounded_destruction(when, created=job.creation_time, limits=self._limits)
        self._store.set_destruction(job_id, when)
        return self._noted(job, notes)

    def set_execution_duration(self, owner: str, job_id: str, seconds: int) -> Job:
        """Set for how long the job may execute, within the limit; 0 asks for no end (UWS-48).

        Raises
        ------
        WrongPhaseError
            When the job is finished.
        """
        job = self.get(owner, job_id)
        if job.phase in FINISHED:
            raise WrongPhaseError(_wrong_phase(job, "given another execution duration", ACTIVE))
        duration_s, notes = _bounded_duration(seconds, self._limits)
        self._store.set_execution_duration(job_id, duration_s)
        return self._noted(job, notes)

    def find_result(self, owner: str, job_id: str, path: str) -> tuple[Job, Result]:
        """Find a result of the list, or one that the job type knows beyond it (UWS-29).

        Raises
        ------
        NotFoundError
            When there is no such result.
        """
        job = self.get(owner, job_id)
        listed = next((result for result in job.results if result.id == path), None)
        if listed is not None:
            return job, listed
        found = self.runtime.job_types[job.job_type].find_result(job, path, self._files)
        if found is None:
            raise NotFoundError(f"job {job_id} has no result {shown(path)}")
        return job, found

    def _admit(self, job: Job) -> tuple[str, ...]:
        """Check that a job may be started; returns the job type's notes."""
        limit = self._limits.running_jobs_max
        if not self._is_unlimited(job.owner) and self._store.count(job.owner, _RUNNING) >= limit:
            raise TooManyError(
                f"{limit} jobs are queued or executing, more are not allowed at a time; "
                "wait for one to end, or abort one"
            )
        return self.runtime.job_types[job.job_type].check(job.parameters, self._files)

    def _send(self, job_id: str) -> None:
        """Queue a job that was admitted: in the store first, where `sweep` finds what was lost."""
        if not self._store.move(job_id, Phase.QUEUED, among=_STARTABLE):
            job = self._store.get(job_id)
            raise WrongPhaseError(_wrong_phase(job, "started", _STARTABLE))
        _log.info("job queued", extra={"job_id": job_id})
        try:
            self.runtime.executor.send_plan(job_id)
        except TransientError as error:
            _log.warning("job stays queued, to be sent later: %s", error, extra={"job_id": job_id})

    def _noted(self, job: Job, notes: tuple[str, ...]) -> Job:
        new_notes = [note for note in notes if note not in job.notes]
        if new_notes:
            self._store.add_notes(job.id, new_notes)
        return self._store.get(job.id)


def _wrong_phase(job: Job, done: str, allowed: Collection[Phase]) -> str:
    names = " or ".join(phase for phase in Phase if phase in allowed)
    return f"job {job.id} is {job.phase}; it can only be {done} while {names}"


def _summary(error: UsageError) -> ErrorSummary:
    """Put all faults into one line for the document; the error resource has them as they were."""
    return ErrorSummary(" ".join(str(error).split()), detail=str(error))


def _bounded_destruction(
    asked: datetime | None, *, created: datetime, limits: JobLimits
) -> tuple[datetime, tuple[str, ...]]:
    """Bring a destruction time within the limits; tells in a note where it was changed."""
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


def _bounded_duration(asked_s: int | None, limits: JobLimits) -> tuple[int, tuple[str, ...]]:
    """Bring an execution duration within the limits (of which 0 is none), as above."""
    if asked_s is None:
        return limits.execution_default_s, ()
    limit_s = limits.execution_max_s
    if limit_s == 0 or 0 < asked_s <= limit_s:
        return asked_s, ()
    return limit_s, (f"EXECUTIONDURATION was limited to {limit_s} s",)
