"""The verbs of UWS 1.1: create, start, wait, abort, delete and the rest, for any kind of job.

Each verb checks the owner and the phase. Nothing here knows HTTP.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from uws.dali import RUN_ID_MAX
from uws.errors import (
    AuthorizationError,
    NotFoundError,
    TooLargeError,
    TooManyError,
    TransientError,
    UsageError,
    WrongPhaseError,
)
from uws.finding import JobPage, JobQuery
from uws.models import (
    ABORTABLE,
    ACTIVE,
    FINISHED,
    PARAMETERS_MAX,
    STARTABLE,
    ErrorSummary,
    Job,
    Parameter,
    Phase,
    Result,
    check_job_id,
    new_job_id,
)
from uws.results import current_results, find_result
from uws.runtime import Runtime, bounded_destruction, bounded_duration
from uws.waiting import PhaseWaiter
from uws.work.termination import abort_job, destroy_job

__all__ = ["JobService"]

_log = logging.getLogger(__name__)


class JobService:
    """What clients may do with jobs.

    Verbs on one job raise `NotFoundError` if it does not exist, and `AuthorizationError` if it
    belongs to another owner. Anonymous jobs, whose owner is empty, are open to all who know the id.

    Parameters
    ----------
    runtime
        Store, files, job types, executor and limits.
    is_unlimited
        Returns whether an owner may have any number of jobs at work.
    """

    def __init__(
        self, runtime: Runtime, *, is_unlimited: Callable[[str], bool] = lambda _owner: False
    ) -> None:
        self.runtime = runtime
        self._store = runtime.store
        self._files = runtime.files
        self._limits = runtime.limits
        self._is_unlimited = is_unlimited
        self._waiter = PhaseWaiter(runtime.store, runtime.limits.waiters_max)

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

        Without `run` the parameters are not checked, since more may follow (DALI-9).

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
            As requested; brought within the limits, with a note for the client.
        url
            Address under which the client will see the job.

        Returns
        -------
        Job
            As it was stored: PENDING, or QUEUED.

        Raises
        ------
        UsageError
            When `run` is set and the job type refuses the parameters, or a property is wrong.
        TooManyError
            When `run` is set and the owner has too many jobs at work.

        After an error the job does not exist, and its files are removed.
        """
        now = datetime.now(UTC)
        job_id = job_id or new_job_id()
        try:
            when, notes = bounded_destruction(destruction, created=now, limits=self._limits)
            duration_s, more = bounded_duration(execution_duration_s, self._limits)
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
                notes = job.notes + self._check(job)
                job = replace(job, phase=Phase.QUEUED, notes=notes)
            self._store.create(job, running_max=self._running_max(owner) if run else None)
        except BaseException:
            self._files.delete(job_id)
            raise
        _log.info("job created", extra={"job_id": job_id, "owner": owner})
        if run:
            self._send(job_id)
        return job

    def get(self, owner: str, job_id: str) -> Job:
        """Return one job, whole."""
        check_job_id(job_id)
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
        return self._store.find.list(owner, phases=phases, after=after, last=last)

    def find(self, owner: str, query: JobQuery) -> JobPage:
        """Return a page of an owner's jobs, in the requested order."""
        return self._store.find.page(owner, query)

    def get_many(self, owner: str, job_ids: Collection[str]) -> dict[str, Job]:
        """Return jobs without parameters and results, but for those not there, or another's."""
        found = self._store.find.many(job_ids)
        return {job_id: job for job_id, job in found.items() if job.owner in ("", owner)}

    def rename(self, owner: str, job_id: str, run_id: str) -> Job:
        """Change a job's label (its run id), in any phase; empty removes it.

        Raises
        ------
        UsageError
            When it is longer than `RUN_ID_MAX` characters, or has control characters.
        """
        self.get(owner, job_id)
        label = run_id.strip()
        if len(label) > RUN_ID_MAX or not label.isprintable():
            message = f"NAME: allowed are {RUN_ID_MAX} characters, without control characters"
            raise UsageError(message)
        self._store.rename(job_id, label)
        return self._store.get(job_id)

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
        while True:
            job = self.get(owner, job_id)
            if job.phase not in STARTABLE:
                raise WrongPhaseError(_wrong_phase(job, "started", STARTABLE))
            try:
                notes = self._check(job)
                if self._store.queue(job, running_max=self._running_max(owner)):
                    break
                # Another request was faster: it started the job, or changed what was checked.
            except TooManyError:
                raise
            except UsageError as error:
                self._store.move(job_id, Phase.ERROR, among=STARTABLE, error=ErrorSummary.of(error))
                _log.info("job refused: %s", error, extra={"job_id": job_id})
                return self._store.get(job_id)
            except FileNotFoundError:  # the file of a value that was replaced while it was read
                if self.get(owner, job_id).parameters == job.parameters:
                    raise
        self._send(job_id)
        return self._noted(job, notes)

    def abort(self, owner: str, job_id: str) -> Job:
        """Stop an unfinished job; its results so far stay (UWS-42).

        Raises
        ------
        WrongPhaseError
            When the job is COMPLETED or in ERROR. Aborting an ABORTED job is no error (UWS-43).
        """
        self.get(owner, job_id)
        abort_job(self.runtime, job_id)
        job = self._store.get(job_id)
        if job.phase != Phase.ABORTED:
            raise WrongPhaseError(_wrong_phase(job, "aborted", ABORTABLE))
        return job

    def delete(self, owner: str, job_id: str) -> None:
        """Destroy a job in any phase, with its files and its work (UWS-44)."""
        self.get(owner, job_id)
        destroy_job(self.runtime, job_id)

    def wait(self, owner: str, job_id: str, *, seconds: int, phase: Phase | None = None) -> Job:
        """Return a job once its phase has changed, or after a time (UWS-33..37).

        Parameters
        ----------
        owner, job_id
            Who asks for which job.
        seconds
            Longest time, capped by `limits.wait_max_s`; below 0 stands for the cap.
        phase
            The phase that the client knows: if the job has left it, the method returns at once. It
            also does if `limits.waiters_max` requests are waiting already.

        Raises
        ------
        NotFoundError
            Also when the job is deleted meanwhile.
        """
        cap_s = self._limits.wait_max_s
        seconds = min(seconds, cap_s) if seconds >= 0 else cap_s
        read = partial(self.get, owner, job_id)
        return self._waiter.wait(job_id, read, seconds=seconds, phase=phase)

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
        TooLargeError
            When the job would have more than `PARAMETERS_MAX` parameters.
        """
        unused = [item.value for item in parameters if item.by_reference]
        try:
            job = self.get(owner, job_id)
            names = {item.name for item in parameters}
            kept = [item for item in job.parameters if item.name not in names]
            if len(kept) + len(parameters) > PARAMETERS_MAX:
                raise TooLargeError(f"more than {PARAMETERS_MAX} parameters in one job")
            if not self._store.set_parameters(job_id, parameters, run_id=run_id):
                job = self._store.get(job_id)  # deleted meanwhile, or started
                raise WrongPhaseError(_wrong_phase(job, "changed", {Phase.PENDING}))
            replaced = (item for item in job.parameters if item.name in names)
            unused = [item.value for item in replaced if item.by_reference]
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
        when, notes = bounded_destruction(when, created=job.creation_time, limits=self._limits)
        if not self._store.set_destruction(job_id, when):
            return self.set_destruction(owner, job_id, when)  # archived meanwhile, or deleted
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
        duration_s, notes = bounded_duration(seconds, self._limits)
        if not self._store.set_execution_duration(job_id, duration_s):
            return self.set_execution_duration(owner, job_id, seconds)  # finished meanwhile
        return self._noted(job, notes)

    def find_result(self, owner: str, job_id: str, path: str) -> tuple[Job, Result]:
        """Find a result in the list, or another that the job type knows (UWS-29).

        Raises
        ------
        NotFoundError
            When there is no such result.
        """
        job = self.get(owner, job_id)
        if job.phase == Phase.ARCHIVED:
            raise NotFoundError(f"job {job_id} is ARCHIVED; its results were removed")
        return job, find_result(self.runtime, job, path)

    def results(self, job: Job) -> tuple[Result, ...]:
        """Return a job's results; during its work those that are finished (UWS-29)."""
        return current_results(self.runtime, job)

    def _check(self, job: Job) -> tuple[str, ...]:
        """Have the job type check the parameters; return its notes."""
        return self.runtime.job_types[job.job_type].check(job.parameters, self._files)

    def _running_max(self, owner: str) -> int | None:
        return None if self._is_unlimited(owner) else self._limits.running_jobs_max

    def _send(self, job_id: str) -> None:
        """Send a job that is QUEUED in the store; if that fails, `sweep` sends it later."""
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
