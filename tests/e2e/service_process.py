"""A supervised service as a process of the test's: started, watched through /proc, stopped."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")

LIMIT_S = 30.0
"""Longest wait for anything; far beyond what it takes on an idle machine."""


def wait_for(condition: Callable[[], Value], what: str, limit_s: float = LIMIT_S) -> Value:
    """Poll until the condition is true; give its value."""
    end = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {limit_s} s"
        time.sleep(0.02)
    return value


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from a later one of the same id by its start time."""

    pid: int
    started: str
    parent: int
    name: str

    @property
    def is_alive(self) -> bool:
        found = process_of(self.pid)
        return found is not None and found.started == self.started


def process_of(pid: int) -> Process | None:
    """Read /proc; None for a process that is gone, or dead and waiting to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, rest = text.partition("(")[2].rpartition(")")[::2]
    fields = rest.split()
    return None if fields[0] in "ZX" else Process(pid, fields[19], int(fields[1]), name)


def descendants(pid: int) -> list[Process]:
    """All living processes below `pid`."""
    found = [process_of(int(path.name)) for path in Path("/proc").glob("[0-9]*")]
    living = [process for process in found if process]
    wanted, below = {pid}, []
    while more := [p for p in living if p.parent in wanted and p not in below]:
        below += more
        wanted |= {process.pid for process in more}
    return below


@dataclass(slots=True)
class Service:
    """A running service."""

    popen: subprocess.Popen[str]
    log: Path
    lines: list[str] = field(default_factory=list)
    """What it wrote to standard output so far."""

    @property
    def address(self) -> str:
        return self.lines[0].removeprefix("ready http://").rstrip("\n")

    def wait_ready(self) -> None:
        assert self.popen.stdout
        self.lines.append(self.popen.stdout.readline())
        assert self.lines[0].startswith("ready http://"), self.log.read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection(self.address, timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def named(self, name: str) -> list[Process]:
        return [p for p in descendants(self.popen.pid) if p.name == name]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; give its exit status."""
        self.popen.send_signal(number)
        assert self.popen.stdout
        self.lines += self.popen.stdout.readlines()
        return self.popen.wait(LIMIT_S)


@contextmanager
def started(
    command: Sequence[str], log: Path, *, environ: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Start a service and wait until it is ready; stop it at the end if it still runs."""
    with log.open("a", encoding="utf-8") as stderr:
        popen = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environ,
        )
    service = Service(popen, log)
    try:
        service.wait_ready()
        yield service
    finally:
        # Gently, so that it can clean up; by force if a test left it in no state to do so.
        popen.terminate()
        try:
            popen.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        assert popen.stdout
        popen.stdout.close()
