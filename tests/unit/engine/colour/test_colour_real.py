"""Colour pictures of real sky: as the STIFF program and astropy paint them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray
from PIL import Image

from soda_service.engine.colour.lupton import lupton
from soda_service.engine.colour.stiff import StiffSettings, stiff
from tests.unit.engine.colour.stiffprogram import assert_same_picture, painted
from tests.unit.skyimages import REALSKY

pytestmark = pytest.mark.skipif(
    not REALSKY.is_dir(), reason="the real survey images are not beside the repository"
)

Bands = list[NDArray[np.floating]]

FIELDS = {
    "des": ("des_sn2006bh/DES_{}.fits", "irg"),
    "ps1": ("ps1_sn2006bh/PS1_{}.fits", "irg"),
    "legacy": ("legacy_0860m305/J054358.0-303449.5_legacysurvey-0860m305-image-{}.fits.fz", "zrg"),
    "sdss_m2": ("sdss_m2/frame-{}-002583-2-0136.fits.bz2", "irg"),
    "sdss_ngc6976": ("sdss_ngc6976/reprojected_sdss_{}.fits.bz2", "irg"),
    "twomass_gc": ("twomass_gc/gc_2mass_{}.fits", "khj"),
}
"""Files of a field by band, and the bands that are red, green and blue."""

STAMPS = {f"stamp-{number}": number for number in (0, 7, 10, 23, 45)}

SETTINGS = {
    "defaults": StiffSettings(),
    "vivid": StiffSettings(gamma=1.8, luminance_gamma=0.8, saturation=2.0, min_level=0.01),
    "quantiles": StiffSettings(
        gamma=2.4, luminance_gamma=1.5, min_type="quantile", min_level=0.1, max_level=0.99
    ),
}

STRETCHES = {
    "service": {"minimum": 1.0, "stretch": 50.0, "q": 10.0},
    "astropy": {"minimum": 0.0, "stretch": 5.0, "q": 8.0},
    "faint": {"minimum": -0.05, "stretch": 0.2, "q": 15.0},
}


@cache
def plane(path: Path) -> NDArray[np.floating]:
    """Read an image once: those of SDSS take half a second each to unpack."""
    return fits.getdata(path)


def whole(name: str) -> Bands:
    if name in STAMPS:
        cubes = [plane(REALSKY / f"des_grizY_stamps_nowcs/{band}.fits") for band in "irg"]
        return [cube[STAMPS[name]] for cube in cubes]
    path, bands = FIELDS[name]
    return [plane(REALSKY / path.format(band)) for band in bands]


def cutout(name: str) -> Bands:
    """At most some 300 px wide: about the brightest pixel, where the picture is hardest to get."""
    bands = whole(name)
    y, x = np.unravel_index(np.argmax(bands[0]), bands[0].shape)
    low, left = max(0, y - 141), max(0, x - 160)
    return [band[low : y + 142, left : x + 157] for band in bands]


def of_every_field(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.parametrize("name", [*FIELDS, *STAMPS])(test)


@of_every_field
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_stiff_is_the_programs(name: str, settings: StiffSettings) -> None:
    bands = cutout(name)
    assert_same_picture(stiff(bands, settings), painted(bands, settings))


@pytest.mark.parametrize("name", ["legacy", "sdss_m2", "sdss_ngc6976", "twomass_gc"])
def test_stiff_of_whole_images_is_the_programs(name: str) -> None:
    """Among them a frame of SDSS, which is measured in two pieces."""
    bands = whole(name)
    assert_same_picture(stiff(bands), painted(bands))


@of_every_field
def test_grey_pictures_are_the_programs(name: str) -> None:
    bands = cutout(name)[1:2]
    assert_same_picture(stiff(bands), painted(bands))


def test_every_stamp_is_the_programs() -> None:
    """All are of an odd number of pixels, with a galaxy in the centre."""
    cubes = [plane(REALSKY / f"des_grizY_stamps_nowcs/{band}.fits") for band in "zgY"]
    for stamp in zip(*cubes, strict=True):
        assert_same_picture(stiff(stamp), painted(stamp))


@of_every_field
@pytest.mark.parametrize("options", STRETCHES.values(), ids=STRETCHES)
def test_lupton_is_astropys(name: str, options: dict[str, float]) -> None:
    bands = cutout(name)
    minimum, stretch, q = options.values()
    doubles = [band.astype("f8") for band in bands]
    expected = make_lupton_rgb(*doubles, minimum=minimum, stretch=stretch, Q=q)
    assert_same_picture(lupton(*bands, **options), expected)


def white_and_black(picture: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Count the white values of each channel, and give the share of the black ones."""
    pixels = picture.reshape(-1, 3)
    return np.stack([np.count_nonzero(pixels == 255, axis=0), np.mean(pixels == 0, axis=0)])


def test_look_is_that_of_the_pictures_of_the_des_service() -> None:
    """Ten of its pictures, 228x228 px, by the defaults; their pixels in FITS could not be had.

    White is what is at least as bright as the value of rank 25992 + 25965 among 51984, which is
    27 pixels, and some that are brighter than 254.5; black is what is fainter than a sky whose
    median is just above black: less than half, and more the less the brightest pixels reach up.
    """
    paths = sorted((REALSKY / "des_png_reference").glob("*_stiff.png"))
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    ours = stiff([band[:228, :228] for band in whole("des")])
    for picture in (*pictures, ours):
        white, black = white_and_black(picture)
        assert np.all((white >= 27) & (white <= 35))
        assert np.all((black > 0.1) & (black < 0.5))
