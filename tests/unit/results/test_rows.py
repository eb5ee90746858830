import json
from dataclasses import replace

import pytest

from soda_service.request.values import CutoutOptions
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status

OPTIONS = CutoutOptions(
    xsize_arcmin=1.0,
    ysize_arcmin=0.5,
    xpix=None,
    ypix=None,
    edge="trim",
    make_fits=True,
    colors_fits=("g", "Y"),
    discard_fits_files=False,
    values=(
        *(("MAKE_RGB_STIFF", True), ("RGB_STIFF_COLORS", (("g", "r", "Y"), ("i", "r", "g")))),
        *(("MAKE_RGB_LUPTON", False), ("RGB_LUPTON_COLORS", ())),
        *(("RGB_MINIMUM", 1.0), ("RGB_STRETCH", 50.0), ("RGB_ASINH", 10.0)),
    ),
)
PLANNED = PlannedRow(
    3,
    2**62,
    1.5,
    -2.5,
    1.50001,
    -2.50001,
    "T+1",
    "a/T+1/",
    "J1",
    OPTIONS,
    {"z": "0.3"},
    2,
    ("_g.fits",),
)
ENTRY = FileEntry("J1_2_g.fits", "T+1/9_2/J1_2_g.fits", "fits", ("g",), "application/fits", 9, "ab")


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        Outcome(Status.UNMATCHED, "no tile"),
        Outcome(Status.PARTIAL, "no Y", (ENTRY,), (10, 20), 0.5, "2026-01-01T00:00:00Z"),
    ],
    ids=["planned", "unmatched", "partial"],
)
def test_row_survives_its_line(outcome: Outcome | None) -> None:
    row = Row(PLANNED, outcome)
    line = row.to_line()
    assert line.count(b"\n") == 1
    assert Row.from_line(line) == row


def test_format_of_pictures_survives_its_line() -> None:
    row = Row(replace(PLANNED, options=replace(OPTIONS, response_format="jpeg")))
    assert Row.from_line(row.to_line()) == row


def test_line_of_a_version_without_format_of_pictures_is_read() -> None:
    content = json.loads(Row(PLANNED).to_line())
    options = json.loads(content["o"])
    assert options.pop() == []  # planes, which came later still
    assert options.pop() == ""
    content["o"] = json.dumps(options)
    assert Row.from_line(json.dumps(content).encode()) == Row(PLANNED)


@pytest.mark.parametrize("is_without_format", [False, True])
def test_options_of_the_former_form_are_read(is_without_format: bool) -> None:
    ending = "" if is_without_format else r",\"jpeg\""
    line = (
        r'{"n":1,"id":null,"at":[30.0,-20.0,30.0,-20.0],"tile":["EAST0","EAST0/p01/"],'
        r'"name":["TESTJ020000.0000-200000.0000",1,[]],"o":"[0.1,0.2,null,8,\"trim\",true,'
        r"[\"i\"],false,false,[[\"i\",\"r\",\"g\"]],true,[[\"z\",\"r\",\"g\"]],1.0,20.0,10.0"
        rf'{ending}]"}}'
    )
    options = Row.from_line(line.encode()).planned.options
    assert options == CutoutOptions(
        xsize_arcmin=0.1,
        ysize_arcmin=0.2,
        xpix=None,
        ypix=8,
        edge="trim",
        make_fits=True,
        colors_fits=("i",),
        discard_fits_files=False,
        values=(
            *(("MAKE_RGB_STIFF", False), ("RGB_STIFF_COLORS", (("i", "r", "g"),))),
            *(("MAKE_RGB_LUPTON", True), ("RGB_LUPTON_COLORS", (("z", "r", "g"),))),
            *(("RGB_MINIMUM", 1.0), ("RGB_STRETCH", 20.0), ("RGB_ASINH", 10.0)),
        ),
        response_format="" if is_without_format else "jpeg",
    )


def test_torn_line_is_told() -> None:
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        Row.from_line(Row(PLANNED).to_line()[:50])


def test_files_of_a_numbered_row_are_numbered() -> None:
    assert PLANNED.stem == "J1_2"
    assert PLANNED.folder == f"T+1/{2**62}_2"
