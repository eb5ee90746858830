"""RQ and a real queue server: what is sent, worked, refused and stopped."""

import json
import os
import signal
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from tests.contract.rq_bench import Bench, Server, started_server, texts, wait_until
from tests.toyjob import queue_toy, toy_runtime
from uws.errors import TransientError
from uws.lease_owner import is_dead
from uws.models import Phase, Progress
from uws.runtime import Runtime
from uws.work.execution import RQExecutor
from uws.work.rqworker import run_worker
from uws.work.termination import abort_job, destroy_job

pytestmark = pytest.mark.xdist_group("rq")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started_server() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Iterator[Bench]:
    bench = Bench(tmp_path, server.url)
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
    # The finish goes first: its job has nothing else to wait for.
    assert bench.queued() == ["a-finish", "a-plan", "a-chunk-0007", "a-chunk-12345"]
    assert bench.executor.status() == {"workers": 0, "waiting": 4, "running": 0}


def test_an_id_without_its_task_does_not_keep_it_from_being_sent(bench: Bench) -> None:
    bench.executor.send_chunks("a", range(2))
    bench.redis.delete("rq:job:a-chunk-0001")
    bench.executor.send_chunks("a", range(2))
    assert bench.queued() == ["a-chunk-0000", "a-chunk-0001"]
    assert bench.redis.hget("rq:job:a-chunk-0001", "status") == b"queued"


def test_tasks_are_json(bench: Bench) -> None:
    bench.executor.send_chunks("job", [7])
    task: dict[Any, Any] = bench.redis.hgetall("rq:job:job-chunk-0007")  # Any: as above
    call: list[object] = ["uws.work.execution.task_chunk", None, ["job", 7], {}]
    assert json.loads(zlib.decompress(task[b"data"])) == call
    assert task[b"result_ttl"] == b"0"
    assert task[b"timeout"] == b"-1", "the sweep ends what is overdue, not an exception of RQ's"


def test_cancel_leaves_other_jobs_alone(bench: Bench) -> None:
    for name in ("job", "job2"):
        bench.executor.send_plan(name)
        bench.executor.send_chunks(name, range(3))
        bench.executor.send_finish(name)
    bench.executor.cancel("job")
    left = ["job2-finish", "job2-plan", *(f"job2-chunk-000{number}" for number in range(3))]
    assert bench.queued() == left
    assert sorted(texts(bench.redis.keys("rq:job:*"))) == sorted(f"rq:job:{task}" for task in left)


def test_cancel_while_a_worker_forgets_the_same_task(bench: Bench) -> None:
    """Of what was stopped the hash may go first, wherever its name still stands."""
    now = time.time()
    bench.redis.zadd("rq:failed:jobs", {"job-plan": now + 60})
    bench.redis.zadd("rq:wip:jobs", {"job-chunk-0000:1": now + 60})
    bench.executor.cancel("job")
    assert bench.redis.zrange("rq:failed:jobs", 0, -1) == []


@pytest.mark.parametrize("place", ["started", "failed"])
def test_cancel_where_the_record_of_an_execution_is_gone(bench: Bench, place: str) -> None:
    """RQ lets it expire; its worker also removes it, while the executor reads it."""
    bench.executor.send_plan("job")
    bench.redis.delete("rq:queue:jobs")
    end = time.time() + 60
    bench.redis.zadd("rq:executions:job-plan", {"1": end})
    if place == "started":
        bench.redis.hset("rq:job:job-plan", "worker_name", "dead")
        bench.redis.zadd("rq:wip:jobs", {"job-plan:1": end, "other-plan:2": end})
    else:
        bench.redis.zadd("rq:failed:jobs", {"job-plan": end})
    bench.executor.cancel("job")
    assert [key for key in bench.redis.keys("rq:*") if b"job-plan" in key] == []
    assert bench.redis.zrange("rq:failed:jobs", 0, -1) == []
    left = [b"other-plan:2"] if place == "started" else []
    assert bench.redis.zrange("rq:wip:jobs", 0, -1) == left


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
    wait_until(lambda: bench.executor.status()["workers"] == 2)
    bench.queue(WORD="sky", TIMES="12", CHUNKS="12")
    wait_until(bench.phase_is(Phase.COMPLETED))
    assert bench.store.get("job").progress == Progress(12, 12, 0, 74)


def test_chunk_that_fails_is_given_up(bench: Bench) -> None:
    bench.queue(WORD="sky", TIMES="2", CHUNKS="2", FAIL="chunk")
    bench.work_off()
    assert bench.store.get("job").progress.failed == 1
    assert bench.store.phase("job") is Phase.COMPLETED


def test_worker_stops_after_its_task(bench: Bench) -> None:
    worker = bench.start_worker()
    bench.queue(WORD="sky", TIMES="1", SLEEP="0.3")
    wait_until(bench.phase_is(Phase.EXECUTING))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert bench.store.phase("job") is Phase.COMPLETED


@pytest.mark.parametrize(
    "function", ["os.mkdir", "uws.work.execution.set_runtime"], ids=["anything", "another of ours"]
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
    queue.enqueue_call(
        "uws.work.execution.task_plan", args=["job"], job_id="job-plan", result_ttl=0
    )
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


# Ending


@pytest.mark.parametrize("end", [abort_job, destroy_job])
def test_ended_job_is_stopped_at_once(bench: Bench, end: Callable[[Runtime, str], bool]) -> None:
    bench.start_worker()
    bench.queue(WORD="sky", TIMES="4", CHUNKS="4", SLEEP="60")
    wait_until(bench.chunk_holder)
    holder = str(bench.chunk_holder())
    assert end(bench.runtime, "job")
    wait_until(lambda: is_dead(holder), seconds=15)
    assert bench.queued() == []
    if end is abort_job:
        assert bench.store.phase("job") is Phase.ABORTED
    else:
        assert list(bench.runtime.files.keys("job")) == []
    bench.queue("next", WORD="sky")
    wait_until(bench.phase_is(Phase.COMPLETED, job_id="next"))
