"""Leases while a step works: kept, lost, and jobs that end in the middle."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from tests.toyjob import LIMITS, ToyJob, queue_toy, run_toy, set_type, toy_runtime
from uws.errors import TransientError
from uws.http.jobinfo import JobInfo, job_info
from uws.jobtype import JobContext, Outcome, Plan
from uws.models import Chunk, ChunkReport, Phase
from uws.runtime import Runtime
from uws.work.termination import abort_job, destroy_job


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
    set_type(inline, Meddled(where, lambda: abort_job(inline, "job")))
    job = run_toy(inline, WORD="sky", TIMES="2", CHUNKS="2")
    assert (job.phase, job.error) == (Phase.ABORTED, None)
    made = ["item-000.txt", "item-001.txt"] if where == "finish" else []
    assert [result.id for result in job.results] == made


@pytest.mark.parametrize("where", ["plan", "chunk", "finish"])
def test_destroyed_job_stays_destroyed(inline: Runtime, where: str) -> None:
    set_type(inline, Meddled(where, lambda: destroy_job(inline, "job")))
    queue_toy(inline, WORD="sky", TIMES="2", CHUNKS="2")
    inline.executor.send_plan("job")
    assert list(inline.store.find.list("")) == []


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

    set_type(runtime, Patient(where, lambda: abort_job(runtime, "job")))
    job = run_toy(runtime, WORD="sky", TIMES="2", CHUNKS="2")
    assert job.phase is Phase.ABORTED
    assert beats[-1] - beats[0] < 5
    runtime.store.close()


def test_silent_chunk_keeps_its_lease(tmp_path: Path) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))
    lost: list[tuple[str, int]] = []

    def look() -> None:
        for _ in range(15):
            threading.Event().wait(0.1)
            lost.extend(runtime.store.recovery.lost_chunks(datetime.now(UTC), 1))

    set_type(runtime, Meddled("chunk", look))
    job = run_toy(runtime, WORD="sky")
    assert (job.phase, lost) == (Phase.COMPLETED, [])
    runtime.store.close()


def test_lease_survives_a_store_that_is_away_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))
    renew, renewals = runtime.store.work.renew, iter(range(100))
    renewed = threading.Event()

    def renew_badly(*arguments: object, **more: object) -> bool:
        if next(renewals) == 0:
            raise TransientError("the store is away")
        kept = renew(*arguments, **more)  # type: ignore[arg-type] # passed on as they came
        renewed.set()
        return kept

    monkeypatch.setattr(runtime.store.work, "renew", renew_badly)
    set_type(runtime, Meddled("chunk", lambda: renewed.wait(10)))
    assert run_toy(runtime, WORD="sky").phase is Phase.COMPLETED
    assert "lease not renewed: ServiceUnavailable: the store is away" in caplog.messages
    runtime.store.close()


def test_a_lease_is_renewed_soon_after_the_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Long before it would be due again; while the store is away that is told once."""
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=9))
    renew, tried_s = runtime.store.work.renew, list[float]()
    renewed = threading.Event()

    def renew_badly(*arguments: object, **more: object) -> bool:
        tried_s.append(time.monotonic())
        if len(tried_s) < 3:
            raise TransientError("the store is away")
        kept = renew(*arguments, **more)  # type: ignore[arg-type] # passed on as they came
        renewed.set()
        return kept

    monkeypatch.setattr(runtime.store.work, "renew", renew_badly)
    set_type(runtime, Meddled("chunk", lambda: renewed.wait(30)))
    assert run_toy(runtime, WORD="sky").phase is Phase.COMPLETED
    assert len(tried_s) == 3
    assert tried_s[2] - tried_s[0] < 2.9
    assert len([text for text in caplog.messages if text.startswith("lease not renewed")]) == 1
    runtime.store.close()


class Beating(ToyJob):
    """Says that it is alive until it is stopped, for ten seconds at most."""

    def __init__(self) -> None:
        self.beats_s: list[float] = []

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        begun = time.monotonic()
        while (elapsed := time.monotonic() - begun) < 10:
            context.heartbeat()
            self.beats_s.append(elapsed)
            threading.Event().wait(0.01)
        return super().run_chunk(context, chunk)


@pytest.mark.parametrize(
    ("error", "told", "between_s"),
    [
        (TransientError("away"), "lease not renewed: ServiceUnavailable: away", (0.9, 2.0)),
        (KeyError("a bug"), "lease given up", (0.2, 0.9)),
    ],
    ids=["store away", "bug"],
)
def test_work_stops_when_its_lease_is_not_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    told: str,
    between_s: tuple[float, float],
) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))

    def renew_never(*_: object, **__: object) -> bool:
        raise error

    monkeypatch.setattr(runtime.store.work, "renew", renew_never)
    beating = Beating()
    set_type(runtime, beating)
    job = run_toy(runtime, WORD="sky")
    assert job.phase is Phase.EXECUTING, "left to the sweep"
    assert between_s[0] < beating.beats_s[-1] < between_s[1]
    assert told in caplog.messages
    later = datetime.now(UTC) + timedelta(seconds=2)
    assert list(runtime.store.recovery.lost_chunks(later, 1)) == [("job", 0)]
    runtime.store.close()


class Silent(ToyJob):
    """Works for longer than a lease and says nothing."""

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        threading.Event().wait(1.5)
        return ChunkReport(chunk.total)


def test_silent_work_outlives_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease runs out, but nobody took the chunk: what was done counts."""
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=1))

    def renew_never(*_: object, **__: object) -> bool:
        raise TransientError("away")

    monkeypatch.setattr(runtime.store.work, "renew", renew_never)
    queue_toy(set_type(runtime, Silent()), WORD="sky", TIMES="2")
    runtime.executor.send_plan("job")
    assert runtime.store.get("job").progress.done == 2
    runtime.store.close()


@pytest.mark.parametrize("end", [abort_job, destroy_job])
def test_an_ended_job_is_noticed_long_before_its_lease_is_renewed(
    tmp_path: Path, end: Callable[[Runtime, str], bool]
) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=60))

    class Ended(Beating):
        @override
        def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
            assert end(runtime, "job")
            return super().run_chunk(context, chunk)

    ended = Ended()
    queue_toy(set_type(runtime, ended), WORD="sky")
    runtime.executor.send_plan("job")
    assert 0.5 < ended.beats_s[-1] < 5
    runtime.store.close()


def test_a_store_that_cannot_be_looked_at_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=60))
    looks: list[str] = []

    class Watched(ToyJob):
        @override
        def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
            with monkeypatch.context() as patch:
                patch.setattr(runtime.store, "phase", look_in_vain)
                deadline = time.monotonic() + 30
                while not looks and time.monotonic() < deadline:
                    threading.Event().wait(0.01)
            context.heartbeat()
            return super().run_chunk(context, chunk)

    def look_in_vain(job_id: str) -> Phase:
        looks.append(job_id)
        raise TransientError("away")

    assert run_toy(set_type(runtime, Watched()), WORD="sky").phase is Phase.COMPLETED
    assert looks == ["job"]
    runtime.store.close()


def test_what_planning_has_found_is_told_while_it_lasts(inline: Runtime) -> None:
    seen: list[tuple[Phase, JobInfo | None]] = []

    class Slow(ToyJob):
        @override
        def plan(self, context: JobContext) -> Plan:
            context.report_total(7)
            deadline = time.monotonic() + 30
            while (job := inline.store.get("job")).progress.total != 7:
                assert time.monotonic() < deadline, "nobody was told"
                threading.Event().wait(0.02)
            seen.append((job.phase, job_info(job, datetime.now(UTC))))
            return super().plan(context)

    set_type(inline, Slow())
    job = run_toy(inline, WORD="sky", TIMES="2")
    assert seen == [(Phase.QUEUED, JobInfo(7, 0, 0, 0, None, None, ()))]
    assert (job.phase, job.progress.total) == (Phase.COMPLETED, 2)


def test_a_lease_that_ended_by_the_wall_clock_is_renewed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a suspend, or a step of the clock: a sweep gives it three seconds."""
    runtime = toy_runtime(tmp_path, limits=replace(LIMITS, lease_s=60))
    renewed: list[float] = []
    work = runtime.store.work
    renew = work.renew
    monkeypatch.setattr(
        work, "renew", lambda *args, **values: renewed.append(1.0) or renew(*args, **values)
    )
    clock = time.time

    def suspend() -> None:
        monkeypatch.setattr("uws.work.lease.time.time", lambda: clock() + 61)
        end_s = time.monotonic() + 10
        while not renewed and time.monotonic() < end_s:
            time.sleep(0.01)

    set_type(runtime, Meddled("chunk", suspend))
    job = run_toy(runtime, WORD="sky")
    assert job.phase == Phase.COMPLETED
    assert renewed
