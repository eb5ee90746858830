"""UWS-33 to UWS-37, UWS-T3, UWS-T14, UWS-T19: requests that block until the phase changes.

What is to be answered at once is asked with the longest wait there is, and must come in less.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import pytest

from tests.contract.rules.targets import UWS, JobAt, Target, Toy
from tests.contract.rules.wire import Answer, ask
from uws.models import Phase


def _soon_s(target: Target) -> float:
    """Give a time well below the server's cap, and well above what an answer takes."""
    return 0.75 * target.cap_s


def _timed(job: JobAt, query: str) -> tuple[Answer, float]:
    start = monotonic()
    answer = job.get(query)
    return answer, monotonic() - start


@contextmanager
def _later(seconds: float, job: JobAt, phase: str) -> Iterator[None]:
    """Ask for a phase after a time, while the block is at work.

    A request that is answered with the new phase has waited for it.
    """
    timer = threading.Timer(seconds, job.post, args=("/phase",), kwargs={"PHASE": phase})
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _phase_of(job: JobAt, answer: Answer) -> str | None:
    phase: str | None = job.target.checked(answer).findtext(f"{UWS}phase")
    return phase


def test_uws_33_a_wait_ends_when_the_phase_changes(target: Target) -> None:
    job = target.create()
    with _later(0.5, job, "ABORT"):
        answer, elapsed_s = _timed(job, "?WAIT=30")
    assert _phase_of(job, answer) == "ABORTED"
    assert elapsed_s < _soon_s(target)


def test_uws_33_t3_a_wait_ends_when_its_time_is_over(target: Target) -> None:
    job = target.create()
    answer, elapsed_s = _timed(job, "?WAIT=1")
    assert _phase_of(job, answer) == "PENDING"
    assert elapsed_s > 0.95


def test_uws_33_only_get_of_the_job_waits(target: Target) -> None:
    job = target.create()
    start = monotonic()
    for place in ("/phase", "/results", "/parameters", "/quote"):
        assert job.get(f"{place}?WAIT=30").status == 200
    assert target.get_jobs("?WAIT=30").status == 200
    assert ask("HEAD", f"{job.url}?WAIT=30").status == 200
    assert monotonic() - start < _soon_s(target)


def test_uws_34_an_executing_job_is_waited_for(target: Target) -> None:
    job = target.executing()
    with _later(0.5, job, "ABORT"):
        answer = job.get("?WAIT=30&PHASE=EXECUTING")
    assert _phase_of(job, answer) == "ABORTED"


def test_uws_34_a_queued_job_is_waited_for(toy: Toy) -> None:
    job = toy.seed(Phase.QUEUED)
    with _later(0.5, job, "ABORT"):
        answer, elapsed_s = _timed(job, "?WAIT=30")
    assert _phase_of(job, answer) == "ABORTED"
    assert elapsed_s < _soon_s(toy)


def test_uws_34_a_finished_job_is_not_waited_for(target: Target) -> None:
    aborted = target.create()
    aborted.post("/phase", PHASE="ABORT")
    for job, phase in ((target.run(), "COMPLETED"), (target.fail(), "ERROR"), (aborted, "ABORTED")):
        for query in ("?WAIT=30", f"?WAIT=-1&PHASE={phase}"):
            answer, elapsed_s = _timed(job, query)
            assert _phase_of(job, answer) == phase
            assert elapsed_s < _soon_s(target)


@pytest.mark.parametrize("phase", [Phase.HELD, Phase.SUSPENDED, Phase.ARCHIVED])
def test_uws_34_nor_is_one_that_nobody_works_on(toy: Toy, phase: Phase) -> None:
    job = toy.seed(phase)
    answer, elapsed_s = _timed(job, f"?WAIT=30&PHASE={phase}")
    assert _phase_of(job, answer) == phase
    assert elapsed_s < _soon_s(toy)


def test_uws_35_minus_one_waits_until_the_phase_changes(target: Target) -> None:
    job = target.create()
    with _later(1.0, job, "ABORT"):
        answer, elapsed_s = _timed(job, "?WAIT=-1")
    assert _phase_of(job, answer) == "ABORTED"
    assert elapsed_s < _soon_s(target)


def test_uws_35_zero_is_answered_at_once(target: Target) -> None:
    answer, elapsed_s = _timed(target.create(), "?WAIT=0")
    assert answer.status == 200
    assert elapsed_s < _soon_s(target)


@pytest.mark.parametrize("query", ["WAIT=x", "WAIT=", "WAIT=1.5", "WAIT=1&WAIT=2", "WAIT=%2B1.0"])
def test_uws_35_other_waits_are_400(target: Target, query: str) -> None:
    answer = target.create().get(f"?{query}")
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")


def test_uws_35_37_every_wait_is_capped(toy: Toy) -> None:
    job = toy.create()
    with ThreadPoolExecutor(4) as pool:
        queries = ["?WAIT=-1", "?WAIT=600", "?WAIT=-7", f"?WAIT={10**17}&PHASE=PENDING"]
        found = list(pool.map(lambda query: _timed(job, query), queries))
    assert [_phase_of(job, answer) for answer, _ in found] == ["PENDING"] * 4
    assert all(elapsed_s > toy.cap_s - 0.5 for _, elapsed_s in found)


@pytest.mark.parametrize("phase", ["QUEUED", "EXECUTING", "COMPLETED", "ABORTED"])
def test_uws_36_t19_a_job_that_is_in_another_phase_is_told_at_once(
    target: Target, phase: str
) -> None:
    job = target.create()
    answer, elapsed_s = _timed(job, f"?WAIT=30&PHASE={phase}")
    assert _phase_of(job, answer) == "PENDING"
    assert elapsed_s < _soon_s(target)


def test_uws_36_pending_is_waited_in_too(target: Target) -> None:
    job = target.create(**target.good)
    with _later(0.5, job, "RUN"):
        answer = job.get("?wait=30&phase=pending")
    assert _phase_of(job, answer) in {"QUEUED", "EXECUTING", "COMPLETED"}


def test_uws_36_a_phase_without_wait_is_no_filter(target: Target) -> None:
    job = target.create()
    assert _phase_of(job, job.get("?PHASE=COMPLETED")) == "PENDING"
    assert job.get("?WAIT=1&PHASE=WAITING").status == 400


def test_uws_37_a_job_deleted_during_the_wait_is_404(target: Target) -> None:
    job = target.create()
    timer = threading.Timer(0.5, job.delete)
    timer.start()
    answer, elapsed_s = _timed(job, "?WAIT=30")
    timer.join()
    assert answer.status == 404
    assert elapsed_s < _soon_s(target)


def test_uws_37_waiters_keep_nobody_else_waiting(target: Target) -> None:
    job, other = target.create(), target.create()
    with ThreadPoolExecutor(30) as pool:
        waiters = [pool.submit(job.get, "?WAIT=-1") for _ in range(30)]
        start = monotonic()
        assert [other.get().status for _ in range(5)] == [200] * 5
        assert other.post("/phase", PHASE="ABORT").status == 303
        elapsed_s = monotonic() - start
        assert not any(waiter.done() for waiter in waiters)
        job.post("/phase", PHASE="ABORT")
        phases = {_phase_of(job, waiter.result()) for waiter in waiters}
    assert phases == {"ABORTED"}
    assert elapsed_s < _soon_s(target)


def test_uws_t14_a_change_before_the_wait_is_not_missed(target: Target) -> None:
    job = target.create(**target.good)
    assert job.post("/phase", PHASE="RUN").status == 303
    answer, elapsed_s = _timed(job, "?WAIT=30&PHASE=PENDING")
    assert _phase_of(job, answer) != "PENDING"
    assert elapsed_s < _soon_s(target)
    job.wait_for("COMPLETED")
