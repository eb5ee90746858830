"""Fast preselection of shapes that may contain a position: cells in declination zones, in numpy.

A shape is listed in every cell that its bounding box of RA and Dec touches. A position is compared
only with the shapes of its own cell. Shapes of different sizes use grids of different cells. So
one all-sky image among 100,000 small ones costs only one more look-up, and memory is limited to a
few cells per shape, whatever the sizes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.vectors import positions

__all__ = ["Bounds", "SkyGrid"]

_FINEST = 24  # 180 deg / 2**24 is 0.04 arcsec
_ZONE_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Bounding boxes in RA and Dec, deg, as arrays of shape (n,)."""

    ra_min: NDArray[np.float64]
    ra_width: NDArray[np.float64]
    """0 to 360; the box may continue across RA 0."""

    dec_min: NDArray[np.float64]
    dec_max: NDArray[np.float64]

    @classmethod
    def around(cls, centre: NDArray[np.float64], radius_deg: NDArray[np.float64]) -> Self:
        """Return boxes around circles, slightly larger than necessary.

        Parameters
        ----------
        centre : ndarray, shape (n, 3)
            Unit vectors.
        radius_deg : ndarray, shape (n,)
        """
        ra, dec = positions(centre)
        radius = np.asarray(radius_deg) + 1e-6
        over_pole = np.abs(dec) + radius >= 90.0
        cosine = np.where(over_pole, 1.0, np.cos(np.radians(dec)))
        sine = np.sin(np.radians(np.minimum(radius, 90.0)))
        half = np.degrees(np.arcsin(np.minimum(sine / cosine, 1.0)))
        half = np.where(over_pole, 180.0, half)
        dec_min, dec_max = np.maximum(dec - radius, -90.0), np.minimum(dec + radius, 90.0)
        return cls((ra - half) % 360.0, 2 * half, dec_min, dec_max)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The shapes of similar size: sorted cells, each with its shapes."""

    step_deg: float
    cells: NDArray[np.int64]
    first: NDArray[np.int64]
    """Index in `shapes` where the shapes of each cell begin."""

    count: NDArray[np.int64]
    shapes: NDArray[np.int32]


class SkyGrid:
    """Preselection of shapes for positions, by bounding boxes.

    Parameters
    ----------
    bounds
        One box for each shape. A shape is never returned for positions outside its box.
    """

    def __init__(self, bounds: Bounds) -> None:
        nearest = np.where(
            (bounds.dec_min <= 0) & (bounds.dec_max >= 0),
            0.0,
            np.minimum(np.abs(bounds.dec_min), np.abs(bounds.dec_max)),
        )
        breadth = bounds.ra_width * np.cos(np.radians(nearest))
        extent = np.maximum(bounds.dec_max - bounds.dec_min, breadth)
        # A step between half the extent and the whole extent: at most 4 x 4 cells per shape, and
        # two to four shapes per cell for a survey whose tiles just touch.
        exponent = np.floor(np.log2(360 / np.maximum(extent, 1e-9)))
        sizes = np.clip(exponent, 0, _FINEST).astype(np.int64)
        self._levels = tuple(
            _level(bounds, np.flatnonzero(sizes == size), 180.0 / 2.0**size)
            for size in np.unique(sizes).tolist()
        )

    def candidates(
        self, ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int32]]]:
        """Yield pairs of positions and the shapes of their cells.

        Parameters
        ----------
        ra_deg, dec_deg : ndarray, shape (n,)
            RA within 0 to 360, Dec within -90 to 90.

        Yields
        ------
        positions, shapes : ndarray, equal shapes
            Indices; within one pair of arrays each position occurs at most once.
        """
        for level in self._levels:
            zone = _zones(dec_deg, level.step_deg)
            wanted = zone << _ZONE_BITS | _columns(ra_deg, _cells_around(zone, level.step_deg))
            place = np.minimum(np.searchsorted(level.cells, wanted), len(level.cells) - 1)
            positions = np.flatnonzero(level.cells[place] == wanted)
            place = place[positions]
            nth = 0
            while len(positions):
                yield positions, level.shapes[level.first[place] + nth]
                nth += 1
                more = level.count[place] > nth
                positions, place = positions[more], place[more]


def _zones(dec_deg: NDArray[np.float64], step_deg: float) -> NDArray[np.int64]:
    last = round(180.0 / step_deg) - 1
    return np.clip(np.floor((dec_deg + 90.0) / step_deg), 0, last).astype(np.int64)


def _cells_around(zone: NDArray[np.int64], step_deg: float) -> NDArray[np.int64]:
    """Return the number of cells in each zone, each about one step wide."""
    middle = np.radians((zone + 0.5) * step_deg - 90.0)
    cells: NDArray[np.float64] = 360.0 * np.cos(middle) / step_deg
    return np.maximum(1, cells).astype(np.int64)


def _columns(ra_deg: NDArray[np.float64], around: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cell of each RA. Just below 360 the division may round up to the first cell."""
    return np.minimum((ra_deg * (around / 360.0)).astype(np.int64), around - 1)


def _repeat(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return, for counts (2, 3), the owners 0 0 1 1 1 and the numbers 0 1 0 1 2."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _level(bounds: Bounds, members: NDArray[np.intp], step_deg: float) -> _Level:
    lowest = _zones(bounds.dec_min[members], step_deg)
    highest = _zones(bounds.dec_max[members], step_deg)
    owner, nth = _repeat(highest - lowest + 1)
    zone = lowest[owner] + nth
    shape = members[owner]
    around = _cells_around(zone, step_deg)
    start = bounds.ra_min[shape] % 360.0
    west = _columns(start, around)
    east = ((start + bounds.ra_width[shape]) * (around / 360.0)).astype(np.int64)
    owner, nth = _repeat(np.minimum(east - west + 1, around))
    cell = zone[owner] << _ZONE_BITS | (west[owner] + nth) % around[owner]
    order = np.argsort(cell, kind="stable")
    cells, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    shapes = shape[owner][order].astype(np.int32)
    return _Level(step_deg, cells, first.astype(np.int64), count.astype(np.int64), shapes)
