"""What is told of a job: its name, counts and first failures, read from its documents."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soda_service.results.reading import NOT_OK, JobResults
from soda_service.results.rows import Status
from uws.files import JobFiles
from uws.models import Job

__all__ = ["Account", "FailedRow", "job_name", "parameter_of", "read_account"]

_FAILURES_MAX = 5

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NAME_MAX = 128


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row of which something, or all, is missing."""

    number: int
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Account:
    """How a job went."""

    name: str
    """As the user called it; empty where he did not."""

    rows: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows by `Status`; empty where the job left no summary."""

    files: int | None = None
    """None where that is not known."""

    size_bytes: int = 0
    failures: tuple[FailedRow, ...] = ()
    """The first few."""

    @property
    def good(self) -> int:
        """Rows of which everything asked for was made."""
        return self.counts.get(Status.OK, 0)


def parameter_of(job: Job, name: str) -> str:
    """Return a short parameter of a job, without blanks around it; empty where it has none."""
    values = (p.value for p in job.parameters if p.name == name and not p.by_reference)
    return next(values, "").strip()


def job_name(job: Job) -> str:
    """Return the name of a job, fit for one line; empty where it has none.

    A job that was never checked may have any characters in it.
    """
    name = parameter_of(job, "JOBNAME") or job.run_id
    return " ".join(_NOT_PRINTED.sub(" ", name).split())[:_NAME_MAX]


def read_account(job: Job, files: JobFiles) -> Account:
    """Read how a job went, as far as it left documents; OSError where they are away."""
    progress, name = job.progress, job_name(job)
    missing = JobResults(files, job).page(0, _FAILURES_MAX, NOT_OK)
    if not missing.is_whole:
        return Account(name, progress.total, size_bytes=progress.size_bytes)
    return Account(
        name,
        sum(missing.counts.values()),
        missing.counts,
        missing.total_files,
        progress.size_bytes,
        tuple(map(_failed, missing.rows)),
    )


def _failed(row: Mapping[str, Any]) -> FailedRow:
    return FailedRow(row["row"], row["status"].replace("_", " "), row["message"])
