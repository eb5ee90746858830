"""Pixels of a cutout: physical values, fill values beyond the tile, and validity."""

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
"""Mask bit for missing pixels if a release does not define one."""


def physical(image: Image) -> NDArray[np.floating]:
    """Return the physical values of an image: BSCALE and BZERO applied, BLANK as NaN.

    Returns
    -------
    values : ndarray, float32 or float64
        The image's own array if nothing changes; float32 for integers of up to 16 bits, as in
        astropy, otherwise float64.
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
    """Return the bit that marks missing pixels in a mask: `wanted`, or a lower bit that fits.

    Parameters
    ----------
    header
        Header of the mask, for BSCALE and BZERO.
    dtype
        Type of the raw numbers. (Any: it depends on the tile.)
    wanted
        A power of two.

    Returns
    -------
    int
        `wanted`, or the highest power of two that fits: 16384 in signed 16-bit numbers, 128 in
        bytes.
    """
    if np.issubdtype(dtype, np.floating):
        return wanted
    scale, zero = header.number("BSCALE", 1.0) or 1.0, header.number("BZERO", 0.0)
    largest = int(np.iinfo(dtype).max * scale + zero)
    return min(wanted, 1 << max(0, largest.bit_length() - 1))


def fill_value(
    role: str, header: TextHeader, dtype: np.dtype[Any], no_data_bit: int
) -> int | float:
    """Return the raw number for pixels that a padded cutout does not have.

    Parameters
    ----------
    role
        `SCI`, `WGT` or `MSK`; other roles are treated like `SCI`.
    header
        Header of the plane, for BSCALE, BZERO and BLANK.
    dtype
        Type of the raw numbers. (Any: it depends on the tile.)
    no_data_bit
        Mask bit of a missing pixel; see `mask_bit`.

    Returns
    -------
    int or float
        A raw number in the range of `dtype`. It means: in a mask the no-data bit, in a weight 0,
        otherwise NaN, BLANK, or 0 for integers without BLANK.
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
    """Return BLANK if it is a number that such integers can hold."""
    value = header.get("BLANK")
    limits = np.iinfo(dtype)
    return value if isinstance(value, int) and limits.min <= value <= limits.max else None


def blank_for(data: NDArray[np.generic], header: TextHeader) -> int | None:
    """Choose the raw number for missing pixels in integers that have no BLANK.

    Returns
    -------
    int or None
        A number that no pixel has; None for floats, if there is a BLANK, or if all are in use.
    """
    if not np.issubdtype(data.dtype, np.integer) or _blank(header, data.dtype) is not None:
        return None
    limits = np.iinfo(data.dtype)  # type: ignore[type-var]  # an integer type, as checked above
    free = (int(n) for n in (limits.min, limits.max) if not np.any(data == n))
    return next(free, None)


def pad(
    data: NDArray[np.generic], inside: PixelBox, box: PixelBox, *, fill: float
) -> NDArray[np.generic]:
    """Place the existing pixels in the requested box, and fill the rest.

    Parameters
    ----------
    data : ndarray, shape (..., *inside.shape)
        Pixels of `inside`.
    inside
        Part of `box` that has pixels; not empty.
    box
        The requested box, in the same pixel coordinates.
    fill
        Value of all other pixels; see `fill_value`.

    Returns
    -------
    padded : ndarray, shape (..., *box.shape), of the type of `data`
    """
    padded = np.full((*data.shape[:-2], *box.shape), fill, dtype=data.dtype)
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)
    padded[..., rows, columns] = data
    return padded


def coverage(sci: Image, wgt: Image | None, *, requested_px: int) -> float:
    """Return the fraction of the requested area that has valid pixels.

    Parameters
    ----------
    sci, wgt
        Science and weight planes of the cutout, padded or trimmed.
    requested_px
        Number of pixels in the requested area.

    Returns
    -------
    float
        0..1: the number of pixels with positive weight if there is a weight plane, otherwise with a
        finite value (in any plane of a cube), divided by the number of requested pixels.
    """
    if requested_px <= 0:
        return 0.0
    if wgt is not None and wgt.data.ndim == 2 and not _is_scaled(wgt.header):
        return min(1.0, count_positive(cast("NDArray[np.number[Any]]", wgt.data)) / requested_px)
    values = physical(sci if wgt is None else wgt)
    valid = np.isfinite(values) if wgt is None else values > 0
    if valid.ndim > 2:
        valid = valid.any(axis=tuple(range(valid.ndim - 2)))
    return min(1.0, int(np.count_nonzero(valid)) / requested_px)


def _is_scaled(header: TextHeader) -> bool:
    return any(keyword in header for keyword in ("BSCALE", "BZERO", "BLANK"))
