"""Events of phase changes of jobs, for clients that wait.

An event is only a hint to read the job store. It may be lost, come twice, or come for nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from typing_extensions import override

__all__ = ["POLL_S", "InProcessEvents", "InProcessSubscription", "PhaseEvents", "Subscription"]

POLL_S = 5.0
"""How often the store is read while events arrive as they should, seconds."""


class Subscription(Protocol):
    """The events of one job, for one waiter."""

    @property
    def last_event_s(self) -> float:
        """When the last event came, on the monotonic clock; 0 before there was one."""
        ...

    @property
    def poll_s(self) -> float:
        """How long the store need not be read when no event arrives, seconds."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Block until the next event; return False if there is none in time."""
        ...

    def wake(self) -> None:
        """End the wait as an event would."""
        ...


class PhaseEvents(Protocol):
    """Transfers events from changes of jobs to waiters."""

    def announce(self, job_id: str) -> None:
        """Announce that a job's phase has changed, or that it is gone; never fails."""
        ...

    def subscribe(self, job_id: str) -> AbstractContextManager[Subscription]:
        """Subscribe to a job: no later change is missed, so its phase is read inside (UWS-T14)."""
        ...


class InProcessSubscription:
    """Remembers an event until it is waited for, among the threads of one process."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.last_event_s = 0.0
        self.poll_s = POLL_S

    def wait(self, timeout_s: float) -> bool:
        """Wait as `Subscription.wait`."""
        has_come = self._event.wait(timeout_s)
        self._event.clear()
        return has_come

    def wake(self) -> None:
        """Record an event."""
        self.last_event_s = time.monotonic()
        self._event.set()


class InProcessEvents(PhaseEvents):
    """Events among the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: dict[str, set[InProcessSubscription]] = {}

    @override
    def announce(self, job_id: str) -> None:
        with self._lock:
            for subscription in self._subscriptions.get(job_id, ()):
                subscription.wake()

    def announce_all(self) -> None:
        """Make all waiters read the store, since events may have been lost."""
        with self._lock:
            for subscriptions in self._subscriptions.values():
                for subscription in subscriptions:
                    subscription.wake()

    @override
    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[InProcessSubscription]:
        subscription = InProcessSubscription()
        with self._lock:
            self._subscriptions.setdefault(job_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                subscriptions = self._subscriptions[job_id]
                subscriptions.discard(subscription)
                if not subscriptions:
                    del self._subscriptions[job_id]
