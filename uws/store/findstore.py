"""Finding jobs for people: by a part of their name, in any order, page by page."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.finding import JobColumn, JobPage, JobQuery
from uws.models import Job, Phase
from uws.store.database import Database
from uws.store.schema import UtcTime, job_from_row, jobs

__all__ = ["FindStore"]


class FindStore:
    """The part of the job store that looks for jobs."""

    _database: Database

    def find(self, owner: str, query: JobQuery) -> JobPage:
        """Find an owner's jobs, a page of them, and count all.

        Only what decides is read of all jobs, the rest of those on the page: among 10,000 jobs
        any order takes some milliseconds.
        """
        with self._database.reading() as connection:
            which = _condition(owner, query)
            total = connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(which))
            page = (
                sa.select(jobs.c.id)
                .where(which)
                .order_by(*_order(connection, query))
                .limit(query.limit)
                .offset(query.offset)
            )
            ids = list(connection.scalars(page))
            found = _fetch(connection, ids)
            return JobPage(tuple(found[job_id] for job_id in ids), total or 0)

    def get_many(self, job_ids: Collection[str]) -> dict[str, Job]:
        """Read jobs without parameters and results; those that are not there are left out."""
        with self._database.reading() as connection:
            return _fetch(connection, job_ids)


def _fetch(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(job_ids))).mappings()
    return {row["id"]: job_from_row(row) for row in rows}


def _condition(owner: str, query: JobQuery) -> sa.ColumnElement[bool]:
    phases = sorted(phase.value for phase in query.phases)
    is_shown = jobs.c.phase.in_(phases) if phases else jobs.c.phase != Phase.ARCHIVED.value
    condition = sa.and_(jobs.c.owner == owner, is_shown)
    if query.text:
        name = jobs.c.run_id.icontains(query.text, autoescape=True)
        job_id = jobs.c.id.icontains(query.text, autoescape=True)
        condition = sa.and_(condition, sa.or_(name, job_id))
    return condition


def _order(connection: Connection, query: JobQuery) -> list[sa.ColumnElement[Any]]:
    columns: dict[JobColumn, sa.ColumnElement[Any]] = {
        JobColumn.CREATED: jobs.c.creation_time,
        JobColumn.NAME: sa.func.lower(jobs.c.run_id),
        JobColumn.PHASE: jobs.c.phase,
        JobColumn.DURATION: _duration(connection),
        JobColumn.ITEMS: jobs.c.items_total,
        JobColumn.SIZE: jobs.c.size_bytes,
    }
    order: list[sa.ColumnElement[Any]] = [
        (columns[column].desc() if is_descending else columns[column].asc()).nulls_last()
        if column is JobColumn.DURATION
        else (columns[column].desc() if is_descending else columns[column].asc())
        for column, is_descending in query.order
    ]
    return [*order, jobs.c.creation_time.desc(), jobs.c.id.desc()]


def _duration(connection: Connection) -> sa.ColumnElement[Any]:
    now = sa.literal(datetime.now(UTC), UtcTime)
    end = sa.func.coalesce(jobs.c.end_time, now)
    if connection.dialect.name == "sqlite":
        return sa.func.julianday(end) - sa.func.julianday(jobs.c.start_time)
    return sa.func.extract("epoch", end - jobs.c.start_time)
