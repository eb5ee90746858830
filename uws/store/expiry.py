"""Jobs past their destruction time, and remains of destroyed jobs.

Each change checks the time again: a client may have postponed it since the sweep read its list.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.events.phase_events import PhaseEvents
from uws.models import ABORTABLE, FINISHED, Phase
from uws.store.database import Database
from uws.store.jobrows import add_notes, add_tombstone, delete_job, move_job
from uws.store.schema import chunks, jobs, parameters, results, steps, tombstones

__all__ = ["ExpiryStore"]

_REMOVED = "ARCHIVED: the results were removed when the destruction time was reached"


class ExpiryStore:
    """Deletes or archives jobs past their time; keeps ids of deleted ones."""

    def __init__(self, database: Database, events: PhaseEvents) -> None:
        self._database = database
        self._events = events

    def expired(self, now: datetime) -> Sequence[str]:
        """Return ids of the jobs whose destruction time is reached and that are not ARCHIVED."""
        query = sa.select(jobs.c.id).where(_is_expired(now)).order_by(jobs.c.destruction)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def outlived(self, before: datetime) -> Sequence[str]:
        """Return ids of the ARCHIVED jobs whose destruction time was before an instant."""
        query = sa.select(jobs.c.id).where(
            jobs.c.phase == Phase.ARCHIVED.value, jobs.c.destruction <= before
        )
        with self._database.reading() as connection:
            return list(connection.scalars(query.order_by(jobs.c.destruction)))

    def delete_expired(self, job_id: str, now: datetime) -> Phase | None:
        """Delete a job, as `JobStore.delete`, unless its destruction was postponed meanwhile.

        Returns
        -------
        Phase or None
            The phase that it was in; None where nothing was done.
        """
        with self._database.writing() as connection:
            phase = _lock_expired(connection, job_id, now)
            if phase is None:
                return None
            delete_job(connection, job_id, now=datetime.now(UTC))
        self._events.announce(job_id)
        return phase

    def archive_expired(self, job_id: str, now: datetime) -> Phase | None:
        """Move a job to ARCHIVED, unless its destruction was postponed meanwhile.

        Its results, work and parameters by reference are removed; the rest of its document stays,
        with notes of what was removed. An unfinished job is aborted first. A tombstone keeps its
        id, so that its files are removed again.

        Returns
        -------
        Phase or None
            The phase that it was in; None where nothing was done.
        """
        with self._database.writing() as connection:
            phase = _lock_expired(connection, job_id, now)
            if phase is None or not _archive(connection, job_id, datetime.now(UTC)):
                return None
        self._events.announce(job_id)
        return phase

    def tombstones(self, before: datetime) -> Sequence[str]:
        """Return ids of the jobs deleted before an instant, whose files may remain."""
        query = sa.select(tombstones.c.job_id).where(tombstones.c.deleted_time < before)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def remove_tombstone(self, job_id: str) -> None:
        """Forget a deleted job: no file of it is left."""
        with self._database.working() as connection:
            connection.execute(tombstones.delete().where(tombstones.c.job_id == job_id))


def _is_expired(by: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.destruction <= by, jobs.c.phase != Phase.ARCHIVED.value)


def _lock_expired(connection: Connection, job_id: str, by: datetime) -> Phase | None:
    """Keep an expired job from changing until the transaction ends; returns its phase."""
    query = sa.select(jobs.c.phase).where(jobs.c.id == job_id, _is_expired(by))
    phase = connection.scalar(query.with_for_update())
    return None if phase is None else Phase(phase)


def _archive(connection: Connection, job_id: str, now: datetime) -> bool:
    """Move a job to ARCHIVED, through ABORTED if it is not finished, and remove its other rows.

    Parameters with their value in the job's document stay.
    """
    move_job(connection, job_id, Phase.ABORTED, among=ABORTABLE, now=now)
    if not move_job(connection, job_id, Phase.ARCHIVED, among=FINISHED, now=now):
        return False
    is_upload = sa.and_(parameters.c.job_id == job_id, parameters.c.by_reference)
    query = sa.select(parameters.c.name).where(is_upload).order_by(parameters.c.position)
    names = ", ".join(dict.fromkeys(connection.scalars(query)))
    uploads = [f"ARCHIVED: removed too were the values kept as files, of {names}"] if names else []
    add_notes(connection, job_id, [_REMOVED, *uploads])
    for table in (results, chunks, steps):
        connection.execute(table.delete().where(table.c.job_id == job_id))
    connection.execute(parameters.delete().where(is_upload))
    add_tombstone(connection, job_id, now=now)
    return True
