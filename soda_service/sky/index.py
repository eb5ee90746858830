"""From positions on the sky to tiles, 100,000 at once, and from names to tiles."""

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
"""Corners farther than this from their middle make no outline: such an image is a cap."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A survey's image of one piece of the sky, in all bands."""

    name: str
    ra_deg: float
    """Centre, ICRS."""

    dec_deg: float
    columns: Mapping[str, str] = field(default_factory=dict)
    """All cells of the tile table except its geometry, as text, by column."""


class TileIndex:
    """The tiles of a release. Tiles have numbers, from 0, in the order of their table.

    Parameters
    ----------
    table
        A checked tile table.
    """

    def __init__(self, table: TileTable) -> None:
        self._table = table
        self._numbers = {name: number for number, name in enumerate(table.names)}
        self._numbers_folded = {name.lower(): n for name, n in self._numbers.items()}
        # In the order in which they are asked.
        self._areas = _areas(table)
        self._images = _images(table)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a canonical tile table; ConfigError if it is at fault."""
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
        """Shapes of the tiles' images, each kind for some of the tiles."""
        return self._images

    def __len__(self) -> int:
        """Give the number of tiles."""
        return len(self._table.names)

    def find(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.int32]:
        """Find the tile of each position.

        The tile in whose unique area a position lies; where there is none, of the tiles whose
        image holds the position the one whose edge is farthest from it.

        Parameters
        ----------
        ra_deg, dec_deg : array_like, shape (n,)
            ICRS, deg; RA may be beyond 0..360.

        Returns
        -------
        ndarray, shape (n,), int32
            Numbers of tiles; -1 where there is none, or the position is no number.
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
        """List all tiles whose image holds a position, the one with the farthest edge first."""
        if not (np.isfinite(ra_deg) and abs(dec_deg) <= 90.0):
            return ()
        ra = float(_wrapped(np.array([ra_deg]))[0])
        return tuple(n for shapes in self._images for n in shapes.all_around(ra, dec_deg))

    def touching(self, corners_deg: ArrayLike) -> tuple[int, ...]:
        """List the tiles whose image shares sky with a quadrilateral.

        Parameters
        ----------
        corners_deg : array_like, shape (4, 2)
            RA, Dec of its corners, ICRS deg, joined by great circles; far smaller than a
            hemisphere.

        Returns
        -------
        tuple of int
            Numbers of tiles, the one that holds most of the quadrilateral first (measured on a
            lattice of 32 x 32 points), of equals the lower number; none where a corner is NaN.
        """
        corners = np.asarray(corners_deg, dtype=np.float64)
        if not np.isfinite(corners).all():
            return ()
        asked = Outlines(np.zeros(1, dtype=np.int32), corners[None])
        points = asked.points(0)
        met = [
            (-shapes.share(shape, points), int(shapes.tiles[shape]))
            for shapes in self._images
            for shape in shapes.meeting(asked).tolist()
        ]
        return tuple(tile for _, tile in sorted(met))

    def tile(self, number: int) -> Tile:
        """Give a tile by its number."""
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
        """Give the number of a name, exactly or without regard to case; None if unknown.

        A blank is tried as `+` too: what forms and addresses make of DES0126+0335.
        """
        for spelling in (name, name.replace(" ", "+")):
            number = self._numbers.get(spelling)
            if number is None:
                number = self._numbers_folded.get(spelling.lower())
            if number is not None:
                return number
        return None


def _wrapped(ra_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring RA into 0 <= RA < 360; the remainder of -1e-20 would be 360 itself."""
    with np.errstate(invalid="ignore"):
        ra: NDArray[np.float64] = np.mod(ra_deg, 360.0)
    return np.where(ra >= 360.0, 0.0, ra)


def _areas(table: TileTable) -> tuple[Shapes, ...]:
    tiles = np.flatnonzero(np.isfinite(table.unique_deg[:, 0])).astype(np.int32)
    return (Areas(tiles, table.unique_deg[tiles]),) if len(tiles) else ()


def _images(table: TileTable) -> tuple[Outlines | Caps, ...]:
    """Make the outlines, then the caps: an image of the whole sky is nobody's first choice."""
    corners = unit_vectors(table.corners_deg[..., 0], table.corners_deg[..., 1])
    nearness = dot(corners, normalised(corners.sum(axis=1))[:, None]).min(axis=1)
    has_corners = np.isfinite(table.corners_deg).all(axis=(1, 2))
    quadrilateral = has_corners & (nearness > np.cos(np.radians(_WIDEST_DEG)))
    shapes: list[Outlines | Caps] = []
    tiles = np.flatnonzero(quadrilateral).astype(np.int32)
    if len(tiles):
        shapes.append(Outlines(tiles, table.corners_deg[tiles]))
    # A great quadrilateral without a radius of its own may hold any position.
    radius = np.where(has_corners & ~quadrilateral, 180.0, np.nan)
    radius = np.where(np.isfinite(table.radius_deg), table.radius_deg, radius)
    tiles = np.flatnonzero(np.isfinite(radius) & ~quadrilateral).astype(np.int32)
    if len(tiles):
        shapes.append(Caps(tiles, table.ra_deg[tiles], table.dec_deg[tiles], radius[tiles]))
    return tuple(shapes)
