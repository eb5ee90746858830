"""Lost work, to be sent again, and jobs that execute for too long.

Work is lost if its holder is dead, or lost its lease and cannot be killed from here; if it was sent
and nobody claimed it for a while; or if its pause after a transient error is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from uws.lease_owner import is_dead, is_task
from uws.models import ChunkState, Phase
from uws.store.database import Database
from uws.store.jobrows import AT_WORK, lock_job
from uws.store.leases import has_let_go, time_used
from uws.store.schema import chunks, jobs, steps
from uws.store.work import IN_FLIGHT, step_is_due

__all__ = ["RecoveryStore"]


_IDS_AT_ONCE = 500  # values in one query; both databases take some thousand


class RecoveryStore:
    """Finds lost work for a sweep, and marks it as sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def overdue(self, now: datetime) -> Sequence[str]:
        """Return ids of the jobs that have executed, or been planned, longer than they may.

        An execution duration of 0 s is unlimited. While a plan whose worker died waits for another,
        its time does not count.
        """
        # Computed here, since databases differ in the arithmetic of dates; few jobs execute at a
        # time.
        with self._database.reading() as connection:
            return [
                job_id
                for query in (_executing(), _planning())
                for job_id, begun, limit_s, holder in connection.execute(query)
                if limit_s > 0 and begun + timedelta(seconds=limit_s) <= now and not is_dead(holder)
            ]

    def unplanned(self, now: datetime, older_than_s: float) -> Sequence[str]:
        """Return ids of the jobs at work that are not planned, where nobody has the step.

        Those sent, or released, less than `older_than_s` ago are left to the queue.
        """
        return self._lost_steps("plan", now, older_than_s)

    def unfinished(self, now: datetime, older_than_s: float = 0) -> Sequence[str]:
        """Return ids of the jobs whose chunks are all reported, where nobody finishes them."""
        return self._lost_steps("finish", now, older_than_s)

    def _lost_steps(self, step: str, now: datetime, older_than_s: float) -> list[str]:
        with self._database.reading() as connection:
            rows = connection.execute(_due_steps(step))
            return [row.job_id for row in rows if _is_lost(row, now, older_than_s)]

    def lost_chunks(self, now: datetime, older_than_s: float) -> Sequence[tuple[str, int]]:
        """Return job and number of chunks RUNNING without a living holder, or SENT for so long."""
        query = _chunks_in_flight().order_by(chunks.c.job_id, chunks.c.number)
        with self._database.reading() as connection:
            return [
                (row.job_id, row.number)
                for row in connection.execute(query)
                if _is_lost(row, now, older_than_s)
            ]

    def starved(self, window: int) -> Sequence[str]:
        """Return ids of the jobs with waiting chunks and fewer than `window` SENT or RUNNING."""
        of_job = chunks.c.job_id == jobs.c.id
        in_flight = (
            sa.select(sa.func.count())
            .select_from(chunks)
            .where(of_job, chunks.c.state.in_(IN_FLIGHT))
            .correlate(jobs)
            .scalar_subquery()
        )
        query = sa.select(jobs.c.id).where(
            jobs.c.phase.in_(AT_WORK),
            jobs.c.chunks_left > 0,
            sa.exists().where(of_job, chunks.c.state == ChunkState.WAITING.value),
            in_flight < window,
        )
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def lapsed_tasks(self, now: datetime) -> Sequence[tuple[str, str]]:
        """Return job and holder of each task that lost its lease and is not known to be dead."""
        with self._database.reading() as connection:
            return [
                (row.job_id, row.holder)
                for query in (_due_steps("plan"), _chunks_in_flight(), _due_steps("finish"))
                for row in connection.execute(query)
                if row.holder is not None and is_task(row.holder)
                if row.lease_until <= now and not is_dead(row.holder)
            ]

    def resend_step(self, job_id: str, step: str, *, now: datetime, older_than_s: float) -> bool:
        """Mark a lost step as sent now; True for one caller only, who then sends it."""
        query = _due_steps(step).where(steps.c.job_id == job_id).with_for_update(of=steps)
        with self._database.working() as connection:
            row = _lost(connection, job_id, query, now=now, older_than_s=older_than_s)
            if row is None:
                return False
            begun_time = None if row.begun_time is None else now - time_used(row, now)
            connection.execute(
                steps.update()
                .where(steps.c.job_id == job_id, steps.c.step == step)
                .values(holder=None, lease_until=None, sent_time=now, retry_time=None)
                .values(begun_time=begun_time)
            )
            return True

    def resend_chunk(self, job_id: str, number: int, *, now: datetime, older_than_s: float) -> bool:
        """Mark a lost chunk as SENT now; True for one caller only, who then sends it."""
        this = sa.and_(chunks.c.job_id == job_id, chunks.c.number == number)
        # The chunk itself is locked too: claiming and renewing do not lock the job's row.
        query = _chunks_in_flight().where(this).with_for_update(of=chunks)
        with self._database.working() as connection:
            if _lost(connection, job_id, query, now=now, older_than_s=older_than_s) is None:
                return False
            sent = {"state": ChunkState.SENT.value, "sent_time": now, "retry_time": None}
            nobody = {"holder": None, "lease_until": None}
            connection.execute(chunks.update().where(this).values({**sent, **nobody}))
            return True

    def unknown(self, job_ids: Sequence[str]) -> Sequence[str]:
        """Return those ids that belong to no job."""
        known: set[str] = set()
        with self._database.reading() as connection:
            for start in range(0, len(job_ids), _IDS_AT_ONCE):
                some = job_ids[start : start + _IDS_AT_ONCE]
                known.update(connection.scalars(sa.select(jobs.c.id).where(jobs.c.id.in_(some))))
        return [job_id for job_id in job_ids if job_id not in known]


def _lost(
    connection: sa.Connection,
    job_id: str,
    query: sa.Select[Any],
    *,
    now: datetime,
    older_than_s: float,
) -> Any:  # Any: as in `_is_lost`
    """Lock a job at work and return the row of its step or chunk if that is lost, else None."""
    if not lock_job(connection, job_id, AT_WORK):
        return None
    row = connection.execute(query).one_or_none()
    return row if row is not None and _is_lost(row, now, older_than_s) else None


def _is_lost(row: Any, now: datetime, older_than_s: float) -> bool:
    # Any: a row with the columns holder, lease_until, retry_time and sent_time
    if row.holder is not None:
        return has_let_go(row.holder, row.lease_until, now)
    if row.retry_time is not None:
        return bool(row.retry_time <= now)
    return row.sent_time is None or bool(row.sent_time <= now - timedelta(seconds=older_than_s))


def _executing() -> sa.Select[Any]:
    # Any: SQLAlchemy types no rows of mixed tables
    nobody = sa.literal("")
    return sa.select(jobs.c.id, jobs.c.start_time, jobs.c.execution_duration_s, nobody).where(
        jobs.c.phase == Phase.EXECUTING.value, jobs.c.start_time.is_not(None)
    )


def _planning() -> sa.Select[Any]:
    # Any: as above
    return (
        sa.select(jobs.c.id, steps.c.begun_time, jobs.c.execution_duration_s, steps.c.holder)
        .join(steps, jobs.c.id == steps.c.job_id)
        .where(
            jobs.c.phase == Phase.QUEUED.value,
            jobs.c.chunk_count.is_(None),
            steps.c.step == "plan",
            steps.c.holder.is_not(None),
            steps.c.begun_time.is_not(None),
        )
    )


def _due_steps(step: str) -> sa.Select[Any]:
    # Any: as above
    return (
        sa.select(*steps.c)
        .join(jobs, jobs.c.id == steps.c.job_id)
        .where(steps.c.step == step, step_is_due(step))
    )


def _chunks_in_flight() -> sa.Select[Any]:
    # Any: as above
    return (
        sa.select(
            chunks.c.job_id,
            chunks.c.number,
            chunks.c.holder,
            chunks.c.lease_until,
            chunks.c.retry_time,
            chunks.c.sent_time,
        )
        .join(jobs, jobs.c.id == chunks.c.job_id)
        .where(chunks.c.state.in_(IN_FLIGHT), jobs.c.phase.in_(AT_WORK))
    )
