"""Directions on the sky as unit vectors, and what turns one reference system into another.

Vectors lose nothing near the poles and at RA 0, where differences of angles do. Products are
written out: BLAS may round differently with the number of positions, and then a cutout would
depend on the others of its batch.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FK5_TO_ICRS",
    "UNTURNED",
    "Matrix",
    "Vector",
    "Vectors",
    "angles_deg",
    "basis_at",
    "turned",
    "unit_vectors",
]

Vector = tuple[float, float, float]
Vectors = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""x, y and z, of one shape."""

Matrix = tuple[Vector, Vector, Vector]
"""Rows of a rotation, or any three vectors."""

_Number = TypeVar("_Number", float, NDArray[np.float64])

UNTURNED: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FK5_TO_ICRS: Matrix = (
    (0.9999999999999928, 1.1102233738475023e-07, 4.4118034299296302e-08),
    (-1.1102233290551095e-07, 0.9999999999999891, -9.6477927450260902e-08),
    (-4.4118044980967748e-08, 9.6477922460101329e-08, 0.9999999999999943),
)
"""Of equinox J2000: turns by -22.9, 9.1 and -19.9 mas (USNO Circular 179, section 3.3)."""

_RADIANS = math.pi / 180
_DEGREES = 180 / math.pi


def unit_vectors(longitude_deg: ArrayLike, latitude_deg: ArrayLike) -> Vectors:
    """Turn angles, of shapes that broadcast, into unit vectors."""
    longitude = np.asarray(longitude_deg, np.float64) * _RADIANS
    latitude = np.asarray(latitude_deg, np.float64) * _RADIANS
    across = np.cos(latitude)
    return across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)


def angles_deg(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn vectors of any length into longitude, 0 <= longitude < 360, and latitude.

    NaN gives NaN.
    """
    x, y, z = vectors
    # Twice, since the remainder of a tiny negative angle is 360.
    longitude = np.arctan2(y, x) * _DEGREES % 360 % 360
    latitude = np.arctan2(z, np.hypot(x, y)) * _DEGREES
    return np.asarray(longitude), np.asarray(latitude)


def turned(
    matrix: Matrix, vectors: tuple[_Number, _Number, _Number]
) -> tuple[_Number, _Number, _Number]:
    """Multiply a vector, or the vectors of arrays x, y and z, by a matrix from the left."""
    x, y, z = vectors
    a, b, c = (row[0] * x + row[1] * y + row[2] * z for row in matrix)
    return a, b, c


def basis_at(longitude_deg: float, latitude_deg: float) -> Matrix:
    """Give the unit vectors to the east of a place, to its north, and to the place itself."""
    longitude, latitude = longitude_deg * _RADIANS, latitude_deg * _RADIANS
    sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
    sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
    east = (-sin_lon, cos_lon, 0.0)
    north = (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat)
    return east, north, (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat)
