"""The sweep: send lost work again, end or destroy jobs past their time.

Any number of sweeps may run at once, on any hosts: the store lets one of them send each lost
piece of work.
"""

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from uws.errors import TransientError
from uws.files import JobFiles, parameter_folder
from uws.lease_owner import kill
from uws.runtime import Runtime
from uws.work.quoting import quote_jobs
from uws.work.termination import abort_job, destroy_job, expire_job

__all__ = ["SweepReport", "run_sweeper", "sweep"]

_log = logging.getLogger(__name__)

_OWN_FOLDER = re.compile(r"(\.[a-z]+-)?[0-9a-f]{32}")
"""Names of folders of a job or a request; the sweep leaves all others alone."""

_ORPHAN_AGE = timedelta(days=1)
"""Younger folders may belong to an upload in progress, whose job is stored at its end."""

_THOROUGH_EVERY_S = 3600.0

_GRACE_S = 3.0
"""Time for tasks to renew a lease that ended: after an outage of the store, tasks that do not hang
try it each second."""

_REMOVAL_S = 5.0
"""A sweep removes files for at most this time (400 cutouts or more a second); the next one
continues. Lost work must not wait for the millions of files of a destroyed job."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Counts of what a sweep did."""

    destroyed: int = 0
    """Jobs past their destruction time, or past the time that they are kept in the archive."""

    archived: int = 0
    """Jobs past their destruction time whose documents are kept."""

    aborted: int = 0
    """Jobs past their execution duration."""

    stopped: int = 0
    """Hanging tasks that were killed, or whose workers were told to kill them."""

    planned: int = 0
    """Jobs sent to be planned again."""

    chunks: int = 0
    """Chunks sent again, or at last."""

    finished: int = 0
    """Jobs sent to be finished again."""

    cleared: int = 0
    """Deleted jobs whose files were removed once more."""

    orphans: int = 0
    """Removed uploads that broke off before their job was stored."""

    faults: int = 0
    """Jobs for which something failed."""


def sweep(
    runtime: Runtime,
    now: datetime | None = None,
    *,
    is_thorough: bool = True,
    is_queue_new: bool = False,
) -> SweepReport:
    """Find lost work and jobs past their time once, handle them, and update quotes.

    Parameters
    ----------
    runtime
        Store, files, executor and limits.
    now
        The present time, aware; by default that of the clock.
    is_thorough
        Whether to look through the folders of all jobs for those that belong to none.
    is_queue_new
        Whether the queue was restarted, emptied or unavailable: then its work is sent again at
        once, not only after a lease. Tasks that are still in it are not added twice.

    Raises
    ------
    TransientError
        When the job store is unavailable, or the folders cannot be listed. If only the queue or a
        job's files are unavailable, the job counts as a fault and the sweep goes on.
    """
    now = now or datetime.now(UTC)
    counts: Counter[str] = Counter()
    patience_s = 0 if is_queue_new else runtime.limits.lease_s
    for kind, job_ids, act in _duties(runtime, now, patience_s, is_thorough=is_thorough):
        for job_id in job_ids:
            try:
                counts[kind] += act(job_id)
            except (TransientError, OSError) as error:
                _log.warning("sweep: not %s: %s", kind, error, extra={"job_id": job_id})
                counts["faults"] += 1
    quote_jobs(runtime, now)
    counts["faults"] += _delete_files(runtime)
    report = SweepReport(**counts)
    if counts.total():
        _log.info("swept: %s", report)
    return report


def run_sweeper(runtime: Runtime, *, every_s: float, stop: threading.Event) -> None:
    """Sweep again and again until `stop` is set, thoroughly at first and then once an hour.

    It waits while the store is unavailable.
    """
    thorough_at_s = 0.0
    swept_epoch = ""
    is_unavailable = False
    while not stop.is_set():
        is_thorough = time.monotonic() >= thorough_at_s
        epoch = _epoch(runtime, is_known_unavailable=is_unavailable)
        is_unavailable = not epoch
        try:
            sweep(runtime, is_thorough=is_thorough, is_queue_new=epoch not in {"", swept_epoch})
        except TransientError as error:
            _log.warning("sweep put off: %s", error)
        else:
            # Nothing could be sent while it was unavailable: when it is back, it counts as new.
            swept_epoch = epoch
            if is_thorough:
                thorough_at_s = time.monotonic() + _THOROUGH_EVERY_S
        stop.wait(every_s)


def _epoch(runtime: Runtime, *, is_known_unavailable: bool) -> str:
    """Return the queue's epoch; empty while the queue is unavailable, which is logged once."""
    try:
        return runtime.executor.epoch()
    except TransientError as error:
        if not is_known_unavailable:
            _log.warning("what is lost is sent when the queue is back: %s", error)
        return ""


_Duty = tuple[str, Iterable[str], Callable[[str], int]]


def _duties(
    runtime: Runtime, now: datetime, patience_s: float, *, is_thorough: bool
) -> Iterator[_Duty]:
    """Yield the duties: the report's field, the jobs, and the function, which returns a count."""
    store, limits = runtime.store, runtime.limits

    def resend_step(job_id: str, step: str, send: Callable[[str], None]) -> int:
        if not store.recovery.resend_step(job_id, step, now=now, older_than_s=patience_s):
            return 0
        send(job_id)
        return 1

    expiring = "archived" if limits.archive else "destroyed"
    yield expiring, store.expiry.expired(now), lambda job_id: expire_job(runtime, job_id, now=now)
    outlived = store.expiry.outlived(now - timedelta(days=limits.archive_days))
    yield "destroyed", outlived, lambda job_id: destroy_job(runtime, job_id)
    yield "aborted", store.recovery.overdue(now), lambda job_id: _abort_overdue(runtime, job_id)
    hanging = _hanging(runtime, now)
    yield "stopped", hanging, lambda job_id: _stop(runtime, job_id, hanging[job_id])
    unplanned = store.recovery.unplanned(now, patience_s)
    executor = runtime.executor
    yield "planned", unplanned, lambda job_id: resend_step(job_id, "plan", executor.send_plan)
    lost: dict[str, list[int]] = {}
    for job_id, number in store.recovery.lost_chunks(now, patience_s):
        lost.setdefault(job_id, []).append(number)
    yield (
        "chunks",
        lost,
        lambda job_id: _resend_chunks(
            runtime, job_id, lost[job_id], now=now, patience_s=patience_s
        ),
    )
    yield (
        "chunks",
        store.recovery.starved(limits.window),
        lambda job_id: _send_next(runtime, job_id),
    )
    unfinished = store.recovery.unfinished(now, patience_s)
    yield "finished", unfinished, lambda job_id: resend_step(job_id, "finish", executor.send_finish)
    # Two leases after its deletion no worker writes files of a job any more.
    old = store.expiry.tombstones(now - timedelta(seconds=2 * limits.lease_s))
    yield "cleared", old, lambda job_id: _clear(runtime, job_id)
    if is_thorough:
        yield "orphans", _orphans(runtime, now), lambda name: _remove(runtime, name)


def _abort_overdue(runtime: Runtime, job_id: str) -> int:
    """End a job as by a manual abort (UWS 1.1, 2.1.4), and tell its client why."""
    return abort_job(runtime, job_id, note="aborted: the execution duration was exceeded")


def _hanging(runtime: Runtime, now: datetime) -> dict[str, list[str]]:
    """Return the holders, by job, that lost their lease and do not renew it."""
    lapsed = runtime.store.recovery.lapsed_tasks(now)
    if lapsed:
        time.sleep(_GRACE_S)
        still = runtime.store.recovery.lapsed_tasks(now)
        lapsed = [task for task in lapsed if task in still]
    holders: dict[str, list[str]] = {}
    for job_id, holder in lapsed:
        holders.setdefault(job_id, []).append(holder)
    return holders


def _stop(runtime: Runtime, job_id: str, holders: Sequence[str]) -> int:
    """Kill tasks of this host; send a stop to the workers of other hosts, which may be gone."""
    for holder in holders:
        _log.warning("a task hangs, and is killed: %s", holder, extra={"job_id": job_id})
        if not kill(holder):
            runtime.executor.stop(holder)
    return len(holders)


def _resend_chunks(
    runtime: Runtime, job_id: str, numbers: list[int], *, now: datetime, patience_s: float
) -> int:
    mine = [
        number
        for number in numbers
        if runtime.store.recovery.resend_chunk(job_id, number, now=now, older_than_s=patience_s)
    ]
    if mine:
        runtime.executor.send_chunks(job_id, mine)
    return len(mine)


def _send_next(runtime: Runtime, job_id: str) -> int:
    numbers = runtime.store.work.next_chunks(job_id, runtime.limits.window)
    if numbers:
        runtime.executor.send_chunks(job_id, numbers)
    return len(numbers)


def _orphans(runtime: Runtime, now: datetime) -> Sequence[str]:
    """Return the folders of uploads whose job was never stored.

    A folder with any other content stays: if an older store was restored after a loss, the results
    of newer jobs must not be deleted.
    """
    files = runtime.files
    try:
        names = [name for name in files.folders() if _OWN_FOLDER.fullmatch(name)]
        unknown = runtime.store.recovery.unknown(names)
        return [name for name in unknown if _is_old_upload(files, name, now - _ORPHAN_AGE)]
    except OSError as error:
        raise TransientError(f"the folders of the jobs cannot be listed: {error}") from error


def _is_old_upload(files: JobFiles, name: str, limit: datetime) -> bool:
    with suppress(FileNotFoundError):  # removed by another in the meantime
        if files.last_change(name) >= limit:
            return False
    return all(key.startswith(f"{parameter_folder(name)}/") for key in files.keys(name))


def _remove(runtime: Runtime, name: str) -> int:
    runtime.files.delete(name)
    _log.info("removed a folder that belongs to no job: %s", name)
    return 1


def _clear(runtime: Runtime, job_id: str) -> int:
    """Delete what was written or sent for a job while it was deleted, or its worker killed."""
    runtime.files.delete_later(job_id)
    runtime.executor.cancel(job_id)
    runtime.store.expiry.remove_tombstone(job_id)
    return 1


def _delete_files(runtime: Runtime) -> int:
    """Remove files of destroyed and archived jobs for some seconds; return the faults."""
    until_s = time.monotonic() + _REMOVAL_S
    faults = 0
    try:
        for name in runtime.files.pending_deletions():
            try:
                if runtime.files.continue_deletion(name, until_s=until_s):
                    _log.info("files deleted: %s", name)
            except (TransientError, OSError) as error:
                _log.warning("sweep: not removed: %s: %s", name, error)
                faults += 1
            if time.monotonic() >= until_s:
                break
    except (TransientError, OSError) as error:
        _log.warning("sweep: the files to be deleted cannot be listed: %s", error)
        faults += 1
    return faults
