"""Tiles that cannot be read: damaged for good, or for the moment, in a job of the real steps."""

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels import source
from soda_service.pixels.reader import TileFile, TileReader
from soda_service.pixels.source import LocalSource
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.release import Plane
from soda_service.sky.releases import Releases
from tests.synthetic import DEC_DEG, RA_DEG, STEP_DEG
from tests.toyjob import Recorder
from tests.working import work_off, work_once
from uws.localfiles import LocalFiles
from uws.models import ErrorKind, Job, Parameter, Phase
from uws.runtime import JobLimits, Runtime
from uws.service import JobService
from uws.store import open_store

LIMITS = JobLimits(tries=2, retry_pause_s=0.001, retry_for_s=0.01)

AT_0 = [RA_DEG + n * 2e-4 for n in range(3)]
AT_1 = [float(RA_DEG + STEP_DEG) + n * 2e-4 for n in range(3)]
TABLE = "RA,DEC\n" + "".join(f"{ra_deg!r},{DEC_DEG}\n" for ra_deg in (*AT_0, *AT_1))
"""Three positions in each tile: one chunk."""

UNREADABLE = Path("/proc/self/mem")
"""A file that can be opened, and whose first byte cannot be read: a real I/O error (EIO)."""


@pytest.fixture
def data(survey: Path, tmp_path: Path) -> Path:
    """Give a copy of the small survey that a test may damage."""
    data = tmp_path / "data"
    shutil.copytree(survey / "tiles", data / "tiles")
    shutil.copytree(survey / "releases", data / "releases")
    release = data / "releases" / "test1.toml"
    release.write_text(release.read_text().replace(str(survey), str(data)))
    return data


@pytest.fixture
def runtime(data: Path, tmp_path: Path) -> Iterator[Runtime]:
    catalogue = ObjectCatalogue(f"sqlite:///{tmp_path / 'soda.db'}")
    sky = Holdings(Releases([data / "releases"]), catalogue, TileReader())
    store = open_store(f"sqlite:///{tmp_path / 'soda.db'}")
    store.migrate()
    job_type = CutoutJob(sky, CutoutsConfig())
    files = LocalFiles(tmp_path / "jobs")
    yield Runtime(store, files, {"cutout": job_type}, Recorder(), LIMITS)
    store.close()
    catalogue.dispose()


def tile(data: Path, name: str = "EAST0", band: str = "g") -> Path:
    return data / "tiles" / name / "p01" / f"{name}_{band}.fits.fz"


def start(runtime: Runtime, **parameters: str) -> str:
    values = [Parameter(name, value) for name, value in parameters.items()]
    return JobService(runtime).create("", values, job_type="cutout", run=True).id


def outcomes(runtime: Runtime, job_id: str) -> list[tuple[str, str, int]]:
    """Give status, message and number of files of each row, in the order of the table."""
    with runtime.files.open(f"{job_id}/summary.json") as stream:
        rows: list[dict[str, Any]] = json.load(stream)["cutouts"]
    return [(row["STATUS"], row["MESSAGE"], len(row["FILES"])) for row in rows]


def made(runtime: Runtime, job_id: str) -> dict[str, tuple[int, int]]:
    """Tell the cutouts that are there, each from a later one of the same name."""
    found = {}
    for key in runtime.files.keys(job_id):
        path = runtime.files.path(key)
        assert path is not None
        if path.suffix == ".fits":
            found[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


# Damaged for good


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def make_garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage" * 10_000)


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_broken_gzip(path: Path) -> None:
    packed = bytearray(gzip.compress(path.read_bytes(), 1))
    packed[-2000:-1900] = bytes(100)
    path.write_bytes(packed)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "EAST0_g.fits.fz: truncated: HDU "),
        (make_garbage, "EAST0_g.fits.fz: No SIMPLE card found"),
        (make_empty, "EAST0_g.fits.fz: Empty or corrupt FITS file"),
        (make_folder, "EAST0_g.fits.fz: Is a directory"),
        (make_broken_gzip, "EAST0_g.fits.fz: "),
        (Path.unlink, "EAST0_g.fits.fz: no such file"),
    ],
    ids=["truncated", "garbage", "empty", "folder", "broken gzip", "missing"],
)
def test_a_damaged_tile_fails_its_rows_at_once(
    runtime: Runtime, data: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(tile(data))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="g")
    work_once(runtime)
    assert runtime.store.phase(job_id) == Phase.COMPLETED, "nothing was waited for"
    found = outcomes(runtime, job_id)
    for status, text, files in found[:3]:
        assert (status, text.startswith(message), files) == ("failed", True, 0), text
        assert str(data) not in text
    assert found[3:] == [("ok", "", 1)] * 3
    progress = runtime.store.get(job_id).progress
    assert (progress.done, progress.failed) == (3, 3)


def test_what_other_bands_give_is_made(runtime: Runtime, data: Path) -> None:
    cut_off(tile(data))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="gr")
    work_off(runtime, job_id)
    found = outcomes(runtime, job_id)
    assert [(status, files) for status, _, files in found] == [("partial", 1)] * 3 + [("ok", 2)] * 3


# Away for the moment


def put_away(path: Path) -> Path:
    """Have reading a tile fail as of a disk with a bad sector; gives where it lies instead."""
    if not UNREADABLE.exists():
        pytest.skip("there is no /proc, with its file that gives real I/O errors")
    kept = path.with_name(f"kept-{path.name}")
    path.rename(kept)
    path.symlink_to(UNREADABLE)
    return kept


def test_an_error_that_goes_away_is_waited_for(runtime: Runtime, data: Path) -> None:
    kept = put_away(tile(data))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="g")
    work_once(runtime)
    job = runtime.store.get(job_id)
    assert (job.phase, job.progress.done) == (Phase.EXECUTING, 0)
    early = made(runtime, job_id)
    assert len(early) == 3, "rows of the other tile are done in the meantime"
    work_once(runtime)
    assert runtime.store.phase(job_id) == Phase.EXECUTING
    kept.rename(tile(data))
    work_once(runtime)
    assert runtime.store.phase(job_id) == Phase.COMPLETED
    assert outcomes(runtime, job_id) == [("ok", "", 1)] * 6
    late = made(runtime, job_id)
    assert len(late) == 6
    assert {name: late[name] for name in early} == early, "none is cut twice"


def test_an_error_that_stays_fails_its_rows_with_its_name(runtime: Runtime, data: Path) -> None:
    put_away(tile(data))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="g")
    work_off(runtime, job_id)
    message = "EAST0_g.fits.fz: Input/output error"
    assert outcomes(runtime, job_id) == [("failed", message, 0)] * 3 + [("ok", "", 1)] * 3
    assert len(made(runtime, job_id)) == 3


def test_at_last_the_files_are_made_that_can_be(runtime: Runtime, data: Path) -> None:
    put_away(tile(data, band="r"))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="gr")
    work_off(runtime, job_id)
    message = "EAST0_r.fits.fz: Input/output error"
    assert outcomes(runtime, job_id) == [("partial", message, 1)] * 3 + [("ok", "", 2)] * 3
    assert runtime.store.get(job_id).phase == Phase.COMPLETED


@pytest.mark.parametrize("returns", [True, False])
def test_a_root_that_is_away(runtime: Runtime, data: Path, returns: bool) -> None:
    (data / "tiles").rename(data / "unmounted")
    (data / "tiles").mkdir()
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="gr")
    for _ in range(3):
        work_once(runtime)
    assert runtime.store.phase(job_id) == Phase.EXECUTING
    if returns:
        (data / "tiles").rmdir()
        (data / "unmounted").rename(data / "tiles")
    work_off(runtime, job_id)
    job = runtime.store.get(job_id)
    if returns:
        assert outcomes(runtime, job_id) == [("ok", "", 2)] * 6
    else:
        assert_is_away(job)


def assert_is_away(job: Job) -> None:
    assert job.phase == Phase.ERROR
    assert job.error is not None
    assert job.error.kind == ErrorKind.TRANSIENT
    assert job.error.message == "ServiceUnavailable: the release's root directory is gone"


def test_a_damaged_row_and_one_that_is_away(runtime: Runtime, data: Path) -> None:
    cut_off(tile(data, "EAST1"))
    kept = put_away(tile(data))
    job_id = start(runtime, POSITIONS=TABLE, COLORS_FITS="g")
    work_once(runtime)
    kept.rename(tile(data))
    work_off(runtime, job_id)
    found = outcomes(runtime, job_id)
    assert [(status, files) for status, _, files in found] == [("ok", 1)] * 3 + [("failed", 0)] * 3


# Open tiles


PLANES = (Plane("SCI", "SCI"), Plane("MSK", "MSK"), Plane("WGT", "WGT"))
BOX = PixelBox(200, 400, 200, 400)


def test_a_compressed_tile_cut_off_while_it_is_open_ends_no_process(data: Path) -> None:
    """Through a memory map alone this was a SIGBUS."""
    handle = TileReader().open(TileFile(str(tile(data)), PLANES))
    os.truncate(tile(data), 30_000)
    with pytest.raises(TileUnreadable, match=r"^EAST0_g\.fits\.fz: truncated: no byte \d+$"):
        handle.read(0, BOX)


def test_a_tile_that_may_not_be_read(data: Path) -> None:
    tile(data).chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # who may read every file
            os.seteuid(65534)
        with pytest.raises(TileUnreadable, match=r"^EAST0_g\.fits\.fz: Permission denied$"):
            TileReader().open(TileFile(str(tile(data)), PLANES))
    finally:
        os.seteuid(user)


def test_a_tile_is_opened_anew_after_its_disk_was_away(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a handle of a file server that was started again: it is stale for ever."""
    reader, file = TileReader(), TileFile(str(tile(data)), PLANES)
    handle = reader.open(file)
    assert isinstance(handle.file.source, LocalSource)
    stale = handle.file.source._stream.fileno()
    preadv = os.preadv

    def read_or_fail(descriptor: int, *arguments: Any) -> int:
        if descriptor == stale:
            raise OSError(116, os.strerror(116))
        return preadv(descriptor, *arguments)

    assert reader.open(file) is handle
    monkeypatch.setattr(source, "_POPULATE_READ", 9999)  # the kernel does not bring pages in
    monkeypatch.setattr(os, "preadv", read_or_fail)
    with pytest.raises(SourceUnavailable, match="Stale file handle"):
        handle.read(0, BOX)
    again = reader.open(file)
    assert again is not handle
    assert again.read(0, BOX).shape == BOX.shape
