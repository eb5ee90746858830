"""RQ and a real queue server: workers killed, the queue emptied, started again, away."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job

from tests.contract.rq_bench import LIMITS, Bench, Server, started_server, wait_until
from uws.errors import TransientError
from uws.lease_owner import is_dead
from uws.models import Phase, Progress
from uws.work.execution import RQExecutor
from uws.work.rqworker import _ForkingWorker
from uws.work.sweep import run_sweeper, sweep

pytestmark = pytest.mark.xdist_group("rq")

NO_EXECUTION = Execution("none", "a", redis.Redis())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started_server() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Iterator[Bench]:
    bench = Bench(tmp_path, server.url)
    yield bench
    bench.close()


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
    assert bench.store.work.reports("job")[0].detail == {"reason": reason}


def test_killed_worker_and_horse(bench: Bench) -> None:
    worker = bench.start_worker()
    bench.queue(WORD="sky", TIMES="1", SLEEP="60")
    wait_until(bench.chunk_holder)
    holder = str(bench.chunk_holder())
    worker.kill()
    os.kill(int(holder.split("/")[3]), signal.SIGKILL)
    wait_until(lambda: is_dead(holder))
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
    assert {job.id: job.phase for job in bench.store.find.list("")} == {
        "a": Phase.COMPLETED,
        "b": Phase.COMPLETED,
    }


def test_epoch_is_another_once_the_data_are_gone(bench: Bench, server: Server) -> None:
    first = bench.executor.epoch()
    assert bench.executor.epoch() == RQExecutor(bench.url, "jobs").epoch() == first
    bench.redis.flushall()
    second = bench.executor.epoch()
    assert second != first
    assert bench.executor.epoch() == second
    server.kill()
    with pytest.raises(TransientError, match="the work queue cannot be reached"):
        bench.executor.epoch()
    server.start()
    assert bench.executor.epoch() not in {first, second}


def lose_by_flush(bench: Bench, server: Server) -> None:
    del server
    bench.redis.flushall()


def lose_by_restart(bench: Bench, server: Server) -> None:
    del bench
    server.kill()
    server.start()


LOSSES = pytest.mark.parametrize("lose", [lose_by_flush, lose_by_restart])
Loss = Callable[[Bench, Server], None]


@LOSSES
def test_idle_worker_outlives_what_the_queue_knows(
    bench: Bench, server: Server, lose: Loss
) -> None:
    worker = bench.start_worker()
    wait_until(lambda: bench.executor.status()["workers"] == 1)
    lose(bench, server)
    assert bench.executor.status()["workers"] == 0
    bench.queue(WORD="sky")
    wait_until(bench.phase_is(Phase.COMPLETED))
    # Registered again, although it was started only once.
    wait_until(lambda: bench.executor.status() == {"workers": 1, "waiting": 0, "running": 0})
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(30) == 0
    assert bench.executor.status()["workers"] == 0


@LOSSES
def test_job_goes_on_soon_after_the_queue_lost_its_tasks(
    bench: Bench, server: Server, lose: Loss
) -> None:
    """Not after a lease, which is 30 s here."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(run_sweeper, bench.runtime, every_s=0.2, stop=stop)
        try:
            worker = bench.start_worker()
            bench.queue(WORD="sky", TIMES="6", CHUNKS="6", SLEEP="0.5")
            wait_until(bench.chunk_holder)
            lose(bench, server)
            lost_at = time.monotonic()
            wait_until(bench.phase_is(Phase.COMPLETED))
            elapsed_s = time.monotonic() - lost_at
        finally:
            stop.set()
        sweeping.result()
    assert bench.store.get("job").progress == Progress(6, 6, 0, 36)
    assert elapsed_s < LIMITS.lease_s - 5
    assert worker.poll() is None, "it was not started again"


def test_task_that_ends_after_a_flush_leaves_nothing(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = bench.start_worker()
    bench.queue(WORD="sky", TIMES="1", SLEEP="0.5")
    wait_until(bench.chunk_holder)
    bench.redis.flushall()
    wait_until(bench.phase_is(Phase.COMPLETED))
    worker.terminate()
    assert worker.wait(30) == 0
    assert bench.redis.keys("rq:job:*") == []
    assert "Traceback" not in capfd.readouterr().err


def test_worker_outlives_a_task_that_was_cancelled_as_it_failed(server: Server) -> None:
    connection = redis.Redis.from_url(server.url)
    queue = Queue("jobs", connection=connection)
    worker = _ForkingWorker([queue], connection=connection)
    task = Job.create("os.mkdir", id="a", connection=connection)
    forget = task.delete

    def forget_late(**options: bool) -> None:
        connection.delete(task.key)
        forget(**options)

    task.delete = forget_late  # type: ignore[method-assign,assignment] # cancelled just before
    worker.handle_job_failure(task, queue)
    assert connection.keys("rq:job:*") == []
    connection.close()


def test_task_that_runs_outlives_its_queue(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What RQ does each half minute of a task would end the worker, and the task with it."""
    connection = redis.Redis.from_url(server.url)
    worker = _ForkingWorker([Queue("jobs", connection=connection)], connection=connection)

    def fail(*_: object) -> None:
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(Worker, "maintain_heartbeats", fail)
    worker.maintain_heartbeats(Job.create("os.mkdir", id="a", connection=connection), NO_EXECUTION)
    assert caplog.messages == ["the work queue is unavailable, a continues: refused"]
    connection.close()
