"""Pixels of cutouts: what they mean, what stands beyond the edge, which are valid."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header

from soda_service.engine.fits.cut import coverage, fill_value, mask_bit, pad, physical
from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import Image, PixelBox
from tests.unit.skyimages import noise


def text(**cards: object) -> TextHeader:
    return TextHeader.from_astropy(Header(cards.items()))


@pytest.mark.parametrize(
    ("role", "cards", "dtype", "expected"),
    [
        ("SCI", {}, ">f4", np.nan),
        ("OTHER", {}, "f8", np.nan),
        ("SCI", {"BLANK": -32768}, "i2", -32768),
        ("SCI", {}, "i2", 0),
        ("SCI", {"BZERO": 32768}, "i2", -32768),
        ("SCI", {"BZERO": 1e9}, "i2", -32768),
        ("WGT", {}, ">f4", 0.0),
        ("WGT", {"BZERO": 32768, "BLANK": 5}, "i2", -32768),
        ("MSK", {}, "i4", 64),
        ("MSK", {"BZERO": 32768}, "i2", 64 - 32768),
        ("MSK", {}, "f4", 64.0),
    ],
    ids=str,
)
def test_fill_value(role: str, cards: dict[str, float], dtype: str, expected: float) -> None:
    found = fill_value(role, text(**cards), np.dtype(dtype), 64)
    np.testing.assert_equal(found, expected)


@pytest.mark.parametrize(
    ("dtype", "cards", "wanted", "expected"),
    [
        ("i4", {}, 32768, 32768),
        ("f4", {}, 32768, 32768),
        ("i2", {}, 32768, 16384),
        ("i2", {"BZERO": 32768}, 32768, 32768),
        ("u1", {}, 32768, 128),
        ("u1", {}, 4, 4),
        ("u1", {"BZERO": -128}, 32768, 64),
    ],
    ids=str,
)
def test_mask_bit_is_one_that_the_mask_can_hold(
    dtype: str, cards: dict[str, float], wanted: int, expected: int
) -> None:
    assert mask_bit(text(**cards), np.dtype(dtype), wanted) == expected


def test_pad_lays_pixels_where_they_belong() -> None:
    data = np.arange(1, 5, dtype=">i2").reshape(2, 2)
    padded = pad(data, PixelBox(0, 2, 8, 10), PixelBox(-1, 2, 7, 11), fill=-9)
    assert padded.dtype == np.dtype(">i2")
    assert padded.tolist() == [[-9, -9, -9, -9], [-9, 1, 2, -9], [-9, 3, 4, -9]]


def test_pad_of_a_cube() -> None:
    data = np.ones((3, 2, 2), "f4")
    padded = pad(data, PixelBox(0, 2, 0, 2), PixelBox(0, 2, -1, 2), fill=np.nan)
    assert padded.shape == (3, 2, 3)
    assert np.isnan(padded).sum(axis=(1, 2)).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("dtype", "cards"),
    [
        ("i2", {"BSCALE": 0.0457, "BZERO": 1500.0, "BLANK": -3}),
        ("i2", {"BZERO": 32768}),
        ("u1", {"BSCALE": 2.0}),
        (">i4", {"BSCALE": 0.25}),
        ("f4", {}),
        (">f4", {"BSCALE": 2.0, "BZERO": 1.0}),
    ],
    ids=str,
)
def test_physical_values_are_those_that_astropy_reads(dtype: str, cards: dict[str, float]) -> None:
    raw = noise((20, 30), "f4")
    raw = (raw % 250).astype(dtype) if dtype == "u1" else raw.astype(dtype)
    header = text(BITPIX=8, **cards)
    hdu = fits.PrimaryHDU(raw)
    file = fits.HDUList([hdu])
    for name, value in cards.items():
        hdu.header[name] = value
    expected = fits.HDUList.fromstring(_raw_file(file))[0].data
    np.testing.assert_array_equal(physical(Image(raw, header)), expected)


def _raw_file(file: fits.HDUList) -> bytes:
    """Write header and raw pixels apart, since astropy would rescale them."""
    header = file[0].header.tostring().encode()
    pixels = file[0].data.astype(file[0].data.dtype.newbyteorder(">")).tobytes()
    return header + pixels + bytes(-len(pixels) % 2880)


@pytest.mark.parametrize(
    ("science", "weight", "asked", "expected"),
    [
        ([[1.0, np.nan], [np.inf, 2.0]], None, 4, 0.5),
        ([[1.0, 2.0], [3.0, 4.0]], None, 8, 0.5),
        ([[1.0, np.nan], [3.0, 4.0]], [[1.0, 1.0], [0.0, np.nan]], 4, 0.5),
        ([[np.nan, np.nan]], None, 2, 0.0),
        ([[1.0, 1.0]], None, 0, 0.0),
    ],
    ids=["not-finite", "cut-short", "weight-decides", "nothing", "nothing-asked"],
)
def test_coverage(
    science: list[list[float]], weight: list[list[float]] | None, asked: int, expected: float
) -> None:
    sci = Image(np.array(science), text())
    wgt = Image(np.array(weight), text(), "WGT") if weight else None
    assert coverage(sci, wgt, requested_px=asked) == expected


def test_coverage_of_integers_heeds_blank_and_scale() -> None:
    sci = Image(np.array([[-1, 5], [6, -1]], "i2"), text(BLANK=-1))
    assert coverage(sci, None, requested_px=4) == 0.5
    wgt = Image(np.array([[-32768, 5], [6, 7]], "i2"), text(BZERO=32768), "WGT")
    assert coverage(sci, wgt, requested_px=4) == 0.75


def test_coverage_of_a_cube_counts_places() -> None:
    cube = np.full((2, 1, 4), np.nan)
    cube[0, 0, 0] = cube[1, 0, 0] = cube[1, 0, 1] = 1.0
    assert coverage(Image(cube, text()), None, requested_px=4) == 0.5
