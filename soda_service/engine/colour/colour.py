"""Shared parts of the picture methods: iteration over bands, and the output array.

Images are in FITS row order (row 0 at the bottom) on input and output.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "Picture", "Plane", "picture_for", "strips"]

Band = NDArray[np.generic]
"""A decoded image: numbers of any type and byte order, shape (ny, nx)."""

Plane = NDArray[np.float32]
"""Pixels of a band, contiguous and in native byte order."""

Picture = NDArray[np.uint8]

_STRIP_PX = 1 << 13
"""Pixels processed at a time, so that all arrays of a strip fit in the cache."""


def picture_for(bands: Sequence[Band], out: Picture | None) -> Picture:
    """Return the array into which a picture is painted: `out`, or a new array.

    Parameters
    ----------
    bands : sequence of ndarray, shape (ny, nx)
        Three for colour, one for grey.
    out
        Array of the caller; rows, pixels and channels may have any stride.

    Returns
    -------
    picture : ndarray, uint8, shape (ny, nx, 3), or (ny, nx) for one band
        `out`, if there is one.

    Raises
    ------
    ValueError
        If the bands differ in shape or are not images, or `out` does not fit or is read-only.
    """
    shapes = [band.shape for band in bands]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(
            f"found bands of shapes {', '.join(map(str, shapes))}; expected equal ones"
        )
    if len(shapes[0]) != 2:
        raise ValueError(f"found bands with {len(shapes[0])} axes; expected two")
    shape = (*shapes[0], *([len(bands)] if len(bands) > 1 else []))
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8:
        raise ValueError(f"out is {out.dtype} of {out.shape}; expected uint8 of {shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    return out


def strips(bands: Sequence[Band], picture: Picture) -> Iterator[tuple[list[Plane], Picture]]:
    """Yield images in strips of rows.

    Yields
    ------
    planes : list of ndarray, float32, shape (n, nx)
        Rows of each band, read-only; infinite where a value is too large.
    part : ndarray, uint8, shape (n, nx, ...)
        The same rows of the picture, writable.
    """
    ny, nx = picture.shape[:2]
    rows = max(1, _STRIP_PX // max(1, nx))
    for y in range(0, ny, rows):
        part = slice(y, y + rows)
        yield [np.ascontiguousarray(band[part], np.float32) for band in bands], picture[part]
