"""The plan of a cutout job: every row gets its tile and name; rows of a tile stay together.

Rows are read as a stream and spooled to a local file; they take 24 bytes of memory each.
"""

import itertools
import os
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.naming import FileNamer, declination_of, position_key, wanted_files
from soda_service.cutouts.tile_lookup import TileLookup
from soda_service.errors import Fault, OptionsError, TooManyRows
from soda_service.request.rows import RequestRows
from soda_service.request.values import CutoutRequest, PositionRow
from soda_service.results.plan import JobPlan
from soda_service.results.rows import Outcome, PlannedRow, Row, Status
from soda_service.results.tree import lines_key, plan_key
from soda_service.sky.release import Release
from uws.jobtype import ChunkPlan, JobContext, Plan

__all__ = ["FAULTS_MAX", "file_contents", "plan_cutouts"]

FAULTS_MAX = 100
"""Faults that are listed one by one."""

_BATCH = 4096
_CHUNKS_WANTED = 16
_CHUNK_ROWS_MIN = 10


def plan_cutouts(
    context: JobContext,
    request: CutoutRequest,
    rows: RequestRows,
    holdings: Holdings,
    *,
    chunk_rows: int,
    rows_max: int,
) -> Plan:
    """Find the tiles of rows, name the rows, and write chunks to the job's files.

    Parameters
    ----------
    rows
        Those of `request`.

    Raises
    ------
    OptionsError
        When rows are faulty or too many; nothing is cut then.
    """
    job_id = context.job.id
    started = time.monotonic()
    release = holdings.releases.get(request.release)
    with tempfile.TemporaryFile() as file, context.files.writer(lines_key(job_id, None)) as done:
        spool = _Spool(file)
        lookup = TileLookup(release, holdings)
        read = unmatched = 0
        for batch in _checked_batches(rows, rows_max=rows_max):
            context.heartbeat()
            read += len(batch)
            context.report_total(read)
            for planned, reason in lookup.find_tiles(batch):
                if not reason:
                    spool.add(planned, lookup.tile_number(planned))
                else:
                    done.write(_unmatched(planned, reason))
                    unmatched += 1
        query_time_s = time.monotonic() - started
        chunks = list(spool.write_chunks(context, release, chunk_rows=chunk_rows))
    facts = JobPlan(request, rows.extra_columns, rows.is_table, query_time_s)
    facts.write(context.files, job_id)
    return Plan(tuple(chunks), done=unmatched)


def _checked_batches(
    rows: Iterable[PositionRow | Fault], *, rows_max: int
) -> Iterator[list[PositionRow]]:
    """Group good rows; read on after faulty ones, so that all faults are reported together."""
    faults: list[Fault] = []
    total_faults = count = 0
    stream = iter(rows)
    while batch := list(itertools.islice(stream, _BATCH)):
        good = [row for row in batch if isinstance(row, PositionRow)]
        bad = [row for row in batch if isinstance(row, Fault)]
        faults += bad[: FAULTS_MAX - len(faults)]
        total_faults += len(bad)
        count += len(good)
        if count > rows_max:
            raise TooManyRows(rows_max)
        if not total_faults:
            yield good
    if total_faults:
        raise OptionsError(tuple(faults), total_faults)


def _unmatched(planned: PlannedRow, reason: str) -> bytes:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Row(planned, Outcome(Status.UNMATCHED, reason, time=now)).to_line()


class _Spool:
    """Planned rows on disk, with their sort keys in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._starts = array("q")
        self._lengths = array("i")
        self._tiles = array("i")
        self._names = array("q")

    def add(self, planned: PlannedRow, tile: int) -> None:
        assert planned.ra_deg is not None  # noqa: S101 - matched rows have a position
        assert planned.dec_deg is not None  # noqa: S101
        start, length = self._write(planned)
        self._starts.append(start)
        self._lengths.append(length)
        self._tiles.append(tile)
        self._names.append(position_key(planned.ra_deg, planned.dec_deg))

    def _write(self, planned: PlannedRow) -> tuple[int, int]:
        line = Row(planned).to_line()
        start = self._file.tell()
        self._file.write(line)
        return start, len(line)

    def write_chunks(
        self, context: JobContext, release: Release, *, chunk_rows: int
    ) -> Iterator[ChunkPlan]:
        """Write rows in chunks: those of one tile together, those of one position side by side.

        Each chunk has the number of rows that the whole job has in each of its tiles.
        """
        names = np.array(self._names, dtype=np.int64)
        if not len(names):
            return
        self._number_equal_names(names, context, release)
        self._file.flush()
        tiles = np.array(self._tiles, dtype=np.int32)
        of_tile = np.bincount(tiles)
        # By declination in a tile: neighbours in the chunk are then neighbours in the file. Equal
        # positions stay side by side.
        order = np.lexsort((names, declination_of(names), tiles))
        # Small jobs are split as well: 16 chunks keep 8 cores busy to the end. Fewer than 10 rows
        # are not worth a task, which takes 15 ms to fork.
        wanted = -(-len(order) // _CHUNKS_WANTED)
        size = min(max(wanted, _CHUNK_ROWS_MIN), max(chunk_rows, 1))
        for number, start in enumerate(range(0, len(order), size)):
            context.heartbeat()
            part = order[start : start + size].tolist()
            lines = b"".join(map(self._line, part))
            context.files.write(plan_key(context.job.id, number), lines)
            rows_of_tiles = [[n, int(of_tile[n])] for n in np.unique(tiles[part]).tolist()]
            yield ChunkPlan({"rows_of_tiles": rows_of_tiles}, len(part))

    def _line(self, number: int) -> bytes:
        return os.pread(self._file.fileno(), self._lengths[number], self._starts[number])

    def _number_equal_names(
        self, names: NDArray[np.int64], context: JobContext, release: Release
    ) -> None:
        """Assign numbers to rows whose name occurs more than once, and rewrite their lines."""
        self._file.flush()
        order = np.argsort(names, kind="stable")
        starts = np.flatnonzero(np.diff(names[order], prepend=-1))
        ends = np.append(starts[1:], len(order))
        for group in np.flatnonzero(ends - starts > 1).tolist():
            context.heartbeat()
            namer = FileNamer()
            for number in order[starts[group] : ends[group]].tolist():
                planned = Row.from_line(self._line(number)).planned
                files = list(file_contents(planned, release))
                suffix, repeats = namer.number(files)
                planned = replace(planned, suffix=suffix, repeats=repeats)
                self._starts[number], self._lengths[number] = self._write(planned)


def file_contents(planned: PlannedRow, release: Release) -> Iterator[tuple[str, object]]:
    """Yield the ending of each file, and a key of everything that its bytes depend on."""
    place = (planned.folder, planned.centre_ra_deg, planned.centre_dec_deg)
    cut = (planned.shape, planned.is_masked)
    for wanted in wanted_files(planned.options, release.labels):
        yield wanted.ending, (*place, *cut, planned.options.pixel_key(wanted.kind))
