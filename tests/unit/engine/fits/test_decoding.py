"""Rows of compressed images: the same bits as astropy's, by compiled loops and without them."""

import io
import itertools
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.fits.decoding import (
    DamagedRow,
    NoDecoder,
    RowScheme,
    RowStreams,
    decode_rows,
    row_marks,
)

NATIVE = compiled.native
needs_native = pytest.mark.skipif(NATIVE is None, reason="the compiled loops were not built")
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
METHODS = {"NO_DITHER": 0, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
HEIGHT = 12


@dataclass(frozen=True)
class Packed:
    """An image as its rows were compressed, and as astropy reads it."""

    scheme: RowScheme
    streams: RowStreams
    pixels: NDArray[np.generic]

    def decoded(self, x0: int = 0, x1: int | None = None, y0: int = 0) -> NDArray[np.generic]:
        """Decode a part into the middle of a larger array, whose rest must stay as it is."""
        x1 = self.scheme.width if x1 is None else x1
        streams = part(self.streams, y0)
        around = np.full((len(streams.starts), x1 - x0 + 5), 77, DTYPES[self.scheme.bitpix])
        decode_rows(self.scheme, streams, x0, x1, around[:, 2:-3])
        assert (around[:, :2] == 77).all()
        assert (around[:, -3:] == 77).all()
        return around[:, 2:-3]

    def expected(self, x0: int = 0, x1: int | None = None, y0: int = 0) -> bytes:
        return self.pixels[y0:, x0:x1].astype(DTYPES[self.scheme.bitpix]).tobytes()


def part(streams: RowStreams, y0: int) -> RowStreams:
    """Give the rows from one on."""
    cut = {
        name: None if (values := getattr(streams, name)) is None else values[y0:]
        for name in ("starts", "lengths", "scales", "zeros", "blanks", "marks")
    }
    return replace(streams, first_row=streams.first_row + y0, **cut)


def packed(pixels: NDArray[np.generic], compression: str = "RICE_1", **options: object) -> Packed:
    """Compress an image row by row with astropy, and read its table."""
    width = pixels.shape[1]
    hdu = fits.CompImageHDU(pixels, compression_type=compression, tile_shape=(1, width), **options)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    content = file.getvalue()
    with fits.open(io.BytesIO(content)) as read:
        expected = read[1].data
    with fits.open(io.BytesIO(content), disable_image_compression=True) as read:
        table, header = read[1], read[1].header
        place = table.fileinfo()["datLoc"]
        row_bytes, rows = header["NAXIS1"], header["NAXIS2"]
        raw = np.frombuffer(content, np.uint8, row_bytes * rows, place).reshape(rows, row_bytes)
        lengths, starts = raw[:, :8].copy().view(">i4").astype(np.int64).T
        lengths = lengths * (2 if table.columns["COMPRESSED_DATA"].format[1:3] == "PI" else 1)
        is_float = header["ZBITPIX"] < 0
        values = {
            header[f"ZNAME{n}"]: header[f"ZVAL{n}"] for n in range(1, 4) if f"ZNAME{n}" in header
        }
        scheme = RowScheme(
            algorithm=compression,
            width=width,
            bitpix=header["ZBITPIX"],
            byte_pix=values.get("BYTEPIX", 4),
            block_px=values.get("BLOCKSIZE", 32),
            dither=METHODS[header.get("ZQUANTIZ", "NO_DITHER")] if is_float else 0,
            seed=header.get("ZDITHER0", 1),
            has_scale=is_float,
            blank=header.get("ZBLANK") if is_float else None,
        )
        scales, zeros = (
            np.array(table.data[name], np.float64) if is_float else None
            for name in ("ZSCALE", "ZZERO")
        )
    heap = place + header.get("THEAP", row_bytes * rows)
    streams = RowStreams(content, starts + heap, np.ascontiguousarray(lengths), 0, scales, zeros)
    return Packed(scheme, streams, expected)


@pytest.fixture(params=["compiled", "pure"])
def each_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with the compiled loops, and without them."""
    if request.param == "compiled" and NATIVE is None:
        pytest.skip("the compiled loops were not built")
    monkeypatch.setattr(compiled, "native", NATIVE if request.param == "compiled" else None)


def sky(width: int, dtype: str = "f4") -> NDArray[np.generic]:
    """Noise, stars, a saturated column, exact zeros, a constant stretch, NaN."""
    rng = np.random.default_rng(width)
    pixels = rng.normal(0, 5, (HEIGHT, width))
    pixels[:, width // 3] += 50_000
    pixels[3, : width // 2] = 0
    pixels[5, width // 4 : width // 2] = 7.5
    pixels[rng.random(pixels.shape) < 0.01] *= 300
    return pixels.astype(dtype)


WIDTHS = [1, 31, 32, 33, 777, 10_907]
"""Beyond 10,000 the random numbers begin anew within a row."""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("dtype", "method", "level"),
    [(*kind, level) for kind in itertools.product(["f4", "f8"], [-1, 1, 2]) for level in (16, 2)],
)
@pytest.mark.usefixtures("each_path")
def test_quantised_floats(width: int, dtype: str, method: int, level: float) -> None:
    pixels = sky(width, dtype)
    if width > 100:
        pixels[7, 20:40] = np.nan
    made = packed(pixels, quantize_method=method, quantize_level=level, dither_seed=9_995)
    # Rows that cannot be quantised lie in another column, and are left as they are.
    is_here = made.streams.lengths > 0
    for x0, x1, y0 in [(0, width, 0), (width // 3, width // 2 + 1, 4), (width - 1, width, 9)]:
        found = made.decoded(x0, x1, y0)[is_here[y0:]]
        expected = made.pixels[y0:, x0:x1][is_here[y0:]].astype(found.dtype)
        assert found.tobytes() == expected.tobytes()
    assert is_here.any() or width < 100


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("content", ["noise", "extremes", "constant", "steps"])
@pytest.mark.usefixtures("each_path")
def test_integers(width: int, dtype: str, content: str) -> None:
    rng = np.random.default_rng(width)
    limits = np.iinfo(dtype)
    shape = (HEIGHT, width)
    pixels = {
        "noise": lambda: rng.normal(100, 9, shape),
        "extremes": lambda: rng.integers(limits.min, limits.max, shape, endpoint=True),
        "constant": lambda: np.full(shape, limits.max),
        # One jump in a quiet row is thousands of zeros in its stream.
        "steps": lambda: np.where(np.arange(width) < width // 2, 20, limits.max),
    }[content]()
    made = packed(np.broadcast_to(pixels, shape).astype(dtype))
    for x0, x1 in [(0, width), (width // 2, width // 2 + 1)]:
        assert made.decoded(x0, x1).tobytes() == made.expected(x0, x1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.usefixtures("each_path")
def test_spikes_at_the_end_of_quiet_rows(seed: int) -> None:
    """A one after 64 zeros in the last bytes of a stream."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((60, 256), "i4")
    pixels[np.arange(60), 255 - rng.integers(0, 4, 60)] = rng.integers(20, 400, 60)
    made = packed(pixels)
    assert made.decoded().tobytes() == made.expected()


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.usefixtures("each_path")
def test_masks_of_runs(dtype: str) -> None:
    rng = np.random.default_rng(1)
    pixels = np.zeros((HEIGHT, 9_999), dtype)
    pixels[2:7, 100:9_000] = 5
    pixels[4, 150:160] = 100
    pixels[rng.integers(0, HEIGHT, 300), rng.integers(0, 9_999, 300)] = 64
    if dtype == "i4":
        pixels[5, 200:4_000] = 2**24 - 1
        pixels[6, 7] = 2**20
    made = packed(pixels, "PLIO_1")
    for x0, x1 in [(0, 9_999), (120, 155), (8_999, 9_001), (9_998, 9_999)]:
        assert made.decoded(x0, x1).tobytes() == made.expected(x0, x1)


@needs_native
@pytest.mark.parametrize("step", [32, 256, 1024])
@pytest.mark.parametrize("dtype", ["f4", "i4", "i2", "u1"])
def test_marks_lead_to_the_same_pixels(step: int, dtype: str) -> None:
    pixels = np.abs(sky(3_000, "f4")).clip(0, 200).astype(dtype)
    made = packed(pixels, **({"quantize_level": 16} if dtype == "f4" else {}))
    marks = row_marks(made.scheme, made.streams, step)
    assert marks.shape == (2_999 // step, HEIGHT, 2)
    for column, beyond in itertools.product((1, len(marks)), (0, 5)):
        x0 = column * step + beyond
        at = np.ascontiguousarray(marks[column - 1])
        found = replace(made, streams=replace(made.streams, marks=at, marks_x=column * step))
        assert found.decoded(x0, x0 + 3, 2).tobytes() == made.expected(x0, x0 + 3, 2)


@needs_native
def test_only_the_part_between_marks_is_looked_at() -> None:
    made = packed(sky(3_000), quantize_level=16)
    marks = row_marks(made.scheme, made.streams, 256)
    first = (marks[3, :, 0] // 8).astype(np.int64)
    last = marks[7, :, 0].astype(np.int64) // 8 + 8
    at = marks[3].copy()
    at[:, 0] %= 8
    streams = replace(
        made.streams,
        starts=made.streams.starts + first,
        lengths=last - first,
        marks=at,
        marks_x=1024,
    )
    found = replace(made, streams=streams).decoded(1_030, 2_040)
    assert found.tobytes() == made.expected(1_030, 2_040)


PACKED = packed(sky(700), quantize_level=16)
MASK = packed(np.arange(HEIGHT * 700).reshape(HEIGHT, 700).astype("i4") // 90, "PLIO_1")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 699), st.integers(1, 700), st.integers(0, HEIGHT - 1))
def test_random_boxes(x0: int, length: int, y0: int) -> None:
    x1 = min(700, x0 + length)
    for made in (PACKED, MASK):
        assert made.decoded(x0, x1, y0).tobytes() == made.expected(x0, x1, y0)


# Damage


@pytest.mark.usefixtures("each_path")
def test_rows_without_stream_are_left_alone() -> None:
    made = packed(sky(100), quantize_level=16)
    made.streams.lengths[[2, 5]] = 0
    out = np.full((HEIGHT, 100), 3.0, ">f4")
    decode_rows(made.scheme, made.streams, 0, 100, out)
    assert (out[[2, 5]] == 3).all()
    assert not (out[[1, 4]] == 3).any()


@pytest.mark.parametrize(
    ("start", "length"),
    [(10**12, None), (-1, None), (None, 3), (None, 10**12), (None, -5)],
    ids=str,
)
@pytest.mark.usefixtures("each_path")
def test_streams_that_are_not_there_are_damaged(start: int | None, length: int | None) -> None:
    made = packed(sky(100), quantize_level=16)
    if start is not None:
        made.streams.starts[4] = start
    if length is not None:
        made.streams.lengths[4] = length
    with pytest.raises(DamagedRow, match="row 4 is damaged") as told:
        made.decoded()
    assert told.value.row == 4


@needs_native
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bits_are_damage_or_other_pixels(data: st.DataObject) -> None:
    made = data.draw(st.sampled_from([PACKED, MASK]))
    heap = bytearray(made.streams.heap)
    first, last = int(made.streams.starts.min()), len(heap)
    for _ in range(data.draw(st.integers(1, 20))):
        heap[data.draw(st.integers(first, last - 1))] ^= 1 << data.draw(st.integers(0, 7))
    lengths = made.streams.lengths.copy()
    lengths[data.draw(st.integers(0, HEIGHT - 1))] = data.draw(st.integers(0, 3_000))
    damaged = replace(made, streams=replace(made.streams, heap=bytes(heap), lengths=lengths))
    x0 = data.draw(st.integers(0, 690))
    with suppress(DamagedRow):
        assert damaged.decoded(x0, x0 + 10).shape == (HEIGHT, 10)


@needs_native
@pytest.mark.parametrize(
    ("scheme", "x0", "x1"),
    [
        ({}, -1, 5),
        ({}, 5, 5),
        ({}, 0, 701),
        ({"width": 2**40}, 0, 5),
        ({"block_px": 0}, 0, 5),
        ({"block_px": 10**6}, 0, 5),
        ({"block_px": -32}, 0, 5),
        ({"byte_pix": 3}, 0, 5),
        ({"dither": 3}, 0, 5),
        ({"bitpix": -64}, 0, 5),
        ({"bitpix": 32}, 0, 5),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_refused(scheme: dict[str, int], x0: int, x1: int) -> None:
    out = np.zeros((HEIGHT, max(0, x1 - x0)), ">f4")
    with pytest.raises(ValueError, match=r"columns|BYTEPIX|pixels"):
        decode_rows(replace(PACKED.scheme, **scheme), PACKED.streams, x0, x1, out)


@needs_native
@pytest.mark.parametrize(
    "fields",
    [
        {"starts": PACKED.streams.starts[1:]},
        {"scales": None},
        {"zeros": np.zeros(3)},
        {"blanks": np.zeros(3, np.int32)},
        {"marks": np.zeros((3, 2), np.uint32)},
        {"marks": np.zeros((HEIGHT, 2), np.uint32), "marks_x": 640},
        {"marks": np.zeros((HEIGHT, 2), np.uint32), "marks_x": 33},
        {"marks": np.zeros((HEIGHT, 2), np.uint32), "marks_x": -32},
    ],
    ids="-".join,
)
def test_arrays_that_do_not_fit_are_refused(fields: dict[str, object]) -> None:
    out = np.zeros((HEIGHT, 10), ">f4")
    with pytest.raises(ValueError, match=r"fit|marks|scales|blanks|starts"):
        decode_rows(PACKED.scheme, replace(PACKED.streams, **fields), 50, 60, out)


@needs_native
@pytest.mark.parametrize(
    "out",
    [
        np.zeros((HEIGHT, 9), ">f4"),
        np.zeros((HEIGHT + 1, 10), ">f4"),
        np.zeros((HEIGHT, 20), ">f4")[:, ::2],
        np.zeros(HEIGHT * 10, ">f4"),
    ],
    ids=["narrow", "high", "gaps", "flat"],
)
def test_an_output_that_does_not_fit_is_refused(out: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="output"):
        decode_rows(PACKED.scheme, PACKED.streams, 50, 60, out)


def test_no_marks_without_compiled_loops_or_of_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDecoder):
        row_marks(MASK.scheme, MASK.streams, 256)
    monkeypatch.setattr(compiled, "native", None)
    with pytest.raises(NoDecoder):
        row_marks(PACKED.scheme, PACKED.streams, 256)
