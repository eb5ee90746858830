"""Pixels and sky of every projection against astropy's own interface, and what is refused."""

import threading

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.wcs.grid import WcsGrid, sky_grid
from soda_service.engine.wcs.tangent import TangentGrid
from soda_service.errors import TileUnreadable
from tests.unit.engine.projections import every_header
from tests.unit.skyimages import sip_header, tan_header

HEADERS = every_header()
PLAIN = {
    "TAN", "crota", "crota-latitude-first", "pc", "old-pc", "cd-and-cdelt", "mirrored",
    "latitude-first", "cube", "icrs-with-equinox", "fk5", "dec-60", "ra-0", "ra-360",
    "ra-negative", "north-pole", "south-pole", "near-the-pole", "far-reference",
}  # fmt: skip
PIXELS = np.meshgrid(np.arange(-0.5, 100, 9.0), np.arange(-0.5, 80, 7.0))


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "no celestial WCS: CTYPE1, CTYPE2 are LINEAR"),
        ({"CTYPE1": "RA---FOO", "CTYPE2": "DEC--FOO"}, "Unrecognized projection code"),
        ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--SIN"}, "Inconsistent projection types"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "matrix is singular"),
        ({"CRVAL2": 95.0}, "invalid WCS: No valid solution for latp"),
        ({"RADESYS": "GAPPT"}, "the WCS has reference system GAPPT; supported"),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "reference system HPLN"),
        ({"CPDIS1": "LOOKUP"}, r"^the WCS needs a lookup table \(CPDIS1 = LOOKUP\); supported"),
        ({"CQDIS2": "LOOKUP"}, r"lookup table \(CQDIS2 = LOOKUP\)"),
        ({"D2IMDIS1": "LOOKUP"}, r"lookup table \(D2IMDIS1 = LOOKUP\)"),
        ({"D2IMERR1": 0.01}, r"lookup table \(D2IMERR1 = 0.01\)"),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"}, r"lookup table \(CTYPE1 = RA---TAB\)"),
    ],
    ids=lambda value: (
        "-".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_wcs_that_is_none_is_refused(cards: dict[str, object], message: str) -> None:
    with pytest.raises(TileUnreadable, match=message):
        sky_grid(tan_header(**cards))


def test_header_without_wcs_is_refused() -> None:
    header = fits.Header([("NAXIS", 2), ("NAXIS1", 5), ("NAXIS2", 5)])
    with pytest.raises(TileUnreadable, match="CTYPE1, CTYPE2 are none, none"):
        sky_grid(header)


@pytest.mark.parametrize("name", HEADERS)
def test_plain_ones_are_computed_without_wcslib(name: str) -> None:
    assert isinstance(sky_grid(HEADERS[name]), TangentGrid if name in PLAIN else WcsGrid)


@pytest.mark.parametrize("name", HEADERS)
def test_header_as_text_means_the_same(name: str) -> None:
    grid = sky_grid(HEADERS[name])
    same = sky_grid(TextHeader.from_astropy(HEADERS[name]))
    assert type(same) is type(grid)
    np.testing.assert_array_equal(same.pixel_to_sky(*PIXELS), grid.pixel_to_sky(*PIXELS))


@pytest.mark.parametrize("name", HEADERS)
def test_sky_to_pixel_inverts_pixel_to_sky(name: str) -> None:
    grid = sky_grid(HEADERS[name])
    ra, dec = grid.pixel_to_sky(*PIXELS)
    found = grid.sky_to_pixel(ra, dec)
    assert ra.shape == dec.shape == found[0].shape == found[1].shape == PIXELS[0].shape
    # COBE's cube (CSC) is defined by two approximations that invert each other to arcseconds.
    atol = 1.0 if name == "CSC" else 1e-6
    np.testing.assert_allclose(found, PIXELS, rtol=0, atol=atol)
    assert np.all((ra >= 0) & (ra < 360))


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.filterwarnings("ignore:cdelt will be ignored:RuntimeWarning")
@pytest.mark.parametrize("name", sorted(HEADERS.keys() - {"ecliptic", "supergalactic"}))
def test_sky_is_that_of_astropys_high_level_interface(name: str) -> None:
    """Which knows neither of the two: see the next test."""
    ra, dec = sky_grid(HEADERS[name]).pixel_to_sky(*PIXELS)
    expected = WCS(HEADERS[name], naxis=2).pixel_to_world(*PIXELS).icrs
    found = SkyCoord(ra, dec, unit="deg")
    assert found.separation(expected).max() < 1e-9 * u.deg


@pytest.mark.parametrize(
    ("name", "frame"),
    [("supergalactic", "supergalactic"), ("ecliptic", "barycentricmeanecliptic")],
    ids=["supergalactic", "ecliptic"],
)
def test_systems_that_only_this_service_converts(name: str, frame: str) -> None:
    there = SkyCoord(30.0, -20.0, unit="deg", frame=frame).icrs
    x, y = sky_grid(HEADERS[name]).sky_to_pixel(there.ra.deg, there.dec.deg)
    assert (float(x), float(y)) == pytest.approx((49.5, 39.5), abs=1e-6)


def test_ecliptic_of_another_equinox() -> None:
    header = tan_header(CTYPE1="ELON-TAN", CTYPE2="ELAT-TAN", EQUINOX=1950.0)
    del header["RADESYS"]
    frame = "barycentricmeanecliptic"
    there = SkyCoord(30.0, -20.0, unit="deg", frame=frame, equinox="J1950").icrs
    x, y = sky_grid(header).sky_to_pixel(there.ra.deg, there.dec.deg)
    assert (float(x), float(y)) == pytest.approx((49.5, 39.5), abs=1e-6)


def test_deprecated_keywords_are_no_warning() -> None:
    header = tan_header(RADECSYS="FK5", EQUINOX=1975.0)
    del header["RADESYS"]
    ra, dec = sky_grid(header).pixel_to_sky(49.5, 39.5)
    expected = SkyCoord(30.0, -20.0, unit="deg", frame="fk5", equinox="J1975").icrs
    assert (float(ra), float(dec)) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-9)


@pytest.mark.parametrize("header", [tan_header(), sip_header()], ids=["tan", "sip"])
def test_position_behind_the_projection_has_no_pixel(header: fits.Header) -> None:
    x, y = sky_grid(header).sky_to_pixel([30.0, 210.0], [-20.0, 20.0])
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [False, True]


@pytest.mark.parametrize("header", [tan_header(), sip_header()], ids=["tan", "sip"])
def test_nowhere_is_nowhere(header: fits.Header) -> None:
    grid = sky_grid(header)
    assert np.isnan(grid.sky_to_pixel([np.nan], [np.nan])).all()
    assert np.isnan(grid.pixel_to_sky([np.nan], [np.nan])).all()


@pytest.mark.parametrize("header", [tan_header(), sip_header()], ids=["tan", "sip"])
def test_no_position_gives_no_pixel(header: fits.Header) -> None:
    x, y = sky_grid(header).sky_to_pixel([], [])
    assert x.shape == y.shape == (0,)


@pytest.mark.parametrize("name", ["TAN", "sip", "tpv", "galactic", "ARC"])
def test_a_position_does_not_depend_on_the_others_of_its_batch(name: str) -> None:
    """Also where one of them lies so far off that a distortion cannot be inverted."""
    grid = sky_grid(HEADERS[name])
    ra, dec = grid.pixel_to_sky(*PIXELS)
    x, y = grid.sky_to_pixel([*ra.ravel(), 30.0], [*dec.ravel(), 40.0])
    alone = [grid.sky_to_pixel([a], [b]) for a, b in zip(ra.ravel(), dec.ravel(), strict=True)]
    np.testing.assert_allclose(x[:-1], [found[0][0] for found in alone], rtol=0, atol=1e-7)
    np.testing.assert_allclose(y[:-1], [found[1][0] for found in alone], rtol=0, atol=1e-7)


def test_units_other_than_degrees_are_understood() -> None:
    grid = sky_grid(HEADERS["arcsec"])
    assert grid.scales_arcsec == pytest.approx((0.3, 0.3))
    x, y = grid.sky_to_pixel(30.0, -20.0)
    assert (float(x), float(y)) == pytest.approx((49.5, 39.5))


def test_threads_may_share_a_grid() -> None:
    grid = sky_grid(sip_header())
    ra, dec = grid.pixel_to_sky(*PIXELS)
    wrong: list[float] = []

    def work() -> None:
        for _ in range(20):
            x, y = grid.sky_to_pixel(ra, dec)
            off = float(np.hypot(x - PIXELS[0], y - PIXELS[1]).max())
            if not off < 1e-6:
                wrong.append(off)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
