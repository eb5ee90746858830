"""The content of jobInfo, which the standard leaves open: progress, rate, expected end.

The XML form is that of `static/jobinfo.xsd`.
"""

from dataclasses import dataclass
from datetime import datetime

from uws.models import Job, Phase

__all__ = ["JOBINFO_NAMESPACE", "JobInfo", "job_info"]

JOBINFO_NAMESPACE = "urn:uws-server:jobinfo:1"
"""Namespace of the elements in `uws:jobInfo` (UWS-26)."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Progress and remarks of a job."""

    total: int
    """Items of the job; while it is planned, those found so far."""

    done: int
    failed: int
    size_bytes: int
    """Bytes of results so far."""

    rate_per_s: float | None
    """Items worked per second of execution, to four digits; None until there are any. What
    planning finished is not worked."""

    expected_end: datetime | None
    """The quote, while the job executes."""

    notes: tuple[str, ...]


def job_info(job: Job, now: datetime) -> JobInfo | None:
    """Summarise a job; return None if it has neither items nor notes."""
    progress = job.progress
    if job.chunk_count is None and not job.notes and not progress.total:
        return None
    return JobInfo(
        total=progress.total,
        done=progress.done,
        failed=progress.failed,
        size_bytes=progress.size_bytes,
        rate_per_s=_rate_per_s(job, now),
        expected_end=job.quote if job.phase == Phase.EXECUTING else None,
        notes=tuple(dict.fromkeys(job.notes)),  # checking and planning may both remark on one thing
    )


def _rate_per_s(job: Job, now: datetime) -> float | None:
    worked = job.progress.worked
    if job.start_time is None or worked <= 0:
        return None
    elapsed_s = ((job.end_time or now) - job.start_time).total_seconds()
    return float(f"{worked / elapsed_s:.4g}") if elapsed_s > 0 else None
