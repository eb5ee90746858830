"""A job's steps: the way through them, and every way that they fail."""

import inspect
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from tests.toyjob import ToyJob, new_toy, toy_runtime
from uws.ending import abort_job, destroy_job
from uws.errors import FatalError, TransientError
from uws.jobtype import JobContext, Outcome, Plan
from uws.models import Chunk, ChunkReport, ErrorKind, ErrorSummary, Job, Phase, Progress
from uws.runtime import Executor, JobLimits, Runtime
from uws.steps import finish_job, plan_job, run_chunk

LIMITS = JobLimits(window=2, tries=3, lease_s=30)
FAILED_PLAN = "Error: internal error, reference "


class Recorder(Executor):
    """Notes what is sent; `is_away` makes it fail."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_away = False

    @override
    def send_plan(self, job_id: str) -> None:
        self._note(f"plan {job_id}")

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        self._note(f"chunks {job_id} {list(numbers)}")

    @override
    def send_finish(self, job_id: str) -> None:
        self._note(f"finish {job_id}")

    @override
    def cancel(self, job_id: str) -> None:
        self._note(f"cancel {job_id}")

    def _note(self, what: str) -> None:
        if self.is_away:
            raise TransientError("the queue is away")
        self.sent.append(what)


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[Runtime]:
    """Give a runtime that does every step at once."""
    runtime = toy_runtime(tmp_path, limits=LIMITS)
    yield runtime
    runtime.store._database._engine.dispose()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def runtime(inline: Runtime, recorder: Recorder) -> Runtime:
    """Give a runtime that only notes what it is to do."""
    return replace(inline, executor=recorder)


def queue(runtime: Runtime, **parameters: str) -> None:
    """Make the job `job` and queue it."""
    runtime.store.create(new_toy(**parameters))
    assert runtime.store.move("job", Phase.QUEUED, among={Phase.PENDING})


def run(runtime: Runtime, **parameters: str) -> Job:
    """Make the job `job` and do all its steps."""
    queue(runtime, **parameters)
    runtime.executor.send_plan("job")
    return runtime.store.get("job")


def read(runtime: Runtime, key: str) -> bytes:
    with runtime.files.open(key) as stream:
        return stream.read()


@pytest.mark.parametrize("chunks", [1, 2, 5, 7], ids=lambda count: f"{count} chunks")
def test_job_completes(inline: Runtime, chunks: int) -> None:
    job = run(inline, WORD="sky", TIMES="7", CHUNKS=str(chunks))
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

    inline.job_types["toy"] = Measured()  # type: ignore[index] # the test's own mapping
    job = run(inline, WORD="sky", TIMES="60", CHUNKS="60")
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


def with_type(runtime: Runtime, job_type: ToyJob) -> Runtime:
    return replace(runtime, job_types={"toy": job_type})


def test_job_without_chunks_is_finished_by_its_plan(runtime: Runtime, recorder: Recorder) -> None:
    queue(runtime)
    assert plan_job(with_type(runtime, Empty()), "job")
    job = runtime.store.get("job")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(4, 3, 1))
    assert job.notes == ("nothing to do", "0 reports")
    assert job.start_time is not None
    assert recorder.sent == []


def test_small_job_takes_no_detour(runtime: Runtime, recorder: Recorder) -> None:
    queue(runtime, WORD="sky", TIMES="3")
    assert plan_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.COMPLETED
    assert recorder.sent == []


def test_large_job_goes_through_the_queue(runtime: Runtime, recorder: Recorder) -> None:
    queue(runtime, WORD="sky", TIMES="3", CHUNKS="3")
    assert plan_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.QUEUED
    for number in (1, 0, 2):
        assert run_chunk(runtime, "job", number)
        assert runtime.store.phase("job") is Phase.EXECUTING
    assert finish_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.COMPLETED
    assert recorder.sent == ["chunks job [0, 1]", "chunks job [2]", "finish job"]


def test_late_and_repeated_tasks_are_harmless(runtime: Runtime, recorder: Recorder) -> None:
    queue(runtime, WORD="sky", TIMES="2", CHUNKS="2")
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
    assert recorder.sent == ["chunks job [0, 1]", "finish job"]


@pytest.mark.parametrize("step", [plan_job, finish_job, lambda *job: run_chunk(*job, 0)])
def test_unknown_job(runtime: Runtime, step: Callable[[Runtime, str], bool]) -> None:
    assert step(runtime, "nobody")


def test_queue_that_is_away_leaves_work_to_the_sweep(runtime: Runtime, recorder: Recorder) -> None:
    queue(runtime, WORD="sky", TIMES="3", CHUNKS="3")
    recorder.is_away = True
    assert plan_job(runtime, "job")
    for number in range(3):
        assert run_chunk(runtime, "job", number)
    assert runtime.store.phase("job") is Phase.EXECUTING
    assert list(runtime.store.unfinished(datetime.now(UTC))) == ["job"]


@pytest.mark.parametrize(
    ("failure", "error", "tries"),
    [
        ("usage", ErrorSummary("UsageError: FAIL: found 'usage', allowed is anything else"), 1),
        (
            "transient-plan",
            ErrorSummary("ServiceUnavailable: the plan's source is away", ErrorKind.TRANSIENT),
            3,
        ),
    ],
    ids=["usage", "transient"],
)
def test_plan_that_fails(inline: Runtime, failure: str, error: ErrorSummary, tries: int) -> None:
    job = run(inline, WORD="sky", FAIL=failure)
    assert (job.phase, job.error) == (Phase.ERROR, replace(error, detail=error.message))
    assert inline.store.step_tries("job", "plan") == tries
    assert job.start_time is None
    assert job.end_time is not None


def test_error_of_many_lines_is_told_whole_in_its_detail(inline: Runtime) -> None:
    job = run(with_type_of_executor(inline, Faulty()), WORD="sky")
    assert job.error == ErrorSummary("Error: one two", detail="Error: one\ntwo")


class Faulty(ToyJob):
    """Fails with a text of two lines."""

    @override
    def plan(self, context: JobContext) -> Plan:
        raise FatalError("one\ntwo")


def with_type_of_executor(inline: Runtime, job_type: ToyJob) -> Runtime:
    inline.job_types["toy"] = job_type  # type: ignore[index] # the test's own mapping
    return inline


@pytest.mark.parametrize("step", ["plan", "finish"])
def test_bug_is_told_by_reference_only(
    inline: Runtime, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    job = run(inline, WORD="sky", TIMES="2", CHUNKS="2", FAIL=step)
    assert job.phase is Phase.ERROR
    assert job.error is not None
    found = re.fullmatch(r"Error: internal error, reference ([0-9a-f]{12})", job.error.message)
    assert found is not None
    assert (job.error.kind, job.error.detail) == (ErrorKind.FATAL, "")
    (record,) = [record for record in caplog.records if found[1] in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert f"RuntimeError('the {step} fails')" == repr(record.exc_info[1])


def test_finish_that_finds_its_target_away(inline: Runtime) -> None:
    job = run(inline, WORD="sky", FAIL="transient-finish")
    assert job.error is not None
    assert job.error.kind is ErrorKind.TRANSIENT
    assert inline.store.step_tries("job", "finish") == 3


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("failure", ["chunk", "transient"])
def test_chunk_is_given_up_and_the_rest_goes_on(inline: Runtime, failure: str, chunks: str) -> None:
    job = run(inline, WORD="sky", TIMES="6", CHUNKS=chunks, FAIL=failure)
    failed = 6 // int(chunks)
    assert (job.phase, job.error) == (Phase.COMPLETED, None)
    assert (job.progress.done, job.progress.failed) == (6 - failed, failed)
    assert job.notes == (f"{failed} items failed",)
    reason = inline.store.reports("job")[0].detail["reason"]
    expected = {
        "chunk": "internal error, reference [0-9a-f]{12}",
        "transient": "ServiceUnavailable: the item's source is away",
    }
    assert re.fullmatch(expected[failure], reason)


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("failure", ["chunk-once", "transient-once"])
def test_chunk_is_tried_again(inline: Runtime, failure: str, chunks: str) -> None:
    job = run(inline, WORD="sky", TIMES="6", CHUNKS=chunks, FAIL=failure)
    assert (job.phase, job.progress.done, job.progress.failed) == (Phase.COMPLETED, 6, 0)


def test_chunk_that_found_something_away_waits_for_the_sweep(runtime: Runtime) -> None:
    queue(runtime, WORD="sky", TIMES="2", CHUNKS="2", FAIL="transient")
    plan_job(runtime, "job")
    assert not run_chunk(runtime, "job", 0)
    now = datetime.now(UTC)
    assert list(runtime.store.lost_chunks(now, 30)) == []
    assert ("job", 0) in runtime.store.lost_chunks(now + timedelta(seconds=31), 30)


class Deadly(ToyJob):
    """As if each worker was killed in `run_chunk`: the lease is never given back."""

    gives_up = True

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        raise KeyboardInterrupt

    @override
    def give_up_chunk(self, context: JobContext, chunk: Chunk, reason: str) -> ChunkReport:
        if not self.gives_up:
            raise KeyboardInterrupt
        return super().give_up_chunk(context, chunk, reason)


@pytest.mark.parametrize(("gives_up", "attempts"), [(True, 4), (False, 5)])
def test_chunk_that_kills_its_workers_is_given_up(
    runtime: Runtime, gives_up: bool, attempts: int
) -> None:
    deadly = Deadly()
    deadly.gives_up = gives_up
    runtime = with_type(runtime, deadly)
    queue(runtime, WORD="sky", TIMES="4", CHUNKS="2")
    plan_job(runtime, "job")
    later = datetime.now(UTC) + timedelta(days=1)
    for _ in range(attempts - 1):
        with pytest.raises(KeyboardInterrupt):
            run_chunk(runtime, "job", 0)
        assert runtime.store.resend_chunk("job", 0, now=later, lease_s=30)
    assert run_chunk(runtime, "job", 0)
    reason = "no worker survived it in 3 tries"
    assert runtime.store.reports("job") == [ChunkReport(0, 2, 0, {"reason": reason})]
    assert runtime.store.get("job").progress == Progress(4, 0, 2)


class Stubborn(ToyJob):
    """Can neither work nor account for a chunk."""

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        raise TransientError("away")

    @override
    def give_up_chunk(self, context: JobContext, chunk: Chunk, reason: str) -> ChunkReport:
        raise TransientError("away")


def test_chunk_that_cannot_be_accounted_for_counts_as_failed(inline: Runtime) -> None:
    job = run(with_type_of_executor(inline, Stubborn()), WORD="sky", TIMES="4", CHUNKS="2")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(4, 0, 4))
    reason = "no worker survived it in 3 tries"
    assert [report.detail for report in inline.store.reports("job")] == [{"reason": reason}] * 2


class DeadlyPlan(ToyJob):
    """Kills whoever plans it."""

    @override
    def plan(self, context: JobContext) -> Plan:
        raise KeyboardInterrupt


def test_plan_that_kills_its_workers_is_given_up(runtime: Runtime) -> None:
    runtime = with_type(runtime, DeadlyPlan())
    queue(runtime, WORD="sky")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            plan_job(runtime, "job")
        later = datetime.now(UTC) + timedelta(days=1)
        assert runtime.store.resend_step("job", "plan", now=later, older_than_s=30)
    assert plan_job(runtime, "job")
    text = "Error: the plan was given up: no worker survived it in 3 tries"
    assert runtime.store.get("job").error == ErrorSummary(text, detail=text)


class Meddled(ToyJob):
    """Has something done to the job in the middle of a step, then works on."""

    def __init__(self, where: str, meddle: Callable[[], object]) -> None:
        self._where = where
        self._meddle = meddle

    @override
    def plan(self, context: JobContext) -> Plan:
        self._at("plan", context)
        return super().plan(context)

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        self._at("chunk", context)
        return super().run_chunk(context, chunk)

    @override
    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> Outcome:
        self._at("finish", context)
        return super().finish(context, reports)

    def _at(self, where: str, context: JobContext) -> None:
        del context  # for those who want more
        if where == self._where:
            self._meddle()


@pytest.mark.parametrize("where", ["plan", "chunk", "finish"])
def test_aborted_job_stays_aborted(inline: Runtime, where: str) -> None:
    with_type_of_executor(inline, Meddled(where, lambda: abort_job(inline, "job")))
    job = run(inline, WORD="sky", TIMES="2", CHUNKS="2")
    assert (job.phase, job.error, job.results) == (Phase.ABORTED, None, ())


@pytest.mark.parametrize("where", ["plan", "chunk", "finish"])
def test_destroyed_job_stays_destroyed(inline: Runtime, where: str) -> None:
    with_type_of_executor(inline, Meddled(where, lambda: destroy_job(inline, "job")))
    queue(inline, WORD="sky", TIMES="2", CHUNKS="2")
    inline.executor.send_plan("job")
    assert list(inline.store.list("")) == []


@pytest.mark.parametrize("where", ["plan", "chunk", "finish"])
def test_heartbeat_stops_the_work_of_an_aborted_job(tmp_path: Path, where: str) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))
    beats: list[float] = []

    class Patient(Meddled):
        @override
        def _at(self, where: str, context: JobContext) -> None:
            super()._at(where, context)
            deadline = time.monotonic() + 10
            while where == self._where and time.monotonic() < deadline:
                beats.append(time.monotonic())
                context.heartbeat()
                threading.Event().wait(0.01)

    with_type_of_executor(runtime, Patient(where, lambda: abort_job(runtime, "job")))
    job = run(runtime, WORD="sky", TIMES="2", CHUNKS="2")
    assert job.phase is Phase.ABORTED
    assert beats[-1] - beats[0] < 5
    runtime.store._database._engine.dispose()


def test_silent_chunk_keeps_its_lease(tmp_path: Path) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))
    lost: list[tuple[str, int]] = []

    def look() -> None:
        for _ in range(15):
            threading.Event().wait(0.1)
            lost.extend(runtime.store.lost_chunks(datetime.now(UTC), 1))

    with_type_of_executor(runtime, Meddled("chunk", look))
    job = run(runtime, WORD="sky")
    assert (job.phase, lost) == (Phase.COMPLETED, [])
    runtime.store._database._engine.dispose()


def test_lease_survives_a_store_that_is_away_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))
    renew, renewals = runtime.store.renew, iter(range(100))
    renewed = threading.Event()

    def renew_badly(*arguments: object, **more: object) -> bool:
        if next(renewals) == 0:
            raise TransientError("the store is away")
        kept = renew(*arguments, **more)  # type: ignore[arg-type] # passed on as they came
        renewed.set()
        return kept

    monkeypatch.setattr(runtime.store, "renew", renew_badly)
    with_type_of_executor(runtime, Meddled("chunk", lambda: renewed.wait(10)))
    assert run(runtime, WORD="sky").phase is Phase.COMPLETED
    assert "lease not renewed: ServiceUnavailable: the store is away" in caplog.messages
    runtime.store._database._engine.dispose()


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
    queue(runtime, WORD="sky", TIMES="4", CHUNKS="4")
    store = runtime.store
    plan_job(runtime, "job")
    store.next_chunks("job", 8)
    now = datetime.now(UTC)
    with store._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE uws_jobs SET phase = 'EXECUTING', start_time = ?",
            ((now - timedelta(seconds=elapsed_s)).strftime("%Y-%m-%d %H:%M:%S.%f"),),
        )
    for number in range(done):
        store.claim_chunk("job", number, holder="me", lease_s=30)
        store.report_chunk("job", number, ChunkReport(1), holder="me")
    if old_s is not None:
        store.set_quote("job", now + timedelta(seconds=old_s))
    run_chunk(runtime, "job", 3)
    quote = store.get("job").quote
    found_s = None if quote is None else (quote - now).total_seconds()
    assert found_s == pytest.approx(expected_s, abs=2)


def test_log_tells_phases_and_chunks(inline: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uws")
    run(inline, WORD="sky", TIMES="2", CHUNKS="2")
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
