"""Pixels of images whose rows are compressed one by one: what to fetch, and how to decode it."""

import logging
import zlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.fits.decoding import DamagedRow, RowScheme, RowStreams, decode_rows
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable
from soda_service.pixels.hdus import HDU, image_shape
from soda_service.pixels.rowtable import Lossless, RowTable, read_table
from soda_service.pixels.source import ByteSource

__all__ = ["Marks", "RowPixels"]

_log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 24
"""Bytes fetched at once, so that memory does not grow with the box."""

_SURPLUS, _SURPLUS_BYTES = 1.15, 256
"""Factor by which the fetched part of a row exceeds its mean share if no index gives its end. Few
noisy rows differ by more; those are fetched again."""

_WORD_BYTES = 4
"""Bytes fetched beyond a mark, for decoders that look ahead."""


class Marks(Protocol):
    """A restart index: positions in rows where decoding may start."""

    @property
    def step(self) -> int:
        """Number of pixels between marks."""
        ...

    def marks(self, hdu: int, y0: int, y1: int, column: int) -> NDArray[np.uint32] | None:
        """Return (bit, previous pixel) of rows at pixel `column * step`; None if unknown."""
        ...


class RowPixels:
    """Pixels of one HDU. Its table is read on first use."""

    def __init__(self, source: ByteSource, hdu: HDU, scheme: RowScheme) -> None:
        self.index: Marks | None = None
        self._source = source
        self._hdu = hdu
        self._scheme = scheme
        self._rows: RowTable | None = None
        self._ny = image_shape(hdu.header, "Z")[-2]

    @property
    def table(self) -> RowTable:
        """The table of compressed rows.

        Raises
        ------
        TileUnreadable
            If the table cannot be read.
        OSError
            If disk or server are unavailable.
        """
        if self._rows is None:
            self._rows = read_table(self._source, self._hdu, self._scheme)
        return self._rows

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        return self._rows.size_bytes if self._rows else 0

    def announce(self, box: PixelBox) -> None:
        """Announce that the rows of a box will be read soon."""
        for number in range(len(self.table.starts) // self._ny):
            rows = slice(number * self._ny + box.y0, number * self._ny + box.y1)
            lengths = self.table.lengths[rows]
            starts = self.table.starts[rows]
            if not lengths.all():
                starts, lengths = starts[lengths > 0], lengths[lengths > 0]
            if len(starts):
                first = int(starts.min())
                self._source.announce(first, int((starts + lengths).max()) - first)

    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None:
        """Read a box.

        Parameters
        ----------
        out : ndarray, shape (..., *box.shape), big-endian

        Raises
        ------
        TileUnreadable
            If a row is damaged, or the file was truncated.
        OSError
            If disk or server are unavailable.
        """
        for number, plane in enumerate(np.ndindex(out.shape[:-2])):
            y0, part = number * self._ny + box.y0, out[plane]
            for first, last in self._pieces(y0, y0 + len(part)):
                self._read_rows(first, last, box, part[first - y0 : last - y0])

    def _pieces(self, y0: int, y1: int) -> Iterator[tuple[int, int]]:
        total = int(self.table.lengths[y0:y1].sum())
        step = max(1, (y1 - y0) * _PIECE_BYTES // max(total, _PIECE_BYTES))
        for first in range(y0, y1, step):
            yield first, min(first + step, y1)

    def _read_rows(self, y0: int, y1: int, box: PixelBox, out: NDArray[np.generic]) -> None:
        table = self.table
        table.require(y0, y1)
        index = self.index
        if not self._read_parts(y0, y1, box, out):
            try:
                decode_rows(self._scheme, table.streams(y0, y1), box.x0, box.x1, out)
            except DamagedRow as error:
                self.index = index  # the tile is to blame, not the index
                message = f"row {y0 + error.row} of HDU {table.number} is damaged"
                raise TileUnreadable(message) from error
        if table.lossless is not None:
            _fill_lossless(self._source, table, table.lossless, y0, box, out)

    def _read_parts(self, y0: int, y1: int, box: PixelBox, out: NDArray[np.generic]) -> bool:
        """Decode rows from parts of their streams; return False if whole streams are needed."""
        if compiled.native is None:  # the decoder in Python needs whole rows
            return False
        index = self.index
        streams = self._marked(index, y0, y1, box) if index is not None else None
        is_marked = streams is not None
        if streams is None:
            streams = self._estimated(y0, y1, box.x1)
        if streams is None:
            return False
        try:
            decode_rows(self._scheme, streams, box.x0, box.x1, out)
        except DamagedRow:
            if is_marked:
                self._drop_index()
            return False
        return True

    def _drop_index(self) -> None:
        _log.warning("%s: its restart index does not fit", self._source.label)
        self.index = None

    def _marked(self, index: Marks, y0: int, y1: int, box: PixelBox) -> RowStreams | None:
        """Return rows from the mark before a box; of a remote file, up to the mark after it."""
        column = box.x0 // index.step
        before = index.marks(self._hdu.number, y0, y1, column) if column else None
        table, marks_x = self.table, column * index.step
        if not self._source.is_remote:
            if before is None:
                return None
            lengths = table.lengths[y0:y1]
            heap, places = self._source.fetch(table.starts[y0:y1], lengths)
            return table.placed(heap, places, lengths, y0, marks=before, marks_x=marks_x)
        if column and before is None:
            return None
        after_column = -(-box.x1 // index.step)
        is_inside = after_column * index.step < self._scheme.width
        after = index.marks(self._hdu.number, y0, y1, after_column) if is_inside else None
        return self._between(y0, y1, before, after, marks_x)

    def _between(
        self,
        y0: int,
        y1: int,
        before: NDArray[np.uint32] | None,
        after: NDArray[np.uint32] | None,
        marks_x: int,
    ) -> RowStreams | None:
        """Fetch rows between two marks; return None if the rows do not have these bytes."""
        table = self.table
        firsts = np.zeros(y1 - y0, np.int64)
        lasts = lengths = table.lengths[y0:y1]
        if before is not None:
            firsts = (before[:, 0] // 8).astype(np.int64)
        if after is not None:
            lasts = np.minimum(lengths, after[:, 0].astype(np.int64) // 8 + 1 + _WORD_BYTES)
        is_there = lengths > 0
        parts = np.where(is_there, lasts - firsts, 0)
        if (parts[is_there] <= 0).any():
            self._drop_index()
            return None
        heap, places = self._source.fetch(table.starts[y0:y1] + firsts, parts)
        if before is not None:
            before = before.copy()
            before[:, 0] %= 8
        return table.placed(heap, places, parts, y0, marks=before, marks_x=marks_x)

    def _estimated(self, y0: int, y1: int, x1: int) -> RowStreams | None:
        """Fetch, from a remote file, row beginnings that most likely reach a column."""
        share = x1 / self._scheme.width * _SURPLUS
        if not self._source.is_remote or self._scheme.algorithm != "RICE_1" or share >= 1:
            return None
        table = self.table
        lengths = table.lengths[y0:y1]
        parts = np.minimum(lengths, (lengths * share).astype(np.int64) + _SURPLUS_BYTES)
        parts = np.where(lengths > 0, parts, 0)
        heap, places = self._source.fetch(table.starts[y0:y1], parts)
        return table.placed(heap, places, parts, y0)


def _fill_lossless(
    source: ByteSource,
    table: RowTable,
    lossless: Lossless,
    y0: int,
    box: PixelBox,
    out: NDArray[np.generic],
) -> None:
    """Fill in the rows that are compressed differently from the others."""
    first, last = np.searchsorted(lossless.rows, [y0, y0 + len(out)])
    for number in range(first, last):
        this = slice(number, number + 1)
        row = int(lossless.rows[number])
        heap, places = source.fetch(lossless.starts[this], lossless.lengths[this])
        with memoryview(heap) as whole:
            start = int(places[0])
            stream = bytes(whole[start : start + int(lossless.lengths[number])])
        try:
            values = _lossless_values(stream, lossless.dtype, table.scheme)
        except (zlib.error, ValueError) as error:
            message = f"row {row} of HDU {table.number} is damaged: {error}"
            raise TileUnreadable(message) from error
        out[row - y0] = values[box.x0 : box.x1]


def _lossless_values(
    stream: bytes, dtype: np.dtype[np.generic] | None, scheme: RowScheme
) -> NDArray[np.generic]:
    """Return the pixels of a row. The bytes per pixel determine the type, as for all writers."""
    if dtype is None:
        unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib
        stream = unpacker.decompress(stream, scheme.width * 8 + 1)
        kind = "f" if scheme.bitpix < 0 else "i"
        types = {1: "u1", 2: ">i2", 4: f">{kind}4", 8: f">{kind}8"}
        dtype = np.dtype(types.get(len(stream) // scheme.width, "u1"))
    values = np.frombuffer(stream, dtype)
    if len(values) != scheme.width:
        raise ValueError(f"{len(values)} pixels instead of {scheme.width}")
    return values
