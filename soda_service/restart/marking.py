"""Make restart indexes: decode all rows of a tile once and record positions on the way.

A tile of 10,000 x 10,000 pixels in two planes takes about half a second.
"""

import os
import secrets
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.decoding import DamagedRow, RowStreams, row_marks
from soda_service.pixels.failures import failures_explained
from soda_service.pixels.fitsfile import FitsFile
from soda_service.pixels.rowtable import RowTable
from soda_service.restart.restart import BLOCK_ROWS, MARK_BYTES, NO_MARK, STEP, Head, MarkedPlane

__all__ = ["PART", "write_index"]

PART = ".part"
"""Suffix of an unfinished index."""

_PIECE_BYTES = 1 << 22
"""Compressed bytes fetched at a time: few calls, and memory does not grow with the tile."""


def write_index(
    target: Path, tile_path: str, file: FitsFile, progress: Callable[[], None] = lambda: None
) -> int:
    """Write the restart index of a tile, atomically.

    Two processes that write it at once write the same bytes; the later file stays.

    Parameters
    ----------
    target
        Path of the index; its folder is created. Removed if the tile has no rows to index.
    tile_path
        Path of the tile's file, as in the release.
    file
        The open file of the tile. Its planes with rows compressed by RICE_1 are indexed.
    progress
        Called about every ten milliseconds.

    Returns
    -------
    int
        Size of the index, bytes; 0 if there is none.

    Raises
    ------
    NoDecoder
        If the compiled decoder is missing, without which there are no marks.
    TileUnreadable
        If the tile is truncated, or a table of rows is damaged. A damaged row only loses its own
        marks.
    SourceUnavailable
        If disk or server of the tile are unavailable.
    OSError
        If the index cannot be written.
    """
    with failures_explained(file.label):
        tables = list(_tables(file))
    if not tables:
        target.unlink(missing_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    head = _head(tile_path, file, tables)
    part = target.with_name(f"{target.name}.{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb", buffering=0) as stream:
            _write(stream.fileno(), head, tables, progress)
        # Not synced to disk: an index damaged by a power failure fails its checksums.
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return head.size_bytes


def _tables(file: FitsFile) -> Iterator[RowTable]:
    """Return the planes that can be indexed."""
    for image in file.images:
        table = image.rows
        if table is None or table.scheme.algorithm != "RICE_1":
            continue
        # Decoding starts at blocks; few writers use block sizes other than 16 or 32 pixels.
        if table.scheme.width > STEP and STEP % table.scheme.block_px == 0:
            yield table


def _head(tile_path: str, file: FitsFile, tables: list[RowTable]) -> Head:
    """Build the head of the index, with checksums of 0."""
    planes = []
    for table in tables:
        columns, rows = (table.scheme.width - 1) // STEP, len(table.starts)
        checksums = np.zeros((columns, -(-rows // BLOCK_ROWS)), np.uint32)
        planes.append(MarkedPlane(table.number, columns, rows, 0, table.checksum, checksums))
    source = file.source
    head = Head(STEP, BLOCK_ROWS, tile_path, source.identity, source.size_bytes, tuple(planes))
    start = len(head.to_bytes())
    placed = []
    for plane in planes:
        placed.append(replace(plane, start=start))
        start += plane.size_bytes
    return replace(head, planes=tuple(placed))


def _write(
    descriptor: int, head: Head, tables: list[RowTable], progress: Callable[[], None]
) -> None:
    if sys.platform == "linux":  # detect a full disk before decoding anything
        os.posix_fallocate(descriptor, 0, head.size_bytes)
    for plane, table in zip(head.planes, tables, strict=True):
        for y0, y1 in _pieces(table):
            marks = _marks(table, y0, y1)
            for column, found in enumerate(marks, start=1):
                content = found.astype("<u4", copy=False).tobytes()
                _write_at(descriptor, content, plane.place(column, y0))
                _note_checksums(plane, column, y0, content)
            progress()
    _write_at(descriptor, head.to_bytes(), 0)


def _pieces(table: RowTable) -> Iterator[tuple[int, int]]:
    """Divide the rows into pieces of whole blocks."""
    rows = len(table.starts)
    block_bytes = int(table.lengths.sum()) * BLOCK_ROWS // rows
    step = BLOCK_ROWS * max(1, _PIECE_BYTES // max(block_bytes, 1))
    for y0 in range(0, rows, step):
        yield y0, min(y0 + step, rows)


def _marks(table: RowTable, y0: int, y1: int) -> NDArray[np.uint32]:
    """Decode rows; return their marks by column, shape (columns, rows, 2)."""
    lengths = table.lengths[y0:y1]
    with failures_explained(table.source.label):
        heap, places = table.source.fetch(table.starts[y0:y1], lengths)
    return _found(table, table.placed(heap, places, lengths, y0))


def _found(table: RowTable, streams: RowStreams) -> NDArray[np.uint32]:
    """Return the marks of rows in memory; bisect until a damaged row stands alone."""
    try:
        return row_marks(table.scheme, streams, STEP)
    except DamagedRow:
        count = len(streams.starts)
        if count == 1:
            return np.full(((table.scheme.width - 1) // STEP, 1, 2), NO_MARK, np.uint32)
        first = streams.first_row
        halves = [
            table.placed(streams.heap, streams.starts[half], streams.lengths[half], first + start)
            for start, half in ((0, slice(count // 2)), (count // 2, slice(count // 2, None)))
        ]
        return np.concatenate([_found(table, half) for half in halves], axis=1)


def _note_checksums(plane: MarkedPlane, column: int, y0: int, content: bytes) -> None:
    """Record the checksums of the blocks of a column's marks."""
    step = BLOCK_ROWS * MARK_BYTES
    for number, start in enumerate(range(0, len(content), step), start=y0 // BLOCK_ROWS):
        plane.checksums[column - 1, number] = zlib.crc32(content[start : start + step])


def _write_at(descriptor: int, content: bytes, place: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written
