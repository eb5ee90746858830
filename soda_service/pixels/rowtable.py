"""Tables of compressed rows: position of the stream of each image row, and its scaling.

Most surveys compress each image row separately (FITS 4.0, 10.1: ZTILE1 = ZNAXIS1, the others 1),
which is the default of such writers. The table is read once, by columns; for the rows of a cutout,
slices of its arrays are enough.
"""

import math
import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from typing_extensions import Buffer

from soda_service.engine.fits.decoding import RowScheme, RowStreams
from soda_service.engine.fits.header import TextHeader
from soda_service.errors import TileUnreadable
from soda_service.pixels.hdus import HDU, image_shape, integer
from soda_service.pixels.source import ByteSource

__all__ = ["Lossless", "RowTable", "read_table", "row_scheme"]

_ALGORITHMS = {"RICE_1": "RICE_1", "RICE_ONE": "RICE_1", "PLIO_1": "PLIO_1"}
_DITHERS = {"NO_DITHER": 0, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
_SEEDS = range(1, 10_001)
_BITPIX = frozenset({8, 16, 32, -32, -64})
_WIDTH_MAX = 2**31 - 1
_LOSSLESS = ("GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
_PLACES = frozenset({"COMPRESSED_DATA", *_LOSSLESS})
"""Columns of descriptors: number of items, and their position in the heap."""

_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
_SIZES = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}
_DESCRIPTORS = {"P": ">i4", "Q": ">i8"}
_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


@dataclass(frozen=True, slots=True)
class _TableColumn:
    """A column of a binary table."""

    offset: int
    """First byte within a row."""

    code: str
    """Letter of its TFORM, e.g. `P`."""

    item: str
    """For a column of descriptors, the letter of the type they point to, e.g. `B`."""

    repeat: int


@dataclass(frozen=True, slots=True, eq=False)
class Lossless:
    """Rows that were compressed differently, since they could not be quantised."""

    rows: NDArray[np.int64]
    """Their row numbers, ascending."""

    starts: NDArray[np.int64]
    """First byte in the file."""

    lengths: NDArray[np.int64]
    """Length in bytes."""

    dtype: np.dtype[np.generic] | None
    """Type of rows that are not compressed at all; None: compressed by gzip."""


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """Positions of the rows of a compressed image. The planes of a cube follow each other."""

    scheme: RowScheme
    number: int
    """Number of the HDU."""

    starts: NDArray[np.int64]
    """First byte in the file, shape (n,)."""

    lengths: NDArray[np.int64]
    """Length in bytes, shape (n,); 0 for rows in `lossless`."""

    scales: NDArray[np.float64] | None
    zeros: NDArray[np.float64] | None
    blanks: NDArray[np.int32] | None
    checksum: int
    """CRC32 of the descriptors."""

    lossless: Lossless | None
    damaged: NDArray[np.int64]
    """Rows that lie outside the HDU or have no position; ascending."""

    source: ByteSource

    @property
    def size_bytes(self) -> int:
        """Memory used, bytes."""
        arrays = [self.starts, self.lengths, self.scales, self.zeros, self.blanks, self.damaged]
        if self.lossless:
            arrays += [self.lossless.rows, self.lossless.starts, self.lossless.lengths]
        return sum(array.nbytes for array in arrays if array is not None)

    def require(self, y0: int, y1: int) -> None:
        """Raise an error if rows have no valid position.

        Raises
        ------
        TileUnreadable
            Names the first such row.
        """
        if len(self.damaged):
            among = self.damaged[np.searchsorted(self.damaged, [y0])[0] :][:1]
            if len(among) and among[0] < y1:
                raise TileUnreadable(
                    f"row {among[0]} of HDU {self.number} is damaged: "
                    "it does not lie within its table"
                )

    def streams(self, y0: int, y1: int) -> RowStreams:
        """Return the whole streams of rows y0 to y1, numbered across the planes of a cube.

        Raises
        ------
        TileUnreadable
            If a stream lies outside the HDU, or the file was truncated.
        OSError
            If disk or server are unavailable.
        """
        self.require(y0, y1)
        lengths = self.lengths[y0:y1]
        heap, places = self.source.fetch(self.starts[y0:y1], lengths)
        return self.placed(heap, places, lengths, y0)

    def placed(
        self,
        heap: Buffer,
        places: NDArray[np.int64],
        lengths: NDArray[np.int64],
        y0: int,
        *,
        marks: NDArray[np.uint32] | None = None,
        marks_x: int = 0,
    ) -> RowStreams:
        """Describe the rows from y0 on, whose streams are in memory, whole or from marks on."""
        rows = slice(y0, y0 + len(places))
        return RowStreams(
            heap=heap,
            starts=places,
            lengths=lengths,
            first_row=y0,
            scales=None if self.scales is None else self.scales[rows],
            zeros=None if self.zeros is None else self.zeros[rows],
            blanks=None if self.blanks is None else self.blanks[rows],
            marks=marks,
            marks_x=marks_x,
        )


def row_scheme(header: TextHeader) -> RowScheme | None:
    """Return the coding of the rows of a compressed image.

    Parameters
    ----------
    header
        Header of the table.

    Returns
    -------
    RowScheme or None
        None if blocks are not rows, or the decoder does not know the coding.

    Raises
    ------
    TileUnreadable
        If the image's size is absurd.
    """
    shape = image_shape(header, "Z")
    algorithm = _ALGORITHMS.get(str(header.get("ZCMPTYPE", "")).strip().upper())
    bitpix = header.get("ZBITPIX")
    if algorithm is None or bitpix not in _BITPIX or not 0 < _width(header, shape) <= _WIDTH_MAX:
        return None
    names = set(_names(header))
    is_float = integer(header, "ZBITPIX") < 0
    has_scale = all(name in names or name in header for name in ("ZSCALE", "ZZERO"))
    if is_float != has_scale or (not is_float and "ZBLANK" in names):
        return None
    dither = _DITHERS.get(str(header.get("ZQUANTIZ", "NO_DITHER")).strip().upper())
    seed = header.get("ZDITHER0", 0 if dither else 1)
    options = _options(header)
    byte_pix, block_px = options.get("BYTEPIX", 4), options.get("BLOCKSIZE", 32)
    if dither is None or seed not in _SEEDS or byte_pix not in {1, 2, 4} or block_px < 1:
        return None
    # Integers with fewer bytes than the image's would need sign extension.
    if algorithm == "RICE_1" and byte_pix * 8 < (32 if is_float else integer(header, "ZBITPIX")):
        return None
    return RowScheme(
        algorithm=algorithm,
        width=shape[-1],
        bitpix=integer(header, "ZBITPIX"),
        byte_pix=byte_pix,
        block_px=block_px,
        dither=dither if is_float else 0,
        seed=integer(header, "ZDITHER0", 1),
        has_scale=has_scale,
        blank=_blank(header) if is_float else None,
    )


def read_table(source: ByteSource, hdu: HDU, scheme: RowScheme) -> RowTable:
    """Read the positions of the rows of a compressed image.

    Raises
    ------
    TileUnreadable
        If the table does not follow the standard, or the file was truncated.
    OSError
        If disk or server are unavailable.
    """
    header = hdu.header
    row_bytes, rows = integer(header, "NAXIS1"), integer(header, "NAXIS2")
    heap = integer(header, "THEAP", row_bytes * rows)
    count = math.prod(image_shape(header, "Z")[:-1])
    columns = _columns(header, row_bytes)
    if rows < count or "COMPRESSED_DATA" not in columns:
        raise TileUnreadable(f"damaged: HDU {hdu.number} has {rows} compressed rows of {count}")
    if not row_bytes * rows <= heap <= hdu.size_bytes:
        raise TileUnreadable(f"damaged: THEAP of HDU {hdu.number} is {heap}")
    content = source.read(hdu.start, row_bytes * count)
    table = _BinaryTable(
        np.frombuffer(content, np.uint8).reshape(count, row_bytes), columns, header
    )
    room = hdu.start + heap, hdu.end
    starts, lengths, is_bad = table.places("COMPRESSED_DATA", *room)
    lossless, damaged = _lossless(table, room, lengths, is_bad)
    return RowTable(
        scheme=scheme,
        number=hdu.number,
        starts=starts,
        lengths=lengths,
        scales=table.numbers("ZSCALE", np.float64) if scheme.has_scale else None,
        zeros=table.numbers("ZZERO", np.float64) if scheme.has_scale else None,
        blanks=table.numbers("ZBLANK", np.int32) if "ZBLANK" in columns else None,
        checksum=table.checksum("COMPRESSED_DATA"),
        lossless=lossless,
        damaged=damaged,
        source=source,
    )


class _BinaryTable:
    """A binary table in memory, with the keywords that replace columns of one value."""

    def __init__(
        self, content: NDArray[np.uint8], columns: dict[str, _TableColumn], header: TextHeader
    ) -> None:
        self._content = content
        self.columns = columns
        self._header = header

    def _bytes(self, column: _TableColumn, length: int) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._content[:, column.offset : column.offset + length])

    def checksum(self, name: str) -> int:
        """Return the CRC32 of the descriptors of a column."""
        return zlib.crc32(self._bytes(self.columns[name], self._descriptor_bytes(name)).data)

    def _descriptor_bytes(self, name: str) -> int:
        return 2 * np.dtype(_DESCRIPTORS[self.columns[name].code]).itemsize

    def places(
        self, name: str, first: int, end: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return the positions in the file of a column's streams.

        Parameters
        ----------
        first, end
            Byte range of the heap in the file.

        Returns
        -------
        starts, lengths : ndarray, int64
            In bytes; 0 if a row has no stream, or one outside the heap.
        is_bad : ndarray, bool
            Whether the stream lies outside the heap.
        """
        column = self.columns[name]
        pairs = self._bytes(column, self._descriptor_bytes(name))
        counts, offsets = pairs.view(_DESCRIPTORS[column.code]).astype(np.int64).T
        item, room = _SIZES[column.item], end - first
        # In this order no sum overflows.
        is_bad = (counts < 0) | (counts > room // item)
        lengths = np.where(is_bad, 0, counts) * item
        is_bad |= (lengths > 0) & ((offsets < 0) | (offsets > room - lengths))
        is_used = (lengths > 0) & ~is_bad
        return np.where(is_used, offsets + first, 0), np.where(is_used, lengths, 0), is_bad

    def numbers(self, name: str, dtype: DTypeLike) -> NDArray[Any]:  # Any: as the caller asks
        """Return a column of numbers, or its keyword's value for each row."""
        column = self.columns.get(name)
        if column is None:
            value = self._header.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TileUnreadable(f"damaged: {name} is {value!r}, not a number")
            return np.full(len(self._content), value, dtype)
        if column.code not in _NUMBERS or not column.repeat:
            raise TileUnreadable(f"damaged: column {name} is not numeric")
        stored = np.dtype(_NUMBERS[column.code])
        return self._bytes(column, stored.itemsize).view(stored)[:, 0].astype(dtype)


def _lossless(
    table: _BinaryTable,
    room: tuple[int, int],
    lengths: NDArray[np.int64],
    is_bad: NDArray[np.bool_],
) -> tuple[Lossless | None, NDArray[np.int64]]:
    """Return the rows that are in another column, and those without a valid position."""
    rows = np.flatnonzero((lengths == 0) & ~is_bad)
    name = next((name for name in _LOSSLESS if name in table.columns), None)
    if not len(rows) or name is None:
        return None, np.flatnonzero(lengths == 0)
    column = table.columns[name]
    starts, sizes, _ = table.places(name, *room)
    has_it = sizes[rows] > 0
    damaged = np.union1d(np.flatnonzero(is_bad), rows[~has_it])
    rows = rows[has_it]
    dtype = np.dtype(_NUMBERS[column.item]) if name == "UNCOMPRESSED_DATA" else None
    return Lossless(rows, starts[rows], sizes[rows], dtype), damaged


def _names(header: TextHeader) -> list[str]:
    """Return the column names in upper case."""
    count = integer(header, "TFIELDS", 0)
    if not 0 <= count <= 999:
        raise TileUnreadable(f"damaged: TFIELDS is {count}; 0 to 999 are allowed")
    return [str(header.get(f"TTYPE{n}", "")).strip().upper() for n in range(1, count + 1)]


def _columns(header: TextHeader, row_bytes: int) -> dict[str, _TableColumn]:
    """Return the columns. Each begins after the lengths of those before (FITS 4.0, 7.3.1)."""
    columns: dict[str, _TableColumn] = {}
    offset = 0
    for number, name in enumerate(_names(header), start=1):
        form = _TFORM.match(str(header.get(f"TFORM{number}", "")).upper())
        if form is None:
            raise TileUnreadable(f"damaged: TFORM{number} is {header.get(f'TFORM{number}')!r}")
        repeat, code, item = int(form[1] or 1), form[2], form[3]
        is_descriptor = code in _DESCRIPTORS
        if name in _PLACES and not (is_descriptor and repeat and item in _NUMBERS):
            raise TileUnreadable(f"damaged: TFORM{number} of {name} is {form[0]}")
        columns[name] = _TableColumn(offset, code, item, repeat)
        size = 2 * np.dtype(_DESCRIPTORS[code]).itemsize if is_descriptor else _SIZES.get(code, 0)
        offset += -(-repeat // 8) if code == "X" else repeat * size
    if offset > row_bytes:
        raise TileUnreadable(f"damaged: columns of {offset} bytes in rows of {row_bytes}")
    return columns


def _width(header: TextHeader, shape: tuple[int, ...]) -> int:
    """Return the width of an image whose compressed blocks are its rows; 0 if they are not."""
    if len(shape) < 2 or integer(header, "ZTILE1", shape[-1]) != shape[-1]:
        return 0
    others = (integer(header, f"ZTILE{axis}", 1) for axis in range(2, len(shape) + 1))
    return shape[-1] if all(length == 1 for length in others) else 0


def _options(header: TextHeader) -> dict[str, int]:
    """Return the integer parameters of the algorithm."""
    options: dict[str, int] = {}
    for number in range(1, 1000):
        name, value = header.get(f"ZNAME{number}"), header.get(f"ZVAL{number}")
        if name is None:
            break
        if isinstance(value, int) and not isinstance(value, bool):
            options.setdefault(str(name).strip().upper(), value)
    return options


def _blank(header: TextHeader) -> int | None:
    """Return the integer that represents NaN."""
    blank = header.get("ZBLANK", header.get("BLANK"))
    if isinstance(blank, bool) or not isinstance(blank, int):
        return None
    return blank if -(2**31) <= blank < 2**31 else None
