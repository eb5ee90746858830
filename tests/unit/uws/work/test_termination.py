"""Abort and destruction: in every phase, and with the queue or the files away."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from tests.toyjob import Recorder, ToyJob, new_toy, set_type
from uws.errors import TransientError
from uws.files import JobFiles
from uws.localfiles import LocalFiles
from uws.models import FINISHED, Job, Phase, Result
from uws.runtime import Runtime
from uws.work.termination import abort_job, destroy_job, expire_job


def test_unknown_job(runtime: Runtime, recorder: Recorder) -> None:
    assert not abort_job(runtime, "nobody")
    assert not destroy_job(runtime, "nobody")
    assert recorder.sent == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.UNKNOWN])
def test_abort(runtime: Runtime, recorder: Recorder, phase: Phase) -> None:
    runtime.store.create(replace(new_toy(), phase=phase))
    ends = phase not in FINISHED
    assert abort_job(runtime, "job") == ends
    job = runtime.store.get("job")
    assert (job.phase, job.end_time is not None) == (Phase.ABORTED if ends else phase, ends)
    assert recorder.sent == (["cancel job"] if ends else [])
    assert not abort_job(runtime, "job")


def test_abort_lists_what_is_there(runtime: Runtime) -> None:
    runtime.store.create(replace(new_toy(), phase=Phase.EXECUTING))
    runtime.files.write("job/item-001.txt", b"sky 1\n")
    runtime.files.write("job/item-000.txt", b"sky\n")
    assert runtime.store.get("job").results == ()
    assert abort_job(runtime, "job")
    assert runtime.store.get("job").results == (
        Result("item-000.txt", "job/item-000.txt", "text/plain", 4),
        Result("item-001.txt", "job/item-001.txt", "text/plain", 6),
    )


def test_waiters_are_told_of_an_abort_when_its_document_is_whole(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the notice, so much later the queue may answer."""
    runtime.store.create(replace(new_toy(), phase=Phase.EXECUTING))
    runtime.files.write("job/item-000.txt", b"sky\n")
    seen: list[Job] = []
    announce = runtime.store.announce

    def look(job_id: str) -> None:
        seen.append(runtime.store.get(job_id))
        announce(job_id)

    monkeypatch.setattr(runtime.store, "announce", look)
    with runtime.store.subscribe("job") as watch:
        assert abort_job(runtime, "job", note="it was too long")
        assert watch.wait(0)
    (job,) = seen
    assert (job.phase, job.notes) == (Phase.ABORTED, ("it was too long",))
    assert [result.id for result in job.results] == ["item-000.txt"]
    assert not abort_job(runtime, "job", note="again")
    assert runtime.store.get("job").notes == ("it was too long",)


class Broken(ToyJob):
    """Cannot tell what it left."""

    @override
    def partial_results(self, job: Job, files: JobFiles) -> Sequence[Result]:
        raise KeyError("a bug")


def test_job_is_aborted_even_if_its_results_cannot_be_listed(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    set_type(runtime, Broken())
    runtime.store.create(replace(new_toy(), phase=Phase.EXECUTING))
    assert abort_job(runtime, "job")
    job = runtime.store.get("job")
    assert (job.phase, job.results) == (Phase.ABORTED, ())
    assert "results of an aborted job not listed" in caplog.messages


@pytest.mark.parametrize("phase", list(Phase), ids=str)
def test_destroy(runtime: Runtime, recorder: Recorder, phase: Phase) -> None:
    runtime.store.create(replace(new_toy(), phase=phase))
    runtime.files.write("job/deep/a.txt", b"a")
    runtime.files.write("other/a.txt", b"a")
    assert destroy_job(runtime, "job")
    assert list(runtime.store.find.list("", phases=set(Phase))) == []
    assert list(runtime.files.keys("job")) == []
    assert list(runtime.files.keys("other")) == ["other/a.txt"]
    assert recorder.sent == (["cancel job"] if phase in {Phase.QUEUED, Phase.EXECUTING} else [])
    assert not destroy_job(runtime, "job")


@pytest.mark.parametrize("archives", [False, True], ids=["destroyed", "archived"])
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.UNKNOWN])
def test_expire(
    runtime: Runtime,
    recorder: Recorder,
    caplog: pytest.LogCaptureFixture,
    phase: Phase,
    archives: bool,
) -> None:
    """Also where the queue is away."""
    caplog.set_level(logging.INFO, "uws")
    recorder.away = {"job"}
    runtime = replace(runtime, limits=replace(runtime.limits, archive=archives))
    job = replace(new_toy(), phase=phase)
    runtime.store.create(job)
    runtime.files.write("job/a.txt", b"a")
    early = job.destruction - timedelta(microseconds=1)
    assert not expire_job(runtime, "job", now=early)
    assert not expire_job(runtime, "nobody", now=job.destruction)
    assert list(runtime.files.keys("job")) == ["job/a.txt"]
    ends = phase is not Phase.ARCHIVED
    assert expire_job(runtime, "job", now=job.destruction) == ends
    assert not expire_job(runtime, "job", now=job.destruction)
    left = [kept.phase for kept in runtime.store.find.list("", phases=set(Phase))]
    assert left == ([Phase.ARCHIVED] if archives or not ends else [])
    assert list(runtime.files.keys("job")) == ([] if ends else ["job/a.txt"])
    said = "job archived" if archives else "job destroyed"
    away = "tasks were not cancelled: ServiceUnavailable: the queue is away"
    at_work = phase in {Phase.QUEUED, Phase.EXECUTING}
    assert caplog.messages == ([said, *([away] if at_work else [])] if ends else [])


def test_queue_that_is_away_holds_nothing_up(
    runtime: Runtime, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.away = {"a", "b"}
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

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(LocalFiles, "delete_later", refuse)
    assert destroy_job(runtime, "job")
    assert list(runtime.store.expiry.tombstones(datetime.now(UTC) + timedelta(seconds=1))) == [
        "job"
    ]


@pytest.mark.parametrize("archives", [False, True], ids=["destroyed", "archived"])
def test_files_of_an_expired_job_are_set_aside(runtime: Runtime, archives: bool) -> None:
    """One step, however many they are: they are removed by the sweep."""
    runtime = replace(runtime, limits=replace(runtime.limits, archive=archives))
    job = replace(new_toy(), phase=Phase.COMPLETED)
    runtime.store.create(job)
    runtime.files.write("job/deep/a.txt", b"a")
    assert expire_job(runtime, "job", now=job.destruction)
    (place,) = runtime.files.pending_deletions()
    assert list(runtime.files.keys("job")) == []
    assert list(runtime.files.keys(place)) == [f"{place}/deep/a.txt"]


def test_a_job_is_destroyed_without_looking_at_its_files(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.store.create(replace(new_toy(), phase=Phase.COMPLETED))
    for number in range(3):
        runtime.files.write(f"job/{number}/a.txt", b"a")

    def look(*_: object, **__: object) -> None:
        raise AssertionError("as many calls as there are folders")

    for name in ("scandir", "listdir", "walk", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, look)
    assert destroy_job(runtime, "job")
    monkeypatch.undo()
    assert list(runtime.files.keys("job")) == []
