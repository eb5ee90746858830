"""The facts about a job for pages and their scripts: one flat JSON object."""

from datetime import UTC, datetime
from typing import Any

from uws.dali import format_instant
from uws.http.jobinfo import job_info
from uws.models import ACTIVE, Job

__all__ = ["duration_s", "job_facts"]


def job_facts(job: Job, url: str) -> dict[str, Any]:
    """Return the facts about a job.

    Returns
    -------
    dict
        Plain JSON: `id`, `name`, `phase`, `is_active`, `url` (of its page), `created`, `started`,
        `ended`, `destruction`, `expected_end` (instants or null), `total`, `done`, `failed`
        (rows), `size_bytes`, `rate_per_s`, `duration_s` (numbers or null) and `notes`.
    """
    info = job_info(job, datetime.now(UTC))
    return {
        "id": job.id,
        "name": job.run_id,
        "phase": job.phase.value,
        "is_active": job.phase in ACTIVE,
        "url": url,
        "created": _instant(job.creation_time),
        "started": _instant(job.start_time),
        "ended": _instant(job.end_time),
        "destruction": _instant(job.destruction),
        "expected_end": _instant(info.expected_end if info else None),
        "total": job.progress.total,
        "done": job.progress.done,
        "failed": job.progress.failed,
        "size_bytes": job.progress.size_bytes,
        "rate_per_s": info.rate_per_s if info else None,
        "duration_s": duration_s(job),
        "notes": list(info.notes) if info else [],
    }


def duration_s(job: Job) -> float | None:
    """Return how long a job has executed, in seconds; None if it has not started."""
    if job.start_time is None:
        return None
    return ((job.end_time or datetime.now(UTC)) - job.start_time).total_seconds()


def _instant(when: datetime | None) -> str | None:
    return None if when is None else format_instant(when)
