"""How a job ends before its time: aborted, or destroyed with all that belongs to it.

The store comes first in both: once it says so, workers let go at their next heartbeat, whether
or not the queue can be reached. Imports runtime, models and errors.
"""

import logging

from uws.errors import NotFoundError, TransientError
from uws.models import ABORTABLE, AT_WORK, Phase
from uws.runtime import Runtime

__all__ = ["abort_job", "destroy_job"]

_log = logging.getLogger(__name__)


def abort_job(runtime: Runtime, job_id: str) -> bool:
    """Move an unfinished job to ABORTED, stop its work, and list what results it left.

    Returns
    -------
    bool
        False when the job was finished already, or is not there.
    """
    if not runtime.store.move(job_id, Phase.ABORTED, among=ABORTABLE):
        return False
    _log.info("job aborted", extra={"job_id": job_id})
    _cancel(runtime, job_id)
    _keep_results(runtime, job_id)
    return True


def _keep_results(runtime: Runtime, job_id: str) -> None:
    """Record what an aborted job has made (UWS 1.1, 2.1.4); that it is aborted stands anyway."""
    try:
        job = runtime.store.get(job_id)
        results = runtime.job_types[job.job_type].results_so_far(job, runtime.files)
        if results:
            runtime.store.add_results(job_id, results)
    except Exception:  # noqa: BLE001 - not even a job type's bug may undo an abort
        _log.warning(
            "results of an aborted job not listed", exc_info=True, extra={"job_id": job_id}
        )


def destroy_job(runtime: Runtime, job_id: str) -> bool:
    """Remove a job in any phase: its rows, its tasks, its files.

    Files that a worker writes in the same moment, or that could not be removed now, are removed
    by a later sweep: the store remembers the job's id for it.

    Returns
    -------
    bool
        False when the job is not there.
    """
    try:
        phase = runtime.store.phase(job_id)
    except NotFoundError:
        return False
    if not runtime.store.delete(job_id):
        return False
    _log.info("job destroyed", extra={"job_id": job_id})
    if phase in AT_WORK:
        _cancel(runtime, job_id)
    try:
        runtime.files.delete(job_id)
    except (OSError, TransientError):
        _log.warning("files of a destroyed job remain", exc_info=True, extra={"job_id": job_id})
    return True


def _cancel(runtime: Runtime, job_id: str) -> None:
    try:
        runtime.executor.cancel(job_id)
    except TransientError as error:
        _log.warning("tasks were not cancelled: %s", error, extra={"job_id": job_id})
