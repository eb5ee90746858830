"""Requests that block until a job's phase has changed.

A waiter is a sleeping thread: 60 kB, and no work until its job changes. Work for all of them is
done once: one query of the store for those whose event may have been lost, and one reading of a job
for all that the same event woke.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uws.errors import TransientError
from uws.events.phase_events import Subscription
from uws.models import ACTIVE, Job, Phase
from uws.store import JobStore

__all__ = ["PhaseWaiter"]

_log = logging.getLogger(__name__)

_TICK_S = 0.5
"""How often a waiter checks whether the store must be read."""


class PhaseWaiter:
    """Blocks the threads of this process, up to a number of them.

    Parameters
    ----------
    store
        The jobs; announces when a phase has changed.
    waiters_max
        How many may block at a time.
    """

    def __init__(self, store: JobStore, waiters_max: int) -> None:
        self._store = store
        self._free = threading.Semaphore(waiters_max)
        self._lock = threading.Lock()
        self._waiters: dict[str, _Waiters] = {}
        self._looker: threading.Thread | None = None

    def wait(
        self, job_id: str, read: Callable[[], Job], *, seconds: float, phase: Phase | None
    ) -> Job:
        """Return a job once its phase has changed, or after a time; at once if it may not block.

        Parameters
        ----------
        job_id
            Of the job.
        read
            Reads it, or raises where it is gone or another owner's.
        seconds
            Longest time.
        phase
            The phase that the client knows; None stands for the present one.
        """
        deadline = time.monotonic() + seconds
        with self._place() as has_place, self._store.subscribe(job_id) as subscription:
            job = read()
            if not has_place or job.phase not in ACTIVE or phase not in (None, job.phase):
                return job
            with self._among(job, subscription) as waiters:
                while (left_s := deadline - time.monotonic()) > 0:
                    if subscription.wait(left_s):
                        found = waiters.read(read, since_s=subscription.last_event_s)
                        if found.phase != job.phase:
                            return found
        return read()

    @contextmanager
    def _place(self) -> Iterator[bool]:
        has_place = self._free.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self._free.release()

    @contextmanager
    def _among(self, job: Job, subscription: Subscription) -> Iterator["_Waiters"]:
        """Register as a waiter for a job."""
        with self._lock:
            waiters = self._waiters.setdefault(job.id, _Waiters())
            waiters.known[subscription] = job.phase
        try:
            self._start_looker()
            yield waiters
        finally:
            with self._lock:
                del waiters.known[subscription]
                if not waiters.known:
                    del self._waiters[job.id]

    def _start_looker(self) -> None:
        with self._lock:
            # The thread of a parent process is not alive in its fork.
            if self._looker is None or not self._looker.is_alive():
                self._looker = threading.Thread(target=self._look, name="job-looker", daemon=True)
                self._looker.start()

    def _look(self) -> None:
        """Read the store from time to time for all waiters, until there are none."""
        looked_s = time.monotonic()
        while True:
            time.sleep(_TICK_S)
            with self._lock:
                if not self._waiters:
                    self._looker = None
                    return
                known = {
                    job_id: list(waiters.known.items()) for job_id, waiters in self._waiters.items()
                }
            poll_s = next(
                subscription.poll_s for some in known.values() for subscription, _ in some
            )
            if time.monotonic() - looked_s >= poll_s:
                looked_s = time.monotonic()
                self._wake_changed(known)

    def _wake_changed(self, known: dict[str, list[tuple[Subscription, Phase]]]) -> None:
        """Wake the waiters whose job has left the phase that they know."""
        try:
            phases = self._store.find.phases(known)
        except TransientError as error:
            _log.debug("not looked after those who wait: %s", error)
            return
        for job_id, some in known.items():
            for subscription, phase in some:
                if phases.get(job_id) != phase:
                    subscription.wake()


class _Waiters:
    """The waiters for one job, each with the phase that it knows."""

    def __init__(self) -> None:
        self.known: dict[Subscription, Phase] = {}
        self._lock = threading.Lock()
        self._last: tuple[float, Job | TransientError] | None = None

    def read(self, read: Callable[[], Job], *, since_s: float) -> Job:
        """Read the job, unless another of the waiters did so after `since_s` (monotonic clock).

        A thousand waiters for one job wake together: reading it for each took 1.9 s in all. If the
        store is unavailable, all get that error: each asking in turn would take one time-out each.
        """
        with self._lock:
            if self._last is None or self._last[0] <= since_s:
                begun_s = time.monotonic()
                try:
                    self._last = begun_s, read()
                except TransientError as error:
                    self._last = begun_s, error
            found = self._last[1]
        if isinstance(found, TransientError):
            raise found
        return found
