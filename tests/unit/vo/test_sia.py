"""Which rows satisfy a query: each parameter of SIA 2.0, alternatives and conjunctions."""

import re

import numpy as np
import pytest

from soda_service.errors import OptionsError
from soda_service.sky.releases import Releases
from soda_service.vo.images import Images
from soda_service.vo.sia import input_params, parse_query, read_format, select

Given = dict[str, list[str]]

FULL_ROWS = [f"{tile}/{band}" for tile in ("DES", "ZERO", "SKY", "NOWHERE") for band in "gYx"]
DES, ZERO, SKY = ([f"{tile}/{band}" for band in "gYx"] for tile in ("DES", "ZERO", "SKY"))


def found(given: Given, images: Images, releases: Releases) -> list[str]:
    names = FULL_ROWS if images.release.name == "DR1" else ["ONE/W1"]
    return [names[n] for n in select(parse_query(given), images, releases)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"POS": ["CIRCLE 21.5"]}, "POS: 1 numbers found; a circle has three"),
        ({"POS": ["BOX 1 2 3 4"]}, "POS: 'BOX' is not a shape; allowed: CIRCLE, RANGE or POLYGON"),
        ({"POS": ["CIRCLE 0 91 1"]}, "POS: Dec 91 found"),
        ({"POS": ["CIRCLE 0 NaN 1"]}, "POS: 'NaN' is not a number"),
        ({"POS": ["RANGE 0 1 2 1"]}, "POS: Dec from 2 to 1 found"),
        ({"POS": ["POLYGON 0 0 1 1"]}, "POS: found 2 vertices; a polygon has at least three"),
        ({"BAND": ["g"]}, "BAND: 'g' is not a number"),
        ({"BAND": ["2 1"]}, "BAND: 2 to 1 found"),
        ({"TIME": ["1 2 3"]}, "TIME: 3 numbers found"),
        ({"TIME": ["2013-01-01"]}, "TIME: '2013-01-01' is not a number"),
        ({"FOV": ["1_0"]}, "FOV: '1_0' is not a number"),
        ({"SPATRES": ["x"]}, "SPATRES: 'x' is not a number"),
        ({"SPECRP": ["nan nan"]}, "SPECRP: 'nan' is not a number"),
        ({"EXPTIME": ["Inf"]}, "EXPTIME: inf to inf found"),
        ({"TIMERES": ["1e999"]}, "TIMERES: '1e999' is too large"),
        ({"POL": ["Z"]}, "POL: 'Z' is not a polarisation state"),
        ({"CALIB": ["5"]}, "CALIB: '5' is not a calibration level from 0 to 4"),
        ({"CALIB": ["1 2"]}, "CALIB: '1 2' is not a calibration level"),
        ({"MAXREC": ["-1"]}, "MAXREC: '-1' is not a non-negative integer"),
        ({"MAXREC": ["1.5"]}, "MAXREC: '1.5' is not"),
        ({"MAXREC": ["\u0661"]}, "MAXREC: '\u0661' is not"),
        ({"MAXREC": ["1", "1"]}, "MAXREC: 2 values found; allowed is one"),
        ({"UPLOAD": ["a,b"]}, "UPLOAD: uploads are not supported"),
        ({"COLECTION": ["x"]}, "COLECTION: unknown parameter; did you mean COLLECTION?"),
        ({"Q": ["x"]}, "Q: unknown parameter; allowed: POS, BAND, TIME, FOV, SPATRES, SPECRP"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(next(iter(value.items()))[1]),
)
def test_faults(given: Given, expected: str) -> None:
    with pytest.raises(OptionsError, match=f"^{re.escape(expected)}"):
        parse_query(given)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(OptionsError) as caught:
        parse_query({"POS": ["x", "y"], "BAND": ["z"], "MAXREC": ["-"]} | {"Q": ["1"]})
    assert [fault.column for fault in caught.value.faults] == ["Q", "POS", "POS", "BAND", "MAXREC"]
    with pytest.raises(OptionsError) as caught:
        parse_query({"BAND": ["z"] * 150})
    assert (len(caught.value.faults), caught.value.total) == (100, 150)


def test_many_shapes_are_refused() -> None:
    parse_query({"POS": ["CIRCLE 0 0 1"] * 2000})
    with pytest.raises(OptionsError, match="2001 shapes and vertices found; allowed are 2000"):
        parse_query({"POS": ["CIRCLE 0 0 1"] * 1998 + ["POLYGON 0 0 1 0 1 1"]})


def test_sia_3_no_parameter_finds_everything(full: Images, releases: Releases) -> None:
    assert found({}, full, releases) == FULL_ROWS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["CIRCLE 21.5 3.5 0.001"], DES),
        (["circle 381.5 3.5 0.001"], DES),
        (["CIRCLE 21.5 5 0.999"], []),
        (["CIRCLE 21.5 5 1.001"], DES),
        (["RANGE 359 1 -30.1 -29.9"], ZERO),
        (["RANGE 0 360 -31 -30.4"], ZERO),
        (["RANGE -Inf +Inf -Inf +Inf"], [*DES, *ZERO, *SKY]),
        (["RANGE 0 360 -31 +Inf"], [*DES, *ZERO, *SKY]),
        (["RANGE 0 360 69.9   Inf"], SKY),
        (["POLYGON 0 -30 1 -30 1 -31"], ZERO),
        (["POLYGON 0 -30 1 -31 1 -30"], ZERO),
        (["CIRCLE 21.5 3.5 0.001", "CIRCLE 0 -30 0.001"], [*DES, *ZERO]),
        (["CIRCLE 100 0 1"], []),
    ],
    ids=lambda value: "-".join(value)[:40],
)
def test_sia_5_pos(full: Images, releases: Releases, values: list[str], expected: str) -> None:
    assert found({"POS": values}, full, releases) == expected


BLUE = [row for row in FULL_ROWS if row.endswith("/g")]
RED = [row for row in FULL_ROWS if row.endswith("/Y")]
COLOURS = [row for row in FULL_ROWS if not row.endswith("/x")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"BAND": ["4.5e-7"]}, BLUE),
        ({"BAND": ["5.5e-7 6e-7"]}, BLUE),
        ({"BAND": ["5.6e-7 9e-7"]}, []),
        ({"BAND": ["-Inf +Inf"]}, COLOURS),
        ({"BAND": ["9e-7 +Inf", "4e-7"]}, COLOURS),
        ({"TIME": ["58000.5"]}, FULL_ROWS),
        ({"TIME": ["58000.6 59000"]}, []),
        ({"TIME": ["1 2", "-Inf 56500"]}, FULL_ROWS),
        ({"POL": ["I"]}, FULL_ROWS),
        ({"POL": ["Q", "V"]}, []),
        ({"POL": ["Q", "I"]}, FULL_ROWS),
        ({"FOV": ["1.41414177"]}, [*DES, *ZERO]),
        ({"FOV": ["2 Inf"]}, SKY),
        ({"FOV": ["-Inf Inf"]}, [*DES, *ZERO, *SKY]),
        ({"FOV": ["0 1", "1 2"]}, [*DES, *ZERO]),
        ({"SPECRP": ["3.166667"]}, BLUE),
        ({"SPECRP": ["5 100"]}, RED),
        ({"SPATRES": ["-Inf Inf"]}, []),
        ({"EXPTIME": ["-Inf Inf"]}, []),
        ({"TIMERES": ["-Inf Inf"]}, []),
        ({"COLLECTION": ["DR1"]}, FULL_ROWS),
        ({"COLLECTION": ["dr1"]}, []),
        ({"COLLECTION": ["x", "DR1"]}, FULL_ROWS),
        ({"FACILITY": ["Blanco"]}, []),
        ({"INSTRUMENT": ["DECam"]}, []),
        ({"TARGET": ["M31"]}, []),
        ({"DPTYPE": ["image"]}, FULL_ROWS),
        ({"DPTYPE": ["cube"]}, []),
        ({"DPTYPE": ["Image"]}, []),
        ({"CALIB": ["3"]}, FULL_ROWS),
        ({"CALIB": ["2"]}, []),
        ({"CALIB": ["2", "3"]}, FULL_ROWS),
        ({"FORMAT": ["application/x-votable+xml;content=datalink"]}, FULL_ROWS),
        ({"FORMAT": ["application/x-votable xml;content=datalink"]}, FULL_ROWS),
        ({"FORMAT": ["image/fits"]}, []),
        ({"REQUEST": ["x"], "VERSION": ["2"], "RUNID": ["y"]}, FULL_ROWS),
        ({"BAND": ["4.5e-7"], "POS": ["CIRCLE 0 -30 1"]}, ["ZERO/g"]),
        ({"BAND": ["4.5e-7"], "DPTYPE": ["cube"]}, []),
        ({"BAND": ["4.5e-7"], "SPECRP": ["5 100"]}, []),
    ],
    ids=lambda value: (
        "-".join(f"{k}={'+'.join(v)}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_sia_4_6_7_8_9_parameters(
    full: Images, releases: Releases, given: Given, expected: list[str]
) -> None:
    assert found(given, full, releases) == expected


@pytest.mark.parametrize("name", ["BAND", "TIME", "SPECRP"])
def test_sia_3_null_satisfies_nothing(bare: Images, releases: Releases, name: str) -> None:
    assert found({name: ["-Inf Inf"]}, bare, releases) == []
    assert found({}, bare, releases) == ["ONE/W1"]


PREFIX = "ivo://example.org/DR1?"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([f"{PREFIX}ZERO/g"], ["ZERO/g"]),
        ([f"{PREFIX}DES0126+0335/Y"], ["DES/Y"]),
        ([f"{PREFIX}DES0126 0335/Y"], ["DES/Y"]),
        ([f"{PREFIX}DES0126%2B0335/Y"], ["DES/Y"]),
        (["IVO://EXAMPLE.ORG/dr1?zero/G"], ["ZERO/g"]),
        ([f"{PREFIX}ZERO/g", f"{PREFIX}ZERO/Y", "nonsense"], ["ZERO/g", "ZERO/Y"]),
        ([f"{PREFIX}ZERO"], []),
        (["ivo://example.org/DR1"], []),
        (["ivo://example.org/Plain-2?ONE/W1"], []),
        (["ivo://example.net/DR1?ZERO/g"], []),
        (["ivo://example.org/DR9?ZERO/g"], []),
        ([f"{PREFIX}ZERO/q"], []),
    ],
    ids=lambda value: "-".join(value)[-30:],
)
def test_sia_8_id(full: Images, releases: Releases, ids: list[str], expected: list[str]) -> None:
    assert found({"ID": ids}, full, releases) == expected
    assert found({"ID": ids, "BAND": ["4.5e-7"]}, full, releases) == [
        row for row in expected if row.endswith("/g")
    ]


def test_rows_are_numbered_upwards(full: Images, releases: Releases) -> None:
    numbers = select(parse_query({"BAND": ["4.5e-7"]}), full, releases)
    np.testing.assert_array_equal(numbers, [0, 3, 6, 9])


XML, CSV, TSV = "application/x-votable+xml", "text/csv", "text/tab-separated-values"


@pytest.mark.parametrize(
    ("text", "kind", "content_type"),
    [
        (None, "votable", XML),
        ("votable", "votable", XML),
        ("VOTable", "votable", XML),
        (XML, "votable", XML),
        (f"{XML};serialization=TABLEDATA", "votable", f"{XML};serialization=tabledata"),
        ("text/xml", "votable", "text/xml"),
        ("csv", "csv", f"{CSV};charset=utf-8"),
        ("text/csv", "csv", f"{CSV};charset=utf-8"),
        ("text/csv; header=present", "csv", f"{CSV};header=present"),
        ("tsv", "tsv", f"{TSV};charset=utf-8"),
        (TSV, "tsv", f"{TSV};charset=utf-8"),
    ],
)
def test_dali_13_formats(text: str | None, kind: str, content_type: str) -> None:
    read = read_format({} if text is None else {"RESPONSEFORMAT": [text]})
    assert (read.kind, read.content_type) == (kind, content_type)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["parquet"], "RESPONSEFORMAT: 'parquet' is not offered; allowed: votable, application"),
        ([f"{XML};serialization=BINARY2"], "RESPONSEFORMAT: .* is not offered"),
        (["csv", "csv"], "RESPONSEFORMAT: 2 values found; allowed is one"),
    ],
    ids=["unknown", "parameter", "twice"],
)
def test_dali_5_13_formats_refused(texts: list[str], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        read_format({"RESPONSEFORMAT": texts})


def test_sia_2_all_parameters_are_described() -> None:
    params = {param.field.name: param for param in input_params(rows_default=10, rows_max=99)}
    assert list(params) == [
        *("POS", "BAND", "TIME", "FOV", "SPATRES", "SPECRP", "EXPTIME", "TIMERES", "POL", "ID"),
        *("COLLECTION", "FACILITY", "INSTRUMENT", "DPTYPE", "CALIB", "TARGET", "FORMAT"),
        *("MAXREC", "RESPONSEFORMAT"),
    ]
    units = {name: param.field.unit for name, param in params.items() if param.field.unit}
    assert units == {
        "BAND": "m", "TIME": "d", "FOV": "deg", "SPATRES": "arcsec", "EXPTIME": "s", "TIMERES": "s",
    }  # fmt: skip
    maxrec = params["MAXREC"]
    assert (maxrec.value, maxrec.minimum, maxrec.maximum) == ("10", "0", "99")
    scalars = [each for each in params.values() if not each.field.arraysize]
    assert scalars == [maxrec]
