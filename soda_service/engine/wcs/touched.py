"""The pixels of an image that a shape on the sky touches.

Pixels are 0-based with integers at pixel centres.
"""

import math

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid
from soda_service.engine.wcs.position import Position
from soda_service.engine.wcs.tangent import TangentGrid
from soda_service.engine.wcs.vectors import Floats, unit_xyz

__all__ = ["inside_pixels", "touched_box"]

Bools = NDArray[np.bool_]

_STEPS = 128
"""Initial points on each side of an outline; the same number is then added around the extremes."""

_REFINEMENTS = 3
"""Each refinement brings the extremes 64 times nearer: for an arc of 10,000 pixels far below
1e-6."""

_PLACES = 6
"""Decimals of a pixel that count, as for boxes around a centre."""

_LATTICE_PX = 256
"""Sample points per image side, to find a shape whose outline is not on the image."""

_SPLIT = 4
"""Parts of each piece of an outline that may still reach farther."""

_LEVELS = 28
"""Splits until a piece is below the resolution of a float: 4**28 is 2**56."""

_FINE_PX = 1e-8
"""What an extreme may still gain; well below the decimals that count."""

_POINTS = 1024
"""Initial points of an outline of many sides, together."""


def touched_box(position: Position, grid: Grid, shape: tuple[int, int]) -> PixelBox | None:
    """Return the box of the pixels of an image that a shape touches.

    Parameters
    ----------
    grid
        From `sky_grid`.
    shape
        (ny, nx) of the image.

    Returns
    -------
    PixelBox or None
        The smallest box that contains them, clipped to the image; None if there are none. Parts of
        the shape beyond the image do not change it.
    """
    x, y = _outline(position, grid)
    if np.isfinite(x).all():
        box = _pixels_between(x, y)
        is_inside = box.clipped(shape) == box and not _corners(position, grid, shape).size
        if is_inside and (isinstance(grid, TangentGrid) or not _more(position, grid, shape, box)):
            return box
    return _box_on_image(position, grid, shape)


def _outline(position: Position, grid: Grid) -> tuple[Floats, Floats]:
    """Return pixels along a shape's outline, densest around its extremes."""
    sides = np.arange(position.sides, dtype=float)
    step = 1 / _STEPS
    t = np.concatenate([(sides[:, None] + np.arange(_STEPS) * step).ravel(), _before(sides + 1)])
    x, y = grid.sky_to_pixel(*position.outline(t))
    for _ in range(_REFINEMENTS if np.isfinite(x).all() else 0):
        best = t[[x.argmin(), x.argmax(), y.argmin(), y.argmax()]]
        side = np.floor(best)[:, None]
        near = best[:, None] + np.linspace(-step, step, _STEPS)
        near = np.clip(near, side, _before(side + 1)).ravel()
        found = grid.sky_to_pixel(*position.outline(near))
        t, x, y = (np.concatenate(pair) for pair in zip((t, x, y), (near, *found), strict=True))
        step *= 2 / _STEPS
    return x, y


def _before(number: Floats) -> Floats:
    return np.nextafter(number, 0)


def _pixels_between(x: Floats, y: Floats) -> PixelBox:
    """Return the smallest box that contains all points, at least one pixel wide and high."""
    (x0, x1), (y0, y1) = (
        (math.floor(round(axis.min() + 0.5, _PLACES)), math.ceil(round(axis.max() + 0.5, _PLACES)))
        for axis in (x, y)
    )
    return PixelBox(y0, max(y1, y0 + 1), x0, max(x1, x0 + 1))


def _box_on_image(position: Position, grid: Grid, shape: tuple[int, int]) -> PixelBox | None:
    """Return the box of the part of a shape that is on the image.

    That part is bounded by pieces of the shape's outline and of the image's edges, and the latter
    end at the outline or at a corner of the image. Its extremes are thus those of the outline on
    the image and of the corners inside the shape.
    """
    points = np.concatenate(
        [_outline_on_image(position, grid, shape), _corners(position, grid, shape)], axis=1
    )
    if not isinstance(grid, TangentGrid):
        box = _pixels_between(*points).clipped(shape) if points.size else None
        if _more(position, grid, shape, box):
            points = np.concatenate([points, _by_lattice(position, grid, shape)], axis=1)
    if not points.size:
        return None
    box = _pixels_between(*points).clipped(shape)
    return None if box.is_empty else box


def _corners(position: Position, grid: Grid, shape: tuple[int, int]) -> Floats:
    """Return the corners of an image that lie inside a shape, shape (2, n)."""
    ny, nx = shape
    x = np.array([-0.5, nx - 0.5, nx - 0.5, -0.5])
    y = np.array([-0.5, -0.5, ny - 0.5, ny - 0.5])
    return np.stack([x, y])[:, position.contains(*grid.pixel_to_sky(x, y))]


def _outline_on_image(position: Position, grid: Grid, shape: tuple[int, int]) -> Floats:
    """Return the lowest and highest x and y of an outline on an image: shape (2, 2), or (2, 0).

    Pieces of the outline are split as long as they may be on the image and reach farther than the
    points found so far. How far a piece departs from its chord follows from second differences.
    """
    lower = np.array([[-0.5], [-0.5]])
    upper = np.array([[shape[1] - 0.5], [shape[0] - 0.5]])
    lowest, highest = np.full((2, 1), np.inf), np.full((2, 1), -np.inf)
    sky = _image_lattice(grid, shape, 5 if position.sides <= _POINTS // _STEPS else 3)
    begin, end = _pieces(position, sky)
    for _ in range(_LEVELS):
        t = begin + (end - begin) * np.linspace(0, 1, _SPLIT + 1)[:, None]
        # Positions far from the image are not projected: inverting a distortion there takes long.
        is_near = _near(sky, position, t)
        t, is_near = t[:, is_near.any(axis=0)], is_near[:, is_near.any(axis=0)]
        if not t.size:
            break
        ra, dec = position.outline(t.ravel())
        points = _projected(grid, shape, ra, dec).reshape(2, *t.shape)
        is_on = ((points >= lower[..., None]) & (points <= upper[..., None])).all(axis=0)
        if is_on.any():
            lowest = np.minimum(lowest, points[:, is_on].min(axis=1, keepdims=True))
            highest = np.maximum(highest, points[:, is_on].max(axis=1, keepdims=True))
        low, high = _reach(points)
        low, high = np.maximum(low, lower[..., None]), np.minimum(high, upper[..., None])
        gains = (low < lowest[..., None] - _FINE_PX) | (high > highest[..., None] + _FINE_PX)
        is_open = (low <= high).all(axis=0) & gains.any(axis=0) & is_near
        begin, end = t[:-1][is_open], t[1:][is_open]
        if not begin.size:
            break
    return np.hstack([lowest, highest]) if np.isfinite(lowest).all() else np.empty((2, 0))


def _image_lattice(grid: Grid, shape: tuple[int, int], count: int) -> tuple[Floats, Floats]:
    """Return RA and Dec of some points of an image, edges included; NaN where it has no sky."""
    axes = (np.linspace(-0.5, n - 0.5, count) for n in reversed(shape))
    return grid.pixel_to_sky(*(axis.ravel() for axis in np.meshgrid(*axes)))


def _pieces(position: Position, sky: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return begins and ends of pieces of an outline, shorter than an image near its points."""
    sides = np.arange(position.sides, dtype=float)[:, None]
    is_sky = np.isfinite(sky[0]) & np.isfinite(sky[1])
    near = np.clip(position.nearest(sky[0][is_sky], sky[1][is_sky]), sides, _before(sides + 1))
    steps = max(4, min(_STEPS, _POINTS // position.sides))
    even = sides + np.arange(steps) / steps
    t = np.sort(np.hstack([even, near, _before(sides + 1)]), axis=1)
    return t[:, :-1].ravel(), t[:, 1:].ravel()


def _near(sky: tuple[Floats, Floats], position: Position, t: Floats) -> Bools:
    """Return which pieces between points of an outline may be where an image is on the sky.

    Polynomials of a distortion have no meaning far from it.
    """
    image = np.stack(unit_xyz(*sky))
    if not np.isfinite(image).all():  # a map of the whole sky
        return np.ones((t.shape[0] - 1, t.shape[1]), bool)
    vectors = np.stack(unit_xyz(*position.outline(t.ravel()))).reshape(3, *t.shape)
    centre = image.mean(axis=1, keepdims=True)
    radius = 1.1 * np.linalg.norm(image - centre, axis=0).max()
    distance = np.linalg.norm(vectors - centre[..., None], axis=0)
    # An arc of up to half a circle departs from its chord by less than the chord's length.
    chord = np.linalg.norm(np.diff(vectors, axis=1), axis=0)
    return np.asarray(np.minimum(distance[:-1], distance[1:]) <= radius + chord)


def _projected(grid: Grid, shape: tuple[int, int], ra: Floats, dec: Floats) -> Floats:
    """Return the pixels of positions, shape (2, n); NaN if they have none."""
    points = np.stack(grid.sky_to_pixel(ra, dec))
    if not isinstance(grid, TangentGrid):
        # A distortion may bring to the image what is far from it.
        ny, nx = shape
        is_on = (np.abs(points[0] - nx / 2) <= nx) & (np.abs(points[1] - ny / 2) <= ny)
        found = np.stack(unit_xyz(*grid.pixel_to_sky(*points[:, is_on])))
        distance_rad = np.linalg.norm(found - np.stack(unit_xyz(ra[is_on], dec[is_on])), axis=0)
        is_wrong = ~(distance_rad <= math.radians(max(grid.scales_arcsec) / 3600))
        points[:, np.flatnonzero(is_on)[is_wrong]] = np.nan
    return points


def _reach(points: Floats) -> tuple[Floats, Floats]:
    """Return bounds of the pieces between points that follow each other along axis 1.

    Parameters
    ----------
    points : ndarray, shape (2, m, n)

    Returns
    -------
    low, high : ndarray, shape (2, m - 1, n)
        Infinite where one end is NaN; NaN where both are.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        bend = np.pad(np.abs(np.diff(points, 2, axis=1)), ((0, 0), (1, 1), (0, 0)), mode="edge")
        margin = np.maximum(bend[:, :-1], bend[:, 1:])
        low = np.minimum(points[:, :-1], points[:, 1:]) - margin
        high = np.maximum(points[:, :-1], points[:, 1:]) + margin
    is_seen = np.isfinite(points)
    either = is_seen[:, :-1] | is_seen[:, 1:]
    low[np.isnan(low) & either], high[np.isnan(high) & either] = -np.inf, np.inf
    return low, high


def _inside_points(position: Position, grid: Grid, axes: tuple[Floats, Floats]) -> Floats:
    """Return the points of a lattice that lie inside a shape, shape (2, n)."""
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes)])
    return points[:, position.contains(*grid.pixel_to_sky(*points))]


def _lattice(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return evenly spaced x and y of an image, from just inside its edges.

    The two edges of a map of the whole sky are the same meridian.
    """
    ny, nx = shape
    low = _FINE_PX - 0.5
    across, up = (np.linspace(low, n - 1 - low, min(4 * n, _LATTICE_PX) + 1) for n in (nx, ny))
    return across, up


def _more(position: Position, grid: Grid, shape: tuple[int, int], box: PixelBox | None) -> bool:
    """Return whether an image has points of a shape outside the box around its outline.

    An all-sky projection shows a shape around the pole as a strip along its edge.
    """
    x, y = _inside_points(position, grid, _lattice(shape))
    if box is None:
        return bool(x.size)
    is_in = (x >= box.x0 - 0.5) & (x <= box.x1 - 0.5) & (y >= box.y0 - 0.5) & (y <= box.y1 - 0.5)
    return bool(np.any(~is_in))


def _by_lattice(position: Position, grid: Grid, shape: tuple[int, int]) -> Floats:
    """Return extreme points of a shape that the edge of the sky bounds on the image, (2, n)."""
    axes = _lattice(shape)
    points = _inside_points(position, grid, axes)
    found = [points]
    for number in (0, 1):
        axis, other = axes[number], axes[1 - number]
        step = axis[1] - axis[0]
        for end, away in ((points[number].min(), -step), (points[number].max(), step)):
            # Between the last point inside and the next one, at four points a pixel.
            strip = np.clip(
                np.linspace(end, end + away, math.ceil(4 * step) + 1), axis[0], axis[-1]
            )
            pair = (strip, other) if number == 0 else (other, strip)
            found.append(_inside_points(position, grid, pair))
    return np.concatenate(found, axis=1)


def inside_pixels(position: Position, grid: Grid, box: PixelBox) -> Bools:
    """Return which pixels of a box lie inside a shape, by their centres.

    For a shape without the centre of any pixel, it is the pixel that contains its own centre, or
    those that its outline passes.

    Returns
    -------
    ndarray, shape box.shape, bool
    """
    inside = np.zeros(box.shape, bool)
    columns = np.arange(box.x0, box.x1)
    # By rows, since the positions of all pixels of a large box take ten times the memory of the
    # box.
    for number in range(box.shape[0]):
        inside[number] = position.contains(*grid.pixel_to_sky(columns, box.y0 + number))
    if not inside.any():
        _mark(inside, box, *grid.sky_to_pixel(*position.centre))
    if not inside.any():
        for number in range(box.shape[0]):
            sky = grid.pixel_to_sky(columns, box.y0 + number)
            nearest = position.nearest(*sky).ravel()
            _mark(inside, box, *grid.sky_to_pixel(*position.outline(nearest)))
    return inside


def _mark(inside: Bools, box: PixelBox, x: Floats, y: Floats) -> None:
    """Mark the pixels of a box that contain points; those elsewhere and NaN are ignored."""
    with np.errstate(invalid="ignore"):
        row, column = np.floor(y + 0.5) - box.y0, np.floor(x + 0.5) - box.x0
    ny, nx = box.shape
    is_on = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
    inside[row[is_on].astype(int), column[is_on].astype(int)] = True
