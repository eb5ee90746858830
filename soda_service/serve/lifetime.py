"""Tie the life of a process to that of its parent, by Linux's prctl. Standard library only."""

import ctypes
import os
import signal

__all__ = ["adopt_orphans", "bind_forks_to_parent", "die_with_parent", "set_name"]

# From <linux/prctl.h>.
_SET_PDEATHSIG = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36

# Bound before any fork, so that a forked child need not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, for whatever reason.

    The signal follows the death of the parent's *thread* that forked (prctl(2)), so parents fork
    from their main thread. The setting survives an exec, but not a fork: see
    `bind_forks_to_parent`.

    Parameters
    ----------
    parent
        Process id of the parent. If it is already gone, no signal will come, and this process
        exits.
    """
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def bind_forks_to_parent() -> None:
    """Make every process forked by this one, or by its children, die with its parent.

    This is for children forked by libraries: web workers by gunicorn, work-horses by RQ.
    """
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: die_with_parent(parent))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended, so that they are reaped here."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """Name this process for `ps` and `top`; 15 bytes are used."""
    _prctl(_SET_NAME, name.encode()[:15])


def _prctl(option: int, argument: int | bytes) -> None:
    if _LIBC.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
