"""What is measured of a band, by rank."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.colour import levels
from soda_service.engine.colour.levels import measured
from tests.unit.engine.colour.paintings import NATIVE, needs_native, ways


def left_out(values: NDArray[np.float32]) -> float:
    """Select the median step by step; give what is in the last place then."""
    a = values.tolist()
    low, high, half = 0, len(a) - 1, len(a) // 2
    while high - low > 1:
        middle = (low + high) >> 1
        a[middle], a[low + 1] = a[low + 1], a[middle]
        a[low], a[low + 1], a[high] = sorted((a[low], a[low + 1], a[high]))
        left, right, pivot = low + 1, high, a[low + 1]
        while True:
            left += 1
            while a[left] < pivot:
                left += 1
            right -= 1
            while a[right] > pivot:
                right -= 1
            if right < left:
                break
            a[left], a[right] = a[right], a[left]
        a[low + 1], a[right] = a[right], pivot
        if right >= half:
            return a[high]
        low = left
    return max(a[low], a[high])


def plainly(values: NDArray[np.float32], faint: float, bright: float) -> list[float]:
    """Sort an array, and take its values by rank."""
    ordered, half = np.sort(values), values.size // 2
    sky = ordered[half]
    if values.size == 1:
        return [sky] * 3
    if values.size % 2 == 0:
        sky = (ordered[half - 1] + ordered[half]) / np.float32(2)

    def rank(quantile: float) -> int:
        return min(max(math.floor(quantile * (half - 0.5001)), 0), half - 1)

    white = half + rank(bright)
    if values.size % 2 and left_out(values) <= ordered[white]:
        white += 1
    return [sky, ordered[rank(faint)], ordered[white]]


def found(values: NDArray[np.generic], faint: float = 0.25, bright: float = 0.9) -> list[float]:
    brightness = measured(values, faint=faint, bright=bright)
    return [brightness.sky, brightness.faint, brightness.bright]


@ways
@pytest.mark.parametrize("kind", ["noise", "ties", "rising", "falling", "peak"])
def test_values_are_those_of_their_rank(
    kind: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    rng = np.random.default_rng(4)
    for count in [*range(1, 40), 511, 512, 513, 2001, 4001]:
        made = {
            "noise": rng.normal(size=count),
            "ties": rng.integers(-3, 4, count),
            "rising": np.arange(count),
            "falling": -np.arange(count),
            "peak": -np.abs(np.arange(count) - count // 2),
        }[kind]
        values = made.astype("f4")
        for faint, bright in ((0.25, 0.9), (0.0, 1.0), (1.0, 0.0), (0.001, 0.5), (-2.0, 7.0)):
            assert found(values, faint, bright) == plainly(values, faint, bright), count


@needs_native
@pytest.mark.parametrize("seed", range(4))
def test_compiled_selection_leaves_out_the_same_value(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the selection goes on for many rounds: most values are below the median's."""
    rng = np.random.default_rng(seed)
    for count in rng.integers(1, 3000, 60):
        values = (rng.random(2 * count + 1) ** 3 * 1000).astype("f4")
        if seed % 2:
            values = np.floor(values / 50)
        median = np.sort(values)[count]
        expected = left_out(values)
        for native in (NATIVE, None):
            monkeypatch.setattr(compiled, "native", native)
            assert levels._left_out(values, median, np.float32(np.inf)) == expected


@ways
def test_values_of_many_rounds_are_those_of_their_rank(
    native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    values = np.repeat(np.arange(300), 41).astype("f4")[:-1]
    assert values.size % 2 == 1
    assert found(values) == plainly(values, 0.25, 0.9)


def test_the_order_of_pixels_matters_where_their_number_is_odd() -> None:
    """The brightest pixel in the last place is left out, elsewhere it is not."""
    values = np.arange(9.0, dtype="f4")
    assert found(values, bright=1.0) == [4.0, 0.0, 7.0]
    assert found(np.roll(values, 3), bright=1.0) == [4.0, 0.0, 8.0]


def test_measuring_leaves_the_pixels() -> None:
    values = np.random.default_rng(1).normal(size=(7, 9)).astype("f4")
    before = values.copy()
    measured(values, bright=0.9)
    np.testing.assert_array_equal(values, before)


def test_no_faint_value_is_measured_unasked() -> None:
    brightness = measured(np.arange(8.0).reshape(2, 4), bright=0.0)
    assert [brightness.sky, brightness.faint, brightness.bright] == [3.5, 3.5, 4.0]


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", ">i2"])
def test_what_is_no_number_does_not_count(dtype: str) -> None:
    values = np.arange(20).reshape(4, 5).astype(dtype)
    expected = found(values)
    if np.issubdtype(values.dtype, np.floating):
        holes = np.array([[np.nan, np.inf, -np.inf, np.nan, np.nan]] * 3, dtype)
        values = np.vstack([holes[:1], values, holes])
    assert found(values) == expected == plainly(np.arange(20, dtype="f4"), 0.25, 0.9)


@pytest.mark.parametrize("values", [np.full((3, 4), np.nan), np.zeros((0, 5))], ids=["nan", "none"])
def test_where_nothing_counts_all_is_zero(values: NDArray[np.float64]) -> None:
    assert found(values) == [0.0, 0.0, 0.0]


def test_pieces_are_measured_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_PIECE_PX", 1000)
    values = np.random.default_rng(6).normal(size=(70, 50)).astype("f4")
    values[:15] += 100
    values[25:40] = np.nan
    flat = values.ravel()
    pieces = [flat[start : start + 1000] for start in range(0, flat.size, 1000)]
    each = [plainly(piece[np.isfinite(piece)], 0.25, 0.9) for piece in pieces]
    assert found(values) == np.median(np.array(each, "f4"), axis=0).tolist()
    assert found(values) != plainly(flat[np.isfinite(flat)], 0.25, 0.9)
