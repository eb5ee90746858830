"""The one reader of a job's results, finished or working: rows, files, counts.

A finished job is read from its documents, any other from the journals of its chunks.
"""

import csv
import io
import itertools
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from soda_service.formats import is_picture
from soda_service.request.csvtext import LINE_MAX_BYTES
from soda_service.request.table import POSITION_NAMES, option_names
from soda_service.results.plan import read_plan
from soda_service.results.rowindex import RowIndex
from soda_service.results.rowpages import RowPage, row_of_journal, row_of_summary
from soda_service.results.rows import FileEntry, Row, Status, read_lines
from soda_service.results.tree import (
    MANIFEST_CSV,
    lines_prefix,
    positions_name,
    thumbnail_path,
)
from uws.errors import WrongPhaseError
from uws.files import JobFiles
from uws.models import Job, Result

__all__ = ["LOOKED_AT_MAX", "NOT_OK", "JobResults"]

LOOKED_AT_MAX = 5000
"""Rows read of a job that is not finished; each takes 10 to 25 microseconds."""

_CELL_MAX = 4 * LINE_MAX_BYTES
"""Longest cell of a job's documents, characters. The user's own cells may be as long as a line of a
table; the csv module's default is 131,072."""

NOT_OK = tuple(status for status in Status if status is not Status.OK)
"""Statuses of rows that lack some or all of their files."""


class JobResults:
    """The results of a job, read on demand.

    Parameters
    ----------
    files
        Those of jobs.
    job
        In any phase.
    """

    def __init__(self, files: JobFiles, job: Job) -> None:
        self._files = files
        self._job = job

    def page(self, start: int, count: int, statuses: Sequence[Status] = ()) -> RowPage:
        """Return some rows in input order; for a working job, some of its first finished rows.

        Parameters
        ----------
        start
            The first row of those with these statuses, from 0.
        statuses
            Of the rows to return; empty: all rows.
        """
        try:
            index = RowIndex.read(self._files, self._job.id)
            numbers = index.numbers(statuses)
            found = index.load(self._files, self._job.id, numbers[start : start + count])
            columns = self.extra_columns()
        except FileNotFoundError:
            return self._page_of_journals(start, count, statuses)
        rows = [self._with_thumbnail(row_of_summary(row, columns)) for row in found]
        counts = {str(status): n for status, n in index.counts().items()}
        return RowPage(rows, len(numbers), counts, is_whole=True, total_files=index.files)

    def _page_of_journals(self, start: int, count: int, statuses: Sequence[Status]) -> RowPage:
        rows = list(itertools.islice(self.done_rows(), LOOKED_AT_MAX))
        rows.sort(key=lambda row: row.planned.number)
        of_rows = [row.outcome.status for row in rows if row.outcome]
        counts = {str(status): of_rows.count(status) for status in Status}
        chosen = [
            row for row, status in zip(rows, of_rows, strict=True) if status in (statuses or Status)
        ]
        page = chosen[start : start + count]
        page_rows = [self._with_thumbnail(row_of_journal(row)) for row in page]
        return RowPage(page_rows, len(chosen), counts, is_whole=False)

    def _with_thumbnail(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Add the thumbnail of a row: of its first picture, else of a band."""
        names = sorted(row["files"], key=lambda name: not is_picture(name))
        paths = (thumbnail_path(name) for name in names)
        return {**row, "thumbnail": next(filter(self._exists, paths), None)}

    def _exists(self, path: str) -> bool:
        try:
            self._files.stat(f"{self._job.id}/{path}")
        except FileNotFoundError:
            return False
        return True

    def extra_columns(self) -> tuple[str, ...]:
        """Return the user's own columns of the positions table, in its order.

        They are read from the plan, or from the header of the processed table if an earlier version
        wrote the plan.

        Raises
        ------
        FileNotFoundError
            When neither exists.
        """
        with suppress(FileNotFoundError, KeyError):
            return tuple(read_plan(self._files, self._job.id)["extra_columns"])
        key = f"{self._job.id}/{positions_name(self._job.id)}"
        header = next(_read_records(self._files.open(key)))
        ours = {*POSITION_NAMES, *option_names()}
        return tuple(name for name in header if name not in ours)

    def done_rows(self) -> Iterator[Row]:
        """Yield the finished rows of an unfinished job, each once, chunk by chunk.

        If a row was cut twice, the first record counts, as in the documents.
        """
        seen: set[int] = set()
        for key in self._files.keys(lines_prefix(self._job.id)):
            try:
                with self._files.open(key) as stream:
                    for row, _ in read_lines(stream):
                        if row.outcome is not None and row.planned.number not in seen:
                            seen.add(row.planned.number)
                            yield row
            except FileNotFoundError:  # deleted in the meantime
                continue

    def partial_results(self, *, most: int, most_per_row: int = sys.maxsize) -> list[Result]:
        """List finished cutout files, with the ids and in the order of the finished job.

        Parameters
        ----------
        most
            Maximum number of files; beyond it the first that are found are listed.
        most_per_row
            Maximum number of files of a row; beyond it its first are listed.
        """
        each = (
            (row.planned.number, entry)
            for row in self.done_rows()
            if row.outcome
            for entry in row.outcome.files[:most_per_row]
        )
        found = list(itertools.islice(each, most))
        found.sort(key=lambda pair: pair[0])  # rows come chunk by chunk, not in input order
        entries: dict[str, FileEntry] = {}
        for _, entry in found:
            entries.setdefault(entry.name, entry)  # equal rows share files: keep the first
        return [
            Result(name, f"{self._job.id}/{entry.path}", entry.media_type, entry.size_bytes)
            for name, entry in entries.items()
        ]

    def manifest(self) -> Iterator[dict[str, str]]:
        """Return the manifest's records, by column: one per file, and one per row without file.

        Raises
        ------
        WrongPhaseError
            When the job has no manifest, since it is not COMPLETED.
        """
        return _by_column(self._open(MANIFEST_CSV, "its files are listed"))

    def cutout_files(self) -> Iterator[dict[str, str]]:
        """Return the records of the manifest that have a file, each file once.

        The search for equal rows takes 8 bytes of memory a file. After it only the paths of files
        that several rows share are kept.

        Raises
        ------
        WrongPhaseError
            When the job has no manifest, since it is not COMPLETED.
        """
        records = _read_records(self._open(MANIFEST_CSV, "its files are listed"))
        place = next(records).index("file")
        hashes = array("q", (hash(cells[place]) for cells in records))
        values, counts = np.unique(np.asarray(hashes, dtype=np.int64), return_counts=True)
        repeated = set(values[counts > 1].tolist())
        return _each_once(self.manifest(), lambda path: hash(path) in repeated)

    def failed_table(self) -> Iterator[str]:
        """Return the lines of a table of the rows that failed or lack files.

        The table can be submitted again unchanged. Its first line is the header.

        Raises
        ------
        WrongPhaseError
            When the job is not COMPLETED.
        """
        with self._once_completed("its failed rows are listed"):
            index = RowIndex.read(self._files, self._job.id)
            stream = self._files.open(f"{self._job.id}/{positions_name(self._job.id)}")
        is_wanted = np.zeros(len(index.entries), dtype=bool)
        is_wanted[index.numbers((Status.FAILED, Status.PARTIAL))] = True
        return _chosen(stream, is_wanted)

    def _open(self, name: str, done: str) -> BinaryIO:
        with self._once_completed(done):
            return self._files.open(f"{self._job.id}/{name}")

    @contextmanager
    def _once_completed(self, done: str) -> Iterator[None]:
        """Report documents that are not there yet as a matter of the job's phase."""
        try:
            yield
        except FileNotFoundError as error:
            message = f"job {self._job.id} is {self._job.phase}; {done} once it is COMPLETED"
            raise WrongPhaseError(message) from error


def _read_records(stream: BinaryIO) -> Iterator[list[str]]:
    """Yield the records of a CSV document, its header first; closes the stream at the end."""
    # The limit holds for the whole process, which reads no CSV files but its own.
    csv.field_size_limit(_CELL_MAX)
    with stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        yield from csv.reader(text)


def _by_column(stream: BinaryIO) -> Iterator[dict[str, str]]:
    records = _read_records(stream)
    names = next(records)
    for cells in records:
        yield dict(zip(names, cells, strict=True))


def _each_once(
    records: Iterator[dict[str, str]], may_be_shared: Callable[[str], bool]
) -> Iterator[dict[str, str]]:
    seen: set[str] = set()
    for record in records:
        path = record["file"]
        if not path or path in seen:
            continue
        if may_be_shared(path):
            seen.add(path)
        yield record


def _chosen(stream: BinaryIO, is_wanted: NDArray[np.bool_]) -> Iterator[str]:
    records = _read_records(stream)
    yield _line(next(records))
    for cells in itertools.compress(records, is_wanted):
        yield _line(cells)


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
