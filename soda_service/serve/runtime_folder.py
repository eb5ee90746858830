"""Folder of the embedded service's sockets while it runs, and the lock on its data directory."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from soda_service.errors import ConfigError

__all__ = ["claim_data"]

_LOCK_NAME = ".serve.lock"
_FOLDER_PREFIX = "soda-"
_SOCKET_PATH_MAX = 107
"""Bytes; sockaddr_un holds 108 with the closing NUL (unix(7))."""

_LONGEST_NAME = f"/{_FOLDER_PREFIX}xxxxxxxx/queue.sock"


@contextmanager
def claim_data(data: Path) -> Iterator[Path]:
    """Lock a data directory for this server; yield a short folder for sockets.

    The lock is the kernel's: it ends with this process, even by SIGKILL. The next server on the
    same data removes the folder of one that was killed.

    Parameters
    ----------
    data
        The data directory; it is created if necessary.

    Raises
    ------
    ConfigError
        If another server holds the directory. The message has its process id.
    OSError
        If the directory cannot be created or written to.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / _LOCK_NAME).open("a+", encoding="utf-8") as lock:
        _lock(lock, data)
        _remove_left_behind(_read_note(lock))
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=_short_parent()))
        # A forked child also holds the lock, and would keep it when this process is killed.
        os.register_at_fork(after_in_child=lock.close)
        try:
            _write_note(lock, {"pid": os.getpid(), "folder": str(folder)})
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.truncate(0)


def _lock(lock: IO[str], data: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _read_note(lock).get("pid", "unknown")
        raise ConfigError(
            f"{data} is in use by another `soda-service serve` (process {pid});"
            " stop that one, or choose another data directory"
        ) from None


def _read_note(lock: IO[str]) -> dict[str, object]:
    lock.seek(0)
    try:
        note = json.loads(lock.read())
    except ValueError:  # empty, or incomplete since its writer died
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(lock: IO[str], note: dict[str, object]) -> None:
    lock.truncate(0)
    json.dump(note, lock)
    lock.flush()


def _remove_left_behind(note: dict[str, object]) -> None:
    folder = Path(str(note.get("folder", "")))
    if folder.is_absolute() and folder.name.startswith(_FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _short_parent() -> Path:
    """Return a directory in which a socket's path is short enough for the kernel."""
    # XDG_RUNTIME_DIR comes last: it is emptied when its user logs out, and a service started by
    # `nohup` continues. In /tmp, mkdtemp makes a folder that others cannot open.
    candidates = (tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR", ""))  # noqa: S108
    for candidate in filter(None, candidates):
        fits = len(os.fsencode(candidate + _LONGEST_NAME)) <= _SOCKET_PATH_MAX
        if fits and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise ConfigError(
        f"no directory for sockets: none of {', '.join(filter(None, candidates))} is writable"
        f" and short enough (a socket's path has at most {_SOCKET_PATH_MAX} bytes)"
    )
