"""What every job store must do, on each database that it runs on."""

import multiprocessing
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from typing_extensions import override

from tests.toyjob import new_toy
from uws.errors import NotFoundError
from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import (
    MOVES,
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorKind,
    ErrorSummary,
    Parameter,
    Phase,
    Progress,
    Result,
)
from uws.store import JobStore, jobstore, open_store
from uws.store.schema import METADATA

NOON = datetime(2026, 3, 1, 12, 0, 0, 1, UTC)
LEASE_S = 30
AT_WORK = {Phase.QUEUED, Phase.EXECUTING}


@pytest.fixture(scope="session")
def dead_holder() -> str:
    """Give the holder of a process that has ended."""
    command = "from uws.holder import this_holder; print(this_holder(), end='')"
    return subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    ).stdout


def plan_of(count: int, *, notes: tuple[str, ...] = ()) -> Plan:
    return Plan([ChunkPlan({"n": number}, 2) for number in range(count)], notes=notes)


def planned(store: JobStore, count: int, *, phase: Phase = Phase.EXECUTING) -> None:
    """Make the job `job`, planned in chunks of two items."""
    store.create(new_toy())
    store.move("job", Phase.QUEUED, among={Phase.PENDING})
    assert store.save_plan("job", plan_of(count))
    if phase is Phase.EXECUTING:
        store.move("job", phase, among={Phase.QUEUED})


def claim(store: JobStore, number: int, holder: str = "me", lease_s: int = LEASE_S) -> Chunk | None:
    return store.claim_chunk("job", number, holder=holder, lease_s=lease_s)


def _abort_in_fork(store: JobStore) -> None:
    store.dispose()
    assert store.move("job", Phase.ABORTED, among={Phase.PENDING})


class JobStoreContract:
    """A backend's tests inherit this and give `url`, the address of an empty database."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[JobStore]:
        store = open_store(url)
        store.migrate()
        yield store
        store.close()

    # Jobs

    def test_unknown_job(self, store: JobStore) -> None:
        with pytest.raises(NotFoundError, match="no job nobody"):
            store.get("nobody")
        with pytest.raises(NotFoundError, match="no job nobody"):
            store.phase("nobody")
        assert not store.move("nobody", Phase.ABORTED, among=set(Phase))
        assert not store.set_parameters("nobody", [])
        assert not store.delete("nobody")
        assert not store.lease_step("nobody", "plan", holder="me", lease_s=LEASE_S)
        assert not store.save_plan("nobody", plan_of(1))
        assert store.next_chunks("nobody", 8) == []
        assert store.claim_chunk("nobody", 0, holder="me", lease_s=LEASE_S) is None
        assert not store.complete("nobody", Outcome())
        assert store.step_tries("nobody", "plan") == 0
        store.set_quote("nobody", NOON)
        store.add_notes("nobody", ["lost"])
        assert store.phase_counts() == {}

    def test_job_comes_back_whole(self, store: JobStore) -> None:
        job = replace(
            new_toy("a" * 32, owner="åse", created=NOON),
            run_id="my <run>",
            url="https://sky.example/async/a",
            parameters=(
                Parameter("B", "2"),
                Parameter("A", "käse\n;1"),
                Parameter("B", "1"),
                Parameter("UPLOAD", "a/positions.csv", by_reference=True, media_type="text/csv"),
            ),
            quote=NOON + timedelta(hours=1),
            notes=("one", "två"),
        )
        store.create(job)
        assert store.get(job.id) == job

    def test_times_come_back_in_utc(self, store: JobStore) -> None:
        east = timezone(timedelta(hours=2))
        store.create(new_toy())
        store.set_destruction("job", datetime(2030, 1, 1, 0, 30, 0, 123456, east))
        found = store.get("job").destruction
        assert found == datetime(2029, 12, 31, 22, 30, 0, 123456, UTC)
        assert found.tzinfo is UTC

    @pytest.mark.parametrize("to", list(Phase), ids=str)
    @pytest.mark.parametrize("source", list(Phase), ids=str)
    def test_only_legal_moves(self, store: JobStore, source: Phase, to: Phase) -> None:
        store.create(replace(new_toy(), phase=source))
        assert store.move("job", to, among=set(Phase)) == (to in MOVES[source])
        assert store.phase("job") == (to if to in MOVES[source] else source)

    def test_moves_only_from_phases_named(self, store: JobStore) -> None:
        store.create(new_toy())
        assert not store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.move("job", Phase.ABORTED, among=())
        assert store.phase("job") is Phase.PENDING

    def test_moves_set_times_and_error(self, store: JobStore) -> None:
        store.create(new_toy())
        before = datetime.now(UTC)
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert (store.get("job").start_time, store.get("job").end_time) == (None, None)
        store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
        job = store.get("job")
        assert job.start_time is not None
        assert before <= job.start_time <= datetime.now(UTC)
        assert job.end_time is None
        error = ErrorSummary("UsageError: no", ErrorKind.TRANSIENT, "UsageError: no\nnever")
        store.move("job", Phase.ERROR, among=AT_WORK, error=error)
        ended = store.get("job")
        assert ended.end_time is not None
        assert ended == replace(job, phase=Phase.ERROR, end_time=ended.end_time, error=error)
        store.move("job", Phase.ARCHIVED, among={Phase.ERROR})
        assert store.get("job") == replace(ended, phase=Phase.ARCHIVED)

    @pytest.fixture
    def listed(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> JobStore:
        """Give a store whose pages are small, with six jobs a minute apart and one of another."""
        monkeypatch.setattr(jobstore, "_PAGE", 2)
        phases = ["PENDING", "COMPLETED", "ERROR", "ARCHIVED", "COMPLETED", "EXECUTING"]
        for place, phase in enumerate(phases):
            created = NOON + timedelta(minutes=place)
            job = new_toy(f"job{place}", owner="ann", created=created, WORD="sky")
            store.create(replace(job, phase=Phase(phase)))
        store.create(new_toy("other", owner="bob", created=NOON))
        return store

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, "54210"),
            ({"last": 3}, "542"),
            ({"last": 0}, ""),
            ({"last": 100}, "54210"),
            ({"after": NOON + timedelta(minutes=2)}, "54"),
            ({"after": NOON + timedelta(minutes=2, microseconds=-1)}, "542"),
            ({"phases": {Phase.COMPLETED}}, "41"),
            ({"phases": {Phase.COMPLETED}, "last": 1}, "4"),
            ({"phases": {Phase.ARCHIVED, Phase.ERROR}}, "32"),
            ({"phases": {Phase.COMPLETED}, "after": NOON + timedelta(minutes=1)}, "4"),
            ({"phases": {Phase.HELD}}, ""),
        ],
        ids=[
            *("all", "last 3", "last 0", "last 100", "after", "just after"),
            *("phase", "phase and last", "two phases", "phase and after", "none"),
        ],
    )
    def test_list(self, listed: JobStore, filters: dict[str, object], expected: str) -> None:
        jobs = listed.list("ann", **filters)  # type: ignore[arg-type] # a case's own filters
        assert "".join(job.id.removeprefix("job") for job in jobs) == expected

    def test_list_keeps_order_of_equal_times(
        self, store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobstore, "_PAGE", 2)
        for name in "cadbe":
            store.create(new_toy(name, created=NOON))
        assert [job.id for job in store.list("")] == list("edcba")

    def test_listed_jobs_lack_parameters_only(self, listed: JobStore) -> None:
        (newest,) = listed.list("ann", last=1)
        assert newest == replace(listed.get("job5"), parameters=())

    def test_counts(self, listed: JobStore) -> None:
        assert listed.count("ann", {Phase.COMPLETED, Phase.ERROR}) == 3
        assert listed.count("ann", ()) == 0
        assert listed.count("bob", set(Phase)) == 1
        assert listed.phase_counts() == {
            "PENDING": 2,
            "COMPLETED": 2,
            "ERROR": 1,
            "ARCHIVED": 1,
            "EXECUTING": 1,
        }

    def test_parameters_are_replaced_by_name(self, store: JobStore) -> None:
        old = [Parameter("A", "1"), Parameter("B", "2"), Parameter("A", "3"), Parameter("C", "4")]
        store.create(replace(new_toy(), parameters=tuple(old)))
        new = [Parameter("D", "8"), Parameter("A", "5"), Parameter("A", "6"), Parameter("A", "7")]
        assert store.set_parameters("job", new, run_id="second")
        job = store.get("job")
        assert "".join(item.name + item.value for item in job.parameters) == "A5A6A7B2C4D8"
        assert job.run_id == "second"
        assert store.set_parameters("job", [])
        assert store.get("job") == job

    def test_parameters_are_fixed_once_queued(self, store: JobStore) -> None:
        store.create(new_toy(WORD="sky"))
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert not store.set_parameters("job", [Parameter("WORD", "sea")], run_id="second")
        job = store.get("job")
        assert (job.parameters, job.run_id) == ((Parameter("WORD", "sky"),), "")

    def test_properties(self, store: JobStore) -> None:
        store.create(new_toy())
        job = store.get("job")
        store.set_destruction("job", NOON)
        store.set_execution_duration("job", 0)
        store.set_quote("job", NOON + timedelta(seconds=1))
        store.add_notes("job", ["one"])
        store.add_notes("job", ["two", "three"])
        assert store.get("job") == replace(
            job,
            destruction=NOON,
            execution_duration_s=0,
            quote=NOON + timedelta(seconds=1),
            notes=("one", "two", "three"),
        )

    def test_delete_leaves_nothing_but_the_remains(self, store: JobStore) -> None:
        planned(store, 3)
        claim(store, store.next_chunks("job", 1)[0])
        store.create(new_toy("other", WORD="sky"))
        assert store.delete("job")
        assert not store.delete("job")
        with store._database.reading() as connection:
            ids = {
                table.name: set(connection.scalars(sa.select(table.c[column])))
                for table in METADATA.sorted_tables
                for column in ("job_id" if "job_id" in table.c else "id",)
            }
        assert ids == {
            "uws_jobs": {"other"},
            "uws_parameters": {"other"},
            "uws_steps": {"other"},
            "uws_results": set(),
            "uws_chunks": set(),
            "uws_remains": {"job"},
        }
        assert list(store.remains(NOON)) == []
        assert list(store.remains(datetime.now(UTC) + timedelta(seconds=1))) == ["job"]
        store.forget("job")
        assert list(store.remains(datetime.now(UTC) + timedelta(seconds=1))) == []

    # Steps

    def lease(self, store: JobStore, step: str, holder: str = "me", lease_s: int = LEASE_S) -> bool:
        return store.lease_step("job", step, holder=holder, lease_s=lease_s)

    @pytest.mark.parametrize("phase", sorted(set(Phase) - AT_WORK))
    def test_no_step_without_work(self, store: JobStore, phase: Phase) -> None:
        store.create(replace(new_toy(), phase=phase))
        assert not self.lease(store, "plan")
        assert not store.save_plan("job", plan_of(1))
        assert store.get("job").chunk_count is None

    def test_step_has_one_living_holder(self, store: JobStore, dead_holder: str) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert self.lease(store, "plan", dead_holder)
        assert self.lease(store, "plan", "me", lease_s=0)
        assert self.lease(store, "plan", "you")
        assert not self.lease(store, "plan", "me")
        assert store.step_tries("job", "plan") == 3
        assert not store.renew("job", holder="me", lease_s=LEASE_S, step="plan")
        assert store.renew("job", holder="you", lease_s=LEASE_S, step="plan")
        store.release_step("job", "plan", holder="me")
        assert not self.lease(store, "plan", "me")
        store.release_step("job", "plan", holder="you")
        assert self.lease(store, "plan", "me")

    def test_step_is_not_renewed_after_the_end(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert self.lease(store, "plan")
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.renew("job", holder="me", lease_s=LEASE_S, step="plan")

    def test_renew_needs_something_to_renew(self, store: JobStore) -> None:
        with pytest.raises(ValueError, match="neither a chunk's number nor a step"):
            store.renew("job", holder="me", lease_s=LEASE_S)

    def test_plan_is_saved_once(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED, notes=("first",)))
        plan = replace(plan_of(3, notes=("second",)), done=5, failed=1)
        assert store.save_plan("job", plan)
        assert not store.save_plan("job", plan_of(8, notes=("third",)))
        assert not self.lease(store, "plan")
        job = store.get("job")
        assert job.chunk_count == 3
        assert job.progress == Progress(total=12, done=5, failed=1)
        assert job.notes == ("first", "second")

    def test_finish_waits_for_the_last_chunk(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert not self.lease(store, "finish")
        store.save_plan("job", plan_of(1))
        assert not self.lease(store, "finish")
        claim(store, store.next_chunks("job", 1)[0])
        assert store.report_chunk("job", 0, ChunkReport(2), holder="me") == 0
        assert self.lease(store, "finish")
        assert not self.lease(store, "finish", "you")

    def test_empty_plan_is_ready_to_finish(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        store.save_plan("job", Plan([], done=4))
        assert store.get("job").progress == Progress(total=4, done=4)
        assert self.lease(store, "finish")

    # Chunks

    def test_window(self, store: JobStore) -> None:
        planned(store, 6)
        assert store.next_chunks("job", 2) == [0, 1]
        assert store.next_chunks("job", 2) == []
        assert store.next_chunks("job", 3) == [2]
        assert claim(store, 1) is not None
        assert store.next_chunks("job", 3) == []
        store.report_chunk("job", 1, ChunkReport(2), holder="me")
        assert store.next_chunks("job", 3) == [3]
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert store.next_chunks("job", 8) == []

    def test_claim(self, store: JobStore) -> None:
        planned(store, 2, phase=Phase.QUEUED)
        assert claim(store, 0) is None  # not sent
        store.next_chunks("job", 8)
        running = ChunkState.RUNNING
        assert claim(store, 0) == Chunk("job", 0, {"n": 0}, 2, state=running, attempts=1)
        assert claim(store, 0, "you") is None
        store.release_chunk("job", 0, holder="you")
        assert claim(store, 0, "you") is None
        store.release_chunk("job", 0, holder="me")
        assert claim(store, 0, "you") == Chunk("job", 0, {"n": 0}, 2, state=running, attempts=2)
        assert claim(store, 7) is None
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert claim(store, 1) is None

    def test_renewed_chunk(self, store: JobStore) -> None:
        planned(store, 1)
        store.next_chunks("job", 1)
        claim(store, 0)
        later = datetime.now(UTC) + timedelta(seconds=60)
        assert list(store.lost_chunks(later, LEASE_S)) == [("job", 0)]
        assert not store.renew("job", holder="you", lease_s=90, number=0)
        assert store.renew("job", holder="me", lease_s=90, number=0)
        assert list(store.lost_chunks(later, LEASE_S)) == []
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.renew("job", holder="me", lease_s=90, number=0)

    def test_reports_add_up(self, store: JobStore) -> None:
        planned(store, 3)
        store.next_chunks("job", 8)
        reports = [
            ChunkReport(2, 0, 10**12, {"key": "a/1", "é": [1, None]}),
            ChunkReport(1, 1, 5),
            ChunkReport(0, 2, 0, {"reason": "dead"}),
        ]
        for number, left in ((2, 2), (0, 1), (1, 0)):
            state = ChunkState.FAILED if number == 2 else ChunkState.DONE
            claim(store, number)
            report = reports[number]
            assert store.report_chunk("job", number, report, holder="me", state=state) == left
        assert store.reports("job") == reports
        assert store.get("job").progress == Progress(6, 3, 3, 10**12 + 5)

    def test_late_reports_change_nothing(self, store: JobStore) -> None:
        planned(store, 2)
        store.next_chunks("job", 8)
        claim(store, 0)
        claim(store, 1)
        assert store.report_chunk("job", 0, ChunkReport(2), holder="you") is None
        assert store.report_chunk("job", 0, ChunkReport(2), holder="me") == 1
        assert store.report_chunk("job", 0, ChunkReport(2), holder="me") is None
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert store.report_chunk("job", 1, ChunkReport(2), holder="me") is None
        assert store.reports("job") == [ChunkReport(2)]
        assert store.get("job").progress == Progress(total=4, done=2)

    def test_complete(self, store: JobStore) -> None:
        planned(store, 0)
        job = store.get("job")
        results = (
            Result("b.fits", "job/b.fits", "application/fits", 5 * 10**9),
            Result("archive", "archive", "application/gzip"),
        )
        assert store.complete("job", Outcome(results, notes=("done",)))
        done = store.get("job")
        assert done.end_time is not None
        assert done == replace(
            job, phase=Phase.COMPLETED, end_time=done.end_time, results=results, notes=("done",)
        )
        assert not store.complete("job", Outcome(results, notes=("again",)))
        assert store.get("job") == done

    def test_complete_with_error(self, store: JobStore) -> None:
        planned(store, 0)
        error = ErrorSummary("Error: nothing could be done")
        assert store.complete("job", Outcome(error=error))
        assert (store.phase("job"), store.get("job").error) == (Phase.ERROR, error)

    def test_aborted_job_stays_aborted(self, store: JobStore) -> None:
        planned(store, 0)
        store.move("job", Phase.ABORTED, among=AT_WORK)
        job = store.get("job")
        result = Result("a", "job/a", "text/plain")
        assert not store.complete("job", Outcome((result,), notes=("done",)))
        assert store.get("job") == job

    # Sweeps

    def test_expired(self, store: JobStore) -> None:
        for name, phase in (("b", "COMPLETED"), ("a", "PENDING"), ("c", "ARCHIVED")):
            store.create(replace(new_toy(name), phase=Phase(phase)))
            store.set_destruction(name, NOON + timedelta(days=ord(name)))
        assert list(store.expired(NOON + timedelta(days=97, microseconds=-1))) == []
        assert list(store.expired(NOON + timedelta(days=97))) == ["a"]
        assert list(store.expired(NOON + timedelta(days=200))) == ["a", "b"]

    def test_overdue(self, store: JobStore) -> None:
        for name, limit_s in (("short", 60), ("long", 600), ("endless", 0)):
            job = new_toy(name, execution_duration_s=limit_s)
            store.create(replace(job, phase=Phase.EXECUTING, start_time=NOON))
        store.create(replace(new_toy("over"), phase=Phase.COMPLETED, start_time=NOON))
        assert list(store.overdue(NOON + timedelta(seconds=59))) == []
        assert list(store.overdue(NOON + timedelta(seconds=60))) == ["short"]
        assert sorted(store.overdue(NOON + timedelta(days=60))) == ["long", "short"]

    def test_unplanned(self, store: JobStore, dead_holder: str) -> None:
        store.create(new_toy())
        now = datetime.now(UTC)
        later = now + timedelta(seconds=20)
        assert list(store.unplanned(later, 10)) == []
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert list(store.unplanned(now, 10)) == []
        assert list(store.unplanned(later, 10)) == ["job"]
        self.lease(store, "plan", lease_s=30)
        assert list(store.unplanned(later, 10)) == []
        assert list(store.unplanned(now + timedelta(seconds=40), 10)) == ["job"]
        store.release_step("job", "plan", holder="me")
        assert list(store.unplanned(now, 10)) == []
        self.lease(store, "plan", dead_holder)
        assert list(store.unplanned(now, 10)) == ["job"]
        store.save_plan("job", plan_of(1))
        assert list(store.unplanned(later, 10)) == []

    def test_lost_chunks(self, store: JobStore, dead_holder: str) -> None:
        planned(store, 5)
        now = datetime.now(UTC)
        store.next_chunks("job", 4)
        claim(store, 0, dead_holder)
        claim(store, 1, "me", lease_s=10)
        claim(store, 2, "me", lease_s=1000)
        assert list(store.lost_chunks(now, 20)) == [("job", 0)]
        later = now + timedelta(seconds=15)
        assert list(store.lost_chunks(later, 20)) == [("job", 0), ("job", 1)]
        latest = now + timedelta(seconds=25)
        assert list(store.lost_chunks(latest, 20)) == [("job", 0), ("job", 1), ("job", 3)]
        assert not store.resend_chunk("job", 2, now=latest, lease_s=20)
        assert store.resend_chunk("job", 0, now=latest, lease_s=20)
        assert not store.resend_chunk("job", 0, now=latest, lease_s=20)
        assert store.report_chunk("job", 0, ChunkReport(2), holder=dead_holder) is None
        chunk = claim(store, 0)
        assert chunk is not None
        assert chunk.attempts == 2
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert list(store.lost_chunks(now + timedelta(days=1), 20)) == []

    def test_unfinished(self, store: JobStore) -> None:
        planned(store, 0)
        now = datetime.now(UTC)
        assert list(store.unfinished(now)) == ["job"]
        assert store.resend_step("job", "finish", now=now, older_than_s=20)
        assert not store.resend_step("job", "finish", now=now, older_than_s=20)
        assert list(store.unfinished(now, 20)) == []
        assert list(store.unfinished(now + timedelta(seconds=20), 20)) == ["job"]
        self.lease(store, "finish")
        assert list(store.unfinished(now)) == []
        store.complete("job", Outcome())
        assert list(store.unfinished(now + timedelta(days=1))) == []

    def test_starved(self, store: JobStore) -> None:
        planned(store, 3)
        assert list(store.starved(2)) == ["job"]
        store.next_chunks("job", 2)
        assert list(store.starved(2)) == []
        claim(store, 0)
        store.report_chunk("job", 0, ChunkReport(2), holder="me")
        assert list(store.starved(2)) == ["job"]
        assert store.next_chunks("job", 2) == [2]
        assert list(store.starved(8)) == []

    # Several at once

    def run_together(self, work: Callable[[int], None], *, threads: int = 4) -> None:
        barrier = threading.Barrier(threads)

        def start(worker: int) -> None:
            barrier.wait()
            work(worker)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(start, range(threads)))

    def test_workers_share_the_chunks(self, store: JobStore) -> None:
        count, window = 24, 5
        planned(store, count)
        store.next_chunks("job", window)
        taken: list[int] = []
        lefts: list[int] = []
        in_flight: list[int] = []

        def work(worker: int) -> None:
            holder = f"worker{worker}"
            while not lefts or min(lefts) > 0:
                for number in range(count):
                    if claim(store, number, holder) is None:
                        continue
                    taken.append(number)
                    left = store.report_chunk("job", number, ChunkReport(2), holder=holder)
                    assert left is not None
                    lefts.append(left)
                    sent = store.next_chunks("job", window)
                    in_flight.append(len(sent))

        self.run_together(work)
        assert sorted(taken) == list(range(count))
        assert sorted(lefts) == list(range(count))
        assert sum(in_flight) == count - window
        assert store.get("job").progress == Progress(2 * count, 2 * count)

    def test_window_holds_against_a_crowd(self, store: JobStore) -> None:
        planned(store, 40)
        sent: list[int] = []
        self.run_together(lambda _worker: sent.extend(store.next_chunks("job", 8)))
        assert sorted(sent) == list(range(8))

    def test_one_sweep_resends(self, store: JobStore) -> None:
        planned(store, 1)
        store.next_chunks("job", 1)
        later = datetime.now(UTC) + timedelta(seconds=60)
        answers: list[bool] = []
        self.run_together(
            lambda _worker: answers.append(store.resend_chunk("job", 0, now=later, lease_s=LEASE_S))
        )
        assert sorted(answers) == [False, False, False, True]

    def test_one_holder_of_a_step(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        answers: list[bool] = []
        self.run_together(
            lambda worker: answers.append(self.lease(store, "plan", f"worker{worker}"))
        )
        assert sorted(answers) == [False, False, False, True]
        assert store.step_tries("job", "plan") == 1

    def test_parent_and_fork_use_connections_of_their_own(self, store: JobStore) -> None:
        store.create(new_toy())
        fork = multiprocessing.get_context("fork").Process(target=_abort_in_fork, args=(store,))
        fork.start()
        fork.join()
        assert fork.exitcode == 0
        assert store.phase("job") is Phase.ABORTED

    def test_migrations_run_once(self, url: str) -> None:
        stores = [open_store(url) for _ in range(4)]
        self.run_together(lambda worker: stores[worker].migrate())
        stores[0].create(new_toy())
        assert stores[1].phase("job") is Phase.PENDING
        for store in stores:
            store.close()

    def test_migrations_make_the_tables_of_the_schema(self, store: JobStore) -> None:
        with store._database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, METADATA) == []


class TestSqlite(JobStoreContract):
    @pytest.fixture
    @override
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the address of a fresh PostgreSQL server, where one is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    # The server refuses to run as root; Debian's package makes a user for it.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        shutil.chown(folder, user)
        data = f"{folder}/data"
        subprocess.run(
            [initdb, "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync"],
            check=True,
            user=user,
            capture_output=True,
            cwd=folder,
        )
        server = subprocess.Popen(
            [
                *(str(Path(initdb).with_name("postgres")), "-D", data, "-k", folder),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            user=user,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for_postgres(folder)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut off
            server.wait(30)


def _wait_for_postgres(folder: str) -> None:
    engine = sa.create_engine(_postgres_url(folder), poolclass=sa.NullPool)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError:
            if datetime.now(UTC) > deadline:
                raise
            threading.Event().wait(0.05)


def _postgres_url(folder: str) -> str:
    return f"postgresql+psycopg://postgres@/postgres?host={folder}"


class TestPostgres(JobStoreContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres: str) -> str:
        engine = sa.create_engine(_postgres_url(postgres), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        return _postgres_url(postgres).replace("+psycopg", "")

    @pytest.mark.parametrize("source", [Phase.PENDING, Phase.QUEUED, Phase.COMPLETED], ids=str)
    @pytest.mark.parametrize("to", [Phase.QUEUED, Phase.ABORTED, Phase.ARCHIVED], ids=str)
    @override
    def test_only_legal_moves(self, store: JobStore, source: Phase, to: Phase) -> None:
        super().test_only_legal_moves(store, source, to)
