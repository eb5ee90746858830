"""Levels from a table: those of the power law, for each float."""

import numpy as np
import pytest

from soda_service.engine.colour.greylevels import grey_levels

of_each_gamma = pytest.mark.parametrize("gamma", [0.001, 0.1, 0.45, 1.0, 1.8, 2.2, 4.5, 10.0])


def level_of(gamma: float, values: object) -> list[int]:
    given = np.array(values, "f4")
    out = np.empty(given.shape, "u1")
    grey_levels(gamma).of(given, out)
    return out.tolist()


@of_each_gamma
def test_black_and_white(gamma: float) -> None:
    values = [np.nan, -np.nan, -np.inf, -1.0, -0.0, 0.0, 1e-45, 1.0, 1.5, np.inf]
    assert level_of(gamma, values) == [0, 0, 0, 0, 0, 0, 0, 255, 255, 255]


@of_each_gamma
def test_levels_begin_at_their_thresholds(gamma: float) -> None:
    """That is the first float from which on 255 f^(1/gamma) + 0.5 is the level."""
    exact = ((np.arange(1, 256) - 0.5) / 255) ** gamma
    near = exact.astype("f4")
    first = np.where(near < exact, np.nextafter(near, np.float32(1)), near)
    assert level_of(gamma, first) == list(range(1, 256))
    assert level_of(gamma, np.nextafter(first, np.float32(0))) == list(range(255))


@of_each_gamma
def test_levels_are_those_of_the_power_law(gamma: float) -> None:
    values = (np.random.default_rng(3).random(20_000) ** max(1.0, gamma)).astype("f4")
    expected = np.floor(255 * values.astype("f8") ** (1 / gamma) + 0.5)
    assert level_of(gamma, values) == expected.tolist()


@of_each_gamma
def test_tables_stay_in_the_cache(gamma: float) -> None:
    assert grey_levels(gamma).entries.nbytes <= 40_000
