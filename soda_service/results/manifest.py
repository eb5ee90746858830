"""The manifest: one row per file, and one per row without file; as VOTable and as CSV."""

import csv
import io
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self

from soda_service.formats.votable import Table, votable_head, votable_rows, votable_tail
from soda_service.results.columns import Line, manifest_fields, manifest_reader
from soda_service.results.rows import Row
from soda_service.results.summary import JobFacts

__all__ = ["CsvManifest", "VotManifest"]


def _lines(row: Row, facts: JobFacts) -> Iterator[Line]:
    outcome = row.outcome
    assert outcome is not None  # noqa: S101 - only finished rows are written
    for file in outcome.files or (None,):
        yield Line(row.planned, outcome, file, facts.release, facts.url)


class CsvManifest:
    """Writes manifest.csv as a stream."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._facts = facts
        self._cells = manifest_reader(facts.extra_columns)
        self._csv.writerow([field.name for field in manifest_fields(facts.extra_columns)])

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        self._csv.writerows(map(self._cells, _lines(row, self._facts)))

    def close(self) -> None:
        """Detach from the stream, which stays open."""
        self._text.detach()


class VotManifest:
    """Writes manifest.vot (VOTable 1.4, TABLEDATA) as a stream; a context manager."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._facts = facts
        self._stream = stream
        self._cells = manifest_reader(facts.extra_columns)

    def __enter__(self) -> Self:
        fields = manifest_fields(self._facts.extra_columns)
        self._stream.write(votable_head(Table("manifest", fields)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.write(votable_tail())

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        records = map(self._cells, _lines(row, self._facts))
        self._stream.write(votable_rows(map(_texts, records)))


def _texts(record: list[Any]) -> list[str]:
    # Any: numbers, texts and None.
    return ["" if value is None else str(value) for value in record]
