"""Convert a positions table from VOTable to CSV.

All tables are then read in the same way. The document is read as a stream, in bounded memory:
TABLEDATA, BINARY and BINARY2 of VOTable 1.1 to 1.5, the first TABLE with columns. Nothing is
fetched and no entity is expanded: a DOCTYPE is refused.
"""

import base64
import binascii
import io
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from xml.parsers import expat  # nosec - without a DOCTYPE there are no entities to expand

from typing_extensions import Buffer, override

from soda_service.errors import Fault, OptionsError
from soda_service.request.header import COLUMNS_MAX, TABLE
from soda_service.request.table import PARAMETERS
from soda_service.request.votablecells import RowReader, VotField, text_cell

__all__ = ["csv_of"]

_PIECE = 2**16
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

_DEPTH_MAX = 100
_CELL_MAX = 2**20
_ROW_MAX = 2**24
"""Largest number of bytes of a BINARY row, to limit memory use."""

_RENAMED: Mapping[str, tuple[str, ...]] = {
    "RA": ("pos.eq.ra;meta.main", "pos_eq_ra_main", "pos.eq.ra"),
    "DEC": ("pos.eq.dec;meta.main", "pos_eq_dec_main", "pos.eq.dec"),
}
"""UCDs of position columns, used if no column has the name; the first match counts."""

_UNITS: Mapping[str, frozenset[str]] = {
    "deg": frozenset({"deg", "degree", "degrees"}),
    "arcmin": frozenset({"arcmin"}),
    "pixel": frozenset({"pixel", "pix", "pixels"}),
}
"""Spellings of the units of parameters."""


def csv_of(stream: BinaryIO) -> BinaryIO:
    """Return a positions table as CSV: a VOTable is converted while it is read.

    The first character distinguishes VOTable from CSV, which is returned unchanged.

    Parameters
    ----------
    stream
        The table; closed with the returned stream.

    Returns
    -------
    BinaryIO
        Reading raises `OptionsError` if a VOTable is invalid.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[type-var]  # has readinto, as all streams of files
    start = buffered.peek(_PIECE)[:_PIECE]
    for mark in _BOMS:
        start = start.removeprefix(mark)
    if start.replace(b"\0", b"").lstrip()[:1] != b"<":
        return buffered
    return io.BufferedReader(_Translated(buffered), _PIECE)


class _Translated(io.RawIOBase):
    """The CSV of a VOTable, converted as it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._pieces = _Translator().translate(stream)
        self._rest = memoryview(b"")  # slices of a memoryview are not copies

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    @override
    def close(self) -> None:
        self._stream.close()
        super().close()


class _Translator:
    """Walks through the elements of a VOTable and writes lines of CSV."""

    def __init__(self) -> None:
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._depth = 0
        self._fields: list[VotField] = []
        self._is_done = False
        self._cells: list[str] | None = None
        self._cell: list[str] | None = None
        self._cell_length = 0
        self._binary: _Binary | None = None
        self._lines: list[str] = []
        self._beginnings: Mapping[str, Callable[[str, Mapping[str, str]], None]] = {
            "TD": self._begin_cell,
            "TR": self._begin_row,
            "FIELD": self._begin_field,
            "VALUES": self._begin_values,
            "TABLE": self._begin_table,
            "STREAM": self._begin_stream,
            **dict.fromkeys(("TABLEDATA", "BINARY", "BINARY2"), self._begin_data),
            **dict.fromkeys(("FITS", "PARQUET"), self._refuse_data),
        }

    def translate(self, stream: BinaryIO) -> Iterator[bytes]:
        """Yield pieces of the CSV."""
        try:
            while piece := stream.read(_PIECE):
                self._parser.Parse(piece)
                if self._lines:
                    yield "".join(self._lines).encode()
                    self._lines.clear()
                if self._is_done:
                    return
            self._parser.Parse(b"", True)  # noqa: FBT003 - takes no names
        except expat.ExpatError as error:
            raise _wrong(f"is not well-formed XML: {error}") from error
        if not self._is_done:
            raise _wrong("has no TABLE with columns and DATA")
        yield "".join(self._lines).encode()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise _wrong(f"has elements nested more than {_DEPTH_MAX} deep")
        if self._depth == 1 and name != "VOTABLE":
            raise _wrong(f"is XML, but not a VOTable: its root is {name[:40]}")
        begin = self._beginnings.get(name)
        if begin is not None and not self._is_done:
            begin(name, attributes)

    def _begin_cell(self, _: str, attributes: Mapping[str, str]) -> None:
        if "encoding" in attributes:
            raise _wrong("has a TD with an encoding, which is not supported; use plain TABLEDATA")
        self._cell, self._cell_length = [], 0

    def _begin_row(self, *_: object) -> None:
        self._cells = []

    def _begin_table(self, *_: object) -> None:
        self._fields.clear()

    def _begin_field(self, _: str, attributes: Mapping[str, str]) -> None:
        if len(self._fields) == COLUMNS_MAX:
            raise _wrong(f"has more than {COLUMNS_MAX} columns (FIELD)")
        self._fields.append(VotField.of(attributes))

    def _begin_values(self, _: str, attributes: Mapping[str, str]) -> None:
        if self._fields:
            self._fields[-1].null = attributes.get("null")

    def _begin_data(self, name: str, _: Mapping[str, str]) -> None:
        self._lines.append(_line(_column_names(self._fields)))
        if name != "TABLEDATA":
            self._binary = _Binary(RowReader(self._fields, has_nulls=name == "BINARY2"))

    def _refuse_data(self, name: str, _: Mapping[str, str]) -> None:
        raise _wrong(f"has its data as {name}, which is not supported; use TABLEDATA or BINARY")

    def _begin_stream(self, _: str, attributes: Mapping[str, str]) -> None:
        if "href" in attributes:
            raise _wrong("refers to external data (href); the data must be in the table itself")
        if attributes.get("encoding") != "base64":
            raise _wrong("has a STREAM that is not base64")

    def _end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        self._depth -= 1
        if self._is_done:
            return
        if name == "TD" and self._cell is not None and self._cells is not None:
            self._add_cell("".join(self._cell))
            self._cell = None
        elif name == "TR" and self._cells is not None:
            self._lines.append(_line(self._cells))
            self._cells = None
        elif name in {"BINARY", "BINARY2"} and self._binary is not None:
            self._lines += map(_line, self._binary.finish())
            self._is_done = True
        elif name == "TABLEDATA":
            self._is_done = True

    def _add_cell(self, text: str) -> None:
        assert self._cells is not None  # noqa: S101 - checked by the caller
        place = len(self._cells)
        # Surplus cells are reported by the row reader.
        field = self._fields[place] if place < len(self._fields) else None
        self._cells.append(text_cell(field, text) if field else text)

    def _text(self, text: str) -> None:
        if self._binary is not None and not self._is_done:
            self._lines += map(_line, self._binary.feed(text))
        elif self._cell is not None:
            self._cell_length += len(text)
            if self._cell_length > _CELL_MAX:
                raise _wrong(f"has a cell of more than {_CELL_MAX} characters")
            self._cell.append(text)


class _Binary:
    """Rows in base64, fed in pieces of any length."""

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows
        self._characters = ""
        self._bytes = bytearray()

    def feed(self, text: str) -> Iterator[list[str]]:
        """Add characters, and yield the rows that are complete."""
        characters = self._characters + "".join(text.split())
        whole = len(characters) - len(characters) % 4
        self._characters = characters[whole:]
        try:
            self._bytes += base64.b64decode(characters[:whole], validate=True)
        except (binascii.Error, ValueError) as error:
            raise _wrong(f"has a STREAM that is not valid base64: {error}") from error
        at = 0
        while at < len(self._bytes):
            found = self._rows.read(self._bytes, at)
            if found is None:
                break
            cells, at = found
            yield cells
        del self._bytes[:at]
        if len(self._bytes) > _ROW_MAX:
            raise _wrong(f"has a row of more than {_ROW_MAX} bytes")

    def finish(self) -> Iterator[list[str]]:
        """Check that the last row is complete."""
        if self._characters or self._bytes:
            raise _wrong("has a STREAM that ends in the middle of a row")
        yield from ()


def _column_names(fields: list[VotField]) -> list[str]:
    """Return the column names; without a named position column, find positions by UCD.

    Raises
    ------
    OptionsError
        If there are no columns, or if a parameter column has a wrong unit.
    """
    if not fields:
        raise _wrong("has a TABLE without columns (FIELD)")
    names = [field.name for field in fields]
    known = {name.strip().upper() for name in names}
    if known.isdisjoint({"RA", "DEC", "COADD_OBJECT_ID"}):
        for name, ucds in _RENAMED.items():
            place = _first_with(ucds, fields)
            if place is not None:
                names[place] = name
    for name, field in zip(names, fields, strict=True):
        spec = PARAMETERS.get(name.strip().upper())
        if spec is not None and spec.unit and field.unit:
            allowed = _UNITS.get(spec.unit, frozenset({spec.unit}))
            if field.unit.strip().lower() not in allowed:
                message = f"unit {field.unit[:40]!r} found; allowed: {spec.unit}"
                raise OptionsError((Fault(message, column=spec.name, found=field.unit[:40]),))
    return names


def _first_with(ucds: tuple[str, ...], fields: list[VotField]) -> int | None:
    for ucd in ucds:
        for place, field in enumerate(fields):
            if field.ucd.strip().lower() == ucd:
                return place
    return None


def _line(cells: list[str]) -> str:
    """Write a line of CSV; quote a single empty cell, since blank lines are skipped."""
    if len(cells) <= 1 and not "".join(cells):
        return '""\n'
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    if not cell or cell.isalnum():
        return cell
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _refuse_doctype(*_: object) -> None:
    raise _wrong("has a DOCTYPE, which is not allowed")


def _wrong(message: str) -> OptionsError:
    return OptionsError((Fault(f"the table {message}", column=TABLE),))
