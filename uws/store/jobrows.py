"""What is done to the rows of one job, and to lists of jobs, within an open transaction."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.errors import NotFoundError, TooManyError
from uws.jobtype import Outcome
from uws.models import FINISHED, MOVES, STARTABLE, ErrorSummary, Job, Load, Parameter, Phase, Result
from uws.store.schema import (
    format_json,
    job_from_row,
    job_to_row,
    jobs,
    parameter_from_row,
    parameter_to_row,
    parameters,
    remains,
    result_from_row,
    result_to_row,
    results,
    steps,
)

__all__ = [
    "AT_WORK",
    "add_notes",
    "add_results",
    "admit_job",
    "complete_job",
    "count_jobs",
    "count_phases",
    "delete_job",
    "fetch_job",
    "fetch_loads",
    "fetch_page",
    "fetch_phase",
    "fetch_phases",
    "insert_job",
    "lock_job",
    "move_job",
    "queue_job",
    "recent_rate",
    "remember_remains",
    "replace_parameters",
    "set_destruction",
    "set_execution_duration",
    "set_quote",
    "update_job",
]

AT_WORK = (Phase.QUEUED.value, Phase.EXECUTING.value)
"""Phases in which a job is planned, worked and finished."""

_ADMISSION_LOCK = 0x757773  # "uws": with an owner's hash, key of PostgreSQL's advisory lock


def insert_job(connection: Connection, job: Job) -> None:
    """Insert a new job with its parameters and its steps, which nobody holds yet.

    A job that is QUEUED at once counts as sent when it was created.
    """
    connection.execute(jobs.insert(), job_to_row(job))
    sent = {"plan": job.creation_time if job.phase is Phase.QUEUED else None, "finish": None}
    connection.execute(
        steps.insert(),
        [{"job_id": job.id, "step": step, "sent_time": time} for step, time in sent.items()],
    )
    _insert_parameters(connection, job.id, job.parameters)


def _insert_parameters(connection: Connection, job_id: str, values: Sequence[Parameter]) -> None:
    rows = [parameter_to_row(job_id, position, value) for position, value in enumerate(values)]
    if rows:
        connection.execute(parameters.insert(), rows)


def fetch_job(connection: Connection, job_id: str) -> Job:
    """Read a whole job; `NotFoundError` where there is none."""
    row = connection.execute(jobs.select().where(jobs.c.id == job_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no job {job_id}")
    found = sa.select(results).where(results.c.job_id == job_id).order_by(results.c.position)
    return job_from_row(
        row,
        parameters=_fetch_parameters(connection, job_id),
        results=tuple(map(result_from_row, connection.execute(found).mappings())),
    )


def _fetch_parameters(connection: Connection, job_id: str) -> tuple[Parameter, ...]:
    rows = connection.execute(
        parameters.select().where(parameters.c.job_id == job_id).order_by(parameters.c.position)
    )
    return tuple(map(parameter_from_row, rows.mappings()))


def fetch_phase(connection: Connection, job_id: str) -> Phase:
    """Read a job's phase; `NotFoundError` where there is no such job."""
    phase = connection.scalar(sa.select(jobs.c.phase).where(jobs.c.id == job_id))
    if phase is None:
        raise NotFoundError(f"no job {job_id}")
    return Phase(phase)


def fetch_phases(connection: Connection, job_ids: Collection[str]) -> dict[str, Phase]:
    """Read the phases of many jobs; those that are not there are left out."""
    query = sa.select(jobs.c.id, jobs.c.phase).where(jobs.c.id.in_(job_ids))
    return {row.id: Phase(row.phase) for row in connection.execute(query)}


def fetch_page(
    connection: Connection,
    owner: str,
    *,
    phases: Collection[Phase],
    after: datetime | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Job]:
    """Read the newest jobs of an owner, at most `limit`, without parameters and results.

    `before` is creation time and id of the last job of the page before this one.
    """
    query = sa.select(jobs).where(jobs.c.owner == owner)
    if phases:
        query = query.where(jobs.c.phase.in_(sorted(item.value for item in phases)))
    else:
        query = query.where(jobs.c.phase != Phase.ARCHIVED.value)
    if after is not None:
        query = query.where(jobs.c.creation_time > after)
    if before is not None:
        query = query.where(sa.tuple_(jobs.c.creation_time, jobs.c.id) < before)
    query = query.order_by(jobs.c.creation_time.desc(), jobs.c.id.desc()).limit(limit)
    return [job_from_row(row) for row in connection.execute(query).mappings()]


def count_jobs(connection: Connection, owner: str, phases: Collection[Phase]) -> int:
    """Count an owner's jobs in some phases."""
    query = (
        sa.select(sa.func.count())
        .select_from(jobs)
        .where(jobs.c.owner == owner, jobs.c.phase.in_(sorted(item.value for item in phases)))
    )
    return connection.execute(query).scalar_one()


def admit_job(connection: Connection, owner: str, running_max: int) -> None:
    """Refuse by `TooManyError` to queue a job of an owner who has so many at work.

    Until the transaction ends no other one admits a job of the same owner.
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


def recent_rate(connection: Connection, count: int) -> float | None:
    """Give the items worked per second by the largest of the jobs completed last.

    Small jobs tell how long a job takes to start, not how fast its items are worked; what
    planning finished was not worked.
    """
    worked = (jobs.c.items_total - jobs.c.items_by_plan).label("worked")
    query = (
        sa.select(worked, jobs.c.start_time, jobs.c.end_time)
        .where(jobs.c.phase == Phase.COMPLETED.value, jobs.c.start_time.is_not(None))
        .order_by(jobs.c.end_time.desc())
        .limit(count)
    )
    rows = connection.execute(query).all()
    largest = max(rows, key=lambda row: row.worked, default=None)
    if largest is None or not largest.worked:
        return None
    seconds = (largest.end_time - largest.start_time).total_seconds()
    return float(largest.worked / max(seconds, 1e-3))


def fetch_loads(connection: Connection) -> list[Load]:
    """Read what is left to do for each job that is at work and planned."""
    finished = jobs.c.items_done + jobs.c.items_failed
    query = sa.select(
        jobs.c.id.label("job_id"),
        (jobs.c.items_total - finished).label("left"),
        (finished - jobs.c.items_by_plan).label("worked"),
        jobs.c.start_time,
        jobs.c.quote,
    ).where(jobs.c.phase.in_(AT_WORK), jobs.c.chunk_count.is_not(None))
    return [Load(**row) for row in connection.execute(query).mappings()]


def count_phases(connection: Connection) -> dict[str, int]:
    """Count the jobs of all owners in each phase that occurs."""
    number = sa.func.count().label("number")
    query = sa.select(jobs.c.phase, number).group_by(jobs.c.phase)
    return {row.phase: row.number for row in connection.execute(query)}


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
    moved = connection.execute(
        jobs.update().where(jobs.c.id == job_id, jobs.c.phase.in_(sources)).values(values)
    )
    if moved.rowcount and to is Phase.QUEUED:
        connection.execute(
            steps.update()
            .where(steps.c.job_id == job_id, steps.c.step == "plan")
            .values(sent_time=now)
        )
    return moved.rowcount == 1


def queue_job(connection: Connection, job: Job, *, now: datetime) -> bool:
    """Move a job to QUEUED if it can be started and its parameters are still those of `job`."""
    startable = sorted(phase.value for phase in STARTABLE)
    if not lock_job(connection, job.id, startable):
        return False
    if _fetch_parameters(connection, job.id) != job.parameters:
        return False
    return move_job(connection, job.id, Phase.QUEUED, among=STARTABLE, now=now)


def replace_parameters(connection: Connection, job_id: str, values: Sequence[Parameter]) -> bool:
    """Replace all values of the names given, at the place of the first; only while PENDING."""
    if not lock_job(connection, job_id, (Phase.PENDING.value,)):
        return False
    fresh: dict[str, list[Parameter]] = {}
    for value in values:
        fresh.setdefault(value.name, []).append(value)
    names = set(fresh)
    merged: list[Parameter] = []
    for old in _fetch_parameters(connection, job_id):
        merged.extend(fresh.pop(old.name, []) if old.name in names else [old])
    for rest in fresh.values():
        merged.extend(rest)
    connection.execute(parameters.delete().where(parameters.c.job_id == job_id))
    _insert_parameters(connection, job_id, merged)
    return True


def lock_job(connection: Connection, job_id: str, phases: Sequence[str]) -> bool:
    """Keep the job's row from changing until the transaction ends, if it is in these phases.

    Whoever changes more than one row of a job locks this one first, as a deletion does: two who
    lock in different orders wait for each other.
    """
    query = sa.select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.phase.in_(phases))
    return connection.scalar(query.with_for_update()) is not None


def update_job(connection: Connection, job_id: str, **values: object) -> bool:
    """Set columns of a job; False, and nothing happens, where there is none."""
    changed = connection.execute(jobs.update().where(jobs.c.id == job_id).values(values))
    return changed.rowcount == 1


def add_notes(connection: Connection, job_id: str, notes: Sequence[str]) -> None:
    """Append notes to a job's."""
    query = sa.select(jobs.c.notes).where(jobs.c.id == job_id).with_for_update()
    old = connection.scalar(query)
    if old is not None and notes:
        update_job(connection, job_id, notes=format_json([*json.loads(old), *notes]))


def complete_job(connection: Connection, job_id: str, outcome: Outcome, *, now: datetime) -> bool:
    """Record how an EXECUTING job ended, with its results and notes."""
    to = Phase.ERROR if outcome.error else Phase.COMPLETED
    among = (Phase.EXECUTING,)
    if not move_job(connection, job_id, to, among=among, now=now, error=outcome.error):
        return False
    _insert_results(connection, job_id, outcome.results)
    add_notes(connection, job_id, outcome.notes)
    if outcome.failed is not None:
        done = jobs.c.items_total - outcome.failed
        update_job(connection, job_id, items_done=done, items_failed=outcome.failed)
    return True


def add_results(connection: Connection, job_id: str, values: Sequence[Result]) -> bool:
    """Record what an ABORTED job left; only once."""
    if not lock_job(connection, job_id, (Phase.ABORTED.value,)):
        return False
    query = sa.select(sa.exists().where(results.c.job_id == job_id))
    if connection.scalar(query):
        return False
    _insert_results(connection, job_id, values)
    return True


def _insert_results(connection: Connection, job_id: str, values: Sequence[Result]) -> None:
    rows = [result_to_row(job_id, place, value) for place, value in enumerate(values)]
    if rows:
        connection.execute(results.insert(), rows)


def delete_job(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """Delete a job with all rows that hang on it; its id is kept among the remains."""
    deleted = connection.execute(jobs.delete().where(jobs.c.id == job_id))
    if deleted.rowcount:
        remember_remains(connection, job_id, now=now)
    return deleted.rowcount == 1


def remember_remains(connection: Connection, job_id: str, *, now: datetime) -> None:
    """Keep a job's id, whose files are to be removed; one that was kept already counts anew."""
    connection.execute(remains.delete().where(remains.c.job_id == job_id))
    connection.execute(remains.insert(), {"job_id": job_id, "deleted_time": now})


def set_quote(connection: Connection, job_id: str, when: datetime | None) -> None:
    """Set when a job is expected to end, unless it has."""
    ended = jobs.c.phase.in_(sorted(phase.value for phase in FINISHED))
    connection.execute(jobs.update().where(jobs.c.id == job_id, ~ended).values(quote=when))


def set_execution_duration(connection: Connection, job_id: str, seconds: int) -> bool:
    """Set for how long a job may execute, unless it has ended."""
    ended = jobs.c.phase.in_(sorted(phase.value for phase in FINISHED))
    changed = connection.execute(
        jobs.update().where(jobs.c.id == job_id, ~ended).values(execution_duration_s=seconds)
    )
    return changed.rowcount == 1


def set_destruction(connection: Connection, job_id: str, when: datetime) -> bool:
    """Set a job's destruction time; not that of an ARCHIVED one, which is past for good."""
    changed = connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.phase != Phase.ARCHIVED.value)
        .values(destruction=when)
    )
    return changed.rowcount == 1
