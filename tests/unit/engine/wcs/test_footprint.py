import math

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D, NoOverlapError
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.footprint import (
    box_at,
    offset_px,
    outline,
    pixel_scales,
    size_in_pixels,
    sky_grid,
)
from soda_service.errors import NoCoverage
from tests.unit.skyimages import sip_header, tan_header


def test_pixel_scales_differ_by_axis() -> None:
    header = tan_header(CD1_1=-1e-4, CD2_2=3e-4)
    assert pixel_scales(sky_grid(header)) == pytest.approx((0.36, 1.08))


@pytest.mark.parametrize(
    ("size_arcmin", "pixels"),
    [
        ((1.0, 1.0), (228, 228)),
        ((12.0, 0.1), (2738, 23)),
        ((0.001, 0.0), (1, 1)),
    ],
    ids=["des-arcmin", "largest-smallest", "at-least-one"],
)
def test_size_in_pixels(size_arcmin: tuple[float, float], pixels: tuple[int, int]) -> None:
    assert size_in_pixels(sky_grid(tan_header()), *size_arcmin) == pixels


def test_halves_are_rounded_to_even() -> None:
    grid = sky_grid(tan_header(scale_arcsec=0.6))
    assert [size_in_pixels(grid, half / 100, 1.0)[0] for half in (24.5, 25.5, 26.5)] == [24, 26, 26]


@pytest.mark.parametrize("x", [math.nan, math.inf], ids=str)
def test_no_box_around_no_place(x: float) -> None:
    with pytest.raises(NoCoverage, match="outside the tile's projection"):
        box_at(x, 5.0, 3, 3)


@pytest.mark.parametrize(
    ("x", "n", "start"),
    [(5.0, 3, 4), (5.0, 4, 3), (5.5, 3, 4), (5.5, 4, 4), (5.49, 1, 5), (-3.2, 2, -4)],
    ids=["odd", "even", "odd-between", "even-between", "one", "outside"],
)
def test_box_starts_where_cutout2d_starts(x: float, n: int, start: int) -> None:
    assert box_at(x, 7.0, n, 1) == PixelBox(7, 8, start, start + n)


def to_1e6(x: float) -> float:
    return round(x, 6)


@settings(max_examples=300, deadline=None)
@given(
    x=st.floats(-30, 130).map(to_1e6) | st.integers(-60, 260).map(lambda twice: twice / 2),
    y=st.floats(-30, 110).map(to_1e6) | st.integers(-60, 220).map(lambda twice: twice / 2),
    nx=st.integers(1, 150),
    ny=st.integers(1, 150),
)
def test_box_is_that_of_cutout2d(x: float, y: float, nx: int, ny: int) -> None:
    shape = (80, 100)
    box = box_at(x, y, nx, ny).clipped(shape)
    try:
        expected = Cutout2D(np.zeros(shape), (x, y), (ny, nx), mode="trim")
    except NoOverlapError:
        assert box.is_empty
        return
    (y0, y1), (x0, x1) = expected.bbox_original
    assert box == PixelBox(y0, y1 + 1, x0, x1 + 1)


TILE = tan_header((800, 900), angle_deg=20.0)


@settings(max_examples=150, deadline=None)
@given(
    x=st.integers(-200, 2000).map(lambda twice: twice / 2) | st.floats(-100, 1000),
    y=st.integers(-200, 1800).map(lambda twice: twice / 2) | st.floats(-100, 900),
    size_arcmin=st.sampled_from([1.0, 12.0, 0.263 / 60 * 24.5]) | st.floats(0.1, 2.0),
)
def test_position_and_size_give_the_box_of_cutout2d(x: float, y: float, size_arcmin: float) -> None:
    """From the sky on; halves that arithmetic blurred are halves again (Cutout2D tosses a coin)."""
    grid, shape = sky_grid(TILE), (800, 900)
    ra, dec = grid.pixel_to_sky(x, y)
    found_x, found_y = (float(each) for each in grid.sky_to_pixel(ra, dec))
    nx, ny = size_in_pixels(grid, size_arcmin, size_arcmin)
    box = box_at(found_x, found_y, nx, ny)
    assert abs(nx - size_arcmin * 60 / 0.263) <= 0.5 + 1e-6
    assert abs((box.x0 + box.x1 - 1) / 2 - x) <= 0.5 + 1e-6
    assert abs((box.y0 + box.y1 - 1) / 2 - y) <= 0.5 + 1e-6
    is_half = any(abs(each * 2 - round(each * 2)) < 1e-5 for each in (x, y))
    at = (round(found_x, 6), round(found_y, 6)) if is_half else SkyCoord(ra, dec, unit="deg")
    try:
        cutout = Cutout2D(np.zeros(shape), at, (ny, nx), wcs=WCS(TILE), mode="trim")
    except NoOverlapError:
        assert box.clipped(shape).is_empty
        return
    (y0, y1), (x0, x1) = cutout.bbox_original
    assert box.clipped(shape) == PixelBox(y0, y1 + 1, x0, x1 + 1)


@pytest.mark.parametrize("header", [TILE, sip_header((800, 900))], ids=["tan", "sip"])
def test_size_of_a_box_is_that_of_cutout2d_in_angles(header: fits.Header) -> None:
    grid, size_arcmin = sky_grid(header), 1.0
    x, y = grid.sky_to_pixel(30.001, -20.002)
    box = box_at(float(x), float(y), *size_in_pixels(grid, size_arcmin, size_arcmin))
    position, size = SkyCoord(30.001, -20.002, unit="deg"), size_arcmin * u.arcmin
    cutout = Cutout2D(np.zeros((800, 900)), position, size, wcs=WCS(header), mode="trim")
    (y0, y1), (x0, x1) = cutout.bbox_original
    assert box == PixelBox(y0, y1 + 1, x0, x1 + 1)


def test_what_arithmetic_left_of_a_half_is_a_half() -> None:
    assert box_at(5.499999999, 5.500000001, 3, 3) == box_at(5.5, 5.5, 3, 3)


def test_outline_is_at_the_outer_edges() -> None:
    shape = (80, 100)
    grid = sky_grid(tan_header(shape, dec_deg=0.0))
    corners = outline(grid, shape)
    right, top = 50 * 0.263 / 3600, 40 * 0.263 / 3600
    expected = [[30 + right, -top], [30 - right, -top], [30 - right, top], [30 + right, top]]
    np.testing.assert_allclose(corners, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("cards", "x0", "expected"),
    [
        ({}, 30, 0.0),
        ({"CRPIX1": 53.5, "CRPIX2": 40.5}, 33, 0.0),
        ({"CRPIX1": 53.5, "CRPIX2": 40.5}, 30, 3.0),
        ({"angle_deg": 180.0}, 30, math.hypot(99 - 2 * 30, 79 - 2 * 10)),
    ],
    ids=["same", "shifted-with-its-box", "shifted", "upside-down"],
)
def test_offset_of_boxes(cards: dict[str, float], x0: int, expected: float) -> None:
    grid, other = sky_grid(tan_header()), sky_grid(tan_header(**cards))
    found = offset_px(grid, PixelBox(10, 30, 30, 50), other, PixelBox(10, 30, x0, x0 + 20))
    assert found == pytest.approx(expected, abs=1e-3)


def test_offset_beyond_the_projection_is_infinite() -> None:
    here, there = (sky_grid(tan_header(dec_deg=dec_deg)) for dec_deg in (-20.0, 80.0))
    box = PixelBox(10, 30, 30, 50)
    assert offset_px(here, box, there, box) == math.inf
