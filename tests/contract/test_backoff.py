"""What is away for the moment is waited for: pauses that grow, in both databases, then the end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from typing_extensions import override

from tests.contract.stores import LEASE_S, StoreContract, claim, planned
from tests.toyjob import Recorder, ToyJob, new_toy, queue_toy, set_type, toy_runtime
from tests.working import Killed, work_off
from uws.errors import TransientError
from uws.jobtype import JobContext, Outcome, Plan
from uws.models import (
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorKind,
    ErrorSummary,
    Phase,
    Progress,
)
from uws.runtime import JobLimits, Runtime
from uws.store import JobStore
from uws.store.database import Database, open_engine
from uws.work.steps import plan_job, run_chunk

PAUSE_S = 60.0


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


# How long


@pytest.mark.parametrize(
    ("limits", "pauses_s"),
    [
        (JobLimits(), [5.0, 10.0, 20.0, 40.0, *[60.0] * 9]),
        (JobLimits(retry_for_s=30), [5.0, 10.0, 20.0]),
        (JobLimits(retry_pause_s=60, retry_for_s=100), [60.0, 60.0]),
        (JobLimits(retry_for_s=0), [5.0, 10.0]),
        (JobLimits(retry_for_s=0, tries=1), []),
        (JobLimits(retry_for_s=12, tries=5), [5.0, 10.0, 20.0, 40.0]),
        (JobLimits(retry_pause_s=0, retry_for_s=600), [0.0, 0.0]),
    ],
    ids=["default", "short", "a minute at most", "no time", "once", "tries at least", "no pause"],
)
def test_pauses_grow_until_it_was_long_enough(limits: JobLimits, pauses_s: list[float]) -> None:
    found: list[float | None] = [limits.pause_after_s(n + 1) for n in range(len(pauses_s) + 2)]
    assert found == [*pauses_s, None, None]


# In the store


class BackoffContract(StoreContract):
    """A chunk or step that was released with a pause rests, and is then sent by one sweep."""

    def test_a_chunk_rests(self, store: JobStore) -> None:
        planned(store, 2)
        store.work.next_chunks("job", 1)
        claim(store, 0)
        before = datetime.now(UTC)
        store.work.release_chunk("job", 0, holder="me", pause_s=PAUSE_S)
        after = datetime.now(UTC)
        assert claim(store, 0) is None
        assert store.work.next_chunks("job", 1) == [], "it keeps its place in the window"
        assert list(store.recovery.starved(1)) == []
        for early_s in (0.0, PAUSE_S):
            assert list(store.recovery.lost_chunks(before + seconds(early_s), 0)) == []
        due = after + seconds(PAUSE_S)
        assert list(store.recovery.lost_chunks(due, LEASE_S)) == [("job", 0)], "nobody has sent it"
        assert not store.recovery.resend_chunk("job", 0, now=before, older_than_s=0)
        assert store.recovery.resend_chunk("job", 0, now=due, older_than_s=LEASE_S)
        assert not store.recovery.resend_chunk("job", 0, now=due, older_than_s=LEASE_S)
        expected = Chunk("job", 0, {"n": 0}, 2, state=ChunkState.RUNNING, attempts=2, failures=1)
        assert claim(store, 0) == expected

    def test_a_pause_that_is_over_holds_nobody(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        for number in range(3):
            chunk = claim(store, 0)
            assert chunk is not None
            assert (chunk.attempts, chunk.failures) == (number + 1, number)
            store.work.release_chunk("job", 0, holder="me", pause_s=0)

    def test_only_its_holder_lets_it_rest(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        claim(store, 0)
        store.work.release_chunk("job", 0, holder="you", pause_s=PAUSE_S)
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") == 0
        store.work.release_chunk("job", 0, holder="me", pause_s=PAUSE_S)
        assert list(store.recovery.lost_chunks(datetime.now(UTC) + timedelta(days=1), 0)) == []

    def test_progress_forgets_failures(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        for _ in range(2):
            claim(store, 0)
            store.work.release_chunk("job", 0, holder="me", pause_s=0)
        claim(store, 0)
        assert store.work.forget_attempts("job", 0, holder="me")
        store.work.release_chunk("job", 0, holder="me", pause_s=0)
        chunk = claim(store, 0)
        assert chunk is not None
        assert (chunk.attempts, chunk.failures) == (2, 1)

    @pytest.mark.parametrize("step", ["plan", "finish"])
    def test_a_step_rests(self, store: JobStore, step: str) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        if step == "finish":
            store.work.save_plan("job", Plan([]))
        lost = store.recovery.unplanned if step == "plan" else store.recovery.unfinished
        assert store.work.lease_step("job", step, holder="me", lease_s=LEASE_S) == 1
        assert store.work.step_failures("job", step) == 0
        before = datetime.now(UTC)
        store.work.release_step("job", step, holder="me", pause_s=PAUSE_S)
        due = datetime.now(UTC) + seconds(PAUSE_S)
        assert store.work.lease_step("job", step, holder="me", lease_s=LEASE_S) == 0
        assert list(lost(before + seconds(PAUSE_S), 0)) == []
        assert list(lost(due, LEASE_S)) == ["job"]
        assert store.recovery.resend_step("job", step, now=due, older_than_s=LEASE_S)
        assert not store.recovery.resend_step("job", step, now=due, older_than_s=LEASE_S)
        assert store.work.step_failures("job", step) == 1
        assert store.work.lease_step("job", step, holder="me", lease_s=LEASE_S) == 2
        store.work.release_step("job", step, holder="you", pause_s=PAUSE_S)
        assert store.work.step_failures("job", step) == 1

    def test_failures_of_a_job_that_is_gone(self, store: JobStore) -> None:
        assert store.work.step_failures("nobody", "plan") == 0
        assert not store.work.has_given_up("nobody")
        store.work.release_step("nobody", "plan", holder="me", pause_s=PAUSE_S)
        store.work.release_chunk("nobody", 0, holder="me", pause_s=PAUSE_S)

    def test_chunks_that_were_away_as_a_whole_are_remembered(self, store: JobStore) -> None:
        planned(store, 4)
        store.work.next_chunks("job", 4)
        for number, (report, state) in enumerate(
            [
                (ChunkReport(0), ChunkState.DONE),
                (ChunkReport(0, 2), ChunkState.FAILED),
                (ChunkReport(1, 1), ChunkState.UNAVAILABLE),
                (ChunkReport(0, 2), ChunkState.UNAVAILABLE),
            ]
        ):
            assert not store.work.has_given_up("job")
            claim(store, number)
            store.work.report_chunk("job", number, report, holder="me", state=state)
        assert store.work.has_given_up("job")

    def test_an_ended_job_is_not_tried_again(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        claim(store, 0)
        store.work.release_chunk("job", 0, holder="me", pause_s=0)
        store.move("job", Phase.ABORTED, among={Phase.EXECUTING})
        assert claim(store, 0) is None
        assert list(store.recovery.lost_chunks(datetime.now(UTC) + timedelta(days=1), 0)) == []

    def test_migration_goes_back_and_forth(self, url: str) -> None:
        engine = open_engine(url)

        def migrate(verb: Callable[[Config, str], None], revision: str) -> set[str]:
            with Database(engine).writing() as connection:
                config = Config()
                config.set_main_option("script_location", "uws:migrations")
                config.attributes["connection"] = connection
                verb(config, revision)
                columns = sa.inspect(connection).get_columns("uws_chunks")
            return {column["name"] for column in columns} & {"failures", "retry_time"}

        assert migrate(command.upgrade, "0002") == set()
        assert migrate(command.upgrade, "0003") == {"failures", "retry_time"}
        assert migrate(command.downgrade, "0002") == set()
        assert migrate(command.upgrade, "head") == {"failures", "retry_time"}
        engine.dispose()


class TestSqlite(BackoffContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(BackoffContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url


# In the steps


LIMITS = JobLimits(tries=2, retry_pause_s=0.001, retry_for_s=0.02, window=8)
TRIES = 6
"""Of these limits: after pauses of 1, 2, 4, 8 and 16 ms, which are more than 20 ms in all."""


class Away(ToyJob):
    """Finds something away for a number of times, or is killed, as a plan of its fate says."""

    def __init__(self, where: str, fate: str) -> None:
        self._where = where
        self._fate = iter(fate)

    @override
    def plan(self, context: JobContext) -> Plan:
        self._at("plan")
        return super().plan(context)

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        if chunk.number == 0:
            self._at("chunk")
        return super().run_chunk(context, chunk)

    @override
    def finish(self, context: JobContext, reports: object) -> Outcome:
        self._at("finish")
        return super().finish(context, ())

    def _at(self, where: str) -> None:
        if where != self._where:
            return
        match next(self._fate, "."):
            case "a":
                raise TransientError("the source is away")
            case "d":
                raise OSError(28, "No space left on device", "/srv/secret/file")
            case "k":
                raise Killed
            case _:
                pass


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return replace(toy_runtime(tmp_path), executor=Recorder(), limits=LIMITS)


def work(runtime: Runtime, **parameters: str) -> None:
    queue_toy(runtime, WORD="sky", **parameters)
    work_off(runtime, "job")


@pytest.mark.parametrize("chunks", ["1", "3"])
@pytest.mark.parametrize("where", ["plan", "chunk", "finish"])
@pytest.mark.parametrize("fate", ["aaaa", "dddd", "aka", "kada"])
def test_an_outage_is_survived(runtime: Runtime, where: str, fate: str, chunks: str) -> None:
    """It takes more tries than may kill a worker, and those do not count against it."""
    work(set_type(runtime, Away(where, fate)), TIMES="6", CHUNKS=chunks)
    job = runtime.store.get("job")
    assert (job.phase, job.error, job.progress) == (
        Phase.COMPLETED,
        None,
        Progress(6, 6, 0, 36),
    )


@pytest.mark.parametrize("where", ["plan", "finish"])
def test_a_step_ends_in_error_when_it_was_tried_long_enough(runtime: Runtime, where: str) -> None:
    work(set_type(runtime, Away(where, "d" * 50)), TIMES="2")
    text = "ServiceUnavailable: files cannot be read or written now: No space left on device"
    assert runtime.store.get("job").error == ErrorSummary(text, ErrorKind.TRANSIENT, text)
    assert runtime.store.work.step_failures("job", where) == TRIES - 1


def test_a_chunk_fails_when_it_was_tried_long_enough(runtime: Runtime) -> None:
    work(set_type(runtime, Away("chunk", "a" * 50)), TIMES="6", CHUNKS="3")
    job = runtime.store.get("job")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(6, 4, 2, 24))
    reason = "ServiceUnavailable: the source is away"
    assert runtime.store.work.reports("job")[0].detail == {"reason": reason}


def test_a_worker_that_dies_is_still_counted_among_failures(runtime: Runtime) -> None:
    work(set_type(runtime, Away("plan", "akaka" + "k" * 9)), TIMES="2")
    text = "Error: the plan was given up: no worker survived it in 2 tries"
    assert runtime.store.get("job").error == ErrorSummary(text, detail=text)


def test_what_was_waited_for_once_is_not_waited_for_as_long_by_every_chunk(
    runtime: Runtime,
) -> None:
    tried: list[int] = []

    class AllAway(ToyJob):
        @override
        def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
            tried.append(chunk.number)
            raise TransientError("the source is away")

    runtime = replace(set_type(runtime, AllAway()), limits=replace(LIMITS, window=1))
    work(runtime, TIMES="4", CHUNKS="4")
    assert [tried.count(number) for number in range(4)] == [TRIES, 2, 2, 2]
    assert runtime.store.get("job").progress == Progress(4, 0, 4)


def test_a_bug_in_one_chunk_does_not_shorten_an_outage_of_another(runtime: Runtime) -> None:
    tried: list[int] = []

    class BugAndAway(ToyJob):
        @override
        def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
            tried.append(chunk.number)
            if chunk.number == 0:
                raise ValueError("a bug")
            if tried.count(1) < TRIES:
                raise TransientError("the source is away")
            return super().run_chunk(context, chunk)

    runtime = replace(set_type(runtime, BugAndAway()), limits=replace(LIMITS, window=1))
    work(runtime, TIMES="2", CHUNKS="2")
    assert tried == [0] * 2 + [1] * TRIES
    assert runtime.store.get("job").progress == Progress(2, 1, 1, 6)


def test_window_of_a_plan(runtime: Runtime) -> None:
    """Chunks that rest are in flight: no more are sent meanwhile."""
    runtime = replace(runtime, limits=replace(LIMITS, window=2, retry_pause_s=60))
    set_type(runtime, Away("chunk", "a"))
    queue_toy(runtime, WORD="sky", TIMES="6", CHUNKS="6")
    plan_job(runtime, "job")
    assert not run_chunk(runtime, "job", 0)
    assert run_chunk(runtime, "job", 1)
    assert isinstance(runtime.executor, Recorder)
    assert runtime.executor.sent == ["chunks [0, 1] job", "chunks [2] job"]
