"""Child processes of the supervisor: forked, bound to its life, and named."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from soda_service.errors import CutoutError
from soda_service.serve.lifetime import bind_forks_to_parent, die_with_parent, set_name
from uws.errors import UWSError

__all__ = ["SIGNALS", "Child", "describe_status", "fork_child", "has_children", "reap"]

_IS_NOHUP = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

SIGNALS = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, *(() if _IS_NOHUP else (signal.SIGHUP,))}
)
"""Signals that the supervisor blocks and waits for; its children receive them as usual.

SIGHUP is not among them if `nohup` ignores it: waiting for it would undo that.
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process."""

    name: str
    pid: int
    started: float
    """`time.monotonic()` at its start, seconds."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; do nothing if the child is gone."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            _log.debug("%s (process %d) is gone already", self.name, self.pid)


def fork_child(name: str, run: Callable[[], None]) -> Child:
    """Start a child process that calls `run` and then exits.

    The child has its own session, so that Ctrl-C in a terminal reaches only the supervisor, which
    then stops everything in order. Its standard output goes to standard error: standard output is
    only for the line that says `ready`.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(name, parent, run)
    return Child(name, pid, time.monotonic())


def reap() -> Iterator[tuple[int, int]]:
    """Reap and yield all ended children and adopted orphans: (process id, wait status)."""
    with suppress(ChildProcessError):  # there are none
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def has_children() -> bool:
    """Return whether a child or adopted orphan is left, running or not yet reaped."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def describe_status(status: int) -> str:
    """Return how a process ended: `exit status 3`, `killed by SIGKILL`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-code}"


def _live(name: str, parent: int, run: Callable[[], None]) -> NoReturn:
    """Run the child. In no case does control return to the frames of the supervisor above."""
    status = 1
    try:
        die_with_parent(parent)
        os.setsid()
        set_name(f"soda-{name}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        bind_forks_to_parent()
        _redirect()
        run()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except (CutoutError, UWSError, OSError) as error:
        _log.warning("%s: %s", name, error)  # the supervisor tries again, or reports the failure
    except BaseException:  # noqa: BLE001 - the outermost frame of a process
        _log.exception("%s ended by an error", name)
    finally:
        logging.shutdown()
        os._exit(status)


def _redirect() -> None:
    """Read nothing from the terminal, and send standard output to the log."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
