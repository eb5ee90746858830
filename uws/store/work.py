"""What is done to a job's steps and chunks, within an open transaction.

A step or chunk has one holder until its lease ends, and every change is conditional: a task that
comes late or twice changes nothing. Whoever lost what he held is taken to have died of it, or to
hang: it counts against the step or chunk, lest it take worker after worker without an end. A
holder that can be killed from here is killed first.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.jobtype import ChunkPlan, Plan
from uws.models import Chunk, ChunkReport, ChunkState, ErrorSummary, Phase
from uws.store.jobrows import AT_WORK, lock_job, move_job
from uws.store.leases import has_let_go, time_used
from uws.store.schema import (
    chunk_from_row,
    chunks,
    format_json,
    jobs,
    report_from_row,
    steps,
)

__all__ = [
    "IN_FLIGHT",
    "claim_chunk",
    "fail_step",
    "fetch_reports",
    "forget_attempts",
    "has_given_up",
    "lease_step",
    "release_chunk",
    "release_step",
    "renew_chunk",
    "renew_step",
    "report_chunk",
    "save_plan",
    "send_chunks",
    "set_found",
    "step_failures",
    "step_is_due",
]

IN_FLIGHT = (ChunkState.SENT.value, ChunkState.RUNNING.value)
"""States of the chunks that fill a job's window."""

_PHASES = tuple(map(Phase, AT_WORK))

_PLAN_BATCH = 1000  # rows of a plan in memory at a time


def _job_at_work(job_id: str) -> sa.Exists:
    return sa.exists().where(jobs.c.id == job_id, jobs.c.phase.in_(AT_WORK))


def step_is_due(step: str) -> sa.ColumnElement[bool]:
    """Condition on a job that a step is what it needs next: not done, and possible."""
    planned = jobs.c.chunk_count.is_not(None)
    needed = ~planned if step == "plan" else sa.and_(planned, jobs.c.chunks_left == 0)
    return sa.and_(jobs.c.phase.in_(AT_WORK), needed)


def lease_step(
    connection: Connection, job_id: str, step: str, *, holder: str, now: datetime, lease_s: int
) -> int:
    """Give a step to a holder, if it is due, may be tried, and no other living one has it.

    Returns how often it was given, this time included; 0 when it is not to be had.
    """
    if not lock_job(connection, job_id, AT_WORK):
        return 0
    this = sa.and_(steps.c.job_id == job_id, steps.c.step == step)
    query = (
        sa.select(*steps.c)
        .join(jobs, jobs.c.id == steps.c.job_id)
        .where(this, step_is_due(step))
        .with_for_update(of=steps)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return 0
    if row.holder is not None and not has_let_go(row.holder, row.lease_until, now):
        return 0
    if row.retry_time is not None and row.retry_time > now:
        return 0
    tries: int = row.tries + 1
    lease = {"holder": holder, "lease_until": now + timedelta(seconds=lease_s), "tries": tries}
    begun = {"begun_time": now - time_used(row, now), "retry_time": None}
    connection.execute(steps.update().where(this).values({**lease, **begun}))
    return tries


def fail_step(
    connection: Connection,
    job_id: str,
    step: str,
    *,
    holder: str,
    error: ErrorSummary,
    now: datetime,
) -> bool:
    """Move a job to ERROR for its step's holder; False where the step was lost, or is done."""
    if not lock_job(connection, job_id, AT_WORK):
        return False
    query = (
        sa.select(steps.c.holder)
        .join(jobs, jobs.c.id == steps.c.job_id)
        .where(steps.c.job_id == job_id, steps.c.step == step, step_is_due(step))
        .with_for_update(of=steps)
    )
    if connection.scalar(query) != holder:
        return False
    return move_job(connection, job_id, Phase.ERROR, among=_PHASES, now=now, error=error)


def step_failures(connection: Connection, job_id: str, step: str) -> int:
    """Count how often a step was given back with a pause."""
    query = sa.select(steps.c.failures).where(steps.c.job_id == job_id, steps.c.step == step)
    return connection.scalar(query) or 0


def release_step(
    connection: Connection,
    job_id: str,
    step: str,
    *,
    holder: str,
    now: datetime,
    pause_s: float | None,
) -> None:
    """Let go of a step that is to be tried again; with a pause it counts as a failure."""
    connection.execute(
        steps.update()
        .where(steps.c.job_id == job_id, steps.c.step == step, steps.c.holder == holder)
        .values(holder=None, lease_until=None, sent_time=now, begun_time=None)
        .values(_paused(steps, now, pause_s))
    )


def _paused(table: sa.Table, now: datetime, pause_s: float | None) -> dict[str, object]:
    """Give the columns that say of a step or chunk that it failed, and until when it rests."""
    if pause_s is None:
        return {}
    return {"failures": table.c.failures + 1, "retry_time": now + timedelta(seconds=pause_s)}


def renew_step(
    connection: Connection, job_id: str, step: str, *, holder: str, lease_until: datetime
) -> bool:
    """Prolong the lease of a step; False if it was lost or the job is not at work."""
    renewed = connection.execute(
        steps.update()
        .where(
            steps.c.job_id == job_id,
            steps.c.step == step,
            steps.c.holder == holder,
            _job_at_work(job_id),
        )
        .values(lease_until=lease_until)
    )
    return renewed.rowcount == 1


def set_found(connection: Connection, job_id: str, items: int) -> None:
    """Set how many items a job has as far as is known, unless it is planned already."""
    connection.execute(
        jobs.update().where(jobs.c.id == job_id, step_is_due("plan")).values(items_total=items)
    )


def save_plan(connection: Connection, job_id: str, plan: Plan) -> bool:
    """Store the chunks and counts of a job that is at work and was not planned yet."""
    planned = sum(chunk.total for chunk in plan.chunks)
    saved = connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id, step_is_due("plan"))
        .values(
            chunk_count=len(plan.chunks),
            chunks_left=len(plan.chunks),
            items_total=planned + plan.done + plan.failed,
            items_done=plan.done,
            items_failed=plan.failed,
            items_by_plan=plan.done + plan.failed,
        )
    )
    if saved.rowcount != 1:
        return False
    for rows in _batches(job_id, plan.chunks):
        connection.execute(chunks.insert(), rows)
    return True


def _batches(job_id: str, plans: Sequence[ChunkPlan]) -> Iterator[list[dict[str, object]]]:
    rows = (
        {
            "job_id": job_id,
            "number": number,
            "state": ChunkState.WAITING.value,
            "spec": format_json(plan.spec),
            "total": plan.total,
        }
        for number, plan in enumerate(plans)
    )
    while batch := list(islice(rows, _PLAN_BATCH)):
        yield batch


def send_chunks(connection: Connection, job_id: str, window: int, *, now: datetime) -> list[int]:
    """Mark a job's next chunks as SENT until `window` are in flight; returns their numbers."""
    # Two workers who report at once shall not both fill up.
    if not lock_job(connection, job_id, AT_WORK):
        return []
    of_job = chunks.c.job_id == job_id
    in_flight = connection.execute(
        sa.select(sa.func.count()).where(of_job, chunks.c.state.in_(IN_FLIGHT))
    ).scalar_one()
    query = (
        sa.select(chunks.c.number)
        .where(of_job, chunks.c.state == ChunkState.WAITING.value)
        .order_by(chunks.c.number)
        .limit(max(0, window - in_flight))
    )
    numbers = list(connection.scalars(query))
    if numbers:
        connection.execute(
            chunks.update()
            .where(of_job, chunks.c.number.in_(numbers))
            .values(state=ChunkState.SENT.value, sent_time=now)
        )
    return numbers


def forget_attempts(
    connection: Connection, job_id: str, number: int, *, holder: str, attempts: int
) -> bool:
    """Count attempts and failures of a chunk anew, for its holder: as often as it has items.

    Each time an item is done for good, so more often is a fault, and would have no end.
    """
    forgotten = connection.execute(
        chunks.update()
        .where(_held_chunk(job_id, number, holder), chunks.c.resets < chunks.c.total)
        .values(attempts=attempts, failures=0, resets=chunks.c.resets + 1)
    )
    return forgotten.rowcount == 1


def claim_chunk(
    connection: Connection, job_id: str, number: int, *, holder: str, now: datetime, lease_s: int
) -> Chunk | None:
    """Give a SENT chunk of a job at work to a holder, unless it rests; counts the attempt."""
    claim = (
        chunks.update()
        .where(
            chunks.c.job_id == job_id,
            chunks.c.number == number,
            chunks.c.state == ChunkState.SENT.value,
            sa.or_(chunks.c.retry_time.is_(None), chunks.c.retry_time <= now),
            _job_at_work(job_id),
        )
        .values(
            state=ChunkState.RUNNING.value,
            holder=holder,
            lease_until=now + timedelta(seconds=lease_s),
            attempts=chunks.c.attempts + 1,
            retry_time=None,
        )
        .returning(*chunks.c)
    )
    row = connection.execute(claim).mappings().one_or_none()
    return chunk_from_row(row) if row is not None else None


def _held_chunk(job_id: str, number: int, holder: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        chunks.c.job_id == job_id,
        chunks.c.number == number,
        chunks.c.state == ChunkState.RUNNING.value,
        chunks.c.holder == holder,
    )


def renew_chunk(
    connection: Connection, job_id: str, number: int, *, holder: str, lease_until: datetime
) -> bool:
    """Prolong the lease of a chunk; False if it was lost or the job is not at work."""
    renewed = connection.execute(
        chunks.update()
        .where(_held_chunk(job_id, number, holder), _job_at_work(job_id))
        .values(lease_until=lease_until)
    )
    return renewed.rowcount == 1


def release_chunk(
    connection: Connection,
    job_id: str,
    number: int,
    *,
    holder: str,
    now: datetime,
    pause_s: float | None,
) -> None:
    """Let go of a chunk that is to be tried again; with a pause it counts as a failure.

    It is SENT either way, so that it keeps its place in the job's window: where all is away,
    a job does not go on to the next chunks.
    """
    connection.execute(
        chunks.update()
        .where(_held_chunk(job_id, number, holder))
        .values(state=ChunkState.SENT.value, holder=None, lease_until=None, sent_time=now)
        .values(_paused(chunks, now, pause_s))
    )


def has_given_up(connection: Connection, job_id: str) -> bool:
    """Tell whether a chunk of the job was given up as away before anything of it was done."""
    query = sa.select(sa.literal(1)).where(
        chunks.c.job_id == job_id,
        chunks.c.state == ChunkState.AWAY.value,
        chunks.c.report_done == 0,
    )
    return connection.scalar(query.limit(1)) is not None


def report_chunk(
    connection: Connection,
    job_id: str,
    number: int,
    report: ChunkReport,
    *,
    holder: str,
    state: ChunkState,
) -> int | None:
    """Record the report of a chunk held; returns how many are left, None if it was lost."""
    if not lock_job(connection, job_id, AT_WORK):
        return None
    recorded = connection.execute(
        chunks.update()
        .where(_held_chunk(job_id, number, holder))
        .values(
            state=state.value,
            holder=None,
            lease_until=None,
            report_done=report.done,
            report_failed=report.failed,
            report_bytes=report.size_bytes,
            report_detail=format_json(report.detail),
        )
    )
    if recorded.rowcount != 1:
        return None
    left: int = connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id)
        .values(
            chunks_left=jobs.c.chunks_left - 1,
            items_done=jobs.c.items_done + report.done,
            items_failed=jobs.c.items_failed + report.failed,
            size_bytes=jobs.c.size_bytes + report.size_bytes,
        )
        .returning(jobs.c.chunks_left)
    ).scalar_one()
    return left


def fetch_reports(connection: Connection, job_id: str) -> list[ChunkReport]:
    """Read the reports of a job's chunks, in the order of the chunks."""
    query = (
        sa.select(
            chunks.c.report_done,
            chunks.c.report_failed,
            chunks.c.report_bytes,
            chunks.c.report_detail,
        )
        .where(chunks.c.job_id == job_id, chunks.c.report_done.is_not(None))
        .order_by(chunks.c.number)
    )
    return [report_from_row(row) for row in connection.execute(query).mappings()]
