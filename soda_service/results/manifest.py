"""The manifest: one row per file, and one per row without file; as VOTable and as CSV."""

import csv
import io
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from soda_service.formats.votable import Table, votable_head, votable_rows, votable_tail
from soda_service.request.parsing import format_bands
from soda_service.results.columns import manifest_fields
from soda_service.results.rows import FileEntry, Row
from soda_service.results.summary import JobFacts

__all__ = ["CsvManifest", "VotManifest"]


def _records(row: Row, facts: JobFacts) -> Iterator[list[Any]]:
    p, outcome = row.planned, row.outcome
    assert outcome is not None  # noqa: S101 - only finished rows are told
    head = [p.number, p.ra_deg, p.dec_deg, p.object_id, p.tile, outcome.status.value]
    head += [outcome.message, outcome.coverage]
    own = [p.extra.get(name, "") for name in facts.extra_columns]
    for entry in outcome.files:
        yield [*head, *_file_cells(entry, facts), *own]
    if not outcome.files:
        yield [*head, None, None, None, None, None, None, *own]


def _file_cells(entry: FileEntry, facts: JobFacts) -> list[Any]:
    band = format_bands(entry.bands, facts.release)
    url = f"{facts.url}/results/{quote(entry.path)}" if facts.url else None
    return [band, entry.path, url, entry.media_type, entry.size_bytes, entry.sha256]


class CsvManifest:
    """Writes manifest.csv as a stream."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._facts = facts
        self._csv.writerow([column.name for column in manifest_fields(facts.extra_columns)])

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        self._csv.writerows(_records(row, self._facts))

    def close(self) -> None:
        """Let go of the stream, which stays open."""
        self._text.detach()


class VotManifest:
    """Writes manifest.vot (VOTable 1.4, TABLEDATA) as a stream; a context manager."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._facts = facts
        self._stream = stream

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
        self._stream.write(votable_rows(map(_texts, _records(row, self._facts))))


def _texts(record: list[Any]) -> list[str]:
    # Any: numbers, texts and None.
    return ["" if value is None else str(value) for value in record]
