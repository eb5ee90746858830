"""Exact test of which tiles' images overlap a shape, for 10,000 tiles at once.

Bounding circles select candidates. These are tested by their corners and edges, which are great
circles: two regions overlap if their outlines cross, or if one contains a point of the other's
outline.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.engine.wcs.vectors import (
    NO_LENGTH,
    Floats,
    arc_distances,
    dot,
    normalised,
    positions,
    separations,
    unit_vectors,
)
from soda_service.sky.grid import Bounds
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import Caps, Outlines

__all__ = ["tiles_meeting"]

Bools = NDArray[np.bool_]
Numbers = NDArray[np.intp]

_TOUCH = 1e-9
"""Radians, 0.2 mas: regions within this distance touch, and count as overlapping."""


@dataclass(frozen=True, slots=True, eq=False)
class _Boundary:
    """The outline of a polygon or a range."""

    points: Floats
    """Unit vectors, shape (k, 3): at least one point on each closed line of the outline."""

    arcs: Floats
    """Great-circle arcs, shape (m, 2, 3): unit vectors of both ends, less than 180 deg apart."""

    parallels: tuple[tuple[Range, float], ...] = ()
    """Arcs of small circles: the range that they bound, and their declination, deg."""


def tiles_meeting(index: TileIndex, position: Position) -> Bools:
    """Return which tiles' images overlap a shape; touching is enough.

    Parameters
    ----------
    position
        The shape, ICRS.

    Returns
    -------
    ndarray, shape (len(index),), bool
        Always False for a tile whose image is not known.
    """
    met = np.zeros(len(index), dtype=np.bool_)
    for shapes in index.images:
        near = _near(shapes.centre, shapes.radius, position)
        if isinstance(position, Circle):
            is_met = _meets_circle(shapes, near, position)
        elif isinstance(shapes, Outlines):
            is_met = _outlines_meet(shapes, near, position)
        else:
            is_met = _caps_meet(shapes, near, position)
        met[shapes.tiles[near[is_met]]] = True
    return met


def _near(centre: Floats, radius: Floats, position: Position) -> Numbers:
    """Return the circles that overlap the bounding circle of a shape, or a wide range."""
    if isinstance(position, Range):
        return np.flatnonzero(_near_range(centre, radius, position))
    middle = unit_vectors(*map(np.array, position.centre))
    if isinstance(position, Circle):
        reach = float(np.radians(position.radius_deg))
    else:
        ra, dec = np.array(position.vertices_deg).T
        reach = float(separations(unit_vectors(ra, dec), middle).max())
    return np.flatnonzero(separations(centre, middle) <= radius + reach + _TOUCH)


def _near_range(centre: Floats, radius: Floats, target: Range) -> Bools:
    """Compare the RA and Dec ranges of the circles with those of the range."""
    bounds = Bounds.around(centre, np.degrees(radius))
    has_dec = (bounds.dec_max >= target.dec_min_deg) & (bounds.dec_min <= target.dec_max_deg)
    middle = bounds.ra_min + bounds.ra_width / 2 - target.ra_min_deg - target.width_deg / 2
    apart = np.abs((middle + 180) % 360 - 180)
    return np.asarray(has_dec & (apart <= (target.width_deg + bounds.ra_width) / 2))


def _meets_circle(shapes: Outlines | Caps, near: Numbers, target: Circle) -> Bools:
    """Compare the distance of a circle's centre from each image with its radius."""
    middle = unit_vectors(np.array(target.ra_deg), np.array(target.dec_deg))
    reach = np.radians(target.radius_deg) + _TOUCH
    distance = separations(shapes.centre[near], middle)
    if isinstance(shapes, Caps):
        return np.asarray(distance <= shapes.radius[near] + reach)
    # A shape whose bounding circle lies inside the circle needs no further test.
    met: Bools = np.array(distance + shapes.radius[near] <= reach)
    open_ = np.flatnonzero(~met)
    corners, inwards = shapes.corners[near[open_]], shapes.inwards[near[open_]]
    following = np.roll(corners, -1, axis=1)
    to_edge = arc_distances(middle, corners, following).min(axis=1)
    met[open_] = _holds(inwards, middle) | (to_edge <= reach)
    return met


def _outlines_meet(shapes: Outlines, near: Numbers, target: Polygon | Range) -> Bools:
    """Test for corners inside the shape, then for its outline inside or across the images."""
    corners = shapes.corners[near]
    met: Bools = np.any(target.contains(*positions(corners)), axis=1)
    boundary = _boundary_of(target)

    def look(is_met: Bools, among: Numbers) -> None:
        met[among] |= is_met

    for point in boundary.points:
        among = np.flatnonzero(~met)
        look(_holds(shapes.inwards[near[among]], point), among)
    for start, end in boundary.arcs:
        among = np.flatnonzero(~met)
        middle = normalised(start + end)
        distance = separations(shapes.centre[near[among]], middle)
        reach = float(separations(start, middle)) + _TOUCH
        among = among[distance <= shapes.radius[near[among]] + reach]
        look(_arc_meets(corners[among], shapes.inwards[near[among]], start, end), among)
    for bounded, dec_deg in boundary.parallels:
        among = np.flatnonzero(~met)
        look(_parallel_crosses(corners[among], bounded, dec_deg), among)
    return met


def _caps_meet(shapes: Caps, near: Numbers, target: Polygon | Range) -> Bools:
    """Compare the distance of a shape from each circle's centre with the circle's radius."""
    centre, reach = shapes.centre[near], shapes.radius[near] + _TOUCH
    ra, dec = positions(centre)
    met = target.contains(ra, dec)
    boundary = _boundary_of(target)
    for point in boundary.points:
        met |= separations(centre, point) <= reach
    for start, end in boundary.arcs:
        met |= arc_distances(centre, start, end) <= reach
    for bounded, dec_deg in boundary.parallels:
        # The nearest point on a parallel has the same RA, or is one of its ends.
        met |= _has_ra(bounded, ra) & (np.radians(np.abs(dec - dec_deg)) <= reach)
    return met


def _boundary_of(target: Polygon | Range) -> _Boundary:
    if isinstance(target, Polygon):
        ra, dec = np.array(target.vertices_deg).T
        vertices = unit_vectors(ra, dec)
        arcs = np.stack([vertices, np.roll(vertices, -1, axis=0)], axis=1)
        return _Boundary(vertices[:1], arcs)
    low, high = target.dec_min_deg, target.dec_max_deg
    sides = np.array([target.ra_min_deg, target.ra_min_deg + target.width_deg])
    # In two pieces, since a meridian from pole to pole is not shorter than 180 degrees.
    decs = np.array([low, (low + high) / 2, high])
    lines = unit_vectors(*np.meshgrid(sides, decs, indexing="ij"))
    arcs = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, 3)
    if target.width_deg >= 360:
        arcs = arcs[:0]
    return _Boundary(lines[:, [0, 2]].reshape(-1, 3), arcs, ((target, low), (target, high)))


def _holds(inwards: Floats, point: Floats) -> Bools:
    """Return which outlines contain a point, from the inward normals of their edges, (n, 4, 3)."""
    return np.asarray(((inwards @ point) >= -_TOUCH).all(axis=-1))


def _arc_meets(corners: Floats, inwards: Floats, start: Floats, end: Floats) -> Bools:
    """Return which outlines an arc crosses or touches.

    Two arcs cross if the four triangles of their ends have the same orientation.
    """
    normal = np.cross(start, end)
    beside = corners @ normal
    left, right = inwards @ start, inwards @ end
    turns = np.stack([-beside, np.roll(beside, -1, axis=1), left, -right])
    crosses = (turns > 0).all(axis=0) | (turns < 0).all(axis=0)
    touches = arc_distances(corners, start, end) <= _TOUCH
    return np.asarray((crosses | touches).any(axis=1) | _holds(inwards, start))


def _parallel_crosses(corners: Floats, target: Range, dec_deg: float) -> Bools:
    """Return which outlines have an edge that meets the arc of a parallel between two meridians.

    On the great circle of an edge, z is `height cos(angle - top)`, angle counted from the corner.
    """
    if abs(dec_deg) == 90:  # a pole, which is tested as a point
        return np.zeros(len(corners), dtype=np.bool_)
    following = np.roll(corners, -1, axis=1)
    ahead = np.cross(normalised(np.cross(corners, following)), corners)
    height = np.hypot(corners[..., 2], ahead[..., 2])
    top = np.arctan2(ahead[..., 2], corners[..., 2])
    ratio = np.sin(np.radians(dec_deg)) / np.maximum(height, NO_LENGTH)
    reaches = (np.abs(ratio) <= 1) & (dot(ahead, ahead) > 0.5)
    aside = np.arccos(np.clip(ratio, -1, 1))
    whole = separations(corners, following)
    met = np.zeros(len(corners), dtype=np.bool_)
    for angle in (top - aside, top + aside):
        along = (angle + _TOUCH) % (2 * np.pi) - _TOUCH
        where = np.cos(along)[..., None] * corners + np.sin(along)[..., None] * ahead
        ra, _ = positions(where)
        met |= (reaches & (along <= whole + _TOUCH) & _has_ra(target, ra)).any(axis=1)
    return met


def _has_ra(target: Range, ra_deg: Floats) -> Bools:
    """Return which RA lie between the meridians of a range."""
    slack = np.degrees(_TOUCH)
    return np.asarray((ra_deg - target.ra_min_deg + slack) % 360 <= target.width_deg + 2 * slack)
