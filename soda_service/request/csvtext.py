"""CSV as people and programs send it: bytes -> lines -> records -> cells.

A record is one line, or several if a quoted cell contains line breaks (RFC 4180). Records are read
one at a time, in bounded memory, with any line ending. A record that cannot be read becomes a
`BadLine` in its place, and reading goes on with the next one.

The csv module is not used: it does not recognise quotes after a blank unless it strips the blanks
of all cells, and an unclosed quote makes it swallow the lines that follow.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import repeat
from typing import BinaryIO

from uws.dali import ILLEGAL_IN_XML

__all__ = [
    "LINE_MAX_BYTES",
    "RECORD_LINES_MAX",
    "BadLine",
    "explain_bytes",
    "read_records",
    "split_cells",
]

LINE_MAX_BYTES = 2**20
"""Largest length of a line, enforced approximately, and largest number of characters of a record
of several lines."""

RECORD_LINES_MAX = 10_000
"""Largest number of lines of one record, since even short lines take memory."""

_BLOCK_BYTES = 2**18
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

_LITERAL_ENDING = re.compile(r"(?:\\r)?\\n")
_QUOTED = re.compile(r'[ \t]*"([^"]*(?:""[^"]*)*)"[ \t]*(?=,|\Z)')
_OPENED = re.compile(r'[ \t]*"')
_REST = re.compile(r'[^"]*(?:""[^"]*)*("[ \t]*(?=,|\Z))?')
_NOT_CLOSED = (
    f"a quoted cell is not closed within {LINE_MAX_BYTES} characters and {RECORD_LINES_MAX} lines; "
    'a quote inside a quoted cell must be doubled ("")'
)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line or record that cannot be read."""

    message: str
    """What is wrong, and what is allowed."""


def read_records(stream: BinaryIO) -> Iterator[str | BadLine]:
    r"""Read the records of a text without their line endings; skip blank ones.

    Line breaks inside quotes become LF. If a quote is not closed properly on the same line or a
    later one, each of these lines is a record of its own.

    If the text is a single line, a backslash followed by ``n`` also ends a line: this is what a
    shell makes of ``"RA,DEC\n46.2,-34.2"``.

    Parameters
    ----------
    stream
        UTF-8 with or without byte order mark; lines end in LF, CR LF or CR.
    """
    return _joined(_unfolded(_lines(stream)))


def split_cells(record: str) -> list[str]:
    """Split a record at its commas.

    Quotes and the blanks around them are removed. Other cells keep their blanks.

    Raises
    ------
    ValueError
        If a cell starts with a quote that is not closed at its end.
    """
    if '"' not in record:
        return record.split(",")
    cells: list[str] = []
    at = 0
    while True:
        if quoted := _QUOTED.match(record, at):
            cells.append(quoted[1].replace('""', '"'))
            at = quoted.end()
        elif _OPENED.match(record, at):
            raise ValueError(
                f"cell {len(cells) + 1} starts with a quote but does not end with one before the "
                'next comma or line end; a quote inside a quoted cell must be doubled ("")'
            )
        else:
            end = record.find(",", at)
            end = len(record) if end < 0 else end
            cells.append(record[at:end])
            at = end
        if at == len(record):
            return cells
        at += 1


def explain_bytes(data: bytes, *, is_whole: bool) -> str:
    """Explain why bytes are not valid text; return an empty text if they are.

    Parameters
    ----------
    data
        Bytes that should be UTF-8.
    is_whole
        False if the last character may be incomplete.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=is_whole)
    except UnicodeDecodeError as error:
        return _explain_encoding(data, 0, error.start)
    return _explain_control(text, "text")


class _End(Enum):
    """State of a record at the end of a line."""

    CLOSED = auto()
    """The record ends here."""

    OPEN = auto()
    """Inside quotes: the record continues."""

    BAD = auto()
    """Invalid: a quote is closed before the end of its cell."""


def _unfolded(lines: Iterator[str | BadLine]) -> Iterator[str | BadLine]:
    r"""Split the only line of a text at each literal ``\n``."""
    first = next(filter(_has_text, lines), "")
    for blanks, second in enumerate(lines):
        if _has_text(second):
            yield first
            yield from repeat("", blanks)
            yield second
            yield from lines
            return
    yield from _LITERAL_ENDING.split(first) if isinstance(first, str) else (first,)


def _has_text(line: str | BadLine) -> bool:
    return isinstance(line, BadLine) or bool(line and not line.isspace())


def _joined(lines: Iterator[str | BadLine]) -> Iterator[str | BadLine]:
    """Join lines whose line breaks are inside quotes; drop other blank lines."""
    for line in lines:
        start: str | None = None
        # An even number of quotes means that the line is complete (except for `5" tall,"..`, which
        # becomes a fault). Checking every line in detail would slow down fully quoted tables by
        # 40 %.
        if isinstance(line, str) and line.count('"') % 2:
            start = line
        elif _has_text(line):
            yield line
        while start is not None:
            if _end_of(start) is _End.OPEN:
                found, start = _read_on(start, lines)
                yield from found
            else:
                yield start
                start = None


def _read_on(first: str, lines: Iterator[str | BadLine]) -> tuple[list[str | BadLine], str | None]:
    """Read the rest of a record whose first line ends inside quotes.

    Returns
    -------
    found
        The record, or its lines one by one if its quotes are not closed. So each line is examined
        at most twice, whatever the text.
    next_line
        A line that may start another record, or None.
    """
    held: list[str | BadLine] = [first]
    length = len(first)
    for line in lines:
        if isinstance(line, str):
            end = _end_of(line, is_open=True)
            if end is _End.BAD:
                return list(filter(_has_text, held)), line
            length += 1 + len(line)
        else:
            end = _End.OPEN
        held.append(line)
        if length > LINE_MAX_BYTES or len(held) > RECORD_LINES_MAX:
            held[0] = BadLine(_NOT_CLOSED)
            break
        if end is _End.CLOSED:
            bad = next((line for line in held if isinstance(line, BadLine)), None)
            return [bad or "\n".join(map(str, held))], None
    return list(filter(_has_text, held)), None


def _end_of(line: str, *, is_open: bool = False) -> _End:
    """Return the state of a record at the end of a line, which may start inside quotes."""
    at = 0
    while True:
        if not is_open and (opened := _OPENED.match(line, at)):
            is_open, at = True, opened.end()
        if is_open:
            at, is_closed = _skip_quoted(line, at)
            if not is_closed:
                return _End.OPEN if at == len(line) else _End.BAD
            is_open = False
        else:
            end = line.find(",", at)
            at = len(line) if end < 0 else end
        if at == len(line):
            return _End.CLOSED
        at += 1


def _skip_quoted(line: str, at: int) -> tuple[int, bool]:
    """Return the index after the rest of a quoted cell, and whether its quotes are closed there."""
    rest = _REST.match(line, at)
    return (rest.end(), rest[1] is not None) if rest else (at, False)


def _lines(stream: BinaryIO) -> Iterator[str | BadLine]:
    for offset, piece in _pieces(stream):
        if piece is None:
            yield BadLine(f"the line is longer than {LINE_MAX_BYTES} bytes")
            continue
        body = piece.removeprefix(_BOM) if offset == 0 else piece
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = "\0"
        if ILLEGAL_IN_XML.search(text):
            yield from _lines_one_by_one(offset + len(piece) - len(body), body)
            continue
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines[-1]:
            lines.pop()
        yield from lines


def _pieces(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Split a stream into pieces of whole lines with their offsets; None for a line too long."""
    pending, offset, is_skipping = b"", 0, False
    while block := stream.read(_BLOCK_BYTES):
        if is_skipping:
            start = _first_ending(block)
            offset += start
            is_skipping = start == len(block)
            block = block[start:]
        pending += block
        # A CR at the end of the data read so far may be the first half of CR LF.
        if cut := max(pending.rfind(b"\n"), pending.rfind(b"\r", 0, -1)) + 1:
            yield offset, pending[:cut]
            offset, pending = offset + cut, pending[cut:]
        if len(pending) > LINE_MAX_BYTES:
            yield offset, None
            offset, pending, is_skipping = offset + len(pending), b"", True
    if pending:
        yield offset, pending


def _first_ending(block: bytes) -> int:
    """Return the index of the first line ending, or the length of the block."""
    places = [place for place in (block.find(b"\n"), block.find(b"\r")) if place >= 0]
    return min(places, default=len(block))


def _lines_one_by_one(offset: int, piece: bytes) -> Iterator[str | BadLine]:
    """Read a piece with invalid characters: valid lines as text, others as `BadLine`."""
    for raw in piece.splitlines(keepends=True):
        try:
            line = raw.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield BadLine(_explain_encoding(raw, offset, error.start))
        else:
            control = _explain_control(line, "line")
            yield BadLine(control) if control else line
        offset += len(raw)


def _explain_control(text: str, what: str) -> str:
    control = ILLEGAL_IN_XML.search(text)
    if control is None:
        return ""
    where = f"character {control.start() + 1} of the {what}"
    return f"{where} is the control character U+{ord(control[0]):04X}, which is not allowed"


def _explain_encoding(raw: bytes, offset: int, at: int) -> str:
    if offset == 0 and raw.startswith(_UTF16_BOMS):
        return "the text is UTF-16; it must be UTF-8"
    return f"byte {offset + at} of the text (0x{raw[at]:02X}) is not UTF-8; the text must be UTF-8"
