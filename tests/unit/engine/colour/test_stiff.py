"""Pictures by the STIFF method: formula by formula, in double precision.

`test_stiff_program.py` and `test_colour_real.py` hold them against the program itself.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.colour import levels
from soda_service.engine.colour.stiff import StiffSettings, stiff
from tests.unit.engine.colour.paintings import Bands, Picture, sky, ways

SETTINGS = {
    "defaults": StiffSettings(),
    "gamma": StiffSettings(gamma=1.3),
    "luminance-bright": StiffSettings(luminance_gamma=1.6),
    "luminance-dark": StiffSettings(luminance_gamma=0.6),
    "vivid": StiffSettings(saturation=3.0),
    "colourless": StiffSettings(saturation=0.0),
    "bright-sky": StiffSettings(min_level=0.2),
    "quantiles": StiffSettings(min_type="quantile", min_level=0.3, max_level=0.8),
    "manual": StiffSettings(min_type="manual", min_level=-7.0, max_type="manual", max_level=30.0),
    "all": StiffSettings(
        gamma=1.9,
        luminance_gamma=1.2,
        saturation=1.5,
        min_level=0.02,
        max_type="manual",
        max_level=80.0,
    ),
}

of_each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def plain_levels(band: NDArray[np.generic], settings: StiffSettings) -> tuple[float, float]:
    """Give black and white of an even number of pixels, in one piece."""
    ordered = np.sort(band.astype("f8").ravel())
    half = ordered.size // 2
    sky_value = (ordered[half - 1] + ordered[half]) / 2
    white, black = settings.max_level, settings.min_level
    if settings.max_type == "quantile":
        white = ordered[half + int(white * (half - 0.5001))]
    if settings.min_type == "quantile":
        black = ordered[int(black * (half - 0.5001))]
    elif settings.min_type == "greylevel":
        grey = black**settings.luminance_gamma
        black = (white * grey - sky_value) / (grey - 1)
    return black, white


def plainly(bands: Bands, settings: StiffSettings) -> Picture:
    """Paint by the program's formulas in double precision."""
    values = []
    for band in bands:
        black, white = plain_levels(band, settings)
        values.append((band.astype("f8") - black) / (white - black))
    factor = settings.luminance_gamma
    if len(values) == 1:
        fractions = [np.maximum(values[0], 0) ** (1 / factor)]
    else:
        light = np.sum(np.maximum(values, 0), axis=0) / 3
        light = np.where(light > 1e-15, light, np.nan)
        a, b, c = (np.minimum(value, light ** (1 - 1 / factor)) for value in values)
        fractions = [
            np.maximum(0, light + settings.saturation / 3 * (2 * own - one - other))
            * light ** (1 / factor - 1)
            for own, one, other in ((a, b, c), (b, c, a), (c, a, b))
        ]
    powers = [np.nan_to_num(fraction) ** (1 / settings.gamma) for fraction in fractions]
    grey = [np.floor(np.minimum(255, 255 * power + 0.5)).astype("u1") for power in powers]
    return grey[0] if len(grey) == 1 else np.stack(grey, axis=-1)


def assert_alike(found: Picture, expected: Picture, share: float = 1e-3) -> None:
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= share


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"gamma": 0.0}, "gamma is 0.0; expected 0.001 to 10"),
        ({"gamma": 11.0}, "gamma is 11.0; expected 0.001 to 10"),
        ({"gamma": math.nan}, "gamma is nan; expected 0.001 to 10"),
        ({"luminance_gamma": -1.0}, "luminance_gamma is -1.0; expected 0.001 to 10"),
        ({"saturation": -0.1}, "saturation is -0.1; expected 0 to 10"),
        ({"saturation": math.inf}, "saturation is inf; expected 0 to 10"),
        ({"min_type": "greylvl"}, "min_type is greylvl; expected greylevel, quantile or manual"),
        ({"max_type": "greylevel"}, "max_type is greylevel; expected quantile or manual"),
        ({"min_level": math.inf}, "min_level: inf is not a finite pixel value"),
        ({"max_level": math.nan}, "max_level: nan is not a finite pixel value"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_the_programs_range_are_refused(
    options: dict[str, float], fault: str
) -> None:
    with pytest.raises(ValueError, match=f"^{fault}$"):
        StiffSettings(**options)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_pictures_of_two_bands_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"found {count} bands; a picture is made of one or three"):
        stiff([np.zeros((2, 2))] * count)


@ways
@of_each_setting
@pytest.mark.parametrize("dtype", ["f4", ">f4", "i2"])
def test_pictures_are_their_formulas(
    settings: StiffSettings, dtype: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((100, 120), dtype)
    assert_alike(stiff(bands, settings), plainly(bands, settings))
    assert_alike(stiff(bands[1:2], settings), plainly(bands[1:2], settings))


@pytest.mark.parametrize("shape", [(5, 8), (1, 10), (10, 1), (300, 77), (2, 1)], ids=str)
def test_pictures_of_any_shape_are_their_formulas(shape: tuple[int, int]) -> None:
    bands = sky(shape)
    assert_alike(stiff(bands), plainly(bands, StiffSettings()))


@ways
def test_known_values(native: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Median 2 and white 4: black = (0.004 - 2) / -0.999 = 1.998; 4 is full and 0 is nothing."""
    monkeypatch.setattr(compiled, "native", native)
    # The selection of the median leaves the first of the three 4 in the last place.
    band = np.array([[0.0, 4.0, 4.0, 1.0, 2.0, 3.0, 0.5, 1.5, 4.0]])
    middle = 255 * ((3 - 1.997998) / (4 - 1.997998)) ** (1 / 2.2) + 0.5
    sky_level = 255 * 0.001 ** (1 / 2.2) + 0.5
    expected = [0, 255, 255, 0, int(sky_level), int(middle), 0, 0, 255]
    assert stiff([band])[0].tolist() == expected
    assert stiff([band] * 3)[0].tolist() == [[level] * 3 for level in expected]


@ways
@pytest.mark.parametrize("shape", [(40, 30), (1, 1), (2, 1), (1, 2), (0, 5)], ids=str)
@pytest.mark.parametrize("value", [0.0, 7.5, -3.1, 1e-30, -1e20, np.nan, np.inf], ids=str)
def test_constant_images_are_black(
    shape: tuple[int, int], value: float, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    band = np.full(shape, value, "f4")
    np.testing.assert_array_equal(stiff([band]), np.zeros(shape, "u1"))
    np.testing.assert_array_equal(stiff([band] * 3), np.zeros((*shape, 3), "u1"))


@ways
@pytest.mark.parametrize("value", [0.0, 7.3, np.nan], ids=str)
def test_a_band_without_contrast_makes_all_black(
    value: float, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the program: how bright its pixels are against the others cannot be told."""
    monkeypatch.setattr(compiled, "native", native)
    red, green, _ = sky((40, 30))
    assert not stiff([red, green, np.full((40, 30), value, "f4")]).any()


@ways
def test_saturated_images_are_white_where_they_are(
    native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plateau of a tenth of the pixels is the white level; of half of them, all contrast."""
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((40, 30))
    for band in bands:
        band[:4] = 60_000.0
    picture = stiff(bands)
    assert (picture[:4] == 255).all()
    assert (picture[4:] < 200).all()
    for band in bands:
        band[:20] = 60_000.0
    assert (stiff(bands)[:20] == 255).all()
    assert_alike(stiff(bands), plainly(bands, StiffSettings()))


@ways
@of_each_setting
def test_levels_are_measured_without_holes(
    settings: StiffSettings, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((51, 61))
    holed = [
        np.vstack([np.full((30, 61), np.nan), band, np.full((9, 61), np.inf)]) for band in bands
    ]
    for whole, part in ((holed, bands), (holed[:1], bands[:1])):
        picture = stiff(whole, settings)
        np.testing.assert_array_equal(picture[30:81], stiff(part, settings))
        assert not picture[:30].any()
        assert not picture[81:].any()


def test_large_images_are_measured_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = sky((70, 50))
    bands[0][:15] += 100
    whole = stiff(bands)
    monkeypatch.setattr(levels, "_PIECE_PX", 1000)
    assert np.abs(stiff(bands).astype(int) - whole).max() > 1


@ways
def test_levels_given_need_no_pixels(native: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "native", native)
    band = np.array([[2.0, 4.0, 6.0, np.nan]])
    given = StiffSettings(
        gamma=1.0, min_type="manual", min_level=2.0, max_type="manual", max_level=6.0
    )
    assert stiff([band], given).tolist() == [[0, 128, 255, 0]]
    assert stiff([band] * 3, given).tolist() == [[[0] * 3, [128] * 3, [255] * 3, [0] * 3]]
