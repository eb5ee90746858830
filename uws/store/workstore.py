"""The part of the job store that workers ask: steps and chunks, leases, plans and reports."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from uws.events.phase_events import Notices
from uws.jobtype import Plan
from uws.models import Chunk, ChunkReport, ChunkState, ErrorSummary
from uws.store import jobrows, work
from uws.store.database import Database

__all__ = ["WorkStore"]


class WorkStore:
    """The work on jobs, one method a transaction."""

    _database: Database
    _notices: Notices

    def lease_step(self, job_id: str, step: str, *, holder: str, lease_s: int) -> int:
        """Take the step `plan` or `finish` of a job; counts as a try.

        Returns
        -------
        int
            How often it was taken, this time included; 0 when it is done or not due, or another
            living holder has it, or it rests after a failure.
        """
        with self._database.working() as connection:
            return work.lease_step(
                connection, job_id, step, holder=holder, now=datetime.now(UTC), lease_s=lease_s
            )

    def release_step(
        self, job_id: str, step: str, *, holder: str, pause_s: float | None = None
    ) -> None:
        """Let go of a step that is to be tried again; with a pause, not before it is over.

        Each release with a pause counts as a failure. Nothing happens where the step was lost.
        """
        with self._database.working() as connection:
            work.release_step(
                connection, job_id, step, holder=holder, now=datetime.now(UTC), pause_s=pause_s
            )

    def fail_step(self, job_id: str, step: str, *, holder: str, error: ErrorSummary) -> bool:
        """Move a job to ERROR because a step of it failed.

        Returns
        -------
        bool
            False, and nothing is changed, where the step was lost to another holder, is done, or
            the job is not at work any more.
        """
        with self._database.writing() as connection:
            has_failed = work.fail_step(
                connection, job_id, step, holder=holder, error=error, now=datetime.now(UTC)
            )
        if has_failed:
            self._notices.announce(job_id)
        return has_failed

    def step_failures(self, job_id: str, step: str) -> int:
        """Count how often a step was released with a pause."""
        with self._database.reading() as connection:
            return work.step_failures(connection, job_id, step)

    def set_found(self, job_id: str, items: int) -> None:
        """Set how many items a job has so far that is being planned."""
        with self._database.working() as connection:
            work.set_found(connection, job_id, items)

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
            None when it is not to be had, rests after a failure, or its job is not QUEUED or
            EXECUTING.
        """
        now = datetime.now(UTC)
        with self._database.working() as connection:
            return work.claim_chunk(
                connection, job_id, number, holder=holder, now=now, lease_s=lease_s
            )

    def forget_attempts(self, job_id: str, number: int, *, holder: str, attempts: int = 1) -> bool:
        """Count attempts and failures anew, since an item of a chunk was finished or given up.

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

    def release_chunk(
        self, job_id: str, number: int, *, holder: str, pause_s: float | None = None
    ) -> None:
        """Let go of a chunk that is to be tried again: it is SENT, but rests for the pause.

        Each release with a pause counts as a failure. Nothing happens where the chunk was lost.
        """
        with self._database.working() as connection:
            work.release_chunk(
                connection, job_id, number, holder=holder, now=datetime.now(UTC), pause_s=pause_s
            )

    def has_given_up(self, job_id: str) -> bool:
        """Tell whether a chunk of the job was given up as away before anything of it was done."""
        with self._database.reading() as connection:
            return work.has_given_up(connection, job_id)

    def report_chunk(
        self,
        job_id: str,
        number: int,
        report: ChunkReport,
        *,
        holder: str,
        state: ChunkState = ChunkState.DONE,
    ) -> int | None:
        """Record a chunk's report, and that it is DONE, FAILED or AWAY.

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
