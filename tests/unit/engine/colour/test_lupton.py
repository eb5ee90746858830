"""Pictures by the method of Lupton et al. (2004): the same as astropy's."""

import math

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb

from soda_service.engine.colour.lupton import _area_sinh, lupton
from tests.unit.engine.colour.paintings import Bands, Picture, sky


def astropys(bands: Bands, minimum: float, stretch: float, q: float) -> Picture:
    doubles = [band.astype("f8") for band in bands]
    with np.errstate(all="ignore"):
        return make_lupton_rgb(*doubles, minimum=minimum, stretch=stretch, Q=q)


@pytest.mark.parametrize(
    ("stretch", "q"), [(0.0, 8.0), (-1.0, 8.0), (math.nan, 8.0), (5.0, -1.0), (5.0, math.nan)]
)
def test_impossible_settings_are_refused(stretch: float, q: float) -> None:
    with pytest.raises(ValueError, match="expected a positive and a non-negative number"):
        lupton(*sky((2, 2)), minimum=0.0, stretch=stretch, q=q)


@pytest.mark.parametrize(
    ("minimum", "stretch", "q"),
    [(1.0, 50.0, 10.0), (0.0, 5.0, 8.0), (-3.0, 0.5, 20.0), (2.0, 100.0, 0.0), (1.0, 3.0, 1e12)],
)
@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", "i2"])
def test_pictures_are_astropys(minimum: float, stretch: float, q: float, dtype: str) -> None:
    bands = sky((201, 300), dtype)
    expected = astropys(bands, minimum, stretch, q)
    found = lupton(*bands, minimum=minimum, stretch=stretch, q=q)
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    # Integers make the same few quotients again and again, some just at a level's edge.
    assert np.mean(difference > 0) < (1e-2 if dtype == "i2" else 1e-4)
    assert (found == 255).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 500), (500, 1)], ids=str)
@pytest.mark.parametrize("brightness", [0.0, 30.0, 1e4, 1e30], ids=str)
def test_plain_areas_are_astropys(shape: tuple[int, int], brightness: float) -> None:
    """Constant images, down to a pixel: black, coloured, and saturated with their colour kept."""
    bands = [np.full(shape, share * brightness, "f4") for share in (0.4, 1.0, 0.7)]
    found = lupton(*bands, minimum=1.0, stretch=50.0, q=10.0)
    assert np.abs(found.astype(int) - astropys(bands, 1.0, 50.0, 10.0)).max() <= 1
    assert found.any() == (brightness > 0)
    if brightness >= 1e4:
        assert (found[..., 1] == 255).all()
        assert (found[..., 0] < 110).all()


def test_images_without_value_are_black() -> None:
    band = np.full((4, 5), np.nan, "f4")
    assert not lupton(band, band, band, minimum=0.0, stretch=5.0, q=8.0).any()


@pytest.mark.parametrize(
    ("minimum", "stretch", "q"),
    [(1e300, 5.0, 8.0), (1.0, 1e-300, 8.0), (1.0, 1e-36, 1e30), (1.0, 1e30, 1e-36)],
    ids=str,
)
def test_extreme_settings_have_no_chance_pixels(minimum: float, stretch: float, q: float) -> None:
    assert not lupton(*sky((50, 60)), minimum=minimum, stretch=stretch, q=q).any()


def test_picture_keeps_the_order_of_rows() -> None:
    red = np.zeros((60, 40), "f4")
    red[3, 5] = 100.0
    none = np.zeros_like(red)
    rgb = lupton(red, none, none, minimum=0.0, stretch=5.0, q=8.0)
    assert np.argwhere(rgb).tolist() == [[3, 5, 0]]


def test_area_sinh_is_the_functions_value() -> None:
    values = np.exp(np.random.default_rng(2).uniform(-60.0, 87.0, 200_000)).astype("f4")
    values[:3] = 0.0, 1.0, 8192.0
    expected = np.arcsinh(values.astype("f8"))
    np.testing.assert_allclose(_area_sinh(values.copy()), expected, rtol=3e-7)
