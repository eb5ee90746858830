"""CSV as people and programs send it: bytes -> lines -> records -> cells.

A record is a line, or several where a cell in quotes goes on in the next (RFC 4180). Records come
one by one, in bounded memory, with any line ending; what cannot be read comes as a `BadLine` in
its place, so that what follows is read all the same.

The csv module is not used: it does not see quotes behind a blank unless it also drops the blanks
of all other cells, and it lets an unclosed quote swallow the lines that follow.
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
"""Longer lines are not kept in memory; a little longer ones may pass. A record of several lines
has at most so many characters."""

RECORD_LINES_MAX = 10_000
"""Lines of one record; each that is kept takes some memory, however short it is."""

_BLOCK_BYTES = 2**18
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

_LITERAL_ENDING = re.compile(r"(?:\\r)?\\n")
_QUOTED = re.compile(r'[ \t]*"([^"]*(?:""[^"]*)*)"[ \t]*(?=,|\Z)')
_OPENED = re.compile(r'[ \t]*"')
_REST = re.compile(r'[^"]*(?:""[^"]*)*("[ \t]*(?=,|\Z))?')
_NOT_CLOSED = (
    f"a cell begins with a quote that is not closed within {LINE_MAX_BYTES} characters and "
    f'{RECORD_LINES_MAX} lines; quotes inside quotes are doubled ("")'
)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line or record that cannot be read."""

    message: str
    """Why, and what is allowed."""


def read_records(stream: BinaryIO) -> Iterator[str | BadLine]:
    r"""Read the records of a text that are not blank, without their endings.

    Line breaks inside quotes become LF. A quote that is not closed at the end of a line, nor
    properly on a later one, leaves each line a record of its own.

    A text of one line is also split where a backslash and an ``n`` stand, which is what a shell
    makes of ``"RA,DEC\n46.2,-34.2"``.

    Parameters
    ----------
    stream
        UTF-8 with or without byte order mark; lines end in LF, CR LF or CR.
    """
    return _joined(_unfolded(_lines(stream)))


def split_cells(record: str) -> list[str]:
    """Split a record at its commas; a cell in quotes loses them and the blanks around them.

    Other cells are kept as they are, blanks included.

    Raises
    ------
    ValueError
        If a cell begins with a quote that is not closed at the cell's end.
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
                f"cell {len(cells) + 1} begins with a quote but does not end with one before the "
                'next comma or end of line; quotes inside quotes are doubled ("")'
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
    """Say why bytes are no text; empty where they are.

    Parameters
    ----------
    data
        Should be UTF-8.
    is_whole
        False if the last character may have been cut in two.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=is_whole)
    except UnicodeDecodeError as error:
        return _explain_encoding(data, 0, error.start)
    return _explain_control(text, "text")


class _End(Enum):
    """What the end of a line is for the record that it belongs to."""

    CLOSED = auto()
    """The record's end."""

    OPEN = auto()
    """Within quotes: the record goes on."""

    BAD = auto()
    """Of neither kind: a quote is closed before the end of its cell."""


def _unfolded(lines: Iterator[str | BadLine]) -> Iterator[str | BadLine]:
    """Split the one line of a text where a backslash and an n stand."""
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
    """Put lines together whose breaks stand in quotes; leave out blank ones elsewhere."""
    for line in lines:
        start: str | None = None
        # Where quotes come in pairs the line is whole (but for `5" tall,"..`, a fault then).
        # Looking closer at each line would make tables that are all in quotes slower by 40 %.
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
    """Read what follows a line that ends within quotes.

    Returns
    -------
    found
        The record; or, where its quotes are not closed, the lines, each on its own. So each line
        is looked at twice at most, whatever the text.
    next_line
        A line that may begin a record again, or None.
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
    """Find out whether a record ends with a line, which may begin within quotes."""
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
    """Give the place behind the rest of a quoted cell, and whether its quotes are closed there."""
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
    """Cut a stream into pieces of whole lines, with the offset of each; None: too long a line."""
    pending, offset, is_skipping = b"", 0, False
    while block := stream.read(_BLOCK_BYTES):
        if is_skipping:
            start = _first_ending(block)
            offset += start
            is_skipping = start == len(block)
            block = block[start:]
        pending += block
        # A CR at the end of what has come may be the first half of an ending.
        if cut := max(pending.rfind(b"\n"), pending.rfind(b"\r", 0, -1)) + 1:
            yield offset, pending[:cut]
            offset, pending = offset + cut, pending[cut:]
        if len(pending) > LINE_MAX_BYTES:
            yield offset, None
            offset, pending, is_skipping = offset + len(pending), b"", True
    if pending:
        yield offset, pending


def _first_ending(block: bytes) -> int:
    """Give the place of the first line ending, or the block's length."""
    places = [place for place in (block.find(b"\n"), block.find(b"\r")) if place >= 0]
    return min(places, default=len(block))


def _lines_one_by_one(offset: int, piece: bytes) -> Iterator[str | BadLine]:
    """Read a piece in which something is wrong: the good lines, and why the others are not."""
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
    return f"{where} is the control character U+{ord(control[0]):04X}; only text is allowed"


def _explain_encoding(raw: bytes, offset: int, at: int) -> str:
    if offset == 0 and raw.startswith(_UTF16_BOMS):
        return "the text is UTF-16; it must be UTF-8"
    return f"byte {offset + at} of the text (0x{raw[at]:02X}) is not UTF-8; the text must be UTF-8"
