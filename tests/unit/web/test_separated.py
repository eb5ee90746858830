"""Tables as CSV and TSV."""

import csv
import io

import pytest

from soda_service.formats.votable import Field
from soda_service.web.sia2 import write_separated

FIELDS = (Field("a", "int"), Field("b", "char", "*"))


def test_cells_are_quoted_where_needed() -> None:
    rows = [["1", 'x,"y"'], ["", "l\nm"]]
    assert b"".join(write_separated(FIELDS, rows, delimiter=",")) == (
        b'a,b\r\n1,"x,""y"""\r\n,"l\nm"\r\n'
    )
    assert b"".join(write_separated(FIELDS, [["1", "x,y"]], delimiter="\t")) == (
        b"a\tb\r\n1\tx,y\r\n"
    )


@pytest.mark.parametrize("count", [0, 199, 200, 201, 1000])
def test_every_row_is_written_once(count: int) -> None:
    rows = [[str(n), f"é{n}"] for n in range(count)]
    text = b"".join(write_separated(FIELDS, rows, delimiter=",")).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], *rows]
