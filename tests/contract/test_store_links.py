"""Links to jobs in the store: found by their digest, counted, used, and gone with their job."""

from datetime import timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import NOON, StoreContract, run_together
from tests.toyjob import new_toy
from uws.errors import NotFoundError, TooManyError
from uws.models import Phase
from uws.store import JobStore
from uws.store.links import Purpose

DAY = timedelta(days=1)


def _extend(store: JobStore, digest: str, days: int, times_max: int = 2) -> bool:
    return store.links.extend(digest, until=NOON + days * DAY, times_max=times_max)


class LinksContract(StoreContract):
    @pytest.fixture(autouse=True)
    def job(self, store: JobStore) -> None:
        store.create(new_toy())
        store.set_destruction("job", NOON)

    def test_a_link_is_found_for_its_purpose_only(self, store: JobStore) -> None:
        store.links.add("job", Purpose.EXTEND, "a" * 64, about=NOON)
        store.links.add("job", Purpose.SHARE, "b" * 64)
        found = store.links.find("a" * 64, Purpose.EXTEND)
        assert found is not None
        assert (found.id, found.job_id, found.about) == ("a" * 16, "job", NOON)
        assert store.links.find("a" * 64, Purpose.SHARE) is None
        assert store.links.find("b" * 64, Purpose.EXTEND) is None
        assert store.links.find("c" * 64, Purpose.EXTEND) is None
        assert [link.id for link in store.links.list("job", Purpose.SHARE)] == ["b" * 16]

    def test_a_link_is_removed_for_its_job_and_purpose_only(self, store: JobStore) -> None:
        store.create(new_toy("other"))
        store.links.add("job", Purpose.SHARE, "one")
        assert not store.links.remove("other", Purpose.SHARE, "one")
        assert not store.links.remove("job", Purpose.EXTEND, "one")
        assert store.links.remove("job", Purpose.SHARE, "one")
        assert not store.links.remove("job", Purpose.SHARE, "one")
        assert store.links.list("job", Purpose.SHARE) == []

    def test_links_put_destruction_off_once_and_a_few_times(self, store: JobStore) -> None:
        for digest in ("one", "two"):
            store.links.add("job", Purpose.EXTEND, digest, about=NOON)
        assert not _extend(store, "three", 1)
        assert _extend(store, "one", 1)
        assert store.get("job").destruction == NOON + DAY
        assert not _extend(store, "one", 2)
        assert not _extend(store, "two", 2), "the job was put off since"
        store.links.add("job", Purpose.EXTEND, "next", about=NOON + DAY)
        assert not _extend(store, "next", 1), "nothing is gained"
        assert _extend(store, "next", 2)
        assert store.links.count_extensions("job") == 2
        store.links.add("job", Purpose.EXTEND, "last", about=NOON + 2 * DAY)
        assert not _extend(store, "last", 3)
        assert store.get("job").destruction == NOON + 2 * DAY

    def test_a_link_that_is_used_by_many_at_once_counts_once(self, store: JobStore) -> None:
        store.links.add("job", Purpose.EXTEND, "one", about=NOON)
        answers: list[bool] = []
        run_together(lambda _worker: answers.append(_extend(store, "one", 1, times_max=9)))
        assert sorted(answers) == [False, False, False, True]
        assert store.links.count_extensions("job") == 1

    def test_a_link_to_share_puts_nothing_off(self, store: JobStore) -> None:
        store.links.add("job", Purpose.SHARE, "one", about=NOON)
        assert not _extend(store, "one", 1)

    def test_an_archived_job_is_not_put_off(self, store: JobStore) -> None:
        store.links.add("job", Purpose.EXTEND, "one", about=NOON)
        assert store.expiry.archive_expired("job", NOON) is Phase.PENDING
        assert not _extend(store, "one", 1)

    def test_links_go_with_their_job(self, store: JobStore) -> None:
        store.links.add("job", Purpose.EXTEND, "one", about=NOON)
        store.links.add("job", Purpose.SHARE, "two")
        store.delete("job")
        assert store.links.find("one", Purpose.EXTEND) is None
        assert store.links.find("two", Purpose.SHARE) is None
        assert not _extend(store, "one", 1)

    @pytest.mark.parametrize("purpose", list(Purpose))
    def test_a_job_that_is_gone_gets_no_link(self, store: JobStore, purpose: Purpose) -> None:
        store.delete("job")
        with pytest.raises(NotFoundError, match="no job job"):
            store.links.add("job", purpose, "one", about=NOON, most=1)

    def test_a_job_has_no_more_links_than_allowed_however_many_ask_at_once(
        self, store: JobStore
    ) -> None:
        store.links.add("job", Purpose.EXTEND, "of another purpose", about=NOON)
        refused: list[str] = []

        def add(worker: int) -> None:
            for number in range(4):
                try:
                    store.links.add("job", Purpose.SHARE, f"{worker} {number}", most=5)
                except TooManyError as error:
                    refused.append(str(error))

        run_together(add)
        assert len(store.links.list("job", Purpose.SHARE)) == 5
        assert refused == ["UsageError: job job has 5 links; revoke one first"] * 11

    def test_a_job_may_be_deleted_while_links_are_made(self, store: JobStore) -> None:
        names = [f"job{number}" for number in range(8)]
        for name in names:
            store.create(new_toy(name))
        made: list[str] = []

        def work(worker: int) -> None:
            for name in names:
                if worker == 0:
                    store.delete(name)
                    continue
                try:
                    store.links.add(name, Purpose.SHARE, f"{worker} {name}")
                    made.append(name)
                except NotFoundError as error:
                    assert str(error).endswith(f"no job {name}")  # noqa: PT017 - either may come

        run_together(work)
        assert [store.links.list(name, Purpose.SHARE) for name in names] == [[]] * len(names)


class TestLinksOnSQLite(LinksContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestLinksOnPostgres(LinksContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
