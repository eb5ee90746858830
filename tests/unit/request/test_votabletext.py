"""Positions tables in VOTable: the same rows as the CSV that says the same."""

import base64
import io
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from soda_service.errors import OptionsError
from soda_service.request.options import complete_options
from soda_service.request.positions import open_positions
from soda_service.request.rows import check_rows
from soda_service.request.values import PositionRow
from soda_service.request.votabletext import csv_of
from tests.cpu import cpu_limit
from tests.synthetic import RELEASE

OPTIONS = complete_options(RELEASE, {"COLORS_FITS": "g"})
STREAM = '<DATA><BINARY><STREAM encoding="base64">{}</STREAM></BINARY></DATA>'
HEAD = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
TAIL = "</TABLE></RESOURCE></VOTABLE>"
RA_DEC = '<FIELD name="RA" datatype="double"/><FIELD name="DEC" datatype="double"/>'


def csv(document: str | bytes) -> str:
    content = document.encode() if isinstance(document, str) else document
    with csv_of(io.BytesIO(content)) as stream:
        return stream.read().decode()


def votable(fields: str, *rows: str) -> str:
    lines = "".join(f"<TR>{''.join(f'<TD>{c}</TD>' for c in row.split('|'))}</TR>" for row in rows)
    return f"{HEAD}{fields}<DATA><TABLEDATA>{lines}</TABLEDATA></DATA>{TAIL}"


def written(table: Table, serialisation: str) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(buffer, format="votable", tabledata_format=serialisation)
    return buffer.getvalue()


SERIALISATIONS = ["tabledata", "binary", "binary2"]


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
def test_what_astropy_writes_is_read_without_loss(serialisation: str) -> None:
    values = [46.275669, 1e-300, 0.1, -0.0, 359.99999999999994]
    floats = np.array([0.1, 1 / 3, 1e-38, 3.4e38, 16777217], dtype=np.float32)
    table = Table(
        {
            "RA": np.abs(values),
            "DEC": values,
            "f": floats,
            "COADD_OBJECT_ID": np.array([2**63 - 1, 0, 1, 2, 3]),
            "s": np.array([-(2**15), 0, 1, 2, 3], dtype=np.int16),
            "b": np.array([0, 1, 2, 3, 255], dtype=np.uint8),
            "name": ["plain", "a,b", 'say "x"', " blank ", "two\nlines"],
            "ü": ["\u03b1", "é", "日本", "", "\U0001d6fc"],
            "ok": [True, False, True, False, True],
        }
    )
    records = csv(written(table, serialisation))
    read = Table.read(records, format="ascii.csv", converters={"*": [str]}, fill_values=None)
    assert read.colnames == table.colnames
    assert [float(text) for text in read["RA"]] == list(table["RA"])
    assert [float(text) for text in read["DEC"]] == values
    assert [np.float32(text) for text in read["f"]] == list(floats)
    assert [int(text) for text in read["COADD_OBJECT_ID"]] == [2**63 - 1, 0, 1, 2, 3]
    assert [int(text) for text in read["s"]] == [-(2**15), 0, 1, 2, 3]
    assert [int(text) for text in read["b"]] == [0, 1, 2, 3, 255]
    assert '"a,b"' in records
    assert '"say ""x"""' in records
    assert "日本" in records
    assert list(read["ok"]) == ["1", "0", "1", "0", "1"]


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
def test_no_value_is_an_empty_cell(serialisation: str) -> None:
    table = Table({"RA": [np.nan, 30.0], "DEC": [np.nan, -20.0]})
    table["COADD_OBJECT_ID"] = MaskedColumn([5, -99], mask=[False, True], fill_value=-99)
    document = written(table, "tabledata") if serialisation == "tabledata" else b""
    if not document:
        from astropy.io.votable import from_table

        tree = from_table(table)
        tree.get_first_table().fields[2].values.null = -99
        buffer = io.BytesIO()
        tree.to_xml(buffer, tabledata_format=serialisation)
        document = buffer.getvalue()
    first, second = list(open_positions(csv_of(io.BytesIO(document)), RELEASE, OPTIONS))
    assert isinstance(first, PositionRow)
    assert isinstance(second, PositionRow)
    assert (first.ra_deg, first.object_id) == (None, 5)
    assert (second.ra_deg, second.dec_deg, second.object_id) == (30.0, -20.0, None)


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        ('<FIELD name="a" datatype="boolean"/>', "T", "true"),
        ('<FIELD name="a" datatype="boolean"/>', "0", "false"),
        ('<FIELD name="a" datatype="boolean"/>', "?", '""'),
        ('<FIELD name="a" datatype="int"><VALUES null="-1"/></FIELD>', "-1", '""'),
        ('<FIELD name="a" datatype="int"><VALUES null="-1"/></FIELD>', " 7 ", "7"),
        ('<FIELD name="a" datatype="float"/>', "NaN", '""'),
        ('<FIELD name="a" datatype="char" arraysize="*"/>', "NaN", "NaN"),
        ('<FIELD name="a" datatype="char" arraysize="*"/>', "&lt;&amp;&#233;", "<&é"),
        ('<FIELD name="a" datatype="char" arraysize="*"/>', "<![CDATA[a<b]]>", "a<b"),
        ('<FIELD name="a" datatype="double" arraysize="2"/>', "1 2", "1 2"),
        ('<FIELD ID="a" datatype="int"/>', "1", "1"),
    ],
)
def test_cells(fields: str, row: str, expected: str) -> None:
    assert csv(votable(fields, row)) == f"a\n{expected}\n"


UCDS = (
    '<FIELD name="lon" ucd="pos.eq.ra;meta.main" unit="deg" datatype="double"/>'
    '<FIELD name="lat" ucd="pos.eq.dec;meta.main" unit="degrees" datatype="double"/>'
)


def test_positions_are_found_by_their_ucds() -> None:
    assert csv(votable(UCDS, "30|-20")) == "RA,DEC\n30,-20\n"
    old = UCDS.replace("pos.eq.ra;meta.main", "POS_EQ_RA_MAIN").replace(
        "pos.eq.dec;meta.main", "POS_EQ_DEC_MAIN"
    )
    assert csv(votable(old, "30|-20")) == "RA,DEC\n30,-20\n"


def test_a_name_counts_more_than_a_ucd() -> None:
    fields = UCDS + RA_DEC
    assert csv(votable(fields, "1|2|30|-20")).startswith("lon,lat,RA,DEC\n")


@pytest.mark.parametrize("unit", ["hourangle", "rad", "arcsec"])
def test_a_position_in_other_units_is_refused(unit: str) -> None:
    with pytest.raises(OptionsError, match=rf"RA: unit '{unit}' found; allowed: deg"):
        csv(votable(UCDS.replace('unit="deg"', f'unit="{unit}"'), "1|2"))


def test_a_size_in_other_units_is_refused() -> None:
    fields = RA_DEC + '<FIELD name="xsize" unit="arcsec" datatype="double"/>'
    with pytest.raises(OptionsError, match=r"XSIZE: unit 'arcsec' found; allowed: arcmin"):
        csv(votable(fields, "1|2|3"))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("<html><body>Not found</body></html>", "is XML, but not a VOTable: its root is html"),
        (HEAD, "is not well-formed XML"),
        (f"{HEAD}{TAIL}", "has no TABLE with columns and DATA"),
        (f"{HEAD}{RA_DEC}{TAIL}", "has no TABLE with columns and DATA"),
        (f"{HEAD}<DATA><TABLEDATA/></DATA>{TAIL}", "has a TABLE without columns"),
        (f"{HEAD}{RA_DEC}<DATA><FITS/></DATA>{TAIL}", "has its data as FITS, which is not"),
        (
            f'{HEAD}{RA_DEC}<DATA><BINARY><STREAM href="http://x/"/></BINARY></DATA>{TAIL}',
            "refers to external data",
        ),
        (
            f"{HEAD}{RA_DEC}<DATA><BINARY><STREAM>AAAA</STREAM></BINARY></DATA>{TAIL}",
            "has a STREAM that is not base64",
        ),
        (f"{HEAD}{RA_DEC}{STREAM.format('!!!!')}{TAIL}", "has a STREAM that is not valid base64"),
        (f"{HEAD}{RA_DEC}{STREAM.format('AAAA')}{TAIL}", "has a STREAM that ends in the middle"),
        (votable(RA_DEC, "1|2").replace("<TD>", '<TD encoding="base64">'), "has a TD with an enc"),
        ("<a>" * 200, "is XML, but not a VOTable"),
        ("<VOTABLE>" * 200, "nested more than 100 deep"),
        ('<!DOCTYPE V [<!ENTITY a "b">]><VOTABLE/>', "has a DOCTYPE, which is not allowed"),
        ('<!DOCTYPE V SYSTEM "file:///etc/passwd"><VOTABLE/>', "has a DOCTYPE"),
        ("<VOTABLE>&a;</VOTABLE>", "is not well-formed XML"),
        (votable('<FIELD name="a" datatype="quad"/>', "1").replace("TABLEDATA", "BINARY"),
         "column 'a' has the unknown datatype 'quad'"),
        (votable('<FIELD name="a" datatype="int" arraysize="x"/>', "1").replace(
            "TABLEDATA", "BINARY"), "column 'a' has the unknown arraysize 'x'"),
        (votable(RA_DEC * 501, "1"), "has more than 1000 columns (FIELD)"),
        (votable(RA_DEC, "x" * 2_000_000), "has a cell of more than 1048576 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(document: str, told: str) -> None:
    with pytest.raises(OptionsError) as refused:
        csv(document)
    assert told in str(refused.value)


def binary(fields: str, content: bytes, kind: str = "BINARY") -> str:
    stream = STREAM.replace("BINARY", kind).format(base64.b64encode(content).decode())
    return f"{HEAD}{fields}{stream}{TAIL}"


def sized(*sizes: str, datatype: str = "int") -> str:
    return "".join(
        f'<FIELD name="{name}" datatype="{datatype}" arraysize="{size}"/>'
        for name, size in zip("abcdef", sizes, strict=False)
    )


@pytest.mark.parametrize(
    "size", ["-1", "-1x-1", "2x-3", "x", "1_0", "1.5", "\u0663", "9x" * 50 + "9"]
)
@pytest.mark.parametrize("kind", ["BINARY", "BINARY2"])
def test_arraysizes_that_are_no_numbers_are_refused(size: str, kind: str) -> None:
    with pytest.raises(OptionsError) as refused, cpu_limit(5):
        csv(binary(sized(size), b"12345678", kind))
    told = f"the table's column 'a' has the unknown arraysize {size[:40]!r}; allowed: integers"
    assert told in str(refused.value)


@pytest.mark.parametrize("sizes", [("0",), ("0", "0x5"), ("0",) * 5])
@pytest.mark.parametrize("datatype", ["int", "bit", "char"])
def test_rows_without_bytes_are_refused(sizes: tuple[str, ...], datatype: str) -> None:
    told = r"rows are empty; .* arraysize of 1 or more"
    with pytest.raises(OptionsError, match=told), cpu_limit(5):
        csv(binary(sized(*sizes, datatype=datatype), b"123"))


@pytest.mark.parametrize(
    ("sizes", "kind", "content", "expected"),
    [
        (("0", ""), "BINARY", b"\0\0\0\7\0\0\0\10", "a,b\n,7\n,8\n"),
        (("", "0"), "BINARY2", b"\0\0\0\0\7\x80\0\0\0\10", "a,b\n7,\n,\n"),
        (("0",), "BINARY2", b"\0\0", 'a\n""\n""\n'),
        (("2", "2x1"), "BINARY", b"\0\0\0\1" * 4, "a,b\n1 1,1 1\n"),
        (("*", "2x*"), "BINARY", b"\0\0\0\0\0\0\0\2" + b"\0\0\0\1" * 2, "a,b\n,1 1\n"),
    ],
)
def test_cells_of_some_and_of_no_elements(
    sizes: tuple[str, ...], kind: str, content: bytes, expected: str
) -> None:
    assert csv(binary(sized(*sizes), content, kind)) == expected


def test_marks_of_nulls_that_are_cut_are_no_row() -> None:
    fields = sized("0") + sized("0") * 8
    with pytest.raises(OptionsError, match="ends in the middle"):
        csv(binary(fields, b"\0\0\0", "BINARY2"))


def test_a_long_row_is_read_once_though_it_comes_in_pieces() -> None:
    fields = sized("20000", datatype="unsignedByte") * 200
    with cpu_limit(10):
        assert csv(binary(fields, b"1" * 4_000_000)).count("49") == 4_000_000


def test_faults_name_row_and_column() -> None:
    document = votable(RA_DEC, "30|-20", "30|95", "|")
    stream = csv_of(io.BytesIO(document.encode()))
    found = check_rows(open_positions(stream, RELEASE, OPTIONS), rows_max=9)
    assert [(fault.row, fault.column) for fault in found.faults] == [(2, "DEC"), (3, None)]
    assert found.rows == 3


def test_only_the_first_table_counts() -> None:
    document = votable(RA_DEC, "30|-20").replace(TAIL, f"</TABLE>{votable(RA_DEC, '1|2')}")
    document = document.replace(HEAD, "", 1).replace(HEAD, "<TABLE>")
    document = f"{HEAD}{document}"
    assert csv(document) == "RA,DEC\n30,-20\n"


@pytest.mark.parametrize("mark", ["", "\ufeff", "\n  ", '<?xml version="1.0"?>\n'])
def test_votables_are_known_by_their_beginning(mark: str) -> None:
    assert csv(mark + votable(RA_DEC, "30|-20")) == "RA,DEC\n30,-20\n"


def test_other_encodings_are_read() -> None:
    document = votable('<FIELD name="é" datatype="int"/>', "1")
    assert csv(document.encode("utf-16")) == "é\n1\n"
    latin = f'<?xml version="1.0" encoding="iso-8859-1"?>{document}'
    assert csv(latin.encode("iso-8859-1")) == "é\n1\n"


@pytest.mark.parametrize("text", ["RA,DEC\n1,2\n", "", " \n", "x", "\ufeffRA,DEC\n1,2\n"])
def test_csv_stays_as_it_is(text: str) -> None:
    assert csv(text) == text


def rows_of(count: int) -> NDArray[np.float64]:
    return np.stack([np.linspace(0, 359, count), np.linspace(-80, 80, count)], axis=-1)


@pytest.mark.parametrize("serialisation", SERIALISATIONS)
def test_a_long_table_is_read_in_pieces(serialisation: str) -> None:
    rows = rows_of(20_000)
    table = Table({"RA": rows[:, 0], "DEC": rows[:, 1]})
    read = list(open_positions(csv_of(io.BytesIO(written(table, serialisation))), RELEASE,
                               OPTIONS))  # fmt: skip
    assert len(read) == 20_000
    last = read[-1]
    assert isinstance(last, PositionRow)
    assert (last.ra_deg, last.dec_deg) == (359.0, 80.0)


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
@pytest.mark.parametrize("form", ["votable-tabledata", "votable-binary-inline",
                                  "votable-binary2-inline"])  # fmt: skip
def test_what_topcat_writes_is_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "in.csv").write_text('RA,DEC,name,ok\n30.5,-20.25,"a,b",true\n31,-21,,false\n')
    command = ["stilts", "tpipe", f"in={tmp_path}/in.csv", "ifmt=csv", f"ofmt={form}"]
    made = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert csv(made) == 'RA,DEC,name,ok\n30.5,-20.25,"a,b",true\n31.0,-21.0,,false\n'
