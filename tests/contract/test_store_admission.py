"""How jobs are queued in the store: within their owner's limit, as they were checked, told of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import StoreContract, planned, run_together
from tests.toyjob import new_toy, toy_parameters
from uws.errors import NotFoundError, TooManyError
from uws.jobtype import Outcome
from uws.models import Phase
from uws.store import JobStore

REFUSAL = "2 jobs are queued or executing, more are not allowed at a time"


class AdmissionContract(StoreContract):
    """What `create` and `queue` promise."""

    def test_a_job_queued_at_once_is_found_if_it_was_never_sent(self, store: JobStore) -> None:
        job = replace(new_toy(WORD="sky"), phase=Phase.QUEUED)
        store.create(job)
        assert store.get("job") == job
        assert list(store.recovery.unplanned(datetime.now(UTC), 30)) == []
        assert list(store.recovery.unplanned(datetime.now(UTC) + timedelta(seconds=31), 30)) == [
            "job"
        ]

    def test_only_so_many_jobs_of_an_owner_are_queued_at_once(self, store: JobStore) -> None:
        refused: list[int] = []

        def create(worker: int) -> None:
            job = replace(new_toy(f"job{worker}", owner="vera"), phase=Phase.QUEUED)
            try:
                store.create(job, running_max=2)
            except TooManyError:
                refused.append(worker)

        run_together(create, threads=8)
        assert len(refused) == 6
        assert store.find.phase_counts() == {"QUEUED": 2}

    def test_starts_race_for_the_same_places(self, store: JobStore) -> None:
        jobs = [new_toy(f"job{number}", owner="vera") for number in range(8)]
        for job in jobs:
            store.create(job, running_max=None)
        refused: list[int] = []

        def start(worker: int) -> None:
            try:
                assert store.queue(jobs[worker], running_max=2)
            except TooManyError:
                refused.append(worker)

        run_together(start, threads=8)
        assert len(refused) == 6
        assert store.find.phase_counts() == {"PENDING": 6, "QUEUED": 2}

    def test_another_owner_and_no_limit_are_not_refused(self, store: JobStore) -> None:
        for number in range(2):
            job = new_toy(f"job{number}", owner="vera")
            store.create(replace(job, phase=Phase.QUEUED), running_max=2)
        third = replace(new_toy("third", owner="vera"), phase=Phase.QUEUED)
        with pytest.raises(TooManyError, match=REFUSAL):
            store.create(third, running_max=2)
        with pytest.raises(NotFoundError):
            store.get("third")
        store.create(third, running_max=None)
        store.create(replace(third, id="other", owner="eve"), running_max=2)

    @pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.ABORTED], ids=str)
    def test_a_job_that_cannot_be_started_is_not_queued(
        self, store: JobStore, phase: Phase
    ) -> None:
        job = new_toy()
        store.create(job)
        store.move("job", phase, among={Phase.PENDING})
        assert not store.queue(job)
        assert store.phase("job") is phase
        assert not store.queue(new_toy("nobody"))

    def test_parameters_other_than_those_checked_are_not_queued(self, store: JobStore) -> None:
        checked = new_toy(WORD="sky")
        store.create(checked)
        assert store.set_parameters("job", toy_parameters(WORD="sea"))
        assert not store.queue(checked)
        assert store.phase("job") is Phase.PENDING
        assert store.queue(store.get("job"))
        assert store.phase("job") is Phase.QUEUED

    def test_every_change_of_phase_is_told(self, store: JobStore) -> None:
        planned(store, 0, phase=Phase.QUEUED)
        with store.subscribe("job") as watch, store.subscribe("other") as other:
            assert not watch.wait(0)
            store.set_destruction("job", datetime.now(UTC))
            assert not store.move("job", Phase.EXECUTING, among={Phase.PENDING})
            assert not watch.wait(0)
            store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
            assert watch.wait(0)
            assert store.complete("job", Outcome())
            assert watch.wait(0)
            assert store.delete("job")
            assert watch.wait(0)
            assert not store.delete("job")
            store.create(new_toy())
            assert not watch.wait(0)
            assert store.queue(store.get("job"))
            assert watch.wait(0)
            assert not other.wait(0)


class TestSqlite(AdmissionContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(AdmissionContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
