"""Pictures by the STIFF method are those of the STIFF program."""

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.engine.colour.stiff import StiffSettings, stiff
from tests.unit.engine.colour.stiffprogram import KEYWORDS, assert_same_picture, painted

Bands = list[NDArray[np.float32]]

SETTINGS = {
    "defaults": StiffSettings(),
    "gamma-1": StiffSettings(gamma=1.0),
    "gamma-3.5": StiffSettings(gamma=3.5),
    "gamma-10": StiffSettings(gamma=10.0),
    "luminance-0.7": StiffSettings(luminance_gamma=0.7),
    "luminance-1.5": StiffSettings(luminance_gamma=1.5),
    "luminance-3": StiffSettings(luminance_gamma=3.0),
    "grey": StiffSettings(saturation=0.0),
    "saturation-0.5": StiffSettings(saturation=0.5),
    "saturation-2": StiffSettings(saturation=2.0),
    "saturation-5": StiffSettings(saturation=5.0),
    "bright-sky": StiffSettings(min_level=0.1),
    "black-sky": StiffSettings(min_level=0.0),
    "low-quantile": StiffSettings(min_type="quantile", min_level=0.2),
    "both-quantiles": StiffSettings(min_type="quantile", min_level=0.05, max_level=0.9),
    "whole-range": StiffSettings(min_type="quantile", min_level=0.0, max_level=1.0),
    "quantiles-beyond": StiffSettings(min_type="quantile", min_level=-1.0, max_level=2.0),
    "manual-min": StiffSettings(min_type="manual", min_level=10.0),
    "manual-max": StiffSettings(max_type="manual", max_level=100.0),
    "manual": StiffSettings(min_type="manual", min_level=-5.0, max_type="manual", max_level=300.0),
    "manual-reversed": StiffSettings(
        min_type="manual", min_level=50.0, max_type="manual", max_level=-10.0
    ),
    "everything": StiffSettings(
        gamma=1.8, luminance_gamma=0.8, saturation=1.7, min_level=0.05, max_level=0.99
    ),
    "everything-else": StiffSettings(
        gamma=2.6,
        luminance_gamma=1.4,
        saturation=2.5,
        min_type="quantile",
        min_level=0.3,
        max_type="manual",
        max_level=250.0,
    ),
}

SHAPES = [
    (228, 228),
    (201, 155),
    (201, 154),
    (1, 1000),
    (1000, 1),
    (1, 1001),
    (1001, 1),
    (500, 2),
    (2, 2),
    (2, 3),
    (3, 3),
    (5, 7),
    (1, 1),
]


def field(shape: tuple[int, int], seed: int = 1) -> Bands:
    """Three bands: noise on a sky of their own, sources in common, the brightest in the centre."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    galaxy = 2000 * np.exp(-np.hypot(y - ny // 2, x - nx // 2) / 6)
    stars = rng.exponential(8.0, shape) ** 2 * (rng.random(shape) > 0.95)
    return [
        (rng.normal(sky, 3.0, shape) + share * (galaxy + stars)).astype("f4")
        for sky, share in ((10.0, 1.0), (0.0, 0.7), (25.0, 0.3))
    ]


def constant(value: float) -> NDArray[np.float32]:
    return np.full((40, 50), value, "f4")


def saturated(share: float) -> Bands:
    """Give a field a part of which is at a plateau, as in the core of a bright star."""
    bands = field((90, 91))
    for band in bands:
        band[: round(share * len(band))] = 60_000.0
    return bands


def with_empty_edges(share: float) -> Bands:
    """Give a field of which a part lies off the survey, and was filled with zeros."""
    bands = field((90, 91))
    for band in bands:
        band[: round(share * len(band))] = 0.0
    return bands


def spot() -> NDArray[np.float32]:
    band = constant(0.0)
    band[3, 4] = 1.0
    return band


STRANGE = {
    "zero": [constant(0.0)] * 3,
    "constant": [constant(7.3)] * 3,
    "constant-negative": [constant(-3.1)] * 3,
    "constant-tiny": [constant(1e-30)] * 3,
    "constants-differ": [constant(0.1), constant(13.7), constant(-1e20)],
    "one-zero": [constant(0.0), *field((40, 50))[1:]],
    "one-constant": [*field((40, 50))[:2], constant(5.7)],
    "one-pixel-lit": [spot()] * 3,
    "two-values": [(band > 10).astype("f4") for band in field((40, 50))],
    "mostly-white": [np.minimum(band, np.median(band)) for band in field((40, 50))],
    "saturated-1%": saturated(0.012),
    "saturated-30%": saturated(0.3),
    "saturated-half": saturated(0.5),
    "saturated-60%": saturated(0.6),
    "empty-10%": with_empty_edges(0.1),
    "empty-half": with_empty_edges(0.5),
    "empty-60%": with_empty_edges(0.6),
    "empty-99%": with_empty_edges(0.99),
    "all-below-zero": [band - np.float32(5000) for band in field((40, 50))],
    "faint": [band * np.float32(1e-12) for band in field((40, 50))],
    "bright": [band * np.float32(1e12) for band in field((40, 50))],
    "one-pixel-huge": [np.maximum(band, spot() * np.float32(1e15)) for band in field((40, 50))],
}


def test_every_setting_has_its_keyword() -> None:
    assert set(KEYWORDS) == set(StiffSettings.__slots__)


@pytest.mark.parametrize("shape", [(228, 228), (155, 201)], ids=str)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_do_what_they_do_in_the_program(
    settings: StiffSettings, shape: tuple[int, int]
) -> None:
    bands = field(shape)
    assert_same_picture(stiff(bands, settings), painted(bands, settings))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_single_band_is_the_programs_grey_picture(settings: StiffSettings) -> None:
    bands = field((155, 201))[:1]
    found = stiff(bands, settings)
    assert found.shape == (155, 201)
    assert_same_picture(found, painted(bands, settings))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pictures_of_any_shape_are_the_programs(shape: tuple[int, int]) -> None:
    """The defaults here are the program's own: it is told nothing."""
    bands = field(shape)
    assert_same_picture(stiff(bands), painted(bands))
    assert_same_picture(stiff(bands[:1]), painted(bands[:1]))


@pytest.mark.parametrize("seed", range(2, 8))
def test_whites_of_an_odd_number_of_pixels_are_the_programs(seed: int) -> None:
    """They depend on where the brightest pixels are: the program leaves one of them out."""
    bands = [np.ascontiguousarray(band[seed:, :]) for band in field((23, 31), seed)]
    if bands[0].size % 2 == 0:
        bands = [np.ascontiguousarray(band[1:]) for band in bands]
    assert_same_picture(stiff(bands), painted(bands))


@pytest.mark.parametrize("bands", STRANGE.values(), ids=STRANGE)
def test_strange_images_give_the_programs_picture(bands: Bands) -> None:
    assert_same_picture(stiff(bands), painted(bands))


@pytest.mark.parametrize("name", ["zero", "constant", "one-constant", "two-values", "mostly-white"])
@pytest.mark.parametrize("setting", ["luminance-0.7", "grey", "both-quantiles", "manual"])
def test_strange_images_give_the_programs_picture_by_any_setting(name: str, setting: str) -> None:
    bands, settings = STRANGE[name], SETTINGS[setting]
    assert_same_picture(stiff(bands, settings), painted(bands, settings))


@pytest.mark.parametrize(
    "name", ["zero", "constant", "one-pixel-lit", "two-values", "mostly-white"]
)
def test_strange_images_give_the_programs_grey_picture(name: str) -> None:
    bands = STRANGE[name][:1]
    assert_same_picture(stiff(bands), painted(bands))


@pytest.mark.parametrize("sky", [0.001, 0.3])
def test_constants_are_white_or_black_as_the_programs(sky: float) -> None:
    """Black if its black level is its white level to the last bit, white where rounding parts them.

    By the defaults about one of a thousand is white: a few that are known to be stand here, too.
    """
    settings = StiffSettings(min_level=sky)
    random = np.random.default_rng(1).normal(0.0, 100.0, 30)
    for value in [*random, 135.9024, -33.197403, 69.675446, 161.64398, -110.889435]:
        bands = [np.full((3, 4), value, "f4")]
        np.testing.assert_array_equal(stiff(bands, settings), painted(bands, settings))


@pytest.mark.parametrize(
    "settings",
    [
        StiffSettings(gamma=4.2, luminance_gamma=2.4),
        StiffSettings(gamma=8.0, min_type="quantile", min_level=0.3),
        StiffSettings(gamma=5.0, saturation=2.5, min_type="manual", min_level=16.0),
    ],
    ids=["sky-near-black", "at-black", "at-black-vivid"],
)
def test_what_is_nearly_black_hangs_on_the_programs_rounding(settings: StiffSettings) -> None:
    """Few values, many of them just at black, and a gamma that shows a difference of 1e-8."""
    bands = [np.round(band / 3) for band in field((120, 121))]
    assert_same_picture(stiff(bands, settings), painted(bands, settings))


@pytest.mark.parametrize("level", [0.4, 0.8, 0.88, 1.0, 0.0])
@pytest.mark.parametrize("count", [26, 27])
def test_ranks_are_the_programs(count: int, level: float) -> None:
    """Values all apart, and quantiles that fall just where one rank ends and the next begins."""
    band = np.random.default_rng(count).permutation(count).astype("f4")[None]
    settings = StiffSettings(min_type="quantile", min_level=level, max_level=level)
    assert_same_picture(stiff([band], settings), painted([band], settings))


@pytest.mark.parametrize("dtype", [">f4", "i2", ">i4", "f8"])
def test_pixels_of_any_type_give_the_programs_picture(dtype: str) -> None:
    bands = [band.astype(dtype) for band in field((150, 161))]
    assert_same_picture(stiff(bands), painted(bands))


@pytest.mark.parametrize("shape", [(1024, 2048), (3, 699_051), (2061, 2035), (2500, 2035)], ids=str)
def test_levels_of_large_images_are_the_programs(shape: tuple[int, int]) -> None:
    """They are measured in pieces of 2,097,152 pixels.

    Just one piece; one more pixel, a piece of its own; two, the last of an odd number; three.
    """
    rng = np.random.default_rng(1)
    band = rng.normal(10.0, 3.0, shape).astype("f4")
    band[shape[0] // 3, 300:900] += 500
    # A sky that rises along the image: each piece has levels of its own.
    band += np.linspace(0.0, 40.0, shape[0], dtype="f4")[:, None]
    band[-1, -1] = 200.0
    assert_same_picture(stiff([band]), painted([band]))


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("setting", ["defaults", "everything"])
def test_pixels_without_value_are_black_and_not_counted(hole: float, setting: str) -> None:
    """The program has no rule for them: it is given all the other pixels, as an image of one row.

    Where a pixel stands is nothing to it but for the order in which it sees them.
    """
    bands = field((120, 133))
    is_hole = np.random.default_rng(3).random(bands[0].shape) > 0.9
    is_hole[:20] = is_hole[:, 125:] = True
    # Both with an even number of pixels left, and with an odd one.
    for _ in range(2):
        is_hole[50, np.flatnonzero(~is_hole[50])[0]] = True
        holed = [np.where(is_hole, np.float32(hole), band) for band in bands]
        expected = painted([band[~is_hole][None] for band in bands], SETTINGS[setting])
        found = stiff(holed, SETTINGS[setting])
        assert_same_picture(found[~is_hole][None], expected)
        assert not found[is_hole].any()


def test_holes_of_one_band_leave_the_levels_of_the_others() -> None:
    """Each band has its levels from its own pixels, by a plain formula; the program paints."""
    bands = field((100, 120))
    holes = [np.zeros((100, 120), bool) for _ in bands]
    holes[0][:30], holes[2][70:, 50:] = True, True
    levels = [plain_levels(band[~hole]) for band, hole in zip(bands, holes, strict=True)]
    expected = painted(
        bands,
        MIN_TYPE="MANUAL",
        MIN_LEVEL=",".join(str(black) for black, _ in levels),
        MAX_TYPE="MANUAL",
        MAX_LEVEL=",".join(str(white) for _, white in levels),
    ).copy()
    expected[holes[0] | holes[2]] = 0
    holed = [np.where(hole, np.nan, band) for band, hole in zip(bands, holes, strict=True)]
    assert_same_picture(stiff(holed), expected)


def plain_levels(values: NDArray[np.float32]) -> tuple[float, float]:
    """Black and white of an even number of values by the defaults."""
    ordered, half = np.sort(values.astype("f8")), values.size // 2
    sky = (ordered[half - 1] + ordered[half]) / 2
    white = ordered[half + int(0.999 * (half - 0.5001))]
    return (white * 0.001 - sky) / (0.001 - 1), white
