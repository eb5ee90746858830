"""Sums over pixels, by compiled loops and without them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soda_service.engine import compiled
from soda_service.engine.fits.sums import count_positive, sum32

NATIVE = compiled.native


@pytest.fixture(params=["compiled", "pure"])
def each_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with the compiled loops, and without them."""
    if request.param == "compiled" and NATIVE is None:
        pytest.skip("the compiled loops were not built")
    monkeypatch.setattr(compiled, "native", NATIVE if request.param == "compiled" else None)


def told(data: bytes) -> int:
    """Sum as the standard says it: carries are added at the low end, word by word."""
    total = 0
    for start in range(0, len(data), 4):
        total += int.from_bytes(data[start : start + 4].ljust(4, b"\0"), "big")
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 2880, 4097])
@pytest.mark.parametrize("fill", [None, 0xFF])
@pytest.mark.usefixtures("each_path")
def test_sum_is_that_of_the_standard(count: int, fill: int | None) -> None:
    random = np.random.default_rng(count).integers(0, 256, count).astype("u1").tobytes()
    data = random if fill is None else bytes([fill]) * count
    assert sum32(data) == told(data)


@given(st.binary(max_size=50))
def test_both_paths_sum_the_same(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "native", None)
        assert sum32(data) == told(data)
    assert sum32(data) == told(data)


@pytest.mark.parametrize(
    ("dtype", "order"),
    [*itertools.product(["f4", "f8", "i2", "i4"], "<>"), ("i1", "|")],
)
@pytest.mark.usefixtures("each_path")
def test_positive_values_are_counted(dtype: str, order: str) -> None:
    values = np.array([[0, 1, -1, 5, 0, 127], [3, 0, 0, -9, 2, 0]]).astype(f"{order}{dtype}")
    assert count_positive(values) == 5
    assert count_positive(values[:, ::2]) == 2


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4"])
@pytest.mark.usefixtures("each_path")
def test_what_is_no_number_is_not_positive(dtype: str) -> None:
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -1e-40], dtype)
    assert count_positive(values) == 2
