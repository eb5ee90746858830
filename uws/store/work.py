"""The work on a job's steps and chunks: leases, plans and reports.

A step or chunk has one holder until its lease ends. Every change is conditional: a task that comes
late or twice changes nothing. A holder that loses its lease is assumed to have died or to hang.
That counts as a try, so that no work takes workers without end. A holder that can be killed from
here is killed first.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import sqlalchemy as sa

from uws.events.phase_events import PhaseEvents
from uws.jobtype import ChunkPlan, Plan
from uws.models import Chunk, ChunkReport, ChunkState, ErrorSummary, Phase
from uws.store.database import Database
from uws.store.jobrows import AT_WORK, add_notes, lock_job, move_job, update_job
from uws.store.leases import has_let_go, time_used
from uws.store.schema import chunk_from_row, chunks, format_json, jobs, report_from_row, steps

__all__ = ["IN_FLIGHT", "WorkStore", "step_is_due"]

IN_FLIGHT = (ChunkState.SENT.value, ChunkState.RUNNING.value)
"""States of the chunks that fill a job's window."""

_PHASES = tuple(map(Phase, AT_WORK))

_PLAN_BATCH = 1000  # rows of a plan in memory at a time


def step_is_due(step: str) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a step is the next one of a job."""
    planned = jobs.c.chunk_count.is_not(None)
    needed = ~planned if step == "plan" else sa.and_(planned, jobs.c.chunks_left == 0)
    return sa.and_(jobs.c.phase.in_(AT_WORK), needed)


class WorkStore:
    """The queries of workers; each method is one transaction."""

    def __init__(self, database: Database, events: PhaseEvents) -> None:
        self._database = database
        self._events = events

    def lease_step(self, job_id: str, step: str, *, holder: str, lease_s: int) -> int:
        """Take the step `plan` or `finish` of a job; counts as a try.

        Returns
        -------
        int
            How often it was claimed, this time included; 0 if it is done or not due, has another
            living holder, or pauses after a failure.
        """
        this = _step(job_id, step)
        query = (
            sa.select(*steps.c)
            .join(jobs, jobs.c.id == steps.c.job_id)
            .where(this, step_is_due(step))
            .with_for_update(of=steps)
        )
        with self._database.working() as connection:
            now = datetime.now(UTC)
            if not lock_job(connection, job_id, AT_WORK):
                return 0
            row = connection.execute(query).one_or_none()
            if row is None:
                return 0
            if row.holder is not None and not has_let_go(row.holder, row.lease_until, now):
                return 0
            if row.retry_time is not None and row.retry_time > now:
                return 0
            tries: int = row.tries + 1
            until = now + timedelta(seconds=lease_s)
            lease = {"holder": holder, "lease_until": until, "tries": tries}
            begun = {"begun_time": now - time_used(row, now), "retry_time": None}
            connection.execute(steps.update().where(this).values({**lease, **begun}))
            return tries

    def release_step(
        self, job_id: str, step: str, *, holder: str, pause_s: float | None = None
    ) -> None:
        """Release a step to be tried again, after the pause if there is one.

        Each release with a pause counts as a failure. Nothing happens where the step was lost.
        """
        with self._database.working() as connection:
            now = datetime.now(UTC)
            connection.execute(
                steps.update()
                .where(_step(job_id, step), steps.c.holder == holder)
                .values(holder=None, lease_until=None, sent_time=now, begun_time=None)
                .values(_paused(steps, now, pause_s))
            )

    def fail_step(self, job_id: str, step: str, *, holder: str, error: ErrorSummary) -> bool:
        """Move a job to ERROR because a step of it failed.

        Returns
        -------
        bool
            False, and nothing is changed, if another holder has the step, it is done, or the job is
            no longer at work.
        """
        query = (
            sa.select(steps.c.holder)
            .join(jobs, jobs.c.id == steps.c.job_id)
            .where(_step(job_id, step), step_is_due(step))
            .with_for_update(of=steps)
        )
        with self._database.writing() as connection:
            now = datetime.now(UTC)
            has_failed = (
                lock_job(connection, job_id, AT_WORK)
                and connection.scalar(query) == holder
                and move_job(connection, job_id, Phase.ERROR, among=_PHASES, now=now, error=error)
            )
        if has_failed:
            self._events.announce(job_id)
        return has_failed

    def step_failures(self, job_id: str, step: str) -> int:
        """Count how often a step was released with a pause."""
        query = sa.select(steps.c.failures).where(_step(job_id, step))
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def set_total(self, job_id: str, items: int) -> None:
        """Set the number of items of a job found so far by its planning."""
        with self._database.working() as connection:
            update_job(connection, job_id, step_is_due("plan"), items_total=items)

    def save_plan(self, job_id: str, plan: Plan) -> bool:
        """Store a job's chunks, counts and notes, if it is at work and not planned yet."""
        planned = sum(chunk.total for chunk in plan.chunks)
        counts = {
            "chunk_count": len(plan.chunks),
            "chunks_left": len(plan.chunks),
            "items_total": planned + plan.done + plan.failed,
            "items_done": plan.done,
            "items_failed": plan.failed,
            "items_by_plan": plan.done + plan.failed,
        }
        with self._database.working() as connection:
            if not update_job(connection, job_id, step_is_due("plan"), **counts):
                return False
            for rows in _batches(job_id, plan.chunks):
                connection.execute(chunks.insert(), rows)
            add_notes(connection, job_id, plan.notes)
            return True

    def next_chunks(self, job_id: str, window: int) -> Sequence[int]:
        """Mark the next waiting chunks as SENT, until `window` are SENT or RUNNING.

        Returns
        -------
        Sequence of int
            Numbers of the chunks to send now.
        """
        of_job = chunks.c.job_id == job_id
        in_flight = sa.select(sa.func.count()).where(of_job, chunks.c.state.in_(IN_FLIGHT))
        waiting = (
            sa.select(chunks.c.number)
            .where(of_job, chunks.c.state == ChunkState.WAITING.value)
            .order_by(chunks.c.number)
        )
        with self._database.working() as connection:
            sent = {"state": ChunkState.SENT.value, "sent_time": datetime.now(UTC)}
            # The lock keeps two workers that report at once from both filling the window.
            if not lock_job(connection, job_id, AT_WORK):
                return []
            free = max(0, window - connection.execute(in_flight).scalar_one())
            numbers = list(connection.scalars(waiting.limit(free)))
            if numbers:
                these = sa.and_(of_job, chunks.c.number.in_(numbers))
                connection.execute(chunks.update().where(these).values(sent))
            return numbers

    def claim_chunk(self, job_id: str, number: int, *, holder: str, lease_s: int) -> Chunk | None:
        """Take a SENT chunk to work on it; counts as an attempt.

        Returns
        -------
        Chunk or None
            None if it is not SENT, pauses after a failure, or its job is not QUEUED or EXECUTING.
        """
        now = datetime.now(UTC)
        claim = (
            chunks.update()
            .where(
                _chunk(job_id, number),
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
        with self._database.working() as connection:
            row = connection.execute(claim).mappings().one_or_none()
            return chunk_from_row(row) if row is not None else None

    def forget_attempts(self, job_id: str, number: int, *, holder: str, attempts: int = 1) -> bool:
        """Reset attempts and failures, since an item of a chunk was finished or given up.

        Each reset means one item less to do. More resets than items are a fault that would not end.

        Returns
        -------
        bool
            False if the lease was lost, or there were as many resets as items.
        """
        forget = (
            chunks.update()
            .where(_held_chunk(job_id, number, holder), chunks.c.resets < chunks.c.total)
            .values(attempts=attempts, failures=0, resets=chunks.c.resets + 1)
        )
        with self._database.working() as connection:
            return connection.execute(forget).rowcount == 1

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
        if number is not None:
            update = chunks.update().where(_held_chunk(job_id, number, holder))
        elif step is not None:
            update = steps.update().where(_step(job_id, step), steps.c.holder == holder)
        else:
            raise ValueError("renew: neither a chunk's number nor a step is given")
        until = datetime.now(UTC) + timedelta(seconds=lease_s)
        with self._database.working() as connection:
            renewed = connection.execute(
                update.where(_job_at_work(job_id)).values(lease_until=until)
            )
            return renewed.rowcount == 1

    def release_chunk(
        self, job_id: str, number: int, *, holder: str, pause_s: float | None = None
    ) -> None:
        """Release a chunk to be tried again: it is SENT, but pauses first.

        Each release with a pause counts as a failure. If the lease was lost, nothing happens. The
        chunk keeps its place in the job's window: while data are unavailable, a job does not go on
        to further chunks.
        """
        with self._database.working() as connection:
            now = datetime.now(UTC)
            connection.execute(
                chunks.update()
                .where(_held_chunk(job_id, number, holder))
                .values(state=ChunkState.SENT.value, holder=None, lease_until=None, sent_time=now)
                .values(_paused(chunks, now, pause_s))
            )

    def has_given_up(self, job_id: str) -> bool:
        """Return whether a chunk of the job was given up as UNAVAILABLE with nothing done."""
        query = sa.select(sa.literal(1)).where(
            chunks.c.job_id == job_id,
            chunks.c.state == ChunkState.UNAVAILABLE.value,
            chunks.c.report_done == 0,
        )
        with self._database.reading() as connection:
            return connection.scalar(query.limit(1)) is not None

    def report_chunk(
        self,
        job_id: str,
        number: int,
        report: ChunkReport,
        *,
        holder: str,
        state: ChunkState = ChunkState.DONE,
    ) -> int | None:
        """Record a chunk's report, and that it is DONE, FAILED or UNAVAILABLE.

        Returns
        -------
        int or None
            Number of chunks left; exactly one caller gets 0. None if the lease was lost or the job
            is no longer at work: nothing is recorded then.
        """
        record = (
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
        add = (
            jobs.update()
            .where(jobs.c.id == job_id)
            .values(
                chunks_left=jobs.c.chunks_left - 1,
                items_done=jobs.c.items_done + report.done,
                items_failed=jobs.c.items_failed + report.failed,
                size_bytes=jobs.c.size_bytes + report.size_bytes,
            )
            .returning(jobs.c.chunks_left)
        )
        with self._database.working() as connection:
            if not lock_job(connection, job_id, AT_WORK):
                return None
            if connection.execute(record).rowcount != 1:
                return None
            left: int = connection.execute(add).scalar_one()
            return left

    def reports(self, job_id: str) -> Sequence[ChunkReport]:
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
        with self._database.reading() as connection:
            return [report_from_row(row) for row in connection.execute(query).mappings()]


def _job_at_work(job_id: str) -> sa.Exists:
    return sa.exists().where(jobs.c.id == job_id, jobs.c.phase.in_(AT_WORK))


def _step(job_id: str, step: str) -> sa.ColumnElement[bool]:
    return sa.and_(steps.c.job_id == job_id, steps.c.step == step)


def _chunk(job_id: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(chunks.c.job_id == job_id, chunks.c.number == number)


def _held_chunk(job_id: str, number: int, holder: str) -> sa.ColumnElement[bool]:
    is_held = sa.and_(chunks.c.state == ChunkState.RUNNING.value, chunks.c.holder == holder)
    return sa.and_(_chunk(job_id, number), is_held)


def _paused(table: sa.Table, now: datetime, pause_s: float | None) -> dict[str, object]:
    """Return the columns that record a failure of a step or chunk, and the end of its pause."""
    if pause_s is None:
        return {}
    return {"failures": table.c.failures + 1, "retry_time": now + timedelta(seconds=pause_s)}


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
