"""Bands of a picture on one grid: check whether they share it, or resample them."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.bands import BandCutter
from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.mosaicking.mosaic import is_per_pixel
from soda_service.engine.mosaicking.overlap import Relation, relate, source_box
from soda_service.engine.wcs.grid import Grid
from soda_service.errors import Fault, NoCoverage, OptionsError
from soda_service.pixels.reader import TileHandle
from soda_service.results.rows import PlannedRow

__all__ = ["Aligner", "is_aligned"]

_BYTES_MAX = 1 << 32
"""Size of the largest cutout in all its planes. The pixels of a band may be of any size, so the
part of it that a box of the red band needs has no other limit."""

_Floats = NDArray[np.floating]


def is_aligned(red: Place, other: Place, edge: str) -> bool:
    """Return whether two bands of a row, cut without resampling, show the same sky pixel by pixel.

    Parameters
    ----------
    red, other
        The place of the row in both.
    edge
        EDGE of the row, which determines the box that is cut.

    Returns
    -------
    bool
        True if the boxes have the same shape and their pixels agree to 0.01 pixel, which is not
        visible. Beyond that a band is resampled, which costs a sharp star 0.6 % of its peak. The
        check is free for tiles that share their grid.
    """
    box, other_box = red.output_box(edge), other.output_box(edge)
    if box.shape != other_box.shape:
        return False
    if box == other_box and red.handle.shares_grid(other.handle):
        return True
    shift_px = other_box.x0 - box.x0, other_box.y0 - box.y0
    return relate(red.handle.grid, box, other.handle.grid).shift_px == shift_px


class Aligner:
    """Brings bands onto the grid of another one, the red band of a picture.

    Parameters
    ----------
    geometry
        Opens the tiles.
    cutter
        Cuts bands out of them.
    """

    def __init__(self, geometry: TileGeometry, cutter: BandCutter) -> None:
        self._geometry = geometry
        self._cutter = cutter

    def science(self, row: PlannedRow, red: Place, band: str) -> _Floats:
        """Return a band's science values in the pixels of another band's box.

        Values are copied if the grids differ by whole pixels, averaged if the band's pixels are
        much smaller, else resampled. Values per pixel are scaled to the area of the red band's
        pixels. Zero points are not applied, since a picture shows the survey's units. MASK is not
        applied here: it blanks pixels of the red band.

        Parameters
        ----------
        row
            Its tile is opened in the band. Beyond that tile there is nothing, or with EDGE=mosaic
            the pixels of its neighbours.
        red
            The place of the row in the band whose grid is used.
        band
            The band to bring there; an image with two axes, not a cube.

        Returns
        -------
        ndarray, shape red.output_box(row.options.edge).shape, floating, native byte order
            NaN where the band has no value.

        Raises
        ------
        NoCoverage
            When the band's tile has no pixel there.
        OptionsError
            When the band has too many pixels there for memory.
        TileUnreadable, SourceUnavailable
            When the tile cannot be opened or read.
        """
        # The box of a shape is clipped to its tile, so neighbours add nothing.
        is_mosaic = row.options.edge == "mosaic" and not row.shape
        box = red.output_box(row.options.edge)
        place, relation = self._source(row, red.handle.grid, box, band, is_mosaic=is_mosaic)
        options = replace(row.options, edge="mosaic" if is_mosaic else "trim")
        whole = replace(row, options=options, shape="", is_masked=False)
        science = self._cutter.cut(whole, place, with_file=False, with_science=True).science
        assert science is not None  # noqa: S101 - it was requested
        if relation.shift_px is not None:
            return _copied(science, place.box, box, relation.shift_px)
        return self._resampled(science, place, (red, box), relation)

    def _source(
        self, row: PlannedRow, grid: Grid, box: PixelBox, band: str, *, is_mosaic: bool
    ) -> tuple[Place, Relation]:
        """Find the part of a band that a box of another grid needs, and how the grids relate."""
        handle = self._geometry.open(row.tile, band)
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
        """Resample values of a place to a box of another band's grid."""
        # Imported here: the import takes a second, and bands on one grid do not need it.
        from soda_service.engine.mosaicking.resampling import resampled

        red, box = target
        found = resampled(science, (place.handle.grid, place.box), (red.handle.grid, box), relation)
        if is_per_pixel(self._unit(place.handle)):
            with np.errstate(
                over="ignore"
            ):  # values beyond single precision become infinite, shown black
                found *= relation.pixel_ratio
        return found

    def _unit(self, handle: TileHandle) -> str:
        """Return the unit of a tile's science values; the release's if the tile states none."""
        stated = handle.planes[0].header.get("BUNIT") or handle.primary.get("BUNIT")
        return str(stated or self._geometry.release.unit)


def _copied(science: _Floats, there: PixelBox, box: PixelBox, shift_px: tuple[int, int]) -> _Floats:
    """Copy values of a part of a box, shifted by whole pixels, into an array of the whole box."""
    if there.shape == box.shape:
        return science
    y, x = there.y0 - shift_px[1] - box.y0, there.x0 - shift_px[0] - box.x0
    ny, nx = there.shape
    found = np.full(box.shape, np.nan, science.dtype)
    found[y : y + ny, x : x + nx] = science
    return found


def _require_room(place: Place) -> None:
    """Refuse a band that is too large for memory.

    Raises
    ------
    OptionsError
    """
    ny, nx = place.box.shape
    size_bytes = math.prod((ny, nx, place.handle.planes[0].dtype.itemsize))
    if size_bytes > _BYTES_MAX:
        message = (
            f"the picture needs {nx} x {ny} pixels of band {place.band}, {size_bytes} bytes; "
            f"at most {_BYTES_MAX} bytes are allowed"
        )
        raise OptionsError((Fault(message),))
