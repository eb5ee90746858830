"""Messages in the store: posted once, claimed by one, tried again, settled."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from tests.contract.stores import StoreContract, run_together
from tests.toyjob import new_toy
from uws.messages import Message, Policy, Trigger
from uws.models import Parameter, Phase
from uws.store import JobStore

ENDED = Policy("mail-ended", "EMAIL", Trigger.ENDED, retry_for_s=86400)
EXPIRING = Policy("mail-expiring", "EMAIL", Trigger.EXPIRING, lead_s=3 * 86400)
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
    return store.messages.claim(kind, now=now, lease_s=600)


class MessagesContract(StoreContract):
    """What `post`, `claim_message` and the rest promise."""

    def test_a_message_is_posted_once_and_claimed_by_one(self, store: JobStore) -> None:
        end = ended(store)
        ended(store, "silent", email="")
        store.create(new_toy("running"))
        assert store.messages.post(ENDED, end) == 1
        assert store.messages.post(ENDED, end) == 0
        message = claim(store, end)
        assert message is not None
        assert (message.job_id, message.about, message.tries) == ("job", end, 1)
        assert claim(store, end) is None
        store.messages.settle(message, "sent")
        assert claim(store, end + DAY) is None
        assert store.messages.post(ENDED, end) == 0

    def test_what_is_claimed_and_lost_is_claimed_again(self, store: JobStore) -> None:
        end = ended(store)
        store.messages.post(ENDED, end)
        first = claim(store, end)
        second = claim(store, end + timedelta(seconds=601))
        assert first is not None
        assert second is not None
        assert (second.tries, second.id) == (2, first.id)

    def test_what_is_put_off_waits(self, store: JobStore) -> None:
        end = ended(store)
        store.messages.post(ENDED, end)
        message = claim(store, end)
        assert message is not None
        store.messages.put_off(message, end + timedelta(seconds=60))
        assert claim(store, end + timedelta(seconds=59)) is None
        assert claim(store, end + timedelta(seconds=60)) is not None

    def test_what_ended_long_ago_is_not_told(self, store: JobStore) -> None:
        assert store.messages.post(ENDED, ended(store) + 2 * DAY) == 0

    def test_many_who_deliver_share_the_messages(self, store: JobStore) -> None:
        ends = [ended(store, f"job{number}") for number in range(12)]
        now = max(ends)
        store.messages.post(ENDED, now)
        taken: list[str] = []

        def work(_: int) -> None:
            while message := claim(store, now):
                taken.append(message.job_id)
                store.messages.settle(message, "sent")

        run_together(work, threads=4)
        assert sorted(taken) == sorted(f"job{number}" for number in range(12))

    def test_messages_go_with_their_job(self, store: JobStore) -> None:
        end = ended(store)
        store.messages.post(ENDED, end)
        store.delete("job")
        assert claim(store, end) is None

    def test_a_warning_comes_before_destruction_once_in_a_while(self, store: JobStore) -> None:
        end = ended(store)
        assert store.messages.post(EXPIRING, end) == 0  # nothing was made that could be destroyed


class TestMessagesOnSQLite(MessagesContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestMessagesOnPostgres(MessagesContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
