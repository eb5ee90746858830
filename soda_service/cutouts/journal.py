"""A chunk's planned rows, and the journal of those that are done.

A line of the journal is a row with its outcome, or a mark. A mark names the row that is being cut,
if that does not follow from the rows that are done.
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
"""Complete marks; `read_lines` skips them, since they are not rows."""


def planned_rows(files: JobFiles, job_id: str, number: int) -> Iterator[Row]:
    """Read the rows of a chunk in the order of work."""
    with files.open(plan_key(job_id, number)) as stream:
        for line in stream:
            yield Row.from_line(line)


@contextmanager
def open_journal(
    files: JobFiles, job_id: str, number: int, *, is_careful: bool
) -> Iterator["Journal"]:
    """Open the journal of a chunk; all records are kept when the context ends.

    Parameters
    ----------
    is_careful
        Whether each row is kept before the next one is begun. That is needed after a worker was
        killed: the row at which it was is then the first remaining one.
    """
    key = lines_key(job_id, number)
    with files.log(key) as log:
        journal = Journal(log, is_careful=is_careful)
        for segment in files.keys(key):
            with files.open(segment) as stream:
                journal.load(stream.read())
        yield journal


class Journal:
    """The rows of a chunk that are done; see `open_journal`.

    A killed worker loses the row at which it was, and rows that its log has not kept yet. The next
    worker continues from there.
    """

    def __init__(self, log: Log, *, is_careful: bool) -> None:
        self._log = log
        self._is_careful = is_careful
        self._statuses: dict[int, Status] = {}
        self._sizes: dict[str, int] = {}
        self._marked: int | None = None

    def load(self, segment: bytes) -> None:
        """Count the records of an earlier worker."""
        for row, _ in read_lines(io.BytesIO(segment)):
            self._count(row)
        for digits in _MARKS.findall(segment)[-1:]:
            self._marked = int(digits)

    def __contains__(self, number: int) -> bool:
        return number in self._statuses

    @property
    def marked(self) -> int | None:
        """The last marked row, if it is not done."""
        return None if self._marked in self._statuses else self._marked

    def mark(self, number: int) -> None:
        """Record that a row is about to be cut, to find the row at which a worker was killed."""
        self._log.add(b'{"cutting":%d}\n' % number)
        self._log.flush()
        self._marked = number

    def add(self, row: Row) -> None:
        """Record a row as done; if writing fails, it is not done."""
        self._log.add(row.to_line())
        if self._is_careful:
            self._log.flush()
        self._count(row)

    def _count(self, row: Row) -> None:
        """Count a row; if it was cut twice, the first record counts, as in `finalize`."""
        if row.outcome is None or row.planned.number in self._statuses:
            return
        self._statuses[row.planned.number] = row.outcome.status
        self._sizes |= {entry.path: entry.size_bytes for entry in row.outcome.files}

    @property
    def count(self) -> int:
        """Number of rows that are done."""
        return len(self._statuses)

    def report(self, *, unavailable: str = "") -> ChunkReport:
        """Build the report of the chunk.

        Parameters
        ----------
        unavailable
            What was unavailable for the rows that were given up.
        """
        failed = sum(status == Status.FAILED for status in self._statuses.values())
        size_bytes = sum(self._sizes.values())
        # The key is stored with jobs: `away` stays readable across upgrades.
        detail = {"away": unavailable} if unavailable else {}
        return ChunkReport(self.count - failed, failed, size_bytes, detail)
