"""Index of a finished job: the place of each row in the summary, and its status, 8 bytes a row.

The number of the job's files follows the rows.

With the index a page of rows is read in one or two milliseconds, for jobs of ten rows or a
million: only its lines of `summary.json` are read. The index lies beside it, hidden from clients.
"""

import itertools
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from soda_service.results.rows import Status
from soda_service.results.tree import SUMMARY, row_index_key
from uws.files import JobFiles

__all__ = ["RowIndex", "RowIndexWriter"]

_STATUSES = tuple(Status)
_STATUS_BIT = 56
_OFFSET_MASK = (1 << _STATUS_BIT) - 1
_FILES_MARK = 0xFF
"""In place of a status: the entry holds the number of files."""

_PENDING_MAX = 8192


class RowIndexWriter:
    """Writes the index row by row."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._pending = array("Q")

    def add(self, offset: int, status: Status) -> None:
        """Add the offset of a row's JSON in the summary, bytes, and its status."""
        self._pending.append(offset | _STATUSES.index(status) << _STATUS_BIT)
        if len(self._pending) == _PENDING_MAX:
            self._flush()

    def close(self, files: int) -> None:
        """Write what is pending, and the number of the job's files; the stream stays open."""
        self._pending.append(files | _FILES_MARK << _STATUS_BIT)
        self._flush()

    def _flush(self) -> None:
        self._stream.write(np.asarray(self._pending, dtype="<u8").tobytes())
        self._pending = array("Q")


@dataclass(frozen=True, slots=True)
class RowIndex:
    """The index of a job."""

    entries: NDArray[np.uint64]
    """One for each row, in input order."""

    files: int | None
    """Number of the job's files; None in an index of an earlier version."""

    @classmethod
    def read(cls, files: JobFiles, job_id: str) -> "RowIndex":
        """Read the index of a finished job.

        Raises
        ------
        FileNotFoundError
            When there is none, since the job is not finished.
        """
        with files.open(row_index_key(job_id)) as stream:
            entries = np.frombuffer(stream.read(), dtype="<u8")
        if len(entries) and int(entries[-1]) >> _STATUS_BIT == _FILES_MARK:
            return cls(entries[:-1], int(entries[-1]) & _OFFSET_MASK)
        return cls(entries, None)

    def counts(self) -> dict[Status, int]:
        """Count rows by status."""
        found = np.bincount(self._codes(), minlength=len(_STATUSES))
        return {status: int(found[code]) for code, status in enumerate(_STATUSES)}

    def numbers(self, statuses: Sequence[Status] = ()) -> NDArray[np.int64]:
        """Return the numbers (0-based) of the rows with these statuses, or of all."""
        if not statuses:
            return np.arange(len(self.entries))
        codes = [_STATUSES.index(status) for status in statuses]
        return np.flatnonzero(np.isin(self._codes(), codes))

    def load(
        self, files: JobFiles, job_id: str, numbers: NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        """Read rows of the summary, as JSON."""
        rows: list[dict[str, Any]] = []
        # Consecutive rows are on consecutive lines.
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            if len(run):
                offset = int(self.entries[run[0]] & np.uint64(_OFFSET_MASK))
                with files.open(f"{job_id}/{SUMMARY}", offset) as stream:
                    lines = itertools.islice(stream, len(run))
                    rows += [json.loads(line.rstrip(b",\n")) for line in lines]
        return rows

    def _codes(self) -> NDArray[np.int64]:
        return (self.entries >> np.uint64(_STATUS_BIT)).astype(np.int64)
