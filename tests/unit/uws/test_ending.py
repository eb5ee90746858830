"""Abort and destruction: in every phase, and with the queue or the files away."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from tests.toyjob import new_toy, toy_runtime
from uws.ending import abort_job, destroy_job
from uws.errors import TransientError
from uws.execution import InlineExecutor
from uws.files import LocalFiles
from uws.models import FINISHED, Phase
from uws.runtime import Executor, Runtime


class Cancelling(Executor):
    """Notes which jobs are cancelled, and in which phase the store has them by then."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.is_away = False

    @override
    def send_plan(self, job_id: str) -> None: ...

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None: ...

    @override
    def send_finish(self, job_id: str) -> None: ...

    @override
    def cancel(self, job_id: str) -> None:
        if self.is_away:
            raise TransientError("the queue is away")
        self.cancelled.append(job_id)


@pytest.fixture
def executor() -> Cancelling:
    return Cancelling()


@pytest.fixture
def runtime(tmp_path: Path, executor: Cancelling) -> Iterator[Runtime]:
    runtime = toy_runtime(tmp_path)
    assert isinstance(runtime.executor, InlineExecutor)
    yield replace(runtime, executor=executor)
    runtime.store._database._engine.dispose()


def test_unknown_job(runtime: Runtime, executor: Cancelling) -> None:
    assert not abort_job(runtime, "nobody")
    assert not destroy_job(runtime, "nobody")
    assert executor.cancelled == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.UNKNOWN])
def test_abort(runtime: Runtime, executor: Cancelling, phase: Phase) -> None:
    runtime.store.create(replace(new_toy(), phase=phase))
    ends = phase not in FINISHED
    assert abort_job(runtime, "job") == ends
    job = runtime.store.get("job")
    assert (job.phase, job.end_time is not None) == (Phase.ABORTED if ends else phase, ends)
    assert executor.cancelled == (["job"] if ends else [])
    assert not abort_job(runtime, "job")


@pytest.mark.parametrize("phase", list(Phase), ids=str)
def test_destroy(runtime: Runtime, executor: Cancelling, phase: Phase) -> None:
    runtime.store.create(replace(new_toy(), phase=phase))
    runtime.files.write("job/deep/a.txt", b"a")
    runtime.files.write("other/a.txt", b"a")
    assert destroy_job(runtime, "job")
    assert list(runtime.store.list("", phases=set(Phase))) == []
    assert list(runtime.files.keys("job")) == []
    assert list(runtime.files.keys("other")) == ["other/a.txt"]
    assert executor.cancelled == (["job"] if phase in {Phase.QUEUED, Phase.EXECUTING} else [])
    assert not destroy_job(runtime, "job")


def test_queue_that_is_away_holds_nothing_up(
    runtime: Runtime, executor: Cancelling, caplog: pytest.LogCaptureFixture
) -> None:
    executor.is_away = True
    for name in ("a", "b"):
        runtime.store.create(replace(new_toy(name), phase=Phase.EXECUTING))
        runtime.files.write(f"{name}/a.txt", b"a")
    assert abort_job(runtime, "a")
    assert destroy_job(runtime, "b")
    assert list(runtime.files.keys("b")) == []
    text = "tasks were not cancelled: ServiceUnavailable: the queue is away"
    assert [text, text] == [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]


@pytest.mark.parametrize("error", [PermissionError("no"), TransientError("away")], ids=repr)
def test_files_that_stay_are_remembered(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    runtime.store.create(new_toy())

    def refuse(files: LocalFiles, prefix: str) -> None:
        raise error

    monkeypatch.setattr(LocalFiles, "delete", refuse)
    assert destroy_job(runtime, "job")
    assert list(runtime.store.remains(datetime.now(UTC) + timedelta(seconds=1))) == ["job"]
