"""Requested shapes on the sky, and the pixels of an image that they touch.

Positions are ICRS degrees.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid
from soda_service.engine.wcs.tangent import TangentGrid
from soda_service.engine.wcs.vectors import (
    Floats,
    Matrix,
    Vectors,
    angles_deg,
    basis_at,
    turned,
    unit_xyz,
)

__all__ = ["Circle", "Polygon", "Position", "Range", "inside_pixels", "touched_box"]

Bools = NDArray[np.bool_]

_STEPS = 128
"""Initial points on each side of an outline; the same number is then added around the extremes."""

_REFINEMENTS = 3
"""Each refinement brings the extremes 64 times nearer: for an arc of 10,000 pixels far below
1e-6."""

_EDGE = 1e-24
"""Square of an angle that counts as zero, rad2: 0.2 microarcsec."""

_PLACES = 6
"""Decimals of a pixel that count, as for boxes around a centre."""

_LATTICE_PX = 256
"""Sample points per image side, to find a shape whose outline is not on the image."""


@dataclass(frozen=True, slots=True)
class Circle:
    """All positions within an angle of a centre."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
    """0 < radius <= 180."""

    @property
    def centre(self) -> tuple[float, float]:
        """RA and Dec, deg."""
        return self.ra_deg, self.dec_deg

    @property
    def sides(self) -> int:
        """Number of smooth lines that bound it."""
        return 1

    def outline(self, t: Floats) -> tuple[Floats, Floats]:
        """Return positions along the bounding lines, deg; the integer part of `t` is the line."""
        east, north, centre = basis_at(self.ra_deg, self.dec_deg)
        angle, radius = 2 * np.pi * t, math.radians(self.radius_deg)
        sine, cosine = math.sin(radius), math.cos(radius)
        x, y, z = (
            cosine * centre[n] + sine * (np.cos(angle) * north[n] + np.sin(angle) * east[n])
            for n in range(3)
        )
        return angles_deg((x, y, z))

    def contains(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Bools:
        """Return which positions lie inside; False for NaN."""
        x, y, z = unit_xyz(ra_deg, dec_deg)
        a, b, c = unit_xyz(self.ra_deg, self.dec_deg)
        # By the chord, which is precise for small and large angles.
        chord = (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2
        limit = (2 * math.sin(math.radians(self.radius_deg) / 2)) ** 2
        return np.asarray(chord <= limit * (1 + 1e-14) + _EDGE)


@dataclass(frozen=True, slots=True)
class Polygon:
    """Vertices joined by great circles; the smaller of the two parts of the sky (DALI-T1).

    Raises
    ------
    ValueError
        If there are fewer than three vertices, or they do not fit in a hemisphere.
    """

    vertices_deg: tuple[tuple[float, float], ...]
    """(RA, Dec), in either direction; at least three."""

    def __post_init__(self) -> None:
        if len(self.vertices_deg) < 3:
            raise ValueError(
                f"found {len(self.vertices_deg)} vertices; a polygon has at least three"
            )
        _, _, depth = turned(self._basis(), self._vertices())
        if not depth.min() > 1e-6:
            raise ValueError("the vertices do not fit in a hemisphere; a polygon must")

    def _basis(self) -> Matrix:
        return basis_at(*self.centre)

    def _vertices(self) -> Vectors:
        return unit_xyz(*zip(*self.vertices_deg, strict=True))

    @property
    def centre(self) -> tuple[float, float]:
        """Mean position of the vertices: RA and Dec, deg."""
        x, y, z = self._vertices()
        ra, dec = angles_deg((x.sum(keepdims=True), y.sum(keepdims=True), z.sum(keepdims=True)))
        return float(ra[0]), float(dec[0])

    @property
    def sides(self) -> int:
        """Number of smooth lines that bound it."""
        return len(self.vertices_deg)

    def outline(self, t: Floats) -> tuple[Floats, Floats]:
        """Return positions along the bounding lines, deg; the integer part of `t` is the line."""
        ra, dec = (np.array(axis) for axis in zip(*self.vertices_deg, strict=True))
        side = np.floor(t).astype(int) % self.sides
        begin = unit_xyz(ra[side], dec[side])
        end = unit_xyz(ra[(side + 1) % self.sides], dec[(side + 1) % self.sides])
        part = t - np.floor(t)
        # Along the chord: not evenly spaced, but exactly on the great circle.
        x, y, z = (a + (b - a) * part for a, b in zip(begin, end, strict=True))
        return angles_deg((x, y, z))

    def contains(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Bools:
        """Return which positions lie inside; False for NaN."""
        basis = self._basis()
        x, y, is_near = _on_plane(basis, unit_xyz(ra_deg, dec_deg))
        corners_x, corners_y, _ = _on_plane(basis, self._vertices())
        inside = np.zeros(x.shape, bool)
        for ax, ay, bx, by in zip(
            corners_x, corners_y, np.roll(corners_x, -1), np.roll(corners_y, -1), strict=True
        ):
            if ay == by:
                continue
            crosses = (ay > y) != (by > y)
            inside ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        return inside & is_near


@dataclass(frozen=True, slots=True)
class Range:
    """The area between two meridians and two parallels."""

    ra_min_deg: float
    ra_max_deg: float
    """At least ra_min_deg; from 360 degrees more on, the range covers all RA."""

    dec_min_deg: float
    dec_max_deg: float
    """-90 to 90."""

    @property
    def width_deg(self) -> float:
        """Width in RA."""
        return min(360.0, self.ra_max_deg - self.ra_min_deg)

    @property
    def centre(self) -> tuple[float, float]:
        """RA and Dec, deg; for a ring around the sky a point on it, for a cap its pole."""
        dec = (self.dec_min_deg + self.dec_max_deg) / 2
        if self.width_deg == 360 and max(abs(self.dec_min_deg), abs(self.dec_max_deg)) == 90:
            dec = 90.0 if self.dec_max_deg == 90 else -90.0
        return (self.ra_min_deg + self.width_deg / 2) % 360, dec

    @property
    def sides(self) -> int:
        """Number of smooth lines that bound it."""
        return 4

    def outline(self, t: Floats) -> tuple[Floats, Floats]:
        """Return positions along the bounding lines, deg; the integer part of `t` is the line."""
        part, side = t - np.floor(t), np.floor(t).astype(int) % 4
        along_ra = self.ra_min_deg + part * self.width_deg
        along_dec = self.dec_min_deg + part * (self.dec_max_deg - self.dec_min_deg)
        right, low, high = self.ra_min_deg + self.width_deg, self.dec_min_deg, self.dec_max_deg
        ra = np.choose(side, [along_ra, right, along_ra, self.ra_min_deg])
        dec = np.choose(side, [low, along_dec, high, along_dec])
        return ra % 360, dec

    def contains(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Bools:
        """Return which positions lie inside, bounds included; False for NaN."""
        ra, dec = np.asarray(ra_deg, float), np.asarray(dec_deg, float)
        beyond = (ra - self.ra_min_deg) % 360
        is_within = (beyond <= self.width_deg) | np.isclose(beyond, 360, rtol=0, atol=1e-12)
        return is_within & (dec >= self.dec_min_deg) & (dec <= self.dec_max_deg)


Position = Circle | Polygon | Range
"""A requested shape."""


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
        The smallest box around them, on the image; None if there are none. For a shape that reaches
        beyond the image, it is the box around the whole shape, clipped.
    """
    x, y = _outline(position, grid)
    if not np.isfinite(x).all():
        return _by_lattice(position, grid, shape)
    box = _pixels_between(x, y)
    if not isinstance(grid, TangentGrid) and _has_more(position, grid, shape, box):
        return _by_lattice(position, grid, shape)
    box = box.clipped(shape)
    return box if not box.is_empty and _meets(position, grid, box, (x, y)) else None


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
    """Return the pixels from the smallest to the largest coordinate, at least one each way."""
    (x0, x1), (y0, y1) = (
        (math.floor(round(axis.min() + 0.5, _PLACES)), math.ceil(round(axis.max() + 0.5, _PLACES)))
        for axis in (x, y)
    )
    return PixelBox(y0, max(y1, y0 + 1), x0, max(x1, x0 + 1))


def _meets(position: Position, grid: Grid, box: PixelBox, outline: tuple[Floats, Floats]) -> bool:
    """Return whether a shape has sky in a box: its outline enters the box, or encloses it."""
    x, y = outline
    left, right, bottom, top = (edge - 0.5 for edge in (box.x0, box.x1, box.y0, box.y1))
    if np.any((x >= left) & (x <= right) & (y >= bottom) & (y <= top)):
        return True
    corners = grid.pixel_to_sky([left, right, right, left], [bottom, bottom, top, top])
    return bool(position.contains(*corners).any())


def _lattice(position: Position, grid: Grid, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return points of an image, about evenly spaced, that lie inside a shape."""
    ny, nx = shape
    xs, ys = (np.linspace(-0.5, n - 0.5, min(4 * n, _LATTICE_PX) + 1) for n in (nx, ny))
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    within = position.contains(*grid.pixel_to_sky(x, y))
    return x[within], y[within]


def _has_more(position: Position, grid: Grid, shape: tuple[int, int], box: PixelBox) -> bool:
    """Return whether an image has points of a shape outside the box around its outline.

    An all-sky projection shows a shape around the pole as a strip along its edge.
    """
    x, y = _lattice(position, grid, shape)
    is_in = (x >= box.x0 - 0.5) & (x <= box.x1 - 0.5) & (y >= box.y0 - 0.5) & (y <= box.y1 - 0.5)
    return bool((~is_in).any())


def _by_lattice(position: Position, grid: Grid, shape: tuple[int, int]) -> PixelBox | None:
    """Return the pixels of a shape that the projection does not show in one piece."""
    ny, nx = shape
    x, y = _lattice(position, grid, shape)
    if not x.size:
        return None
    dx, dy = (n / min(4 * n, _LATTICE_PX) for n in (nx, ny))
    wide_x = np.array([x.min() - dx, x.max() + dx])
    wide_y = np.array([y.min() - dy, y.max() + dy])
    return _pixels_between(wide_x, wide_y).clipped(shape)


def inside_pixels(position: Position, grid: Grid, box: PixelBox) -> Bools:
    """Return which pixels of a box lie inside a shape, by their centres.

    For a shape smaller than a pixel, it is the pixel that contains its centre.

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
    x, y = (float(axis) for axis in grid.sky_to_pixel(*position.centre))
    if not inside.any() and math.isfinite(x) and math.isfinite(y):
        row, column = math.floor(y + 0.5) - box.y0, math.floor(x + 0.5) - box.x0
        if 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1]:
            inside[row, column] = True
    return inside


def _on_plane(basis: Matrix, vectors: Vectors) -> tuple[Floats, Floats, Bools]:
    """Project onto the tangent plane: great circles become straight lines."""
    across, up, depth = turned(basis, vectors)
    is_near = np.asarray(depth > 0)
    safe = np.where(is_near, depth, np.nan)
    return np.asarray(across / safe), np.asarray(up / safe), is_near
