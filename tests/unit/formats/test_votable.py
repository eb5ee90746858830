"""Documents: whole ones as they are written, what must be escaped, validity, and readers."""

import io
from collections.abc import Callable

import pytest
from astropy.io.votable import parse

from soda_service.formats.votable import (
    Descriptor,
    Field,
    Info,
    Param,
    Table,
    error_votable,
    write_votable,
)

NASTY = 'a<b>&"c"\r\n\t]]>\x00\x1fé'
TABLE = Table("t", (Field("n", "int"), Field("text", "char", "*")))


def written(*args: object, **options: object) -> bytes:
    return b"".join(write_votable(*args, **options))


def test_dali_27_a_whole_document() -> None:
    column = Field("RA", "double", "", "deg", "pos.eq.ra", "u:a", "", "Where", id="ra", ref="icrs")
    table = Table(
        "t", (column,), (Info("note", "1", "x"),), {"COOSYS": {"ID": "icrs", "system": "ICRS"}}, "T"
    )
    assert written(table, [["1.5"], [""]]).decode() == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        '<RESOURCE type="results">\n'
        "<DESCRIPTION>T</DESCRIPTION>\n"
        '<INFO name="QUERY_STATUS" value="OK"/>\n'
        '<INFO name="note" value="1">x</INFO>\n'
        '<COOSYS ID="icrs" system="ICRS"/>\n'
        '<TABLE name="t">\n'
        '<FIELD ID="ra" name="RA" ref="icrs" datatype="double" unit="deg" ucd="pos.eq.ra"'
        ' utype="u:a"><DESCRIPTION>Where</DESCRIPTION>\n</FIELD>\n'
        "<DATA><TABLEDATA>\n"
        "<TR><TD>1.5</TD></TR>\n<TR><TD></TD></TR>\n"
        "</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
    )


def test_dali_28_overflow_is_told_after_the_table() -> None:
    document = written(TABLE, [["1", "a"]], is_cut=True).decode()
    before, after = document.split("</TABLE>")
    assert 'name="QUERY_STATUS" value="OK"' in before
    assert after.startswith('\n<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n</RESOURCE>')


def test_dali_29_an_error_has_no_table(validate_xml: Callable[[bytes], None]) -> None:
    document = error_votable("UsageFault: POS=<x> & more")
    assert document.decode().splitlines()[2:] == [
        '<RESOURCE type="results">',
        '<INFO name="QUERY_STATUS" value="ERROR">UsageFault: POS=&lt;x&gt; &amp; more</INFO>',
        "</RESOURCE>",
        "</VOTABLE>",
    ]
    validate_xml(document)
    validate_xml(error_votable(NASTY))


DESCRIPTOR = Descriptor(
    "cut",
    "http://h/sync?a=1&b=2",
    (
        Param(Field("ID", "char", "*", ref="did")),
        Param(Field("BAND", "double", "2", "m", xtype="interval"), "", "4e-7", "9e-7"),
        Param(Field("POL", "char", "*"), options=("I", "<Q>")),
        Param(Field("Q", "double", description="Softening"), "10.0"),
    ),
    "ivo://ivoa.net/std/SODA#sync-1.0",
    "Cuts",
    "application/fits",
    id="soda",
    example_urls=("http://h/sync?x", "http://h/sync?y"),
)


def test_soda_30_dl_18_19_20_a_descriptor() -> None:
    document = written(TABLE, [], [DESCRIPTOR]).decode()
    assert document.partition("</TABLE>\n</RESOURCE>\n")[2] == (
        '<RESOURCE ID="soda" name="cut" type="meta" utype="adhoc:service">\n'
        "<DESCRIPTION>Cuts</DESCRIPTION>\n"
        '<PARAM name="accessURL" datatype="char" arraysize="*" value="http://h/sync?a=1&amp;b=2"/>\n'
        '<PARAM name="standardID" datatype="char" arraysize="*"'
        ' value="ivo://ivoa.net/std/SODA#sync-1.0"/>\n'
        '<PARAM name="contentType" datatype="char" arraysize="*" value="application/fits"/>\n'
        '<PARAM name="exampleURL" datatype="char" arraysize="*" value="http://h/sync?x"/>\n'
        '<PARAM name="exampleURL" datatype="char" arraysize="*" value="http://h/sync?y"/>\n'
        '<GROUP name="inputParams">\n'
        '<PARAM name="ID" ref="did" datatype="char" arraysize="*" value=""/>\n'
        '<PARAM name="BAND" datatype="double" arraysize="2" unit="m" xtype="interval" value="">'
        '<VALUES><MIN value="4e-7"/><MAX value="9e-7"/></VALUES>\n</PARAM>\n'
        '<PARAM name="POL" datatype="char" arraysize="*" value="">'
        '<VALUES><OPTION value="I"/><OPTION value="&lt;Q&gt;"/></VALUES>\n</PARAM>\n'
        '<PARAM name="Q" datatype="double" value="10.0">'
        "<DESCRIPTION>Softening</DESCRIPTION>\n</PARAM>\n"
        "</GROUP>\n</RESOURCE>\n</VOTABLE>\n"
    )


def test_dl_22_the_service_itself() -> None:
    document = written(TABLE, [], [Descriptor("this", "http://h/x", (), is_this=True)]).decode()
    assert '<RESOURCE name="this" type="meta" utype="adhoc:this">' in document


def test_documents_are_valid(validate_xml: Callable[[bytes], None]) -> None:
    table = Table(
        NASTY,
        (Field("n", "int"), Field("did", "char", "*", id="did", description=NASTY)),
        (Info(NASTY, NASTY, NASTY),),
        {"TIMESYS": {"ID": "utc", "timescale": "UTC", "refposition": "TOPOCENTER"}},
        NASTY,
    )
    validate_xml(written(table, [["1", NASTY]], [DESCRIPTOR], is_cut=True))
    validate_xml(written(table, []))


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1000])
def test_every_row_is_written_once(count: int) -> None:
    pieces = list(write_votable(TABLE, ([str(n), f"t{n}"] for n in range(count))))
    assert len(pieces) == 2 + -(-count // 200)
    table = parse(io.BytesIO(b"".join(pieces))).get_first_table().to_table()
    assert list(table["n"]) == list(range(count))
    assert list(table["text"]) == [f"t{n}" for n in range(count)]


def test_texts_come_back_as_they_were() -> None:
    document = written(TABLE, [["", 'a<b>&"c"\t]]>'], ["7", NASTY]])
    table = parse(io.BytesIO(document)).get_first_table().to_table()
    assert list(table["text"]) == ['a<b>&"c"\t]]>', 'a<b>&"c"\r\n\t]]>  é']
    assert list(table["n"].mask) == [True, False]
