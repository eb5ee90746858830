import pytest

from soda_service.errors import Fault, OptionsError
from soda_service.request.csvtext import BadLine
from soda_service.request.header import Header, parse_header
from tests.cpu import cpu_limit

NEEDED = "it needs a header such as RA,DEC or COADD_OBJECT_ID, then one line per position"
FOLLOWS = "a value follows the column name"
IDS = "COADD_OBJECT_ID 61407409 61407435"
OWN = "put the header and each row on a separate line"
SEEDS_HEADER = (
    "RA,DEC,COADD_OBJECT_ID,XSIZE,YSIZE,COLORS_FITS,RGB_STIFF_COLORS,RGB_LUPTON_COLORS,"
    "RGB_MINIMUM,RGB_STRETCH,RGB_ASINH,MAKE_FITS,MAKE_RGB_STIFF,MAKE_RGB_LUPTON"
)


def refusal_of(line: str | BadLine | None) -> tuple[Fault, ...]:
    with pytest.raises(OptionsError) as caught:
        parse_header(line)
    return caught.value.faults


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (None, f"the table is empty; {NEEDED}"),
        (BadLine("no text"), "header: no text"),
        ("46.2,-34.2", f"the table has no header row, its first line is '46.2,-34.2'; {NEEDED}"),
        ("name,z", f"the table has no position columns, its header is 'name,z'; {NEEDED}"),
        (
            "XSIZE,YSIZE",
            f"the table has no position columns, its header is 'XSIZE,YSIZE'; {NEEDED}",
        ),
        ('<?xml version="1.0"?>', "the table is XML (a VOTable?); CSV is needed here"),
        (' <VOTABLE version="1.4">', "the table is XML (a VOTable?); CSV is needed here"),
        ("RA;DEC", "the columns are separated by semicolons; separate them by commas"),
        ('"RA";"DEC"', "the columns are separated by semicolons; separate them by commas"),
        ("ra\tdec\tz", "the columns are separated by tabs; separate them by commas"),
        ("RA|DEC", "the columns are separated by vertical bars; separate them by commas"),
        (" RA  DEC", "the columns are separated by blanks; separate them by commas"),
        ("RA,DEC 46.2,-34.2", f"{FOLLOWS} DEC on one line ('DEC 46.2'); {OWN}"),
        (
            f"{SEEDS_HEADER} 46.275669,-34.256000,,0.90",
            f"{FOLLOWS} MAKE_RGB_LUPTON on one line ('MAKE_RGB_LUPTON 46.275669'); {OWN}",
        ),
        (
            IDS,
            f"{FOLLOWS} COADD_OBJECT_ID on one line ('{IDS}'); {OWN}",
        ),
        (",".join(["RA"] * 1001), "the header has 1001 columns; at most 1000 are allowed"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refused_headers(line: str | BadLine | None, message: str) -> None:
    (fault,) = refusal_of(line)
    assert (fault.column, fault.row, fault.message) == ("POSITIONS", None, message)


@pytest.mark.parametrize("names", ["RA {}", "{},{}", "name,{}", "RA,{}"])
def test_very_long_numbers_in_a_header_are_refused_at_once(names: str) -> None:
    with cpu_limit(5):
        (fault,) = refusal_of(names.replace("{}", "1" * 200_000 + "x"))
    assert len(fault.message) < 250


def test_an_unclosed_quote_is_refused() -> None:
    (fault,) = refusal_of('RA,"DEC')
    assert fault.message.startswith("header: cell 2 starts with a quote but does not end with one")


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("RA,z", [Fault("column found without a column DEC", column="RA")]),
        ("DEC", [Fault("column found without a column RA", column="DEC")]),
        ("RA,DEC,ra", [Fault("the table has this column more than once", column="RA")]),
        (
            "RA,DEC,z,XSIZE,z,xsize",
            [
                Fault("the table has this column more than once", column="z"),
                Fault("the table has this column more than once", column="XSIZE"),
            ],
        ),
    ],
    ids=["no DEC", "no RA", "twice", "two twice"],
)
def test_refused_columns(line: str, faults: list[Fault]) -> None:
    assert refusal_of(line) == tuple(faults)


def test_columns_are_found_in_any_order_and_case() -> None:
    assert parse_header(' Name , dec,"Ra",z,Z,xsize') == Header(
        columns=("Name", "DEC", "RA", "z", "Z", "XSIZE"),
        ra=2,
        dec=1,
        object_id=None,
        options=((5, "XSIZE"),),
        extra=((0, "Name"), (3, "z"), (4, "Z")),
    )


def test_all_columns_of_the_old_service_are_options() -> None:
    header = parse_header(SEEDS_HEADER)
    assert header.columns == tuple(SEEDS_HEADER.split(","))
    assert (header.ra, header.dec, header.object_id) == (0, 1, 2)
    assert (len(header.options), header.extra, header.warnings) == (11, (), ())


def test_doubtful_columns_are_warned_of() -> None:
    header = parse_header("COADD_OBJECT_ID,FITS_COLORS,redshift,,Release")
    assert header.extra == ((1, "FITS_COLORS"), (2, "redshift"), (4, "Release"))
    assert header.warnings == (
        "column FITS_COLORS is kept as your own column; did you mean COLORS_FITS?",
        "column 4 has no name and is ignored",
        "column Release is kept as your own column: RELEASE is set for the whole job",
    )
