"""Requested shapes on the sky.

Positions are ICRS degrees. The pixels that a shape touches are found in `touched`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.wcs.vectors import (
    Floats,
    Matrix,
    Vectors,
    angles_deg,
    basis_at,
    turned,
    unit_xyz,
)

__all__ = ["Circle", "Polygon", "Position", "Range"]

Bools = NDArray[np.bool_]

_EDGE = 1e-24
"""Square of an angle that counts as zero, rad2: 0.2 microarcsec."""

_WITHIN_DEG = 2e-10
"""How far inside its meridians the outline of a range runs, so that a map that begins at RA 0 shows
RA 360 at its other end. It is 0.7 microarcsec, and more than the 1e-10 deg to which wcslib counts
angles as equal."""


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

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return where each line comes nearest to positions, as for `outline`; shape (1, n)."""
        east, north, _ = turned(basis_at(self.ra_deg, self.dec_deg), unit_xyz(ra_deg, dec_deg))
        return np.asarray(np.arctan2(east, north) / (2 * np.pi) % 1)[None]

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

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return where each line comes nearest to positions, as for `outline`; (sides, n)."""
        begin = np.stack(self._vertices())
        end, point = np.roll(begin, -1, axis=1), np.stack(unit_xyz(ra_deg, dec_deg))
        cosine = (begin * end).sum(axis=0)[:, None]
        to_begin, to_end = begin.T @ point, end.T @ point
        # Shares of the two vertices in the foot of the perpendicular on the plane of the side.
        first, second = to_begin - cosine * to_end, to_end - cosine * to_begin
        first, second = np.maximum(first, 0), np.maximum(second, 0)
        total = first + second
        part = np.divide(second, total, out=np.zeros_like(total), where=total > 0)
        return np.asarray(np.arange(self.sides)[:, None] + part)

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
        low, high = self.dec_min_deg, self.dec_max_deg
        margin = min(_WITHIN_DEG, self.width_deg / 4)
        left, right = self.ra_min_deg + margin, self.ra_min_deg + self.width_deg - margin
        along_ra, along_dec = left + part * (right - left), low + part * (high - low)
        ra = np.choose(side, [along_ra, right, along_ra, left])
        dec = np.choose(side, [low, along_dec, high, along_dec])
        return ra % 360, dec

    def nearest(self, ra_deg: Floats, dec_deg: Floats) -> Floats:
        """Return where each line comes nearest to positions, as for `outline`; shape (4, n)."""
        height = self.dec_max_deg - self.dec_min_deg
        beyond = (ra_deg - self.ra_min_deg) % 360
        # A position outside comes nearest to the meridian on its side.
        beyond = np.where(beyond > self.width_deg / 2 + 180, 0, np.minimum(beyond, self.width_deg))
        along_ra = beyond / self.width_deg if self.width_deg else np.zeros_like(beyond)
        along_dec = (dec_deg - self.dec_min_deg) / height if height else np.zeros_like(beyond)
        part = np.clip([along_ra, along_dec, along_ra, along_dec], 0, np.nextafter(1, 0))
        return np.asarray(np.arange(4)[:, None] + part)

    def contains(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> Bools:
        """Return which positions lie inside, bounds included; False for NaN."""
        ra, dec = np.asarray(ra_deg, float), np.asarray(dec_deg, float)
        beyond = (ra - self.ra_min_deg) % 360
        is_within = (beyond <= self.width_deg) | np.isclose(beyond, 360, rtol=0, atol=1e-12)
        return is_within & (dec >= self.dec_min_deg) & (dec <= self.dec_max_deg)


Position = Circle | Polygon | Range
"""A requested shape."""


def _on_plane(basis: Matrix, vectors: Vectors) -> tuple[Floats, Floats, Bools]:
    """Project onto the tangent plane: great circles become straight lines."""
    across, up, depth = turned(basis, vectors)
    is_near = np.asarray(depth > 0)
    safe = np.where(is_near, depth, np.nan)
    return np.asarray(across / safe), np.asarray(up / safe), is_near
