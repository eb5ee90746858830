import io

import pytest
from typing_extensions import override

from soda_service.request.csvtext import (
    LINE_MAX_BYTES,
    RECORD_LINES_MAX,
    BadLine,
    explain_bytes,
    read_records,
    split_cells,
)


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, as sockets may."""

    def __init__(self, content: bytes, count: int) -> None:
        super().__init__(content)
        self._count = count

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        del size
        return super().read(self._count)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b" \n\t\r\n,", [","]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\r", ["a", "b"]),
        (b"a\n\r\n\n b ", ["a", " b "]),
        (b"\xef\xbb\xbfRA\n1", ["RA", "1"]),
        (b"RA,DEC\\n1,2\\n3,4", ["RA,DEC", "1,2", "3,4"]),
        (b"RA,DEC\\r\\n1,2\\n\n\n", ["RA,DEC", "1,2"]),
        (b"RA,x\n1,a\\nb", ["RA,x", "1,a\\nb"]),
        (b"RA\\n1\n2", ["RA\\n1", "2"]),
        ("é\u2028\x85\n1".encode(), ["é\u2028\x85", "1"]),
        (b'a,"b\nc"\nd', ['a,"b\nc"', "d"]),
        (b'"a\r\n\r\n b "\r\nc', ['"a\n\n b "', "c"]),
        (b'\n "a\r\rb" ,"c\n""d""",\n\ne', [' "a\n\nb" ,"c\n""d""",', "e"]),
        (b'"a\n,b","c\nd"', ['"a\n,b","c\nd"']),
        (b'x,"a\\n""b"\\ny', ['x,"a\n""b"', "y"]),
        (b'5" tall,6" long\n1', ['5" tall,6" long', "1"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("count", [1, 3, 1000])
def test_lines(content: bytes, lines: list[str | BadLine], count: int) -> None:
    assert list(read_records(Trickle(content, count))) == lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (
            b"RA\n1,caf\xe9\n2",
            [
                "RA",
                BadLine("byte 8 of the text (0xE9) is not UTF-8; the text must be UTF-8"),
                "2",
            ],
        ),
        (
            b"\xef\xbb\xbfRA\n\xff",
            [
                "RA",
                BadLine("byte 6 of the text (0xFF) is not UTF-8; the text must be UTF-8"),
            ],
        ),
        (
            b"RA\n1\0\n2",
            [
                "RA",
                BadLine(
                    "character 2 of the line is the control character U+0000, which is not allowed"
                ),
                "2",
            ],
        ),
        (
            "\ufffe\n1".encode(),
            [
                BadLine(
                    "character 1 of the line is the control character U+FFFE, which is not allowed"
                ),
                "1",
            ],
        ),
        (
            b"RA\n" + b"x" * (2 * LINE_MAX_BYTES) + b"\r\n2",
            ["RA", BadLine("the line is longer than 1048576 bytes"), "2"],
        ),
        (
            b"x" * (3 * LINE_MAX_BYTES),
            [BadLine("the line is longer than 1048576 bytes")],
        ),
    ],
    ids=["Latin-1", "after BOM", "NUL", "no character", "long line", "long text"],
)
def test_bad_lines_stand_in_their_place(content: bytes, lines: list[str | BadLine]) -> None:
    assert list(read_records(io.BytesIO(content))) == lines


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b'x,"a\n\n1,2\n3', ['x,"a', "1,2", "3"]),
        (b'x,"a\n1,"b"\n"c\nd"', ['x,"a', '1,"b"', '"c\nd"']),
        (b'"a\n\nb","c\n2\n"d" e\n3', ['"a', 'b","c', "2", '"d" e', "3"]),
        (b'"a"b\n"c\nd"', ['"a"b', '"c\nd"']),
    ],
    ids=["to the end", "badly closed", "closed, opened, badly closed", "on its line"],
)
@pytest.mark.parametrize("count", [1, 1000])
def test_quotes_that_are_not_closed_swallow_no_line(
    content: bytes, records: list[str | BadLine], count: int
) -> None:
    assert list(read_records(Trickle(content, count))) == records


@pytest.mark.parametrize(
    ("line", "count"),
    [("x" * 999, LINE_MAX_BYTES // 1000 + 1), ("", RECORD_LINES_MAX), ('"",""', 200_000)],
    ids=["characters", "lines", "quotes"],
)
def test_a_record_that_is_too_long(line: str, count: int) -> None:
    text = "\n".join(['1,"a', *[line] * count, '"b"', '"c\nd"'])
    first, *others = read_records(io.BytesIO(text.encode()))
    assert first == BadLine(
        "a quoted cell is not closed within 1048576 characters and 10000 lines; "
        'a quote inside a quoted cell must be doubled ("")'
    )
    assert others == [*[line] * (count if line else 0), '"b"', '"c\nd"']


def test_a_long_record_is_read() -> None:
    record = '"' + f"{'x' * 999}\n" * 1000 + '"'
    assert list(read_records(io.BytesIO(f"{record}\n{record}".encode()))) == [record, record]


def test_a_record_with_a_bad_line_is_one() -> None:
    bad = "character 1 of the line is the control character U+0000, which is not allowed"
    assert list(read_records(io.BytesIO(b'1,"a\n\0\nb"\n2'))) == [BadLine(bad), "2"]


@pytest.mark.parametrize(
    ("data", "is_whole", "reason"),
    [
        ("Caf\xe9 \n".encode(), True, ""),
        ("Caf\xe9".encode()[:-1], False, ""),
        (b"Caf\xe9", True, "byte 3 of the text (0xE9) is not UTF-8; the text must be UTF-8"),
        (
            b"my\0job",
            True,
            "character 3 of the text is the control character U+0000, which is not allowed",
        ),
    ],
    ids=["text", "cut off", "Latin-1", "NUL"],
)
def test_explain_bytes(data: bytes, reason: str, *, is_whole: bool) -> None:
    assert explain_bytes(data, is_whole=is_whole) == reason


def test_utf16_is_named() -> None:
    stream = io.BytesIO("RA,DEC\n1,2\n".encode("utf-16"))
    assert next(read_records(stream)) == BadLine("the text is UTF-16; it must be UTF-8")


def test_a_long_line_is_read() -> None:
    line = "x" * (LINE_MAX_BYTES - 1)
    assert list(read_records(io.BytesIO(f"{line}\n{line}".encode()))) == [line, line]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        (" a ,, ", [" a ", "", " "]),
        ('"a","",b', ["a", "", "b"]),
        ('"a, b" , "c"', ["a, b", "c"]),
        ('\t"say ""hi""",', ['say "hi"', ""]),
        ('""""', ['"']),
        ('5" tall,6', ['5" tall', "6"]),
        ('" kept "', [" kept "]),
    ],
    ids=repr,
)
def test_split_cells(line: str, cells: list[str]) -> None:
    assert split_cells(line) == cells


@pytest.mark.parametrize("line", ['"a', 'x,"a,b', '"a"b,c', '"a"" ,b'], ids=repr)
def test_split_cells_refuses_unclosed_quotes(line: str) -> None:
    with pytest.raises(ValueError, match=r"cell [12] starts with a quote but does not end with"):
        split_cells(line)
