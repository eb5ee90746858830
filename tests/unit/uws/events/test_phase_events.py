"""PhaseEvents within a process: who is told of what, and what is forgotten."""

import threading
from time import monotonic

import pytest

from uws.events.phase_events import InProcessEvents


@pytest.fixture
def events() -> InProcessEvents:
    return InProcessEvents()


def test_only_who_subscribes_to_the_job_is_told(events: InProcessEvents) -> None:
    with events.subscribe("a") as a, events.subscribe("a") as also_a, events.subscribe("b") as b:
        events.announce("a")
        assert [subscription.wait(0) for subscription in (a, also_a, b)] == [True, True, False]
        assert not a.wait(0)


def test_an_event_is_kept_until_it_is_waited_for(events: InProcessEvents) -> None:
    events.announce("a")
    with events.subscribe("a") as subscription:
        assert not subscription.wait(0)
        events.announce("a")
        assert subscription.wait(10)


def test_an_event_wakes_a_thread_that_waits(events: InProcessEvents) -> None:
    with events.subscribe("a") as subscription:
        timer = threading.Timer(0.05, events.announce, ("a",))
        start = monotonic()
        timer.start()
        assert subscription.wait(10)
        assert monotonic() - start < 5
        timer.join()


def test_all_are_told_where_events_may_be_lost(events: InProcessEvents) -> None:
    with events.subscribe("a") as a, events.subscribe("b") as b:
        events.announce_all()
        assert [a.wait(0), b.wait(0)] == [True, True]


def test_nothing_is_kept_of_those_who_went(events: InProcessEvents) -> None:
    for _ in range(3):
        with events.subscribe("a"), events.subscribe("a"):
            pass
    assert events._subscriptions == {}
