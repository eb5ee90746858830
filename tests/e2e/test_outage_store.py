"""The job store is away in the middle of a job, for longer than anything waits for it.

With CHAOS_OUTAGE_S=40 in the environment it is so with the default settings: SQLite is waited for
15 s, and a lease lasts for 30 s.
"""

import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.e2e.chaos_jobs import REQUESTS, Client, Ledger, account_of
from tests.e2e.service_process import process_of, started, wait_for
from tests.synthetic import make_survey

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")

OUTAGE_S = float(os.environ.get("CHAOS_OUTAGE_S", "6"))
IS_SHORT = OUTAGE_S < 40
LIMIT_S = 120.0
AWAY = {
    "ServiceUnavailable: the job store cannot be reached\n",
    "ServiceUnavailable: the object catalogue does not respond\n",  # in the same database
}
SETTINGS = {
    "SODA_CUTOUTS__CHUNK_ROWS": "10",
    "SODA_SWEEP__EVERY_S": "0.3",
    **({"SODA_JOBS__LEASE_S": "3"} if IS_SHORT else {}),
}


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold SQLite's one lock on writing, as somebody does who forgets an open transaction."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=LIMIT_S)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def stopped(server: "PostgresServer") -> Iterator[None]:
    """Shut a PostgreSQL server down, and start it again in the same way."""
    pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    owner = pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid)
    os.kill(pid, signal.SIGINT)  # its fast shutdown: clients are cut off
    wait_for(lambda: process_of(pid) is None, "end of PostgreSQL")
    yield
    is_root = os.geteuid() == 0
    again = subprocess.Popen(
        command,
        cwd=server.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=owner.pw_uid if is_root else None,
        group=owner.pw_gid if is_root else None,
        extra_groups=() if is_root else None,
    )
    _RESTARTED.append(again)


_RESTARTED: list["subprocess.Popen[bytes]"] = []


@pytest.fixture
def postgres() -> Iterator["PostgresServer"]:
    """Give a PostgreSQL server of this test's own."""
    from tests.postgres import started_postgres

    with started_postgres() as server:
        yield server
        while _RESTARTED:
            again = _RESTARTED.pop()
            again.send_signal(signal.SIGINT)
            again.wait(LIMIT_S)


def run_through_outage(
    data: Path, url: str, *, outage: AbstractContextManager[None], is_readable: bool
) -> None:
    """Run a job through an outage of the store; compare it with one that had none."""
    make_survey(data)
    environ = os.environ | SETTINGS | {"SODA_STORE__URL": url}
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with started([*command, "--workers", "2"], data / "log", environ=environ) as service:
        base = f"http://{service.address}"
        client = Client(lambda: base)
        end = time.monotonic() + LIMIT_S + OUTAGE_S

        def phase(job: str) -> str:
            return requests.get(f"{base}/async/{job}/phase", timeout=60).text

        undisturbed = client.submit("many", end)
        wait_for(lambda: phase(undisturbed) == "COMPLETED", "the undisturbed job", LIMIT_S)
        job = client.submit("many", end)
        ledger = Ledger(data / "jobs")
        lines = data / "jobs" / job / ".work" / "lines"
        wait_for(lambda: [*lines.glob("0*/*")], "the first rows", LIMIT_S)
        with outage:
            over_s = time.monotonic() + OUTAGE_S
            ledger.note()
            check_answers(base, job, is_readable=is_readable)
            wait_for(lambda: time.monotonic() > over_s, "the end of the outage", LIMIT_S)
            ledger.note()
        wait_for(lambda: phase_or_none(base, job) == "COMPLETED", "the end of the job", LIMIT_S)
        expected, actual = (
            account_of(base, data / "jobs" / one, one) for one in (undisturbed, job)
        )
        assert (actual.rows, actual.digests) == (expected.rows, expected.digests)
        assert ledger.made_again() == []
        cutouts = [path for path in expected.digests if not path.startswith("thumbnails/")]
        assert len(ledger) > len(cutouts), "nothing of the job was finished before"
        assert client.strange == []
        assert service.stop() == 0
    assert "Traceback" not in (data / "log").read_text(encoding="utf-8")


def phase_or_none(base: str, job: str) -> str | None:
    """Ask for the phase of a job while the store may not answer yet."""
    answer = requests.get(f"{base}/async/{job}/phase", timeout=60)
    assert answer.status_code in {200, 503}, answer.text
    return answer.text if answer.status_code == 200 else None


def check_answers(base: str, job: str, *, is_readable: bool) -> None:
    """Ask for what needs the store: what cannot be had is told so, and when to come again."""
    fields = {"PHASE": "RUN", **REQUESTS["one"]}
    posted = requests.post(f"{base}/async", data=fields, allow_redirects=False, timeout=60)
    read = requests.get(f"{base}/async/{job}", timeout=60)
    listed = requests.get(f"{base}/async", timeout=60)
    if is_readable:
        assert (read.status_code, listed.status_code) == (200, 200)
    for answer in [posted] if is_readable else [posted, read, listed]:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text in AWAY


@pytest.mark.xdist_group("outage")
def test_sqlite_locked_by_another(tmp_path: Path) -> None:
    file = tmp_path / "soda.db"
    url = f"sqlite:///{file}?timeout=1" if IS_SHORT else f"sqlite:///{file}"
    run_through_outage(tmp_path, url, outage=locked(file), is_readable=True)


@pytest.mark.xdist_group("postgres")
def test_postgresql_stopped_and_started_again(tmp_path: Path, postgres: "PostgresServer") -> None:
    run_through_outage(tmp_path, postgres.url, outage=stopped(postgres), is_readable=False)
