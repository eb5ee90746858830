"""WCS cards as files have them: what is no number is refused, what FITS allows is read.

Data F05 (nom-tam-fits#170, gdt-core#69), F07 (fitsio#243, chimera#228, POCS#262, astropy#7550),
F10, F23, F29.
"""

import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.io import fits

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.wcs.grid import sky_grid
from soda_service.errors import TileUnreadable

CARDS = {
    "CTYPE1": "'RA---TAN'",
    "CTYPE2": "'DEC--TAN'",
    "CRPIX1": "30.5",
    "CRPIX2": "30.5",
    "CRVAL1": "150.0",
    "CRVAL2": "2.2",
    "CDELT1": "-2.777777777778E-04",
    "CDELT2": "2.777777777778E-04",
}


def header(**cards: str | None) -> TextHeader:
    """Make a header of raw values; None leaves a card out."""
    raw = {name: value for name, value in {**CARDS, **cards}.items() if value is not None}
    lines = [f"{name:<8}= {value}".ljust(80) for name, value in raw.items()]
    return TextHeader.from_bytes("".join([*lines, "END".ljust(80)]).encode())


@pytest.mark.parametrize("projection", ["TAN", "SIN", "STG", "ZEA"])
@pytest.mark.parametrize("exponent", ["E", "D", "d"])
def test_a_double_exponent_is_an_exponent(projection: str, exponent: str) -> None:
    numbers = {"CRVAL1": "1.5E+02", "CRVAL2": "2.2E+00", "CDELT1": "-2.777777777778E-04"}
    spelled = {name: value.replace("E", exponent) for name, value in numbers.items()}
    types = {"CTYPE1": f"'RA---{projection}'", "CTYPE2": f"'DEC--{projection}'"}
    grid = sky_grid(header(**types, **spelled))
    assert np.allclose(grid.pixel_to_sky(29.5, 29.5), (150, 2.2), rtol=0, atol=1e-9)
    assert grid.scales_arcsec == pytest.approx((1, 1), rel=1e-9)


@pytest.mark.parametrize("keyword", ["CRPIX1", "CRVAL1", "CRVAL2", "CDELT1"])
@pytest.mark.parametrize(
    "value", ["'150.0'", "NaN", "150,0", "10:00:00", "'10:00:00'", "2.7777777777778-04", "T", ""]
)
@pytest.mark.parametrize("projection", ["TAN", "SIN"])
def test_what_is_no_number_is_quoted(keyword: str, value: str, projection: str) -> None:
    types = {"CTYPE1": f"'RA---{projection}'", "CTYPE2": f"'DEC--{projection}'"}
    with pytest.raises(
        TileUnreadable, match=rf"invalid WCS: {keyword} is .*, not a number"
    ) as told:
        sky_grid(header(**types, **{keyword: value}))
    assert value.strip("'T") in str(told.value)


@pytest.mark.parametrize("name", ["CD1_1", "CD2_1", "PC1_2", "CROTA2", "LONPOLE", "A_0_2"])
def test_other_cards_of_the_wcs_are_checked_too(name: str) -> None:
    with pytest.raises(TileUnreadable, match=f"{name} is 'x', not a number"):
        sky_grid(header(**{name: "'x'"}))


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        (("CRVAL1",), "CRVAL1 is missing"),
        (("CRVAL2",), "CRVAL2 is missing"),
        (("CDELT1",), "there is no pixel scale (CDELT1, CD1_*)"),
        (("CDELT1", "CDELT2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"), "CRVAL1 is missing"),
    ],
)
def test_what_has_no_sensible_default_must_be_there(left_out: list[str], message: str) -> None:
    with pytest.raises(TileUnreadable) as told:
        sky_grid(header(**dict.fromkeys(left_out)))
    assert message in str(told.value)


@pytest.mark.parametrize("form", ["CD", "PC"])
def test_a_matrix_is_a_scale(form: str) -> None:
    """CDELT is 1 by default, so a PC matrix may hold the scale (FITS 4.0, 8.2)."""
    scale = {f"{form}1_1": "-2.8E-4", f"{form}2_2": "2.8E-4"}
    grid = sky_grid(header(CDELT1=None, CDELT2=None, **scale))
    assert grid.scales_arcsec == pytest.approx((1.008, 1.008))


def test_a_date_of_observation_is_no_equinox() -> None:
    grid = sky_grid(header(EPOCH="'2012-11-10'", RADESYS="'icrs'"))
    assert np.allclose(grid.pixel_to_sky(29.5, 29.5), (150, 2.2), rtol=0, atol=1e-9)


@pytest.mark.parametrize("unit", ["Degrees", "degree", "DEG", "deg"])
def test_spellings_of_degrees(unit: str) -> None:
    grid = sky_grid(header(CUNIT1=f"'{unit}'", CUNIT2=f"'{unit}'"))
    assert np.allclose(grid.pixel_to_sky(29.5, 29.5), (150, 2.2), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "cards",
    [
        {"RADESYS": "'fk5'", "EQUINOX": "2000.0"},
        {"RADESYS": "'J2000'"},
        {"RADESYS": "'GSC1'", "EQUINOX": "2000.0"},
        {"RADECSYS": "'FK5 '"},
        {"EQUINOX": "'J2000.0'"},
        {"EQUINOX": "'2000.0'"},
        {"EPOCH": "2000"},
    ],
    ids=str,
)
def test_spellings_of_fk5(cards: dict[str, str]) -> None:
    there = SkyCoord(150, 2.2, unit="deg", frame=FK5(equinox="J2000")).icrs
    grid = sky_grid(header(**cards))
    found = SkyCoord(*grid.pixel_to_sky(29.5, 29.5), unit="deg")
    assert found.separation(there).mas < 0.01


@pytest.mark.parametrize(
    "cards", [{"RADESYS": "'icrs'"}, {"EQUINOX": "0.0"}, {"EQUINOX": ""}, {"EPOCH": "0"}], ids=str
)
def test_spellings_of_icrs(cards: dict[str, str]) -> None:
    grid = sky_grid(header(**cards))
    assert np.allclose(grid.pixel_to_sky(29.5, 29.5), (150, 2.2), rtol=0, atol=1e-9)


def test_an_equinox_is_a_year() -> None:
    with pytest.raises(TileUnreadable, match="EQUINOX is 'now', not a year"):
        sky_grid(header(EQUINOX="'now'"))


def test_a_header_of_astropy_is_checked_as_well() -> None:
    cards = fits.Header.fromstring("".join(header(CRVAL1="'150.0'").lines))
    with pytest.raises(TileUnreadable, match=r"CRVAL1 is '150\.0', not a number"):
        sky_grid(cards)
