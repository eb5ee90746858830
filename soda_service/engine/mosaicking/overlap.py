"""Relation between the pixels of a box and those of another tile: the same grid or another one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.footprint import Grid, pixel_scales, pixel_to_sky, sky_to_pixel

__all__ = ["Relation", "relate", "source_box"]

_SAME_PIXEL_PX = 0.01
"""Tolerance in pixels for grids that coincide, so that pixels are copied."""

_AVERAGED_ABOVE = 2.0
"""Number of source pixels per pixel from which on they are averaged: interpolation between four
pixels would ignore the light of the others."""

_MARGIN_PX = 12
"""Pixels read around those needed: a spline's influence, 0.268**12, is then below float32's
rounding. More are read of small pixels, which are averaged."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Relation:
    """Relation between the pixels of a box and those of another tile."""

    shift_px: tuple[int, int] | None
    """(x, y) to add to a pixel to get the other tile's pixel; None if the grids differ."""

    pixel_ratio: float
    """Number of the other tile's pixels that have the area of one of the box."""

    @property
    def manner(self) -> str:
        """Method to transfer pixels: `copied`, `resampled` or `averaged`."""
        if self.shift_px is not None:
            return "copied"
        return "averaged" if self.pixel_ratio > _AVERAGED_ABOVE else "resampled"


def relate(grid: Grid, box: PixelBox, other: Grid) -> Relation:
    """Return the relation between the pixels of a box and those of another tile.

    The grids coincide if each of 25 pixels, spread over the box, lies within 0.01 pixel of a pixel
    of the other tile, all with the same offset.
    """
    x, y = _lattice(box, 5)
    there_x, there_y = sky_to_pixel(other, *pixel_to_sky(grid, x, y))
    shift = _whole(there_x - x), _whole(there_y - y)
    if shift[0] is not None and shift[1] is not None:
        return Relation((shift[0], shift[1]), 1.0)
    return Relation(None, _pixel_ratio(grid, box, other))


def _whole(differences: _Floats) -> int | None:
    """Return the integer that all differences equal; None if there is none, or they are NaN."""
    if not np.isfinite(differences).all():
        return None
    whole = round(float(differences.flat[0]))
    return whole if np.abs(differences - whole).max() <= _SAME_PIXEL_PX else None


def _pixel_ratio(grid: Grid, box: PixelBox, other: Grid) -> float:
    """Compare pixel areas at the centre of the box; at the reference points if that fails."""
    x, y = (box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2
    there_x, there_y = sky_to_pixel(other, *pixel_to_sky(grid, [x, x + 1, x], [y, y, y + 1]))
    (ax, ay), (bx, by) = ((there_x[n] - there_x[0], there_y[n] - there_y[0]) for n in (1, 2))
    ratio = abs(float(ax * by - ay * bx))
    if math.isfinite(ratio) and ratio > 0:
        return ratio
    return math.prod(pixel_scales(grid)) / math.prod(pixel_scales(other))


def source_box(
    relation: Relation, target: tuple[Grid, PixelBox], other: Grid, shape: tuple[int, int] | None
) -> PixelBox:
    """Return the box of pixels of another tile that a box needs, including a margin.

    Parameters
    ----------
    relation
        Result of `relate`.
    target
        Grid and box to fill.
    other, shape
        Grid of the other tile and its (ny, nx); None: do not clip to the tile.

    Returns
    -------
    PixelBox
        On the other tile, if a shape is given; empty if the tile has no part of the box.
    """
    grid, box = target
    if relation.shift_px is not None:
        dx, dy = relation.shift_px
        moved = PixelBox(box.y0 + dy, box.y1 + dy, box.x0 + dx, box.x1 + dx)
        return moved.clipped(shape) if shape else moved
    # 289 points: between them an edge bends by less than the margin, even with distortion.
    x, y = _lattice(box, 17)
    sides = sky_to_pixel(other, *pixel_to_sky(grid, x, y))
    margin_px = _MARGIN_PX * math.sqrt(max(1.0, relation.pixel_ratio))
    (x0, x1), (y0, y1) = (_span(side, margin_px) for side in sides)
    whole = PixelBox(y0, y1, x0, x1)
    if shape is None or whole.is_empty:
        return whole
    ny, nx = shape
    is_off = any(
        np.nanmax(side) < -0.5 or np.nanmin(side) > size - 0.5
        for side, size in zip(sides, (nx, ny), strict=True)
    )
    return PixelBox(0, 0, 0, 0) if is_off else whole.clipped(shape)


def _span(coordinates: _Floats, margin_px: float) -> tuple[int, int]:
    """Return the first pixel and the one after the last; 0 and 0 if there are none."""
    there = coordinates[np.isfinite(coordinates)]
    if not there.size:
        return 0, 0
    return math.floor(there.min() - margin_px), math.ceil(there.max() + margin_px + 1)


def _lattice(box: PixelBox, count: int) -> tuple[_Floats, _Floats]:
    """Return evenly spaced points in a box, from its first to its last pixel in both directions."""
    x = np.linspace(box.x0, box.x1 - 1, count)
    y = np.linspace(box.y0, box.y1 - 1, count)
    xs, ys = np.meshgrid(x.round(), y.round())
    return xs, ys
