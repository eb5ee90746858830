"""What the methods of making pictures share: how bands are gone through, and where levels go.

Images come in FITS row order (row 0 at the bottom) and stay so.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "Picture", "Plane", "picture_for", "strips"]

Band = NDArray[np.generic]
"""An image as it was decoded: numbers of any type and byte order, shape (ny, nx)."""

Plane = NDArray[np.float32]
"""Pixels of a band in native byte order, contiguous."""

Picture = NDArray[np.uint8]

_STRIP_PX = 1 << 13
"""Pixels worked on at a time: all arrays of a strip stay in the cache, and memory stays flat."""


def picture_for(bands: Sequence[Band], out: Picture | None) -> Picture:
    """Give the array that a picture is painted into, or make one.

    Parameters
    ----------
    bands : sequence of ndarray, shape (ny, nx)
        Three for colour, one for grey.
    out
        What the caller wants it painted into; rows, pixels and channels at any distance.

    Returns
    -------
    picture : ndarray, uint8, shape (ny, nx, 3), or (ny, nx) for one band
        `out`, if there is one.

    Raises
    ------
    ValueError
        When the bands differ in shape or are no images, or `out` does not fit or is read-only.
    """
    shapes = [band.shape for band in bands]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"bands differ in shape: {', '.join(map(str, shapes))}")
    if len(shapes[0]) != 2:
        raise ValueError(f"bands must have two axes, found {len(shapes[0])}")
    shape = (*shapes[0], *([len(bands)] if len(bands) > 1 else []))
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8:
        raise ValueError(f"out must be uint8 of shape {shape}, found {out.dtype} of {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    return out


def strips(bands: Sequence[Band], picture: Picture) -> Iterator[tuple[list[Plane], Picture]]:
    """Go through images by some rows at a time.

    Yields
    ------
    planes : list of ndarray, float32, shape (n, nx)
        Rows of each band, not to be written to; infinite where a value is too large.
    part : ndarray, uint8, shape (n, nx, ...)
        The same rows of the picture, to be written to.
    """
    ny, nx = picture.shape[:2]
    rows = max(1, _STRIP_PX // max(1, nx))
    for y in range(0, ny, rows):
        part = slice(y, y + rows)
        yield [np.ascontiguousarray(band[part], np.float32) for band in bands], picture[part]
