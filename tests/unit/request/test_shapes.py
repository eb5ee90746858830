"""DALI's shapes, intervals and polarisation (DALI-18 to DALI-23, SODA-8 to SODA-13)."""

import math

import pytest

from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.request.parsing import InvalidText
from soda_service.request.shapes import (
    parse_circle,
    parse_interval,
    parse_polarisation,
    parse_polygon,
    parse_pos,
)

TRIANGLE = Polygon(((10.0, 1.0), (11.0, 1.0), (10.5, 2.0)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CIRCLE 12 34 0.5", Circle(12.0, 34.0, 0.5)),
        ("circle  12.0   3.4e1 .5 ", Circle(12.0, 34.0, 0.5)),
        ("CIRCLE -10 -90 180", Circle(350.0, -90.0, 180.0)),
        ("CIRCLE 372 34 0.5", Circle(12.0, 34.0, 0.5)),
        ("RANGE 12 13 -2 2", Range(12.0, 13.0, -2.0, 2.0)),
        ("RANGE 0 360 -2 2", Range(0.0, 360.0, -2.0, 2.0)),
        ("RANGE 0 360 89 +Inf", Range(0.0, 360.0, 89.0, 90.0)),
        ("RANGE 0 360 89  Inf", Range(0.0, 360.0, 89.0, 90.0)),
        ("RANGE -Inf +Inf -Inf +Inf", Range(0.0, 360.0, -90.0, 90.0)),
        ("RANGE 359 1 -1 1", Range(359.0, 361.0, -1.0, 1.0)),
        ("RANGE -1 1 -1 1", Range(359.0, 361.0, -1.0, 1.0)),
        ("RANGE 350 +Inf 0 1", Range(350.0, 360.0, 0.0, 1.0)),
        ("RANGE 5 5 7 7", Range(5.0, 5.0, 7.0, 7.0)),
        ("POLYGON 10 1 11 1 10.5 2", TRIANGLE),
        ("polygon 10 1 11 1 10.5 2 10 1", TRIANGLE),
        ("POLYGON 10 1 10 1 11 1 10.5 2", TRIANGLE),
    ],
)
def test_soda_10_t1_dali_21_22_t4_pos(text: str, expected: Position) -> None:
    assert parse_pos(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a shape; allowed: CIRCLE, RANGE or POLYGON"),
        ("BOX 1 2 3 4", "'BOX' is not a shape; allowed: CIRCLE, RANGE or POLYGON"),
        ("12 34 0.5", "'12' is not a shape; allowed: CIRCLE, RANGE or POLYGON"),
        ("CIRCLE 12 34", "2 numbers found; a circle has three: RA, Dec, radius"),
        ("CIRCLE 12 34 0", "radius 0 found; allowed: more than 0, at most 180 deg"),
        ("CIRCLE 12 34 -1", "radius -1 found; allowed: more than 0, at most 180 deg"),
        ("CIRCLE 12 34 180.5", "radius 180.5 found; allowed: more than 0, at most 180 deg"),
        ("CIRCLE 12 91 1", "Dec 91 found; allowed: -90 to 90 deg"),
        ("CIRCLE 12 34 nan", "'nan' is not a number"),
        ("CIRCLE 12 34 +Inf", "Inf found; the numbers of this shape must be finite"),
        ("CIRCLE 1_2 34 1", "'1_2' is not a number"),
        ("CIRCLE 12, 34, 1", "'12,' is not a number"),
        ("CIRCLE 12 34 1e400", "'1e400' is too large"),
        ("CIRCLE 1e7 34 1", "RA 1e+07 found; allowed: -1000000 to 1000000 deg"),
        (
            "RANGE 1 2 3",
            "3 numbers found; a range has four: lowest and highest RA, lowest and highest Dec",
        ),
        ("RANGE 1 2 4 3", "Dec from 4 to 3 found; the lower one comes first"),
        ("RANGE 1 2 3 91", "Dec 91 found; allowed: -90 to 90 deg"),
        ("RANGE 1 nan 3 4", "'nan' is not a number"),
        ("POLYGON 1 2 3 4 5", "5 numbers found; a polygon has pairs of RA and Dec"),
        ("POLYGON 1 2 3 4", "found 2 vertices; a polygon has at least three"),
        ("POLYGON 1 2 3 4 1 2", "found 2 vertices; a polygon has at least three"),
        ("POLYGON 0 0 120 0 240 0", "the vertices do not fit in a hemisphere; a polygon must"),
        ("POLYGON " + "1 2 " * 1001, "1001 vertices found; allowed: at most 1000"),
    ],
)
def test_soda_t2_dali_21_22_faults_of_pos(text: str, message: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_pos(text)
    assert str(caught.value) == message


def test_circle_and_polygon_alone() -> None:
    assert parse_circle("1 2 3") == Circle(1.0, 2.0, 3.0)
    assert parse_polygon("10 1 11 1 10.5 2") == TRIANGLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500 550", (500.0, 550.0)),
        ("550", (550.0, 550.0)),
        ("-Inf 5e-7", (-math.inf, 5e-7)),
        ("750  Inf", (750.0, math.inf)),
        ("-Inf +Inf", (-math.inf, math.inf)),
    ],
)
def test_soda_11_t1_dali_20_interval(text: str, expected: tuple[float, float]) -> None:
    assert parse_interval(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 numbers found; an interval has two"),
        ("1 2 3", "3 numbers found; an interval has two"),
        ("2 1", "2 to 1 found; the lower bound comes first"),
        ("g", "'g' is not a number"),
        ("NaN 1", "'NaN' is not a number"),
        ("+Inf +Inf", "inf to inf found; this interval is empty"),
    ],
)
def test_soda_11_t11_dali_20_faults_of_intervals(text: str, message: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_interval(text)
    assert str(caught.value) == message


def test_polarisation() -> None:
    assert parse_polarisation(" I ") == "I"
    with pytest.raises(InvalidText, match="'i' is not a polarisation state; allowed: I, Q, U"):
        parse_polarisation("i")
