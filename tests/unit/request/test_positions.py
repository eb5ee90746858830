import io
from pathlib import Path
from typing import BinaryIO

import pytest

from soda_service.errors import Fault, OptionsError
from soda_service.request.options import apply_options, complete_options, default_options
from soda_service.request.positions import open_positions
from soda_service.request.rows import RowsCheck, check_rows
from soda_service.request.values import PositionRow
from soda_service.sky.release import Release
from tests.cpu import cpu_limit
from tests.cutout_options import changed

TABLES = Path(__file__).resolve().parents[4] / "shared" / "realsky" / "des_tables"


def read(table: str | bytes, release: Release, **job: str) -> list[PositionRow | Fault]:
    content = table.encode() if isinstance(table, str) else table
    options = apply_options(default_options(release), job, release=release)
    return list(open_positions(io.BytesIO(content), release, options))


def check(table: str | bytes, release: Release, rows_max: int = 10**6) -> RowsCheck:
    content = table.encode() if isinstance(table, str) else table
    return check_stream(io.BytesIO(content), release, rows_max)


def check_stream(stream: BinaryIO, release: Release, rows_max: int = 10**6) -> RowsCheck:
    rows = open_positions(stream, release, default_options(release))
    return check_rows(rows, rows_max=rows_max)


# Bad input.


def test_table_without_rows(des: Release) -> None:
    message = "the table has a header but no rows; one line per position is needed"
    assert read("RA,DEC\n\n", des) == [Fault(message, column="POSITIONS")]


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"\n \n",
        b"<VOTABLE>",
        b"46.2,-34.2\n46.3,-34.2\n",
        b"RA;DEC\n1;2",
        b"RA\tDEC\n1\t2",
        b"RA,DEC 1,2",
    ],
    ids=repr,
)
def test_bad_header_is_told_at_once(table: bytes, des: Release) -> None:
    with pytest.raises(OptionsError):
        open_positions(io.BytesIO(table), des, default_options(des))


def test_a_table_of_which_nothing_would_be_made_is_told_at_once(des: Release) -> None:
    options = changed(default_options(des), make_fits=False)
    with pytest.raises(OptionsError) as caught:
        open_positions(io.BytesIO(b"RA,DEC\n1,2"), des, options)
    assert caught.value.faults[0].column == "MAKE_FITS"


def test_a_job_that_makes_nothing_is_told_at_once_where_no_row_can_change_it(des: Release) -> None:
    with pytest.raises(OptionsError):
        read("RA,DEC\n1,2", des, MAKE_FITS="false")
    faults = read("RA,DEC,MAKE_FITS\n1,2,\n1,2,true", des, MAKE_FITS="false")
    assert [isinstance(entry, Fault) for entry in faults] == [True, False]


BANDS = "allowed: bands of DR1 (g, r, i, z, Y), each at most once"
TRIPLETS = (
    "allowed: three different bands of DR1 (g, r, i, z, Y) per picture; separate pictures by ; "
    "without repeats"
)
NOTHING = "no output selected; set one of MAKE_FITS, MAKE_RGB_STIFF, MAKE_RGB_LUPTON to true"
ANY_RA = "allowed: number from -1000000 to 1000000 deg"
SIZE = "allowed: number from 0.1 to 12.0 arcmin"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"RA": "abc"}, ("RA", f"'abc' is not a number; {ANY_RA}")),
        ({"RA": "inf"}, ("RA", f"'inf' is not a number; {ANY_RA}")),
        ({"RA": "1e400"}, ("RA", f"'1e400' is too large; {ANY_RA}")),
        ({"RA": "1e308"}, ("RA", f"'1e308' is out of range; {ANY_RA}")),
        ({"RA": "-1000001"}, ("RA", f"'-1000001' is out of range; {ANY_RA}")),
        ({"DEC": "nan"}, ("DEC", "'nan' is not a number; allowed: number from -90 to 90 deg")),
        ({"DEC": "1_0"}, ("DEC", "'1_0' is not a number; allowed: number from -90 to 90 deg")),
        ({"DEC": "-90.5"}, ("DEC", "'-90.5' is out of range; allowed: number from -90 to 90 deg")),
        ({"DEC": ""}, ("RA", "given without DEC; both are needed")),
        (
            {"RA": " ", "DEC": ""},
            (None, "no position given; RA and DEC, or COADD_OBJECT_ID, are needed"),
        ),
        (
            {"COADD_OBJECT_ID": "7"},
            (
                "COADD_OBJECT_ID",
                "given together with RA and DEC; give either RA and DEC or an id",
            ),
        ),
        ({"XSIZE": "12.1"}, ("XSIZE", f"'12.1' is out of range; {SIZE}")),
        ({"XSIZE": "0"}, ("XSIZE", f"'0' is out of range; {SIZE}")),
        ({"XSIZE": "one"}, ("XSIZE", f"'one' is not a number; {SIZE}")),
        ({"COLORS_FITS": "q"}, ("COLORS_FITS", f"'q' is not a band; {BANDS}")),
        ({"COLORS_FITS": "gg"}, ("COLORS_FITS", f"'gg' has the band g twice; {BANDS}")),
        (
            {"RGB_STIFF_COLORS": "gr"},
            ("RGB_STIFF_COLORS", f"'gr' has 2 bands instead of three; {TRIPLETS}"),
        ),
        (
            {"RGB_STIFF_COLORS": "grr"},
            ("RGB_STIFF_COLORS", f"'grr' has the band r twice; {TRIPLETS}"),
        ),
        (
            {"MAKE_FITS": "false"},
            ("MAKE_FITS", NOTHING),
        ),
    ],
    ids=str,
)
def test_fault_of_a_row(row: dict[str, str], fault: tuple[str, str], des: Release) -> None:
    columns = ["RA", "DEC", "COADD_OBJECT_ID", "XSIZE", "COLORS_FITS", "RGB_STIFF_COLORS"]
    columns.append("MAKE_FITS")
    cells = {"RA": "1", "DEC": "2"} | row
    line = ",".join(cells.get(name, "") for name in columns)
    good, bad, end = read(f"{','.join(columns)}\n1,2\n{line}\n3,4", des)
    assert isinstance(good, PositionRow)
    assert isinstance(bad, Fault)
    assert (bad.row, bad.column, bad.message) == (2, *fault)
    assert isinstance(end, PositionRow)


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        ("1" * 200_000 + "x", f"'{'1' * 37}...' has 200001 characters; {ANY_RA}"),
        ("1" * 200_000, f"'{'1' * 37}...' has 200000 characters; {ANY_RA}"),
        ("1." + "0" * 99, f"'1.{'0' * 35}...' is not a number; {ANY_RA}"),
    ],
    ids=["no number", "whole", "101 characters"],
)
def test_a_very_long_number_is_refused_at_once(digits: str, message: str, des: Release) -> None:
    with cpu_limit(5):
        good, bad = read(f"RA,DEC\n1.{'0' * 98},2\n{digits},2\n", des)
    assert isinstance(good, PositionRow)
    assert isinstance(bad, Fault)
    assert (bad.row, bad.column, bad.message) == (2, "RA", message)


def test_a_number_among_many_blanks_is_read(des: Release) -> None:
    (row,) = read(f"RA,DEC\n{' ' * 200}1,2\n", des)
    assert isinstance(row, PositionRow)
    assert (row.ra_deg, row.dec_deg) == (1.0, 2.0)


def test_a_row_with_several_faults_gives_them_all(des: Release) -> None:
    entries = read("RA,DEC,XSIZE,MAKE_FITS\nx,91,99,maybe", des)
    assert [(entry.row, entry.column) for entry in entries if isinstance(entry, Fault)] == [
        (1, "RA"),
        (1, "DEC"),
        (1, "XSIZE"),
        (1, "MAKE_FITS"),
    ]


def test_remembered_faults_name_their_own_row(des: Release) -> None:
    entries = read("RA,DEC,XSIZE\n1,2,99\n1,2,1\n1,2,99", des)
    assert [entry.row for entry in entries if isinstance(entry, Fault)] == [1, 3]


def test_too_many_cells(des: Release) -> None:
    assert read("RA,DEC\n1,2,g,r\n1,2, ,\n1", des) == [
        Fault(
            "4 cells, but the header has 2 columns; a value with a comma must be quoted",
            row=1,
            found="g,r",
        ),
        PositionRow(2, 1.0, 2.0, None, default_options(des)),
        Fault("given without DEC; both are needed", row=3, column="RA"),
    ]


def test_bad_lines_are_faults_of_their_rows(des: Release) -> None:
    entries = read(b'RA,DEC,x\n1,2,\xe9\n1,2,\0\n1,2,"x\n1,2,x', des)
    assert [str(entry)[:45] for entry in entries[:3]] == [
        "row 1: byte 13 of the text (0xE9) is not UTF-",
        "row 2: character 5 of the line is the control",
        "row 3: cell 3 starts with a quote but does no",
    ]
    assert isinstance(entries[3], PositionRow)


def test_check_tells_the_first_faults_and_how_many_there_are(des: Release) -> None:
    table = b"RA,DEC\n" + b"x,y\n" * 1000
    found = check(table, des)
    assert (found.rows, len(found.faults), found.total_faults) == (1000, 100, 2000)
    with pytest.raises(OptionsError) as caught:
        found.raise_faults()
    assert str(caught.value).endswith("and 1900 more faults")


def test_check_stops_at_the_largest_number_of_rows(des: Release) -> None:
    table = b"RA,DEC\n1,2\nx,2\n3,4\nx,y\n"
    found = check(table, des, 3)
    assert (found.rows, found.total_faults, found.is_complete) == (3, 1, False)
    found = check(table, des, 4)
    assert (found.rows, found.total_faults, found.is_complete) == (4, 3, True)


SEEDS = """\
RA,DEC,COADD_OBJECT_ID,XSIZE,YSIZE,COLORS_FITS,RGB_STIFF_COLORS,RGB_LUPTON_COLORS,RGB_MINIMUM,\
RGB_STRETCH,RGB_ASINH,MAKE_FITS,MAKE_RGB_STIFF,MAKE_RGB_LUPTON
46.275669,-34.256000,,0.90,1.30,g,gry;riy,,,,,true,false,true
,,61407409,1.1,0.8,z,,riy,0.9,40.0,11.0,true,,true
"""


def seeds_rows(release: Release) -> list[PositionRow]:
    options = default_options(release)
    return [
        PositionRow(
            number=1,
            ra_deg=46.275669,
            dec_deg=-34.256,
            object_id=None,
            options=changed(
                options,
                xsize_arcmin=0.9,
                ysize_arcmin=1.3,
                colors_fits=("g",),
                rgb_stiff_colors=(("g", "r", "Y"), ("r", "i", "Y")),
                make_rgb_lupton=True,
            ),
        ),
        PositionRow(
            number=2,
            ra_deg=None,
            dec_deg=None,
            object_id=61407409,
            options=changed(
                options,
                xsize_arcmin=1.1,
                ysize_arcmin=0.8,
                colors_fits=("z",),
                rgb_lupton_colors=(("r", "i", "Y"),),
                rgb_minimum=0.9,
                rgb_stretch=40.0,
                rgb_asinh=11.0,
                make_rgb_lupton=True,
            ),
        ),
    ]


@pytest.mark.parametrize(
    "table",
    [
        SEEDS.encode(),
        b"\xef\xbb\xbf" + SEEDS.encode(),
        SEEDS.replace("\n", "\r\n").encode(),
        SEEDS.replace("\n", "\r").encode(),
        SEEDS.replace("\n", "\\n").encode(),
        SEEDS.replace("\n", "\n\n \n").encode(),
        SEEDS.replace(",", " , ").encode(),
        SEEDS.replace(",,", ',"",').encode(),
        SEEDS.replace(",", '" ,\t"').replace("\n", '"\n"').rstrip('"').join(['"', ""]).encode(),
        SEEDS.lower().encode(),
        SEEDS.rstrip("\n").encode(),
    ],
    ids=[
        "plain", "BOM", "CR LF", "CR", "backslash n", "blank lines", "blanks", "quoted empties",
        "all quoted", "lower case", "no end",
    ],
)  # fmt: skip
def test_one_table_in_many_spellings(table: bytes, des: Release) -> None:
    assert read(table, des) == seeds_rows(des)


def test_empty_cells_take_the_value_of_the_job(des: Release) -> None:
    job = {"XSIZE": "2", "COLORS_FITS": "gr", "MAKE_RGB_STIFF": "true"}
    first, second = read("RA,DEC,XSIZE\n1,2,\n1,2,3", des, **job)
    assert isinstance(first, PositionRow)
    assert isinstance(second, PositionRow)
    assert first.options == complete_options(des, job)
    assert second.options == complete_options(des, job, {"XSIZE": "3"})


def test_columns_of_the_users_own_are_kept_unchanged(des: Release) -> None:
    table = open_positions(
        io.BytesIO(b'Name, ra,DEC,z,fits_colors\n M 31 ,1,2,"a, ""b""",007\n'),
        des,
        default_options(des),
    )
    assert table.columns == ("Name", "RA", "DEC", "z", "fits_colors")
    assert table.extra_columns == ("Name", "z", "fits_colors")
    assert table.warnings == (
        "column fits_colors is kept as your own column; did you mean COLORS_FITS?",
    )
    (row,) = table
    assert isinstance(row, PositionRow)
    assert row.extra == {"Name": " M 31 ", "z": 'a, "b"', "fits_colors": "007"}


def test_right_ascension_is_wrapped(des: Release) -> None:
    rows = read("RA,DEC\n360,1\n-0.5,1\n370,-90\n-0,90\n-1e-20,0\n-1000000,0", des)
    found = [row.ra_deg for row in rows if isinstance(row, PositionRow)]
    assert found == [0, 359.5, 10, 0, 0, 80]


def test_cells_of_several_lines(des: Release) -> None:
    table = (
        'RA,DEC,"my\nnote"\r\n1,2,"first\r\n\r\n ""second"", end"\r\n3,4,\r\nx,6,"a\r\nb"\r\n7,8,'
    )
    opened = open_positions(io.BytesIO(table.encode()), des, default_options(des))
    first, second, third, fourth = opened
    assert opened.columns == ("RA", "DEC", "my note")
    assert isinstance(first, PositionRow)
    assert first.extra == {"my note": 'first\n\n "second", end'}
    assert isinstance(second, PositionRow)
    assert isinstance(third, Fault)
    assert (third.row, third.column) == (3, "RA")
    assert isinstance(fourth, PositionRow)
    assert (second.number, fourth.number) == (2, 4)


def test_repeated_positions_are_kept(des: Release) -> None:
    rows = read("RA,DEC\n1,2\n1,2", des)
    assert [row.number for row in rows if isinstance(row, PositionRow)] == [1, 2]


def test_check_of_a_good_table(des: Release) -> None:
    assert check(SEEDS, des) == RowsCheck(rows=2, faults=(), total_faults=0, is_complete=True)
    check(SEEDS, des).raise_faults()
    table = open_positions(io.BytesIO(SEEDS.encode()), des, default_options(des))
    assert (table.columns, table.warnings) == (tuple(SEEDS.partition("\n")[0].split(",")), ())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("des_positions_4499.csv", 4499),
        ("des_dr1_object_coords.csv", 1000),
        ("des_dr1_object_ids.csv", 12000),
    ],
    ids=str,
)
@pytest.mark.skipif(not TABLES.is_dir(), reason="needs the DES tables of ../shared/realsky")
def test_real_tables(name: str, count: int, des: Release) -> None:
    table = open_positions(io.BytesIO((TABLES / name).read_bytes()), des, default_options(des))
    found = check_rows(table, rows_max=10**6)
    assert (found.rows, found.total_faults, table.warnings) == (count, 0, ())
