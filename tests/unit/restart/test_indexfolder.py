"""The folder of indexes: which fit their tiles, when they are made, and what if they cannot be."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.engine import compiled
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels.fitsfile import FitsFile, open_fits
from soda_service.restart.indexfolder import IndexFolder
from soda_service.restart.restart import STEP, RestartIndex
from tests.unit.restart.marked import (
    ROWS,
    WIDTH,
    all_marks,
    as_bytes,
    failing,
    files_below,
    longer,
    made,
    replaced,
    sky,
    touched,
    write,
)
from tests.unit.skyimages import tan_header

pytestmark = pytest.mark.skipif(
    compiled.native is None, reason="restart indexes need the compiled decoder"
)

BOX = PixelBox(250, 270, 515, 640)

# Indexes of another state of the tile


@pytest.mark.parametrize("change", [touched, longer, replaced])
def test_an_index_of_another_state_of_the_tile_is_as_none(
    folder: IndexFolder, path: Path, change: Callable[[Path], None], tmp_path: Path
) -> None:
    with closing(open_fits(str(path))) as file:
        made(folder, file, path)
    change(path)
    with closing(open_fits(str(path))) as file:
        assert not folder.has(str(path), file.source.identity)
        assert folder.find(str(path), file) is None
        assert as_bytes(made(folder, file, path).marks(1, 0, 9, 1)) == as_bytes(
            all_marks(file, 1)[0, :9]
        )
        assert folder.provide(str(path), file, rows=10) is None, "it is there"
    assert len(files_below(tmp_path / "index")) == 1


def test_a_file_that_changed_behind_an_unchanged_time_is_noticed(
    folder: IndexFolder, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_fits(str(path))) as file:
        made(folder, file, path)
        identity = file.source.identity
    exchange_rows(path, 255, 260)
    with closing(open_fits(str(path))) as file:
        assert file.source.identity == identity
        expected = file.images[0].read(BOX)
        index = folder.find(str(path), file)
        assert index is not None
        file.images[0].use_index(index)
        assert file.images[0].read(BOX).tobytes() == expected.tobytes()
        assert index.marks(2, 0, 9, 1) is None, "nothing of it is believed any more"
    assert caplog.messages == ["a.fits.fz: its restart index belongs to another state of the tile"]


def exchange_rows(path: Path, first: int, second: int) -> None:
    """Exchange two rows' descriptors and scales in the table of the first plane."""
    times = path.stat()
    with fits.open(path, disable_image_compression=True) as file:
        start, row_bytes = file.fileinfo(1)["datLoc"], file[1].header["NAXIS1"]
    with path.open("r+b") as stream:
        places = [start + row * row_bytes for row in (first, second)]
        contents = []
        for place in places:
            stream.seek(place)
            contents.append(stream.read(row_bytes))
        for place, content in zip(places, reversed(contents), strict=True):
            stream.seek(place)
            stream.write(content)
    os.utime(path, ns=(0, times.st_mtime_ns))


def test_an_index_is_of_one_path(folder: IndexFolder, path: Path, tmp_path: Path) -> None:
    """A file that has two names has an index for each; and one in another's place is none."""
    with closing(open_fits(str(path))) as file:
        made(folder, file, path)
        assert folder.find("elsewhere", file) is None
        [written] = files_below(tmp_path / "index")
        folder.make("elsewhere", file)
        [other] = [found for found in files_below(tmp_path / "index") if found != written]
        shutil.copy(written, other)
        assert folder.find("elsewhere", file) is None


# When an index is made


@pytest.mark.parametrize(
    ("from_rows", "rows", "is_made"), [(10, 9, False), (10, 10, True), (1, 1, True), (0, 99, False)]
)
def test_an_index_is_made_where_it_pays_off(
    tmp_path: Path, file: FitsFile, path: Path, from_rows: int, rows: int, is_made: bool
) -> None:
    folder, beats = IndexFolder(tmp_path / "index", from_rows=from_rows), [0]
    index = folder.provide(str(path), file, rows=rows, progress=lambda: beats.append(1))
    assert (index is not None, len(beats) > 1) == (is_made, is_made)
    assert folder.has(str(path), file.source.identity) == is_made


def test_none_is_made_of_a_tile_on_a_server(
    folder: IndexFolder, file: FitsFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file.source, "is_remote", True)
    assert folder.provide(str(path), file, rows=99) is None


def test_without_compiled_decoder_none_is_made_or_used(
    folder: IndexFolder, file: FitsFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.make(str(path), file)
    monkeypatch.setattr(compiled, "native", None)
    assert folder.find(str(path), file) is None
    folder.remove(str(path))
    assert folder.provide(str(path), file, rows=99) is None
    assert not folder.has(str(path), file.source.identity)


@pytest.mark.parametrize(
    "write_tile",
    [
        lambda path: fits.writeto(path, sky(), tan_header((ROWS, WIDTH))),
        lambda path: write(path, sky((9, 600)), kind="GZIP_1"),
        lambda path: write(path, sky((9, 600)).astype(np.int32), kind="PLIO_1"),
        lambda path: write(path, sky((9, STEP))),
    ],
    ids=["plain", "GZIP", "PLIO", "narrow"],
)
def test_a_tile_that_no_index_helps_has_none(
    folder: IndexFolder, tmp_path: Path, write_tile: Callable[[Path], object]
) -> None:
    path = tmp_path / "b.fits"
    write_tile(path)
    with closing(open_fits(str(path))) as file:
        assert folder.provide(str(path), file, rows=99) is None
        assert folder.make(str(path), file) == 0
    assert files_below(tmp_path / "index") == []


def test_a_tile_that_needs_no_index_any_more_loses_it(
    folder: IndexFolder, path: Path, tmp_path: Path
) -> None:
    with closing(open_fits(str(path))) as file:
        made(folder, file, path)
    fits.writeto(path, sky((9, 600)), overwrite=True)
    with closing(open_fits(str(path))) as file:
        assert folder.make(str(path), file) == 0
    assert files_below(tmp_path / "index") == []


# What keeps an index from being made


def test_a_folder_that_cannot_be_written(
    file: FitsFile, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "index").write_text("")
    folder = IndexFolder(tmp_path / "index", from_rows=1)
    assert folder.find(str(path), file) is None
    assert folder.provide(str(path), file, rows=1) is None
    assert [message.partition(": [")[0] for message in caplog.messages] == [
        "a.fits.fz: no restart index could be made"
    ]
    assert not folder.remove(str(path))
    with pytest.raises(NotADirectoryError):
        folder.make(str(path), file)


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_a_full_disk(
    folder: IndexFolder,
    file: FitsFile,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(errno.ENOSPC))
        assert folder.provide(str(path), file, rows=10) is None
    assert files_below(tmp_path / "index") == []
    made(folder, file, path)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space left"):
            folder.make(str(path), file)
    assert folder.has(str(path), file.source.identity), "what was there stays"


@pytest.mark.parametrize(
    "case",
    [
        (OSError(errno.EIO, "Input/output error"), SourceUnavailable),
        (TileUnreadable("truncated: no byte 7"), TileUnreadable),
    ],
    ids=["disk away", "tile cut off"],
)
def test_a_tile_that_cannot_be_read(
    folder: IndexFolder,
    file: FitsFile,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[Exception, type[Exception]],
) -> None:
    problem, expected = case

    def fetch(*_: object) -> None:
        raise problem

    monkeypatch.setattr(file.source, "fetch", fetch)
    assert folder.provide(str(path), file, rows=10) is None
    with pytest.raises(expected, match=r"^a\.fits\.fz: "):
        folder.make(str(path), file)
    assert files_below(tmp_path / "index") == []


def test_work_that_is_called_off_leaves_nothing(
    folder: IndexFolder, file: FitsFile, path: Path, tmp_path: Path
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.provide(str(path), file, rows=10, progress=stop)
    assert files_below(tmp_path / "index") == []


# Several at once


def test_two_that_make_an_index_at_once_make_one(
    folder: IndexFolder, path: Path, tmp_path: Path
) -> None:
    with closing(open_fits(str(path))) as file:
        folder.make(str(path), file)
    [written] = files_below(tmp_path / "index")
    expected, together = written.read_bytes(), threading.Barrier(4)

    def work() -> None:
        with closing(open_fits(str(path))) as file:
            together.wait()
            for _ in range(5):
                folder.make(str(path), file)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files_below(tmp_path / "index") == [written]
    assert written.read_bytes() == expected


def test_an_index_in_use_stays_good_when_it_is_replaced(
    folder: IndexFolder, file: FitsFile, path: Path
) -> None:
    index, expected = made(folder, file, path), all_marks(file, 1)
    folder.make(str(path), file)
    assert as_bytes(index.marks(1, 0, 300, 1)) == expected[0].tobytes()
    folder.remove(str(path))
    assert as_bytes(index.marks(1, 0, 300, 2)) == expected[1].tobytes()


def test_threads_share_an_index(folder: IndexFolder, file: FitsFile, path: Path) -> None:
    """As processes do that were forked with it open: it has no position in its file."""
    index, expected = made(folder, file, path), all_marks(file, 2)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for y0 in np.random.default_rng(seed).integers(0, 290, 300).tolist():
            found = index.marks(2, y0, y0 + 9, 1 + y0 % 2)
            if as_bytes(found) != expected[y0 % 2, y0 : y0 + 9].tobytes():
                wrong.append(y0)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Indexes that nobody needs


def test_an_index_is_removed_by_the_path_of_its_tile(
    folder: IndexFolder, file: FitsFile, path: Path
) -> None:
    made(folder, file, path)
    assert folder.remove(str(path))
    assert not folder.remove(str(path))
    assert folder.find(str(path), file) is None


def test_others_are_removed_with_what_is_no_index(
    folder: IndexFolder, file: FitsFile, tmp_path: Path
) -> None:
    folder.make("wanted", file)
    [wanted] = files_below(tmp_path / "index")
    folder.make("unwanted", file)
    at_work, left, garbage = (
        wanted.with_name(f"{wanted.name}.{ending}") for ending in ("1.part", "2.part", "old.marks")
    )
    for other in (at_work, left, garbage):
        other.write_bytes(b"")
    os.utime(left, (0, 0))
    assert folder.remove_others(lambda tile_path: tile_path == "wanted") == 3
    assert files_below(tmp_path / "index") == sorted([wanted, at_work])


def open_below(folder: Path) -> list[str]:
    """List the open files of a folder."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            targets.append(str(link.readlink()))
    return [target for target in targets if target.startswith(str(folder))]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are told by Linux only")
def test_an_index_is_closed_when_it_is_let_go(
    folder: IndexFolder, file: FitsFile, path: Path, tmp_path: Path
) -> None:
    index: RestartIndex | None = made(folder, file, path)
    assert len(open_below(tmp_path / "index")) == 1
    touched(path)
    with closing(open_fits(str(path))) as other:
        assert folder.find(str(path), other) is None
    assert len(open_below(tmp_path / "index")) == 1
    del index
    assert open_below(tmp_path / "index") == []
