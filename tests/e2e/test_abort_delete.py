"""Aborted jobs stop at once and keep what is finished; deleted ones leave nothing anywhere."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests.cutout_client import document_of, submit
from tests.e2e.service_process import Process, Service, descendants, started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

pytestmark = [
    pytest.mark.xdist_group("abort"),
    pytest.mark.skipif(sys.platform != "linux", reason="serve runs on Linux only"),
]

SCRIPT = str(Path(__file__).with_name("stuck_service.py"))
STUCK_RA_DEG = RA_DEG + 0.001255
"""At half a step of `table`, so that no other row lies there."""

STOPPED_S = 5.0
"""Within 2 s work has stopped; a busy machine is given some more. It is less than a third of a
lease, when it would end in any case."""

LEASE_S = 3
"""The least; twice as long after a deletion all is removed once more."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service, and all places where it keeps something."""

    service: Service
    data: Path

    @property
    def base(self) -> str:
        return f"http://{self.service.address}"

    @property
    def workers(self) -> list[Process]:
        named = [p for p in descendants(self.service.popen.pid) if "work" in p.name]
        pids = {process.pid for process in named}
        # A task that was forked just now still has its worker's name.
        return [process for process in named if process.parent not in pids]

    def horses(self) -> list[Process]:
        """Give the processes that do tasks: children of the workers."""
        workers = {process.pid for process in self.workers}
        return [p for p in descendants(self.service.popen.pid) if p.parent in workers]

    def queue(self) -> Process:
        return next(p for p in descendants(self.service.popen.pid) if "valkey" in p.name)

    def files(self, job_id: str) -> set[str]:
        """Give all that lies below the jobs' folder and belongs to a job."""
        root = self.data / "jobs"
        # Not by pathlib, which fails where a folder vanishes meanwhile.
        return {
            os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118 - as said
            for place in (root, root / ".gone")  # where it lies, or waits to be removed
            for top in place.glob(f"{job_id}*")
            for folder, folders, names in os.walk(top)
            for name in (".", *folders, *names)
        }

    def rows(self, job_id: str) -> list[str]:
        """Name the tables in which a job is mentioned."""
        with closing(sqlite3.connect(self.data / "soda.db")) as database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [name for (name,) in found]
            return [
                table
                for table in tables
                if any(job_id in row for row in database.execute(f'SELECT * FROM "{table}"'))
            ]

    def keys(self, job_id: str) -> list[str]:
        """Name the keys of the queue server in which a job is mentioned."""
        command = Path(f"/proc/{self.queue().pid}/cmdline").read_bytes().split(b"\0")
        socket = command[0].decode().partition("unixsocket:")[2] or next(
            word.decode() for word in command if word.endswith(b".sock") or b"/soda-" in word
        )
        with closing(redis.Redis(unix_socket_path=socket)) as server:
            content = {key: _content(server, key) for key in server.scan_iter()}
        name = job_id.encode()
        return [str(key) for key, value in content.items() if name in key or name in value]

    def traces(self, job_id: str) -> list[object]:
        """Give all that is left of a job."""
        return [*self.files(job_id), *self.rows(job_id), *self.keys(job_id)]


def _content(server: Any, key: bytes) -> bytes:
    # Any: redis types its answers for two kinds of clients at once
    kind = server.type(key)
    match kind:
        case b"string" | b"none":  # none: gone meanwhile
            return server.get(key) or b""
        case b"list":
            return b" ".join(server.lrange(key, 0, -1))
        case b"set":
            return b" ".join(server.smembers(key))
        case b"zset":
            return b" ".join(server.zrange(key, 0, -1))
        case b"hash":
            return b" ".join(part for item in server.hgetall(key).items() for part in item)
        case b"stream":
            return b" ".join(b" ".join(fields.values()) for _, fields in server.xrange(key))
        case other:
            raise AssertionError(f"{key!r} is a {other!r}")


def table(rows: int, *, is_stuck: bool = False) -> str:
    lines = [f"{RA_DEG + n * 1e-5!r},{DEC_DEG}\n" for n in range(rows)]
    if is_stuck:
        lines[0] = f"{STUCK_RA_DEG!r},{DEC_DEG}\n"
    return "RA,DEC\n" + "".join(lines)


LONG = {"POSITIONS": table(12_000), "COLORS_FITS": "grizY"}
"""Half a minute of work, seconds for each task of `CHUNK_ROWS`."""

CHUNK_ROWS = 1000


def start(running: Running, **parameters: str) -> str:
    answer = submit(running.base, **parameters)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def id_of(url: str) -> str:
    return url.rpartition("/")[2]


def phase_of(url: str) -> str:
    return requests.get(f"{url}/phase", timeout=60).text


def cutouts(running: Running, url: str) -> set[str]:
    return {path for path in running.files(id_of(url)) if path.endswith(".fits")}


def post(url: str, **fields: str) -> requests.Response:
    return requests.post(url, data=fields, allow_redirects=False, timeout=60)


def run(command: list[str], data: Path, **settings: str) -> Iterator[Running]:
    make_survey(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SODA_SWEEP__EVERY_S", "0.2")
        patch.setenv("SODA_CUTOUTS__CHUNK_ROWS", str(CHUNK_ROWS))
        for name, value in settings.items():
            patch.setenv(name, value)
        options = ["serve", "--data", str(data), "--port", "0", "--workers", "2"]
        with started([*command, *options], data / "log") as service:
            yield Running(service, data)
            assert service.stop() == 0


# Abort


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a service with long leases, which do not end anything here."""
    data = tmp_path_factory.mktemp("abort")
    yield from run([SCRIPT, repr(STUCK_RA_DEG)], data)


def work_has_stopped(running: Running, old: list[Process]) -> Callable[[], bool]:
    return lambda: not any(process.is_alive for process in old) and not running.horses()


def test_abort_stops_the_tasks_and_keeps_what_is_finished(running: Running) -> None:
    url = start(running, **LONG)
    # Files of the rows that both tasks are at, five each, may not be in the list.
    wait_for(lambda: len(cutouts(running, url)) > 40, "first cutouts")
    horses = wait_for(running.horses, "tasks")
    begun = time.monotonic()
    answer = post(f"{url}/phase", PHASE="ABORT")
    assert (answer.status_code, phase_of(url)) == (303, "ABORTED")
    wait_for(work_has_stopped(running, horses), "end of the tasks", STOPPED_S)
    assert time.monotonic() - begun < STOPPED_S
    left = cutouts(running, url)
    document = document_of(url)
    names = {e.get("id") for e in document.iterfind(".//{*}result")}
    assert "archive" in names
    found = [name for name in names if name.endswith(".fits")]
    assert len(found) >= 20
    for name in found[:20]:
        file = requests.get(f"{url}/results/{name}", timeout=60)
        assert (file.status_code, file.content[:9]) == (200, b"SIMPLE  =")
    time.sleep(1.0)  # nobody works on
    assert cutouts(running, url) == left
    wait_for(lambda: running.keys(id_of(url)) == [], "an empty queue")


def test_abort_stops_a_task_in_compiled_code(running: Running) -> None:
    """It holds the interpreter's lock: not even the thread of the lease runs."""
    url = start(running, POSITIONS=table(3, is_stuck=True), COLORS_FITS="g")
    wait_for(lambda: phase_of(url) == "EXECUTING", "start")
    horses = wait_for(lambda: list(filter(_is_stuck, running.horses())), "the stuck row", 60)
    assert post(f"{url}/phase", PHASE="ABORT").status_code == 303
    wait_for(work_has_stopped(running, horses), "end of the task", STOPPED_S)
    assert phase_of(url) == "ABORTED"
    wait_for(lambda: running.keys(id_of(url)) == [], "an empty queue")


def _is_stuck(process: Process) -> bool:
    """Tell whether a process has worked for a second on the processor."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(fields[11]) >= os.sysconf("SC_CLK_TCK")


def test_abort_stops_the_work_while_the_queue_is_frozen(running: Running) -> None:
    url = start(running, **LONG)
    wait_for(lambda: len(cutouts(running, url)) > 5, "first cutouts")
    queue = running.queue()
    os.kill(queue.pid, signal.SIGSTOP)
    try:
        aborted = post(f"{url}/phase", PHASE="ABORT")
        begun = time.monotonic()
        assert aborted.status_code == 303
        counts = [len(cutouts(running, url))]
        while len(counts) < 5 or counts[-5] != counts[-1]:  # a second without a new one
            time.sleep(0.25)
            counts.append(len(cutouts(running, url)))
            assert time.monotonic() - begun < STOPPED_S + 1.0, counts
    finally:
        os.kill(queue.pid, signal.SIGCONT)
    assert phase_of(url) == "ABORTED"
    wait_for(lambda: not running.horses(), "end of the tasks")
    after = start(running, RA=str(RA_DEG), DEC=str(DEC_DEG), COLORS_FITS="g")
    wait_for(lambda: phase_of(after) == "COMPLETED", "a job afterwards", 90)
    wait_for(lambda: running.keys(id_of(url)) == [], "an empty queue")


# Delete


@pytest.fixture(scope="module")
def fleeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a service with short leases: two of them after a deletion it is looked at once more."""
    data = tmp_path_factory.mktemp("delete")
    command = ["-m", "soda_service"]
    yield from run(command, data, SODA_JOBS__LEASE_S=str(LEASE_S))


def bring_to(running: Running, phase: str) -> str:
    """Make a job that has files in each phase, and bring it to one."""
    if phase in {"EXECUTING", "ABORTED"}:
        url = start(running, **LONG)
        wait_for(lambda: len(cutouts(running, url)) > 5, "first cutouts")
        if phase == "ABORTED":
            post(f"{url}/phase", PHASE="ABORT")
        return url
    answer = requests.post(
        f"{running.base}/async",
        data={"COLORS_FITS": "g", **({} if phase == "PENDING" else {"PHASE": "RUN"})},
        files={"POSITIONS": ("positions.csv", table(30).encode())},
        allow_redirects=False,
        timeout=60,
    )
    url = str(answer.headers["Location"])
    if phase == "COMPLETED":
        wait_for(lambda: phase_of(url) == "COMPLETED", "end of the job", 90)
    return url


@contextmanager
def nobody_works(running: Running) -> Iterator[None]:
    """Stop the workers for a while; tasks that run go on."""
    workers = running.workers
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            os.kill(worker.pid, signal.SIGCONT)


def delete(url: str) -> None:
    assert requests.delete(url, allow_redirects=False, timeout=60).status_code == 303


def destroy(url: str) -> None:
    """Leave it to the sweep."""
    soon = datetime.now(UTC) + timedelta(seconds=3)
    answer = post(f"{url}/destruction", DESTRUCTION=f"{soon:%Y-%m-%dT%H:%M:%SZ}")
    assert answer.status_code == 303, answer.text


def assert_has_traces(running: Running, url: str) -> None:
    """Make sure that this test can see what a job has."""
    job_id, phase = id_of(url), phase_of(url)
    assert running.files(job_id), phase
    assert running.rows(job_id), phase
    if phase in {"QUEUED", "EXECUTING"}:
        assert running.keys(job_id), phase


@pytest.mark.parametrize("end", [delete, destroy])
def test_nothing_is_left_of_a_job(fleeting: Running, end: Callable[[str], None]) -> None:
    phases = ["PENDING", "COMPLETED", "ABORTED", "EXECUTING"]
    urls = {phase: bring_to(fleeting, phase) for phase in phases}
    with nobody_works(fleeting):
        urls["QUEUED"] = bring_to(fleeting, "QUEUED")
        assert {phase: phase_of(url) for phase, url in urls.items()} == {p: p for p in urls}
        for url in urls.values():
            assert_has_traces(fleeting, url)
        end(urls["QUEUED"])
        wait_for(lambda: is_gone(urls["QUEUED"]), "the end of QUEUED")
    for phase in phases:
        end(urls[phase])

    def traces() -> dict[str, object]:
        return {phase: left for phase, url in urls.items() if (left := fleeting.traces(id_of(url)))}

    wait_for(lambda: all(map(is_gone, urls.values())), "the end of all")
    wait_for(lambda: not traces(), "no trace", 150)
    assert not fleeting.horses()
    time.sleep(1.0)
    assert traces() == {}, "and nothing comes back"


def is_gone(url: str) -> bool:
    return requests.get(url, timeout=60).status_code == 404


def test_a_killed_worker_leaves_nothing_either(fleeting: Running) -> None:
    """Its work-horse dies in the midst of writing, and RQ is told nothing."""
    url = bring_to(fleeting, "EXECUTING")
    for process in [*fleeting.workers, *fleeting.horses()]:
        os.kill(process.pid, signal.SIGKILL)
    delete(url)
    wait_for(lambda: not fleeting.traces(id_of(url)), "no trace", 150)
    after = start(fleeting, RA=str(RA_DEG), DEC=str(DEC_DEG), COLORS_FITS="g")
    wait_for(lambda: phase_of(after) == "COMPLETED", "a job afterwards", 120)
