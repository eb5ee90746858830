"""Sweeps: what is lost is sent again once, what is past its time goes."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.toyjob import Recorder, new_toy, queue_toy
from uws.errors import TransientError
from uws.localfiles import LocalFiles
from uws.models import ChunkReport, Phase
from uws.runtime import Runtime
from uws.work.steps import plan_job
from uws.work.sweep import SweepReport, run_sweeper, sweep
from uws.work.termination import destroy_job

LATER = timedelta(seconds=31)


def planned(runtime: Runtime, recorder: Recorder, chunks: int) -> datetime:
    """Plan a job of some chunks, of which the first two are sent; returns the time."""
    now = queue_toy(runtime, WORD="sky", TIMES=str(chunks), CHUNKS=str(chunks))
    plan_job(runtime, "job")
    assert recorder.sent.pop() == "chunks [0, 1] job"
    return now


def test_nothing_to_do(runtime: Runtime, recorder: Recorder) -> None:
    runtime.store.create(new_toy("pending"))
    queue_toy(runtime, "fresh")
    runtime.store.create(replace(new_toy("done"), phase=Phase.COMPLETED))
    assert sweep(runtime) == SweepReport()
    assert recorder.sent == []


def test_lost_plan_is_sent_once_a_lease(runtime: Runtime, recorder: Recorder) -> None:
    later = queue_toy(runtime) + LATER
    assert sweep(runtime, later) == SweepReport(planned=1)
    assert sweep(runtime, later + timedelta(seconds=20)) == SweepReport()
    assert sweep(runtime, later + timedelta(seconds=30)) == SweepReport(planned=1)
    assert recorder.sent == ["plan job", "plan job"]


def test_lost_chunks_are_sent_together(runtime: Runtime, recorder: Recorder) -> None:
    now = planned(runtime, recorder, 5)
    assert sweep(runtime, now) == SweepReport()
    assert sweep(runtime, now + LATER) == SweepReport(chunks=2)
    assert sweep(runtime, now + LATER) == SweepReport()
    assert recorder.sent == ["chunks [0, 1] job"]


def test_chunk_of_a_dead_worker_is_sent_at_once(runtime: Runtime, recorder: Recorder) -> None:
    now = planned(runtime, recorder, 5)
    command = "from uws.lease_owner import this_holder; print(this_holder(), end='')"
    holder = subprocess.check_output([sys.executable, "-c", command], text=True)
    runtime.store.work.claim_chunk("job", 1, holder=holder, lease_s=3600)
    assert sweep(runtime, now) == SweepReport(chunks=1)
    assert recorder.sent == ["chunks [1] job"]
    chunk = runtime.store.work.claim_chunk("job", 1, holder="me", lease_s=3600)
    assert chunk is not None
    assert chunk.attempts == 2


def test_chunks_that_nobody_sent_are_sent_at_last(runtime: Runtime, recorder: Recorder) -> None:
    """As when a worker dies between its report and sending the next."""
    now = planned(runtime, recorder, 5)
    runtime.store.work.claim_chunk("job", 0, holder="me", lease_s=30)
    runtime.store.work.report_chunk("job", 0, ChunkReport(1), holder="me")
    assert sweep(runtime, now) == SweepReport(chunks=1)
    assert sweep(runtime, now) == SweepReport()
    assert recorder.sent == ["chunks [2] job"]


def test_lost_finish_is_sent(runtime: Runtime, recorder: Recorder) -> None:
    now = planned(runtime, recorder, 2)
    for number in range(2):
        runtime.store.work.claim_chunk("job", number, holder="me", lease_s=30)
        runtime.store.work.report_chunk("job", number, ChunkReport(1), holder="me")
    assert sweep(runtime, now) == SweepReport(finished=1)
    assert sweep(runtime, now) == SweepReport()
    runtime.store.work.lease_step("job", "finish", holder="me", lease_s=60)
    assert sweep(runtime, now + LATER) == SweepReport()
    assert sweep(runtime, now + 2 * LATER) == SweepReport(finished=1)
    assert recorder.sent == ["finish job", "finish job"]


def test_overdue_job_is_aborted(runtime: Runtime, recorder: Recorder) -> None:
    job = new_toy(execution_duration_s=10)
    runtime.store.create(replace(job, phase=Phase.EXECUTING, start_time=job.creation_time))
    assert sweep(runtime, job.creation_time + timedelta(seconds=9)).aborted == 0
    assert sweep(runtime, job.creation_time + timedelta(seconds=10)).aborted == 1
    ended = runtime.store.get("job")
    assert ended.phase is Phase.ABORTED
    assert ended.notes == ("aborted: the execution duration was exceeded",)
    assert recorder.sent[-1] == "cancel job"


def test_plan_that_takes_too_long_is_aborted(runtime: Runtime, recorder: Recorder) -> None:
    runtime.store.create(replace(new_toy(execution_duration_s=10), phase=Phase.QUEUED))
    runtime.store.work.lease_step("job", "plan", holder="me", lease_s=30)
    now = datetime.now(UTC)
    assert sweep(runtime, now + timedelta(seconds=9)) == SweepReport()
    assert sweep(runtime, now + timedelta(seconds=11)) == SweepReport(aborted=1)
    assert runtime.store.phase("job") is Phase.ABORTED
    assert recorder.sent == ["cancel job"]


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.EXECUTING, Phase.COMPLETED], ids=str)
def test_expired_job_is_destroyed(runtime: Runtime, recorder: Recorder, phase: Phase) -> None:
    job = replace(new_toy(), phase=phase)
    runtime.store.create(job)
    runtime.files.write("job/a.txt", b"a")
    assert sweep(runtime, job.destruction - timedelta(seconds=1)).destroyed == 0
    assert sweep(runtime, job.destruction) == SweepReport(destroyed=1, cleared=1)
    assert list(runtime.store.find.list("")) == []
    assert list(runtime.files.keys("job")) == []
    at_once, once_more = phase is Phase.EXECUTING, 1
    assert recorder.sent.count("cancel job") == at_once + once_more


def test_files_written_after_a_deletion_are_cleared(runtime: Runtime) -> None:
    now = queue_toy(runtime)
    runtime.store.delete("job")
    runtime.files.write("job/late.txt", b"a")
    assert sweep(runtime, now + timedelta(seconds=59)) == SweepReport()
    assert sweep(runtime, now + timedelta(seconds=61)) == SweepReport(cleared=1)
    assert list(runtime.files.keys("job")) == []
    assert sweep(runtime, now + timedelta(days=1)) == SweepReport()


def test_files_that_cannot_be_removed_are_tried_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = queue_toy(runtime)
    runtime.store.delete("job")

    def refuse(*_: object) -> None:
        raise PermissionError("no")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "delete_later", refuse)
        assert sweep(runtime, now + timedelta(seconds=61)) == SweepReport(faults=1)
    assert sweep(runtime, now + timedelta(seconds=62)) == SweepReport(cleared=1)


def everything(runtime: Runtime) -> list[str]:
    root = runtime.files.path("x")
    assert root is not None
    return sorted(str(path.relative_to(root.parent)) for path in root.parent.rglob("*"))


def test_what_was_set_aside_is_removed_by_the_next_sweep(runtime: Runtime) -> None:
    runtime.store.create(new_toy())
    runtime.files.write("job/deep/a.txt", b"a")
    runtime.files.write("job/b.txt", b"b")
    assert destroy_job(runtime, "job")
    assert len(everything(runtime)) == 6  # two folders of the server, the job's, deep, two files
    assert sweep(runtime) == SweepReport()
    assert everything(runtime) == [".gone"]


def test_a_long_removal_is_left_to_the_next_sweeps(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that was lost does not wait for it."""
    for number in range(4):
        runtime.files.write(f"job/{number}/a.txt", b"a")
    runtime.files.delete_later("job")
    clock = iter(range(10_000))
    monkeypatch.setattr("uws.work.sweep._REMOVAL_S", 5)
    for module in ("uws.work.sweep", "uws.localfiles"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: next(clock)))
    left = [len(everything(runtime))]
    while left[-1] > 1 and len(left) < 20:
        assert sweep(runtime) == SweepReport()
        left.append(len(everything(runtime)))
    assert left[-1] == 1
    assert len(left) > 2
    assert left == sorted(left, reverse=True)


def test_what_cannot_be_removed_holds_no_other_up(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "good"):
        runtime.files.write(f"{name}/a.txt", b"a")
        runtime.files.delete_later(name)
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if "bad." in str(path):
            raise PermissionError("no")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert sweep(runtime) == SweepReport(faults=1)
    (place,) = runtime.files.pending_deletions()
    assert place.startswith(".gone/bad.")
    assert f"sweep: not removed: {place}: no" in caplog.messages
    assert sweep(runtime) == SweepReport()
    assert everything(runtime) == [".gone"]


def test_what_was_set_aside_cannot_be_listed(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(LocalFiles, "pending_deletions", refuse)
    assert sweep(runtime, is_thorough=False) == SweepReport(faults=1)


ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("folder", "goes"),
    [
        (ID, True),
        (f".validate-{ID}", True),
        ("job", False),
        ("lost+found", False),
        (".snapshot", False),
        (ID[:-1], False),
        (ID.upper(), False),
    ],
)
def test_folders_of_no_job_go_after_a_day(runtime: Runtime, folder: str, goes: bool) -> None:
    """Only those with names that this server makes."""
    runtime.files.write(f"{folder}/.uws/parameters/table", b"RA,DEC")
    now = datetime.now(UTC)
    assert sweep(runtime, now + timedelta(hours=23)) == SweepReport()
    assert sweep(runtime, now + timedelta(hours=25), is_thorough=False) == SweepReport()
    assert sweep(runtime, now + timedelta(hours=25)) == SweepReport(orphans=int(goes))
    assert list(runtime.files.keys(folder)) == ([] if goes else [f"{folder}/.uws/parameters/table"])


def test_results_of_a_job_that_the_store_forgot_stay(runtime: Runtime) -> None:
    """As when an older store was put back: they can be seen to by a person."""
    runtime.files.write(f"{ID}/.uws/parameters/table", b"RA,DEC")
    runtime.files.write(f"{ID}/EAST0/a.fits", b"a")
    assert sweep(runtime, datetime.now(UTC) + timedelta(days=2)) == SweepReport()
    assert len(list(runtime.files.keys(ID))) == 2


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.COMPLETED, Phase.ARCHIVED], ids=str)
def test_folders_of_jobs_stay(runtime: Runtime, phase: Phase) -> None:
    job = replace(new_toy(ID), phase=phase)
    runtime.store.create(replace(job, destruction=job.creation_time + timedelta(days=30)))
    runtime.files.write(f"{ID}/.uws/parameters/table", b"a")
    assert sweep(runtime, datetime.now(UTC) + timedelta(days=2)) == SweepReport()
    assert list(runtime.files.keys(ID)) == [f"{ID}/.uws/parameters/table"]


def test_folders_that_cannot_be_listed_put_the_sweep_off(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(LocalFiles, "folders", refuse)
    with pytest.raises(TransientError, match="the folders of the jobs cannot be listed"):
        sweep(runtime)


def test_one_fault_does_not_stop_a_sweep(
    runtime: Runtime, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.away = {"b"}
    for name in "abc":
        now = queue_toy(runtime, name)
    assert sweep(runtime, now + LATER) == SweepReport(planned=2, faults=1)
    assert sorted(recorder.sent) == ["plan a", "plan c"]
    assert "sweep: not planned: ServiceUnavailable: the queue is away" in caplog.messages
    recorder.away = set()
    assert sweep(runtime, now + 2 * LATER) == SweepReport(planned=3)


def test_sweeps_at_once_send_once(runtime: Runtime, recorder: Recorder) -> None:
    for name in "abcdefgh":
        later = queue_toy(runtime, name) + LATER
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: sweep(runtime, later), range(4)))
    assert sum(report.planned for report in reports) == 8
    assert sorted(recorder.sent) == [f"plan {name}" for name in "abcdefgh"]


def test_store_that_is_away_ends_one_sweep(tmp_path: Path, runtime: Runtime) -> None:
    (tmp_path / "jobs.db").rename(tmp_path / "gone.db")
    runtime.store.close()
    with pytest.raises(TransientError, match="the job store cannot be reached"):
        sweep(runtime)


def test_sweeper_sweeps_until_it_is_stopped(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    thorough: list[bool] = []

    def sweep_badly(_: Runtime, *, is_thorough: bool, is_queue_new: bool) -> SweepReport:
        assert not is_queue_new, "the recorder has no queue"
        thorough.append(is_thorough)
        if len(thorough) == 4:
            stop.set()
        if len(thorough) == 1:
            raise TransientError("the store is away")
        return SweepReport()

    monkeypatch.setattr("uws.work.sweep.sweep", sweep_badly)
    run_sweeper(runtime, every_s=0.001, stop=stop)
    assert thorough == [True, True, False, False], "once an hour, and not before it went well"
    assert caplog.messages == ["sweep put off: ServiceUnavailable: the store is away"]
    run_sweeper(runtime, every_s=0.001, stop=stop)
    assert len(thorough) == 4


def test_what_a_new_queue_has_lost_is_sent_at_once(
    runtime: Runtime, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_toy(runtime, WORD="sky", TIMES="4", CHUNKS="2")
    plan_job(runtime, "job")
    assert recorder.sent == ["chunks [0, 1] job"]
    assert sweep(runtime) == SweepReport(), "they may be in the queue"
    stop = threading.Event()
    epochs = iter(["first", "first", "second", "second", "", "", "second", "second"])

    def epoch(_: Recorder) -> str:
        now = next(epochs, None)
        if now is None:
            stop.set()
        return now or ""

    monkeypatch.setattr(Recorder, "epoch", epoch)
    recorder.sent.clear()
    run_sweeper(runtime, every_s=0.001, stop=stop)
    assert recorder.sent == ["chunks [0, 1] job"] * 3, "once for each new queue, or after an outage"
