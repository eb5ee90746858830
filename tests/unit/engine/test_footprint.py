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

from soda_service.engine.footprint import (
    box_at,
    celestial_wcs,
    offset_px,
    outline,
    pixel_scales,
    pixel_to_sky,
    size_in_pixels,
    sky_to_pixel,
)
from soda_service.engine.image import PixelBox
from soda_service.errors import NoCoverage, TileUnreadable
from tests.unit.skyimages import other_headers, sip_header, tan_header

HEADERS = other_headers()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "no celestial WCS: CTYPE1, CTYPE2 are LINEAR"),
        ({"CTYPE1": "RA---FOO", "CTYPE2": "DEC--FOO"}, "Unrecognized projection code"),
        ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--SIN"}, "Inconsistent projection types"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "matrix is singular"),
        ({"RADESYS": "GAPPT"}, "reference system GAPPT of the WCS is not supported"),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "reference system HPLN"),
    ],
    ids=["linear", "unknown-projection", "two-projections", "singular", "apparent", "solar"],
)
def test_wcs_that_is_none_is_refused(cards: dict[str, object], message: str) -> None:
    with pytest.raises(TileUnreadable, match=message):
        celestial_wcs(tan_header(**cards))


def test_header_without_wcs_is_refused() -> None:
    header = fits.Header([("NAXIS", 2), ("NAXIS1", 5), ("NAXIS2", 5)])
    with pytest.raises(TileUnreadable, match="CTYPE1, CTYPE2 are none, none"):
        celestial_wcs(header)


def test_deprecated_keywords_are_no_warning() -> None:
    header = tan_header(RADECSYS="FK5", EQUINOX=2000.0)
    del header["RADESYS"]
    assert celestial_wcs(header).wcs.radesys == "FK5"


def test_further_axes_are_left_out() -> None:
    header = tan_header(CTYPE3="FREQ", CRVAL3=1.4e9, CDELT3=1e6, CRPIX3=1.0)
    header["NAXIS"] = 3
    header.insert("NAXIS2", ("NAXIS3", 7), after=True)
    assert celestial_wcs(header).naxis == 2


@pytest.mark.parametrize("name", HEADERS)
def test_sky_to_pixel_inverts_pixel_to_sky(name: str) -> None:
    wcs = celestial_wcs(HEADERS[name])
    ys, xs = np.mgrid[-0.5:80:7, -0.5:100:9]
    ra, dec = pixel_to_sky(wcs, xs, ys)
    x, y = sky_to_pixel(wcs, ra, dec)
    assert ra.shape == x.shape == xs.shape
    np.testing.assert_allclose(x, xs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(y, ys, rtol=0, atol=1e-6)
    assert np.all((ra >= 0) & (ra < 360))


@pytest.mark.parametrize("name", ["tan", "turned", "sip", "tpv", "cartesian-galactic"])
def test_pixels_are_those_of_astropys_high_level_interface(name: str) -> None:
    header = HEADERS[name]
    wcs = celestial_wcs(header)
    ra, dec = pixel_to_sky(wcs, [3.0, 50.0, 97.0], [70.0, 40.0, 2.0])
    expected = WCS(header).world_to_pixel(SkyCoord(ra, dec, unit="deg"))
    np.testing.assert_allclose(sky_to_pixel(wcs, ra, dec), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("cards", "frame"),
    [
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, "fk5"),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, "fk4"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "galactic"),
        ({"CTYPE1": "SLON-TAN", "CTYPE2": "SLAT-TAN"}, "supergalactic"),
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "barycentricmeanecliptic"),
    ],
    ids=["fk5", "fk4", "galactic", "supergalactic", "ecliptic"],
)
def test_other_systems_are_converted_to_icrs(cards: dict[str, object], frame: str) -> None:
    wcs = celestial_wcs(tan_header(**cards))
    there = SkyCoord(30.0, -20.0, unit="deg", frame=frame).icrs
    assert sky_to_pixel(wcs, there.ra.deg, there.dec.deg) == pytest.approx((49.5, 39.5), abs=1e-6)


def test_latitude_may_be_the_first_axis() -> None:
    header = tan_header(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=-20.0, CRVAL2=30.0)
    wcs = celestial_wcs(header)
    x, y = sky_to_pixel(wcs, [30.0, 30.0], [-20.0, -20.0 - 0.263 / 3600])
    assert x == pytest.approx([49.5, 50.5], abs=1e-6)  # CD1_1 < 0: north to the left
    assert y == pytest.approx([39.5, 39.5], abs=1e-6)


@pytest.mark.parametrize("header", [tan_header(), sip_header()], ids=["tan", "sip"])
def test_position_behind_the_projection_has_no_pixel(header: fits.Header) -> None:
    x, y = sky_to_pixel(celestial_wcs(header), [30.0, 210.0], [-20.0, 20.0])
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [False, True]


def test_no_position_gives_no_pixel() -> None:
    x, y = sky_to_pixel(celestial_wcs(tan_header()), [], [])
    assert x.shape == y.shape == (0,)


def test_pixel_scales_differ_by_axis() -> None:
    header = tan_header(CD1_1=-1e-4, CD2_2=3e-4)
    assert pixel_scales(celestial_wcs(header)) == pytest.approx((0.36, 1.08))


def test_units_other_than_degrees_are_understood() -> None:
    cards = {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 108000.0, "CRVAL2": -72000.0}
    wcs = celestial_wcs(tan_header(CD1_1=-0.25, CD2_2=0.25, **cards))
    assert pixel_scales(wcs) == pytest.approx((0.25, 0.25))
    assert sky_to_pixel(wcs, 30.0, -20.0) == pytest.approx((49.5, 39.5))


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
    assert size_in_pixels(celestial_wcs(tan_header()), *size_arcmin) == pixels


def test_halves_are_rounded_to_even() -> None:
    wcs = celestial_wcs(tan_header(scale_arcsec=0.6))
    assert [size_in_pixels(wcs, half / 100, 1.0)[0] for half in (24.5, 25.5, 26.5)] == [24, 26, 26]


@pytest.mark.parametrize("x", [math.nan, math.inf], ids=str)
def test_no_box_around_no_place(x: float) -> None:
    with pytest.raises(NoCoverage, match="outside what the tile's projection can show"):
        box_at(x, 5.0, 3, 3)


@pytest.mark.parametrize(
    ("x", "n", "start"),
    [(5.0, 3, 4), (5.0, 4, 3), (5.5, 3, 4), (5.5, 4, 4), (5.49, 1, 5), (-3.2, 2, -4)],
    ids=["odd", "even", "odd-between", "even-between", "one", "outside"],
)
def test_box_starts_where_cutout2d_starts(x: float, n: int, start: int) -> None:
    assert box_at(x, 7.0, n, 1) == PixelBox(7, 8, start, start + n)


@settings(max_examples=300, deadline=None)
@given(
    x=st.floats(-30, 130) | st.integers(-60, 260).map(lambda twice: twice / 2),
    y=st.floats(-30, 110) | st.integers(-60, 220).map(lambda twice: twice / 2),
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


def test_position_and_size_give_the_box_of_cutout2d() -> None:
    wcs = celestial_wcs(tan_header((800, 900), angle_deg=20.0))
    rng = np.random.default_rng(3)
    for _ in range(100):
        ra, dec = 30 + rng.uniform(-0.02, 0.02), -20 + rng.uniform(-0.02, 0.02)
        size = rng.uniform(0.1, 2.0)
        x, y = sky_to_pixel(wcs, ra, dec)
        box = box_at(float(x), float(y), *size_in_pixels(wcs, size, size))
        position = SkyCoord(ra, dec, unit="deg")
        cutout = Cutout2D(np.zeros((800, 900)), position, size * u.arcmin, wcs=wcs, mode="trim")
        (y0, y1), (x0, x1) = cutout.bbox_original
        assert box.clipped((800, 900)) == PixelBox(y0, y1 + 1, x0, x1 + 1)


def test_outline_is_at_the_outer_edges() -> None:
    shape = (80, 100)
    wcs = celestial_wcs(tan_header(shape, dec_deg=0.0))
    corners = outline(wcs, shape)
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
    wcs, other = celestial_wcs(tan_header()), celestial_wcs(tan_header(**cards))
    found = offset_px(wcs, PixelBox(10, 30, 30, 50), other, PixelBox(10, 30, x0, x0 + 20))
    assert found == pytest.approx(expected, abs=1e-3)


def test_offset_beyond_the_projection_is_infinite() -> None:
    here, there = (celestial_wcs(tan_header(dec_deg=dec_deg)) for dec_deg in (-20.0, 80.0))
    box = PixelBox(10, 30, 30, 50)
    assert offset_px(here, box, there, box) == math.inf
