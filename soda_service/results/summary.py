"""summary.json: everything about a job, for programs and people, written as a stream.

Keys, types and spelling are those of the Dark Energy Survey's service. Additions are in upper case
in each cutout (STATUS, MESSAGE, SIZE_PIX, COVERAGE), and at the end of the document.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self

from soda_service import __version__
from soda_service.request.spec import Kind
from soda_service.request.table import parameter_specs
from soda_service.request.values import CutoutOptions
from soda_service.results.columns import option_cells, option_reader, output_names, row_cells
from soda_service.results.rows import Row, Status
from soda_service.sky.release import Release

__all__ = ["JobFacts", "SummaryWriter", "Tally", "size_text"]

_SPOOL_BYTES = 1 << 16
"""Unmatched positions of a small job stay in memory: three files would cost more."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Facts of the job itself that its documents contain."""

    job_id: str
    url: str
    """Address of the job; empty if it is not known."""

    owner: str
    job_name: str
    """Given by the user, may be empty."""

    release: Release
    options: CutoutOptions
    """The job's own, in effect where a row does not set them."""

    extra_columns: tuple[str, ...] = ()
    """The user's own columns of the positions table, in its order."""

    warnings: tuple[str, ...] = ()
    query_time_s: float = 0.0
    """Time that matching positions to tiles took."""


@dataclass(slots=True)
class Tally:
    """Counts over all rows, updated row by row."""

    rows: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    files: int = 0
    size_bytes: int = 0

    def add(self, row: Row) -> None:
        """Count a row, and its files except those that an earlier row has."""
        assert row.outcome is not None  # noqa: S101 - only finished rows are written
        self.rows[row.outcome.status] += 1
        for entry in row.outcome.files:
            if not row.planned.is_repeated(entry):
                self.files += 1
                self.size_bytes += entry.size_bytes


def size_text(size_bytes: int) -> str:
    """Write a size as the old service did: `6.08 MB`, base 1024."""
    size, units = float(size_bytes), ["Bytes", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.2f} {units[0]}"


def _cutout(row: Row, options: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of a row: its values, options, and the user's columns by their names."""
    planned, outcome = row.planned, row.outcome
    assert outcome is not None  # noqa: S101 - only finished rows are written
    content = row_cells(planned, outcome, options)
    return content | {name: planned.extra.get(column, "") for column, name in names.items()}


def _job_options(facts: JobFacts) -> dict[str, Any]:
    cells = option_cells(facts.options, facts.release)
    specs = parameter_specs()
    flags = {name for name in cells if specs[name].kind is Kind.BOOLEAN}
    return {
        "jobid": facts.job_id,
        "jobname": facts.job_name,
        "username": facts.owner or "anonymous",
        "db": facts.release.database,
        "release": facts.release.name,
        "tiledir": "auto",
        **{name.lower(): bool(v) if name in flags else v for name, v in cells.items()},
    }


class _JsonItems:
    """Items of a JSON array, kept in a file once there are many."""

    def __init__(self) -> None:
        # Closed by `copy_to` or `close`.
        self._file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115

    def add(self, value: float | str | None) -> None:
        """Append an item."""
        between = b", " if self._file.tell() else b""
        self._file.write(between + json.dumps(value).encode())

    def copy_to(self, stream: BinaryIO) -> None:
        """Write the array, and free its items."""
        stream.write(b"[")
        with self._file as file:
            file.seek(0)
            shutil.copyfileobj(file, stream)
        stream.write(b"]")

    def close(self) -> None:
        """Free the items."""
        self._file.close()


class SummaryWriter:
    """Writes summary.json row by row.

    Unmatched positions come last and are kept in files until then: use it as a context manager.
    """

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._stream = stream
        self._facts = facts
        self._names = output_names(facts.extra_columns)
        self._options = option_reader(facts.release)
        self._between = b""
        self._written = 0
        self._put(b'{\n"options": ', _job_options(facts), b',\n"cutouts": [')
        self._ra, self._dec, self._object_ids = _JsonItems(), _JsonItems(), _JsonItems()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for items in (self._ra, self._dec, self._object_ids):
            items.close()

    def _put(self, *parts: Any) -> None:
        # Any: bytes are written unchanged, items are copied, all else is written as JSON.
        for part in parts:
            if isinstance(part, _JsonItems):
                part.copy_to(self._stream)
            else:
                text = part if isinstance(part, bytes) else json.dumps(part).encode()
                self._written += self._stream.write(text)

    def add(self, row: Row) -> int:
        """Write one row on a line of its own; return its offset, bytes."""
        self._put(self._between, b"\n")
        start = self._written
        self._put(_cutout(row, self._options(row.planned.options), self._names))
        self._between = b","
        if row.outcome is not None and row.outcome.status == Status.UNMATCHED:
            planned = row.planned
            if planned.object_id is not None:
                self._object_ids.add(str(planned.object_id))
            else:
                self._ra.add(planned.ra_deg)
                self._dec.add(planned.dec_deg)
        return start

    def close(self, tally: Tally, processing_time_s: float, warnings: Iterable[str]) -> None:
        """Write the end of the document, after the rows."""
        self._put(b'\n],\n"query_time": ', f"{self._facts.query_time_s:.2f}")
        self._put(b',\n"unmatched_positions": {"coord": {"RA": ', self._ra, b', "DEC": ', self._dec)
        self._put(b'}, "coadd": ', self._object_ids, b"},\n")
        end = {
            "processing_time": f"{processing_time_s:.2f}",
            "size_on_disk": size_text(tally.size_bytes),
            "number_of_files": tally.files,
            "status": {str(status): count for status, count in tally.rows.items()},
            "warnings": list(warnings),
            "version": __version__,
            "acknowledgement": self._facts.release.acknowledgement,
        }
        self._put(json.dumps(end, indent=1).encode()[2:], b"\n")
