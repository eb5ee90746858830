"""Decoding of tile-compressed images by rows: streams to big-endian pixels.

This decodes images compressed row by row (FITS standard 4.0, 10.1: one row per tile) by RICE_1 or
PLIO_1, with or without quantisation and dither. It uses compiled loops if they were built,
otherwise astropy's codecs. Both give the same bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.engine import compiled

__all__ = ["DamagedRow", "NoDecoder", "RowScheme", "RowStreams", "decode_rows", "row_marks"]

_CODECS = {"RICE_1": 0, "PLIO_1": 1}
_KINDS = {8: "B", 16: "h", 32: "i", -32: "f", -64: "d"}
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
_MARKED_BYTES_MAX = (2**32 - 1) // 8
"""Maximum bytes of a row's stream, so that the bit position of a mark fits in 32 bits."""

_RANDOM_COUNT = 10_000
_ZERO = -2_147_483_646
"""Represents exactly 0.0 under SUBTRACTIVE_DITHER_2 (FITS standard 4.0, 10.2.2)."""


class DamagedRow(ValueError):
    """Error: the stream of a row cannot be decoded.

    Parameters
    ----------
    row
        Number of the row among those to be decoded, from 0.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} is damaged")
        self.row = row


class NoDecoder(Exception):
    """Error: neither the compiled loops nor astropy's codecs can decode these rows."""


@dataclass(frozen=True, slots=True)
class RowScheme:
    """Coding of all rows of an image."""

    algorithm: str
    """`RICE_1` or `PLIO_1`."""

    width: int
    """Number of pixels in a row."""

    bitpix: int
    """BITPIX of the image: 8, 16, 32, -32 or -64."""

    byte_pix: int = 4
    """Bytes of the integers coded by RICE_1 (ZVALn of BYTEPIX): 1, 2 or 4."""

    block_px: int = 32
    """Number of pixels that share a number of low bits (BLOCKSIZE)."""

    dither: int = 0
    """0: none; 1, 2: SUBTRACTIVE_DITHER_1, _2."""

    seed: int = 1
    """ZDITHER0, 1..10000: start of the random numbers of the image's first row."""

    has_scale: bool = False
    """Whether the integers represent floats, so that scale and zero of each row apply."""

    blank: int | None = None
    """The integer that represents NaN (ZBLANK); None if there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class RowStreams:
    """Streams of some rows in memory."""

    heap: Buffer
    starts: NDArray[np.int64]
    """First byte of each row in `heap`, shape (n,)."""

    lengths: NDArray[np.int64]
    """Length of each row in bytes; rows of 0 bytes are left unchanged."""

    first_row: int = 0
    """Number of the first row in its image, which determines the dither."""

    scales: NDArray[np.float64] | None = None
    zeros: NDArray[np.float64] | None = None
    blanks: NDArray[np.int32] | None = None
    """ZBLANK of each row, if it is a column."""

    marks: NDArray[np.uint32] | None = None
    """Where decoding may begin, shape (n, 2): bit in the stream, value of the previous pixel."""

    marks_x: int = 0
    """Column of the marks, a multiple of the block size."""


def decode_rows(
    scheme: RowScheme, streams: RowStreams, x0: int, x1: int, out: NDArray[np.generic]
) -> None:
    """Decode a range of columns of rows. Releases the GIL meanwhile.

    Parameters
    ----------
    scheme
    streams
        Streams of n rows.
    x0, x1
        Columns, 0-based, half-open.
    out : ndarray, shape (n, x1 - x0), big-endian, of the type of `scheme.bitpix`
        Output array. Rows may have any stride; pixels of a row must be contiguous.

    Raises
    ------
    DamagedRow
        If a stream ends early or lies outside the heap. The content of `out` is then undefined.
    NoDecoder
        If there is no decoder for these rows.
    ValueError
        If the arguments do not fit each other.
    """
    if out.dtype != np.dtype(_DTYPES[scheme.bitpix]) or scheme.has_scale != (scheme.bitpix < 0):
        raise ValueError(f"out has {out.dtype} pixels, but BITPIX of the image is {scheme.bitpix}")
    native = compiled.native
    if native is None:
        _decode_by_astropy(scheme, streams, (x0, x1), out)
        return
    damaged = native.decode(
        _CODECS[scheme.algorithm],
        scheme.byte_pix,
        scheme.block_px,
        scheme.width,
        x0,
        x1,
        streams.heap,
        streams.starts,
        streams.lengths,
        streams.marks,
        streams.marks_x,
        _KINDS[scheme.bitpix],
        scheme.dither,
        scheme.blank,
        streams.scales,
        streams.zeros,
        streams.blanks,
        scheme.seed - 1 + streams.first_row,
        out,
    )
    if damaged >= 0:
        raise DamagedRow(damaged)


def row_marks(scheme: RowScheme, streams: RowStreams, step: int) -> NDArray[np.uint32]:
    """Return the positions where decoding of rows may begin.

    Parameters
    ----------
    scheme
        Scheme of RICE_1.
    step
        Pixels between marks, a multiple of the block size.

    Returns
    -------
    marks : ndarray, shape ((width - 1) // step, n, 2), uint32
        Bit in the row's stream and value of the previous pixel, at columns step, 2 step, ...; the
        marks of one column are contiguous. Marks of rows without a stream are 0.

    Raises
    ------
    DamagedRow
        If a row cannot be decoded.
    NoDecoder
        Without compiled loops, or for another algorithm.
    """
    native = compiled.native
    if native is None or scheme.algorithm != "RICE_1":
        raise NoDecoder(f"no marks can be made for {scheme.algorithm}")
    found = np.zeros(((scheme.width - 1) // step, len(streams.starts), 2), np.uint32)
    damaged = native.marks(
        scheme.byte_pix,
        scheme.block_px,
        scheme.width,
        step,
        streams.heap,
        streams.starts,
        streams.lengths,
        found,
    )
    if damaged >= 0:
        raise DamagedRow(damaged)
    return found


# Without compiled loops


def _decode_by_astropy(
    scheme: RowScheme, streams: RowStreams, columns: tuple[int, int], out: NDArray[np.generic]
) -> None:
    """Decode whole rows by astropy's codec, and select the columns."""
    decode = _codec(scheme)
    x0, x1 = columns
    if not 0 <= x0 < x1 <= scheme.width or out.shape != (len(streams.starts), x1 - x0):
        raise ValueError(f"columns {x0} to {x1} are outside the row, or do not fit the output")
    item = 2 if scheme.algorithm == "PLIO_1" else 1
    with memoryview(streams.heap) as heap:
        rows = zip(streams.starts.tolist(), streams.lengths.tolist(), strict=True)
        for number, (start, length) in enumerate(rows):
            if not length:
                continue
            if start < 0 or length < 0 or start + length > heap.nbytes:
                raise DamagedRow(number)
            stream = heap[start : start + length - length % item]
            try:
                integers = decode(bytes(stream))
            except Exception as error:  # the codecs raise private exceptions
                raise DamagedRow(number) from error
            out[number] = _values(scheme, streams, number, integers[x0:x1], x0)


@functools.lru_cache(maxsize=64)
def _codec(scheme: RowScheme) -> Callable[[bytes], NDArray[np.generic]]:
    """Return astropy's decoder of one row. It is private there and may disappear."""
    try:
        from astropy.io.fits.hdu.compressed import _codecs
    except ImportError as error:
        raise NoDecoder(f"astropy's codecs have moved: {error}") from error
    if scheme.algorithm == "RICE_1":
        codec: Any = _codecs.Rice1(  # Any: astropy is untyped
            blocksize=scheme.block_px, bytepix=scheme.byte_pix, tilesize=scheme.width
        )
        return lambda stream: _signed(codec.decode(np.frombuffer(stream, np.uint8)), scheme)
    plio: Any = _codecs.PLIO1(tilesize=scheme.width)

    def decode(stream: bytes) -> NDArray[np.generic]:
        # The codec expects words in the machine's byte order.
        values: NDArray[np.generic] = plio.decode(np.frombuffer(stream, ">i2"))
        return values

    return decode


def _signed(values: NDArray[np.generic], scheme: RowScheme) -> NDArray[np.generic]:
    """Reinterpret bytes as unsigned if the image is: the codec treats all integers as signed."""
    return values.view(np.uint8) if scheme.byte_pix == 1 else values


def _values(
    scheme: RowScheme, streams: RowStreams, row: int, integers: NDArray[np.generic], x0: int
) -> NDArray[np.generic]:
    """Return the pixel values that integers represent (FITS standard 4.0, 10.2)."""
    if streams.scales is None or streams.zeros is None:
        return integers
    number = integers.astype(np.float64)
    if scheme.dither:
        number -= _dither(scheme.seed - 1 + streams.first_row + row, x0, len(integers))
        number += 0.5
    number *= streams.scales[row]
    number += streams.zeros[row]
    if scheme.dither == 2:
        number[integers == _ZERO] = 0.0
    blank = scheme.blank if streams.blanks is None else int(streams.blanks[row])
    if blank is not None:
        number[integers == blank] = np.nan
    with np.errstate(over="ignore"):  # doubles beyond the float range become infinite, as in C
        return number.astype(_DTYPES[scheme.bitpix])


@functools.cache
def _randoms() -> NDArray[np.float64]:
    """Return the random numbers of FITS 4.0, appendix I: in single precision, as doubles."""
    numbers, seed = [], 1
    for _ in range(_RANDOM_COUNT):
        seed = seed * 16807 % 2147483647
        numbers.append(seed / 2147483647)
    return np.array(numbers, np.float32).astype(np.float64)


def _dither(seed: int, x0: int, count: int) -> NDArray[np.float64]:
    """Return the random numbers of columns x0 to x0 + count for the seed of a row."""
    randoms = _randoms()
    seed %= _RANDOM_COUNT
    parts: list[NDArray[np.float64]] = []
    skip = x0
    while count > 0:
        # To the end of the table from the position of this seed, then from that of the next seed.
        run = randoms[int(randoms[seed] * 500) :]
        part = run[skip : skip + count]
        parts.append(part)
        count -= len(part)
        skip = max(0, skip - len(run))
        seed = (seed + 1) % _RANDOM_COUNT
    return np.concatenate(parts)
