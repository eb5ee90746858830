"""RQ, a real queue server and work that never ends: stopped, ended in time, bounded.

Work that hangs may hold the interpreter's lock (`hang`): then not even the thread of its lease
runs. Where it does not (`idle`), its lease is kept.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.rq_bench import Bench, Server, started_server, wait_until
from uws.lease_owner import is_dead, kill
from uws.models import Phase
from uws.runtime import Runtime
from uws.work.sweep import SweepReport, run_sweeper, sweep
from uws.work.termination import abort_job, destroy_job

pytestmark = pytest.mark.xdist_group("rq")

LEASE_S = 3
STOPPED_S = 5.0
"""A busy machine is given some more than the 2 s that are promised."""

End = Callable[[Runtime, str], bool]
ENDS = pytest.mark.parametrize("end", [abort_job, destroy_job])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started_server() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Iterator[Bench]:
    """Give a bench with short leases; no work that hangs outlives the test."""
    bench = Bench(tmp_path, server.url, lease_s=LEASE_S)
    yield bench
    for horse in horses(bench):
        os.kill(horse, signal.SIGKILL)
    bench.close()


@contextmanager
def swept(bench: Bench) -> Iterator[None]:
    """Sweep again and again."""
    stop = threading.Event()
    options = {"every_s": 0.2, "stop": stop}
    sweeper = threading.Thread(target=run_sweeper, args=(bench.runtime,), kwargs=options)
    sweeper.start()
    try:
        yield
    finally:
        stop.set()
        sweeper.join()


def horses(bench: Bench) -> list[int]:
    """Give the processes that do tasks: children of the workers."""
    return [
        int(child)
        for worker in bench.workers
        if worker.poll() is None
        for children in Path(f"/proc/{worker.pid}/task").glob("*/children")
        for child in children.read_text().split()
    ]


def start_hanging(bench: Bench, failure: str, *, workers: int = 1) -> str:
    """Have a job hang in a worker; returns the holder."""
    for _ in range(workers):
        bench.start_worker()
    bench.queue(WORD="sky", TIMES="4", CHUNKS="2", FAIL=failure)
    name, _, step = failure.partition("-")
    assert name in {"hang", "idle"}
    found = bench.chunk_holder if not step else lambda: bench.step_holder(step)
    wait_until(found)
    return str(found())


def assert_others_work(bench: Bench) -> None:
    bench.queue("next", WORD="sky")
    wait_until(bench.phase_is(Phase.COMPLETED, job_id="next"))


# Abort and deletion


@ENDS
@pytest.mark.parametrize("failure", ["hang", "idle", "hang-plan", "idle-plan"])
def test_hanging_task_is_stopped_at_once(bench: Bench, end: End, failure: str) -> None:
    holder = start_hanging(bench, failure)
    assert end(bench.runtime, "job")
    wait_until(lambda: is_dead(holder), seconds=STOPPED_S)
    assert_others_work(bench)
    assert bench.queued() == []


@ENDS
@pytest.mark.parametrize("failure", ["hang", "idle", "hang-plan", "idle-plan"])
def test_hanging_task_that_was_sent_again_is_stopped_at_once(
    bench: Bench, end: End, failure: str
) -> None:
    """The queue knows one task of a name; the one that waits hides the one that runs."""
    holder = start_hanging(bench, failure)
    bench.executor.send_plan("job")
    bench.executor.send_chunks("job", [0])
    assert {"job-plan", "job-chunk-0000"} <= set(bench.queued())
    assert end(bench.runtime, "job")
    wait_until(lambda: is_dead(holder), seconds=STOPPED_S)
    wait_until(lambda: not [key for key in bench.redis.keys("rq:*") if b"job-" in key])
    assert bench.queued() == []
    assert_others_work(bench)


@ENDS
def test_all_workers_are_stopped_that_have_the_task(bench: Bench, end: End) -> None:
    """As when a sweep gave it to a second one and could not stop the first."""
    first = start_hanging(bench, "hang-plan", workers=2)
    with bench.store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE uws_steps SET holder = NULL, lease_until = NULL")
    bench.executor.send_plan("job")
    wait_until(lambda: bench.step_holder("plan"))
    second = str(bench.step_holder("plan"))
    assert second != first
    assert end(bench.runtime, "job")
    wait_until(lambda: is_dead(first) and is_dead(second), seconds=STOPPED_S)
    assert_others_work(bench)


@ENDS
def test_hanging_task_is_stopped_after_the_queue_was_flushed(bench: Bench, end: End) -> None:
    holder = start_hanging(bench, "hang-plan")
    bench.redis.flushall()
    assert end(bench.runtime, "job")
    wait_until(lambda: is_dead(holder), seconds=STOPPED_S)
    assert_others_work(bench)


# The execution duration


@pytest.mark.parametrize("failure", ["hang-plan", "idle-plan", "hang", "idle", "hang-finish"])
def test_execution_duration_ends_what_hangs(bench: Bench, failure: str) -> None:
    """It is longer than a lease, and shorter than all tries."""
    for _ in range(2):
        bench.start_worker()
    bench.queue(WORD="sky", TIMES="2", CHUNKS="2", FAIL=failure)
    bench.store.set_execution_duration("job", LEASE_S + 2)
    with swept(bench):
        wait_until(bench.phase_is(Phase.ABORTED))
        wait_until(lambda: not horses(bench), seconds=STOPPED_S)
    job = bench.store.get("job")
    assert job.notes == ("aborted: the execution duration was exceeded",)
    assert_others_work(bench)


# Tries


@pytest.mark.parametrize("step", ["plan", "finish"])
def test_step_that_hangs_its_workers_is_given_up(bench: Bench, step: str) -> None:
    start_hanging(bench, f"hang-{step}", workers=2)
    seen: list[int] = []
    with swept(bench):
        while not bench.phase_is(Phase.ERROR)():
            seen.append(len(horses(bench)))
            time.sleep(0.1)
            assert len(seen) < 600, "it has no end"
        assert_others_work(bench)
    error = bench.store.get("job").error
    assert error is not None
    assert error.message == f"Error: the {step} was given up: no worker survived it in 2 tries"
    # Now and then there is a second one for a moment, which finds that it is not to be had.
    assert sorted(seen)[int(len(seen) * 0.9)] == 1, seen


@pytest.mark.parametrize("chunks", ["1", "2"])
def test_chunk_that_hangs_its_workers_is_given_up(bench: Bench, chunks: str) -> None:
    for _ in range(2):
        bench.start_worker()
    bench.queue(WORD="sky", TIMES="4", CHUNKS=chunks, FAIL="hang")
    with swept(bench):
        wait_until(bench.phase_is(Phase.COMPLETED), seconds=60)
        assert_others_work(bench)
    progress, failed = bench.store.get("job").progress, 4 // int(chunks)
    assert (progress.done, progress.failed) == (4 - failed, failed)
    reason = "no worker survived it in 2 tries"
    assert bench.store.work.reports("job")[0].detail == {"reason": reason}


def test_chunk_that_hangs_once_is_done_by_the_next_worker(bench: Bench) -> None:
    bench.start_worker()
    bench.queue(WORD="sky", TIMES="4", CHUNKS="2", FAIL="hang-once")
    with swept(bench):
        wait_until(bench.phase_is(Phase.COMPLETED))
    assert bench.store.get("job").progress.done == 4


# Leases that are lost


def test_lost_task_is_killed_before_it_is_sent_again(bench: Bench) -> None:
    holder = start_hanging(bench, "hang-plan")
    time.sleep(LEASE_S)
    assert sweep(bench.runtime) == SweepReport(stopped=1, planned=1)
    assert is_dead(holder)


def test_lost_task_is_killed_whose_worker_is_dead(bench: Bench) -> None:
    holder = start_hanging(bench, "hang-plan")
    bench.workers[0].kill()
    bench.workers[0].wait()
    assert not is_dead(holder)
    time.sleep(LEASE_S)
    try:
        assert sweep(bench.runtime) == SweepReport(stopped=1, planned=1)
        assert is_dead(holder)
    finally:
        kill(holder)


def test_task_that_keeps_its_lease_is_left_alone(bench: Bench) -> None:
    """Silent for three leases."""
    holder = start_hanging(bench, "idle-plan")
    with swept(bench):
        time.sleep(3 * LEASE_S)
    assert bench.step_holder("plan") == holder
    assert not is_dead(holder)


def test_task_that_renews_its_lease_late_is_left_alone(bench: Bench) -> None:
    """As after an outage of the store, in which the leases of all ran out."""
    holder = start_hanging(bench, "idle-plan")
    with bench.store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE uws_steps SET lease_until = '2020-01-01 00:00:00.0'")
    assert sweep(bench.runtime) == SweepReport()
    assert bench.step_holder("plan") == holder
    assert not is_dead(holder)


def test_lost_task_of_another_host_is_stopped_by_its_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a sweep can know nothing of its process; so it has the worker kill it."""
    holder = start_hanging(bench, "hang", workers=2)
    time.sleep(LEASE_S)
    with monkeypatch.context() as patch:
        patch.setattr("uws.lease_owner._where", lambda: ("another boot", "1"))
        assert sweep(bench.runtime) == SweepReport(stopped=1, chunks=1)
    wait_until(lambda: is_dead(holder), seconds=STOPPED_S)
    wait_until(lambda: bench.chunk_holder() not in {None, holder})


def test_a_worker_kills_its_own_task_only(bench: Bench) -> None:
    """Whoever can write to the queue server names no other process."""
    start_hanging(bench, "idle-plan")
    fields = str(bench.step_holder("plan")).split("/")
    other = start_time_of(os.getpid())
    bench.executor.stop("/".join([*fields[:3], str(os.getpid()), other, fields[5]]))
    bench.executor.cancel("another")
    time.sleep(1)
    assert len(horses(bench)) == 1


def start_time_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
