"""What all methods of making pictures have in common."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.colour import colour
from tests.unit.engine.colour.paintings import (
    METHODS,
    NATIVE,
    Picture,
    both_ways,
    needs_native,
    sky,
    ways,
)

by_each = pytest.mark.parametrize("name", METHODS)
in_colour = pytest.mark.parametrize("name", ["lupton", "stiff"])


@in_colour
def test_bands_of_different_shape_are_refused(name: str) -> None:
    bands = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"bands of shapes \(3, 4\), \(3, 4\), \(4, 3\)"):
        METHODS[name](bands)


@by_each
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)], ids=str)
def test_what_is_no_image_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"found bands with {len(shape)} axes; expected two"):
        METHODS[name]([np.zeros(shape)] * 3)


@ways
@by_each
@pytest.mark.parametrize(
    ("out", "fault"),
    [
        (np.zeros((6, 5, 3), "u1"), r"out is uint8 of \(6, 5.*expected uint8 of \(5, 6"),
        (np.zeros((5, 6, 4), "u1"), r"out is uint8 of \(5, 6, 4.*expected uint8 of \(5, 6"),
        (np.zeros((5, 6, 3), "i1"), r"out is int8 .*expected uint8"),
        (np.zeros((5, 6, 3), "f4"), r"out is float32 .*expected uint8"),
    ],
    ids=["shape", "channels", "signed", "float"],
)
def test_an_output_that_does_not_fit_is_refused(
    name: str, out: NDArray[np.generic], fault: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    with pytest.raises(ValueError, match=fault):
        METHODS[name](sky((5, 6)), out)


@ways
@in_colour
def test_an_output_that_is_read_only_is_refused(
    name: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    out = np.zeros((5, 6, 3), "u1")
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        METHODS[name](sky((5, 6)), out)


def laid_out(around: Picture, layout: str) -> Picture:
    """Give a part of an array of shape (90, 90, ...) as rows of 20 by 30 pixels."""
    match layout:
        case "plain":
            return around[10:30, 40:70]
        case "upside-down":
            return around[30:10:-1, 40:70]
        case "mirrored":
            return around[10:30, 70:40:-1]
        case "turned":
            return around[10:40, 40:60].swapaxes(0, 1)
        case "turned-back":
            return around[40:10:-1, 60:40:-1].swapaxes(0, 1)
        case _:
            return around[80:40:-2, ::3]


@ways
@by_each
@pytest.mark.parametrize(
    "layout", ["plain", "upside-down", "mirrored", "turned", "turned-back", "scattered"]
)
def test_pictures_are_painted_where_they_belong(
    name: str, layout: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((20, 30))
    expected = METHODS[name](bands)
    assert len(np.unique(expected)) > 50
    around = np.full((90, 90, *expected.shape[2:]), 77, "u1")
    out = laid_out(around, layout)
    assert METHODS[name](bands, out) is out
    np.testing.assert_array_equal(out, expected)
    out[...] = 77
    assert (around == 77).all()


@ways
@in_colour
def test_channels_may_lie_at_any_distance(
    name: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((20, 30))
    planes = np.empty((3, 20, 30), "u1")
    METHODS[name](bands, np.moveaxis(planes[::-1], 0, -1))
    np.testing.assert_array_equal(np.moveaxis(planes[::-1], 0, -1), METHODS[name](bands))


@ways
@by_each
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("band", [0, 1, 2])
def test_what_is_no_number_is_black_and_harms_nothing_else(
    name: str, hole: float, band: int, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((50, 60))
    bands[0 if "grey" in name else band][10:20, :7] = hole
    picture = METHODS[name](bands)
    assert not picture[10:20, :7].any()
    assert picture[20:].any()


@ways
@by_each
@pytest.mark.parametrize("value", [1e30, 3e38, -3e38, 1e300, 1e-40], ids=str)
def test_no_pixel_is_left_to_the_machine(
    name: str, value: float, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grey level made of NaN differs between machines; numpy warns, which here is an error."""
    monkeypatch.setattr(compiled, "native", native)
    bands = sky((50, 60), "f8")
    for band in (bands[0], bands[2]):
        band[3:5, :9] = value
    picture = METHODS[name](bands)
    if value == 1e300 or (name == "lupton" and abs(value) == 3e38):
        assert not picture[3:5, :9].any()
    if name == "lupton":
        assert picture[20:].any()


@ways
@by_each
@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)], ids=str)
def test_pictures_of_nothing_are_empty(
    name: str, shape: tuple[int, int], native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    assert METHODS[name]([np.zeros(shape)] * 3).shape[:2] == shape


@ways
@by_each
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (2, 20_000), (3, 515)], ids=str)
def test_strips_join_without_seam(
    name: str, shape: tuple[int, int], native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pixel's levels are the same wherever it stands: those of a picture of one column."""
    monkeypatch.setattr(compiled, "native", native)
    bands = sky(shape)
    picture = METHODS[name](bands)
    monkeypatch.setattr(colour, "_STRIP_PX", 7)
    tall = METHODS[name]([band.reshape(-1, 1) for band in bands])
    np.testing.assert_array_equal(picture, tall.reshape(picture.shape))


@ways
@by_each
@pytest.mark.parametrize("dtype", [">f4", "f8", ">f8", "i2", ">i2", "u1", ">i4"])
def test_pixels_of_any_type_are_taken(
    name: str, dtype: str, native: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", native)
    bands = [np.clip(band, 0, 255).astype(dtype) for band in sky((50, 60))]
    expected = METHODS[name]([band.astype("f4") for band in bands])
    np.testing.assert_array_equal(METHODS[name](bands), expected)
    apart = [np.repeat(band, 3, axis=1)[:, ::3] for band in bands]
    np.testing.assert_array_equal(METHODS[name](apart), expected)


@needs_native
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(METHODS)),
    planes=hnp.arrays(
        np.float32,
        st.tuples(st.just(3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(width=32) | st.integers(-3, 60).map(float),
    ),
    is_big=st.booleans(),
)
def test_compiled_loops_and_numpy_give_the_same_bytes(
    name: str, planes: NDArray[np.float32], is_big: bool
) -> None:
    bands = planes.astype(">f4") if is_big else planes
    with pytest.MonkeyPatch.context() as monkeypatch:
        one, other = both_ways(lambda: METHODS[name](bands), monkeypatch)
    np.testing.assert_array_equal(one, other)


def of_any_bits(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Floats of all kinds: half of them of any bits, NaN, infinities and denormals among them."""
    noise = rng.normal(3.0, 10.0, shape).astype("f4")
    bits = rng.integers(0, 1 << 32, shape, dtype="u4").view("f4")
    return np.where(rng.random(shape) < 0.5, noise, bits)


MANUAL = {"min_type": "manual", "min_level": -4.0, "max_type": "manual", "max_level": 40.0}
"""Levels where the ordinary values are: among all floats nothing between would be seen."""


@needs_native
@pytest.mark.parametrize(
    ("name", "options"),
    [("lupton", {}), ("stiff", MANUAL), ("stiff-vivid", MANUAL), ("grey", MANUAL)],
    ids=["lupton", "stiff", "stiff-vivid", "grey"],
)
@pytest.mark.parametrize("seed", range(5))
def test_compiled_loops_and_numpy_give_the_same_bytes_of_any_bits(
    name: str, options: dict[str, float], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = of_any_bits(np.random.default_rng(seed), (3, 101, 97 + seed))
    one, other = both_ways(lambda: METHODS[name](bands, **options), monkeypatch)
    np.testing.assert_array_equal(one, other)
    assert len(np.unique(one)) > 150


@needs_native
@pytest.mark.parametrize(
    ("gamma", "saturation"), [(0.001, 1.0), (0.3, 0.0), (1.0, 10.0), (10.0, 0.7)], ids=str
)
def test_compiled_loops_and_numpy_give_the_same_bytes_by_any_setting(
    gamma: float, saturation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = sky((90, 101))
    options = {"gamma": gamma, "saturation": saturation}
    one, other = both_ways(lambda: METHODS["stiff"](bands, **options), monkeypatch)
    np.testing.assert_array_equal(one, other)


def floats(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, "f4")


TABLE = np.zeros(2, "u4"), 0x3F000000, 23
WHERE_TO = np.zeros((2, 3, 3), "u1")


@needs_native
@pytest.mark.parametrize(
    ("loop", "arguments", "fault"),
    [
        ("paint_lupton", (*[floats(6)] * 2, floats(5), 0, 1, 1, WHERE_TO), "bands are no float32"),
        ("paint_lupton", (*[floats(6)] * 3, 0, 1, 1, WHERE_TO[0]), "no array of bytes"),
        ("paint_lupton", (*[floats(6)] * 3, 0, 1, 1, WHERE_TO.astype("u2")), "no array of bytes"),
        ("paint_lupton", (*[floats(6)] * 3, 0, 1, 1, bytes(18)), "cannot be written to"),
        ("paint_lupton", (*[floats(6)] * 3, 0, 1, 1, None), "cannot be written to"),
        (
            "paint_stiff",
            (*[floats(6)] * 3, floats(2), floats(3), 1, *TABLE, WHERE_TO),
            "blacks and gains are no three float32",
        ),
        (
            "paint_stiff",
            (*[floats(6)] * 3, floats(3), floats(3), 1, TABLE[0][:1], *TABLE[1:], WHERE_TO),
            "the table of levels does not reach to 1",
        ),
        (
            "paint_grey",
            (floats(6), 0, 1, TABLE[0], 0x3F800001, 23, WHERE_TO[..., 0]),
            "the table of levels does not reach to 1",
        ),
        (
            "paint_grey",
            (floats(6), 0, 1, TABLE[0], 0x3F000000, -1, WHERE_TO[..., 0]),
            "the table of levels does not reach to 1",
        ),
        ("paint_grey", (floats(6), 0, 1, *TABLE, WHERE_TO), "no array of bytes"),
        ("left_out", (floats(4), 0, 1), "no odd number of float32"),
        ("left_out", (floats(0), 0, 1), "no odd number of float32"),
        ("left_out", (np.zeros(5, "u1"), 0, 1), "no odd number of float32"),
    ],
)
def test_compiled_loops_refuse_what_does_not_fit(
    loop: str, arguments: tuple[object, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        getattr(NATIVE, loop)(*arguments)
