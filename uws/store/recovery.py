"""What a sweep looks for and marks, within an open transaction: lost work, overdue jobs.

Work is lost when its holder is dead, or its lease has ended and it is not to be killed first,
when it was sent and nobody took it for a while, or when it failed for the moment and its pause is
over: nobody has sent it since.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.lease_owner import is_dead, is_task
from uws.models import ChunkState, Phase
from uws.store.jobrows import AT_WORK, lock_job
from uws.store.leases import has_let_go, time_used
from uws.store.schema import chunks, jobs, remains, steps
from uws.store.work import IN_FLIGHT, step_is_due

__all__ = [
    "forget_remains",
    "lapsed_tasks",
    "lost_chunks",
    "lost_steps",
    "old_remains",
    "overdue_jobs",
    "resend_chunk",
    "resend_step",
    "starved_jobs",
    "unknown_jobs",
]


_IDS_AT_ONCE = 500  # values in one query; both databases take some thousand


def _is_lost(row: Any, now: datetime, older_than_s: float) -> bool:
    # Any: a row with the columns holder, lease_until, retry_time and sent_time
    if row.holder is not None:
        return has_let_go(row.holder, row.lease_until, now)
    if row.retry_time is not None:
        return bool(row.retry_time <= now)
    return row.sent_time is None or bool(row.sent_time <= now - timedelta(seconds=older_than_s))


def overdue_jobs(connection: Connection, now: datetime) -> list[str]:
    """Ids of the jobs that execute, or are planned, longer than they may; 0 s is without limit.

    A plan whose worker is dead waits for another one, and its time stands still.
    """
    limit, nobody = jobs.c.execution_duration_s, sa.literal("")
    executing = sa.select(jobs.c.id, jobs.c.start_time, limit, nobody).where(
        jobs.c.phase == Phase.EXECUTING.value, jobs.c.start_time.is_not(None)
    )
    planning = (
        sa.select(jobs.c.id, steps.c.begun_time, limit, steps.c.holder)
        .join(steps, jobs.c.id == steps.c.job_id)
        .where(
            jobs.c.phase == Phase.QUEUED.value,
            jobs.c.chunk_count.is_(None),
            steps.c.step == "plan",
            steps.c.holder.is_not(None),
            steps.c.begun_time.is_not(None),
        )
    )
    # Dates are reckoned here, not in SQL, where each database has its own way; the jobs that
    # execute at a moment are few.
    return [
        job_id
        for query in (executing, planning)
        for job_id, begun, limit_s, holder in connection.execute(query)
        if limit_s > 0 and begun + timedelta(seconds=limit_s) <= now and not is_dead(holder)
    ]


def lapsed_tasks(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Job and holder of each task that lost its lease, and lives as far as is known."""
    return [
        (row.job_id, row.holder)
        for query in (_due_steps("plan"), _chunks_in_flight(), _due_steps("finish"))
        for row in connection.execute(query)
        if row.holder is not None and is_task(row.holder)
        if row.lease_until <= now and not is_dead(row.holder)
    ]


def _due_steps(step: str) -> sa.Select[Any]:
    # Any: SQLAlchemy types no rows of mixed tables
    return (
        sa.select(*steps.c)
        .join(jobs, jobs.c.id == steps.c.job_id)
        .where(steps.c.step == step, step_is_due(step))
    )


def lost_steps(
    connection: Connection, step: str, *, now: datetime, older_than_s: float
) -> list[str]:
    """Ids of the jobs for which a step is due that nobody works on."""
    rows = connection.execute(_due_steps(step))
    return [row.job_id for row in rows if _is_lost(row, now, older_than_s)]


def resend_step(
    connection: Connection, job_id: str, step: str, *, now: datetime, older_than_s: float
) -> bool:
    """Mark a lost step as sent now; False when another sweep was faster or it is not lost."""
    if not lock_job(connection, job_id, AT_WORK):
        return False
    query = _due_steps(step).where(steps.c.job_id == job_id).with_for_update(of=steps)
    row = connection.execute(query).one_or_none()
    if row is None or not _is_lost(row, now, older_than_s):
        return False
    begun_time = None if row.begun_time is None else now - time_used(row, now)
    connection.execute(
        steps.update()
        .where(steps.c.job_id == job_id, steps.c.step == step)
        .values(holder=None, lease_until=None, sent_time=now, retry_time=None)
        .values(begun_time=begun_time)
    )
    return True


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


def lost_chunks(
    connection: Connection, now: datetime, *, older_than_s: float
) -> list[tuple[str, int]]:
    """Job and number of each chunk that was sent or taken and that nobody works on."""
    query = _chunks_in_flight().order_by(chunks.c.job_id, chunks.c.number)
    return [
        (row.job_id, row.number)
        for row in connection.execute(query)
        if _is_lost(row, now, older_than_s)
    ]


def resend_chunk(
    connection: Connection, job_id: str, number: int, *, now: datetime, older_than_s: float
) -> bool:
    """Mark a lost chunk as SENT now; False when another sweep was faster or it is not lost."""
    if not lock_job(connection, job_id, AT_WORK):
        return False
    # The chunk itself too: who claims or renews it does not ask for the job's row.
    this = sa.and_(chunks.c.job_id == job_id, chunks.c.number == number)
    query = _chunks_in_flight().where(this).with_for_update(of=chunks)
    row = connection.execute(query).one_or_none()
    if row is None or not _is_lost(row, now, older_than_s):
        return False
    sent = {"state": ChunkState.SENT.value, "sent_time": now, "retry_time": None}
    nobody = {"holder": None, "lease_until": None}
    connection.execute(chunks.update().where(this).values({**sent, **nobody}))
    return True


def starved_jobs(connection: Connection, window: int) -> list[str]:
    """Ids of the jobs at work that have chunks waiting and fewer than `window` in flight."""
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
    return list(connection.scalars(query))


def unknown_jobs(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """Those of the ids of which there is no job."""
    known: set[str] = set()
    for start in range(0, len(job_ids), _IDS_AT_ONCE):
        some = job_ids[start : start + _IDS_AT_ONCE]
        known.update(connection.scalars(sa.select(jobs.c.id).where(jobs.c.id.in_(some))))
    return [job_id for job_id in job_ids if job_id not in known]


def old_remains(connection: Connection, before: datetime) -> list[str]:
    """Ids of the jobs deleted before an instant whose files were not yet removed once more."""
    return list(
        connection.scalars(sa.select(remains.c.job_id).where(remains.c.deleted_time < before))
    )


def forget_remains(connection: Connection, job_id: str) -> None:
    """Say that nothing remains of a deleted job."""
    connection.execute(remains.delete().where(remains.c.job_id == job_id))
