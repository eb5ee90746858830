"""The verbs that wait for a job, change its properties, or find its results."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.uws_runtime import BAD, WORD, RecordingExecutor, bring_to, open_runtime
from uws import waiting
from uws.errors import NotFoundError, TooLargeError, UsageError, WrongPhaseError
from uws.events import phase_events
from uws.jobtype import Outcome, Plan
from uws.models import Job, Parameter, Phase, Result, new_job_id
from uws.runtime import JobLimits, Runtime
from uws.service import JobService


@pytest.fixture
def service(tmp_path: Path) -> JobService:
    return JobService(open_runtime(tmp_path, RecordingExecutor()))


@pytest.fixture
def runtime(service: JobService) -> Runtime:
    return service.runtime


@pytest.fixture
def make(service: JobService) -> Callable[..., Job]:
    def _make(phase: Phase = Phase.PENDING, owner: str = "vera") -> Job:
        return service.get(owner, bring_to(service, phase, owner))

    return _make


# ---------------------------------------------------------------------- wait


def _elapsed_s(call: Callable[[], object]) -> float:
    start = monotonic()
    call()
    return monotonic() - start


@pytest.mark.parametrize(
    "phase",
    [
        Phase.COMPLETED,
        Phase.ERROR,
        Phase.ABORTED,
        Phase.HELD,
        Phase.SUSPENDED,
        Phase.ARCHIVED,
    ],
)
def test_uws_34_inactive_phases_are_answered_at_once(
    service: JobService, make: Callable[..., Job], phase: Phase
) -> None:
    job = make(phase)
    assert _elapsed_s(lambda: service.wait("vera", job.id, seconds=-1, phase=phase)) < 0.5


def test_uws_36_another_phase_than_named_is_answered_at_once(
    service: JobService, make: Callable[..., Job]
) -> None:
    job = make(Phase.QUEUED)
    assert _elapsed_s(lambda: service.wait("vera", job.id, seconds=1, phase=Phase.PENDING)) < 0.5


@pytest.mark.parametrize("seconds", [1, -1, 10**9])
def test_uws_35_a_wait_ends_at_its_time_and_at_the_cap(
    service: JobService, make: Callable[..., Job], seconds: int
) -> None:
    job = make(Phase.PENDING)
    found: list[Job] = []
    elapsed_s = _elapsed_s(lambda: found.append(service.wait("vera", job.id, seconds=seconds)))
    assert found == [job]
    assert 0.95 < elapsed_s < 2


def test_uws_35_no_wait_at_zero(service: JobService, make: Callable[..., Job]) -> None:
    job = make(Phase.PENDING)
    assert _elapsed_s(lambda: service.wait("vera", job.id, seconds=0)) < 0.5


def test_uws_33_a_wait_ends_when_the_phase_changes(
    service: JobService, make: Callable[..., Job]
) -> None:
    job = make(Phase.PENDING)
    timer = threading.Timer(0.2, service.abort, ("vera", job.id))
    timer.start()
    start = monotonic()
    found = service.wait("vera", job.id, seconds=1, phase=Phase.PENDING)
    timer.join()
    assert found.phase == Phase.ABORTED
    assert monotonic() - start < 0.9


def test_uws_37_a_job_deleted_during_the_wait_is_gone(
    service: JobService, make: Callable[..., Job]
) -> None:
    job = make(Phase.PENDING)
    timer = threading.Timer(0.1, service.delete, ("vera", job.id))
    timer.start()
    with pytest.raises(NotFoundError):
        service.wait("vera", job.id, seconds=1)
    timer.join()


def test_beyond_so_many_waiters_the_answer_comes_at_once(
    runtime: Runtime, make: Callable[..., Job]
) -> None:
    crowded = JobService(replace(runtime, limits=replace(runtime.limits, waiters_max=1)))
    job = make(Phase.PENDING)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_elapsed_s, lambda: crowded.wait("vera", job.id, seconds=1))
        while crowded._waiter._free._value != 0:
            threading.Event().wait(0.01)
        assert _elapsed_s(lambda: crowded.wait("vera", job.id, seconds=1)) < 0.5
        assert first.result() > 0.95
    assert _elapsed_s(lambda: crowded.wait("vera", job.id, seconds=1)) > 0.95


def test_a_wait_that_is_told_of_nothing_looks_at_the_store_by_itself(
    service: JobService,
    runtime: Runtime,
    make: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_TICK_S", 0.1)
    monkeypatch.setattr(phase_events, "POLL_S", 0.1)
    monkeypatch.setattr(runtime.store._events, "announce", lambda _: None)
    job = make(Phase.PENDING)
    timer = threading.Timer(0.05, service.abort, ("vera", job.id))
    timer.start()
    start = monotonic()
    assert service.wait("vera", job.id, seconds=1).phase == Phase.ABORTED
    assert monotonic() - start < 0.9
    timer.join()


# ---------------------------------------------------------------- properties


def test_a_job_has_only_so_many_parameters(
    service: JobService, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uws.service.PARAMETERS_MAX", 2)
    job = service.create("vera", [WORD, BAD], job_type="toy")
    key = f"{job.id}/.uws/parameters/T"
    runtime.files.write(key, b"1")
    with pytest.raises(TooLargeError, match="more than 2 parameters in one job"):
        service.set_parameters("vera", job.id, [Parameter("T", key, by_reference=True)])
    assert list(runtime.files.keys(job.id)) == []
    values = [Parameter("WORD", "sea")]
    assert service.set_parameters("vera", job.id, values).parameters == (*values, BAD)


def test_uws_49_posted_values_replace_those_of_the_same_name(
    service: JobService, runtime: Runtime
) -> None:
    job_id = new_job_id()
    old, kept, new = (f"{job_id}/.uws/parameters/{name}" for name in ("T", "U", "T.2"))
    for key in (old, kept, new):
        runtime.files.write(key, b"1")
    reference = Parameter("T", old, by_reference=True)
    other = Parameter("U", kept, by_reference=True)
    service.create("vera", [WORD, reference, other, WORD], job_type="toy", job_id=job_id)
    changed = [Parameter("T", new, by_reference=True), Parameter("WORD", "sea")]
    job = service.set_parameters("vera", job_id, changed, run_id="label")
    assert sorted(job.parameters, key=lambda item: item.name) == [*changed[:1], other, *changed[1:]]
    assert job.run_id == "label"
    assert list(runtime.files.keys(job_id)) == [new, kept]


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.COMPLETED])
def test_dali_9_parameters_change_only_while_pending(
    service: JobService, runtime: Runtime, make: Callable[..., Job], phase: Phase
) -> None:
    job = make(phase)
    key = f"{job.id}/.uws/parameters/T"
    runtime.files.write(key, b"1")
    with pytest.raises(WrongPhaseError, match="it can only be changed while PENDING"):
        service.set_parameters("vera", job.id, [Parameter("T", key, by_reference=True)])
    assert service.get("vera", job.id) == job
    assert list(runtime.files.keys(job.id)) == []


def test_uws_47_destruction_is_set_within_the_limit(
    service: JobService, make: Callable[..., Job]
) -> None:
    job = make(Phase.COMPLETED)
    soon = job.creation_time + timedelta(hours=1)
    assert service.set_destruction("vera", job.id, soon) == replace(job, destruction=soon)
    latest = job.creation_time + timedelta(days=10)
    for _ in range(2):
        late = service.set_destruction("vera", job.id, latest + timedelta(seconds=1))
        assert (late.destruction, len(late.notes)) == (latest, 1)


@pytest.mark.parametrize(
    ("phase", "when", "error"),
    [
        (Phase.PENDING, datetime(2020, 1, 1, tzinfo=UTC), UsageError),
        (Phase.ARCHIVED, datetime(2099, 1, 1, tzinfo=UTC), WrongPhaseError),
    ],
)
def test_uws_47_a_past_destruction_or_of_an_archived_job_is_refused(
    service: JobService,
    make: Callable[..., Job],
    phase: Phase,
    when: datetime,
    error: type[Exception],
) -> None:
    job = make(phase)
    with pytest.raises(error):
        service.set_destruction("vera", job.id, when)
    assert service.get("vera", job.id) == job


@pytest.mark.parametrize(
    ("asked_s", "set_s", "notes"),
    [
        (1, 1, ()),
        (600, 600, ()),
        (601, 600, ("EXECUTIONDURATION was limited to 600 s",)),
        (0, 600, ("EXECUTIONDURATION was limited to 600 s",)),
    ],
)
def test_uws_48_execution_duration_is_set_within_the_limit(
    service: JobService,
    make: Callable[..., Job],
    asked_s: int,
    set_s: int,
    notes: tuple[str, ...],
) -> None:
    job = service.set_execution_duration("vera", make().id, asked_s)
    assert (job.execution_duration_s, job.notes) == (set_s, notes)


def test_without_a_limit_0_stays_unlimited(runtime: Runtime, make: Callable[..., Job]) -> None:
    free = JobService(replace(runtime, limits=JobLimits(execution_max_s=0)))
    assert free.set_execution_duration("vera", make().id, 0).execution_duration_s == 0


def test_the_execution_duration_of_a_finished_job_is_settled(
    service: JobService, make: Callable[..., Job]
) -> None:
    with pytest.raises(WrongPhaseError):
        service.set_execution_duration("vera", make(Phase.COMPLETED).id, 1)


# ------------------------------------------------------------------- results


def test_a_result_is_found_in_the_list_first_then_by_the_job_type(
    service: JobService, runtime: Runtime, make: Callable[..., Job]
) -> None:
    job = make(Phase.EXECUTING)
    runtime.files.write(f"{job.id}/item-000.txt", b"sky 0\n")
    found = Result("item-000.txt", f"{job.id}/item-000.txt", "text/plain", 6)
    assert service.find_result("vera", job.id, "item-000.txt") == (job, found)
    listed = Result("item-000.txt", "elsewhere", "text/plain")
    assert runtime.store.work.save_plan(job.id, Plan(()))
    assert runtime.store.complete(job.id, Outcome((listed,)))
    assert service.find_result("vera", job.id, "item-000.txt")[1] == listed


@pytest.mark.parametrize("path", ["none.txt", "../other", ""])
def test_an_unknown_result_is_not_found(
    service: JobService, make: Callable[..., Job], path: str
) -> None:
    with pytest.raises(NotFoundError):
        service.find_result("vera", make(Phase.EXECUTING).id, path)
