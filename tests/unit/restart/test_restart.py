"""Restart indexes: the marks that were made, or none; never wrong ones."""

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from soda_service.engine import compiled
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import FitsFile, open_fits
from soda_service.pixels.reader import TileFile, TileReader
from soda_service.restart import marking
from soda_service.restart.indexfolder import IndexFolder
from soda_service.restart.restart import Head, open_index
from tests.unit.restart.marked import (
    ROWS,
    WIDTH,
    all_marks,
    as_bytes,
    failing,
    files_below,
    made,
    sky,
    write,
)

pytestmark = pytest.mark.skipif(
    compiled.native is None, reason="restart indexes need the compiled decoder"
)

TOO_LONG = "its head has 2147483647 bytes of 115"

# What is asked beyond the marks


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param((0, 0, 9, 1), id="no such HDU"),
        pytest.param((3, 0, 9, 1), id="plane without index"),
        pytest.param((1, -1, 9, 1), id="row before the first"),
        pytest.param((1, 290, 301, 1), id="row after the last"),
        pytest.param((1, 9, 9, 1), id="no rows"),
        pytest.param((1, 9, 8, 1), id="rows the wrong way round"),
        pytest.param((1, 0, 9, 0), id="column of no marks"),
        pytest.param((1, 0, 9, 3), id="column beyond the last"),
        pytest.param((1, 0, 9, -1), id="column before the first"),
    ],
)
def test_there_are_no_marks_elsewhere(
    folder: IndexFolder, file: FitsFile, path: Path, asked: tuple[int, int, int, int]
) -> None:
    index = made(folder, file, path)
    assert index.marks(*asked) is None
    assert index.marks(1, 0, 9, 1) is not None


# The marks


@pytest.mark.parametrize(
    ("y0", "y1"), [(0, 300), (0, 1), (299, 300), (255, 257), (256, 300), (20, 256)]
)
@pytest.mark.parametrize("hdu", [1, 2])
def test_marks_are_those_of_the_decoder(
    folder: IndexFolder, file: FitsFile, path: Path, hdu: int, y0: int, y1: int
) -> None:
    index, expected = made(folder, file, path), all_marks(file, hdu)
    assert (index.step, len(expected)) == (256, 2)
    for column in (1, 2):
        found = index.marks(hdu, y0, y1, column)
        assert as_bytes(found) == expected[column - 1, y0:y1].tobytes()


@pytest.mark.parametrize("piece_bytes", [1, 1 << 22])
def test_the_size_of_pieces_does_not_matter(
    path: Path, file: FitsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(marking, "_PIECE_BYTES", piece_bytes)
    beats: list[int] = []
    size_bytes = IndexFolder(tmp_path / "index").make(str(path), file, lambda: beats.append(1))
    [written] = files_below(tmp_path / "index")
    assert written.stat().st_size == size_bytes
    assert len(beats) == (4 if piece_bytes == 1 else 2)
    descriptor, head = open_index(written)
    os.close(descriptor)
    assert [(plane.number, plane.columns, plane.rows) for plane in head.planes] == [
        (1, 2, 300),
        (2, 2, 300),
    ]


def test_pixels_are_the_same_with_an_index(folder: IndexFolder, path: Path) -> None:
    tile = TileFile(str(path))
    without = TileReader().open(tile)
    folder.make(str(path), without.file)
    handle = TileReader(indexes=folder).open(tile)
    random = np.random.default_rng(4)
    for _ in range(60):
        (y0, y1), (x0, x1) = (
            sorted(random.choice(length + 1, 2, replace=False)) for length in (ROWS, WIDTH)
        )
        box = PixelBox(int(y0), int(y1), int(x0), int(x1))
        for number in (0, 1):
            assert handle.read(number, box).tobytes() == without.read(number, box).tobytes()


def test_the_planes_of_a_cube_have_marks(folder: IndexFolder, tmp_path: Path) -> None:
    path = write(tmp_path / "cube.fits.fz", sky((3, 40, 600)))
    with closing(open_fits(str(path))) as file:
        box = PixelBox(5, 30, 300, 400)
        expected = file.images[0].read(box)
        index = made(folder, file, path)
        marks = index.marks(1, 80, 120, 2)
        assert as_bytes(marks) == all_marks(file, 1)[1, 80:120].tobytes()
        file.images[0].use_index(index)
        assert file.images[0].read(box).tobytes() == expected.tobytes()


def test_a_damaged_row_costs_only_its_own_marks(
    folder: IndexFolder, path: Path, file: FitsFile
) -> None:
    rows = file.images[0].rows
    assert rows is not None
    intact = all_marks(file, 1)
    with path.open("r+b") as stream:
        for row in (40, 41, 299):
            stream.seek(int(rows.starts[row]))
            stream.write(b"\xff" * int(rows.lengths[row]))
    with closing(open_fits(str(path))) as damaged:
        index = made(folder, damaged, path)
        assert index.marks(1, 40, 42, 1) is None
        for y0, y1 in ((0, 40), (42, 299)):
            assert as_bytes(index.marks(1, y0, y1, 2)) == intact[1, y0:y1].tobytes()
        image = damaged.images[0]
        image.use_index(index)
        with pytest.raises(TileUnreadable, match="row 40 of HDU 1 is damaged"):
            image.read(PixelBox(35, 45, 300, 400))
        image.read(PixelBox(42, 60, 300, 400))
    assert as_bytes(index.marks(1, 0, 40, 1)) == intact[0, :40].tobytes()


# Damaged indexes


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[IndexFolder, FitsFile, Path]]:
    """Give a tile of few rows, its index's folder, and the index."""
    path = write(tmp_path / "small.fits.fz", sky((5, 600)))
    folder = IndexFolder(tmp_path / "index")
    with closing(open_fits(str(path))) as file:
        # A short name, or most of the bytes would be those of the temporary folder.
        folder.make("s", file)
        [written] = files_below(tmp_path / "index")
        yield folder, file, written


def test_no_flipped_byte_makes_a_wrong_mark(
    small: tuple[IndexFolder, FitsFile, Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder, file, written = small
    intact, expected = written.read_bytes(), all_marks(file, 1)
    image, box = file.images[0], PixelBox(0, 5, 300, 400)
    pixels = image.read(box).tobytes()
    assert 150 < len(intact) < 250
    for place, byte in enumerate(intact):
        for flipped in (byte ^ 0xFF, byte ^ 0x01):
            written.write_bytes(intact[:place] + bytes([flipped]) + intact[place + 1 :])
            caplog.clear()
            index = folder.find("s", file)
            found = [as_bytes(index.marks(1, 0, 5, n)) for n in (1, 2)] if index else [None, None]
            assert None in found
            assert all(found[n] in {None, expected[n].tobytes()} for n in (0, 1))
            assert len(caplog.messages) == 1
            image.use_index(index)
            assert image.read(box).tobytes() == pixels


def test_no_cut_short_index_makes_a_wrong_mark(
    small: tuple[IndexFolder, FitsFile, Path],
) -> None:
    folder, file, written = small
    intact = written.read_bytes()
    for length in range(len(intact)):
        written.write_bytes(intact[:length])
        assert folder.find("s", file) is None
    written.write_bytes(intact + b"\0")
    assert folder.find("s", file) is None


def test_an_index_that_is_cut_short_while_it_is_open(
    small: tuple[IndexFolder, FitsFile, Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder, file, written = small
    index = folder.find("s", file)
    assert index is not None
    assert index.marks(1, 0, 5, 2) is not None
    os.truncate(written, written.stat().st_size - 1)
    assert index.marks(1, 0, 5, 2) is None
    assert index.marks(1, 0, 5, 1) is None, "nothing of it is believed any more"
    assert caplog.messages == ["small.fits.fz: its restart index is damaged"]
    assert not written.exists(), "a new one is made when it is wanted"


def test_a_damaged_index_does_not_take_a_new_one_away(
    small: tuple[IndexFolder, FitsFile, Path],
) -> None:
    folder, file, written = small
    index = folder.find("s", file)
    assert index is not None
    os.truncate(written, 170)
    folder.make("s", file)
    assert index.marks(1, 0, 5, 2) is None
    assert folder.has("s", file.source.identity)


def test_a_disk_that_fails_while_an_index_is_read(
    small: tuple[IndexFolder, FitsFile, Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, file, written = small
    index = folder.find("s", file)
    assert index is not None
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", failing(errno.EIO))
        assert index.marks(1, 0, 5, 1) is None
        assert folder.find("s", file) is None
    assert caplog.messages == [
        "small.fits.fz: its restart index cannot be read: Input/output error",
        "small.fits.fz: its restart index cannot be used: [Errno 5] Input/output error",
    ]
    assert written.exists(), "it may be sound"


@pytest.mark.parametrize(
    "case",
    [
        (b"", "not a restart index"),
        (b"SODAMARK", "not a restart index"),
        (b"SIMPLE  =" + bytes(99), "not a restart index"),
        (b"SODAMARK" + bytes([2, 0, 0, 0]) + bytes(99), "version 2 instead of 1"),
        (b"SODAMARK" + bytes([1, 0, 0, 0]) + b"\xff\xff\xff\x7f" + bytes(99), TOO_LONG),
        (b"SODAMARK" + bytes([1, 0, 0, 0]) + bytes(99), "its head has 0 bytes of 111"),
    ],
    ids=["empty", "magic alone", "another format", "later version", "absurd length", "zeros"],
)
def test_what_is_no_index_is_told_and_made_anew(
    folder: IndexFolder,
    file: FitsFile,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    case: tuple[bytes, str],
) -> None:
    content, problem = case
    made(folder, file, path)
    [written] = files_below(tmp_path / "index")
    written.write_bytes(content)
    assert folder.find(str(path), file) is None
    assert caplog.messages == [f"a.fits.fz: its restart index cannot be used: {problem}"]
    assert made(folder, file, path).marks(1, 0, 9, 1) is not None


def test_a_directory_in_an_indexs_place(
    folder: IndexFolder, file: FitsFile, path: Path, tmp_path: Path
) -> None:
    made(folder, file, path)
    [written] = files_below(tmp_path / "index")
    written.unlink()
    written.mkdir()
    assert folder.find(str(path), file) is None
    assert folder.provide(str(path), file, rows=10) is None
    assert files_below(tmp_path / "index") == []


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    head = Head(64, 32, "/röt/\udcff.fits", 'W/"é"-77', 77, ())
    (tmp_path / "x").write_bytes(head.to_bytes())
    descriptor, found = open_index(tmp_path / "x")
    os.close(descriptor)
    assert found == head or (found.tile_path, found.tile_identity, found.tile_bytes) == (
        head.tile_path,
        head.tile_identity,
        head.tile_bytes,
    )
