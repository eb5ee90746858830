"""A cutout's pixels: what they mean, what stands beyond the edge, which of them are valid."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.fits.sums import count_positive

__all__ = [
    "NO_DATA_BIT",
    "blank_for",
    "coverage",
    "fill_value",
    "mask_bit",
    "pad",
    "physical",
]

NO_DATA_BIT = 1 << 15
"""Bit of a mask for pixels that are not there, where a release names none of its own."""


def physical(image: Image) -> NDArray[np.floating]:
    """Give the values that an image's numbers mean: BSCALE and BZERO applied, BLANK as NaN.

    Returns
    -------
    values : ndarray, float32 or float64
        The image's own array where there is nothing to do; float32 for integers of up to 16
        bits, as astropy reads them, else float64.
    """
    data, header = image.data, image.header
    scale, zero = header.number("BSCALE", 1.0), header.number("BZERO", 0.0)
    is_float = np.issubdtype(data.dtype, np.floating)
    if is_float and scale == 1 and zero == 0:
        return cast("NDArray[np.floating]", data)
    integer_result = np.dtype(np.float32 if data.dtype.itemsize <= 2 else np.float64)
    result = data.dtype.newbyteorder("=") if is_float else integer_result
    values = cast("NDArray[np.floating]", data.astype(result))
    values *= scale
    values += zero
    if not is_float and "BLANK" in header:
        values[data == header["BLANK"]] = np.nan
    return values


def mask_bit(header: TextHeader, dtype: np.dtype[Any], wanted: int) -> int:
    """Give the bit that marks missing pixels in a mask: the one wanted, or a lower one that fits.

    Parameters
    ----------
    header
        The mask's, for BSCALE and BZERO.
    dtype
        Of the raw numbers. (Any: whichever the tile has.)
    wanted
        A power of two.

    Returns
    -------
    int
        `wanted`, or the highest power of two that masks of so few bits can hold: 16384 in signed
        16-bit numbers, 128 in bytes.
    """
    if np.issubdtype(dtype, np.floating):
        return wanted
    scale, zero = header.number("BSCALE", 1.0) or 1.0, header.number("BZERO", 0.0)
    largest = int(np.iinfo(dtype).max * scale + zero)
    return min(wanted, 1 << max(0, largest.bit_length() - 1))


def fill_value(
    role: str, header: TextHeader, dtype: np.dtype[Any], no_data_bit: int
) -> int | float:
    """Give the number that stands where a padded cutout has no pixel.

    Parameters
    ----------
    role
        `SCI`, `WGT` or `MSK`; others are treated like `SCI`.
    header
        The plane's, for BSCALE, BZERO and BLANK.
    dtype
        Of the raw numbers. (Any: whichever the tile has.)
    no_data_bit
        What a mask says of a missing pixel; see `mask_bit`.

    Returns
    -------
    int or float
        A raw number, of `dtype`'s range. It means: in a mask the no-data bit, in a weight 0,
        else NaN, BLANK, or 0 where integers have no BLANK.
    """
    is_float = np.issubdtype(dtype, np.floating)
    if role not in {"WGT", "MSK"}:
        if is_float:
            return float("nan")
        blank = _blank(header, dtype)
        if blank is not None:
            return blank
    meaning = no_data_bit if role == "MSK" else 0
    raw = (meaning - header.number("BZERO", 0.0)) / (header.number("BSCALE", 1.0) or 1.0)
    if is_float:
        return raw
    limits = np.iinfo(dtype)
    return min(max(round(raw), int(limits.min)), int(limits.max))


def _blank(header: TextHeader, dtype: np.dtype[Any]) -> int | None:
    """Give BLANK, where it is a number that such integers can hold."""
    value = header.get("BLANK")
    limits = np.iinfo(dtype)
    return value if isinstance(value, int) and limits.min <= value <= limits.max else None


def blank_for(data: NDArray[np.generic], header: TextHeader) -> int | None:
    """Choose the raw number that says "no pixel" in integers that have no BLANK.

    Returns
    -------
    int or None
        One that no pixel has; None for floats, where BLANK is there, or where all are in use.
    """
    if not np.issubdtype(data.dtype, np.integer) or _blank(header, data.dtype) is not None:
        return None
    limits = np.iinfo(data.dtype)  # type: ignore[type-var]  # an integer type, as was asked above
    free = (int(n) for n in (limits.min, limits.max) if not np.any(data == n))
    return next(free, None)


def pad(
    data: NDArray[np.generic], inside: PixelBox, box: PixelBox, *, fill: float
) -> NDArray[np.generic]:
    """Lay the pixels that there are into the box that was asked for.

    Parameters
    ----------
    data : ndarray, shape (..., *inside.shape)
        Pixels of `inside`.
    inside
        Part of `box` that has pixels; not empty.
    box
        The box asked for, in the same pixel coordinates.
    fill
        What stands elsewhere; see `fill_value`.

    Returns
    -------
    padded : ndarray, shape (..., *box.shape), of the type of `data`
    """
    padded = np.full((*data.shape[:-2], *box.shape), fill, dtype=data.dtype)
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)
    padded[..., rows, columns] = data
    return padded


def coverage(sci: Image, wgt: Image | None, *, asked: int) -> float:
    """Tell which part of the asked area has valid pixels.

    Parameters
    ----------
    sci, wgt
        The cutout's science and weight planes, padded or cut short.
    asked
        Pixels of the area that was asked for.

    Returns
    -------
    float
        0..1: pixels of positive weight where there is a weight plane, else of finite value (of
        any plane of a cube), by those asked for.
    """
    if asked <= 0:
        return 0.0
    if wgt is not None and wgt.data.ndim == 2 and not _is_scaled(wgt.header):
        return min(1.0, count_positive(cast("NDArray[np.number[Any]]", wgt.data)) / asked)
    values = physical(sci if wgt is None else wgt)
    valid = np.isfinite(values) if wgt is None else values > 0
    if valid.ndim > 2:
        valid = valid.any(axis=tuple(range(valid.ndim - 2)))
    return min(1.0, int(np.count_nonzero(valid)) / asked)


def _is_scaled(header: TextHeader) -> bool:
    return any(keyword in header for keyword in ("BSCALE", "BZERO", "BLANK"))
