"""A job without a server, to measure what workers do one by one."""

from dataclasses import dataclass
from datetime import UTC, datetime

from typing_extensions import override

from uws.files import JobFiles
from uws.jobtype import JobContext
from uws.models import Job, Phase

__all__ = ["job_context"]


@dataclass(frozen=True, slots=True)
class _Context(JobContext):
    """A step that nobody else wants."""

    its_job: Job
    its_files: JobFiles

    @property
    @override
    def job(self) -> Job:
        return self.its_job

    @property
    @override
    def files(self) -> JobFiles:
        return self.its_files

    @override
    def heartbeat(self) -> None:
        """Nobody takes the job away."""

    @override
    def report_total(self, items: int) -> None:
        """Nobody looks."""

    @override
    def item_done(self) -> None:
        """Nobody counts."""


def job_context(files: JobFiles) -> JobContext:
    """Make the context of a job that is at work."""
    now = datetime.now(UTC)
    return _Context(Job("bench", "cutout", "", Phase.QUEUED, now, now, 0), files)
