from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.demo.painting import paint
from soda_service.demo.sources import Source, field_sources, flux_in

STAR = Source("star", 60.3, 57.8, 5e4, 0.4)
DISC = Source("disc", 60.3, 57.8, 5e4, 0.4, 5.0, 0.6, 0.5)
SOURCES = {
    "star": STAR,
    "knot": replace(STAR, kind="knot", radius_px=0.8),
    "disc": DISC,
    "spiral": replace(DISC, arms=0.8),
    "bulge": replace(DISC, kind="bulge", radius_px=2.0),
    "dusty": replace(DISC, dust=3.0),
}


def painted(*sources: Source, band: str = "r", shape: tuple[int, int] = (128, 128)) -> NDArray:
    image = np.zeros(shape, dtype=np.float32)
    paint(image, sources, band)
    return image


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("band", ["g", "Y"])
def test_all_light_of_a_source_is_there(source: Source, band: str) -> None:
    assert painted(source, band=band).sum() == pytest.approx(flux_in(source, band), rel=0.02)


@pytest.mark.parametrize("name", ["star", "knot", "disc", "spiral", "bulge"])
def test_light_is_centred_on_the_source(name: str) -> None:
    image = painted(SOURCES[name]).astype(float)
    y, x = np.indices(image.shape)
    centre = (image * x).sum() / image.sum(), (image * y).sum() / image.sum()
    assert centre == pytest.approx((60.3, 57.8), abs=0.1)


@pytest.mark.parametrize(("band", "fwhm_px"), [("g", 4.3), ("r", 3.9), ("z", 3.5)])
def test_stars_are_as_wide_as_the_seeing(band: str, fwhm_px: float) -> None:
    image = painted(replace(STAR, x=64, y=64), band=band)
    above = np.interp(0.5, (image[64, 64:74] / image[64, 64])[::-1], np.arange(9, -1, -1))
    # Pixels, and a star drawn one pixel wide, blur a little more.
    assert fwhm_px < 2 * above < fwhm_px + 0.4


def test_a_disc_is_longest_along_its_angle() -> None:
    image = painted(replace(DISC, angle_rad=0.0, axis_ratio=0.3)).astype(float)
    y, x = np.indices(image.shape)
    spread_x = (image * (x - 60.3) ** 2).sum()
    spread_y = (image * (y - 57.8) ** 2).sum()
    assert spread_x > 3 * spread_y


def test_arms_wind_the_way_they_are_told() -> None:
    face_on = replace(DISC, x=64, y=64, radius_px=12, axis_ratio=1, angle_rad=0, arms=0.9)
    left = painted(replace(face_on, winding=4.0))
    right = painted(replace(face_on, winding=-4.0))
    np.testing.assert_allclose(left[1:, 1:], right[:0:-1, 1:], atol=0.02 * left.max())
    assert np.abs(left - right).max() > 0.1 * left.max()


@pytest.mark.parametrize("place", [(-3.0, 50.0), (127.6, 127.9), (50.0, -1.0), (-900.0, 4000.0)])
def test_a_source_at_the_edge_is_cut_there(place: tuple[float, float]) -> None:
    x, y = place
    wide = painted(replace(STAR, x=x + 256, y=y + 256), shape=(640, 640))
    np.testing.assert_array_equal(painted(replace(STAR, x=x, y=y)), wide[256:384, 256:384])


def test_painting_together_is_painting_one_after_the_other() -> None:
    sources = field_sources(4, (300, 300))
    one_by_one = np.zeros((300, 300), dtype=np.float32)
    for source in sources:
        paint(one_by_one, [source], "i")
    together = painted(*sources, band="i", shape=(300, 300))
    np.testing.assert_allclose(together, one_by_one, atol=1e-5 * one_by_one.max())
    assert np.count_nonzero(together) > 20_000
