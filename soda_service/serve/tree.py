"""A tree of processes that is kept alive: those that end are restarted, and all stop in order.

It does not depend on what the processes do.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from soda_service.errors import CutoutError
from soda_service.serve.processes import (
    SIGNALS,
    Child,
    describe_status,
    fork_child,
    has_children,
    reap,
)

__all__ = ["ProcessTree", "StartFailed", "StopRequested"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 10.0
"""Lifetime after which a process is restarted without the pauses of earlier failures. The pauses
are for a process that cannot start, not for one that is killed now and then. A faulty process ends
sooner, or at worst costs one start per this many seconds."""

_START_TRIES = 3
_KILLED_S = 5.0
"""Time that a process may take to vanish after SIGKILL."""


class StopRequested(Exception):
    """A signal requested the end; the text names it."""


class StartFailed(CutoutError):
    """A part of the service did not start."""


@dataclass(slots=True)
class _Supervised:
    """A supervised process: how to start it, and its state."""

    name: str
    run: Callable[[], None]
    rank: int
    grace_s: float
    child: Child | None = None
    failures: int = 0
    """Consecutive ends without a steady life between them."""

    due: float = 0.0
    """Time of the next start, by `time.monotonic()`; valid while `child` is None."""

    ending: str = ""
    """How it ended last."""


class ProcessTree:
    """Processes supervised by this one, whose `SIGNALS` must be blocked."""

    def __init__(self) -> None:
        self._watched: dict[str, _Supervised] = {}

    def start(self, name: str, run: Callable[[], None], *, rank: int, grace_s: float) -> None:
        """Start a process and keep it running.

        Parameters
        ----------
        run
            Code of the process; called in the child.
        rank
            Order of stopping: the highest first, equal ones together.
        grace_s
            Time allowed to stop after SIGTERM before it is killed.
        """
        watched = _Supervised(name, run, rank, grace_s)
        self._watched[name] = watched
        _start(watched)

    def watch(self, seconds: float) -> None:
        """Keep the processes running for some time.

        Raises
        ------
        StopRequested
            On SIGINT, SIGTERM or SIGHUP.
        """
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for watched in self._take_ended():
                _plan_restart(watched)
            dues = [end]
            for watched in self._watched.values():
                if watched.child is None and watched.due <= now:
                    _start(watched)
                elif watched.child is None:
                    dues.append(watched.due)
            _wait_for_signal(max(0.0, min(dues) - now))

    def run_once(self, name: str, run: Callable[[], None], *, limit_s: float) -> None:
        """Run a process to its end, while the others run unsupervised.

        Raises
        ------
        StartFailed
            If it fails, or takes too long (and is killed).
        StopRequested
            As for `watch`; the process is killed.
        """
        child = fork_child(name, run)
        end = time.monotonic() + limit_s
        pid, status = 0, 0
        try:
            while not pid and time.monotonic() < end:
                _wait_for_signal(min(1.0, limit_s))
                pid, status = os.waitpid(child.pid, os.WNOHANG)
        finally:
            if not pid:
                child.send(signal.SIGKILL)
        if not pid:
            raise StartFailed(f"{name} did not end within {limit_s:g} s")
        if status:
            raise StartFailed(f"{name}: {describe_status(status)}; see the log above")

    def wait_until(self, is_up: Callable[[], bool], *, name: str, limit_s: float) -> None:
        """Supervise the processes until one is up.

        Raises
        ------
        StartFailed
            If it keeps ending, or is not up in time.
        StopRequested
            As for `watch`.
        """
        end = time.monotonic() + limit_s
        while not is_up():
            watched = self._watched[name]
            if watched.failures >= _START_TRIES:
                raise StartFailed(
                    f"{name} did not start: it ended {watched.failures} times,"
                    f" the last time by {watched.ending}; see the log above"
                )
            if time.monotonic() > end:
                raise StartFailed(f"{name} did not start: no response within {limit_s:g} s")
            self.watch(0.05)

    def stop(self) -> None:
        """Stop all, rank by rank, by SIGTERM and, after their grace time, SIGKILL."""
        for rank in sorted({watched.rank for watched in self._watched.values()}, reverse=True):
            group = [watched for watched in self._watched.values() if watched.rank == rank]
            self._signal(group, signal.SIGTERM)
            if not self._wait_ended(group, max(watched.grace_s for watched in group)):
                for watched in group:
                    if watched.child:
                        _log.warning("%s did not stop in time and is killed", watched.name)
                self._signal(group, signal.SIGKILL)
                self._wait_ended(group, _KILLED_S)
        # Orphans of killed processes are now ours, and dying: see lifetime.
        end = time.monotonic() + _KILLED_S
        while has_children() and time.monotonic() < end:
            self._take_ended()
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)

    def _signal(self, group: list[_Supervised], number: signal.Signals) -> None:
        for watched in group:
            if watched.child:
                watched.child.send(number)

    def _wait_ended(self, group: list[_Supervised], limit_s: float) -> bool:
        """Wait until all of `group` ended; return False after the limit or a second signal."""
        end = time.monotonic() + limit_s
        while True:
            self._take_ended()
            if not any(watched.child for watched in group):
                return True
            received = signal.sigtimedwait(SIGNALS, max(0.0, end - time.monotonic()))
            if received is None or received.si_signo != signal.SIGCHLD:
                return False

    def _take_ended(self) -> list[_Supervised]:
        by_pid = {w.child.pid: w for w in self._watched.values() if w.child}
        ended = []
        for pid, status in reap():
            if watched := by_pid.get(pid):
                watched.ending = describe_status(status)
                ended.append(watched)
        for watched in ended:
            if watched.child and time.monotonic() - watched.child.started >= _STEADY_S:
                watched.failures = 0
            watched.child = None
        return ended


def _wait_for_signal(seconds: float) -> None:
    """Sleep until a child ends or time is up; raise StopRequested if the end is requested."""
    received = signal.sigtimedwait(SIGNALS, seconds)
    if received is not None and received.si_signo != signal.SIGCHLD:
        raise StopRequested(signal.Signals(received.si_signo).name)


def _start(watched: _Supervised) -> None:
    watched.child = fork_child(watched.name, watched.run)
    _log.info("%s started (process %d)", watched.name, watched.child.pid)


def _plan_restart(watched: _Supervised) -> None:
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**watched.failures)
    watched.failures += 1
    watched.due = time.monotonic() + pause_s
    _log.warning("%s: %s; restarting it in %g s", watched.name, watched.ending, pause_s)
