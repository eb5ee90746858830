"""`JobStore`: what the server asks of its database, one method a transaction.

Every method raises `TransientError` when the database cannot be reached. Times are of this
host's clock: hosts that share a database must agree on it to within a fraction of a lease.
Imports models, errors and the store's own modules.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from uws.jobtype import Outcome, Plan
from uws.models import Chunk, ChunkReport, ChunkState, ErrorSummary, Job, Parameter, Phase
from uws.store import jobrows, lost, work
from uws.store.database import Database, open_engine

__all__ = ["JobStore", "open_store"]

_PAGE = 500  # jobs of a list in memory at a time


def open_store(url: str) -> "JobStore":
    """Make the job store of a database URL; nothing is connected yet.

    Parameters
    ----------
    url
        `sqlite:////path/to/jobs.db`, or `postgresql://user:password@host/name`.

    Raises
    ------
    ValueError
        When the URL names another kind of database.
    """
    return JobStore(open_engine(url))


class JobStore:
    """Jobs in a database.

    Parameters
    ----------
    engine
        Of `open_engine`; connections are opened when first needed.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._database = Database(engine)

    def migrate(self) -> None:
        """Bring the schema to the newest version, from none or an older one."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections; others are opened when needed."""
        self._database.close()

    def dispose(self) -> None:
        """Forget connections inherited by a fork; new ones are opened when needed."""
        self._database.dispose()

    # Jobs

    def create(self, job: Job) -> None:
        """Insert a new job with its parameters."""
        with self._database.writing() as connection:
            jobrows.insert_job(connection, job)

    def get(self, job_id: str) -> Job:
        """Read a whole job: parameters, results, progress, notes.

        Raises
        ------
        NotFoundError
            When there is none of that id.
        """
        with self._database.reading() as connection:
            return jobrows.fetch_job(connection, job_id)

    def phase(self, job_id: str) -> Phase:
        """Read a job's phase, cheaply; raises as `get`."""
        with self._database.reading() as connection:
            return jobrows.fetch_phase(connection, job_id)

    def list(
        self,
        owner: str,
        *,
        phases: Collection[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
    ) -> Iterator[Job]:
        """List an owner's jobs, newest first, without parameters and results.

        Parameters
        ----------
        owner
            Empty for the anonymous owner.
        phases
            Only jobs in one of these; ARCHIVED ones are listed only if named here.
        after
            Only jobs created later than this.
        last
            At most so many.
        """
        before = None
        left = last
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            with self._database.reading() as connection:
                page = jobrows.fetch_page(
                    connection, owner, phases=phases, after=after, before=before, limit=limit
                )
            yield from page
            if len(page) < limit:
                return
            before = (page[-1].creation_time, page[-1].id)
            left = None if left is None else left - len(page)

    def count(self, owner: str, phases: Collection[Phase]) -> int:
        """Count an owner's jobs in some phases."""
        with self._database.reading() as connection:
            return jobrows.count_jobs(connection, owner, phases)

    def phase_counts(self) -> dict[str, int]:
        """Count all jobs by phase, of every owner."""
        with self._database.reading() as connection:
            return jobrows.count_phases(connection)

    def recent_rate_per_s(self) -> float | None:
        """Give the items per second of the jobs completed last; None where there were none."""
        with self._database.reading() as connection:
            return jobrows.recent_rate(connection, 20)

    def move(
        self,
        job_id: str,
        to: Phase,
        *,
        among: Collection[Phase],
        error: ErrorSummary | None = None,
    ) -> bool:
        """Move a job to a phase, if it is in one of `among` and `models.MOVES` allows it.

        Sets the start time on EXECUTING and the end time on a finished phase.

        Returns
        -------
        bool
            Whether the job moved.
        """
        with self._database.writing() as connection:
            return jobrows.move_job(connection, job_id, to, among=among, now=_now(), error=error)

    def set_parameters(
        self, job_id: str, parameters: Sequence[Parameter], *, run_id: str | None = None
    ) -> bool:
        """Replace all values of the names given, and the run id where given; others stay.

        Returns
        -------
        bool
            False, and nothing is changed, when the job is not PENDING.
        """
        with self._database.writing() as connection:
            if not jobrows.replace_parameters(connection, job_id, parameters):
                return False
            if run_id is not None:
                jobrows.update_job(connection, job_id, run_id=run_id)
            return True

    def set_destruction(self, job_id: str, when: datetime) -> None:
        """Set when the job is to be destroyed."""
        with self._database.writing() as connection:
            jobrows.update_job(connection, job_id, destruction=when)

    def set_execution_duration(self, job_id: str, seconds: int) -> None:
        """Set for how long the job may execute; 0 is without limit."""
        with self._database.writing() as connection:
            jobrows.update_job(connection, job_id, execution_duration_s=seconds)

    def set_quote(self, job_id: str, when: datetime) -> None:
        """Set when the job is expected to end."""
        with self._database.working() as connection:
            jobrows.update_job(connection, job_id, quote=when)

    def add_notes(self, job_id: str, notes: Sequence[str]) -> None:
        """Append notes to the job's."""
        with self._database.writing() as connection:
            jobrows.add_notes(connection, job_id, notes)

    def delete(self, job_id: str) -> bool:
        """Delete a job and all that hangs on it; False when there is none.

        Its id is kept for a while, so that a sweep can remove what is left of its files.
        """
        with self._database.writing() as connection:
            return jobrows.delete_job(connection, job_id, now=_now())

    # Work

    def lease_step(self, job_id: str, step: str, *, holder: str, lease_s: int) -> bool:
        """Take the step `plan` or `finish` of a job; counts as a try.

        Returns
        -------
        bool
            False when it is done or not due, or another living holder has it.
        """
        with self._database.working() as connection:
            return work.lease_step(
                connection, job_id, step, holder=holder, now=_now(), lease_s=lease_s
            )

    def step_tries(self, job_id: str, step: str) -> int:
        """Tell how often a step was taken."""
        with self._database.reading() as connection:
            return work.step_tries(connection, job_id, step)

    def release_step(self, job_id: str, step: str, *, holder: str) -> None:
        """Let go of a step that is to be tried again later."""
        with self._database.working() as connection:
            work.release_step(connection, job_id, step, holder=holder, now=_now())

    def save_plan(self, job_id: str, plan: Plan) -> bool:
        """Store a job's chunks, counts and notes, if it is at work and not planned yet."""
        with self._database.working() as connection:
            if not work.save_plan(connection, job_id, plan):
                return False
            jobrows.add_notes(connection, job_id, plan.notes)
            return True

    def next_chunks(self, job_id: str, window: int) -> Sequence[int]:
        """Mark the next waiting chunks as SENT, until `window` are SENT or RUNNING.

        Returns
        -------
        Sequence of int
            Numbers of the chunks that are to be sent now.
        """
        with self._database.working() as connection:
            return work.send_chunks(connection, job_id, window, now=_now())

    def claim_chunk(self, job_id: str, number: int, *, holder: str, lease_s: int) -> Chunk | None:
        """Take a SENT chunk to work on it; counts as an attempt.

        Returns
        -------
        Chunk or None
            None when it is not to be had, or its job is not QUEUED or EXECUTING.
        """
        with self._database.working() as connection:
            return work.claim_chunk(
                connection, job_id, number, holder=holder, lease_until=_after(lease_s)
            )

    def forget_attempts(self, job_id: str, number: int, *, holder: str, attempts: int = 1) -> None:
        """Count the attempts at a chunk anew, since an item of it was finished or given up."""
        with self._database.working() as connection:
            work.forget_attempts(connection, job_id, number, holder=holder, attempts=attempts)

    def renew(
        self,
        job_id: str,
        *,
        holder: str,
        lease_s: int,
        number: int | None = None,
        step: str | None = None,
    ) -> bool:
        """Prolong the lease of chunk `number`, or else of `step`.

        Returns
        -------
        bool
            False when the lease was lost, or the job is not QUEUED or EXECUTING any more.
        """
        until = _after(lease_s)
        with self._database.working() as connection:
            if number is not None:
                return work.renew_chunk(
                    connection, job_id, number, holder=holder, lease_until=until
                )
            if step is not None:
                return work.renew_step(connection, job_id, step, holder=holder, lease_until=until)
        raise ValueError("renew: neither a chunk's number nor a step is given")

    def release_chunk(self, job_id: str, number: int, *, holder: str) -> None:
        """Let go of a chunk that is to be tried again: it is SENT from now."""
        with self._database.working() as connection:
            work.release_chunk(connection, job_id, number, holder=holder, now=_now())

    def report_chunk(
        self,
        job_id: str,
        number: int,
        report: ChunkReport,
        *,
        holder: str,
        state: ChunkState = ChunkState.DONE,
    ) -> int | None:
        """Record a chunk's report, and that it is DONE or FAILED.

        Returns
        -------
        int or None
            How many chunks are left; 0 for exactly one caller. None when the lease was lost or
            the job is not at work any more: nothing is recorded then.
        """
        with self._database.working() as connection:
            return work.report_chunk(connection, job_id, number, report, holder=holder, state=state)

    def reports(self, job_id: str) -> Sequence[ChunkReport]:
        """Read the reports of a job's chunks, in the order of the chunks."""
        with self._database.reading() as connection:
            return work.fetch_reports(connection, job_id)

    def complete(self, job_id: str, outcome: Outcome) -> bool:
        """Record results and notes, and move EXECUTING to COMPLETED, or ERROR with its reason.

        Returns
        -------
        bool
            False, and nothing is recorded, when the job is not EXECUTING.
        """
        with self._database.writing() as connection:
            return jobrows.complete_job(connection, job_id, outcome, now=_now())

    # For sweeps

    def expired(self, now: datetime) -> Iterator[str]:
        """Ids of the jobs whose destruction time is reached."""
        with self._database.reading() as connection:
            found = lost.expired_jobs(connection, now)
        yield from found

    def overdue(self, now: datetime) -> Iterator[str]:
        """Ids of the jobs that execute longer than their execution duration."""
        with self._database.reading() as connection:
            found = lost.overdue_jobs(connection, now)
        yield from found

    def unplanned(self, now: datetime, older_than_s: float) -> Iterator[str]:
        """Ids of the jobs at work that are not planned, where nobody has the step.

        Those sent, or released, less than `older_than_s` ago are left to the queue.
        """
        with self._database.reading() as connection:
            found = lost.lost_steps(connection, "plan", now=now, older_than_s=older_than_s)
        yield from found

    def unfinished(self, now: datetime, older_than_s: float = 0) -> Iterator[str]:
        """Ids of the jobs whose chunks are all reported, where nobody finishes them."""
        with self._database.reading() as connection:
            found = lost.lost_steps(connection, "finish", now=now, older_than_s=older_than_s)
        yield from found

    def lost_chunks(self, now: datetime, lease_s: float) -> Iterator[tuple[str, int]]:
        """Job and number of chunks RUNNING without a living holder, or SENT for `lease_s`."""
        with self._database.reading() as connection:
            found = [*lost.lost_chunks(connection, now, older_than_s=lease_s)]
        yield from found

    def starved(self, window: int) -> Iterator[str]:
        """Ids of the jobs with waiting chunks and fewer than `window` SENT or RUNNING."""
        with self._database.reading() as connection:
            found = lost.starved_jobs(connection, window)
        yield from found

    def resend_step(self, job_id: str, step: str, *, now: datetime, older_than_s: float) -> bool:
        """Mark a lost step as sent now; True for one caller only, who then sends it."""
        with self._database.working() as connection:
            return lost.resend_step(connection, job_id, step, now=now, older_than_s=older_than_s)

    def resend_chunk(self, job_id: str, number: int, *, now: datetime, lease_s: float) -> bool:
        """Mark a lost chunk as SENT now; True for one caller only, who then sends it."""
        with self._database.working() as connection:
            return lost.resend_chunk(connection, job_id, number, now=now, older_than_s=lease_s)

    def remains(self, before: datetime) -> Iterator[str]:
        """Ids of the jobs deleted before an instant, whose files are to be removed once more."""
        with self._database.reading() as connection:
            found = lost.old_remains(connection, before)
        yield from found

    def forget(self, job_id: str) -> None:
        """Say that no file is left of a deleted job."""
        with self._database.working() as connection:
            lost.forget_remains(connection, job_id)


def _now() -> datetime:
    return datetime.now(UTC)


def _after(seconds: int) -> datetime:
    return _now() + timedelta(seconds=seconds)
