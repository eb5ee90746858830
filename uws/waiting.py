"""Requests that block until a job's phase has changed. Imports store and models only."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uws.models import ACTIVE, Job, Phase
from uws.store import JobStore

__all__ = ["PhaseWaiter"]

_LOOK_S = 5.0
"""How often the store is looked at though no change was announced."""


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

    def wait(
        self, job_id: str, read: Callable[[], Job], *, seconds: float, phase: Phase | None
    ) -> Job:
        """Give a job once its phase has changed, or after a time; at once if nobody may block.

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
        with self._place() as has_place, self._store.changes(job_id) as watch:
            job = read()
            if not has_place or job.phase not in ACTIVE or phase not in (None, job.phase):
                return job
            while (left_s := deadline - time.monotonic()) > 0:
                watch.wait(min(left_s, _LOOK_S))
                if self._store.phase(job_id) != job.phase:
                    break
        return read()

    @contextmanager
    def _place(self) -> Iterator[bool]:
        has_place = self._free.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self._free.release()
