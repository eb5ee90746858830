"""`JobStore`: the jobs of a server in a database, and the parts that hold their work.

Every method is one transaction, and raises `TransientError` when the database cannot be reached.
Times are from this host's clock: the clocks of hosts that share a database must agree within a
fraction of a lease. A change of phase is announced through `uws.events.phase_events` after it is
committed.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.errors import TooManyError
from uws.events.phase_events import InProcessEvents, PhaseEvents, Subscription
from uws.jobtype import Outcome
from uws.models import ABORTABLE, FINISHED, STARTABLE, ErrorSummary, Job, Parameter, Phase, Result
from uws.store.database import Database, open_engine
from uws.store.expiry import ExpiryStore
from uws.store.find import FindStore, count_jobs
from uws.store.jobrows import add_notes, delete_job, lock_job, move_job, no_job, update_job
from uws.store.links import LinkStore
from uws.store.messages import MessageStore
from uws.store.recovery import RecoveryStore
from uws.store.schema import (
    job_from_row,
    job_to_row,
    jobs,
    parameter_from_row,
    parameter_to_row,
    parameters,
    result_from_row,
    result_to_row,
    results,
    steps,
)
from uws.store.work import WorkStore

__all__ = ["JobStore", "open_store"]

_ADMISSION_LOCK = 0x757773  # "uws": with an owner's hash, key of PostgreSQL's advisory lock

_ENDED = jobs.c.phase.in_(sorted(phase.value for phase in FINISHED))


def open_store(url: str, events: PhaseEvents | None = None) -> "JobStore":
    """Make the job store of a database URL; nothing is connected yet.

    Parameters
    ----------
    url
        `sqlite:////path/to/jobs.db`, or `postgresql://user:password@host/name`.
    events
        As for `JobStore`.

    Raises
    ------
    ValueError
        When the URL names another kind of database.
    """
    return JobStore(Database(open_engine(url)), events)


class JobStore:
    """Jobs in a database, and the work on them.

    Parameters
    ----------
    database
        Opens the transactions.
    events
        Announces that a phase has changed; by default only within the process.

    Attributes
    ----------
    find : FindStore
        Lists, pages and counts of jobs.
    work : WorkStore
        Steps and chunks: plans, leases and reports.
    recovery : RecoveryStore
        Work that was lost, and jobs that execute for too long.
    expiry : ExpiryStore
        Jobs past their destruction time, and the ids of deleted ones.
    links : LinkStore
        Links to jobs that hold a token.
    messages : MessageStore
        Messages about jobs.
    """

    def __init__(self, database: Database, events: PhaseEvents | None = None) -> None:
        self._database = database
        self._events = events or InProcessEvents()
        self.find = FindStore(database)
        self.work = WorkStore(database, self._events)
        self.recovery = RecoveryStore(database)
        self.expiry = ExpiryStore(database, self._events)
        self.links = LinkStore(database)
        self.messages = MessageStore(database)

    def migrate(self) -> None:
        """Bring the schema to the newest version, from none or an older one."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections; others are opened when needed."""
        self._database.close()

    def dispose(self) -> None:
        """Forget connections inherited by a fork; new ones are opened when needed."""
        self._database.dispose()

    @contextmanager
    def trial(self) -> Iterator["JobStore"]:
        """Open a store whose changes are rolled back at the end, and are announced to nobody."""
        with self._database.trial() as database:
            yield JobStore(database)

    def subscribe(self, job_id: str) -> AbstractContextManager[Subscription]:
        """Subscribe to a job's phase: a reader inside the context misses no later change."""
        return self._events.subscribe(job_id)

    def announce(self, job_id: str) -> None:
        """Announce to those who wait for a job that it has changed."""
        self._events.announce(job_id)

    def create(self, job: Job, *, running_max: int | None = None) -> None:
        """Insert a new job with its parameters, PENDING or QUEUED.

        A job that is QUEUED at once counts as sent when it was created.

        Raises
        ------
        TooManyError
            When `running_max` jobs of its owner are at work; nothing is stored then.
        """
        sent = {"plan": job.creation_time if job.phase is Phase.QUEUED else None, "finish": None}
        with self._database.writing() as connection:
            if running_max is not None:
                _admit_job(connection, job.owner, running_max)
            connection.execute(jobs.insert(), job_to_row(job))
            connection.execute(
                steps.insert(),
                [
                    {"job_id": job.id, "step": step, "sent_time": time}
                    for step, time in sent.items()
                ],
            )
            _insert_parameters(connection, job.id, job.parameters)

    def get(self, job_id: str) -> Job:
        """Read a whole job: parameters, results, progress, notes.

        Raises
        ------
        NotFoundError
            When there is none of that id.
        """
        this = jobs.select().where(jobs.c.id == job_id)
        found = results.select().where(results.c.job_id == job_id).order_by(results.c.position)
        with self._database.reading() as connection:
            row = connection.execute(this).mappings().one_or_none()
            if row is None:
                raise no_job(job_id)
            return job_from_row(
                row,
                parameters=_fetch_parameters(connection, job_id),
                results=tuple(map(result_from_row, connection.execute(found).mappings())),
            )

    def phase(self, job_id: str) -> Phase:
        """Read a job's phase, cheaply; raises as `get`."""
        with self._database.reading() as connection:
            phase = connection.scalar(sa.select(jobs.c.phase).where(jobs.c.id == job_id))
        if phase is None:
            raise no_job(job_id)
        return Phase(phase)

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
            has_moved = move_job(connection, job_id, to, among=among, now=_now(), error=error)
        return self._announced(job_id, has_changed=has_moved)

    def abort(self, job_id: str, *, notes: Sequence[str] = ()) -> bool:
        """Move an unfinished job to ABORTED, with notes of why; it is not announced yet.

        Returns
        -------
        bool
            Whether the job moved: if so, call `announce` once its results are listed.
        """
        with self._database.writing() as connection:
            if not move_job(connection, job_id, Phase.ABORTED, among=ABORTABLE, now=_now()):
                return False
            add_notes(connection, job_id, notes)
            return True

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
            False if it can no longer be started, or its parameters have changed.

        Raises
        ------
        TooManyError
            When `running_max` jobs of its owner are at work.
        """
        startable = sorted(phase.value for phase in STARTABLE)
        with self._database.writing() as connection:
            if running_max is not None:
                _admit_job(connection, job.owner, running_max)
            is_queued = (
                lock_job(connection, job.id, startable)
                and _fetch_parameters(connection, job.id) == job.parameters
                and move_job(connection, job.id, Phase.QUEUED, among=STARTABLE, now=_now())
            )
        return self._announced(job.id, has_changed=is_queued)

    def set_parameters(
        self, job_id: str, values: Sequence[Parameter], *, run_id: str | None = None
    ) -> bool:
        """Replace all values of the names given, at the place of the first; others stay.

        Parameters
        ----------
        job_id
            Of the job.
        values
            The new values.
        run_id
            The new label of the job; None leaves the old one.

        Returns
        -------
        bool
            False, and nothing is changed, when the job is not PENDING.
        """
        with self._database.writing() as connection:
            if not lock_job(connection, job_id, (Phase.PENDING.value,)):
                return False
            merged = _merge_parameters(_fetch_parameters(connection, job_id), values)
            connection.execute(parameters.delete().where(parameters.c.job_id == job_id))
            _insert_parameters(connection, job_id, merged)
            if run_id is not None:
                update_job(connection, job_id, run_id=run_id)
            return True

    def rename(self, job_id: str, run_id: str) -> bool:
        """Change a job's label, in any phase; return False if the job does not exist."""
        with self._database.writing() as connection:
            return update_job(connection, job_id, run_id=run_id)

    def set_destruction(self, job_id: str, when: datetime) -> bool:
        """Set the destruction time; return False if the job is ARCHIVED or does not exist."""
        is_archived = jobs.c.phase == Phase.ARCHIVED.value
        with self._database.writing() as connection:
            return update_job(connection, job_id, ~is_archived, destruction=when)

    def set_execution_duration(self, job_id: str, seconds: int) -> bool:
        """Set for how long the job may execute, 0 is without limit; False when it has ended."""
        with self._database.writing() as connection:
            return update_job(connection, job_id, ~_ENDED, execution_duration_s=seconds)

    def set_quote(self, job_id: str, when: datetime | None) -> None:
        """Set when the job is expected to end (None: unknown), unless it has ended."""
        with self._database.working() as connection:
            update_job(connection, job_id, ~_ENDED, quote=when)

    def add_notes(self, job_id: str, notes: Sequence[str]) -> None:
        """Append notes to the job's."""
        with self._database.writing() as connection:
            add_notes(connection, job_id, notes)

    def delete(self, job_id: str) -> bool:
        """Delete a job and all its rows; return False if it does not exist.

        Its id is kept for a while, so that a sweep can remove what is left of its files.
        """
        with self._database.writing() as connection:
            is_deleted = delete_job(connection, job_id, now=_now())
        return self._announced(job_id, has_changed=is_deleted)

    def complete(self, job_id: str, outcome: Outcome) -> bool:
        """Record results and notes, and move EXECUTING to COMPLETED, or ERROR with its reason.

        Returns
        -------
        bool
            False, and nothing is recorded, when the job is not EXECUTING.
        """
        to, error = Phase.ERROR if outcome.error else Phase.COMPLETED, outcome.error
        with self._database.writing() as connection:
            if not move_job(
                connection, job_id, to, among={Phase.EXECUTING}, now=_now(), error=error
            ):
                return False
            _insert_results(connection, job_id, outcome.results)
            add_notes(connection, job_id, outcome.notes)
            if outcome.failed is not None:
                done = jobs.c.items_total - outcome.failed
                update_job(connection, job_id, items_done=done, items_failed=outcome.failed)
        return self._announced(job_id, has_changed=True)

    def add_results(self, job_id: str, values: Sequence[Result]) -> bool:
        """Record the results of an aborted job, once; return False if it is not ABORTED."""
        recorded = sa.select(sa.exists().where(results.c.job_id == job_id))
        with self._database.writing() as connection:
            if not lock_job(connection, job_id, (Phase.ABORTED.value,)):
                return False
            if connection.scalar(recorded):
                return False
            _insert_results(connection, job_id, values)
            return True

    def _announced(self, job_id: str, *, has_changed: bool) -> bool:
        """Announce a change that is committed; returns whether there was one."""
        if has_changed:
            self._events.announce(job_id)
        return has_changed


def _now() -> datetime:
    return datetime.now(UTC)


def _admit_job(connection: Connection, owner: str, running_max: int) -> None:
    """Raise `TooManyError` if the owner has the maximum number of jobs at work.

    Until the transaction ends, no other transaction admits a job of the same owner.
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        key = sa.func.pg_advisory_xact_lock(_ADMISSION_LOCK, sa.func.hashtext(owner))
        connection.execute(sa.select(key))
    if count_jobs(connection, owner, (Phase.QUEUED, Phase.EXECUTING)) >= running_max:
        raise TooManyError(
            f"{running_max} jobs are queued or executing, more are not allowed at a time; "
            "wait for one to end, or abort one"
        )


def _fetch_parameters(connection: Connection, job_id: str) -> tuple[Parameter, ...]:
    rows = connection.execute(
        parameters.select().where(parameters.c.job_id == job_id).order_by(parameters.c.position)
    )
    return tuple(map(parameter_from_row, rows.mappings()))


def _insert_parameters(connection: Connection, job_id: str, values: Sequence[Parameter]) -> None:
    rows = [parameter_to_row(job_id, position, value) for position, value in enumerate(values)]
    if rows:
        connection.execute(parameters.insert(), rows)


def _merge_parameters(old: Sequence[Parameter], new: Sequence[Parameter]) -> list[Parameter]:
    """Put all new values of a name in the place of its first old one, or at the end."""
    fresh: dict[str, list[Parameter]] = {}
    for value in new:
        fresh.setdefault(value.name, []).append(value)
    replaced = set(fresh)
    merged: list[Parameter] = []
    for value in old:
        merged.extend(fresh.pop(value.name, []) if value.name in replaced else [value])
    return [*merged, *chain.from_iterable(fresh.values())]


def _insert_results(connection: Connection, job_id: str, values: Sequence[Result]) -> None:
    rows = [result_to_row(job_id, place, value) for place, value in enumerate(values)]
    if rows:
        connection.execute(results.insert(), rows)
