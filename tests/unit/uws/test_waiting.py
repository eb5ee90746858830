"""What is done once for all who wait: looks at the store, readings of a job."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.uws_runtime import RecordingExecutor, bring_to, open_runtime, part_with
from uws import waiting
from uws.errors import NotFoundError, TransientError
from uws.events import phase_events
from uws.models import Job, Phase
from uws.service import JobService
from uws.store import JobStore
from uws.waiting import PhaseWaiter

LIMIT_S = 30.0
WAITERS = 20


@pytest.fixture
def service(tmp_path: Path) -> JobService:
    return JobService(open_runtime(tmp_path, RecordingExecutor()))


@pytest.fixture
def store(service: JobService) -> JobStore:
    return service.runtime.store


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the store looked at ten times a second."""
    monkeypatch.setattr(waiting, "_TICK_S", 0.05)
    monkeypatch.setattr(phase_events, "POLL_S", 0.1)


@pytest.fixture
def deaf(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose every event."""
    monkeypatch.setattr(store._events, "announce", lambda _: None)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


def counted(monkeypatch: pytest.MonkeyPatch, store: JobStore, name: str) -> list[object]:
    """Remember what a method of the store is called with."""
    calls: list[object] = []
    part = part_with(store, name)
    method = getattr(part, name)

    def call(argument: object) -> object:
        calls.append(argument)
        return method(argument)

    monkeypatch.setattr(part, name, call)
    return calls


def test_phases_of_many_jobs_are_read_together(service: JobService, store: JobStore) -> None:
    made = {bring_to(service, phase, str(phase)): phase for phase in (Phase.PENDING, Phase.QUEUED)}
    assert store.find.phases([*made, "nobody"]) == made
    assert store.find.phases([]) == {}


@pytest.mark.usefixtures("quick", "deaf")
def test_one_query_looks_after_all_who_wait(
    service: JobService, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [bring_to(service, Phase.PENDING, "vera") for _ in range(3)]
    looks, readings = counted(monkeypatch, store, "phases"), counted(monkeypatch, store, "get")
    waiter = PhaseWaiter(store, 100)

    def wait(job_id: str) -> Job:
        return waiter.wait(job_id, lambda: store.get(job_id), seconds=LIMIT_S, phase=None)

    with ThreadPoolExecutor(3 * WAITERS) as pool:
        waits = [pool.submit(wait, job_id) for job_id in job_ids for _ in range(WAITERS)]
        until(lambda: len(readings) == 3 * WAITERS)
        until(lambda: len(looks) > 2)
        assert set(looks[-1]) == set(job_ids)  # type: ignore[call-overload]  # ids are iterable
        store.move(job_ids[0], Phase.ABORTED, among={Phase.PENDING})
        assert {each.result().phase for each in waits[:WAITERS]} == {Phase.ABORTED}
        assert len(readings) < 4 * WAITERS, "one reads for all who were woken"
        assert not any(each.done() for each in waits[WAITERS:])
        for job_id in job_ids[1:]:
            store.delete(job_id)
        for each in waits[WAITERS:]:
            with pytest.raises(NotFoundError):
                each.result()
    until(lambda: waiter._looker is None)
    assert waiter._waiters == {}
    assert waiter._free._value == 100


@pytest.mark.usefixtures("quick", "deaf")
def test_who_waits_goes_on_while_the_store_is_away(
    service: JobService, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = bring_to(service, Phase.PENDING, "vera")
    looks = threading.Semaphore(0)
    look = store.find.phases

    def away(_: object) -> object:
        looks.release()
        raise TransientError("the job store cannot be reached")

    monkeypatch.setattr(store.find, "phases", away)
    waiter = PhaseWaiter(store, 1)
    with ThreadPoolExecutor(1) as pool:
        waiting_ = pool.submit(
            waiter.wait, job_id, lambda: store.get(job_id), seconds=LIMIT_S, phase=None
        )
        for _ in range(2):
            assert looks.acquire(timeout=LIMIT_S)
        store.move(job_id, Phase.ABORTED, among={Phase.PENDING})
        assert not waiting_.done()
        monkeypatch.setattr(store.find, "phases", look)
        assert waiting_.result().phase is Phase.ABORTED


def test_a_reading_before_the_event_is_not_taken_for_the_present(
    service: JobService, store: JobStore
) -> None:
    job_id = bring_to(service, Phase.PENDING, "vera")
    waiters = waiting._Waiters()
    since_s = time.monotonic()
    first = waiters.read(lambda: store.get(job_id), since_s=since_s)
    assert waiters.read(lambda: store.get(job_id), since_s=since_s) is first
    store.move(job_id, Phase.ABORTED, among={Phase.PENDING})
    assert waiters.read(lambda: store.get(job_id), since_s=time.monotonic()).phase is Phase.ABORTED


def test_a_store_that_is_away_is_asked_once_for_all_who_were_woken() -> None:
    waiters, asked = waiting._Waiters(), []

    def read() -> Job:
        asked.append(None)
        raise TransientError("the job store cannot be reached")

    woken_s = time.monotonic()
    for _ in range(WAITERS):
        with pytest.raises(TransientError):
            waiters.read(read, since_s=woken_s)
    assert len(asked) == 1
    with pytest.raises(TransientError):
        waiters.read(read, since_s=time.monotonic())
    assert len(asked) == 2
