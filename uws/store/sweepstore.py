"""The part of the job store that sweeps ask: what was lost, what is past its time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from uws.events.phase_events import Notices
from uws.models import Load, Phase
from uws.store import expiry, jobrows, recovery
from uws.store.database import Database

__all__ = ["SweepStore"]


class SweepStore:
    """Lost work and jobs past their time, one method a transaction."""

    _database: Database
    _notices: Notices

    def expired(self, now: datetime) -> Sequence[str]:
        """Ids of the jobs whose destruction time is reached, but for those archived by then."""
        with self._database.reading() as connection:
            return expiry.expired_jobs(connection, now)

    def outlived(self, before: datetime) -> Sequence[str]:
        """Ids of the ARCHIVED jobs whose destruction time was before an instant."""
        with self._database.reading() as connection:
            return expiry.outlived_jobs(connection, before)

    def delete_expired(self, job_id: str, now: datetime) -> Phase | None:
        """Delete a job, as `JobStore.delete`, unless its destruction was put off meanwhile.

        Returns
        -------
        Phase or None
            The phase that it was in; None where nothing was done.
        """
        with self._database.writing() as connection:
            phase = expiry.delete_expired(connection, job_id, by=now, now=datetime.now(UTC))
        if phase is not None:
            self._notices.announce(job_id)
        return phase

    def archive_expired(self, job_id: str, now: datetime) -> Phase | None:
        """Move a job to ARCHIVED, unless its destruction was put off meanwhile.

        Its results, work and parameters by reference go; the rest of its document stays, with
        notes of what went. An unfinished job is aborted on the way.

        Returns
        -------
        Phase or None
            The phase that it was in; None where nothing was done.
        """
        with self._database.writing() as connection:
            phase = expiry.archive_expired(connection, job_id, by=now, now=datetime.now(UTC))
        if phase is not None:
            self._notices.announce(job_id)
        return phase

    def overdue(self, now: datetime) -> Sequence[str]:
        """Ids of the jobs that execute, or are planned, longer than their execution duration."""
        with self._database.reading() as connection:
            return recovery.overdue_jobs(connection, now)

    def loads(self) -> Sequence[Load]:
        """Tell what is to be done for each job that is planned and at work."""
        with self._database.reading() as connection:
            return jobrows.fetch_loads(connection)

    def unplanned(self, now: datetime, older_than_s: float) -> Sequence[str]:
        """Ids of the jobs at work that are not planned, where nobody has the step.

        Those sent, or released, less than `older_than_s` ago are left to the queue.
        """
        with self._database.reading() as connection:
            return recovery.lost_steps(connection, "plan", now=now, older_than_s=older_than_s)

    def unfinished(self, now: datetime, older_than_s: float = 0) -> Sequence[str]:
        """Ids of the jobs whose chunks are all reported, where nobody finishes them."""
        with self._database.reading() as connection:
            return recovery.lost_steps(connection, "finish", now=now, older_than_s=older_than_s)

    def lost_chunks(self, now: datetime, lease_s: float) -> Sequence[tuple[str, int]]:
        """Job and number of chunks RUNNING without a living holder, or SENT for `lease_s`."""
        with self._database.reading() as connection:
            return recovery.lost_chunks(connection, now, older_than_s=lease_s)

    def starved(self, window: int) -> Sequence[str]:
        """Ids of the jobs with waiting chunks and fewer than `window` SENT or RUNNING."""
        with self._database.reading() as connection:
            return recovery.starved_jobs(connection, window)

    def lapsed_tasks(self, now: datetime) -> Sequence[tuple[str, str]]:
        """Job and holder of each task that lost its lease, and lives as far as is known."""
        with self._database.reading() as connection:
            return recovery.lapsed_tasks(connection, now)

    def resend_step(self, job_id: str, step: str, *, now: datetime, older_than_s: float) -> bool:
        """Mark a lost step as sent now; True for one caller only, who then sends it."""
        with self._database.working() as connection:
            return recovery.resend_step(
                connection, job_id, step, now=now, older_than_s=older_than_s
            )

    def resend_chunk(self, job_id: str, number: int, *, now: datetime, lease_s: float) -> bool:
        """Mark a lost chunk as SENT now; True for one caller only, who then sends it."""
        with self._database.working() as connection:
            return recovery.resend_chunk(connection, job_id, number, now=now, older_than_s=lease_s)

    def unknown(self, job_ids: Sequence[str]) -> Sequence[str]:
        """Those of some ids of which there is no job."""
        with self._database.reading() as connection:
            return recovery.unknown_jobs(connection, job_ids)

    def remains(self, before: datetime) -> Sequence[str]:
        """Ids of the jobs deleted before an instant, whose files are to be removed once more."""
        with self._database.reading() as connection:
            return recovery.old_remains(connection, before)

    def forget(self, job_id: str) -> None:
        """Say that no file is left of a deleted job."""
        with self._database.working() as connection:
            recovery.forget_remains(connection, job_id)
