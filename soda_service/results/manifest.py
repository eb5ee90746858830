"""The manifest: one row per file, and one per row without file; as VOTable and as CSV."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from lxml import etree

from soda_service.results.rows import FileEntry, Row
from soda_service.results.summary import JobFacts

__all__ = ["CsvManifest", "VotManifest"]

_NS = "http://www.ivoa.net/xml/VOTable/v1.3"

# name, datatype, unit, UCD, description
_COLUMNS = (
    ("row", "int", "", "meta.record", "Row of the positions table, from 1"),
    ("ra", "double", "deg", "pos.eq.ra;meta.main", "Right ascension asked for, ICRS"),
    ("dec", "double", "deg", "pos.eq.dec;meta.main", "Declination asked for, ICRS"),
    ("object_id", "long", "", "meta.id", "COADD_OBJECT_ID asked for"),
    ("tile", "char", "", "meta.id;obs.field", "Tile the cutout was made from"),
    ("status", "char", "", "meta.code.status", "ok, partial, no_coverage, unmatched or failed"),
    ("message", "char", "", "meta.note", "Why a file is missing or cut short"),
    ("coverage", "double", "", "arith.ratio", "Fraction of the asked area with valid pixels"),
    ("band", "char", "", "instr.bandpass", "Band, or bands as red, green, blue"),
    ("file", "char", "", "meta.file", "Path of the file in the job's tree"),
    ("url", "char", "", "meta.ref.url;meta.main", "Address of the file"),
    ("content_type", "char", "", "meta.code.mime", "Media type"),
    ("size", "long", "byte", "phys.size;meta.file", "Size of the file"),
    ("sha256", "char", "", "meta.checksum", "SHA-256 of the file, hexadecimal"),
)
_OURS = {column[0] for column in _COLUMNS}


def _user_columns(facts: JobFacts) -> list[str]:
    """Name the user's columns; one that is called like ours is marked as the user's."""
    return [f"user_{name}" if name.lower() in _OURS else name for name in facts.extra_columns]


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
    band = "".join(map(facts.release.label, entry.bands))
    url = f"{facts.url}/results/{quote(entry.path)}" if facts.url else None
    return [band, entry.path, url, entry.media_type, entry.size_bytes, entry.sha256]


class CsvManifest:
    """Writes manifest.csv as a stream."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._facts = facts
        self._csv.writerow([*(column[0] for column in _COLUMNS), *_user_columns(facts)])

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
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._xml = self._open.enter_context(etree.xmlfile(self._stream, encoding="utf-8"))
        self._xml.write_declaration()
        self._enter("VOTABLE", version="1.4")
        self._enter("RESOURCE", type="results")
        self._xml.write(_element("INFO", name="QUERY_STATUS", value="OK"))
        self._enter("TABLE", name="manifest")
        for field in self._fields():
            self._xml.write(field)
        self._enter("DATA")
        self._enter("TABLEDATA")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _enter(self, tag: str, **attributes: str) -> None:
        element = self._xml.element(f"{{{_NS}}}{tag}", attributes, nsmap={None: _NS})
        self._open.enter_context(element)

    def _fields(self) -> Iterator[etree._Element]:
        for name, datatype, unit, ucd, text in _COLUMNS:
            yield _field(name, datatype, unit=unit, ucd=ucd, text=text)
        for name in _user_columns(self._facts):
            yield _field(name, "char", unit="", ucd="", text="The user's own column")

    def add(self, row: Row) -> None:
        """Write the records of one row."""
        for record in _records(row, self._facts):
            line = _element("TR")
            for cell in record:
                etree.SubElement(line, f"{{{_NS}}}TD").text = _cell(cell)
            self._xml.write(line)


def _cell(value: Any) -> str:
    # Any: a number, a text or None. Control characters cannot stand in XML 1.0.
    if value is None:
        return ""
    return "".join(c if c >= " " or c in "\t\n\r" else " " for c in str(value))


def _element(tag: str, **attributes: str) -> etree._Element:
    return etree.Element(f"{{{_NS}}}{tag}", attributes, nsmap={None: _NS})


def _field(name: str, datatype: str, *, unit: str, ucd: str, text: str) -> etree._Element:
    attributes = {"name": _cell(name), "datatype": datatype}
    attributes |= {"arraysize": "*"} if datatype == "char" else {}
    attributes |= {key: value for key, value in (("unit", unit), ("ucd", ucd)) if value}
    field = _element("FIELD", **attributes)
    etree.SubElement(field, f"{{{_NS}}}DESCRIPTION").text = text
    return field
