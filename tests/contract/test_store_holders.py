"""What follows from how a step or chunk left its holder: dead, alive, or on another host."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from typing_extensions import override

from tests.contract.stores import LEASE_S, StoreContract, claim, planned
from tests.toyjob import new_toy
from uws.jobtype import Plan
from uws.lease_owner import kill, this_holder
from uws.models import AT_WORK, ChunkReport, ErrorKind, ErrorSummary, Phase
from uws.store import JobStore

ERROR = ErrorSummary("Error: it broke", ErrorKind.FATAL, "it broke\nat noon")
STRANGER = "host/boot/1/2/3/token"
"""Of whom nothing can be known here."""


def later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_S + 1)


def lease(store: JobStore, step: str, holder: str, lease_s: int = LEASE_S) -> int:
    return store.work.lease_step("job", step, holder=holder, lease_s=lease_s)


def _seconds_after(begun: datetime, seconds: float) -> datetime:
    return begun + timedelta(seconds=seconds)


class HoldersContract(StoreContract):
    """Steps that fail, and work that is taken from its holder."""

    # A step that fails

    @pytest.fixture(params=["plan", "finish"])
    def step(self, request: pytest.FixtureRequest, store: JobStore) -> str:
        step: str = request.param
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        if step == "finish":
            assert store.work.save_plan("job", Plan(()))
        return step

    def test_a_step_fails_for_its_holder_only(self, store: JobStore, step: str) -> None:
        assert not store.work.fail_step("job", step, holder="me", error=ERROR)
        assert lease(store, step, "me", lease_s=0) == 1
        assert lease(store, step, "you") == 2
        assert not store.work.fail_step("job", step, holder="me", error=ERROR)
        assert (store.phase("job"), store.get("job").error) == (Phase.QUEUED, None)
        assert store.work.fail_step("job", step, holder="you", error=ERROR)
        assert (store.phase("job"), store.get("job").error) == (Phase.ERROR, ERROR)
        assert not store.work.fail_step("job", step, holder="you", error=ERROR)

    def test_a_lease_that_ran_out_and_was_not_taken_is_still_held(
        self, store: JobStore, step: str
    ) -> None:
        lease(store, step, "me", lease_s=0)
        assert store.work.fail_step("job", step, holder="me", error=ERROR)

    def test_a_step_that_was_sent_again_is_lost(self, store: JobStore, step: str) -> None:
        lease(store, step, "me")
        assert store.recovery.resend_step("job", step, now=later(), older_than_s=1)
        assert not store.work.fail_step("job", step, holder="me", error=ERROR)

    def test_an_ended_job_does_not_fail(self, store: JobStore, step: str) -> None:
        lease(store, step, "me")
        store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.work.fail_step("job", step, holder="me", error=ERROR)
        assert store.phase("job") is Phase.ABORTED

    def test_a_plan_that_is_made_does_not_fail(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        lease(store, "plan", "me")
        assert store.work.save_plan("job", Plan(()))
        assert not store.work.fail_step("job", "plan", holder="me", error=ERROR)
        assert not store.work.fail_step("nobody", "plan", holder="me", error=ERROR)

    def test_those_who_wait_are_told(self, store: JobStore) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        lease(store, "plan", "me")
        with store.subscribe("job") as watch:
            assert store.work.fail_step("job", "plan", holder="me", error=ERROR)
            assert watch.wait(0)

    # Whoever loses it counts: dead, hanging, or on a host of which nothing is known

    @pytest.mark.parametrize("way", ["sent again", "taken"])
    def test_a_step_that_was_lost_has_not_failed(
        self, store: JobStore, dead_holder: str, step: str, way: str
    ) -> None:
        tries = []
        for holder in (dead_holder, STRANGER, this_holder()):
            tries.append(lease(store, step, holder, lease_s=0))
            if way == "sent again":
                assert store.recovery.resend_step("job", step, now=later(), older_than_s=1)
            else:
                assert lease(store, step, "me")
                store.work.release_step("job", step, holder="me")
            assert store.work.step_failures("job", step) == 0
        assert tries == ([1, 2, 3] if way == "sent again" else [1, 3, 5])

    def test_a_chunk_that_was_lost_has_not_failed(self, store: JobStore, dead_holder: str) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        counts = []
        for holder in (dead_holder, STRANGER, this_holder(), "me"):
            chunk = claim(store, 0, holder)
            assert chunk is not None
            counts.append((chunk.attempts, chunk.failures))
            assert store.recovery.resend_chunk("job", 0, now=later(), older_than_s=1)
        assert counts == [(1, 0), (2, 0), (3, 0), (4, 0)]

    # A task that can be killed

    def test_a_task_that_lives_is_not_taken_from(
        self, store: JobStore, killable_holder: str, step: str
    ) -> None:
        assert lease(store, step, killable_holder) == 1
        assert store.recovery.lapsed_tasks(later() - timedelta(seconds=2)) == []
        assert store.recovery.lapsed_tasks(later()) == [("job", killable_holder)]
        assert not store.recovery.resend_step("job", step, now=later(), older_than_s=1)
        assert kill(killable_holder)
        assert store.recovery.lapsed_tasks(later()) == []
        assert lease(store, step, "me") == 2

    def test_a_task_that_lives_keeps_its_chunk(self, store: JobStore, killable_holder: str) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        assert claim(store, 0, killable_holder)
        assert store.recovery.lapsed_tasks(later()) == [("job", killable_holder)]
        assert not store.recovery.resend_chunk("job", 0, now=later(), older_than_s=1)
        assert kill(killable_holder)
        assert store.recovery.resend_chunk("job", 0, now=later(), older_than_s=1)

    def test_a_step_that_is_done_is_held_by_no_task(
        self, store: JobStore, killable_holder: str
    ) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert lease(store, "plan", killable_holder)
        assert store.work.save_plan("job", Plan(()))
        assert store.recovery.lapsed_tasks(later()) == []

    # The execution duration

    def test_a_plan_is_overdue_whatever_its_lease(self, store: JobStore) -> None:
        """And the time of all who lost it is added up, without what it waited."""
        store.create(replace(new_toy(), phase=Phase.QUEUED, execution_duration_s=LEASE_S + 10))
        assert lease(store, "plan", STRANGER)
        begun = datetime.now(UTC)
        after = partial(_seconds_after, begun)
        assert list(store.recovery.overdue(after(LEASE_S + 9))) == []
        assert list(store.recovery.overdue(after(LEASE_S + 11))) == ["job"]
        assert store.recovery.resend_step("job", "plan", now=after(LEASE_S + 11), older_than_s=1)
        assert list(store.recovery.overdue(after(10_000))) == [], "it waits"
        assert lease(store, "plan", STRANGER) == 2
        assert list(store.recovery.overdue(after(9))) == []
        assert list(store.recovery.overdue(after(12))) == ["job"]
        store.work.release_step("job", "plan", holder=STRANGER, pause_s=0.0)
        assert lease(store, "plan", STRANGER) == 3
        assert list(store.recovery.overdue(after(LEASE_S + 9))) == [], "it is counted anew"

    def test_a_plan_of_a_dead_worker_is_not_overdue(
        self, store: JobStore, dead_holder: str
    ) -> None:
        store.create(replace(new_toy(), phase=Phase.QUEUED, execution_duration_s=10))
        assert lease(store, "plan", dead_holder)
        assert list(store.recovery.overdue(later())) == []

    def test_a_chunk_that_was_sent_and_not_taken_has_not_failed(self, store: JobStore) -> None:
        planned(store, 1)
        store.work.next_chunks("job", 1)
        assert store.recovery.resend_chunk("job", 0, now=later(), older_than_s=1)
        chunk = claim(store, 0)
        assert chunk is not None
        assert (chunk.attempts, chunk.failures) == (1, 0)
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") == 0


class TestSqlite(HoldersContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(HoldersContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
