"""A real service on the synthetic survey, a client of it, and what its processes take."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.e2e.service_process import Process, Service, descendants, started
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

__all__ = [
    "POSITION",
    "Answer",
    "Client",
    "Running",
    "cpu_s",
    "private_mb",
    "running",
    "running_on",
]

POSITION = {"RA": str(RA_DEG), "DEC": str(DEC_DEG), "XSIZE": "0.3", "YSIZE": "0.3"}
"""A cutout of 68 x 68 pixels, one band, science, mask and weight."""

_LIMIT_S = 120.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered."""

    status: int
    path: str
    """Of the address in Location."""

    body: bytes

    @property
    def phase(self) -> str:
        """Of a job's document in XML."""
        return self.body.partition(b"<uws:phase>")[2].partition(b"<")[0].decode()


class Client:
    """A client that keeps its connection."""

    def __init__(self, address: str) -> None:
        self._connection = HTTPConnection(address, timeout=_LIMIT_S)

    def call(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> Answer:
        """Send a request; anything but success is a fault of the bench."""
        body = None if fields is None else urlencode(fields).encode()
        headers = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send(method, path, body, headers)

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        self._connection.request(method, path, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status in {200, 303}, (method, path, answer.status, content)
        return Answer(answer.status, urlsplit(answer.getheader("Location", "")).path, content)

    def close(self) -> None:
        self._connection.close()

    def create(self, fields: Mapping[str, str]) -> str:
        """Create a job; give its path."""
        return self.call("POST", "/async", fields).path

    def finish(self, job: str) -> bytes:
        """Wait for a job's end; give its document."""
        phase = "QUEUED"
        while phase in {"QUEUED", "EXECUTING"}:
            answer = self.call("GET", f"{job}?WAIT=25&PHASE={phase}")
            phase = answer.phase
        assert phase == "COMPLETED", answer.body
        return answer.body


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs."""

    service: Service
    data: Path

    @property
    def address(self) -> str:
        return self.service.address

    @contextmanager
    def client(self) -> Iterator[Client]:
        with closing(Client(self.address)) as client:
            yield client

    def web(self) -> list[Process]:
        """Give gunicorn's processes that answer requests."""
        found = self.service.named("soda-web")
        parents = {process.parent for process in found}
        return [process for process in found if process.pid not in parents]

    def all(self) -> list[Process]:
        """Give all processes of the service but the supervisor."""
        return descendants(self.service.popen.pid)


@contextmanager
def running(settings: str = "", *, workers: int = 2) -> Iterator[Running]:
    """Start a service with empty stores; `settings` is TOML."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        make_survey(folder / "data")
        (folder / "bench.toml").write_text(settings, encoding="utf-8")
        command = ["-m", "soda_service", "serve", "--config", str(folder / "bench.toml")]
        options = ["--data", str(folder / "data"), "--port", "0", "--workers", str(workers)]
        with started([*command, *options], folder / "log") as service:
            yield Running(service, folder / "data")


@contextmanager
def running_on(
    releases: Path, *, workers: int = 2, with_indexes: bool = False
) -> Iterator[Running]:
    """Start a service with empty stores on the releases of a folder."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        data = Path(name) / "data"
        shutil.copytree(releases, data / "releases")
        if with_indexes:
            index = [sys.executable, "-m", "soda_service", "index-tiles", "--data", str(data)]
            subprocess.run(index, check=True)
        options = ["--data", str(data), "--port", "0", "--workers", str(workers)]
        command = ["-m", "soda_service", "serve", *options]
        with started(command, Path(name) / "log") as service:
            yield Running(service, data)


def cpu_s(processes: Sequence[Process]) -> float:
    """Give the CPU time that processes, and those of their children that ended, have taken."""
    total = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
            total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total / _TICKS_PER_S


def private_mb(processes: Sequence[Process]) -> float:
    """Give the memory that processes share with no other, MB."""
    total = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")
            lines = (line.split() for line in text.splitlines())
            total += sum(int(line[1]) for line in lines if line[0].startswith("Private_"))
    return total * 1024 / 1e6
