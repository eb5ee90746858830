import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.demo.planes import SATURATION, BrightStar, make_planes

SHAPE = (700, 900)
STAR = BrightStar(450, 350, bleed_px=120)
SATURATED, TRAIL = 2, 64


def planes(band: str = "g", seed: int = 1) -> dict[str, NDArray]:
    return make_planes(SHAPE, band, seed, sources=[], bright_star=STAR)


def away_from_star(image: NDArray) -> NDArray:
    return np.concatenate([image[:, :100].ravel(), image[:, -100:].ravel()])


def test_planes_have_the_kinds_of_des() -> None:
    found = {role: (data.shape, data.dtype.name) for role, data in planes().items()}
    assert found == {
        "SCI": (SHAPE, "float32"),
        "MSK": (SHAPE, "int32"),
        "WGT": (SHAPE, "float32"),
    }


def test_the_same_seed_makes_the_same_pixels() -> None:
    first, again, other = planes(), planes(), planes(seed=2)
    for role in first:
        np.testing.assert_array_equal(first[role], again[role])
    assert not np.array_equal(first["SCI"], other["SCI"])


@pytest.mark.parametrize(("band", "sigma"), [("g", 2.6), ("r", 4.0), ("i", 5.6), ("z", 8.9)])
def test_noise_is_that_of_des(band: str, sigma: float) -> None:
    made = planes(band)
    assert 1 / np.sqrt(np.median(made["WGT"])) == pytest.approx(sigma, rel=0.01)


def test_weight_tells_the_noise() -> None:
    made = planes()
    pull = away_from_star(made["SCI"] * np.sqrt(made["WGT"]))
    assert np.median(pull) == pytest.approx(0, abs=0.2)
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1, abs=0.05)


def test_neighbours_share_noise_alike_along_both_axes() -> None:
    sky = planes("z")["SCI"][:, :120]
    rows = np.corrcoef(sky[:-1].ravel(), sky[1:].ravel())[0, 1]
    columns = np.corrcoef(sky[:, :-1].ravel(), sky[:, 1:].ravel())[0, 1]
    assert rows == pytest.approx(0.51, abs=0.04)
    assert columns == pytest.approx(rows, abs=0.04)


def test_weight_has_steps_and_no_holes_but_the_trail() -> None:
    made = planes()
    is_trail = made["MSK"] & TRAIL != 0
    np.testing.assert_array_equal(made["WGT"] == 0, is_trail)
    levels = np.histogram(made["WGT"][~is_trail], bins=40)[0]
    assert np.count_nonzero(levels > 2000) > 3


def test_the_bright_star_saturates_bleeds_along_its_row_and_is_flagged() -> None:
    made = planes()
    is_trail = made["MSK"] & TRAIL != 0
    rows, columns = np.nonzero(is_trail)
    assert (rows.min(), rows.max()) == (346, 354)
    assert (columns.min(), columns.max()) == (330, 569)
    assert made["SCI"][is_trail].min() > 0.9 * SATURATION
    is_saturated = made["MSK"] & SATURATED != 0
    assert np.all(is_saturated[is_trail])
    assert np.all(is_saturated[made["SCI"] >= SATURATION])
    assert made["SCI"].max() == pytest.approx(1.05 * SATURATION)


def test_the_same_pixels_bleed_in_every_band() -> None:
    trails = [planes(band)["MSK"] & TRAIL for band in ("g", "Y")]
    np.testing.assert_array_equal(*trails)


@pytest.mark.parametrize("place", [(0, 0), (899, 699), (2000, 5)], ids=["corner", "end", "outside"])
def test_a_bright_star_may_stand_at_the_edge_or_outside(place: tuple[int, int]) -> None:
    made = make_planes(SHAPE, "g", 1, sources=[], bright_star=BrightStar(*place))
    assert np.all(np.isfinite(made["SCI"]))
