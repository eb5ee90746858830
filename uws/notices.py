"""Word that a job's phase has changed, for those who wait for it.

A notice is a hint to look at the job store, which alone is the truth: one may be lost, or come
twice, or for nothing. Imports the standard library only.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from typing_extensions import override

__all__ = ["InProcessNotices", "Notices", "Watch"]


class Watch(Protocol):
    """One who waits for changes of one job."""

    def wait(self, timeout_s: float) -> bool:
        """Block until there is a notice that was not waited for yet.

        Returns
        -------
        bool
            False when none came in `timeout_s`, or sooner where one may have been lost: the
            store is to be looked at in both cases.
        """
        ...


class Notices(Protocol):
    """Carries notices from those who change jobs to those who wait."""

    def announce(self, job_id: str) -> None:
        """Say that a job's phase has changed, or that it is gone; never fails."""
        ...

    def changes(self, job_id: str) -> AbstractContextManager[Watch]:
        """Watch a job: changes from here on are noticed, so the phase is read inside (UWS-T14)."""
        ...


class _Flag:
    """Remembers a notice until it is waited for."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        is_noticed = self._event.wait(timeout_s)
        self._event.clear()
        return is_noticed


class InProcessNotices(Notices):
    """Notices among the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: dict[str, set[_Flag]] = {}

    @override
    def announce(self, job_id: str) -> None:
        with self._lock:
            for flag in self._flags.get(job_id, ()):
                flag.set()

    def announce_all(self) -> None:
        """Have everybody look at the store: notices may have been lost."""
        with self._lock:
            for flags in self._flags.values():
                for flag in flags:
                    flag.set()

    @override
    @contextmanager
    def changes(self, job_id: str) -> Iterator[Watch]:
        flag = _Flag()
        with self._lock:
            self._flags.setdefault(job_id, set()).add(flag)
        try:
            yield flag
        finally:
            with self._lock:
                flags = self._flags[job_id]
                flags.discard(flag)
                if not flags:
                    del self._flags[job_id]
