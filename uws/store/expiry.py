"""What becomes of a job whose destruction time is reached, within an open transaction.

Each change asks once more whether the time is reached: a client may have put it off since the
sweep read its list.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.models import ABORTABLE, FINISHED, Phase
from uws.store.jobrows import add_notes, delete_job, move_job, remember_remains
from uws.store.schema import chunks, jobs, parameters, results, steps

__all__ = ["archive_expired", "delete_expired", "expired_jobs", "outlived_jobs"]

_REMOVED = "ARCHIVED: the results were removed when the destruction time was reached"


def _is_expired(by: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.destruction <= by, jobs.c.phase != Phase.ARCHIVED.value)


def expired_jobs(connection: Connection, now: datetime) -> list[str]:
    """Ids of the jobs whose destruction time is reached, but for those archived by then."""
    query = sa.select(jobs.c.id).where(_is_expired(now)).order_by(jobs.c.destruction)
    return list(connection.scalars(query))


def outlived_jobs(connection: Connection, before: datetime) -> list[str]:
    """Ids of the ARCHIVED jobs whose destruction time was before an instant."""
    query = sa.select(jobs.c.id).where(
        jobs.c.phase == Phase.ARCHIVED.value, jobs.c.destruction <= before
    )
    return list(connection.scalars(query.order_by(jobs.c.destruction)))


def _lock_expired(connection: Connection, job_id: str, by: datetime) -> Phase | None:
    """Keep an expired job from changing until the transaction ends; gives its phase."""
    query = sa.select(jobs.c.phase).where(jobs.c.id == job_id, _is_expired(by))
    phase = connection.scalar(query.with_for_update())
    return None if phase is None else Phase(phase)


def delete_expired(
    connection: Connection, job_id: str, *, by: datetime, now: datetime
) -> Phase | None:
    """Delete a job if it is expired by a time; gives the phase it was in, None if it is not."""
    phase = _lock_expired(connection, job_id, by)
    if phase is not None:
        delete_job(connection, job_id, now=now)
    return phase


def archive_expired(
    connection: Connection, job_id: str, *, by: datetime, now: datetime
) -> Phase | None:
    """Move a job to ARCHIVED if it is expired by a time, through ABORTED if it is not finished.

    What hangs on it goes, but for the parameters whose values stand in the job's document. Its
    id is kept among the remains, so that its files are removed once more.

    Returns
    -------
    Phase or None
        The phase that it was in; None where nothing was done.
    """
    phase = _lock_expired(connection, job_id, by)
    if phase is None:
        return None
    move_job(connection, job_id, Phase.ABORTED, among=ABORTABLE, now=now)
    if not move_job(connection, job_id, Phase.ARCHIVED, among=FINISHED, now=now):
        return None
    add_notes(connection, job_id, [_REMOVED, *_uploads_note(connection, job_id)])
    for table in (results, chunks, steps):
        connection.execute(table.delete().where(table.c.job_id == job_id))
    connection.execute(parameters.delete().where(_is_upload(job_id)))
    remember_remains(connection, job_id, now=now)
    return phase


def _is_upload(job_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(parameters.c.job_id == job_id, parameters.c.by_reference)


def _uploads_note(connection: Connection, job_id: str) -> Sequence[str]:
    query = sa.select(parameters.c.name).where(_is_upload(job_id)).order_by(parameters.c.position)
    names = ", ".join(dict.fromkeys(connection.scalars(query)))
    return [f"ARCHIVED: removed too were the values kept as files, of {names}"] if names else []
