"""A chunk's rows: as they were planned, and the journal of those that are done.

A line of the journal is a row with its outcome, or a mark: which row is being cut, where that
does not follow from the rows that are done.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from soda_service.results.rows import Row, Status, read_lines
from soda_service.results.tree import lines_key, plan_key
from uws.files import JobFiles, Log
from uws.models import ChunkReport

__all__ = ["Journal", "open_journal", "planned_rows"]

_MARKS = re.compile(rb'^\{"cutting":(\d+)\}$', re.MULTILINE)
"""Marks that are whole; `read_lines` passes them over, as they are no rows."""


def planned_rows(files: JobFiles, job_id: str, number: int) -> Iterator[Row]:
    """Read the rows of a chunk in the order in which they are worked."""
    with files.open(plan_key(job_id, number)) as stream:
        for line in stream:
            yield Row.from_line(line)


@contextmanager
def open_journal(
    files: JobFiles, job_id: str, number: int, *, is_careful: bool
) -> Iterator["Journal"]:
    """Open the journal of a chunk; all that was noted is kept when the context ends.

    Parameters
    ----------
    is_careful
        Whether each row is kept before the next one is begun. Where a worker was killed that has to
        be so: the row that it was at is then the first one that is left.
    """
    key = lines_key(job_id, number)
    with files.log(key) as log:
        journal = Journal(log, is_careful=is_careful)
        for segment in files.keys(key):
            with files.open(segment) as stream:
                journal.take_in(stream.read())
        yield journal


class Journal:
    """The rows of a chunk that are done; see `open_journal`.

    A worker that is killed loses the row it was at, and those that its log did not keep yet; the
    next one goes on from there.
    """

    def __init__(self, log: Log, *, is_careful: bool) -> None:
        self._log = log
        self._is_careful = is_careful
        self._statuses: dict[int, Status] = {}
        self._sizes: dict[str, int] = {}
        self._marked: int | None = None

    def take_in(self, segment: bytes) -> None:
        """Count what an earlier worker noted."""
        for row, _ in read_lines(io.BytesIO(segment)):
            self._count(row)
        for digits in _MARKS.findall(segment)[-1:]:
            self._marked = int(digits)

    def __contains__(self, number: int) -> bool:
        return number in self._statuses

    @property
    def marked(self) -> int | None:
        """The row that was being cut last, if that was marked and it is not done."""
        return None if self._marked in self._statuses else self._marked

    def mark(self, number: int) -> None:
        """Note that a row is about to be cut; that of a killed worker is found by it."""
        self._log.add(b'{"cutting":%d}\n' % number)
        self._log.flush()
        self._marked = number

    def add(self, row: Row) -> None:
        """Note a row as done; where that fails it is not."""
        self._log.add(row.to_line())
        if self._is_careful:
            self._log.flush()
        self._count(row)

    def _count(self, row: Row) -> None:
        """Count a row; of one that was worked twice the first account, as when they are joined."""
        if row.outcome is None or row.planned.number in self._statuses:
            return
        self._statuses[row.planned.number] = row.outcome.status
        self._sizes |= {entry.path: entry.size_bytes for entry in row.outcome.files}

    @property
    def count(self) -> int:
        """Rows that are done."""
        return len(self._statuses)

    def report(self, *, away: str = "") -> ChunkReport:
        """Sum up; `away` says what could not be reached for the rows given up."""
        failed = sum(status == Status.FAILED for status in self._statuses.values())
        size_bytes = sum(self._sizes.values())
        detail = {"away": away} if away else {}
        return ChunkReport(self.count - failed, failed, size_bytes, detail)
