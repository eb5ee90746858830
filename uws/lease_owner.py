"""Who holds a lease: a string that names one attempt of one process, and whether that lives.

A holder reads `host/boot/namespace/pid/start/token`: the kernel's boot id, the inode of the PID
namespace, the process id and its start time in clock ticks after boot, and a random token that
tells two attempts of the same process apart.
"""

import os
import secrets
import socket
from functools import cache
from pathlib import Path

__all__ = ["is_alive", "is_dead", "this_holder"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_DEAD_STATES = frozenset("ZXx")  # zombie, dead: proc(5)


def this_holder() -> str:
    """Name a new attempt of this process; each call gives another name."""
    pid = os.getpid()
    _, start = _state_and_start(pid) or ("", "")
    boot, namespace = _where()
    return "/".join((socket.gethostname(), boot, namespace, str(pid), start, secrets.token_hex(4)))


def is_dead(holder: str) -> bool:
    """Tell whether the holder's process is gone for sure.

    Only a process of the same boot and PID namespace can be judged; of every other one, and
    where there is no procfs, the answer is False and the lease time decides.
    """
    return _lives(holder) is False


def is_alive(holder: str) -> bool:
    """Tell whether the holder's process lives for sure; False too where it cannot be judged."""
    return _lives(holder) is True


def _lives(holder: str) -> bool | None:
    """Tell whether a process lives; None where that cannot be known from here."""
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
