"""Report on a job for messages: its name, counts and first failures, from its documents."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soda_service.results.reading import NOT_OK, JobResults
from soda_service.results.rows import Status
from uws.files import JobFiles
from uws.models import Job

__all__ = ["FailedRow", "JobReport", "job_name", "parameter_of", "read_report"]

_FAILURES_MAX = 5

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NAME_MAX = 128


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that is incomplete or failed."""

    number: int
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class JobReport:
    """The outcome of a job."""

    name: str
    """Name given by the user; empty if none."""

    rows: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """Number of rows by `Status`; empty if the job left no summary."""

    files: int | None = None
    """None if unknown."""

    size_bytes: int = 0
    failures: tuple[FailedRow, ...] = ()
    """The first failed rows."""

    @property
    def good(self) -> int:
        """Number of rows of which every requested file was made."""
        return self.counts.get(Status.OK, 0)


def parameter_of(job: Job, name: str) -> str:
    """Return a short parameter of a job, without surrounding spaces; empty if it has none."""
    values = (p.value for p in job.parameters if p.name == name and not p.by_reference)
    return next(values, "").strip()


def job_name(job: Job) -> str:
    """Return the name of a job, on one line; empty if it has none.

    A job that was never validated may have any characters in it.
    """
    name = parameter_of(job, "JOBNAME") or job.run_id
    return " ".join(_NOT_PRINTED.sub(" ", name).split())[:_NAME_MAX]


def read_report(job: Job, files: JobFiles) -> JobReport:
    """Read the outcome of a job from its documents; raise OSError if they are unavailable."""
    progress, name = job.progress, job_name(job)
    missing = JobResults(files, job).page(0, _FAILURES_MAX, NOT_OK)
    if not missing.is_whole:
        return JobReport(name, progress.total, size_bytes=progress.size_bytes)
    return JobReport(
        name,
        sum(missing.counts.values()),
        missing.counts,
        missing.total_files,
        progress.size_bytes,
        tuple(map(_failed, missing.rows)),
    )


def _failed(row: Mapping[str, Any]) -> FailedRow:
    return FailedRow(row["row"], row["status"].replace("_", " "), row["message"])
