"""Bands of a picture on one grid: whether they are, and what becomes of one that is not."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.bands import BandCutter
from soda_service.cutouts.geometry import Place, Placer
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.mosaicking.mosaic import is_per_pixel
from soda_service.engine.mosaicking.overlap import Relation, relate, source_box
from soda_service.engine.wcs.grid import Grid
from soda_service.errors import Fault, NoCoverage, OptionsError
from soda_service.pixels.reader import TileHandle
from soda_service.results.rows import PlannedRow

__all__ = ["Aligner", "is_aligned"]

_BYTES_MAX = 1 << 32
"""As much as the largest cutout holds in all its planes. What a band needs for a box of the red
band has no other limit: its pixels may be of any size."""

_Floats = NDArray[np.floating]


def is_aligned(red: Place, other: Place, edge: str) -> bool:
    """Whether two bands of a row, cut as they are, show the same sky pixel by pixel.

    Parameters
    ----------
    red, other
        Where the row lies in both.
    edge
        What is done at the edges of tiles, which tells which box is cut.

    Returns
    -------
    bool
        True where the boxes are of one shape and their pixels agree to 0.01 pixel, which no eye
        sees; what is beyond is resampled, which costs a sharp star 0.6 % of its peak. It costs
        nothing for tiles that share their grid.
    """
    box, other_box = red.output_box(edge), other.output_box(edge)
    if box.shape != other_box.shape:
        return False
    if box == other_box and red.handle.shares_grid(other.handle):
        return True
    shift_px = other_box.x0 - box.x0, other_box.y0 - box.y0
    return relate(red.handle.grid, box, other.handle.grid).shift_px == shift_px


class Aligner:
    """Brings bands onto the grid of another one, the red of a picture.

    Parameters
    ----------
    placer
        Opens the tiles.
    cutter
        Cuts bands out of them.
    """

    def __init__(self, placer: Placer, cutter: BandCutter) -> None:
        self._placer = placer
        self._cutter = cutter

    def science(self, row: PlannedRow, red: Place, band: str) -> _Floats:
        """Give a band's science values in the pixels of another band's box.

        Copied where the grids differ by whole pixels, else resampled, or averaged where the
        band's pixels are much smaller. Values that grow with a pixel's area are scaled to the
        red band's pixels; zero points are left alone, since a picture shows the survey's units.
        A shape that blanks what is outside of it blanks the red band's pixels, not these.

        Parameters
        ----------
        row
            Its tile is opened in the band; its EDGE says what is beyond that tile: nothing, or
            with `mosaic` the pixels of its neighbours.
        red
            Where the row lies in the band whose grid is taken.
        band
            The band that is brought there; of two axes, no cube.

        Returns
        -------
        ndarray, shape red.output_box(row.options.edge).shape, floating, native byte order
            NaN where the band has nothing.

        Raises
        ------
        NoCoverage
            When the band's tile has no pixel there.
        OptionsError
            When the band has too many pixels there for the memory.
        TileUnreadable, SourceUnavailable
            When the tile cannot be opened or read.
        """
        # The box of a shape is clipped to its tile, and has no neighbours' pixels.
        is_mosaic = row.options.edge == "mosaic" and not row.shape
        box = red.output_box(row.options.edge)
        place, relation = self._found(row, red.handle.grid, box, band, is_mosaic=is_mosaic)
        options = replace(row.options, edge="mosaic" if is_mosaic else "trim")
        asked = replace(row, options=options, shape="", is_masked=False)
        science = self._cutter.cut(asked, place, with_file=False, with_science=True).science
        assert science is not None  # noqa: S101 - it was asked for
        if relation.shift_px is not None:
            return _copied(science, place.box, box, relation.shift_px)
        return self._resampled(science, place, (red, box), relation)

    def _found(
        self, row: PlannedRow, grid: Grid, box: PixelBox, band: str, *, is_mosaic: bool
    ) -> tuple[Place, Relation]:
        """Find what a box of another grid needs of a band, and how that lies under it."""
        handle = self._placer.open(row.tile, band)
        relation = relate(grid, box, handle.grid)
        shape = None if is_mosaic else handle.shape
        there = source_box(relation, (grid, box), handle.grid, shape)
        place = Place(band, handle, there, there.clipped(handle.shape))
        if place.inside.is_empty:
            raise NoCoverage(f"no pixel of tile {row.tile} in band {band} at this position")
        _require_room(place)
        return place, relation

    def _resampled(
        self, science: _Floats, place: Place, target: tuple[Place, PixelBox], relation: Relation
    ) -> _Floats:
        """Bring values of a place to a box of another band's grid."""
        # Here, since it needs a second to import, and bands on one grid do without.
        from soda_service.engine.mosaicking.resampling import resampled

        red, box = target
        found = resampled(science, (place.handle.grid, place.box), (red.handle.grid, box), relation)
        if is_per_pixel(self._unit(place.handle)):
            with np.errstate(over="ignore"):  # beyond single precision it is infinite, and black
                found *= relation.pixel_ratio
        return found

    def _unit(self, handle: TileHandle) -> str:
        """Give the unit of a tile's science values; the release's where it says none."""
        said = handle.planes[0].header.get("BUNIT") or handle.primary.get("BUNIT")
        return str(said or self._placer.release.unit)


def _copied(science: _Floats, there: PixelBox, box: PixelBox, shift_px: tuple[int, int]) -> _Floats:
    """Lay values of a part of a box, moved by whole pixels, into all of it."""
    if there.shape == box.shape:
        return science
    y, x = there.y0 - shift_px[1] - box.y0, there.x0 - shift_px[0] - box.x0
    ny, nx = there.shape
    found = np.full(box.shape, np.nan, science.dtype)
    found[y : y + ny, x : x + nx] = science
    return found


def _require_room(place: Place) -> None:
    """Refuse a band that no memory holds.

    Raises
    ------
    OptionsError
    """
    ny, nx = place.box.shape
    size_bytes = math.prod((ny, nx, place.handle.planes[0].dtype.itemsize))
    if size_bytes > _BYTES_MAX:
        message = (
            f"a picture that needs {nx} x {ny} pixels of band {place.band}: {size_bytes} bytes; "
            f"at most {_BYTES_MAX} bytes are cut"
        )
        raise OptionsError((Fault(message),))
