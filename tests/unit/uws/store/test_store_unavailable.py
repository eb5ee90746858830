"""Steps whose worker outlives what it held, or a store that is away: neither is a death."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typing_extensions import override

from tests.toyjob import LIMITS, Recorder, ToyJob, queue_toy, run_toy, set_type
from tests.uws_runtime import part_with
from tests.working import work_off, work_once
from uws.errors import FatalError, TransientError
from uws.jobtype import JobContext, Outcome, Plan
from uws.models import AT_WORK, Chunk, ChunkReport, Phase, Progress
from uws.runtime import Runtime
from uws.store import JobStore
from uws.work import lease
from uws.work.steps import finish_job, plan_job, run_chunk

AWAY = TransientError("the store is away")
Deed = Callable[[str], None]


class Meddled(ToyJob):
    """Does something in the midst of each step, which is named."""

    def __init__(self, deed: Deed) -> None:
        self._deed = deed

    @override
    def plan(self, context: JobContext) -> Plan:
        self._deed("plan")
        return super().plan(context)

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        self._deed("chunk")
        context.heartbeat()
        return super().run_chunk(context, chunk)

    @override
    def finish(self, context: JobContext, reports: object) -> Outcome:
        self._deed("finish")
        context.heartbeat()
        return super().finish(context, ())


# A step that was lost


@pytest.mark.parametrize("step", ["plan", "finish"])
@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(2, "gone"), KeyError("a bug"), FatalError("no"), TransientError("away")],
    ids=["file", "bug", "fatal", "away"],
)
def test_who_lost_a_step_does_not_end_the_job(
    runtime: Runtime, step: str, error: Exception
) -> None:
    """It stalled; another took the step, and cleared its files away."""
    store, seen = runtime.store, Counter[str]()

    def lose(where: str) -> None:
        seen[where] += 1
        if where == step and seen[where] == 1:
            later = datetime.now(UTC) + timedelta(seconds=LIMITS.lease_s + 1)
            assert store.recovery.resend_step("job", step, now=later, older_than_s=1)
            assert store.work.lease_step("job", step, holder="other", lease_s=30)
            raise error

    set_type(runtime, Meddled(lose))
    # No try is left after the first; that it was lost counts, too.
    runtime = replace(runtime, limits=replace(LIMITS, tries=1, retry_for_s=0, retry_pause_s=0))
    queue_toy(runtime, WORD="sky", TIMES="2")
    plan_job(runtime, "job")
    assert store.phase("job") is (Phase.QUEUED if step == "plan" else Phase.EXECUTING)
    store.work.release_step("job", step, holder="other", pause_s=0.0)
    runtime = replace(runtime, limits=replace(LIMITS, tries=2))
    (plan_job if step == "plan" else finish_job)(runtime, "job")
    assert (store.phase("job"), store.get("job").error) == (Phase.COMPLETED, None)


# A store that is away


_VERBS = ["get", "move", "save_plan", "reports", "complete", "release_step", "step_failures"]
_VERBS += ["report_chunk", "release_chunk", "has_given_up", "set_quote", "loads"]


def fail_twice(monkeypatch: pytest.MonkeyPatch, store: JobStore, verb: str) -> None:
    """Have two calls of three find the store away, once what they ask for can be held."""
    part, calls = part_with(store, verb), Counter[str]()
    real = getattr(part, verb)

    def call(*arguments: Any, **named: Any) -> Any:  # Any: those of any verb
        calls[verb] += 1
        if calls[verb] % 3:
            raise AWAY
        return real(*arguments, **named)

    monkeypatch.setattr(part, verb, call)


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("verb", _VERBS)
def test_an_outage_of_the_store_counts_against_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, verb: str, chunks: str
) -> None:
    """Each step fails once besides; one more failure that counts would be the end."""
    monkeypatch.setattr(lease, "_ASK_AGAIN_S", 0.001)
    seen = Counter[str]()

    def fail_once(where: str) -> None:
        seen[where] += 1
        if seen[where] == 1:
            raise TransientError("the source is away")

    limits = replace(LIMITS, tries=1, retry_for_s=600)
    runtime = replace(set_type(runtime, Meddled(fail_once)), limits=limits)
    queue_toy(runtime, WORD="sky", TIMES="3", CHUNKS=chunks)
    fail_twice(monkeypatch, runtime.store, verb)
    for _ in range(60):
        with suppress(TransientError):  # where nothing is held, a task is left to the sweep
            work_once(runtime)
        if runtime.store.phase("job") not in AT_WORK:
            break
    monkeypatch.undo()
    job = runtime.store.get("job")
    assert (job.phase, job.error, job.progress) == (Phase.COMPLETED, None, Progress(3, 3, 0, 18))


@pytest.mark.parametrize("verb", ["save_plan", "report_chunk", "complete"])
def test_work_is_kept_through_an_outage(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(lease, "_ASK_AGAIN_S", 0.001)
    worked: list[str] = []
    set_type(runtime, Meddled(worked.append))
    runtime = replace(runtime, limits=replace(LIMITS, retry_for_s=30))
    queue_toy(runtime, WORD="sky")
    fail_twice(monkeypatch, runtime.store, verb)
    assert plan_job(runtime, "job")
    assert runtime.store.phase("job") is Phase.COMPLETED
    assert worked == ["plan", "chunk", "finish"], "nothing was done again"


@pytest.mark.parametrize("where", ["chunk", "finish"])
def test_work_whose_lease_ran_out_in_an_outage_is_given_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(lease, "_ASK_AGAIN_S", 0.001)
    limits = replace(LIMITS, tries=1, lease_s=0, retry_for_s=30, window=9)
    seen = Counter[str]()

    def count(at: str) -> None:
        seen[at] += 1
        is_over = at == where and seen[where] < 4
        monkeypatch.setattr(lease.LeaseContext, "heartbeat", _expire if is_over else _beat)

    runtime = replace(set_type(runtime, Meddled(count)), limits=limits)
    monkeypatch.setattr(lease.LeaseContext, "keep", lambda _context: None)
    queue_toy(runtime, WORD="sky", TIMES="2", CHUNKS="2")
    work_off(runtime, "job")
    assert (runtime.store.phase("job"), runtime.store.get("job").error) == (Phase.COMPLETED, None)
    assert runtime.store.get("job").progress.failed == 0


def _expire(context: lease.LeaseContext) -> None:
    raise lease.JobStopped(f"job {context.job.id}: the lease is over")


def _beat(context: lease.LeaseContext) -> None:
    del context


def test_an_outage_is_not_waited_for_without_end() -> None:
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        raise AWAY

    with pytest.raises(TransientError, match="the store is away"):
        lease.until_answered(replace(LIMITS, retry_for_s=0.01), ask)
    assert len(asked) == 2
    with pytest.raises(TransientError, match="the store is away"):
        lease.until_answered(replace(LIMITS, retry_for_s=0), ask)
    assert len(asked) == 3


# Quotes


@pytest.mark.parametrize("verb", ["loads", "recent_rate_per_s", "set_quote"])
def test_no_work_fails_for_a_quote(
    inline: Runtime, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Nor are the tasks discarded that were sent before it."""

    def away(*_: object) -> None:
        raise AWAY

    monkeypatch.setattr(part_with(inline.store, verb), verb, away)
    monkeypatch.setattr("uws.work.quoting._PACE_AFTER", timedelta(0))
    job = run_toy(inline, WORD="sky", TIMES="4", CHUNKS="4")
    assert (job.phase, job.progress.done) == (Phase.COMPLETED, 4)


def test_work_at_a_pace_past_the_calendar_goes_on(runtime: Runtime) -> None:
    queue_toy(runtime, WORD="sky", TIMES="3", CHUNKS="3")
    plan_job(runtime, "job")
    run_chunk(runtime, "job", 0)
    with runtime.store._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE uws_jobs SET items_total = 1000000000000, start_time = '1999-01-01 00:00:00'"
        )
    assert run_chunk(runtime, "job", 1)
    assert runtime.store.get("job").progress.done == 2
    quote = runtime.store.get("job").quote
    assert quote is not None
    assert timedelta(days=3649) < quote - datetime.now(UTC) < timedelta(days=3651)
    assert isinstance(runtime.executor, Recorder)
