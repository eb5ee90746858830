"""The end of a cutout job: records of rows are written, in input order, to the job's documents.

Records come in the order of the chunks. They are gathered in one local file with an array of
offsets (8 bytes a row), and read back in input order. Nothing else grows with the job.
"""

import itertools
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO

from soda_service.results.archive import archive_size
from soda_service.results.events import EventsWriter
from soda_service.results.manifest import CsvManifest, VotManifest
from soda_service.results.positions import PositionsWriter
from soda_service.results.rowindex import RowIndexWriter
from soda_service.results.rows import FileEntry, Outcome, Row, Status, read_lines
from soda_service.results.summary import JobFacts, SummaryWriter, Tally
from soda_service.results.tree import (
    MANIFEST_CSV,
    MANIFEST_VOT,
    SUMMARY,
    lines_prefix,
    log_name,
    media_type_of,
    no_overlap_name,
    plan_prefix,
    positions_name,
    row_index_key,
)
from uws.errors import FatalError
from uws.files import JobFiles
from uws.jobtype import JobContext
from uws.jobtype import Outcome as JobOutcome
from uws.models import Job, Result

__all__ = ["finalize_results"]

_HEARTBEAT_ROWS = 1000


@dataclass(frozen=True, slots=True)
class _Gathered:
    """All lines in one file; `offsets[n]` is the place of row n + 1, -1 if it is missing."""

    file: BinaryIO
    offsets: "array[int]"

    def add(self, row: Row, line: bytes) -> None:
        """Add a line; if a row was cut twice, the first one counts."""
        number = row.planned.number - 1
        self.offsets.extend(itertools.repeat(-1, number + 1 - len(self.offsets)))
        if self.offsets[number] < 0:
            self.offsets[number] = self.file.tell()
            self.file.write(line)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in input order."""
        for number, offset in enumerate(self.offsets, start=1):
            if offset < 0:
                raise FatalError(f"row {number} has no record")
            self.file.seek(offset)
            yield Row.from_line(self.file.readline())


def _gather(context: JobContext, file: BinaryIO) -> _Gathered:
    """Gather finished rows; rows of the plan without a record count as failed."""
    gathered = _Gathered(file, array("q"))
    _add_rows(gathered, context, lines_prefix(context.job.id))
    if len(gathered.offsets) < context.job.progress.total or min(gathered.offsets, default=0) < 0:
        _add_rows(gathered, context, plan_prefix(context.job.id))
    return gathered


def _add_rows(gathered: _Gathered, context: JobContext, prefix: str) -> None:
    lost = Outcome(Status.FAILED, "its worker left no record of this row")
    for key in context.files.keys(prefix):
        context.heartbeat()
        with context.files.open(key) as stream:
            for row, line in read_lines(stream):
                if row.outcome is None:
                    gathered.add(row, row.with_outcome(lost).to_line())
                else:
                    gathered.add(row, line)


def finalize_results(
    context: JobContext, facts: JobFacts, *, results_listed_max: int, has_table: bool
) -> JobOutcome:
    """Write summary, manifests, positions table and log, and list the results.

    Parameters
    ----------
    facts
        What the documents say of the job itself.
    results_listed_max
        Most files to list; more are available through manifest and archive only.
    has_table
        Whether the rows are those of a table. Otherwise every row has an entry among the results:
        if nothing was cut, a text that says why (SODA-25).
    """
    job, files = context.job, context.files
    listed: list[FileEntry | _Nothing] = []
    tally = Tally()
    with tempfile.TemporaryFile() as file:
        gathered = _gather(context, file)
        with ExitStack() as stack:

            def open_key(name: str) -> BinaryIO:
                return stack.enter_context(files.writer(f"{job.id}/{name}", durable=True))

            index = stack.enter_context(files.writer(row_index_key(job.id), durable=True))
            documents = _Documents(open_key, index, facts, stack, job)
            for count, row in enumerate(gathered.rows()):
                if count % _HEARTBEAT_ROWS == 0:
                    context.heartbeat()
                documents.add(row)
                tally.add(row)
                if row.outcome is not None and len(listed) <= results_listed_max:
                    listed.extend(_entries(row, has_table=has_table))
                    if not has_table and (reason := _no_overlap(row)):
                        number = row.planned.number if len(gathered.offsets) > 1 else None
                        listed.append(_Nothing(no_overlap_name(number), reason))
            documents.close(tally)
    notes = _notes(tally, results_listed_max)
    if notes:
        listed.clear()
    for entry in listed:
        if isinstance(entry, _Nothing):
            text = f"UsageError: {entry.reason}\n".encode()
            files.write(f"{job.id}/{entry.name}", text, durable=True)
    results = _results(job, files, listed)
    return JobOutcome(tuple(results), notes=notes, failed=tally.rows[Status.FAILED])


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Stands for a row without a cutout."""

    name: str
    reason: str


def _entries(row: Row, *, has_table: bool) -> Iterator[FileEntry]:
    """Yield the files of a row that are listed.

    A file that an earlier row made too is listed once for a table. A combination of SODA parameters
    has an entry of its own (SODA-15), with its number in the id.
    """
    for entry in row.outcome.files if row.outcome else ():
        if not row.planned.is_repeated(entry):
            yield entry
        elif not has_table:
            stem, dot, suffix = entry.name.rpartition(".")
            yield replace(entry, name=f"{stem}-{row.planned.number:04d}{dot}{suffix}")


def _no_overlap(row: Row) -> str:
    """Return why a position has no pixel; empty if it has, or if something else failed."""
    if row.outcome is None:
        return ""
    nothing = {Status.NO_COVERAGE, Status.UNMATCHED}
    return row.outcome.message if row.outcome.status in nothing else ""


def _notes(tally: Tally, most: int) -> tuple[str, ...]:
    if tally.files <= most:
        return ()
    found = f"{tally.files} files were made, more than the {most} that are listed as results"
    return (f"{found}; use the manifest or the archive",)


class _Documents:
    """The five documents and the index, written side by side in one pass over the rows."""

    def __init__(
        self,
        open_key: Callable[[str], BinaryIO],
        index: BinaryIO,
        facts: JobFacts,
        stack: ExitStack,
        job: Job,
    ) -> None:
        self._facts = facts
        self._job = job
        self._summary = stack.enter_context(SummaryWriter(open_key(SUMMARY), facts))
        self._index = RowIndexWriter(index)
        self._csv = CsvManifest(open_key(MANIFEST_CSV), facts)
        self._vot = stack.enter_context(VotManifest(open_key(MANIFEST_VOT), facts))
        self._positions = PositionsWriter(open_key(positions_name(job.id)), facts)
        self._log = EventsWriter(open_key(log_name(job.id)))
        self._log.event(job.creation_time, "INFO", f"job {job.id} created")
        if job.start_time is not None:
            self._log.event(job.start_time, "INFO", f"started, release {facts.release.name}")
        for warning in facts.warnings:
            self._log.event(job.start_time or job.creation_time, "WARNING", warning)

    def add(self, row: Row) -> None:
        """Write one row to each document."""
        assert row.outcome is not None  # noqa: S101 - only finished rows are gathered
        self._index.add(self._summary.add(row), row.outcome.status)
        for document in (self._csv, self._vot, self._positions, self._log):
            document.add(row)

    def close(self, tally: Tally) -> None:
        """Write the ends of the documents, after the rows."""
        now = datetime.now(UTC)
        elapsed_s = (now - (self._job.start_time or self._job.creation_time)).total_seconds()
        self._summary.close(tally, elapsed_s, self._facts.warnings)
        self._index.close(tally.files)
        self._csv.close()
        self._positions.close()
        counts = ", ".join(f"{count} {status}" for status, count in tally.rows.items() if count)
        text = f"finished: {counts or 'no rows'}; {tally.files} files, {tally.size_bytes} bytes"
        self._log.event(now, "INFO", text)


def _results(job: Job, files: JobFiles, listed: list[FileEntry | _Nothing]) -> Iterator[Result]:
    """Yield the results in order: cutouts, documents, archive, `result`."""

    def document(result_id: str, name: str) -> Result:
        key = f"{job.id}/{name}"
        return Result(result_id, key, media_type_of(name), files.stat(key).size_bytes)

    cutouts = [
        document(entry.name, entry.name)
        if isinstance(entry, _Nothing)
        else Result(entry.name, f"{job.id}/{entry.path}", entry.media_type, entry.size_bytes)
        for entry in listed
    ]
    yield from cutouts
    yield document(SUMMARY, SUMMARY)
    yield document("manifest", MANIFEST_VOT)
    yield document("positions", positions_name(job.id))
    yield document("log", log_name(job.id))
    size = archive_size(files, job.id, job.creation_time)
    yield Result("archive", "archive", "application/gzip", size)
    if len(cutouts) == 1:
        only = cutouts[0]
        yield Result("result", only.key, only.media_type, only.size_bytes)
    else:
        yield document("result", SUMMARY)
