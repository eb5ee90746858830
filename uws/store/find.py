"""Queries over many jobs: lists, pages, counts, remaining work."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from uws.finding import JobColumn, JobPage, JobQuery
from uws.models import Job, Load, Phase
from uws.store.database import Database
from uws.store.jobrows import AT_WORK
from uws.store.schema import UtcTime, job_from_row, jobs

__all__ = ["FindStore", "count_jobs"]

_PAGE = 500  # jobs of a list in memory at a time

_RECENT = 20  # the rate is that of the largest of the last completed jobs


class FindStore:
    """Reads many jobs, without their parameters and results."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, owner: str, query: JobQuery) -> JobPage:
        """Find an owner's jobs, a page of them, and count all.

        Of all jobs only the columns that decide are read, the rest only for the page: any order
        takes a few milliseconds among 10,000 jobs.
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

    def many(self, job_ids: Collection[str]) -> dict[str, Job]:
        """Read jobs by their ids; those that are not there are left out."""
        with self._database.reading() as connection:
            return _fetch(connection, job_ids)

    def phases(self, job_ids: Collection[str]) -> dict[str, Phase]:
        """Read the phases of many jobs at once; those that are not there are left out."""
        found: dict[str, Phase] = {}
        rest = iter(job_ids)
        while some := list(islice(rest, _PAGE)):
            query = sa.select(jobs.c.id, jobs.c.phase).where(jobs.c.id.in_(some))
            with self._database.reading() as connection:
                found |= {row.id: Phase(row.phase) for row in connection.execute(query)}
        return found

    def list(
        self,
        owner: str,
        *,
        phases: Collection[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
    ) -> Iterator[Job]:
        """List an owner's jobs, newest first.

        Parameters
        ----------
        owner
            Empty for the anonymous owner.
        phases
            Only jobs in one of these; ARCHIVED ones are listed only if named here.
        after
            Only jobs created later than this.
        last
            At most so many.
        """
        which = sa.and_(jobs.c.owner == owner, _is_shown(phases))
        if after is not None:
            which = sa.and_(which, jobs.c.creation_time > after)
        query = sa.select(jobs).order_by(jobs.c.creation_time.desc(), jobs.c.id.desc())
        rest, left = query.where(which), last
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            with self._database.reading() as connection:
                page = [*map(job_from_row, connection.execute(rest.limit(limit)).mappings())]
            yield from page
            if len(page) < limit:
                return
            before = (page[-1].creation_time, page[-1].id)
            rest = query.where(which, sa.tuple_(jobs.c.creation_time, jobs.c.id) < before)
            left = None if left is None else left - len(page)

    def count(self, owner: str, phases: Collection[Phase]) -> int:
        """Count an owner's jobs in some phases."""
        with self._database.reading() as connection:
            return count_jobs(connection, owner, phases)

    def phase_counts(self) -> dict[str, int]:
        """Count the jobs of all owners in each phase that occurs."""
        number = sa.func.count().label("number")
        query = sa.select(jobs.c.phase, number).group_by(jobs.c.phase)
        with self._database.reading() as connection:
            return {row.phase: row.number for row in connection.execute(query)}

    def recent_rate_per_s(self) -> float | None:
        """Return the items worked per second by the largest of the jobs completed last.

        Small jobs measure how long a job takes to start, not how fast items are worked. Items
        finished by planning do not count.

        Returns
        -------
        float or None
            None where no job was completed, or nothing was worked for those completed last.
        """
        worked = (jobs.c.items_total - jobs.c.items_by_plan).label("worked")
        query = (
            sa.select(worked, jobs.c.start_time, jobs.c.end_time)
            .where(jobs.c.phase == Phase.COMPLETED.value, jobs.c.start_time.is_not(None))
            .order_by(jobs.c.end_time.desc())
            .limit(_RECENT)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        largest = max(rows, key=lambda row: row.worked, default=None)
        if largest is None or not largest.worked:
            return None
        seconds = (largest.end_time - largest.start_time).total_seconds()
        return float(largest.worked / max(seconds, 1e-3))

    def loads(self) -> Sequence[Load]:
        """Return what is left to do for each job that is planned and at work."""
        finished = jobs.c.items_done + jobs.c.items_failed
        query = sa.select(
            jobs.c.id.label("job_id"),
            (jobs.c.items_total - finished).label("left"),
            (finished - jobs.c.items_by_plan).label("worked"),
            jobs.c.start_time,
            jobs.c.quote,
        ).where(jobs.c.phase.in_(AT_WORK), jobs.c.chunk_count.is_not(None))
        with self._database.reading() as connection:
            return [Load(**row) for row in connection.execute(query).mappings()]


def count_jobs(connection: Connection, owner: str, phases: Collection[Phase]) -> int:
    """Count an owner's jobs in some phases, in an open transaction."""
    query = (
        sa.select(sa.func.count())
        .select_from(jobs)
        .where(jobs.c.owner == owner, jobs.c.phase.in_(_values(phases)))
    )
    return connection.execute(query).scalar_one()


def _values(phases: Collection[Phase]) -> list[str]:
    return sorted(phase.value for phase in phases)


def _fetch(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(job_ids))).mappings()
    return {row["id"]: job_from_row(row) for row in rows}


def _is_shown(phases: Collection[Phase]) -> sa.ColumnElement[bool]:
    return jobs.c.phase.in_(_values(phases)) if phases else jobs.c.phase != Phase.ARCHIVED.value


def _condition(owner: str, query: JobQuery) -> sa.ColumnElement[bool]:
    condition = sa.and_(jobs.c.owner == owner, _is_shown(query.phases))
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
