"""Parts of compressed rows: from restart marks on, from afar, without a decoder."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.engine import compiled
from soda_service.engine.fits.decoding import NoDecoder, row_marks
from soda_service.engine.fits.image import PixelBox
from soda_service.pixels import rowpixels
from soda_service.pixels.fitsfile import FitsFile, open_fits
from soda_service.pixels.opening import open_source
from soda_service.pixels.source import ByteSource

SHAPE = (40, 3000)
BOX = PixelBox(5, 31, 1111, 1999)
WHOLE = PixelBox(0, 40, 0, 3000)

needs_decoder = pytest.mark.skipif(
    compiled.native is None, reason="parts of rows are read by the compiled decoder only"
)


def sky(dtype: str = "f4") -> NDArray[np.generic]:
    values = np.random.default_rng(5).normal(20.0, 5.0, SHAPE)
    values[12] = 3.5
    return values.astype(dtype)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file of quantised rows; row 12 cannot be quantised and is packed."""
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(sky(), quantize_method=2, dither_seed=77, tile_shape=(1, 3000))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def pixels(path: Path, box: PixelBox = WHOLE) -> NDArray[np.generic]:
    with closing(open_fits(str(path))) as file:
        return file.images[0].read(box)


def as_astropy_reads(path: Path) -> NDArray[np.generic]:
    with fits.open(path, do_not_scale_image_data=True) as file:
        data: NDArray[np.generic] = file[1].data
        return data.astype(data.dtype.newbyteorder(">"))


class Faraway:
    """A file whose every byte counts."""

    is_remote = True
    table_bytes = 0

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.label, self.size_bytes, self.identity = source.label, source.size_bytes, "1"
        self.moved_bytes = 0

    def read(self, start: int, length: int) -> bytes:
        return self._source.read(start, length)

    def fetch(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[Buffer, NDArray[np.int64]]:
        pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
        parts = [self._source.read(start, length) for start, length in pairs]
        self.moved_bytes += int(lengths.sum())
        return b"".join(parts), np.cumsum(lengths) - lengths

    def announce(self, start: int, length: int) -> None: ...

    def close(self) -> None:
        self._source.close()


class Index:
    """Marks of all rows, as a restart index gives them."""

    def __init__(self, file: FitsFile, step: int = 256) -> None:
        self.step = step
        self.asked: list[int] = []
        rows = file.images[0].rows
        assert rows is not None
        self.found = row_marks(rows.scheme, rows.streams(0, len(rows.starts)), step)

    def marks(self, hdu: int, y0: int, y1: int, column: int) -> NDArray[np.uint32] | None:
        assert (hdu, 1 <= column <= len(self.found)) == (1, True)
        self.asked.append(column)
        return self.found[column - 1, y0:y1]


@pytest.fixture(params=["here", "far"])
def file(path: Path, request: pytest.FixtureRequest) -> Iterator[FitsFile]:
    source = open_source(str(path))
    with closing(FitsFile(source if request.param == "here" else Faraway(source))) as file:
        yield file


BOXES = [BOX, WHOLE, PixelBox(0, 40, 0, 10), PixelBox(11, 14, 255, 257), PixelBox(0, 9, 2990, 3000)]


@needs_decoder
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_marks_give_the_same_pixels(path: Path, file: FitsFile, box: PixelBox) -> None:
    expected = as_astropy_reads(path)[box.y0 : box.y1, box.x0 : box.x1]
    index = Index(file)
    file.images[0].use_index(index)
    assert file.images[0].read(box).tobytes() == expected.tobytes()
    assert (box.x0 < 256) != (box.x0 // 256 in index.asked)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_files_from_afar_give_the_same_pixels(path: Path, file: FitsFile, box: PixelBox) -> None:
    expected = as_astropy_reads(path)[box.y0 : box.y1, box.x0 : box.x1]
    assert file.images[0].read(box).tobytes() == expected.tobytes()


@needs_decoder
def test_from_afar_only_what_is_needed_is_moved(path: Path) -> None:
    with closing(FitsFile(Faraway(open_source(str(path))))) as file:
        assert isinstance(file.source, Faraway)
        rows = file.images[0].rows
        assert rows is not None
        whole = int(rows.lengths[13:33].sum())
        box = PixelBox(13, 33, 1030, 1270)
        file.images[0].read(box)
        assert 0.4 * whole < file.source.moved_bytes < 0.6 * whole
        file.images[0].use_index(Index(file))
        file.source.moved_bytes = 0
        file.images[0].read(box)
        assert 0.08 * whole < file.source.moved_bytes < 0.1 * whole


@needs_decoder
def test_rows_whose_beginning_is_longer_than_most(tmp_path: Path) -> None:
    """The estimate of what is needed falls short, and whole rows are fetched."""
    data = np.zeros(SHAPE, "i4")
    data[:, :300] = np.random.default_rng(1).integers(0, 1 << 24, (40, 300))
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(data, tile_shape=(1, 3000))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with closing(FitsFile(Faraway(open_source(str(path))))) as file:
        found = file.images[0].read(PixelBox(3, 9, 290, 320))
    assert found.tobytes() == data[3:9, 290:320].astype(">i4").tobytes()


@needs_decoder
def test_an_index_that_does_not_fit_is_dropped(
    path: Path, file: FitsFile, caplog: pytest.LogCaptureFixture
) -> None:
    expected = as_astropy_reads(path)[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]
    index = Index(file)
    index.found = index.found.copy()
    index.found[:, 20, 0] = 2**32 - 1
    file.images[0].use_index(index)
    assert file.images[0].read(BOX).tobytes() == expected.tobytes()
    assert caplog.messages == ["a.fits.fz: its restart index does not fit"]
    index.asked.clear()
    assert file.images[0].read(BOX).tobytes() == expected.tobytes()
    assert index.asked == []


@needs_decoder
def test_an_index_without_some_marks(path: Path, file: FitsFile) -> None:
    expected = as_astropy_reads(path)[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]

    class Forgetful(Index):
        def marks(self, hdu: int, y0: int, y1: int, column: int) -> None:
            super().marks(hdu, y0, y1, column)

    file.images[0].use_index(Forgetful(file))
    assert file.images[0].read(BOX).tobytes() == expected.tobytes()


def test_large_boxes_are_read_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = as_astropy_reads(path)
    monkeypatch.setattr(rowpixels, "_PIECE_BYTES", 10_000)
    assert pixels(path).tobytes() == expected.tobytes()


def test_without_a_compiled_decoder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole rows are decoded, wherever the file is and whether it has an index or not."""
    expected = as_astropy_reads(path)[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]
    monkeypatch.setattr(compiled, "native", None)
    with closing(FitsFile(Faraway(open_source(str(path))))) as file:
        assert file.images[0].read(BOX).tobytes() == expected.tobytes()


def test_without_any_decoder_astropy_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NoDecoder("none here")

    expected = as_astropy_reads(path)[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]
    monkeypatch.setattr(rowpixels, "decode_rows", refuse)
    assert pixels(path, BOX).tobytes() == expected.tobytes()
