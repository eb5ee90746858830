import math

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray

from soda_service.engine import colour
from soda_service.engine.colour import STRETCHES, lupton, stiff

Bands = tuple[NDArray[np.generic], NDArray[np.generic], NDArray[np.generic]]


def sky(shape: tuple[int, int], dtype: str = "f4", seed: int = 1) -> Bands:
    """Three bands: noise of their own, sources in common, some of them far too bright."""
    rng = np.random.default_rng(seed)
    sources = rng.exponential(8.0, shape) ** 2.5 * (rng.random(shape) > 0.9)
    red, green, blue = (
        (rng.normal(2.0, 3.0, shape) + factor * sources).astype(dtype) for factor in (1, 0.7, 0.3)
    )
    return red, green, blue


def test_stretches_are_by_name() -> None:
    assert dict(STRETCHES) == {"lupton": lupton, "stiff": stiff}


@pytest.mark.parametrize("name", STRETCHES)
def test_bands_of_different_shape_are_refused(name: str) -> None:
    options = {"minimum": 1.0, "stretch": 5.0, "q": 8.0} if name == "lupton" else {}
    bands = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"bands differ in shape: \(3, 4\), \(3, 4\), \(4, 3\)"):
        STRETCHES[name](*bands, **options)


@pytest.mark.parametrize(("stretch", "q"), [(0.0, 8.0), (math.nan, 8.0), (5.0, -1.0)])
def test_lupton_refuses_impossible_settings(stretch: float, q: float) -> None:
    with pytest.raises(ValueError, match="stretch must be positive and q not negative"):
        lupton(*sky((2, 2)), minimum=0.0, stretch=stretch, q=q)


@pytest.mark.parametrize(
    ("minimum", "stretch", "q"),
    [(1.0, 50.0, 10.0), (0.0, 5.0, 8.0), (-3.0, 0.5, 20.0), (2.0, 100.0, 0.0), (1.0, 3.0, 1e12)],
)
@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", "i2"])
def test_lupton_is_astropys(minimum: float, stretch: float, q: float, dtype: str) -> None:
    bands = sky((201, 300), dtype)
    doubles = [band.astype("f8") for band in bands]
    with np.errstate(all="ignore"):
        expected = make_lupton_rgb(*doubles, minimum=minimum, stretch=stretch, Q=q)
    found = lupton(*bands, minimum=minimum, stretch=stretch, q=q)
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    # Integers make the same few quotients again and again, some just at a level's edge.
    assert np.mean(difference > 0) < (1e-2 if dtype == "i2" else 1e-4)
    assert (found == 255).any()


def naive_stiff(*bands: NDArray[np.generic], chunk_px: int = 2_097_152) -> NDArray[np.uint8]:
    """STIFF's defaults, formula by formula in double precision, with sorted arrays."""
    values = []
    for band in bands:
        pixels = band.astype("f8").ravel()
        skies, whites = [], []
        for start in range(0, pixels.size, chunk_px):
            ordered = np.sort(pixels[start : start + chunk_px])
            n, h = ordered.size, ordered.size // 2
            skies.append(ordered[h] if n % 2 else (ordered[h - 1] + ordered[h]) / 2)
            rank = math.floor(0.999 * (h - 0.5001)) + (1 if n % 2 else 0)
            whites.append(ordered[h + rank])
        back, white = np.median(skies), np.median(whites)
        black = (white * 0.001 - back) / (0.001 - 1)
        values.append((band.astype("f8") - black) / (white - black))
    intensity = sum(np.maximum(value, 0) for value in values) / 3
    a, b, c = (np.minimum(value, 1) for value in values)
    grey = []
    for own, other, third in ((a, b, c), (b, a, c), (c, a, b)):
        f = np.maximum(0, intensity + (2 * own - other - third) / 3)
        f = np.where(intensity > 1e-15, f, intensity)
        grey.append(np.floor(np.minimum(255, 255 * f ** (1 / 2.2) + 0.5)))
    return np.stack(grey, axis=-1).astype("u1")


@pytest.mark.parametrize("shape", [(228, 228), (5, 7), (1, 9), (9, 1), (301, 77)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", ">f4", "i2"])
def test_stiff_is_its_formulas(shape: tuple[int, int], dtype: str) -> None:
    bands = sky(shape, dtype)
    difference = np.abs(stiff(*bands).astype(int) - naive_stiff(*bands))
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 1e-3


def test_stiff_takes_the_median_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "_STIFF_CHUNK_PX", 1000)
    bands = sky((70, 50))
    bands[0][:15] += 100
    difference = np.abs(stiff(*bands).astype(int) - naive_stiff(*bands, chunk_px=1000))
    assert difference.max() <= 1
    assert np.abs(stiff(*bands).astype(int) - naive_stiff(*bands)).max() > 1


def test_stiff_of_known_values() -> None:
    # Median 2 and white 4: black = (0.004 - 2) / -0.999 = 1.998, so 4 is full and 0 is nothing.
    band = np.array([[0.0, 1.0, 2.0, 3.0, 4.0]])
    middle = 255 * ((3 - 1.997998) / (4 - 1.997998)) ** (1 / 2.2) + 0.5
    sky_level = 255 * 0.001 ** (1 / 2.2) + 0.5
    expected = [0, 0, int(sky_level), int(middle), 255]
    assert stiff(band, band, band)[0].tolist() == [[level] * 3 for level in expected]


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_no_number_is_black_and_harms_nothing_else(name: str, hole: float) -> None:
    options = {"minimum": 1.0, "stretch": 5.0, "q": 8.0} if name == "lupton" else {}
    bands = sky((50, 60))
    bands[1][10:20, :7] = hole
    rgb = STRETCHES[name](*bands, **options)
    assert not rgb[10:20, :7].any()
    assert rgb[20:].any()


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize("value", [1e30, 3e38, -3e38, 1e300, 1e-40], ids=str)
def test_no_pixel_is_left_to_the_machine(name: str, value: float) -> None:
    """A grey level made of NaN differs between machines; numpy warns, which here is an error."""
    options = {"minimum": 1.0, "stretch": 5.0, "q": 8.0} if name == "lupton" else {}
    bands = sky((50, 60), "f8")
    for band in (bands[0], bands[2]):
        band[3:5, :9] = value
    rgb = STRETCHES[name](*bands, **options)
    if value == 1e300 or (name == "lupton" and abs(value) == 3e38):
        assert not rgb[3:5, :9].any()
    assert rgb[20:].any()


@pytest.mark.parametrize(
    ("minimum", "stretch", "q"),
    [(1e300, 5.0, 8.0), (1.0, 1e-300, 8.0), (1.0, 1e-36, 1e30), (1.0, 1e30, 1e-36)],
    ids=str,
)
def test_lupton_of_extreme_settings_has_no_chance_pixels(
    minimum: float, stretch: float, q: float
) -> None:
    rgb = lupton(*sky((50, 60)), minimum=minimum, stretch=stretch, q=q)
    assert not rgb.any()


def test_stiff_measures_levels_without_nan() -> None:
    bands = sky((50, 60))
    holed = tuple(np.vstack([band, np.full((30, 60), np.nan)]) for band in bands)
    np.testing.assert_array_equal(stiff(*holed)[:50], stiff(*bands))


@pytest.mark.parametrize("shape", [(40, 30), (1, 1), (2, 1), (1, 2), (0, 5)], ids=str)
@pytest.mark.parametrize("value", [0.0, 7.5, -3.0, np.nan], ids=str)
def test_stiff_of_a_constant_is_black(shape: tuple[int, int], value: float) -> None:
    band = np.full(shape, value, "f4")
    rgb = stiff(band, band, band)
    assert rgb.shape == (*shape, 3)
    assert not rgb.any()


def test_picture_keeps_the_order_of_rows() -> None:
    red = np.zeros((60, 40), "f4")
    red[3, 5] = 100.0
    none = np.zeros_like(red)
    rgb = lupton(red, none, none, minimum=0.0, stretch=5.0, q=8.0)
    assert np.argwhere(rgb).tolist() == [[3, 5, 0]]


def test_blocks_join_without_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = sky((64, 50))
    whole = stiff(*bands), lupton(*bands, minimum=1.0, stretch=5.0, q=8.0)
    monkeypatch.setattr(colour, "_BLOCK_PX", 777)
    pieces = stiff(*bands), lupton(*bands, minimum=1.0, stretch=5.0, q=8.0)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)
