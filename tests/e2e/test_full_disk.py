"""Disks that are full, read-only or not what they should be, while jobs are made and worked."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import requests

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.pixels.reader import TileReader
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.e2e.service_process import started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG
from tests.toyjob import Recorder
from tests.working import work_off, work_once
from uws.localfiles import LocalFiles
from uws.models import ErrorKind, Parameter, Phase
from uws.runtime import JobLimits, Runtime
from uws.service import JobService
from uws.store import open_store

LIMITS = JobLimits(tries=2, retry_pause_s=0.001, retry_for_s=0.02)
ROWS = 24
TABLE = "RA,DEC\n" + "".join(f"{RA_DEG + n * 2e-4!r},{DEC_DEG}\n" for n in range(ROWS))
"""Three chunks: ten rows, ten, and four."""

OPTIONS = {"COLORS_FITS": "g", "XSIZE": "0.2", "YSIZE": "0.2"}


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own, small."""

    root: Path

    def fill(self, *, leave: int = 0) -> None:
        """Leave no more than some bytes of it free."""
        with (self.root / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                filler.truncate(max(0, filler.tell() - leave))

    def free(self) -> None:
        (self.root / "filler").unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", self.root], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a disk of 24 MB in memory; only root may mount one."""
    root = tmp_path / "disk"
    root.mkdir()
    mount = shutil.which("mount")
    if mount is None or sys.platform != "linux":
        pytest.skip("disks of any size are mounted on Linux only")
    command = [mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(root)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def open_runtime(survey: Path, tmp_path: Path, files: Path) -> Runtime:
    store = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    store.migrate()
    catalogue = ObjectCatalogue(f"sqlite:///{survey / 'soda.db'}")
    sky = Holdings(Releases([survey / "releases"]), catalogue, TileReader())
    job_types = {"cutout": CutoutJob(sky, CutoutsConfig())}
    return Runtime(store, LocalFiles(files), job_types, Recorder(), LIMITS)


def start(runtime: Runtime) -> str:
    values = [Parameter("POSITIONS", TABLE), *(Parameter(*item) for item in OPTIONS.items())]
    return JobService(runtime).create("", values, job_type="cutout", run=True).id


def cutouts(root: Path, job_id: str) -> dict[str, str]:
    """Give the hash of each cutout of a job all of whose rows were cut."""
    summary = json.loads((root / job_id / "summary.json").read_bytes())
    rows = summary["cutouts"]
    assert [row["STATUS"] for row in rows] == ["ok"] * ROWS, [row["MESSAGE"] for row in rows]
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (root / job_id).rglob("*.fits")
    }
    assert len(there) == ROWS
    assert list((root / job_id).rglob(".part-*")) == []
    return there


@pytest.fixture(scope="module")
def undisturbed(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the cutouts of the table, made where there is room enough."""
    folder = tmp_path_factory.mktemp("undisturbed")
    runtime = open_runtime(survey, folder, folder / "jobs")
    job_id = start(runtime)
    work_off(runtime, job_id)
    runtime.store.close()
    return cutouts(folder / "jobs", job_id)


STAGES = {"plan": 0, "first chunks": 1, "finish": 2}
"""What is still to be done, by the rounds of work that were done before."""


@pytest.mark.parametrize("rounds", list(STAGES.values()), ids=list(STAGES))
@pytest.mark.parametrize("trouble", ["full", "nearly full", "read-only"])
def test_a_job_waits_for_its_disk(
    survey: Path,
    tmp_path: Path,
    disk: Disk,
    undisturbed: dict[str, str],
    trouble: str,
    rounds: int,
) -> None:
    runtime = open_runtime(survey, tmp_path, disk.root)
    job_id = start(runtime)
    for _ in range(rounds):
        work_once(runtime)
    if trouble == "read-only":
        disk.remount("ro")
    else:
        disk.fill(leave=0 if trouble == "full" else 16_000)
    for _ in range(3):
        work_once(runtime)
    assert runtime.store.phase(job_id) in {Phase.QUEUED, Phase.EXECUTING}
    assert not (disk.root / job_id / "summary.json").exists()
    if trouble == "read-only":
        disk.remount("rw")
    else:
        disk.free()
    work_off(runtime, job_id)
    job = runtime.store.get(job_id)
    assert (job.phase, job.error) == (Phase.COMPLETED, None)
    assert (job.progress.done, job.progress.failed) == (ROWS, 0)
    assert cutouts(disk.root, job_id) == undisturbed
    for result in job.results:
        if result.key != "archive":
            assert runtime.files.stat(result.key).size_bytes == result.size_bytes
    runtime.store.close()


@pytest.mark.parametrize("rounds", list(STAGES.values()), ids=list(STAGES))
def test_a_disk_that_stays_full_ends_the_job_clearly(
    survey: Path, tmp_path: Path, disk: Disk, rounds: int
) -> None:
    runtime = open_runtime(survey, tmp_path, disk.root)
    job_id = start(runtime)
    for _ in range(rounds):
        work_once(runtime)
    disk.fill()
    work_off(runtime, job_id)
    job = runtime.store.get(job_id)
    assert job.phase == Phase.ERROR
    assert job.error is not None
    text = "ServiceUnavailable: files of the job are unavailable: No space left on device"
    assert (job.error.message, job.error.kind) == (text, ErrorKind.TRANSIENT)
    runtime.store.close()


def put_file_in_the_way(folder: Path) -> Callable[[], None]:
    """Have a file where the job's work is to lie, as root may write everywhere."""
    kept = folder.with_name(f"{folder.name}-kept")
    if folder.exists():
        folder.rename(kept)
    folder.parent.mkdir(exist_ok=True)
    folder.touch()

    def mend() -> None:
        folder.unlink()
        if kept.exists():
            kept.rename(folder)

    return mend


@pytest.mark.parametrize("rounds", list(STAGES.values()), ids=list(STAGES))
def test_a_job_waits_for_a_folder_that_can_be_written(
    survey: Path, tmp_path: Path, undisturbed: dict[str, str], rounds: int
) -> None:
    root = tmp_path / "jobs"
    runtime = open_runtime(survey, tmp_path, root)
    job_id = start(runtime)
    for _ in range(rounds):
        work_once(runtime)
    mend = put_file_in_the_way(root / job_id)
    for _ in range(3):
        work_once(runtime)
    assert runtime.store.phase(job_id) in {Phase.QUEUED, Phase.EXECUTING}
    mend()
    work_off(runtime, job_id)
    assert runtime.store.phase(job_id) == Phase.COMPLETED
    assert cutouts(root, job_id) == undisturbed
    runtime.store.close()


# The whole service


def post(base: str, table: str) -> requests.Response:
    return requests.post(
        f"{base}/async",
        data={"PHASE": "RUN", **OPTIONS},
        files={"POSITIONS": ("positions.csv", table.encode())},
        allow_redirects=False,
        timeout=60,
    )


def test_the_service_on_a_full_disk(
    survey: Path,
    tmp_path: Path,
    disk: Disk,
    undisturbed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Job store and job files both lie on it."""
    monkeypatch.setenv("SODA_SWEEP__EVERY_S", "0.2")
    monkeypatch.setenv("SODA_JOBS__RETRY_PAUSE_S", "0.5")
    monkeypatch.setenv("SODA_RELEASES__FOLDERS", str(survey / "releases"))
    command = ["-m", "soda_service", "serve", "--data", str(disk.root), "--port", "0"]
    with started([*command, "--workers", "1"], tmp_path / "log") as service:
        base = f"http://{service.address}"
        before = post(base, TABLE)
        assert before.status_code == 303, before.text
        disk.fill()
        folders = set((disk.root / "jobs").iterdir())
        refused = post(base, TABLE + f"{RA_DEG},{DEC_DEG}\n" * 20_000)
        assert refused.status_code == 503, refused.text
        assert refused.text.startswith("ServiceUnavailable: ")
        assert "No space left on device" in refused.text
        assert int(refused.headers["Retry-After"]) > 0
        assert set((disk.root / "jobs").iterdir()) == folders, "nothing is half created"
        listed = requests.get(f"{base}/async", timeout=60).text
        assert listed.count("<uws:jobref ") == 1
        disk.free()
        after = post(base, TABLE)
        assert after.status_code == 303, after.text
        for answer in (before, after):
            url = answer.headers["Location"]
            wait_for(partial(is_done, url), "end of the job", 120)
            assert cutouts(disk.root / "jobs", url.rpartition("/")[2]) == undisturbed
        assert service.stop() == 0


def is_done(url: str) -> bool:
    phase = requests.get(f"{url}/phase", timeout=60).text
    assert phase in {"QUEUED", "EXECUTING", "COMPLETED"}, requests.get(f"{url}/error").text
    return phase == "COMPLETED"
