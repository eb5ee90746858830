"""The real service, killed at random moments.

For long: `python -m tests.e2e.chaos --kills 500 --seed 1`.


Jobs are run undisturbed first. Then, while clients go on sending the same requests, processes of
every kind are killed by SIGKILL. At the end each job must have made the same, and no cutout that
was finished at the moment of a kill may have been made again.
"""

import itertools
import json
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import redis

from tests.e2e.chaos_jobs import REQUESTS, Account, Client, Ledger, account_of, listed_jobs
from tests.e2e.service_process import Process, Service, descendants, started, wait_for
from tests.synthetic import make_survey

__all__ = ["KINDS", "Report", "run_chaos"]

_CLIENTS = 3
_PAUSE_MAX_S = 0.7
_UNDISTURBED_S = 5.0
"""Time of the undisturbed jobs on an idle machine; on a busy one pauses are as much longer."""

_VICTIM_LIMIT_S = 5.0
_END_LIMIT_S = 240.0

# Of twenty kills.
_KINDS = {
    "work-horse": 5,
    "worker": 4,
    "queue": 3,
    "web worker": 3,
    "sweeper": 2,
    "web": 1,
    "supervisor": 2,
}

KINDS = frozenset(_KINDS)
"""Kinds of processes that are killed."""

_SETTINGS = {
    # An address that no other test's service has, whatever its port.
    "SODA_WEB__HOST": f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}",
    "SODA_CUTOUTS__CHUNK_ROWS": "10",
    "SODA_SWEEP__EVERY_S": "0.3",
    # Work that was taken from the queue and never begun is lost for so long.
    "SODA_JOBS__LEASE_S": "6",
    # A process that is killed at random is no proof that a row kills it, though it seems so here.
    "SODA_JOBS__TRIES": "100",
}

_MARK = "CHAOS_RUN"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has seen."""

    kills: Counter[str]
    """By kind of process."""

    jobs: int
    """Accepted while processes were being killed."""

    remembered: int
    """Cutouts that were finished when something was killed."""

    elapsed_s: float


class _Life:
    """The service on a data directory, started again whenever its supervisor was killed."""

    def __init__(self, data: Path, run: str) -> None:
        self._data = data
        self._environ = os.environ | _SETTINGS | {_MARK: run}
        self._stack = ExitStack()
        self.base = ""
        self.service: Service

    def start(self) -> None:
        options = ["--data", str(self._data), "--port", "0", "--workers", "2"]
        command = ["-m", "soda_service", "serve", *options]
        self.service = self._stack.enter_context(
            started(command, self._data / "log", environ=self._environ)
        )
        self.base = f"http://{self.service.address}"

    def close(self) -> None:
        self._stack.close()

    def kill(self, kind: str) -> bool:
        """Kill a process of a kind; False where there is none in time."""
        if kind == "supervisor":
            self.service.popen.kill()
            self.service.popen.wait()
            self.close()
            self.start()
            return True
        end = time.monotonic() + _VICTIM_LIMIT_S
        while time.monotonic() < end:
            for process in self._processes(kind):
                if process.is_alive:
                    os.kill(process.pid, signal.SIGKILL)
                    return True
            threading.Event().wait(0.01)
        return False

    def _processes(self, kind: str) -> list[Process]:
        return [p for p in descendants(self.service.popen.pid) if self._kind_of(p) == kind]

    def _kind_of(self, process: Process) -> str:
        is_child = process.parent == self.service.popen.pid
        match process.name.rstrip("-0123456789"):
            case "soda-worker":
                return "worker" if is_child else "work-horse"
            case "soda-web":
                return "web" if is_child else "web worker"
            case "soda-sweeper":
                return "sweeper"
            case "valkey-server" | "redis-server":
                return "queue"
            case other:
                return other


def run_chaos(data: Path, *, kills: int, seed: int, tell: Callable[[str], None]) -> Report:
    """Kill processes of a service on an empty data directory while it works; check all at the end.

    Raises
    ------
    AssertionError
        When an accepted job is not completed, a file differs, or anything is left behind.
    """
    begun_s = time.monotonic()
    dice, counts = random.Random(seed), Counter[str]()
    make_survey(data)
    life = _Life(data, f"{os.getpid()}-{seed}")
    life.start()
    with closing(life):
        served_s = time.monotonic()
        expected = _undisturbed(life, data)
        busy = (time.monotonic() - served_s) / _UNDISTURBED_S
        pause_max_s = _PAUSE_MAX_S * min(2.0, max(1.0, busy))
        tell(f"undisturbed: {sum(len(a.digests) for a in expected.values())} files")
        ledger = Ledger(data / "jobs")
        with _clients(life, kills) as client:
            for number, kind in enumerate(_plan(kills, dice), start=1):
                threading.Event().wait(dice.uniform(0, pause_max_s))
                ledger.note()
                assert life.kill(kind), f"no {kind} to kill within {_VICTIM_LIMIT_S} s"
                counts[kind] += 1
                tell(f"{number:4} {kind}, {len(ledger)} cutouts finished so far")
        tell(f"{len(client.accepted)} jobs accepted; waiting for the end of all")
        _check_jobs(life, data, client, expected)
        remade = ledger.made_again()
        assert remade == [], f"{len(remade)} of {len(ledger)} finished cutouts were made again"
        _check_remains(life, data)
        assert life.service.stop() == 0
    wait_for(lambda: not _marked(f"{os.getpid()}-{seed}"), "the end of all processes", 15)
    elapsed_s = time.monotonic() - begun_s
    return Report(counts, len(client.accepted), len(ledger), elapsed_s)


def _undisturbed(life: _Life, data: Path) -> dict[str, Account]:
    client = Client(lambda: life.base)
    end = time.monotonic() + _END_LIMIT_S
    jobs = {name: client.submit(name, end) for name in REQUESTS}
    _wait_for_all(life)
    return {name: account_of(life.base, data / "jobs" / job, job) for name, job in jobs.items()}


@contextmanager
def _clients(life: _Life, kills: int) -> Iterator[Client]:
    """Have clients send jobs until the block ends; each sees its last one completed."""
    client, stop = Client(lambda: life.base), threading.Event()
    names = itertools.cycle(REQUESTS)
    limit_s = _END_LIMIT_S + 10 * kills
    with ThreadPoolExecutor(_CLIENTS) as pool:
        running = [pool.submit(client.run, names, stop, limit_s) for _ in range(_CLIENTS)]
        try:
            yield client
        finally:
            stop.set()
        for one in running:
            one.result()


def _plan(kills: int, dice: random.Random) -> list[str]:
    """Give the kinds of processes to kill, in a random order."""
    shares = [kind for kind, share in _KINDS.items() for _ in range(share)]
    plan = list(itertools.islice(itertools.cycle(shares), kills))
    dice.shuffle(plan)
    return plan


def _wait_for_all(life: _Life) -> None:
    def all_ended() -> bool:
        phases = {phase for _, phase in listed_jobs(life.base).values()}
        return not phases & {"PENDING", "QUEUED", "EXECUTING"}

    wait_for(all_ended, "the end of all jobs", _END_LIMIT_S)


def _check_jobs(life: _Life, data: Path, client: Client, expected: dict[str, Account]) -> None:
    """Check every job that there is: those too whose client was never told of them."""
    _wait_for_all(life)
    jobs = listed_jobs(life.base)
    assert client.accepted.keys() <= jobs.keys(), "an accepted job is lost"
    assert client.strange == []
    for job_id, (name, phase) in jobs.items():
        assert phase == "COMPLETED", f"job {job_id}, {name}: {phase}"
        account = account_of(life.base, data / "jobs" / job_id, job_id)
        wanted = expected[name]
        assert account.digests == wanted.digests, f"job {job_id}, {name}: other files"
        assert account.rows == wanted.rows, f"job {job_id}, {name}: other rows"
        kinds = [len(one.results) for one in (account, wanted)]
        assert kinds[0] == kinds[1], f"job {job_id}, {name}: other results"


def _check_remains(life: _Life, data: Path) -> None:
    """Check that nothing is under way any more: no chunk, no task, no half a file."""
    with closing(sqlite3.connect(data / "soda.db")) as store:
        query = "SELECT job_id, number, state FROM uws_chunks WHERE state <> 'done'"
        assert store.execute(query).fetchall() == []
    for job_id in listed_jobs(life.base):
        assert [*(data / "jobs" / job_id).rglob(".part-*")] == []
    note = json.loads((data / ".serve.lock").read_text(encoding="utf-8"))
    with closing(redis.Redis(unix_socket_path=f"{note['folder']}/queue.sock")) as queue:
        # A task that was sent twice finds nothing to do, when its turn comes.
        # (What a worker had taken and not begun when it was killed, RQ forgets in ten minutes.)
        wait_for(lambda: not queue.exists("rq:queue:soda"), "the end of all tasks")


def _marked(run: str) -> list[Path]:
    """Find the processes that were started, directly or not, by a run."""
    mark = f"{_MARK}={run}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(environ)
        except OSError:  # another's, or gone
            continue
    return found


@click.command()
@click.option("--kills", default=300, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=None, type=int, help="Of order and moments; random by default.")
def main(kills: int, seed: int | None) -> None:
    """Kill the processes of a service at random while it works, and check what became of all."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"--kills {kills} --seed {seed}")
    begun_s = time.monotonic()

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - begun_s:7.1f} s  {line}")

    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        report = run_chaos(Path(folder), kills=kills, seed=seed, tell=tell)
    killed = ", ".join(f"{count} x {kind}" for kind, count in report.kills.most_common())
    click.echo(
        f"killed {killed}; {report.jobs} jobs completed with the same files as undisturbed;"
        f" none of {report.remembered} finished cutouts was made again; {report.elapsed_s:.0f} s"
    )


if __name__ == "__main__":
    main()
