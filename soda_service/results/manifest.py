"""The manifest: one row per file, and one per row without file; as VOTable and as CSV."""

import csv
import io
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote
from xml.sax.saxutils import escape

from lxml import etree

from soda_service.request.parsing import format_bands
from soda_service.results.columns import MANIFEST, Column, output_names, xml_text
from soda_service.results.rows import FileEntry, Row
from soda_service.results.summary import JobFacts

__all__ = ["CsvManifest", "VotManifest"]

_NS = "http://www.ivoa.net/xml/VOTable/v1.3"
_ROWS = "rows stand here"


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
        own = output_names(facts.extra_columns).values()
        self._csv.writerow([*(column.name for column in MANIFEST), *own])

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        self._csv.writerows(_records(row, self._facts))

    def close(self) -> None:
        """Let go of the stream, which stays open."""
        self._text.detach()


class VotManifest:
    """Writes manifest.vot (VOTable 1.4, TABLEDATA) as a stream; a context manager.

    What stands around the rows is made as a tree; the rows are written as they come, inside its
    namespace.
    """

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._facts = facts
        self._stream = stream
        self._head, _, self._tail = _frame(facts).partition(_ROWS.encode())

    def __enter__(self) -> Self:
        self._stream.write(self._head + b"\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.write(self._tail)

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        for record in _records(row, self._facts):
            cells = "".join(f"<TD>{_cell(value)}</TD>" for value in record)
            self._stream.write(f"<TR>{cells}</TR>\n".encode())


def _cell(value: Any) -> str:
    # Any: a number, a text or None. A bare carriage return would be read as a line feed.
    if value is None:
        return ""
    return escape(xml_text(value), {"\r": "&#13;"}) if isinstance(value, str) else str(value)


def _frame(facts: JobFacts) -> bytes:
    """Write the document with a mark where its rows belong."""
    root = etree.Element(f"{{{_NS}}}VOTABLE", {"version": "1.4"}, nsmap={None: _NS})
    resource = _child(root, "RESOURCE", type="results")
    _child(resource, "INFO", name="QUERY_STATUS", value="OK")
    table = _child(resource, "TABLE", name="manifest")
    for column in MANIFEST:
        _add_field(table, column)
    for name in output_names(facts.extra_columns).values():
        _add_field(table, Column(name, "unicodeChar", "", "", "The user's own column"))
    _child(_child(table, "DATA"), "TABLEDATA").text = _ROWS
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def _add_field(table: etree._Element, column: Column) -> None:
    attributes = {"name": column.name, "datatype": column.datatype}
    attributes |= {"arraysize": "*"} if column.datatype in {"char", "unicodeChar"} else {}
    told = {"unit": column.unit, "ucd": column.ucd}
    attributes |= {key: value for key, value in told.items() if value}
    field = _child(table, "FIELD", **attributes)
    _child(field, "DESCRIPTION").text = column.description


def _child(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_NS}}}{tag}", attributes)
