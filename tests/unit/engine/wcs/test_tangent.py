"""The closed form against wcslib, and which headers are left to wcslib."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from soda_service.engine.wcs.grid import WcsGrid, celestial_wcs
from soda_service.engine.wcs.systems import system_of
from soda_service.engine.wcs.tangent import TangentGrid
from soda_service.engine.wcs.vectors import FK5_TO_ICRS, unit_xyz
from tests.unit.skyimages import sip_header, tan_header, tpv_header

SYSTEMS = [
    {}, {"RADESYS": "ICRS", "EQUINOX": 2000.0}, {"RADESYS": "FK5"}, {"EQUINOX": 2000.0},
    {"EPOCH": 2000.0}, {"RADECSYS": "FK5"},
]  # fmt: skip
POLES = [{}, {"LONPOLE": 180.0}, {"LONPOLE": 0.0, "LATPOLE": 5.0}]
LINEAR = {"CDELT1": -1e-3, "CDELT2": 1e-3}


def without(header: fits.Header, pattern: str) -> fits.Header:
    del header[pattern]
    return header


def twice(header: fits.Header, keyword: str, value: float) -> fits.Header:
    header.append((keyword, value))
    return header


@pytest.mark.parametrize(
    "header",
    [
        tan_header(CTYPE1="RA---SIN", CTYPE2="DEC--SIN"),
        tan_header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
        tan_header(CTYPE1="RA---TAN", CTYPE2="RA---TAN"),
        tan_header(CTYPE1=5),
        sip_header(),
        tan_header(A_ORDER=2, A_2_0=1e-5),
        tan_header(PV1_1=1.0),
        tpv_header(),
        tan_header(CPDIS1="LOOKUP"),
        tan_header(CUNIT1="arcsec"),
        tan_header(RADESYS="FK4"),
        tan_header(RADESYS="FK5", EQUINOX=1975.0),
        tan_header(RADESYS="FK5", RADECSYS="ICRS"),
        without(tan_header(EQUINOX=1950.0), "RADESYS"),
        without(tan_header(EQUINOX="J2000"), "RADESYS"),
        tan_header(LONPOLE=90.0),
        tan_header(LONPOLE=999.0),
        tan_header(CRVAL2=95.0),
        tan_header(CRVAL1="30"),
        tan_header(CRPIX1=True),
        tan_header(CD1_1=0.0, CD1_2=0.0),
        tan_header(PC1_1=1.0),
        without(tan_header(PC1_1=1.0, PC002001=0.5, **LINEAR), "CD?_?"),
        without(tan_header(CDELT1=0.0, CDELT2=1e-3), "CD?_?"),
        tan_header(CD1_3=1e-5),
        tan_header(PC3_1=1e-5),
        twice(tan_header(), "CRPIX1", 7.0),
    ],
    ids=[
        "sin", "galactic", "two-longitudes", "ctype-number", "sip", "sip-untold", "scamp", "tpv",
        "lookup", "arcsec", "fk4", "fk5-1975", "two-systems", "equinox-1950", "equinox-text",
        "lonpole", "lonpole-undefined", "beyond-the-pole", "text", "logical", "singular",
        "cd-and-pc", "two-pc", "no-step", "mixed-axes", "mixed-axes-pc", "keyword-twice",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_wcslib(header: fits.Header) -> None:
    assert TangentGrid.from_header(header) is None


@st.composite
def plain_headers(draw: st.DrawFn) -> fits.Header:
    """Draw headers of any place, scale, turn, parity and way of saying so."""
    longitude = draw(st.sampled_from([0.0, 360.0, -1e-5, 180.0]) | st.floats(-360, 720))
    latitude = draw(st.sampled_from([90.0, -90.0, 89.9999, -60.0, 0.0]) | st.floats(-90, 90))
    axes = draw(st.sampled_from([(1, 2), (2, 1)]))
    header = fits.Header([("NAXIS", 2), ("NAXIS1", 1000), ("NAXIS2", 900)])
    for axis, kind, value in zip(
        axes, ("RA---TAN", "DEC--TAN"), (longitude, latitude), strict=True
    ):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = kind, value
    for axis in (1, 2):
        header[f"CRPIX{axis}"] = draw(st.floats(-30000, 30000) | st.just(500.5))
    scale = 10 ** draw(st.floats(-5, -2))
    angle = np.radians(draw(st.sampled_from([0.0, 45.0, 90.0, 180.0]) | st.floats(-180, 180)))
    parity, skew = draw(st.sampled_from([-1, 1])), draw(st.floats(0.5, 2.0))
    form = draw(st.sampled_from(["CD{}_{}", "PC{}_{}", "PC00{}00{}", "CROTA"]))
    if not form.startswith("CD"):
        header["CDELT1"], header["CDELT2"] = parity * scale, skew * scale
    if form == "CROTA":
        header["CROTA1"] = header["CROTA2"] = float(np.degrees(angle))
    else:
        matrix = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        if form.startswith("CD"):
            matrix = np.array(matrix) * [parity * scale, skew * scale]
        for i, row in enumerate(matrix, start=1):
            for j, element in enumerate(row, start=1):
                header[form.format(i, j)] = float(element)
    header.update(draw(st.sampled_from(SYSTEMS)))
    header.update(draw(st.sampled_from(POLES)))
    return header


@settings(max_examples=100, deadline=None)
@given(header=plain_headers(), seed=st.integers(0, 1000))
def test_closed_form_is_wcslibs(header: fits.Header, seed: int) -> None:
    plain, wcs = TangentGrid.from_header(header), WcsGrid(celestial_wcs(header))
    assert plain is not None
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-2000, 3000, (2, 40))
    ra, dec = wcs.pixel_to_sky(x, y)
    found_ra, found_dec = plain.pixel_to_sky(x, y)
    off_ra = (found_ra - ra + 180) % 360 - 180
    assert np.hypot(off_ra * np.cos(np.radians(dec)), found_dec - dec).max() < 1e-9
    # RA itself is no better than 1e-13 deg, which is 1e-8 of the smallest pixels here.
    np.testing.assert_allclose(
        plain.sky_to_pixel(ra, dec), wcs.sky_to_pixel(ra, dec), rtol=0, atol=1e-7
    )
    assert plain.scales_arcsec == pytest.approx(wcs.scales_arcsec, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(header=plain_headers(), seed=st.integers(0, 1000))
def test_far_positions_are_where_wcslib_has_them(header: fits.Header, seed: int) -> None:
    plain, wcs = TangentGrid.from_header(header), WcsGrid(celestial_wcs(header))
    assert plain is not None
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, 100), np.degrees(np.arcsin(rng.uniform(-1, 1, 100)))
    depth = np.tensordot(plain.to_pixel[2], unit_xyz(ra, dec), axes=1)
    clear = np.abs(depth) > 1e-3  # on the horizon itself the last bit decides
    found, expected = (np.array(grid.sky_to_pixel(ra[clear], dec[clear])) for grid in (plain, wcs))
    assert np.isnan(found[0]).tolist() == (depth[clear] < 0).tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def test_fk5_turns_as_astropys_does() -> None:
    wcs = WCS(tan_header(RADESYS="FK5"))
    there = system_of(wcs).to_icrs(np.array([0.0, 90.0, 0.0]), np.array([0.0, 0.0, 90.0]))
    ra, dec = np.radians(there)
    columns = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    np.testing.assert_allclose(columns, FK5_TO_ICRS, rtol=0, atol=1e-15)


def test_equal_headers_give_equal_grids() -> None:
    one, other = (TangentGrid.from_header(tan_header()) for _ in range(2))
    assert one == other
    assert one != TangentGrid.from_header(tan_header(CRPIX1=50.4))


def test_scalars_and_shapes_that_broadcast() -> None:
    grid = TangentGrid.from_header(tan_header())
    assert grid is not None
    assert grid.pixel_to_sky(49.5, 39.5)[0].shape == ()
    ra, dec = grid.pixel_to_sky(np.arange(3.0), np.arange(2.0)[:, None])
    assert ra.shape == dec.shape == (2, 3)


def test_no_astropy_is_needed() -> None:
    """Importing it takes longer than a cutout."""
    code = "import sys, soda_service.engine.wcs.footprint; sys.exit('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
