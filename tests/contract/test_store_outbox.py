"""Messages in the store: posted once, claimed by one, tried again, settled; links that keep."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import NOON, StoreContract, run_together
from tests.toyjob import new_toy
from uws.models import Parameter, Phase
from uws.notify.outbox import Message, Occasion, Terms
from uws.store import JobStore

ENDED = Terms("mail-ended", "EMAIL", Occasion.ENDED, retry_for_s=86400)
EXPIRING = Terms("mail-expiring", "EMAIL", Occasion.EXPIRING, lead_s=3 * 86400)
DAY = timedelta(days=1)


def ended(store: JobStore, job_id: str = "job", *, email: str = "me@example.org") -> datetime:
    """Make a job that has ended; give when."""
    job = replace(new_toy(job_id), parameters=(Parameter("EMAIL", email),))
    store.create(job)
    store.move(job_id, Phase.ABORTED, among={Phase.PENDING})
    end = store.get(job_id).end_time
    assert end is not None
    return end


def claim(store: JobStore, now: datetime, kind: str = "mail-ended") -> Message | None:
    return store.claim_message(kind, now=now, lease_s=600)


class OutboxContract(StoreContract):
    """What `post`, `claim_message` and the rest promise."""

    def test_a_message_is_posted_once_and_claimed_by_one(self, store: JobStore) -> None:
        end = ended(store)
        ended(store, "silent", email="")
        store.create(new_toy("running"))
        assert store.post(ENDED, end) == 1
        assert store.post(ENDED, end) == 0
        message = claim(store, end)
        assert message is not None
        assert (message.job_id, message.about, message.tries) == ("job", end, 1)
        assert claim(store, end) is None
        store.settle_message(message, "sent")
        assert claim(store, end + DAY) is None
        assert store.post(ENDED, end) == 0

    def test_what_is_claimed_and_lost_is_claimed_again(self, store: JobStore) -> None:
        end = ended(store)
        store.post(ENDED, end)
        first = claim(store, end)
        second = claim(store, end + timedelta(seconds=601))
        assert first is not None
        assert second is not None
        assert (second.tries, second.id) == (2, first.id)

    def test_what_is_put_off_waits(self, store: JobStore) -> None:
        end = ended(store)
        store.post(ENDED, end)
        message = claim(store, end)
        assert message is not None
        store.put_off_message(message, end + timedelta(seconds=60))
        assert claim(store, end + timedelta(seconds=59)) is None
        assert claim(store, end + timedelta(seconds=60)) is not None

    def test_what_ended_long_ago_is_not_told(self, store: JobStore) -> None:
        assert store.post(ENDED, ended(store) + 2 * DAY) == 0

    def test_many_who_deliver_share_the_messages(self, store: JobStore) -> None:
        ends = [ended(store, f"job{number}") for number in range(12)]
        now = max(ends)
        store.post(ENDED, now)
        taken: list[str] = []

        def work(_: int) -> None:
            while message := claim(store, now):
                taken.append(message.job_id)
                store.settle_message(message, "sent")

        run_together(work, threads=4)
        assert sorted(taken) == sorted(f"job{number}" for number in range(12))

    def test_messages_go_with_their_job(self, store: JobStore) -> None:
        end = ended(store)
        store.post(ENDED, end)
        store.delete("job")
        assert claim(store, end) is None

    def test_a_warning_comes_before_destruction_once_in_a_while(self, store: JobStore) -> None:
        end = ended(store)
        assert store.post(EXPIRING, end) == 0  # nothing was made that could be destroyed

    def test_links_put_destruction_off_once_and_a_few_times(self, store: JobStore) -> None:
        ended(store)
        about = store.get("job").destruction
        assert store.add_keep("one", "job", about)
        assert store.add_keep("two", "job", about)
        assert not store.add_keep("three", "nobody", about)
        assert store.find_keep("one") == ("job", about)
        assert store.find_keep("three") is None
        later = about + DAY
        assert store.use_keep("one", until=later, times_max=2, now=NOON)
        assert store.get("job").destruction == later
        assert not store.use_keep("one", until=later + DAY, times_max=2, now=NOON)
        assert not store.use_keep("two", until=later + DAY, times_max=2, now=NOON)  # put off since
        assert store.add_keep("next", "job", later)
        assert store.use_keep("next", until=later + DAY, times_max=2, now=NOON)
        assert store.count_kept("job") == 2
        assert store.add_keep("last", "job", later + DAY)
        assert not store.use_keep("last", until=later + 2 * DAY, times_max=2, now=NOON)

    def test_links_go_with_their_job(self, store: JobStore) -> None:
        ended(store)
        store.add_keep("one", "job", store.get("job").destruction)
        store.delete("job")
        assert store.find_keep("one") is None


class TestOutboxOnSQLite(OutboxContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestOutboxOnPostgres(OutboxContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
