"""Finding jobs for people: by part of a name, by phase, in any order, page by page."""

from dataclasses import replace
from datetime import timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import NOON, StoreContract
from tests.toyjob import new_toy
from uws.finding import JobColumn, JobQuery
from uws.jobtype import Outcome
from uws.models import Phase
from uws.store import JobStore


def fill(store: JobStore) -> None:
    """Make jobs a to e: others' and archived ones among them."""
    names = {"a": "Night 1", "b": "night 2", "c": "100% sky", "d": "", "e": "NIGHT_3"}
    for hours, (job_id, name) in enumerate(names.items()):
        created = NOON + timedelta(hours=hours)
        store.create(replace(new_toy(job_id), run_id=name, creation_time=created))
    store.create(new_toy("f", owner="vera"))
    store.move("a", Phase.QUEUED, among={Phase.PENDING})
    store.move("b", Phase.ABORTED, among={Phase.PENDING})


class FindingContract(StoreContract):
    """What `find`, `get_many` and `rename` promise."""

    def ids(self, store: JobStore, **wanted: object) -> str:
        return "".join(job.id for job in store.find.page("", JobQuery(**wanted)).jobs)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "edcba"),
            ("night", "eba"),
            ("NIGHT 2", "b"),
            ("%", "c"),
            ("_", "e"),
            ("c", "c"),
            ("'; drop", ""),
        ],
    )
    def test_text_is_part_of_name_or_id_and_means_itself(
        self, store: JobStore, text: str, expected: str
    ) -> None:
        fill(store)
        assert self.ids(store, text=text) == expected

    def test_phases_and_owners_are_kept_apart(self, store: JobStore) -> None:
        fill(store)
        assert self.ids(store, phases=(Phase.QUEUED, Phase.ABORTED)) == "ba"
        assert [job.id for job in store.find.page("vera", JobQuery()).jobs] == ["f"]
        store.move("b", Phase.ARCHIVED, among={Phase.ABORTED})
        assert self.ids(store) == "edca"
        assert self.ids(store, phases=(Phase.ARCHIVED,)) == "b"

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ([(JobColumn.CREATED, False)], "abcde"),
            ([(JobColumn.NAME, False)], "dcabe"),
            ([(JobColumn.NAME, True)], "ebacd"),
            ([(JobColumn.PHASE, False)], "bedca"),
            ([(JobColumn.PHASE, True), (JobColumn.NAME, False)], "adceb"),
        ],
        ids=["oldest", "name", "name down", "phase", "phase and name"],
    )
    def test_several_columns_order(
        self, store: JobStore, order: list[tuple[JobColumn, bool]], expected: str
    ) -> None:
        fill(store)
        assert self.ids(store, order=tuple(order)) == expected

    def test_durations_and_counts_order_and_those_without_come_last(self, store: JobStore) -> None:
        fill(store)
        for job_id in "cd":
            store.move(job_id, Phase.QUEUED, among={Phase.PENDING})
            store.move(job_id, Phase.EXECUTING, among={Phase.QUEUED})
        store.complete("d", Outcome())
        shortest = self.ids(store, order=((JobColumn.DURATION, False),))
        assert shortest[:2] == "dc"
        assert self.ids(store, order=((JobColumn.DURATION, True),))[:2] == "cd"
        for column in (JobColumn.ITEMS, JobColumn.SIZE):
            assert self.ids(store, order=((column, True),)) == "edcba"

    def test_pages_tell_how_many_there_are(self, store: JobStore) -> None:
        fill(store)
        page = store.find.page("", JobQuery(offset=3, limit=2))
        assert ([job.id for job in page.jobs], page.total) == (["b", "a"], 5)
        beyond = store.find.page("", JobQuery(offset=50))
        assert (beyond.jobs, beyond.total) == ((), 5)

    def test_many_jobs_are_read_at_once(self, store: JobStore) -> None:
        fill(store)
        found = store.find.many(["a", "f", "nobody"])
        assert {job_id: job.phase for job_id, job in found.items()} == {
            "a": Phase.QUEUED,
            "f": Phase.PENDING,
        }
        assert store.find.many([]) == {}

    def test_a_job_is_renamed_in_any_phase(self, store: JobStore) -> None:
        fill(store)
        for job_id in "ab":
            assert store.rename(job_id, "other")
            assert store.get(job_id).run_id == "other"
        assert not store.rename("nobody", "x")


class TestFindingOnSQLite(FindingContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestFindingOnPostgres(FindingContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
