"""The web part of the embedded service: a listening socket, and gunicorn on it.

All use of gunicorn is in this module.
"""

import http.client
import os
import resource
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from typing_extensions import override

from soda_service.config.model import Config, WebConfig

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Probe", "address_of", "allow_open_files", "gunicorn_settings", "listen", "run_web"]

_BACKLOG = 2048
_GRACE_S = 3
_IDLE_CONNECTIONS = 1000
_OPEN_FILES = 65_536
_PROBE_S = 5.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound here


def listen(web: WebConfig) -> socket.socket:
    """Open the socket of the service, which web processes inherit.

    It belongs to the supervisor, so that a taken port is reported at once, and clients wait instead
    of being refused while web processes restart.

    Raises
    ------
    OSError
        If the address cannot be used. The message names it.
    """
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((web.host.strip("[]"), web.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        place = f"web.host {web.host}, web.port {web.port}"
        raise OSError(error.errno, f"cannot listen at {place}: {error.strerror}") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return `HOST:PORT` under which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    host = _WILDCARDS.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Probe:
    """Checks whether a web server is up, without waiting for the response.

    The request may wait in the socket's backlog until a web process takes it. Meanwhile the
    supervisor has processes to watch.

    Parameters
    ----------
    address
        `HOST:PORT`.
    path
        Path to fetch; status 200 means that the server is up.
    """

    def __init__(self, address: str, path: str) -> None:
        self._address = address
        self._path = path
        self._pending: http.client.HTTPConnection | None = None

    def is_up(self) -> bool:
        """Return whether the server has responded with 200; send a request if none is pending."""
        connection = self._pending or http.client.HTTPConnection(self._address, timeout=_PROBE_S)
        try:
            if self._pending is None:
                connection.request("GET", self._path)
            if not select.select([connection.sock], [], [], 0)[0]:
                self._pending = connection
                return False
            is_good = connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            is_good = False
        connection.close()
        self._pending = None
        return is_good


def run_web(
    config: Config,
    make_app: Callable[[Config], "WSGIApplication"],
    *,
    listener: socket.socket,
    folder: Path,
) -> None:
    """Serve HTTP on `listener` until SIGINT or SIGTERM, then raise SystemExit.

    Parameters
    ----------
    make_app
        Called in each web process, so that connections open after the fork.
    folder
        Folder for gunicorn's heartbeat files, and for request counts that web processes share.
        Counts continue when a web process is restarted, and are removed with the folder.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics")  # see soda_service.web.metrics
    allow_open_files()
    settings = {
        **gunicorn_settings(config.web),
        "bind": [f"fd://{listener.detach()}"],
        "graceful_timeout": _GRACE_S,
        "worker_tmp_dir": str(folder),
        "control_socket_disable": True,
        "logger_class": _PlainLogger,
        "proc_name": "soda-web",
    }
    try:
        _Gunicorn(settings, lambda: make_app(config)).run()
    except HaltServer as halt:  # raised by gunicorn if several of its workers fail
        raise SystemExit(halt.exit_status) from halt


def gunicorn_settings(web: WebConfig) -> dict[str, int | str]:
    """Return the gunicorn settings that do not depend on how it is started.

    gunicorn uses threads, since a waiting client is a sleeping thread: with 1,000 of them,
    responses to others take no longer, and with 4,000 hardly longer (docs/performance.md). gevent
    would need less memory per waiting client, but every call into SQLite, every fsync and every
    file sent would block all other requests of its process.
    """
    return {
        "worker_class": "gthread",
        "workers": web.workers,
        "threads": web.threads,
        # Idle keep-alive connections that a process may hold in addition to its threads.
        "worker_connections": web.threads + _IDLE_CONNECTIONS,
        "backlog": _BACKLOG,
        "keepalive": 5,
        "timeout": 60,
        "limit_request_line": 8190,  # gunicorn's maximum; long POLYGONs come by GET
        # The application itself handles proxies' headers, as web.proxy_hops says.
        "forwarded_allow_ips": "",
    }


def allow_open_files() -> None:
    """Raise the soft limit of open files as far as allowed: each connection is one.

    It is often 1024, and a gunicorn process that cannot accept a connection because of it ends.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _PlainLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's logger, which uses the service's own log."""

    @override
    def setup(self, cfg: Any) -> None:  # Any: as above
        self.error_log.propagate = True


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn with settings from code: no file, no command line."""

    def __init__(self, settings: dict[str, Any], make_app: Callable[[], "WSGIApplication"]) -> None:
        self._settings = settings
        self._make_app = make_app
        super().__init__()

    @override
    def load_config(self) -> None:
        for name, value in self._settings.items():
            if name in self.cfg.settings:  # control_socket_disable came with gunicorn 25
                self.cfg.set(name, value)

    @override
    def load(self) -> "WSGIApplication":
        return self._make_app()
