"""Conversion between sky positions and pixels of an image, and between angles and sizes.

Positions are ICRS degrees; pixels are 0-based with integers at pixel centres, x along NAXIS1.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid, sky_grid
from soda_service.errors import NoCoverage

__all__ = [
    "Grid",
    "box_at",
    "offset_px",
    "outline",
    "pixel_scales",
    "pixel_to_sky",
    "size_in_pixels",
    "sky_grid",
    "sky_to_pixel",
]

_SAME_PLACES = 6
"""Decimals of a pixel that count. 24.499999999999996 is still a half, and a box must not depend on
the last bit of a sine."""


def sky_to_pixel(
    grid: Grid, ra_deg: ArrayLike, dec_deg: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pixel coordinates of positions.

    Parameters
    ----------
    grid
        From `sky_grid`.
    ra_deg, dec_deg : array_like
        ICRS, deg, of one shape.

    Returns
    -------
    x, y : ndarray, float64
        0-based pixel coordinates; NaN where the projection does not reach the position.
    """
    return grid.sky_to_pixel(ra_deg, dec_deg)


def pixel_to_sky(
    grid: Grid, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of pixels.

    Parameters
    ----------
    grid
        From `sky_grid`.
    x, y : array_like
        0-based pixel coordinates, of one shape.

    Returns
    -------
    ra_deg, dec_deg : ndarray, float64
        ICRS, deg, RA in 0..360; NaN where the projection has no sky.
    """
    return grid.pixel_to_sky(x, y)


def pixel_scales(grid: Grid) -> tuple[float, float]:
    """Return the pixel scales along x and y at the reference point, arcsec per pixel."""
    return grid.scales_arcsec


def size_in_pixels(grid: Grid, xsize_arcmin: float, ysize_arcmin: float) -> tuple[int, int]:
    """Return the size of a cutout in pixels.

    Parameters
    ----------
    grid
        From `sky_grid`.
    xsize_arcmin, ysize_arcmin
        Width along the image's x, height along its y, arcmin.

    Returns
    -------
    nx, ny : int
        Rounded half to even, at least 1.
    """
    x_arcsec, y_arcsec = pixel_scales(grid)
    return _pixels(xsize_arcmin * 60 / x_arcsec), _pixels(ysize_arcmin * 60 / y_arcsec)


def _pixels(count: float) -> int:
    return max(1, round(round(count, _SAME_PLACES)))


def box_at(x: float, y: float, nx: int, ny: int) -> PixelBox:
    """Return a box of `nx` times `ny` pixels around a point.

    The box is that of `astropy.nddata.Cutout2D` before trimming: it begins at ceil(x - nx / 2).
    Pixel coordinates are rounded to 1e-6.

    Parameters
    ----------
    x, y
        0-based pixel coordinates of the centre.

    Raises
    ------
    NoCoverage
        If the point is not on the projection (NaN).
    """
    if not (math.isfinite(x) and math.isfinite(y)):
        raise NoCoverage("the position lies outside the tile's projection")
    x0, y0 = (math.ceil(round(centre - n / 2, _SAME_PLACES)) for centre, n in ((x, nx), (y, ny)))
    return PixelBox(y0, y0 + ny, x0, x0 + nx)


def offset_px(grid: Grid, box: PixelBox, other_grid: Grid, other_box: PixelBox) -> float:
    """Return how far apart the same sky lies in two boxes.

    Parameters
    ----------
    grid, other_grid
        From `sky_grid`.
    box, other_box
        Boxes of one shape, each in the pixels of its own grid.

    Returns
    -------
    float
        In pixels of the first grid: the largest distance of the other box's four corner pixels from
        their expected places. Infinite if one of them has no place in the first grid.
    """
    if grid == other_grid:
        return math.hypot(other_box.x0 - box.x0, other_box.y0 - box.y0)
    columns, rows = (0, other_box.shape[1] - 1), (0, other_box.shape[0] - 1)
    xs, ys = (side.ravel() for side in np.meshgrid(columns, rows))
    sky = other_grid.pixel_to_sky(xs + other_box.x0, ys + other_box.y0)
    x, y = grid.sky_to_pixel(*sky)
    largest = float(np.hypot(x - box.x0 - xs, y - box.y0 - ys).max())
    return largest if math.isfinite(largest) else math.inf


def outline(grid: Grid, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the sky corners of an image, at the outer edges of its pixels.

    Parameters
    ----------
    grid
        From `sky_grid`.
    shape
        (ny, nx), pixels.

    Returns
    -------
    corners : ndarray, shape (4, 2), float64
        (RA, Dec), ICRS deg, of the corners (left, bottom), (right, bottom), (right, top),
        (left, top) of the pixel grid; NaN where the projection has no sky there.
    """
    ny, nx = shape
    left, bottom, right, top = -0.5, -0.5, nx - 0.5, ny - 0.5
    return np.column_stack(
        grid.pixel_to_sky([left, right, right, left], [bottom, bottom, top, top])
    )
