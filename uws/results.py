"""The results of a job as clients see them, also before its end (UWS-29)."""

import logging

from uws.dali import shown
from uws.errors import NotFoundError, TransientError
from uws.models import Job, Phase, Result
from uws.runtime import Runtime

__all__ = ["current_results", "find_result"]

_log = logging.getLogger(__name__)

_IN_MIDST = frozenset({Phase.EXECUTING, Phase.SUSPENDED})
"""Phases in which a job can have results that are not in the store yet."""


def current_results(runtime: Runtime, job: Job) -> tuple[Result, ...]:
    """Return a job's results; during its work those that the job type lists."""
    if job.phase not in _IN_MIDST:
        return job.results
    try:
        return tuple(runtime.job_types[job.job_type].partial_results(job, runtime.files))
    except (OSError, TransientError) as error:
        _log.warning("results so far not listed: %s", error, extra={"job_id": job.id})
    except Exception:  # noqa: BLE001 - a job type's bug must not take the job's document away
        _log.warning("results so far not listed", exc_info=True, extra={"job_id": job.id})
    return ()


def find_result(runtime: Runtime, job: Job, path: str) -> Result:
    """Find a result in the list, or another that the job type knows.

    Raises
    ------
    NotFoundError
        When there is no such result.
    """
    found = next((result for result in job.results if result.id == path), None)
    if found is None:
        found = runtime.job_types[job.job_type].find_result(job, path, runtime.files)
    if found is None:
        raise NotFoundError(f"job {job.id} has no result {shown(path)}")
    return found
