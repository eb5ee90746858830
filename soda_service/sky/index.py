"""Look-up of tiles by position, 100,000 at a time, and by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.wcs.vectors import dot, normalised, unit_vectors
from soda_service.sky.outlines import Areas, Caps, Outlines, Shapes
from soda_service.sky.table import CANONICAL, TileTable, read_tiles

__all__ = ["Tile", "TileIndex"]

_WIDEST_DEG = 80.0
"""Corners farther than this from their mean position make no outline: the image is a cap."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A survey's image of one area of the sky, in all bands."""

    name: str
    ra_deg: float
    """Centre, ICRS."""

    dec_deg: float
    columns: Mapping[str, str] = field(default_factory=dict)
    """All cells of the tile table except geometry, as text, by column."""


class TileIndex:
    """The tiles of a release, numbered from 0 in the order of their table.

    Parameters
    ----------
    table
        A validated tile table.
    """

    def __init__(self, table: TileTable) -> None:
        self._table = table
        self._numbers = {name: number for number, name in enumerate(table.names)}
        self._numbers_folded = {name.lower(): n for name, n in self._numbers.items()}
        # Searched in this order.
        self._areas = _areas(table)
        self._images = _images(table)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a canonical tile table; raises ConfigError if it has errors."""
        return cls(read_tiles(path))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiles, by number."""
        return self._table.names

    @property
    def table(self) -> TileTable:
        """The tile table."""
        return self._table

    @property
    def images(self) -> tuple[Outlines | Caps, ...]:
        """Shapes of the tiles' images, one entry for each kind of shape."""
        return self._images

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._table.names)

    def find(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.int32]:
        """Find the tile of each position.

        This is the tile whose unique area contains the position. If there is none, it is the
        tile whose image contains the position farthest from its edge.

        Parameters
        ----------
        ra_deg, dec_deg : array_like, shape (n,)
            ICRS, deg; RA may be outside 0..360.

        Returns
        -------
        ndarray, shape (n,), int32
            Tile numbers; -1 if no tile contains the position, or the position is NaN.
        """
        ra = np.atleast_1d(np.asarray(ra_deg, dtype=np.float64))
        dec = np.atleast_1d(np.asarray(dec_deg, dtype=np.float64))
        found = np.full(ra.shape, -1, dtype=np.int32)
        left = np.flatnonzero(np.isfinite(ra) & (np.abs(dec) <= 90.0))
        ra = _wrapped(ra)
        for shapes in (*self._areas, *self._images):
            found[left] = shapes.deepest(ra[left], dec[left])
            left = left[found[left] < 0]
        return found

    def covering(self, ra_deg: float, dec_deg: float) -> tuple[int, ...]:
        """Return the tiles whose image contains a position, with the farthest edge first."""
        if not (np.isfinite(ra_deg) and abs(dec_deg) <= 90.0):
            return ()
        ra = float(_wrapped(np.array([ra_deg]))[0])
        return tuple(n for shapes in self._images for n in shapes.all_around(ra, dec_deg))

    def touching(self, corners_deg: ArrayLike) -> tuple[int, ...]:
        """Return the tiles whose image overlaps a quadrilateral.

        Parameters
        ----------
        corners_deg : array_like, shape (4, 2)
            RA, Dec of its corners, ICRS deg, joined by great circles. It must be much smaller
            than a hemisphere.

        Returns
        -------
        tuple of int
            Tile numbers, ordered by the part of the quadrilateral that each tile covers
            (measured at 32 x 32 points), largest first, then by number. Empty if a corner is NaN.
        """
        corners = np.asarray(corners_deg, dtype=np.float64)
        if not np.isfinite(corners).all():
            return ()
        quadrilateral = Outlines(np.zeros(1, dtype=np.int32), corners[None])
        points = quadrilateral.points(0)
        met = [
            (-shapes.share(shape, points), int(shapes.tiles[shape]))
            for shapes in self._images
            for shape in shapes.meeting(quadrilateral).tolist()
        ]
        return tuple(tile for _, tile in sorted(met))

    def tile(self, number: int) -> Tile:
        """Return a tile by its number."""
        cells = self._table.cells(number)
        return Tile(
            name=self._table.names[number],
            ra_deg=float(self._table.ra_deg[number]),
            dec_deg=float(self._table.dec_deg[number]),
            columns={
                column: cell
                for column, cell in cells.items()
                if column == "tilename" or column not in CANONICAL
            },
        )

    def number(self, name: str) -> int | None:
        """Return the number of a tile name, by exact then case-insensitive match; None if unknown.

        A space is also tried as `+`, since forms and URLs turn `+` into a space (DES0126+0335).
        """
        for spelling in (name, name.replace(" ", "+")):
            number = self._numbers.get(spelling)
            if number is None:
                number = self._numbers_folded.get(spelling.lower())
            if number is not None:
                return number
        return None


def _wrapped(ra_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reduce RA to 0 <= RA < 360. np.mod alone turns -1e-20 into 360."""
    with np.errstate(invalid="ignore"):
        ra: NDArray[np.float64] = np.mod(ra_deg, 360.0)
    return np.where(ra >= 360.0, 0.0, ra)


def _areas(table: TileTable) -> tuple[Shapes, ...]:
    tiles = np.flatnonzero(np.isfinite(table.unique_deg[:, 0])).astype(np.int32)
    return (Areas(tiles, table.unique_deg[tiles]),) if len(tiles) else ()


def _images(table: TileTable) -> tuple[Outlines | Caps, ...]:
    """Make the outlines, then the caps: an all-sky image must never be the first choice."""
    corners = unit_vectors(table.corners_deg[..., 0], table.corners_deg[..., 1])
    nearness = dot(corners, normalised(corners.sum(axis=1))[:, None]).min(axis=1)
    has_corners = np.isfinite(table.corners_deg).all(axis=(1, 2))
    quadrilateral = has_corners & (nearness > np.cos(np.radians(_WIDEST_DEG)))
    shapes: list[Outlines | Caps] = []
    tiles = np.flatnonzero(quadrilateral).astype(np.int32)
    if len(tiles):
        shapes.append(Outlines(tiles, table.corners_deg[tiles]))
    # A very large quadrilateral without a radius may contain any position.
    radius = np.where(has_corners & ~quadrilateral, 180.0, np.nan)
    radius = np.where(np.isfinite(table.radius_deg), table.radius_deg, radius)
    tiles = np.flatnonzero(np.isfinite(radius) & ~quadrilateral).astype(np.int32)
    if len(tiles):
        shapes.append(Caps(tiles, table.ra_deg[tiles], table.dec_deg[tiles], radius[tiles]))
    return tuple(shapes)
