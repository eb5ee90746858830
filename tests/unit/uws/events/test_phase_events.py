"""Notices within a process: who is told of what, and what is forgotten."""

import threading
from time import monotonic

import pytest

from uws.events.phase_events import InProcessNotices


@pytest.fixture
def notices() -> InProcessNotices:
    return InProcessNotices()


def test_only_who_watches_the_job_is_told(notices: InProcessNotices) -> None:
    with notices.changes("a") as a, notices.changes("a") as also_a, notices.changes("b") as b:
        notices.announce("a")
        assert [watch.wait(0) for watch in (a, also_a, b)] == [True, True, False]
        assert not a.wait(0)


def test_a_notice_is_kept_until_it_is_waited_for(notices: InProcessNotices) -> None:
    notices.announce("a")
    with notices.changes("a") as watch:
        assert not watch.wait(0)
        notices.announce("a")
        assert watch.wait(10)


def test_a_notice_wakes_a_thread_that_waits(notices: InProcessNotices) -> None:
    with notices.changes("a") as watch:
        timer = threading.Timer(0.05, notices.announce, ("a",))
        start = monotonic()
        timer.start()
        assert watch.wait(10)
        assert monotonic() - start < 5
        timer.join()


def test_all_are_told_where_notices_may_be_lost(notices: InProcessNotices) -> None:
    with notices.changes("a") as a, notices.changes("b") as b:
        notices.announce_all()
        assert [a.wait(0), b.wait(0)] == [True, True]


def test_nothing_is_kept_of_those_who_went(notices: InProcessNotices) -> None:
    for _ in range(3):
        with notices.changes("a"), notices.changes("a"):
            pass
    assert notices._flags == {}
