"""What every job store must do with the work on jobs: steps, chunks, leases, sweeps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import (
    AT_WORK,
    LEASE_S,
    NOON,
    StoreContract,
    claim,
    plan_of,
    planned,
    run_together,
)
from tests.toyjob import new_toy
from uws.jobtype import Outcome, Plan
from uws.models import (
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorSummary,
    Phase,
    Progress,
    Result,
)
from uws.store import JobStore


class StoreWorkContract(StoreContract):
    """Work: who has it, what is left of it, what was lost of it."""

    # Steps

    def lease(self, store: JobStore, step: str, holder: str = "me", lease_s: int = LEASE_S) -> int:
        return store.work.lease_step("job", step, holder=holder, lease_s=lease_s)

    @pytest.mark.parametrize("phase", sorted(set(Phase) - AT_WORK))
    def test_no_step_without_work(self, store: JobStore, phase: Phase) -> None:
        store.create(replace(new_toy(), phase=phase))
        assert not self.lease(store, "plan")
        assert not store.work.save_plan("job", plan_of(1))
        assert store.get("job").chunk_count is None

    def test_step_has_one_living_holder(self, store: JobStore, dead_holder: str) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert self.lease(store, "plan", dead_holder) == 1
        assert self.lease(store, "plan", "me", lease_s=0) == 2
        assert self.lease(store, "plan", "you") == 3
        assert self.lease(store, "plan", "me") == 0
        assert not store.work.renew("job", holder="me", lease_s=LEASE_S, step="plan")
        assert store.work.renew("job", holder="you", lease_s=LEASE_S, step="plan")
        store.work.release_step("job", "plan", holder="me")
        assert not self.lease(store, "plan", "me")
        store.work.release_step("job", "plan", holder="you")
        assert self.lease(store, "plan", "me") == 4

    def test_step_is_not_renewed_after_the_end(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert self.lease(store, "plan")
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.work.renew("job", holder="me", lease_s=LEASE_S, step="plan")

    def test_renew_needs_something_to_renew(self, store: JobStore) -> None:
        with pytest.raises(ValueError, match="neither a chunk's number nor a step"):
            store.work.renew("job", holder="me", lease_s=LEASE_S)

    def test_plan_is_saved_once(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED, notes=("first",)))
        plan = replace(plan_of(3, notes=("second",)), done=5, failed=1)
        assert store.work.save_plan("job", plan)
        assert not store.work.save_plan("job", plan_of(8, notes=("third",)))
        assert not self.lease(store, "plan")
        job = store.get("job")
        assert job.chunk_count == 3
        assert job.progress == Progress(total=12, done=5, failed=1, by_plan=6)
        assert job.notes == ("first", "second")

    def test_finish_waits_for_the_last_chunk(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert not self.lease(store, "finish")
        store.work.save_plan("job", plan_of(1))
        assert not self.lease(store, "finish")
        claim(store, store.work.next_chunks("job", 1)[0])
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") == 0
        assert self.lease(store, "finish")
        assert not self.lease(store, "finish", "you")

    def test_empty_plan_is_ready_to_finish(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        store.work.save_plan("job", Plan([], done=4))
        assert store.get("job").progress == Progress(total=4, done=4, by_plan=4)
        assert self.lease(store, "finish")

    # Chunks

    def test_window(self, store: JobStore) -> None:
        planned(store, 6)
        assert store.work.next_chunks("job", 2) == [0, 1]
        assert store.work.next_chunks("job", 2) == []
        assert store.work.next_chunks("job", 3) == [2]
        assert claim(store, 1) is not None
        assert store.work.next_chunks("job", 3) == []
        store.work.report_chunk("job", 1, ChunkReport(2), holder="me")
        assert store.work.next_chunks("job", 3) == [3]
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert store.work.next_chunks("job", 8) == []

    def test_claim(self, store: JobStore) -> None:
        planned(store, 2, phase=Phase.QUEUED)
        assert claim(store, 0) is None  # not sent
        store.work.next_chunks("job", 8)
        running = ChunkState.RUNNING
        assert claim(store, 0) == Chunk("job", 0, {"n": 0}, 2, state=running, attempts=1)
        assert claim(store, 0, "you") is None
        store.work.release_chunk("job", 0, holder="you")
        assert claim(store, 0, "you") is None
        store.work.release_chunk("job", 0, holder="me")
        assert claim(store, 0, "you") == Chunk("job", 0, {"n": 0}, 2, state=running, attempts=2)
        assert claim(store, 7) is None
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert claim(store, 1) is None

    def test_renewed_chunk(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        claim(store, 0)
        later = datetime.now(UTC) + timedelta(seconds=60)
        assert list(store.recovery.lost_chunks(later, LEASE_S)) == [("job", 0)]
        assert not store.work.renew("job", holder="you", lease_s=90, number=0)
        assert store.work.renew("job", holder="me", lease_s=90, number=0)
        assert list(store.recovery.lost_chunks(later, LEASE_S)) == []
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.work.renew("job", holder="me", lease_s=90, number=0)

    def test_tries_are_counted_anew_as_often_as_there_are_items(self, store: JobStore) -> None:
        planned(store, 2)
        store.work.next_chunks("job", 2)
        claim(store, 0)
        assert not store.work.forget_attempts("job", 0, holder="you")
        assert not store.work.forget_attempts("job", 1, holder="me")
        assert store.work.forget_attempts("job", 0, holder="me", attempts=0)
        assert store.work.forget_attempts("job", 0, holder="me")
        store.work.release_chunk("job", 0, holder="me")
        chunk = claim(store, 0)
        assert chunk is not None
        assert chunk.attempts == 2
        assert not store.work.forget_attempts("job", 0, holder="me")
        store.work.release_chunk("job", 0, holder="me")
        chunk = claim(store, 0)
        assert chunk is not None
        assert chunk.attempts == 3

    def test_reports_add_up(self, store: JobStore) -> None:
        planned(store, 3)
        store.work.next_chunks("job", 8)
        reports = [
            ChunkReport(2, 0, 10**12, {"key": "a/1", "é": [1, None]}),
            ChunkReport(1, 1, 5),
            ChunkReport(0, 2, 0, {"reason": "dead"}),
        ]
        for number, left in ((2, 2), (0, 1), (1, 0)):
            state = ChunkState.FAILED if number == 2 else ChunkState.DONE
            claim(store, number)
            report = reports[number]
            assert store.work.report_chunk("job", number, report, holder="me", state=state) == left
        assert store.work.reports("job") == reports
        assert store.get("job").progress == Progress(6, 3, 3, 10**12 + 5)

    def test_late_reports_change_nothing(self, store: JobStore) -> None:
        planned(store, 2)
        store.work.next_chunks("job", 8)
        claim(store, 0)
        claim(store, 1)
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="you") is None
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") == 1
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") is None
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert store.work.report_chunk("job", 1, ChunkReport(2), holder="me") is None
        assert store.work.reports("job") == [ChunkReport(2)]
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

    def test_what_an_aborted_job_left_is_recorded_once(self, store: JobStore) -> None:
        planned(store, 0)
        results = (Result("b.txt", "job/b.txt", "text/plain", 5), Result("a", "a", "text/plain"))
        assert not store.add_results("job", results)
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert store.add_results("job", results)
        assert not store.add_results("job", results[:1])
        assert not store.add_results("nobody", results)
        assert store.get("job").results == results

    # Sweeps

    def test_unknown(self, store: JobStore) -> None:
        store.create(new_toy("b"))
        ids = [f"{number}" for number in range(1200)]
        assert list(store.recovery.unknown(["a", "b", *ids, "c"])) == ["a", *ids, "c"]
        assert list(store.recovery.unknown([])) == []

    def test_expired(self, store: JobStore) -> None:
        for name, phase in (("b", "COMPLETED"), ("a", "PENDING"), ("c", "ARCHIVED")):
            store.create(replace(new_toy(name), phase=Phase(phase)))
            store.set_destruction(name, NOON + timedelta(days=ord(name)))
        assert list(store.expiry.expired(NOON + timedelta(days=97, microseconds=-1))) == []
        assert list(store.expiry.expired(NOON + timedelta(days=97))) == ["a"]
        assert list(store.expiry.expired(NOON + timedelta(days=200))) == ["a", "b"]

    def test_overdue(self, store: JobStore) -> None:
        for name, limit_s in (("short", 60), ("long", 600), ("endless", 0)):
            job = new_toy(name, execution_duration_s=limit_s)
            store.create(replace(job, phase=Phase.EXECUTING, start_time=NOON))
        store.create(replace(new_toy("over"), phase=Phase.COMPLETED, start_time=NOON))
        assert list(store.recovery.overdue(NOON + timedelta(seconds=59))) == []
        assert list(store.recovery.overdue(NOON + timedelta(seconds=60))) == ["short"]
        assert sorted(store.recovery.overdue(NOON + timedelta(days=60))) == ["long", "short"]

    def test_overdue_plan(self, store: JobStore) -> None:
        for name, limit_s in (("job", 60), ("endless", 0), ("in the queue", 60)):
            store.create(replace(new_toy(name, execution_duration_s=limit_s), phase=Phase.QUEUED))
        self.lease(store, "plan", lease_s=100)
        store.work.lease_step("endless", "plan", holder="me", lease_s=100)
        now = datetime.now(UTC)
        later = now + timedelta(seconds=60)
        assert list(store.recovery.overdue(now + timedelta(seconds=59))) == []
        assert list(store.recovery.overdue(later)) == ["job"]
        # A plan that is given back, whose worker is gone, or that is done, is not being made.
        store.work.release_step("job", "plan", holder="me")
        assert list(store.recovery.overdue(later)) == []
        self.lease(store, "plan", lease_s=30)
        assert list(store.recovery.overdue(later)) == []
        self.lease(store, "plan", lease_s=100)
        store.work.save_plan("job", plan_of(2))
        assert list(store.recovery.overdue(later)) == []

    def test_unplanned(self, store: JobStore, dead_holder: str) -> None:
        store.create(new_toy())
        now = datetime.now(UTC)
        later = now + timedelta(seconds=20)
        assert list(store.recovery.unplanned(later, 10)) == []
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert list(store.recovery.unplanned(now, 10)) == []
        assert list(store.recovery.unplanned(later, 10)) == ["job"]
        self.lease(store, "plan", lease_s=30)
        assert list(store.recovery.unplanned(later, 10)) == []
        assert list(store.recovery.unplanned(now + timedelta(seconds=40), 10)) == ["job"]
        store.work.release_step("job", "plan", holder="me")
        assert list(store.recovery.unplanned(now, 10)) == []
        self.lease(store, "plan", dead_holder)
        assert list(store.recovery.unplanned(now, 10)) == ["job"]
        store.work.save_plan("job", plan_of(1))
        assert list(store.recovery.unplanned(later, 10)) == []

    def test_lost_chunks(self, store: JobStore, dead_holder: str) -> None:
        planned(store, 5)
        now = datetime.now(UTC)
        store.work.next_chunks("job", 4)
        claim(store, 0, dead_holder)
        claim(store, 1, "me", lease_s=10)
        claim(store, 2, "me", lease_s=1000)
        assert list(store.recovery.lost_chunks(now, 20)) == [("job", 0)]
        later = now + timedelta(seconds=15)
        assert list(store.recovery.lost_chunks(later, 20)) == [("job", 0), ("job", 1)]
        latest = now + timedelta(seconds=25)
        assert list(store.recovery.lost_chunks(latest, 20)) == [("job", 0), ("job", 1), ("job", 3)]
        assert not store.recovery.resend_chunk("job", 2, now=latest, older_than_s=20)
        assert store.recovery.resend_chunk("job", 0, now=latest, older_than_s=20)
        assert not store.recovery.resend_chunk("job", 0, now=latest, older_than_s=20)
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder=dead_holder) is None
        chunk = claim(store, 0)
        assert chunk is not None
        assert chunk.attempts == 2
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert list(store.recovery.lost_chunks(now + timedelta(days=1), 20)) == []

    def test_unfinished(self, store: JobStore) -> None:
        planned(store, 0)
        now = datetime.now(UTC)
        assert list(store.recovery.unfinished(now)) == ["job"]
        assert store.recovery.resend_step("job", "finish", now=now, older_than_s=20)
        assert not store.recovery.resend_step("job", "finish", now=now, older_than_s=20)
        assert list(store.recovery.unfinished(now, 20)) == []
        assert list(store.recovery.unfinished(now + timedelta(seconds=20), 20)) == ["job"]
        self.lease(store, "finish")
        assert list(store.recovery.unfinished(now)) == []
        store.complete("job", Outcome())
        assert list(store.recovery.unfinished(now + timedelta(days=1))) == []

    def test_starved(self, store: JobStore) -> None:
        planned(store, 3)
        assert list(store.recovery.starved(2)) == ["job"]
        store.work.next_chunks("job", 2)
        assert list(store.recovery.starved(2)) == []
        claim(store, 0)
        store.work.report_chunk("job", 0, ChunkReport(2), holder="me")
        assert list(store.recovery.starved(2)) == ["job"]
        assert store.work.next_chunks("job", 2) == [2]
        assert list(store.recovery.starved(8)) == []

    # Several at once

    def test_workers_share_the_chunks(self, store: JobStore) -> None:
        count, window = 24, 5
        planned(store, count)
        store.work.next_chunks("job", window)
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
                    left = store.work.report_chunk("job", number, ChunkReport(2), holder=holder)
                    assert left is not None
                    lefts.append(left)
                    sent = store.work.next_chunks("job", window)
                    in_flight.append(len(sent))

        run_together(work)
        assert sorted(taken) == list(range(count))
        assert sorted(lefts) == list(range(count))
        assert sum(in_flight) == count - window
        assert store.get("job").progress == Progress(2 * count, 2 * count)

    def test_window_holds_against_a_crowd(self, store: JobStore) -> None:
        planned(store, 40)
        sent: list[int] = []
        run_together(lambda _worker: sent.extend(store.work.next_chunks("job", 8)))
        assert sorted(sent) == list(range(8))

    def test_one_sweep_resends(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        later = datetime.now(UTC) + timedelta(seconds=60)
        answers: list[bool] = []
        run_together(
            lambda _worker: answers.append(
                store.recovery.resend_chunk("job", 0, now=later, older_than_s=LEASE_S)
            )
        )
        assert sorted(answers) == [False, False, False, True]

    def test_one_holder_of_a_step(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        tries: list[int] = []
        run_together(lambda worker: tries.append(self.lease(store, "plan", f"worker{worker}")))
        assert sorted(tries) == [0, 0, 0, 1]


class TestSqlite(StoreWorkContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(StoreWorkContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
