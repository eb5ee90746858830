"""Makes restart indexes: decodes all rows of a tile once, and notes where they are on the way.

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
"""Ending of an index that is being written."""

_PIECE_BYTES = 1 << 22
"""Of compressed rows, fetched at a time: few calls, and memory does not grow with the tile."""


def write_index(
    target: Path, tile_path: str, file: FitsFile, progress: Callable[[], None] = lambda: None
) -> int:
    """Write the restart index of a tile; it is there whole, or as it was before.

    Two that write it at once write the same bytes, and those of the later one stay.

    Parameters
    ----------
    target
        The index; its folder is made if need be. Removed where the tile has no rows to index.
    tile_path
        Of the tile's file, as the release has it.
    file
        The tile's, open. Indexed are its planes of rows compressed by RICE_1.
    progress
        Called every some ten milliseconds.

    Returns
    -------
    int
        Size of the index, bytes; 0 where there is none.

    Raises
    ------
    NoDecoder
        Where the compiled decoder is missing, without which there are no marks.
    TileUnreadable
        When the tile was cut off, or a table of rows is damaged. A damaged row costs only its own
        marks.
    SourceUnavailable
        When disk or server of the tile are away.
    OSError
        When the index cannot be written.
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
        # Not synchronised with the disk: what a power failure leaves fails its checksums.
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return head.size_bytes


def _tables(file: FitsFile) -> Iterator[RowTable]:
    """Find the planes that can be indexed."""
    for image in file.images:
        table = image.rows
        if table is None or table.scheme.algorithm != "RICE_1":
            continue
        # Decoding starts at blocks; few writers make others than of 16 or 32 pixels.
        if table.scheme.width > STEP and STEP % table.scheme.block_px == 0:
            yield table


def _head(tile_path: str, file: FitsFile, tables: list[RowTable]) -> Head:
    """Lay the index out, its checksums 0."""
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
    if sys.platform == "linux":  # a full disk is told before anything is decoded
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
    """Cut the rows into pieces of whole blocks."""
    rows = len(table.starts)
    block_bytes = int(table.lengths.sum()) * BLOCK_ROWS // rows
    step = BLOCK_ROWS * max(1, _PIECE_BYTES // max(block_bytes, 1))
    for y0 in range(0, rows, step):
        yield y0, min(y0 + step, rows)


def _marks(table: RowTable, y0: int, y1: int) -> NDArray[np.uint32]:
    """Decode rows; gives their marks by column, shape (columns, rows, 2)."""
    lengths = table.lengths[y0:y1]
    with failures_explained(table.source.label):
        heap, places = table.source.fetch(table.starts[y0:y1], lengths)
    return _found(table, table.placed(heap, places, lengths, y0))


def _found(table: RowTable, streams: RowStreams) -> NDArray[np.uint32]:
    """Find the marks of rows in memory; halves what holds a damaged row until it stands alone."""
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
    """Note the checksums of the blocks of a column's marks."""
    step = BLOCK_ROWS * MARK_BYTES
    for number, start in enumerate(range(0, len(content), step), start=y0 // BLOCK_ROWS):
        plane.checksums[column - 1, number] = zlib.crc32(content[start : start + step])


def _write_at(descriptor: int, content: bytes, place: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written
