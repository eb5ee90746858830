"""A job's steps that fail: by the user's fault, for the moment, by a bug, by a worker's death."""

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from tests.toyjob import LIMITS, ToyJob, queue_toy, run_toy, set_type
from uws.errors import FatalError, TransientError
from uws.jobtype import JobContext, Plan
from uws.models import Chunk, ChunkReport, ErrorKind, ErrorSummary, Phase, Progress
from uws.runtime import Runtime
from uws.work.steps import plan_job, run_chunk


def step_tries(runtime: Runtime, step: str) -> int:
    with runtime.store._database.reading() as connection:
        query = "SELECT tries FROM uws_steps WHERE job_id = 'job' AND step = ?"
        return int(connection.exec_driver_sql(query, (step,)).scalar_one())


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
    job = run_toy(inline, WORD="sky", FAIL=failure)
    assert (job.phase, job.error) == (Phase.ERROR, replace(error, detail=error.message))
    assert step_tries(inline, "plan") == tries
    assert job.start_time is None
    assert job.end_time is not None


def test_error_of_many_lines_is_told_whole_in_its_detail(inline: Runtime) -> None:
    job = run_toy(set_type(inline, Faulty()), WORD="sky")
    assert job.error == ErrorSummary("Error: one two", detail="Error: one\ntwo")


class Faulty(ToyJob):
    """Fails with a text of two lines."""

    @override
    def plan(self, context: JobContext) -> Plan:
        raise FatalError("one\ntwo")


@pytest.mark.parametrize("step", ["plan", "finish"])
def test_bug_is_told_by_reference_only(
    inline: Runtime, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    job = run_toy(inline, WORD="sky", TIMES="2", CHUNKS="2", FAIL=step)
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
    job = run_toy(inline, WORD="sky", FAIL="transient-finish")
    assert job.error is not None
    assert job.error.kind is ErrorKind.TRANSIENT
    assert step_tries(inline, "finish") == 3


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("failure", ["chunk", "transient"])
def test_chunk_is_given_up_and_the_rest_goes_on(inline: Runtime, failure: str, chunks: str) -> None:
    job = run_toy(inline, WORD="sky", TIMES="6", CHUNKS=chunks, FAIL=failure)
    failed = 6 // int(chunks)
    assert (job.phase, job.error) == (Phase.COMPLETED, None)
    assert (job.progress.done, job.progress.failed) == (6 - failed, failed)
    assert job.notes == (f"{failed} items failed",)
    reason = inline.store.work.reports("job")[0].detail["reason"]
    expected = {
        "chunk": "internal error, reference [0-9a-f]{12}",
        "transient": "ServiceUnavailable: the item's source is away",
    }
    assert re.fullmatch(expected[failure], reason)


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("failure", ["chunk-once", "transient-once"])
def test_chunk_is_tried_again(inline: Runtime, failure: str, chunks: str) -> None:
    job = run_toy(inline, WORD="sky", TIMES="6", CHUNKS=chunks, FAIL=failure)
    assert (job.phase, job.progress.done, job.progress.failed) == (Phase.COMPLETED, 6, 0)


def test_chunk_that_found_something_away_waits_for_the_sweep(runtime: Runtime) -> None:
    runtime = replace(runtime, limits=LIMITS)
    queue_toy(runtime, WORD="sky", TIMES="2", CHUNKS="2", FAIL="transient")
    plan_job(runtime, "job")
    assert not run_chunk(runtime, "job", 0)
    now = datetime.now(UTC)
    pause = timedelta(seconds=LIMITS.retry_pause_s)
    assert list(runtime.store.recovery.lost_chunks(now + pause / 2, 30)) == []
    assert list(runtime.store.recovery.lost_chunks(now + pause, 30)) == [("job", 0)]


class Killed(BaseException):
    """Stands for a signal that ends the process: nothing catches it."""


class Deadly(ToyJob):
    """As if each worker was killed in `run_chunk`: the lease is never given back."""

    gives_up = True

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        raise Killed

    @override
    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        if not self.gives_up:
            raise Killed
        return super().give_up_chunk(context, chunk, reason, is_whole=is_whole)


@pytest.mark.parametrize(("gives_up", "attempts"), [(True, 4), (False, 5)])
def test_chunk_that_kills_its_workers_is_given_up(
    runtime: Runtime, gives_up: bool, attempts: int
) -> None:
    deadly = Deadly()
    deadly.gives_up = gives_up
    runtime = set_type(runtime, deadly)
    queue_toy(runtime, WORD="sky", TIMES="4", CHUNKS="2")
    plan_job(runtime, "job")
    later = datetime.now(UTC) + timedelta(days=1)
    for _ in range(attempts - 1):
        with pytest.raises(Killed):
            run_chunk(runtime, "job", 0)
        assert runtime.store.recovery.resend_chunk("job", 0, now=later, older_than_s=30)
    assert run_chunk(runtime, "job", 0)
    reason = "no worker survived it in 3 tries"
    assert runtime.store.work.reports("job") == [ChunkReport(0, 2, 0, {"reason": reason})]
    assert runtime.store.get("job").progress == Progress(4, 0, 2)


class Stubborn(ToyJob):
    """Can neither work nor account for a chunk."""

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        raise TransientError("away")

    @override
    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        raise TransientError("away")


def test_chunk_that_cannot_be_accounted_for_counts_as_failed(inline: Runtime) -> None:
    job = run_toy(set_type(inline, Stubborn()), WORD="sky", TIMES="4", CHUNKS="2")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(4, 0, 4))
    reason = "ServiceUnavailable: away"
    assert [report.detail for report in inline.store.work.reports("job")] == [
        {"reason": reason}
    ] * 2


class DeadlyPlan(ToyJob):
    """Kills whoever plans it."""

    @override
    def plan(self, context: JobContext) -> Plan:
        raise Killed


def test_plan_that_kills_its_workers_is_given_up(runtime: Runtime) -> None:
    runtime = set_type(runtime, DeadlyPlan())
    queue_toy(runtime, WORD="sky")
    for _ in range(3):
        with pytest.raises(Killed):
            plan_job(runtime, "job")
        later = datetime.now(UTC) + timedelta(days=1)
        assert runtime.store.recovery.resend_step("job", "plan", now=later, older_than_s=30)
    assert plan_job(runtime, "job")
    text = "Error: the plan was given up: no worker survived it in 3 tries"
    assert runtime.store.get("job").error == ErrorSummary(text, detail=text)
