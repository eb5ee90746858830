"""Shapes of tiles on the sky, and the depth of positions inside them.

There are three kinds. Each finds the best shape for many positions at once:

- `Areas`: the tiles' unique boxes in RA and Dec, which divide the sky among them;
- `Outlines`: images with four corners; the edges of a TAN image are great circles;
- `Caps`: circles around images that have no such outline (all-sky maps).
"""

from abc import abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from soda_service.engine.wcs.vectors import (
    Floats,
    basis_at,
    dot,
    inward_sides,
    normalised,
    positions,
    separations,
    tangents,
    unit_vectors,
)
from soda_service.sky.grid import Bounds, SkyGrid

__all__ = ["Areas", "Caps", "Outlines", "Shapes", "tan_corners"]


_ROUNDING_DEG = 5e-6
"""Gaps and overlaps between neighbouring areas of published tables are up to 2e-6 deg."""

_ON_THE_EDGE = 1e-9
"""Radians, 0.2 mas: a position this far outside counts as on the edge."""

_OUTSIDE = -np.inf

_SHARE_STEPS = 32
"""Number of sample points along each side of a quadrilateral, for measuring its overlap."""


def tan_corners(ra_deg: float, dec_deg: float, *, width_deg: float, height_deg: float) -> Floats:
    """Return the corners of a gnomonic image whose y axis points north.

    Parameters
    ----------
    ra_deg, dec_deg
        Centre of the image, where the plane touches the sphere.
    width_deg, height_deg
        Sizes in the tangent plane: number of pixels times pixel scale.

    Returns
    -------
    ndarray, shape (4, 2)
        RA, Dec, deg.
    """
    east, north, centre = map(np.array, basis_at(ra_deg, dec_deg))
    x = np.radians(width_deg / 2) * np.array([1, -1, -1, 1])
    y = np.radians(height_deg / 2) * np.array([-1, -1, 1, 1])
    return np.stack(positions(centre + x[:, None] * east + y[:, None] * north), axis=-1)


class Shapes(Protocol):
    """Shapes of one kind, each belonging to a tile.

    Attributes
    ----------
    tiles : ndarray, shape (n,), int32
        Number of the tile that each shape belongs to, ascending.
    grid : SkyGrid
        Cells for the preselection of shapes.
    """

    tiles: NDArray[np.int32]
    grid: SkyGrid

    @abstractmethod
    def coordinates(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return positions, one per row, in the form that `depth` takes."""

    @abstractmethod
    def depth(self, coordinates: Floats, shapes: NDArray[np.int32]) -> Floats:
        """Return how far inside its shape each position lies; -inf outside.

        The unit depends on the kind of shape; a greater value is deeper.
        """

    def deepest(self, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.int32]:
        """Return, for each position, the tile in which it lies deepest; -1 if in none."""
        best = np.full(len(ra_deg), _OUTSIDE)
        found = np.full(len(ra_deg), -1, dtype=np.int32)
        coordinates = self.coordinates(ra_deg, dec_deg)
        for chosen, shapes in self.grid.candidates(ra_deg, dec_deg):
            depth = self.depth(coordinates[chosen], shapes)
            better = depth > best[chosen]
            best[chosen[better]] = depth[better]
            found[chosen[better]] = self.tiles[shapes[better]]
        return found

    def all_around(self, ra_deg: float, dec_deg: float) -> list[int]:
        """Return the tiles whose shape contains a position, the deepest first."""
        ra, dec = np.array([ra_deg]), np.array([dec_deg])
        coordinates = self.coordinates(ra, dec)
        held: list[tuple[float, int]] = []
        for _, shapes in self.grid.candidates(ra, dec):
            depth = float(self.depth(coordinates, shapes)[0])
            if depth > _OUTSIDE:
                held.append((-depth, int(self.tiles[shapes[0]])))
        return [tile for _, tile in sorted(held)]

    def share(self, shape: int, points: Floats) -> float:
        """Return the fraction of points, unit vectors of shape (n, 3), inside a shape."""
        coordinates = self.coordinates(*positions(points))
        depth = self.depth(coordinates, np.full(len(points), shape, dtype=np.int32))
        return float(np.mean(depth > _OUTSIDE))


class Areas(Shapes):
    """Half-open boxes in RA and Dec: they include the lower edge and exclude the upper edge.

    A position in a gap left by rounding belongs to the nearest box. In an overlap, it belongs
    to the box whose edge is farther away.

    Parameters
    ----------
    tiles : ndarray, shape (n,), int32
    unique_deg : ndarray, shape (n, 4)
        RA from, RA to, Dec from, Dec to; RA from > RA to crosses RA 0.
    """

    def __init__(self, tiles: NDArray[np.int32], unique_deg: Floats) -> None:
        self.tiles = tiles
        width = unique_deg[:, 1] - unique_deg[:, 0]
        self._width = np.where(width < 0, width + 360.0, width)
        self._ra_min = unique_deg[:, 0] % 360.0
        self._dec_min = unique_deg[:, 2]
        self._dec_max = unique_deg[:, 3]
        self.grid = SkyGrid(
            Bounds(
                ra_min=(self._ra_min - _ROUNDING_DEG) % 360.0,
                ra_width=np.minimum(self._width + 2 * _ROUNDING_DEG, 360.0),
                dec_min=self._dec_min - _ROUNDING_DEG,
                dec_max=self._dec_max + _ROUNDING_DEG,
            )
        )

    @override
    def coordinates(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return RA and Dec, deg."""
        return np.stack([ra_deg, dec_deg], axis=-1)

    @override
    def depth(self, coordinates: Floats, shapes: NDArray[np.int32]) -> Floats:
        """Return the distance to the nearest side, deg of RA or Dec, plus 1000 if inside.

        A pole is in no half-open box, and counts as on the edge of those that reach it.
        """
        width = self._width[shapes]
        east = (coordinates[:, 0] - self._ra_min[shapes]) % 360.0
        east = np.where(east > 180.0 + width / 2, east - 360.0, east)
        north = coordinates[:, 1] - self._dec_min[shapes]
        south = self._dec_max[shapes] - coordinates[:, 1]
        around = width >= 360.0
        sideways = np.where(around, np.inf, np.minimum(east, width - east))
        depth = np.minimum(np.minimum(north, south), sideways)
        holds = (north >= 0) & (south > 0) & (around | ((east >= 0) & (east < width)))
        return np.where(depth < -_ROUNDING_DEG, _OUTSIDE, depth + 1000.0 * holds)


class Outlines(Shapes):
    """Images of four corners, joined by great circles, smaller than a hemisphere.

    Parameters
    ----------
    tiles : ndarray, shape (n,), int32
    corners_deg : ndarray, shape (n, 4, 2)
        RA, Dec of the corners in any order.

    Attributes
    ----------
    corners, inwards : ndarray, shape (n, 4, 3)
        Unit vectors: the corners anticlockwise, and the inward normal of the edge after each.
    centre : ndarray, shape (n, 3)
        Unit vectors.
    radius : ndarray, shape (n,)
        Of the circle around the centre through the farthest corner, radians.
    """

    def __init__(self, tiles: NDArray[np.int32], corners_deg: Floats) -> None:
        self.tiles = tiles
        corners = unit_vectors(corners_deg[..., 0], corners_deg[..., 1])
        centre = normalised(corners.sum(axis=1))
        corners = _anticlockwise(corners, centre)
        self.inwards = inward_sides(corners, centre)
        radius = separations(corners, centre[:, None]).max(axis=1)
        self.corners, self.centre, self.radius = corners, centre, radius
        self.grid = SkyGrid(Bounds.around(centre, np.degrees(radius)))

    @override
    def coordinates(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return unit vectors."""
        return unit_vectors(ra_deg, dec_deg)

    @override
    def depth(self, coordinates: Floats, shapes: NDArray[np.int32]) -> Floats:
        """Return the sine of the great-circle distance to the nearest edge."""
        depth = np.einsum("nek,nk->ne", self.inwards[shapes], coordinates).min(axis=1)
        return np.where(depth < -_ON_THE_EDGE, _OUTSIDE, depth)

    def meeting(self, other: "Outlines") -> NDArray[np.intp]:
        """Return the shapes that overlap the first of some other outlines.

        Convex shapes are disjoint exactly if one has an edge with all of the other outside it.
        """
        centre, radius = other.centre[0], other.radius[0]
        near = _within(self.centre, centre, self.radius + radius)
        mine = np.einsum("nek,ck->nec", self.inwards[near], other.corners[0])
        theirs = np.einsum("ek,nck->nec", other.inwards[0], self.corners[near])
        apart = [(sides < 0).all(axis=2).any(axis=1) for sides in (mine, theirs)]
        met: NDArray[np.intp] = near[~(apart[0] | apart[1])]
        return met

    def points(self, shape: int) -> Floats:
        """Return unit vectors, shape (n, 3), spread evenly over a shape."""
        first, second, third, fourth = self.corners[shape]
        steps = (np.arange(_SHARE_STEPS) + 0.5) / _SHARE_STEPS
        along, up = (side.reshape(-1, 1) for side in np.meshgrid(steps, steps))
        bottom, top = first + along * (second - first), fourth + along * (third - fourth)
        return normalised(bottom + up * (top - bottom))


class Caps(Shapes):
    """Circles on the sky.

    Parameters
    ----------
    tiles : ndarray, shape (n,), int32
    ra_deg, dec_deg, radius_deg : ndarray, shape (n,)

    Attributes
    ----------
    centre : ndarray, shape (n, 3)
        Unit vectors.
    radius : ndarray, shape (n,)
        Radians.
    """

    def __init__(
        self, tiles: NDArray[np.int32], ra_deg: Floats, dec_deg: Floats, radius_deg: Floats
    ) -> None:
        self.tiles = tiles
        self.centre = unit_vectors(ra_deg, dec_deg)
        self.radius = np.radians(radius_deg)
        self.grid = SkyGrid(Bounds.around(self.centre, radius_deg))

    @override
    def coordinates(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return unit vectors."""
        return unit_vectors(ra_deg, dec_deg)

    @override
    def depth(self, coordinates: Floats, shapes: NDArray[np.int32]) -> Floats:
        """Return the depth inside the circle: distance to its edge, radians."""
        depth = self.radius[shapes] - separations(self.centre[shapes], coordinates)
        return np.where(depth < -_ON_THE_EDGE, _OUTSIDE, depth)

    def meeting(self, other: Outlines) -> NDArray[np.intp]:
        """Return the circles that may overlap the first of some outlines.

        The bounding circle represents the outline: all-sky images need no finer test.
        """
        return _within(self.centre, other.centre[0], self.radius + other.radius[0])


def _within(centres: Floats, centre: Floats, radius: Floats) -> NDArray[np.intp]:
    """Return the indices of centres, shape (n, 3), no farther from a centre than radius, radians.

    All centres are compared: 10,169 take 0.1 ms, a small part of making a mosaic.
    """
    return np.flatnonzero(separations(centres, centre) <= radius + _ON_THE_EDGE)


def _anticlockwise(corners: Floats, centre: Floats) -> Floats:
    """Order corners, shape (n, 4, 3), anticlockwise as seen from outside the sphere."""
    right, up = tangents(centre)
    x, y = dot(corners, right[:, None]), dot(corners, up[:, None])
    order = np.argsort(np.arctan2(y, x), axis=1)
    return np.take_along_axis(corners, order[..., None], axis=1)
