"""Links to jobs with a secret token; the store keeps only its SHA-256, the digest.

Anyone with a link may see the job, or postpone its destruction once. Links are deleted with their
job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from uws.errors import TooManyError
from uws.models import Phase
from uws.store.database import Database
from uws.store.jobrows import lock_job, no_job, update_job
from uws.store.schema import jobs, links

__all__ = ["Link", "LinkStore", "Purpose"]

_ID_CHARS = 16


class Purpose(StrEnum):
    """What a link is for."""

    SHARE = "share"
    """Others see the job."""

    EXTEND = "extend"
    """To postpone the destruction of the job."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link without its token."""

    id: str
    """Names the link to the owner of its job, and opens nothing."""

    job_id: str
    created_time: datetime
    about: datetime | None = None
    """The destruction time that it postpones, if that is its purpose."""


class LinkStore:
    """Links of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        job_id: str,
        purpose: Purpose,
        digest: str,
        *,
        about: datetime | None = None,
        most: int | None = None,
    ) -> None:
        """Store a link.

        Parameters
        ----------
        job_id, purpose
            To which job, what for.
        digest
            SHA-256 of the token, in hexadecimal digits.
        about
            As in `Link`.
        most
            Links for this purpose that a job may have; None is without limit.

        Raises
        ------
        NotFoundError
            When there is no such job.
        TooManyError
            When the job has `most` links.
        """
        with self._database.writing() as connection:
            # The job is not deleted meanwhile, and no other link is counted at the same time.
            if not lock_job(connection, job_id):
                raise no_job(job_id)
            count = sa.select(sa.func.count()).select_from(links).where(_of_job(job_id, purpose))
            if most is not None and connection.execute(count).scalar_one() >= most:
                raise TooManyError(f"job {job_id} has {most} links; revoke one first")
            values = {"id": digest[:_ID_CHARS], "job_id": job_id, "purpose": purpose.value}
            more = {"digest": digest, "created_time": datetime.now(UTC), "about": about}
            connection.execute(links.insert(), values | more)

    def find(self, digest: str, purpose: Purpose) -> Link | None:
        """Return the link of a token; None where there is none for this purpose."""
        query = links.select().where(_is(digest, purpose))
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _from_row(row)

    def list(self, job_id: str, purpose: Purpose) -> Sequence[Link]:
        """List a job's links for a purpose, the oldest first."""
        query = links.select().where(_of_job(job_id, purpose))
        ordered = query.order_by(links.c.created_time, links.c.id)
        with self._database.reading() as connection:
            return [*map(_from_row, connection.execute(ordered).mappings())]

    def remove(self, job_id: str, purpose: Purpose, link_id: str) -> bool:
        """Remove a link; False where there is none."""
        removal = links.delete().where(_of_job(job_id, purpose), links.c.id == link_id)
        with self._database.writing() as connection:
            return connection.execute(removal).rowcount == 1

    def count_extensions(self, job_id: str) -> int:
        """Count how often links postponed a job's destruction."""
        with self._database.reading() as connection:
            return _count_used(connection, job_id)

    def extend(self, digest: str, *, until: datetime, times_max: int) -> bool:
        """Postpone a job's destruction by a link.

        Parameters
        ----------
        digest
            Of the link.
        until
            The new destruction time; an earlier one than the job's changes nothing.
        times_max
            How often this may be done for a job.

        Returns
        -------
        bool
            False, and nothing is changed, if the link or its job is gone, the destruction was
            postponed since the link was made, or it was postponed `times_max` times.
        """
        this = _is(digest, Purpose.EXTEND)
        with self._database.writing() as connection:
            link = connection.execute(links.select().where(this)).first()
            if link is None:
                return False
            # Two uses of a job's links wait for each other at its row.
            query = sa.select(jobs.c.destruction).where(
                jobs.c.id == link.job_id, jobs.c.phase != Phase.ARCHIVED.value
            )
            destruction = connection.scalar(query.with_for_update())
            if destruction is None or destruction > link.about or until <= destruction:
                return False
            if _count_used(connection, link.job_id) >= times_max:
                return False
            update_job(connection, link.job_id, destruction=until)
            connection.execute(links.update().where(this).values(used_time=datetime.now(UTC)))
            return True


def _is(digest: str, purpose: Purpose) -> sa.ColumnElement[bool]:
    return sa.and_(links.c.digest == digest, links.c.purpose == purpose.value)


def _of_job(job_id: str, purpose: Purpose) -> sa.ColumnElement[bool]:
    return sa.and_(links.c.job_id == job_id, links.c.purpose == purpose.value)


def _count_used(connection: Connection, job_id: str) -> int:
    is_used = sa.and_(_of_job(job_id, Purpose.EXTEND), links.c.used_time.is_not(None))
    return connection.execute(sa.select(sa.func.count()).where(is_used)).scalar_one()


def _from_row(row: RowMapping) -> Link:
    return Link(row["id"], row["job_id"], row["created_time"], row["about"])
