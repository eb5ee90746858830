"""Databases for the contracts of the job store: SQLite, and PostgreSQL where it is installed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Give the address of an empty SQLite database."""
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Give the address of an empty PostgreSQL database."""
    engine = sa.create_engine(_postgres_url(postgres_server), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return _postgres_url(postgres_server).replace("+psycopg", "")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the address of a fresh PostgreSQL server, where one is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    # The server refuses to run as root; Debian's package makes a user for it.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        shutil.chown(folder, user)
        data = f"{folder}/data"
        subprocess.run(
            [initdb, "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync"],
            check=True,
            user=user,
            capture_output=True,
            cwd=folder,
        )
        server = subprocess.Popen(
            [
                *(str(Path(initdb).with_name("postgres")), "-D", data, "-k", folder),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            user=user,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for_postgres(folder)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut off
            server.wait(30)


def _wait_for_postgres(folder: str) -> None:
    engine = sa.create_engine(_postgres_url(folder), poolclass=sa.NullPool)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError:
            if datetime.now(UTC) > deadline:
                raise
            threading.Event().wait(0.05)


def _postgres_url(folder: str) -> str:
    return f"postgresql+psycopg://postgres@/postgres?host={folder}"


@pytest.fixture(scope="session")
def dead_holder() -> str:
    """Give the holder of a process that has ended."""
    command = "from uws.holder import this_holder; print(this_holder(), end='')"
    return subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    ).stdout
