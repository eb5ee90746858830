"""The verbs create, start, abort, delete: who may, in which phase, what is left when refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.toyjob import ToyJob
from tests.uws_runtime import BAD, WORD, RecordingExecutor, bring_to, open_runtime
from uws.errors import (
    AuthorizationError,
    NotFoundError,
    TooManyError,
    TransientError,
    UsageError,
    WrongPhaseError,
)
from uws.models import ErrorKind, ErrorSummary, Job, Parameter, Phase, new_job_id
from uws.runtime import Runtime
from uws.service import JobService

REFUSAL = (
    "UsageError: unknown parameter WORLD; allowed are WORD, TIMES, CHUNKS, FAIL, SLEEP; "
    "WORD is missing"
)


@pytest.fixture
def executor() -> RecordingExecutor:
    return RecordingExecutor()


@pytest.fixture
def service(tmp_path: Path, executor: RecordingExecutor) -> JobService:
    return JobService(open_runtime(tmp_path, executor))


@pytest.fixture
def runtime(service: JobService) -> Runtime:
    return service.runtime


@pytest.fixture
def make(service: JobService) -> Callable[..., Job]:
    def _make(phase: Phase = Phase.PENDING, owner: str = "vera") -> Job:
        return service.get(owner, bring_to(service, phase, owner))

    return _make


# --------------------------------------------------------------- who may what


@pytest.mark.parametrize(
    "verb",
    [
        lambda service, owner, job_id: service.get(owner, job_id),
        lambda service, owner, job_id: service.start(owner, job_id),
        lambda service, owner, job_id: service.abort(owner, job_id),
        lambda service, owner, job_id: service.delete(owner, job_id),
        lambda service, owner, job_id: service.wait(owner, job_id, seconds=1),
        lambda service, owner, job_id: service.set_parameters(owner, job_id, [WORD]),
        lambda service, owner, job_id: service.set_destruction(owner, job_id, datetime.now(UTC)),
        lambda service, owner, job_id: service.set_execution_duration(owner, job_id, 1),
        lambda service, owner, job_id: service.find_result(owner, job_id, "x"),
    ],
    ids=[
        "get",
        "start",
        "abort",
        "delete",
        "wait",
        "parameters",
        "destruction",
        "duration",
        "result",
    ],
)
def test_every_verb_refuses_unknown_jobs_and_other_owners(
    service: JobService,
    make: Callable[..., Job],
    verb: Callable[[JobService, str, str], object],
) -> None:
    job = make()
    for stranger in ("eve", ""):
        with pytest.raises(AuthorizationError, match=f"job {job.id} is another owner's"):
            verb(service, stranger, job.id)
    with pytest.raises(NotFoundError):
        verb(service, "vera", new_job_id())
    assert service.get("vera", job.id) == job


def test_an_anonymous_job_is_for_all_who_know_its_id(
    service: JobService, make: Callable[..., Job]
) -> None:
    job = make(owner="")
    assert service.get("vera", job.id) == job


def test_job_ids_are_single_url_segments() -> None:
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(job_id) == 32 and job_id.isalnum() for job_id in ids)


# -------------------------------------------------------------------- create


def test_a_refused_creation_leaves_neither_job_nor_files(
    service: JobService, runtime: Runtime, executor: RecordingExecutor
) -> None:
    job_id = new_job_id()
    runtime.files.write(f"{job_id}/.uws/parameters/TABLE", b"1")
    with pytest.raises(UsageError) as caught:
        service.create("vera", [BAD], job_type="toy", job_id=job_id, run=True)
    assert str(caught.value) == REFUSAL
    assert list(runtime.files.keys(job_id)) == []
    assert list(service.list("vera")) == []
    assert executor.sent == []


def test_a_past_destruction_is_refused_at_creation(service: JobService) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(UsageError, match="DESTRUCTION: 2020-01-01T00:00:00Z is past"):
        service.create("vera", [], job_type="toy", destruction=past)
    assert list(service.list("vera")) == []


def test_without_run_nothing_is_said_about_parameters(
    service: JobService, executor: RecordingExecutor
) -> None:
    before = datetime.now(UTC)
    job = service.create("vera", [BAD, BAD], job_type="toy", run_id="r", url="https://x/async/1")
    assert before <= job.creation_time <= datetime.now(UTC)
    assert job == Job(
        id=job.id,
        job_type="toy",
        owner="vera",
        phase=Phase.PENDING,
        creation_time=job.creation_time,
        destruction=job.creation_time + timedelta(days=1),
        execution_duration_s=60,
        run_id="r",
        url="https://x/async/1",
        parameters=(BAD, BAD),
    )
    assert executor.sent == []


def test_run_at_creation_queues_the_job_with_its_notes(
    service: JobService, executor: RecordingExecutor
) -> None:
    long_word = Parameter("WORD", "a" * 21)
    job = service.create("vera", [long_word], job_type="toy", run=True)
    assert (job.phase, job.notes) == (Phase.QUEUED, ("the word is long",))
    assert executor.sent == [("plan", job.id)]


def test_a_job_is_created_and_queued_in_one_go(
    service: JobService, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Phase] = []
    monkeypatch.setattr(
        type(runtime.store), "create", lambda _store, job, **_: written.append(job.phase)
    )
    service.create("vera", [WORD], job_type="toy", run=True)
    service.create("vera", [WORD], job_type="toy")
    assert written == [Phase.QUEUED, Phase.PENDING]


def test_limits_bind_at_creation_and_a_note_tells(service: JobService) -> None:
    job = service.create(
        "vera",
        [],
        job_type="toy",
        destruction=datetime.now(UTC) + timedelta(days=100),
        execution_duration_s=0,
    )
    latest = job.creation_time + timedelta(days=10)
    assert (job.destruction, job.execution_duration_s) == (latest, 600)
    assert job.notes == (
        (
            "DESTRUCTION was limited to 10 days after creation, "
            f"{latest.isoformat().removesuffix('+00:00')}Z"
        ),
        "EXECUTIONDURATION was limited to 600 s",
    )


def test_too_many_jobs_at_work_are_refused_by_the_limits_name(
    service: JobService, make: Callable[..., Job], executor: RecordingExecutor
) -> None:
    make(Phase.QUEUED)
    waiting = make()
    make(Phase.COMPLETED)
    make(Phase.EXECUTING)
    with pytest.raises(TooManyError, match="2 jobs are queued or executing"):
        service.create("vera", [WORD], job_type="toy", run=True)
    with pytest.raises(TooManyError):
        service.start("vera", waiting.id)
    assert service.get("vera", waiting.id) == waiting
    assert len(list(service.list("vera"))) == 4
    assert executor.sent == []
    assert service.create("eve", [WORD], job_type="toy", run=True).phase == Phase.QUEUED


def test_unlimited_owners_may_run_more(runtime: Runtime, make: Callable[..., Job]) -> None:
    for _ in range(2):
        make(Phase.QUEUED)
    service = JobService(runtime, is_unlimited=lambda owner: owner == "vera")
    assert service.create("vera", [WORD], job_type="toy", run=True).phase == Phase.QUEUED


# --------------------------------------------------------------------- start


@pytest.mark.parametrize(
    "phase",
    [p for p in Phase if p not in {Phase.PENDING, Phase.HELD, Phase.UNKNOWN}],
)
def test_uws_43_run_in_another_phase_is_refused(
    service: JobService, make: Callable[..., Job], executor: RecordingExecutor, phase: Phase
) -> None:
    job = make(phase)
    with pytest.raises(WrongPhaseError) as caught:
        service.start("vera", job.id)
    assert str(caught.value) == (
        f"UsageError: job {job.id} is {phase}; it can only be started while PENDING or HELD"
    )
    assert service.get("vera", job.id) == job
    assert executor.sent == []


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.HELD])
def test_uws_41_run_queues_the_job(
    service: JobService, make: Callable[..., Job], executor: RecordingExecutor, phase: Phase
) -> None:
    job = make(phase)
    assert service.start("vera", job.id) == replace(job, phase=Phase.QUEUED)
    assert executor.sent == [("plan", job.id)]


def test_a_job_whose_queue_is_away_stays_queued(
    service: JobService, make: Callable[..., Job], executor: RecordingExecutor
) -> None:
    executor.is_away = True
    assert service.start("vera", make().id).phase == Phase.QUEUED


def test_refused_parameters_put_the_job_into_error(
    service: JobService, executor: RecordingExecutor
) -> None:
    job = service.create("vera", [BAD], job_type="toy")
    failed = service.start("vera", job.id)
    assert failed == replace(
        job,
        phase=Phase.ERROR,
        end_time=failed.end_time,
        error=ErrorSummary(REFUSAL, ErrorKind.FATAL, REFUSAL),
    )
    assert failed.end_time is not None
    assert executor.sent == []


def test_parameters_that_change_while_they_are_checked_are_checked_again(
    service: JobService,
    make: Callable[..., Job],
    executor: RecordingExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, real = make(), ToyJob.check
    changes = iter([[Parameter("WORD", "sea")], [BAD]])

    def check(*arguments: Any) -> tuple[str, ...]:
        notes = real(*arguments)
        if (values := next(changes, None)) is not None:
            service.set_parameters("vera", job.id, values)
        return notes

    monkeypatch.setattr(ToyJob, "check", check)
    refused = service.start("vera", job.id)
    assert refused.phase == Phase.ERROR
    assert refused.parameters == (Parameter("WORD", "sea"), BAD)
    assert executor.sent == []


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_vanished_while_it_was_checked(
    service: JobService,
    make: Callable[..., Job],
    is_replaced: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, real, calls = make(), ToyJob.check, []

    def check(*arguments: Any) -> tuple[str, ...]:
        calls.append(arguments)
        if len(calls) > 1:
            return real(*arguments)
        if is_replaced:
            service.set_parameters("vera", job.id, [Parameter("WORD", "sea")])
        raise FileNotFoundError("WORD")

    monkeypatch.setattr(ToyJob, "check", check)
    if is_replaced:
        assert service.start("vera", job.id).phase == Phase.QUEUED
    else:
        with pytest.raises(FileNotFoundError):
            service.start("vera", job.id)


def test_a_check_that_cannot_be_made_now_leaves_the_job_pending(
    service: JobService, make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> tuple[str, ...]:
        raise TransientError("the releases are away")

    monkeypatch.setattr(ToyJob, "check", away)
    job = make()
    with pytest.raises(TransientError):
        service.start("vera", job.id)
    assert service.get("vera", job.id) == job


# -------------------------------------------------------------- abort, delete


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.ERROR, Phase.ARCHIVED])
def test_uws_43_abort_of_a_finished_job_is_refused(
    service: JobService, make: Callable[..., Job], phase: Phase
) -> None:
    job = make(phase)
    with pytest.raises(WrongPhaseError) as caught:
        service.abort("vera", job.id)
    assert str(caught.value) == (
        f"UsageError: job {job.id} is {phase}; it can only be aborted while "
        "PENDING or QUEUED or EXECUTING or HELD or SUSPENDED"
    )
    assert service.get("vera", job.id) == job


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.HELD, Phase.QUEUED, Phase.EXECUTING])
def test_uws_42_abort_ends_a_job(
    service: JobService, make: Callable[..., Job], executor: RecordingExecutor, phase: Phase
) -> None:
    job = make(phase)
    aborted = service.abort("vera", job.id)
    assert aborted.phase == Phase.ABORTED
    assert aborted.end_time is not None
    assert executor.sent == [("cancel", job.id)]
    assert service.abort("vera", job.id) == aborted


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.EXECUTING, Phase.COMPLETED])
def test_uws_44_delete_removes_job_and_files(
    service: JobService, runtime: Runtime, make: Callable[..., Job], phase: Phase
) -> None:
    job = make(phase)
    runtime.files.write(f"{job.id}/result.txt", b"1")
    service.delete("vera", job.id)
    with pytest.raises(NotFoundError):
        service.get("vera", job.id)
    assert list(runtime.files.keys(job.id)) == []
