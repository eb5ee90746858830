"""Pixels of another grid: resampled, averaged, masked."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.mosaicking.overlap import Relation, relate
from soda_service.engine.wcs.footprint import pixel_to_sky, sky_grid, sky_to_pixel
from tests.unit.analytic import PEAK, AnalyticSky
from tests.unit.engine.mosaicking.test_mosaic import (
    BOX,
    DEC,
    ERROR,
    NOWHERE,
    RA,
    SHAPE,
    centred,
    filled,
    image,
    patch,
)
from tests.unit.skyimages import tan_header


@pytest.fixture(scope="module")
def sky() -> AnalyticSky:
    return AnalyticSky(RA, DEC, radius_arcsec=9, stars=12)


def elsewhere() -> fits.Header:
    """Header of a neighbour: it shows the field, but its tangent point is 0.4 deg away."""
    header = centred(RA + 0.5, DEC + 0.3)
    x, y = sky_to_pixel(sky_grid(header), RA, DEC)
    header["CRPIX1"] += 39.8 - float(x)
    header["CRPIX2"] += 29.3 - float(y)
    return header


OTHERS = {
    "nearly half a pixel": centred(CRPIX1=40.95, CRPIX2=30.95),
    "turned": centred(angle_deg=33.0),
    "mirrored": centred(angle_deg=80.0, is_mirrored=True),
    "elsewhere": elsewhere(),
}


def well_inside(header: fits.Header) -> NDArray[np.bool_]:
    """Return which pixels of the box are at least 5 pixels from a tile's edges."""
    y, x = np.mgrid[:60, :80]
    x, y = sky_to_pixel(sky_grid(header), *pixel_to_sky(sky_grid(centred()), x, y))
    return (x > 4.5) & (x < 74.5) & (y > 4.5) & (y < 54.5)


@pytest.mark.parametrize("header", OTHERS.values(), ids=OTHERS)
def test_a_resampled_sky_is_the_sky(sky: AnalyticSky, header: fits.Header) -> None:
    target = patch(image(NOWHERE.copy()))
    relation = relate(target.grid, BOX, sky_grid(header))
    left = filled(target, patch(image(sky.image(header)), header=header), relation)
    inside = well_inside(header)
    assert inside.sum() > 2000
    assert not left[inside].any()
    off = np.abs(target.images[0].data - sky.image(centred()))[inside]
    assert off.max() < ERROR


def test_pixels_near_an_invalid_one_do_not_feel_it(sky: AnalyticSky) -> None:
    header = OTHERS["nearly half a pixel"]
    theirs = sky.image(header)
    weight = np.ones(SHAPE, "f4")
    theirs[30, 40], weight[30, 40] = 1e6, 0.0
    target = patch(image(NOWHERE.copy()), image(np.zeros(SHAPE, "f4"), "WGT"))
    source = patch(image(theirs), image(weight, "WGT"), header=header)
    left = filled(target, source, relate(target.grid, BOX, source.grid))
    assert np.argwhere(left).tolist() == [[29, 39], [29, 40], [30, 39], [30, 40]]
    off = np.abs(target.images[0].data - sky.image(centred()))
    off[left | ~well_inside(header)] = 0
    near = np.zeros(SHAPE, bool)
    near[24:36, 34:46] = True
    # Bilinear near the invalid pixel: off where a star is, but never by any of its million.
    assert off[near].max() < 0.13 * PEAK
    assert off[~near].max() < ERROR
    assert target.images[1].data[~left].tolist() == [1.0] * int((~left).sum())


def test_masks_come_from_the_nearest_pixel() -> None:
    header = centred(CRPIX1=40.8, CRPIX2=30.3)  # 0.3 pixels right, 0.2 pixels down
    flags = np.random.default_rng(8).integers(0, 2**31 - 1, SHAPE).astype("i4")
    target = patch(image(NOWHERE.copy()), image(np.full(SHAPE, -1, ">i4"), "MSK"))
    source = patch(image(np.ones(SHAPE, "f4")), image(flags, "MSK"), header=header)
    left = filled(target, source, relate(target.grid, BOX, source.grid))
    assert not left.any()
    assert np.array_equal(target.images[1].data, flags)


def test_a_cubes_layers_are_resampled_alike(sky: AnalyticSky) -> None:
    header = OTHERS["turned"]
    one = sky.image(header)
    cube = np.stack([one, 2 * one, np.full(SHAPE, np.nan, "f4")])
    target = patch(image(np.full((3, *SHAPE), np.nan, ">f4")))
    left = filled(target, patch(image(cube), header=header), Relation(None, 1.0))
    assert not left[well_inside(header)].any()
    first, second, third = target.images[0].data[:, well_inside(header)]
    assert np.abs(first - sky.image(centred())[well_inside(header)]).max() < ERROR
    assert second == pytest.approx(2 * first, rel=1e-6)
    assert np.isnan(third).all()


def test_resampled_integers_are_rounded_and_their_lost_layers_blank(sky: AnalyticSky) -> None:
    header = OTHERS["turned"]
    counts = np.round(sky.image(header) * 10).astype("i4")
    cube = np.stack([counts, np.full(SHAPE, -9, "i4")])
    target = patch(image(np.zeros((2, *SHAPE), ">i4"), BLANK=-1))
    left = filled(target, patch(image(cube, BLANK=-9), header=header), Relation(None, 1.0))
    assert not left[well_inside(header)].any()
    values, lost = target.images[0].data[:, well_inside(header)]
    assert np.abs(values - 10 * sky.image(centred())[well_inside(header)]).max() < 10 * ERROR + 1
    assert np.unique(lost).tolist() == [-1]


def test_smaller_pixels_are_averaged() -> None:
    shape = (180, 240)
    header = tan_header(shape, ra_deg=RA, dec_deg=DEC, scale_arcsec=0.263 / 3, angle_deg=5.0)
    noise = np.random.default_rng(4).normal(100, 3, shape).astype("f4")
    target = patch(image(NOWHERE.copy()), image(np.zeros(SHAPE, "f4"), "WGT"))
    box = PixelBox(0, 180, 0, 240)
    source = patch(image(noise), image(np.full(shape, 1 / 9, "f4"), "WGT"), header=header, box=box)
    relation = relate(target.grid, BOX, source.grid)
    left = filled(target, source, relation, factor=relation.pixel_ratio)
    values = target.images[0].data[~left]
    assert values.size > 3500
    assert values.mean() == pytest.approx(900, abs=1)
    # Nine pixels of noise 3 make one of noise 9, less what neighbours share; a point of the nine
    # would have 27.
    assert 5 < values.std() < 10
    assert target.images[1].data[~left] == pytest.approx(1 / 81, rel=1e-4)


@pytest.mark.parametrize("header", [centred(), OTHERS["turned"]], ids=["copied", "resampled"])
def test_pixels_that_are_no_holes_are_never_touched(header: fits.Header) -> None:
    target = patch(image(NOWHERE.copy()))
    source = patch(image(np.ones(SHAPE, "f4")), header=header)
    relation = relate(target.grid, BOX, source.grid)
    holes = np.zeros(SHAPE, bool)
    holes[30, 40] = True
    filled(target, source, relation, holes=holes)
    assert np.argwhere(np.isfinite(target.images[0].data)).tolist() == [[30, 40]]


def test_only_the_inner_pixels_of_another_grid_are_taken() -> None:
    header = centred(CRPIX1=40.8, CRPIX2=30.3)
    target = patch(image(NOWHERE.copy()))
    inner = PixelBox(5, 50, 10, 70)
    source = replace(patch(image(np.ones(SHAPE, "f4")), header=header), inner=inner)
    left = filled(target, source, relate(target.grid, BOX, source.grid))
    expected = np.ones(SHAPE, bool)
    expected[5:50, 10:70] = False
    assert np.array_equal(left, expected)


def test_parts_of_a_patch_are_views() -> None:
    whole = patch(image(NOWHERE.copy()), box=PixelBox(-10, 50, 20, 100))
    part = whole.part(PixelBox(0, 5, 30, 40))
    part.images[0].data[...] = 1
    assert np.argwhere(np.isfinite(whole.images[0].data)).min(axis=0).tolist() == [10, 10]
    assert np.isfinite(whole.images[0].data).sum() == 50
    assert replace(part, box=BOX).grid is whole.grid


def test_the_sky_of_the_tests_is_no_flat_one(sky: AnalyticSky) -> None:
    values = sky.at(*pixel_to_sky(sky_grid(centred()), *np.mgrid[:80, :60]))
    assert values.max() > 0.8 * PEAK
    assert values.min() < 20
