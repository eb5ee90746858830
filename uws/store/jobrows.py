"""Changes to the rows of one job in an open transaction, for several parts of the store."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.errors import NotFoundError
from uws.models import FINISHED, MOVES, ErrorSummary, Phase
from uws.store.schema import format_json, jobs, steps, tombstones

__all__ = [
    "AT_WORK",
    "add_notes",
    "add_tombstone",
    "delete_job",
    "lock_job",
    "move_job",
    "no_job",
    "update_job",
]

AT_WORK = (Phase.QUEUED.value, Phase.EXECUTING.value)
"""Phases in which a job is planned, worked and finished."""


def no_job(job_id: str) -> NotFoundError:
    """Return the error for a job that does not exist."""
    return NotFoundError(f"no job {job_id}")


def lock_job(connection: Connection, job_id: str, phases: Collection[str] | None = None) -> bool:
    """Keep a job's row from changing until the transaction ends.

    All changes of more than one row of a job lock this row first, as a deletion does: two that lock
    in different orders would wait for each other.

    Returns
    -------
    bool
        False when there is no such job, or it is in none of `phases`; None stands for all.
    """
    query = sa.select(jobs.c.id).where(jobs.c.id == job_id)
    if phases is not None:
        query = query.where(jobs.c.phase.in_(phases))
    return connection.scalar(query.with_for_update()) is not None


def move_job(
    connection: Connection,
    job_id: str,
    to: Phase,
    *,
    among: Collection[Phase],
    now: datetime,
    error: ErrorSummary | None = None,
) -> bool:
    """Move a job from one of some phases to another where `MOVES` allows it."""
    sources = sorted(phase.value for phase in among if to in MOVES[phase])
    values: dict[str, object] = {"phase": to.value}
    if to is Phase.EXECUTING:
        values["start_time"] = sa.func.coalesce(jobs.c.start_time, now)
    if to in FINISHED:
        values["end_time"] = sa.func.coalesce(jobs.c.end_time, now)
    if error is not None:
        values |= {
            "error_message": error.message,
            "error_kind": error.kind.value,
            "error_detail": error.detail,
        }
    has_moved = update_job(connection, job_id, jobs.c.phase.in_(sources), **values)
    if has_moved and to is Phase.QUEUED:
        plan = sa.and_(steps.c.job_id == job_id, steps.c.step == "plan")
        connection.execute(steps.update().where(plan).values(sent_time=now))
    return has_moved


def update_job(
    connection: Connection, job_id: str, *conditions: sa.ColumnElement[bool], **values: object
) -> bool:
    """Set columns of a job; False, and nothing happens, where none meets the conditions."""
    update = jobs.update().where(jobs.c.id == job_id, *conditions).values(values)
    return connection.execute(update).rowcount == 1


def add_notes(connection: Connection, job_id: str, notes: Sequence[str]) -> None:
    """Append notes to a job's."""
    query = sa.select(jobs.c.notes).where(jobs.c.id == job_id).with_for_update()
    old = connection.scalar(query)
    if old is not None and notes:
        update_job(connection, job_id, notes=format_json([*json.loads(old), *notes]))


def delete_job(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """Delete a job with all its rows; a tombstone keeps its id."""
    deleted = connection.execute(jobs.delete().where(jobs.c.id == job_id))
    if deleted.rowcount:
        add_tombstone(connection, job_id, now=now)
    return deleted.rowcount == 1


def add_tombstone(connection: Connection, job_id: str, *, now: datetime) -> None:
    """Keep the id of a job whose files will be removed; replace an older tombstone."""
    connection.execute(tombstones.delete().where(tombstones.c.job_id == job_id))
    connection.execute(tombstones.insert(), {"job_id": job_id, "deleted_time": now})
