"""Turn and flip an image so that north is up and east is left, as nearly as possible."""

import itertools
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid
from soda_service.engine.wcs.vectors import basis_at, turned, unit_xyz

__all__ = ["Orientation", "orientation"]

_Pixels = TypeVar("_Pixels", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Orientation:
    """A rotation by a multiple of 90 degrees, possibly mirrored: swap x and y, then flip.

    It converts FITS order (row 0 at the bottom) to picture order (row 0 at the top).
    """

    transpose: bool
    """Swap x and y first."""

    flip_x: bool
    """Then reverse the order of columns."""

    flip_y: bool
    """Then reverse the order of rows."""

    def applied(self, rgb: NDArray[_Pixels]) -> NDArray[_Pixels]:
        """Return the picture of an image.

        Parameters
        ----------
        rgb : ndarray, shape (ny, nx) or (ny, nx, n)
            Row 0 is the bottom row, as in FITS.

        Returns
        -------
        picture : ndarray
            A view, row 0 at the top; `transpose` swaps width and height.
        """
        picture = rgb.swapaxes(0, 1) if self.transpose else rgb
        return picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def undone(self, picture: NDArray[_Pixels]) -> NDArray[_Pixels]:
        """Return the image of a picture, as a view: writing to it writes to the picture.

        Parameters
        ----------
        picture : ndarray, shape (ny, nx) or (ny, nx, n)
            Row 0 is the top row.

        Returns
        -------
        image : ndarray
            A view, row 0 at the bottom, as in FITS; `applied` to it returns the picture.
        """
        rows = picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return rows.swapaxes(0, 1) if self.transpose else rows

    def turned_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width of the picture of an image of `shape` (ny, nx)."""
        ny, nx = shape
        return (nx, ny) if self.transpose else (ny, nx)

    def steps(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (dx, dy) in the image, for a step to the right and a step down in the picture."""
        right, down = (-1 if self.flip_x else 1), (-1 if self.flip_y else 1)
        return ((0, right), (down, 0)) if self.transpose else ((right, 0), (0, down))


UPRIGHT = Orientation(transpose=False, flip_x=False, flip_y=True)
"""For images with north up and east left already: only the order of rows is reversed."""


def orientation(grid: Grid, box: PixelBox) -> Orientation:
    """Return the orientation in which north is nearest to up and east nearest to left.

    Parameters
    ----------
    grid
        From `grid.sky_grid`.
    box
        The box that is shown; directions are those at its centre.

    Returns
    -------
    Orientation
        `UPRIGHT` if the centre is outside the projection. Of two equally good ones (at 45 degrees),
        the one that does not swap the axes.
    """
    sky_step = _sky_step(grid, ((box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2))
    if not np.all(np.isfinite(sky_step)):
        return UPRIGHT
    candidates = [
        Orientation(transpose=transpose, flip_x=flip_x, flip_y=flip_y)
        for transpose, flip_y, flip_x in itertools.product(
            (False, True), (True, False), (False, True)
        )
    ]
    return max(candidates, key=lambda candidate: _merit(candidate, sky_step))


def _sky_step(grid: Grid, centre: tuple[float, float]) -> NDArray[np.float64]:
    """Return d(east, north)/d(x, y) at a pixel, shape (2, 2), in units of its largest element."""
    x, y = centre
    ra, dec = grid.pixel_to_sky([x, x - 0.5, x + 0.5, x, x], [y, y, y, y - 0.5, y + 0.5])
    if not np.isfinite([ra, dec]).all():
        return np.full((2, 2), np.nan)
    east, north, _ = turned(basis_at(float(ra[0]), float(dec[0])), unit_xyz(ra, dec))
    step = np.array([east[[2, 4]] - east[[1, 3]], north[[2, 4]] - north[[1, 3]]])
    # Rounded, so that a frame rotated by exactly 45 degrees does not depend on the last bit; NaN
    # for an absurd WCS that has the same sky everywhere.
    with np.errstate(invalid="ignore"):
        rounded: NDArray[np.float64] = np.around(step / np.abs(step).max(), 9)
    return rounded


def _merit(candidate: Orientation, sky_step: NDArray[np.float64]) -> float:
    """Return how far a step to the right leads west, and a step down leads south."""
    right, down = candidate.steps()
    west = -(sky_step @ right)[0]
    south = -(sky_step @ down)[1]
    return float(west + south)
