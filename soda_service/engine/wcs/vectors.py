"""Directions on the sky as unit vectors: angles, great circles and rotations.

Vectors keep their precision near the poles and at RA 0, where differences of angles lose it.
Vectors of shapes are arrays of shape (..., 3). Vectors of pixels are separate arrays x, y and z,
with products written out: BLAS may round differently depending on the number of positions, and a
cutout must not depend on the others in its batch.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FK5_TO_ICRS",
    "NO_LENGTH",
    "UNTURNED",
    "Floats",
    "Matrix",
    "Vector",
    "Vectors",
    "angles_deg",
    "arc_distances",
    "basis_at",
    "dot",
    "inward_sides",
    "normalised",
    "positions",
    "separations",
    "tangents",
    "turned",
    "unit_vectors",
    "unit_xyz",
]

Floats = NDArray[np.float64]

Vector = tuple[float, float, float]
Vectors = tuple[Floats, Floats, Floats]
"""x, y and z, of one shape."""

Matrix = tuple[Vector, Vector, Vector]
"""Rows of a rotation matrix, or any three vectors."""

_Number = TypeVar("_Number", float, Floats)

UNTURNED: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FK5_TO_ICRS: Matrix = (
    (0.9999999999999928, 1.1102233738475023e-07, 4.4118034299296302e-08),
    (-1.1102233290551095e-07, 0.9999999999999891, -9.6477927450260902e-08),
    (-4.4118044980967748e-08, 9.6477922460101329e-08, 0.9999999999999943),
)
"""Rotation to equinox J2000: by -22.9, 9.1 and -19.9 mas (USNO Circular 179, section 3.3)."""

NO_LENGTH = 1e-12
"""Radians: a shorter arc is a point."""

_RADIANS = math.pi / 180
_DEGREES = 180 / math.pi


def unit_xyz(longitude_deg: ArrayLike, latitude_deg: ArrayLike) -> Vectors:
    """Convert angles, of shapes that broadcast, to x, y and z of unit vectors."""
    longitude = np.asarray(longitude_deg, np.float64) * _RADIANS
    latitude = np.asarray(latitude_deg, np.float64) * _RADIANS
    across = np.cos(latitude)
    return across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)


def unit_vectors(longitude_deg: ArrayLike, latitude_deg: ArrayLike) -> Floats:
    """Convert angles of one shape to unit vectors, shape (..., 3)."""
    return np.stack(unit_xyz(longitude_deg, latitude_deg), axis=-1)


def angles_deg(vectors: Vectors) -> tuple[Floats, Floats]:
    """Convert vectors of any length to longitude, 0 <= longitude < 360, and latitude.

    NaN gives NaN.
    """
    x, y, z = vectors
    # Twice, since the remainder of a tiny negative angle is 360.
    longitude = np.arctan2(y, x) * _DEGREES % 360 % 360
    latitude = np.arctan2(z, np.hypot(x, y)) * _DEGREES
    return np.asarray(longitude), np.asarray(latitude)


def positions(vectors: Floats) -> tuple[Floats, Floats]:
    """Convert vectors of any length, shape (..., 3), to RA and Dec, like `angles_deg`."""
    return angles_deg((vectors[..., 0], vectors[..., 1], vectors[..., 2]))


def turned(
    matrix: Matrix, vectors: tuple[_Number, _Number, _Number]
) -> tuple[_Number, _Number, _Number]:
    """Multiply a vector, or the vectors of arrays x, y and z, by a matrix from the left."""
    x, y, z = vectors
    a, b, c = (row[0] * x + row[1] * y + row[2] * z for row in matrix)
    return a, b, c


def basis_at(longitude_deg: float, latitude_deg: float) -> Matrix:
    """Return the unit vectors towards east and north at a position, and of the position itself."""
    longitude, latitude = longitude_deg * _RADIANS, latitude_deg * _RADIANS
    sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
    sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
    east = (-sin_lon, cos_lon, 0.0)
    north = (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat)
    return east, north, (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat)


# Vectors of shape (..., 3)


def dot(one: Floats, other: Floats) -> Floats:
    """Return scalar products of vectors whose shapes broadcast."""
    products: Floats = np.einsum("...k,...k->...", one, other)
    return products


def normalised(vectors: Floats) -> Floats:
    """Scale vectors to length 1; vectors of length zero stay so."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: Floats = vectors / np.where(length > NO_LENGTH, length, 1.0)
    return units


def separations(one: Floats, other: Floats) -> Floats:
    """Return the angles between unit vectors whose shapes broadcast, radians."""
    # From both chords, which is precise for all angles, including 0 and 180 degrees.
    chord, rest = (np.sqrt(dot(each, each)) for each in (one - other, one + other))
    angles: Floats = 2 * np.arctan2(chord, rest)
    return angles


def tangents(vectors: Floats) -> tuple[Floats, Floats]:
    """Return two vectors that form a right-handed basis with each line of sight."""
    axis = np.eye(3)[np.abs(vectors).argmin(axis=-1)]
    right = normalised(np.cross(axis, vectors))
    return right, np.cross(vectors, right)


def inward_sides(corners: Floats, centre: Floats) -> Floats:
    """Return the inward normals of the great circles of each side of convex outlines.

    Parameters
    ----------
    corners : ndarray, shape (n, k, 3)
        Unit vectors, anticlockwise as seen from outside the sphere.
    centre : ndarray, shape (n, 3)

    Returns
    -------
    ndarray, shape (n, k, 3)
        Unit vectors of the sides that begin at each corner. If two corners coincide (boxes at a
        pole), there is no side between them. The vector to the centre is used instead: every
        position inside is far from its great circle.
    """
    sides = normalised(np.cross(corners, np.roll(corners, -1, axis=1)))
    has_length = dot(sides, sides)[..., None] > 0.5
    return np.where(has_length, sides, centre[:, None])


def arc_distances(points: Floats, starts: Floats, ends: Floats) -> Floats:
    """Return the distances of points from great-circle arcs, shapes (..., 3), radians."""
    normal = normalised(np.cross(starts, ends))
    after_start = dot(np.cross(normal, starts), points) >= 0
    before_end = dot(np.cross(normal, ends), points) <= 0
    across = np.abs(np.arcsin(np.clip(dot(normal, points), -1, 1)))
    to_ends = np.minimum(separations(points, starts), separations(points, ends))
    beside = after_start & before_end & (dot(normal, normal) > 0.5)
    return np.where(beside, across, to_ends)
