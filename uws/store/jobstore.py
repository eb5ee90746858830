"""`JobStore`: what the server asks of its database, one method a transaction.

Every method raises `TransientError` when the database cannot be reached. Times are of this host's
clock: hosts that share a database must agree on it to within a fraction of a lease. Those who
wait for a job are told by `uws.events.phase_events` when its phase has changed.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice

import sqlalchemy as sa

from uws.events.phase_events import InProcessNotices, Notices, Watch
from uws.jobtype import Outcome
from uws.models import ABORTABLE, ErrorSummary, Job, Parameter, Phase, Result
from uws.store import jobrows
from uws.store.database import Database, open_engine
from uws.store.findstore import FindStore
from uws.store.outbox import OutboxStore
from uws.store.sharestore import ShareStore
from uws.store.sweepstore import SweepStore
from uws.store.warmup import rehearse
from uws.store.workstore import WorkStore

__all__ = ["JobStore", "open_store"]

_PAGE = 500  # jobs of a list in memory at a time


def open_store(url: str, notices: Notices | None = None) -> "JobStore":
    """Make the job store of a database URL; nothing is connected yet.

    Parameters
    ----------
    url
        `sqlite:////path/to/jobs.db`, or `postgresql://user:password@host/name`.
    notices
        As for `JobStore`.

    Raises
    ------
    ValueError
        When the URL names another kind of database.
    """
    return JobStore(open_engine(url), notices)


class JobStore(WorkStore, SweepStore, FindStore, ShareStore, OutboxStore):
    """Jobs in a database, with the work on them.

    Parameters
    ----------
    engine
        Of `open_engine`; connections are opened when first needed.
    notices
        By which a phase that changed is announced; by default only within the process.
    """

    def __init__(self, engine: sa.Engine, notices: Notices | None = None) -> None:
        self._database = Database(engine)
        self._notices = notices or InProcessNotices()

    def migrate(self) -> None:
        """Bring the schema to the newest version, from none or an older one."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections; others are opened when needed."""
        self._database.close()

    def dispose(self) -> None:
        """Forget connections inherited by a fork; new ones are opened when needed."""
        self._database.dispose()

    def rehearse(self) -> None:
        """Work a made-up job and take it back: what is slow the first time is done then."""
        with self._database.trying() as connection:
            rehearse(connection)

    # Jobs

    def create(self, job: Job, *, running_max: int | None = None) -> None:
        """Insert a new job with its parameters, PENDING or QUEUED.

        Raises
        ------
        TooManyError
            When `running_max` jobs of its owner are at work; nothing is stored then.
        """
        with self._database.writing() as connection:
            if running_max is not None:
                jobrows.admit_job(connection, job.owner, running_max)
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

    def phases(self, job_ids: Collection[str]) -> dict[str, Phase]:
        """Read the phases of many jobs at once; those that are not there are left out."""
        found: dict[str, Phase] = {}
        rest = iter(job_ids)
        while some := list(islice(rest, _PAGE)):
            with self._database.reading() as connection:
                found |= jobrows.fetch_phases(connection, some)
        return found

    def changes(self, job_id: str) -> AbstractContextManager[Watch]:
        """Watch a job's phase: whoever reads it inside misses no change from there on."""
        return self._notices.changes(job_id)

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
            has_moved = jobrows.move_job(
                connection, job_id, to, among=among, now=_now(), error=error
            )
        return self._announced(job_id, has_changed=has_moved)

    def abort(self, job_id: str, *, notes: Sequence[str] = ()) -> bool:
        """Move an unfinished job to ABORTED, with notes of why; those who wait are not told yet.

        Returns
        -------
        bool
            Whether the job moved: then `announce` is to be called once its results are listed.
        """
        with self._database.writing() as connection:
            has_moved = jobrows.move_job(
                connection, job_id, Phase.ABORTED, among=ABORTABLE, now=_now()
            )
            if has_moved:
                jobrows.add_notes(connection, job_id, notes)
            return has_moved

    def announce(self, job_id: str) -> None:
        """Tell those who wait for a job that it has changed."""
        self._notices.announce(job_id)

    def queue(self, job: Job, *, running_max: int | None = None) -> bool:
        """Move a job that was checked to QUEUED.

        Parameters
        ----------
        job
            As it was when it was checked.
        running_max
            Jobs that its owner may have at work; None is without limit.

        Returns
        -------
        bool
            False when it cannot be started any more, or its parameters are others by now.

        Raises
        ------
        TooManyError
            When `running_max` jobs of its owner are at work.
        """
        with self._database.writing() as connection:
            if running_max is not None:
                jobrows.admit_job(connection, job.owner, running_max)
            is_queued = jobrows.queue_job(connection, job, now=_now())
        return self._announced(job.id, has_changed=is_queued)

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

    def rename(self, job_id: str, run_id: str) -> bool:
        """Give a job another label, in any phase; False where there is no such job."""
        with self._database.writing() as connection:
            return jobrows.update_job(connection, job_id, run_id=run_id)

    def set_destruction(self, job_id: str, when: datetime) -> bool:
        """Set when the job is to be destroyed; False when it is ARCHIVED, or not there."""
        with self._database.writing() as connection:
            return jobrows.set_destruction(connection, job_id, when)

    def set_execution_duration(self, job_id: str, seconds: int) -> bool:
        """Set for how long the job may execute, 0 is without limit; False when it has ended."""
        with self._database.writing() as connection:
            return jobrows.set_execution_duration(connection, job_id, seconds)

    def set_quote(self, job_id: str, when: datetime | None) -> None:
        """Set when the job is expected to end, None for unknown; nothing where it has ended."""
        with self._database.working() as connection:
            jobrows.set_quote(connection, job_id, when)

    def add_notes(self, job_id: str, notes: Sequence[str]) -> None:
        """Append notes to the job's."""
        with self._database.writing() as connection:
            jobrows.add_notes(connection, job_id, notes)

    def delete(self, job_id: str) -> bool:
        """Delete a job and all that hangs on it; False when there is none.

        Its id is kept for a while, so that a sweep can remove what is left of its files.
        """
        with self._database.writing() as connection:
            is_deleted = jobrows.delete_job(connection, job_id, now=_now())
        return self._announced(job_id, has_changed=is_deleted)

    def complete(self, job_id: str, outcome: Outcome) -> bool:
        """Record results and notes, and move EXECUTING to COMPLETED, or ERROR with its reason.

        Returns
        -------
        bool
            False, and nothing is recorded, when the job is not EXECUTING.
        """
        with self._database.writing() as connection:
            is_completed = jobrows.complete_job(connection, job_id, outcome, now=_now())
        return self._announced(job_id, has_changed=is_completed)

    def add_results(self, job_id: str, results: Sequence[Result]) -> bool:
        """Record what an aborted job left; False, and nothing is, where it is not ABORTED."""
        with self._database.writing() as connection:
            return jobrows.add_results(connection, job_id, results)

    def _announced(self, job_id: str, *, has_changed: bool) -> bool:
        """Tell those who wait, after the change is committed; gives back what is told."""
        if has_changed:
            self._notices.announce(job_id)
        return has_changed


def _now() -> datetime:
    return datetime.now(UTC)
