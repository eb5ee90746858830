"""CSV as people and programs send it: bytes -> lines -> cells.

Lines come one by one, in bounded memory, with any line ending; what cannot be read comes as a
`BadLine` in its place, so that the lines after it are read all the same. Imports the standard
library only.

The csv module is not used: it does not see quotes behind a blank unless it also drops the blanks
of all other cells, and it lets an unclosed quote swallow the lines that follow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["LINE_MAX_BYTES", "BadLine", "read_lines", "split_cells"]

LINE_MAX_BYTES = 2**20
"""Longer lines are not kept in memory; a little longer ones may pass."""

_BLOCK_BYTES = 2**18
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

# What is neither text nor could be written into an XML document (XML 1.0, 2.2).
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LITERAL_ENDING = re.compile(r"(?:\\r)?\\n")
_QUOTED = re.compile(r'[ \t]*"([^"]*(?:""[^"]*)*)"[ \t]*(?=,|\Z)')
_OPENED = re.compile(r'[ \t]*"')


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read."""

    message: str
    """Why, and what is allowed."""


def read_lines(stream: BinaryIO) -> Iterator[str | BadLine]:
    r"""Read the lines of a text that are not blank, without their endings.

    A text of one line is also split where a backslash and an ``n`` stand, which is what a shell
    makes of ``"RA,DEC\n46.2,-34.2"``.

    Parameters
    ----------
    stream
        UTF-8 with or without byte order mark; lines end in LF, CR LF or CR.
    """
    lines = _lines(stream)
    first = next(lines, None)
    if first is None:
        return
    second = next(lines, None)
    if second is None:
        if isinstance(first, str):
            yield from (line for line in _LITERAL_ENDING.split(first) if line.strip())
        else:
            yield first
        return
    yield first
    yield second
    yield from lines


def split_cells(line: str) -> list[str]:
    """Split a line at its commas; a cell in quotes loses them and the blanks around them.

    Other cells are kept as they are, blanks included.

    Raises
    ------
    ValueError
        If a cell begins with a quote that is not closed at the cell's end.
    """
    if '"' not in line:
        return line.split(",")
    cells: list[str] = []
    at = 0
    while True:
        if quoted := _QUOTED.match(line, at):
            cells.append(quoted[1].replace('""', '"'))
            at = quoted.end()
        elif _OPENED.match(line, at):
            raise ValueError(
                f"cell {len(cells) + 1} begins with a quote but does not end with one on the same "
                'line, before the next comma; quotes inside quotes are doubled ("")'
            )
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            cells.append(line[at:end])
            at = end
        if at == len(line):
            return cells
        at += 1


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
        if _CONTROL.search(text):
            yield from _lines_one_by_one(offset + len(piece) - len(body), body)
            continue
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if line and not line.isspace():
                yield line


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
        if cut := max(pending.rfind(b"\n"), pending.rfind(b"\r")) + 1:
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
            yield BadLine(_explain(raw, offset, error.start))
        else:
            if control := _CONTROL.search(line):
                code = f"U+{ord(control[0]):04X}"
                where = f"character {control.start() + 1} of the line"
                yield BadLine(f"{where} is the control character {code}; only text is allowed")
            elif line and not line.isspace():
                yield line
        offset += len(raw)


def _explain(raw: bytes, offset: int, at: int) -> str:
    if offset == 0 and raw.startswith(_UTF16_BOMS):
        return "the text is UTF-16; it must be UTF-8"
    return f"byte {offset + at} of the text (0x{raw[at]:02X}) is not UTF-8; the text must be UTF-8"
