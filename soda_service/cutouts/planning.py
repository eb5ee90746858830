"""The plan of a cutout job: every row gets its tile and its name; rows of a tile go together.

Rows are read as a stream and spooled to a local file; memory holds 24 bytes a row.
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
from soda_service.cutouts.tile_lookup import Matcher
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
"""Faults that are told one by one."""

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
    """Match rows to tiles, name them, and write the chunks to the job's files.

    Parameters
    ----------
    rows
        Those of `request`.

    Raises
    ------
    OptionsError
        When rows are faulty, or there are too many: nothing is cut then.
    """
    job_id = context.job.id
    started = time.monotonic()
    release = holdings.releases.get(request.release)
    with tempfile.TemporaryFile() as file, context.files.writer(lines_key(job_id, None)) as done:
        spool = _Spool(file)
        matcher = Matcher(release, holdings)
        read = unmatched = 0
        for batch in _checked_batches(rows, rows_max=rows_max):
            context.heartbeat()
            read += len(batch)
            context.report_total(read)
            for planned, reason in matcher.match(batch):
                if not reason:
                    spool.add(planned, matcher.tile_number(planned))
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
    """Group good rows; read on through faulty ones, so that all faults are told at once."""
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
    """Planned rows on disk, with what is needed to order them in memory."""

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
        """Write rows of one tile together, of one position side by side, in chunks.

        Each chunk is told how many rows the whole job has in each of its tiles.
        """
        names = np.array(self._names, dtype=np.int64)
        if not len(names):
            return
        self._tell_apart(names, context, release)
        self._file.flush()
        tiles = np.array(self._tiles, dtype=np.int32)
        of_tile = np.bincount(tiles)
        # Along a tile's rows, so that neighbours in the chunk are neighbours in the file; equal
        # positions stay side by side.
        order = np.lexsort((names, declination_of(names), tiles))
        # Small jobs are spread as well: 16 chunks keep 8 cores busy to the end, and fewer than
        # 10 rows would not be worth a task (15 ms to fork, ENGINE section 5).
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

    def _tell_apart(self, names: NDArray[np.int64], context: JobContext, release: Release) -> None:
        """Number the rows whose name occurs more than once; their lines are written anew."""
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
    """Return each file's ending with all that its bytes depend on."""
    place = (planned.folder, planned.centre_ra_deg, planned.centre_dec_deg)
    cut = (planned.shape, planned.is_masked)
    for wanted in wanted_files(planned.options, release.labels):
        yield wanted.ending, (*place, *cut, planned.options.pixel_key(wanted.kind))
