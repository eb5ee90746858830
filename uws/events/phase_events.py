"""Word that a job's phase has changed, for those who wait for it.

A notice is a hint to look at the job store, which alone is the truth: one may be lost, or come
twice, or for nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from typing_extensions import override

__all__ = ["PATIENCE_S", "Flag", "InProcessNotices", "Notices", "Watch"]

PATIENCE_S = 5.0
"""How long nobody looks at the store while notices come as they should, seconds."""


class Watch(Protocol):
    """One who waits for changes of one job."""

    @property
    def noticed_s(self) -> float:
        """When the last notice came, on the monotonic clock; 0 before there was one."""
        ...

    @property
    def patience_s(self) -> float:
        """How long the store need not be looked at though no notice comes, seconds."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Block until there is a notice that was not waited for yet; False for none in time."""
        ...

    def wake(self) -> None:
        """End the wait as a notice would."""
        ...


class Notices(Protocol):
    """Carries notices from those who change jobs to those who wait."""

    def announce(self, job_id: str) -> None:
        """Say that a job's phase has changed, or that it is gone; never fails."""
        ...

    def changes(self, job_id: str) -> AbstractContextManager[Watch]:
        """Watch a job: changes from here on are noticed, so the phase is read inside (UWS-T14)."""
        ...


class Flag:
    """Remembers a notice until it is waited for: the watch of one process's threads."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.noticed_s = 0.0
        self.patience_s = PATIENCE_S

    def wait(self, timeout_s: float) -> bool:
        """Wait as `Watch.wait`."""
        is_noticed = self._event.wait(timeout_s)
        self._event.clear()
        return is_noticed

    def wake(self) -> None:
        """Raise the flag."""
        self.noticed_s = time.monotonic()
        self._event.set()


class InProcessNotices(Notices):
    """Notices among the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: dict[str, set[Flag]] = {}

    @override
    def announce(self, job_id: str) -> None:
        with self._lock:
            for flag in self._flags.get(job_id, ()):
                flag.wake()

    def announce_all(self) -> None:
        """Have everybody look at the store: notices may have been lost."""
        with self._lock:
            for flags in self._flags.values():
                for flag in flags:
                    flag.wake()

    @override
    @contextmanager
    def changes(self, job_id: str) -> Iterator[Flag]:
        flag = Flag()
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
