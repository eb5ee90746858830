"""Ends of a job other than by its work: abort, destruction, archive.

Each changes the store first: workers then stop at their next heartbeat, even if the queue cannot be
reached.
"""

import logging
from datetime import datetime

from uws.errors import NotFoundError, TransientError
from uws.models import AT_WORK, Phase
from uws.runtime import Runtime

__all__ = ["abort_job", "destroy_job", "expire_job"]

_log = logging.getLogger(__name__)


def abort_job(runtime: Runtime, job_id: str, *, note: str = "") -> bool:
    """Move an unfinished job to ABORTED, stop its work, and list its results so far.

    The change is announced last, so that waiting clients read a complete list.

    Parameters
    ----------
    runtime, job_id
        Which job of which server.
    note
        Why, for the client.

    Returns
    -------
    bool
        False when the job was finished already, or is not there.
    """
    if not runtime.store.abort(job_id, notes=[note] if note else []):
        return False
    _log.info("job aborted", extra={"job_id": job_id})
    try:
        _cancel(runtime, job_id)
        _keep_results(runtime, job_id)
    finally:
        runtime.store.announce(job_id)
    return True


def _keep_results(runtime: Runtime, job_id: str) -> None:
    """Record the results of an aborted job (UWS 1.1, 2.1.4); errors do not undo the abort."""
    try:
        job = runtime.store.get(job_id)
        results = runtime.job_types[job.job_type].partial_results(job, runtime.files)
        if results:
            runtime.store.add_results(job_id, results)
    except Exception:  # noqa: BLE001 - not even a job type's bug may undo an abort
        _log.warning(
            "results of an aborted job not listed", exc_info=True, extra={"job_id": job_id}
        )


def expire_job(runtime: Runtime, job_id: str, *, now: datetime) -> bool:
    """Destroy a job whose destruction time is reached, or archive it where so configured.

    An archived job keeps its document, without results and without parameters by reference.

    Returns
    -------
    bool
        False if it does not exist, is archived already, or its destruction was postponed.
    """
    store, archives = runtime.store, runtime.limits.archive
    end = store.expiry.archive_expired if archives else store.expiry.delete_expired
    phase = end(job_id, now)
    if phase is None:
        return False
    _log.info("job archived" if archives else "job destroyed", extra={"job_id": job_id})
    _clear(runtime, job_id, phase)
    return True


def destroy_job(runtime: Runtime, job_id: str) -> bool:
    """Remove a job in any phase: its rows, its tasks, its files.

    The next sweep deletes the files. A later one deletes what a worker wrote at the same moment or
    what cannot be deleted now: the store remembers the job's id.

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
    _clear(runtime, job_id, phase)
    return True


def _clear(runtime: Runtime, job_id: str, phase: Phase) -> None:
    """Remove the tasks and, with the next sweep, the files of a job; `phase` was its last."""
    if phase in AT_WORK:
        _cancel(runtime, job_id)
    try:
        runtime.files.delete_later(job_id)
    except (OSError, TransientError):
        _log.warning("files of a destroyed job remain", exc_info=True, extra={"job_id": job_id})


def _cancel(runtime: Runtime, job_id: str) -> None:
    try:
        runtime.executor.cancel(job_id)
    except TransientError as error:
        _log.warning("tasks were not cancelled: %s", error, extra={"job_id": job_id})
