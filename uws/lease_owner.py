"""Holders of leases: a string that names one attempt of one process, and whether it is alive.

A holder reads `host/boot/namespace/pid/start/token`: the kernel's boot id, the inode of the PID
namespace, the process id and its start time in clock ticks after boot, and a random token that
tells two attempts of the same process apart. A token that begins with `task-` says that the
process does one task and nothing else.
"""

import os
import secrets
import signal
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = [
    "holder_of",
    "is_dead",
    "is_killable",
    "is_same_process",
    "is_task",
    "kill",
    "kill_process",
    "this_holder",
]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_DEAD_STATES = frozenset("ZXx")  # zombie, dead: proc(5)
_TASK = "task-"

_DIES_WITHIN_S = 1.0
"""After SIGKILL; a process that waits for a hanging disk may take for ever."""


def this_holder(*, is_task: bool = False) -> str:
    """Name a new attempt of this process; each call gives another name.

    Parameters
    ----------
    is_task
        Whether the process does one task only, so that it may be killed to end the attempt.
    """
    return holder_of(os.getpid(), is_task=is_task)


def holder_of(pid: int, *, is_task: bool) -> str:
    """Name a new attempt of a process, as it does itself by `this_holder`."""
    _, start = _state_and_start(pid) or ("", "")
    boot, namespace = _where()
    token = (_TASK if is_task else "") + secrets.token_hex(4)
    return "/".join((socket.gethostname(), boot, namespace, str(pid), start, token))


def is_dead(holder: str) -> bool:
    """Check whether the holder's process is certainly dead.

    Only a process of the same boot and PID namespace can be judged; of every other one, and
    where there is no procfs, the answer is False and the lease time decides.
    """
    return _lives(holder) is False


def is_same_process(holder: str, other: str) -> bool:
    """Check whether two attempts are of the same process."""
    return holder.rpartition("/")[0] == other.rpartition("/")[0]


def is_task(holder: str) -> bool:
    """Check whether the holder's process does one task and nothing else."""
    return holder.rpartition("/")[2].startswith(_TASK)


def is_killable(holder: str) -> bool:
    """Check whether the holder is a task whose process lives, within reach of this one."""
    return is_task(holder) and _lives(holder) is True and _pid_of(holder) != os.getpid()


def kill(holder: str) -> bool:
    """Kill a killable holder's process, with those that it started.

    Returns
    -------
    bool
        Whether it is dead. It may not be where that is not permitted, or takes longer than 1 s.
    """
    if is_killable(holder):
        with suppress(PermissionError):
            kill_process(_pid_of(holder))
            end_s = time.monotonic() + _DIES_WITHIN_S
            while not is_dead(holder) and time.monotonic() < end_s:
                time.sleep(0.005)
    return is_dead(holder)


def kill_process(pid: int) -> None:
    """Kill a process of RQ's that does a task, with its group; nothing happens if it is gone.

    Raises
    ------
    PermissionError
        When it is another user's.
    """
    with suppress(ProcessLookupError):
        # Just after its fork it is still in its parent's group.
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def _pid_of(holder: str) -> int:
    return int(holder.split("/")[3])


def _lives(holder: str) -> bool | None:
    """Check whether a process lives; None where that cannot be known from here."""
    fields = holder.split("/")
    if len(fields) != 6:
        return None
    _, boot, namespace, pid, start, _ = fields
    if not boot or not start or (boot, namespace) != _where():
        return None
    found = _state_and_start(int(pid))
    return found is not None and found[0] not in _DEAD_STATES and found[1] == start


@cache
def _where() -> tuple[str, str]:
    """Boot id and PID namespace of this process; empty where there is no procfs."""
    try:
        return _BOOT_ID.read_text().strip(), str(_NAMESPACE.stat().st_ino)
    except OSError:
        return "", ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    """State letter and start time of a process, None where there is none of that id."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # Field 2, the command's name in parentheses, may hold blanks and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
