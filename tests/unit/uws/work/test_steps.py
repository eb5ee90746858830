"""A job's steps: the ways through them when nothing fails."""

import inspect
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from typing_extensions import override

from tests.toyjob import (
    Recorder,
    ToyJob,
    queue_toy,
    run_toy,
    set_type,
)
from uws.jobtype import JobContext, Outcome, Plan
from uws.models import Chunk, ChunkReport, Phase, Progress
from uws.runtime import Runtime
from uws.work.steps import finish_job, plan_job, run_chunk


def read(runtime: Runtime, key: str) -> bytes:
    with runtime.files.open(key) as stream:
        return stream.read()


@pytest.mark.parametrize("chunks", [1, 2, 5, 7], ids=lambda count: f"{count} chunks")
def test_job_completes(inline: Runtime, chunks: int) -> None:
    job = run_toy(inline, WORD="sky", TIMES="7", CHUNKS=str(chunks))
    assert (job.phase, job.error, job.chunk_count) == (Phase.COMPLETED, None, chunks)
    assert job.progress == Progress(total=7, done=7, size_bytes=42)
    assert [result.id for result in job.results] == [f"item-00{n}.txt" for n in range(7)] + [
        "result"
    ]
    assert read(inline, "job/result.txt") == b"".join(b"sky %d\n" % n for n in range(7))
    assert job.start_time is not None
    assert job.end_time is not None
    assert job.creation_time <= job.start_time <= job.end_time


def test_many_chunks_do_not_grow_the_stack(inline: Runtime) -> None:
    depths: list[int] = []

    class Measured(ToyJob):
        @override
        def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
            depths.append(len(_stack()))
            return ChunkReport(done=chunk.total)

    set_type(inline, Measured())
    job = run_toy(inline, WORD="sky", TIMES="60", CHUNKS="60")
    assert job.progress.done == 60
    assert len(set(depths)) == 1


def _stack() -> Sequence[object]:
    return inspect.stack(0)


class Empty(ToyJob):
    """Plans no chunk at all."""

    @override
    def plan(self, context: JobContext) -> Plan:
        return Plan((), done=3, failed=1, notes=("nothing to do",))

    @override
    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> Outcome:
        return Outcome(notes=(f"{len(reports)} reports",))


def test_job_without_chunks_is_finished_by_its_plan(runtime: Runtime, recorder: Recorder) -> None:
    queue_toy(runtime)
    assert plan_job(set_type(runtime, Empty()), "job")
    job = runtime.store.get("job")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(4, 3, 1, by_plan=4))
    assert job.notes == ("nothing to do", "0 reports")
    assert job.start_time is not None
    assert recorder.sent == []


def test_small_job_takes_no_detour(runtime: Runtime, recorder: Recorder) -> None:
    queue_toy(runtime, WORD="sky", TIMES="3")
    assert plan_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.COMPLETED
    assert recorder.sent == []


def test_large_job_goes_through_the_queue(runtime: Runtime, recorder: Recorder) -> None:
    queue_toy(runtime, WORD="sky", TIMES="3", CHUNKS="3")
    assert plan_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.QUEUED
    for number in (1, 0, 2):
        assert run_chunk(runtime, "job", number)
        assert runtime.store.phase("job") is Phase.EXECUTING
    assert finish_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.COMPLETED
    assert recorder.sent == ["chunks [0, 1] job", "chunks [2] job", "finish job"]


def test_late_and_repeated_tasks_are_harmless(runtime: Runtime, recorder: Recorder) -> None:
    queue_toy(runtime, WORD="sky", TIMES="2", CHUNKS="2")
    assert finish_job(runtime, "job")
    assert run_chunk(runtime, "job", 0)
    assert plan_job(runtime, "job")
    assert plan_job(runtime, "job")
    assert run_chunk(runtime, "job", 0)
    assert run_chunk(runtime, "job", 0)
    assert finish_job(runtime, "job")
    assert run_chunk(runtime, "job", 1)
    assert finish_job(runtime, "job")
    done = runtime.store.get("job")
    assert done.progress == Progress(2, 2, 0, 12)
    assert finish_job(runtime, "job")
    assert plan_job(runtime, "job")
    assert run_chunk(runtime, "job", 1)
    assert runtime.store.get("job") == done
    assert recorder.sent == ["chunks [0, 1] job", "finish job"]


@pytest.mark.parametrize("step", [plan_job, finish_job, partial(run_chunk, number=0)])
def test_unknown_job(runtime: Runtime, step: Callable[[Runtime, str], bool]) -> None:
    assert step(runtime, "nobody")


def test_queue_that_is_away_leaves_work_to_the_sweep(runtime: Runtime, recorder: Recorder) -> None:
    queue_toy(runtime, WORD="sky", TIMES="3", CHUNKS="3")
    recorder.away = {"job"}
    assert plan_job(runtime, "job")
    for number in range(3):
        assert run_chunk(runtime, "job", number)
    assert runtime.store.phase("job") is Phase.EXECUTING
    assert list(runtime.store.recovery.unfinished(datetime.now(UTC))) == ["job"]


@pytest.mark.parametrize(
    ("elapsed_s", "done", "old_s", "expected_s"),
    [
        (2, 1, None, None),
        (100, 0, None, None),
        (100, 1, None, 300),
        (100, 1, 303, 303),
        (100, 1, 200, 300),
        (10, 2, 12, 12),
    ],
    ids=["too early", "no rate", "first", "hardly changed", "changed", "soon over"],
)
def test_quote(
    runtime: Runtime, elapsed_s: float, done: int, old_s: float | None, expected_s: float | None
) -> None:
    """Of four chunks some are done; the quote is given in seconds from now."""
    queue_toy(runtime, WORD="sky", TIMES="4", CHUNKS="4")
    store = runtime.store
    plan_job(runtime, "job")
    store.work.next_chunks("job", 8)
    now = datetime.now(UTC)
    with store._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE uws_jobs SET phase = 'EXECUTING', start_time = ?",
            ((now - timedelta(seconds=elapsed_s)).strftime("%Y-%m-%d %H:%M:%S.%f"),),
        )
    for number in range(done):
        store.work.claim_chunk("job", number, holder="me", lease_s=30)
        store.work.report_chunk("job", number, ChunkReport(1), holder="me")
    if old_s is not None:
        store.set_quote("job", now + timedelta(seconds=old_s))
    run_chunk(runtime, "job", 3)
    quote = store.get("job").quote
    found_s = None if quote is None else (quote - now).total_seconds()
    assert found_s == pytest.approx(expected_s, abs=2)


def test_log_tells_phases_and_chunks(inline: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uws")
    run_toy(inline, WORD="sky", TIMES="2", CHUNKS="2")
    assert caplog.messages == [
        "plan done",
        "job EXECUTING",
        "chunk done, 1 done, 0 failed",
        "chunk done, 1 done, 0 failed",
        "job COMPLETED",
        "finish done",
    ]
    fields = [record.__dict__ for record in caplog.records]
    assert {record["job_id"] for record in fields} == {"job"}
    assert [record["chunk"] for record in fields if "chunk" in record] == [0, 1]
    assert all(record["elapsed_s"] >= 0 for record in fields if "chunk" in record)
