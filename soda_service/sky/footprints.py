"""The area of sky that a release's tiles cover, for drawing on web pages."""

from dataclasses import dataclass

import numpy as np

from soda_service.engine.wcs.vectors import Floats, dot, positions, tangents
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import Caps, Outlines

__all__ = ["Footprint", "footprint_of", "hammer"]

_CAP_VERTICES = 24


@dataclass(frozen=True, slots=True)
class Footprint:
    """Outlines of the tiles whose image is known."""

    names: tuple[str, ...]
    outlines_deg: tuple[Floats, ...]
    """RA, Dec of the corners of each tile, shape (n, 2), ICRS deg; joined by great circles."""

    area_deg2: float
    """Area of the tiles' unique areas if all tiles have one, otherwise of their images."""

    is_area_shared: bool
    """True if the area is a sum of images, where overlapping sky counts several times."""


def footprint_of(index: TileIndex) -> Footprint:
    """Return the outlines of a release's tiles."""
    outlines: dict[int, Floats] = {}
    image_area_sr = 0.0
    for shapes in index.images:
        corners = shapes.corners if isinstance(shapes, Outlines) else _circles(shapes)
        ra, dec = positions(corners)
        pairs = np.stack([ra, dec], axis=-1)
        outlines |= zip(shapes.tiles.tolist(), pairs, strict=True)
        image_area_sr += _area_sr(shapes)
    unique = index.table.unique_deg
    has_unique = bool(len(unique)) and bool(np.isfinite(unique).all())
    numbers = sorted(outlines)
    area = _unique_area_sr(unique) if has_unique else image_area_sr
    return Footprint(
        tuple(index.names[number] for number in numbers),
        tuple(outlines[number] for number in numbers),
        float(np.degrees(np.degrees(area))),
        is_area_shared=not has_unique,
    )


def hammer(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Project positions by Hammer's equal-area projection, with RA 0 in the middle.

    Returns
    -------
    ndarray, shape (..., 2)
        x from -2.83 to 2.83, RA increasing to the left; y from -1.42 (south) to 1.42.
    """
    half = np.radians((np.asarray(ra_deg) + 180.0) % 360.0 - 180.0) / 2
    dec = np.radians(dec_deg)
    scale = np.sqrt(2.0 / (1.0 + np.cos(dec) * np.cos(half)))
    return np.stack([-2 * scale * np.cos(dec) * np.sin(half), scale * np.sin(dec)], axis=-1)


def _circles(caps: Caps) -> Floats:
    """Return points around circles, shape (n, vertices, 3)."""
    right, up = tangents(caps.centre)
    turn = np.arange(_CAP_VERTICES)[:, None] * (2 * np.pi / _CAP_VERTICES)
    around = np.cos(turn) * right[:, None] + np.sin(turn) * up[:, None]
    radius = caps.radius[:, None, None]
    points: Floats = np.cos(radius) * caps.centre[:, None] + np.sin(radius) * around
    return points


def _area_sr(shapes: Outlines | Caps) -> float:
    if isinstance(shapes, Caps):
        return float((2 * np.pi * (1 - np.cos(shapes.radius))).sum())
    a, b, c, d = (shapes.corners[:, corner] for corner in range(4))
    return float((_triangle_sr(a, b, c) + _triangle_sr(a, c, d)).sum())


def _triangle_sr(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the solid angles of triangles (Van Oosterom and Strackee 1983, equation 8)."""
    angles: Floats = 2 * np.arctan2(dot(a, np.cross(b, c)), 1 + dot(a, b) + dot(b, c) + dot(c, a))
    return np.abs(angles)


def _unique_area_sr(unique_deg: Floats) -> float:
    width = unique_deg[:, 1] - unique_deg[:, 0]
    width = np.radians(np.where(width < 0, width + 360.0, width))
    low, high = np.radians(unique_deg[:, 2]), np.radians(unique_deg[:, 3])
    return float((width * (np.sin(high) - np.sin(low))).sum())
