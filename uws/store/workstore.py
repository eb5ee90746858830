"""The part of the job store that workers ask: steps and chunks, leases, plans and reports.

Imports models, jobtype and the store's own modules only.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from uws.jobtype import Plan
from uws.models import Chunk, ChunkReport, ChunkState
from uws.store import jobrows, work
from uws.store.database import Database

__all__ = ["WorkStore"]


class WorkStore:
    """The work on jobs, one method a transaction."""

    _database: Database

    def lease_step(self, job_id: str, step: str, *, holder: str, lease_s: int) -> int:
        """Take the step `plan` or `finish` of a job; counts as a try.

        Returns
        -------
        int
            How often it was taken, this time included; 0 when it is done or not due, or another
            living holder has it.
        """
        with self._database.working() as connection:
            return work.lease_step(
                connection, job_id, step, holder=holder, now=datetime.now(UTC), lease_s=lease_s
            )

    def release_step(self, job_id: str, step: str, *, holder: str) -> None:
        """Let go of a step that is to be tried again later."""
        with self._database.working() as connection:
            work.release_step(connection, job_id, step, holder=holder, now=datetime.now(UTC))

    def save_plan(self, job_id: str, plan: Plan) -> bool:
        """Store a job's chunks, counts and notes, if it is at work and not planned yet."""
        with self._database.working() as connection:
            if not work.save_plan(connection, job_id, plan):
                return False
            jobrows.add_notes(connection, job_id, plan.notes)
            return True

    def next_chunks(self, job_id: str, window: int) -> Sequence[int]:
        """Mark the next waiting chunks as SENT, until `window` are SENT or RUNNING.

        Returns
        -------
        Sequence of int
            Numbers of the chunks that are to be sent now.
        """
        with self._database.working() as connection:
            return work.send_chunks(connection, job_id, window, now=datetime.now(UTC))

    def claim_chunk(self, job_id: str, number: int, *, holder: str, lease_s: int) -> Chunk | None:
        """Take a SENT chunk to work on it; counts as an attempt.

        Returns
        -------
        Chunk or None
            None when it is not to be had, or its job is not QUEUED or EXECUTING.
        """
        with self._database.working() as connection:
            return work.claim_chunk(
                connection, job_id, number, holder=holder, lease_until=_after(lease_s)
            )

    def forget_attempts(self, job_id: str, number: int, *, holder: str, attempts: int = 1) -> bool:
        """Count the attempts at a chunk anew, since an item of it was finished or given up.

        Returns
        -------
        bool
            False when the chunk was lost, or that was done as often as it has items.
        """
        with self._database.working() as connection:
            return work.forget_attempts(
                connection, job_id, number, holder=holder, attempts=attempts
            )

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
        until = _after(lease_s)
        with self._database.working() as connection:
            if number is not None:
                return work.renew_chunk(
                    connection, job_id, number, holder=holder, lease_until=until
                )
            if step is not None:
                return work.renew_step(connection, job_id, step, holder=holder, lease_until=until)
        raise ValueError("renew: neither a chunk's number nor a step is given")

    def release_chunk(self, job_id: str, number: int, *, holder: str) -> None:
        """Let go of a chunk that is to be tried again: it is SENT from now."""
        with self._database.working() as connection:
            work.release_chunk(connection, job_id, number, holder=holder, now=datetime.now(UTC))

    def report_chunk(
        self,
        job_id: str,
        number: int,
        report: ChunkReport,
        *,
        holder: str,
        state: ChunkState = ChunkState.DONE,
    ) -> int | None:
        """Record a chunk's report, and that it is DONE or FAILED.

        Returns
        -------
        int or None
            How many chunks are left; 0 for exactly one caller. None when the lease was lost or
            the job is not at work any more: nothing is recorded then.
        """
        with self._database.working() as connection:
            return work.report_chunk(connection, job_id, number, report, holder=holder, state=state)

    def reports(self, job_id: str) -> Sequence[ChunkReport]:
        """Read the reports of a job's chunks, in the order of the chunks."""
        with self._database.reading() as connection:
            return work.fetch_reports(connection, job_id)


def _after(seconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
