"""The links by which others see a job."""

from datetime import datetime

import sqlalchemy as sa

from uws.store.database import Database
from uws.store.schema import shares

__all__ = ["ShareStore"]


class ShareStore:
    """The part of the job store that keeps links; they go with their job."""

    _database: Database

    def add_share(self, job_id: str, row: tuple[str, str, datetime], *, most: int) -> bool:
        """Keep a link (id, hash of the token, time); False where the job has `most`."""
        share_id, token_hash, created_time = row
        count = sa.select(sa.func.count()).select_from(shares).where(shares.c.job_id == job_id)
        with self._database.writing() as connection:
            if (connection.scalar(count) or 0) >= most:
                return False
            values = {"id": share_id, "job_id": job_id, "token_hash": token_hash}
            connection.execute(shares.insert(), {**values, "created_time": created_time})
            return True

    def shares(self, job_id: str) -> list[tuple[str, datetime]]:
        """Give id and time of each link of a job, the oldest first."""
        query = (
            sa.select(shares.c.id, shares.c.created_time)
            .where(shares.c.job_id == job_id)
            .order_by(shares.c.created_time, shares.c.id)
        )
        with self._database.reading() as connection:
            return [(row.id, row.created_time) for row in connection.execute(query)]

    def shared_job(self, token_hash: str) -> str | None:
        """Give the id of the job that a link opens."""
        query = sa.select(shares.c.job_id).where(shares.c.token_hash == token_hash)
        with self._database.reading() as connection:
            return connection.scalar(query)

    def remove_share(self, job_id: str, share_id: str) -> bool:
        """Remove a link; False where there is none."""
        with self._database.writing() as connection:
            removed = connection.execute(
                shares.delete().where(shares.c.job_id == job_id, shares.c.id == share_id)
            )
            return removed.rowcount == 1
