"""Geometry of rows: open their tiles, project positions in groups, and find boxes of pixels."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs import footprint
from soda_service.engine.wcs.touched import touched_box
from soda_service.errors import Fault, NoCoverage, OptionsError
from soda_service.pixels.paths import locate
from soda_service.pixels.reader import TileHandle, TileReader
from soda_service.request.parsing import shorten
from soda_service.request.shapes import parse_pos
from soda_service.request.spec import PIXELS_MAX
from soda_service.results.rows import PlannedRow
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release

__all__ = ["Place", "TileGeometry"]

_BYTES_MAX = 1 << 32


@dataclass(frozen=True, slots=True)
class Place:
    """The box of a row in one band of its tile."""

    band: str
    handle: TileHandle
    box: PixelBox
    """As requested; may extend beyond the tile."""

    inside: PixelBox
    """The part on the tile; never empty."""

    def output_box(self, edge: str) -> PixelBox:
        """Return the box that the cutout covers."""
        return self.inside if edge == "trim" else self.box

    @property
    def is_whole(self) -> bool:
        """Whether the tile has every requested pixel."""
        return self.box == self.inside


class _Group:
    """Positions of the rows of one tile, projected in one call per file."""

    def __init__(self, rows: Sequence[PlannedRow]) -> None:
        positions = dict.fromkeys((row.centre_ra_deg, row.centre_dec_deg) for row in rows)
        self._at = {position: number for number, position in enumerate(positions)}
        ra, dec = zip(*positions, strict=True)
        self._ra_deg = np.array(ra, float)
        self._dec_deg = np.array(dec, float)
        # Weak references: the reader alone decides which tiles stay open.
        self._projected: WeakKeyDictionary[
            TileHandle, tuple[NDArray[np.float64], NDArray[np.float64]]
        ] = WeakKeyDictionary()

    def has(self, position: tuple[float, float]) -> bool:
        return position in self._at

    def pixel(self, handle: TileHandle, position: tuple[float, float]) -> tuple[float, float]:
        if handle not in self._projected:
            found = footprint.sky_to_pixel(handle.grid, self._ra_deg, self._dec_deg)
            self._projected[handle] = found
        x, y = self._projected[handle]
        number = self._at[position]
        return float(x[number]), float(y[number])


class TileGeometry:
    """Finds the boxes of rows in the tiles of one release.

    Parameters
    ----------
    rows_of_tiles
        Number of rows that the job has in a tile, by the tile's number in `index`. A tile with many
        rows gets a restart index before the first row is cut.
    progress
        Called from time to time while a restart index is made.
    """

    def __init__(
        self,
        release: Release,
        index: TileIndex,
        reader: TileReader,
        *,
        rows_of_tiles: Mapping[int, int] = MappingProxyType({}),
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.release = release
        self.index = index
        self._reader = reader
        self._rows_of_tiles = rows_of_tiles
        self._progress = progress
        self._prepared: set[tuple[int, str]] = set()
        self._groups: dict[str, _Group] = {}
        self._announced = 0
        self._ahead: dict[int, dict[str, Place]] = {}

    def expect(self, rows: Iterable[PlannedRow]) -> None:
        """Announce the next rows, so that those of a tile are projected together.

        Projecting 100 positions in one call costs as much as projecting one.
        """
        of_tile: dict[str, list[PlannedRow]] = {}
        for row in rows:
            if row.centre_ra_deg is not None and row.centre_dec_deg is not None:
                of_tile.setdefault(row.tile, []).append(row)
        self._groups = {tile: _Group(members) for tile, members in of_tile.items()}
        self._ahead.clear()

    def announce(self, row: PlannedRow, bands: Iterable[str]) -> None:
        """Start reading the pixels of a row from disk while another one is cut.

        Errors of the row are raised later, when it is cut itself.
        """
        # Keep the places of this row, and of the one before it, which is cut next.
        before = self._ahead.get(self._announced, {})
        found: dict[str, Place] = {}
        self._ahead = {self._announced: before, row.number: found}
        self._announced = row.number
        for band in bands:
            with suppress(Exception):  # even a bug must count against this row, later
                place = self._find(row, band)
                place.handle.announce(place.inside)
                found[band] = place

    def place(self, row: PlannedRow, band: str) -> Place:
        """Find the row's box in a band of its tile.

        Raises
        ------
        NoCoverage
            When it contains no pixel of the tile.
        OptionsError
            When it has more pixels than the release allows with the tile's own pixel scale.
        TileUnreadable, SourceUnavailable
            When the tile cannot be opened.
        """
        return self._ahead.get(row.number, {}).pop(band, None) or self._find(row, band)

    def open(self, tile: str, band: str) -> TileHandle:
        """Open a tile of the release.

        Raises
        ------
        NoCoverage
            When the release no longer has the tile.
        """
        number = self.index.number(tile)
        if number is None:
            raise NoCoverage(f"tile {tile} is no longer in release {self.release.name}")
        file = locate(self.release, self.index.tile(number), band, self._reader.servers)
        if number in self._rows_of_tiles and (number, band) not in self._prepared:
            self._prepared.add((number, band))
            rows = self._rows_of_tiles[number]
            self._reader.prepare(file, rows=rows, progress=self._progress)
        return self._reader.open(file)

    def _find(self, row: PlannedRow, band: str) -> Place:
        handle = self.open(row.tile, band)
        if row.centre_ra_deg is None or row.centre_dec_deg is None:
            raise NoCoverage("the row has no position")
        if row.shape:
            return _place_of_shape(row, band, handle)
        position = row.centre_ra_deg, row.centre_dec_deg
        group = self._groups.get(row.tile)
        if group is None or not group.has(position):
            group = _Group([row])
        nx, ny = _size_px(handle, row, self.release)
        _require_room(handle, nx * ny)
        box = footprint.box_at(*group.pixel(handle, position), nx, ny)
        inside = box.clipped(handle.shape)
        if inside.is_empty:
            raise NoCoverage(f"no pixel of tile {row.tile} at this position")
        return Place(band, handle, box, inside)


def _place_of_shape(row: PlannedRow, band: str, handle: TileHandle) -> Place:
    """Find the pixels of a tile that a shape touches; it is clipped to the tile (SODA-12)."""
    box = touched_box(_shape(row.shape), handle.grid, handle.shape)
    if box is None:
        raise NoCoverage(f"no pixel of tile {row.tile} in {shorten(row.shape)}")
    _require_room(handle, math.prod(box.shape))
    if max(box.shape) > PIXELS_MAX:
        ny, nx = box.shape
        message = f"{nx} x {ny} pixels requested; at most {PIXELS_MAX} along a side are allowed"
        raise OptionsError((Fault(message),))
    return Place(band, handle, box, box)


_shape = lru_cache(maxsize=256)(parse_pos)
"""Cached: rows of a job share few shapes."""


def _require_room(handle: TileHandle, pixels: int) -> None:
    """Refuse cutouts too large for memory: cubes may have any number of layers.

    Raises
    ------
    OptionsError
    """
    pixel_bytes = sum(math.prod(plane.shape[:-2]) * plane.dtype.itemsize for plane in handle.planes)
    if pixels * pixel_bytes > _BYTES_MAX:
        message = (
            f"the cutout has {pixels} pixels of {pixel_bytes} bytes in all planes and layers; "
            f"at most {_BYTES_MAX} bytes are allowed"
        )
        raise OptionsError((Fault(message),))


def _size_px(handle: TileHandle, row: PlannedRow, release: Release) -> tuple[int, int]:
    """Return the width and height of a row's box, pixels of the tile.

    Raises
    ------
    OptionsError
        When they exceed the release's largest size by more than a pixel, or `PIXELS_MAX`. A size in
        pixels was checked before only if the release states its pixel scale.
    """
    options = row.options
    nx, ny = footprint.size_in_pixels(handle.grid, options.xsize_arcmin, options.ysize_arcmin)
    nx, ny = options.xpix or nx, options.ypix or ny
    largest_arcmin = release.size_max_arcmin
    x_most = y_most = PIXELS_MAX
    if options.xpix or options.ypix:
        most = footprint.size_in_pixels(handle.grid, largest_arcmin, largest_arcmin)
        x_most, y_most = (min(n + 1, PIXELS_MAX) for n in most)
    if nx > x_most or ny > y_most:
        message = (
            f"{nx} x {ny} pixels requested; at most {x_most} x {y_most} of tile {row.tile} are "
            f"allowed ({largest_arcmin:g} arcmin, and {PIXELS_MAX} pixels along a side)"
        )
        raise OptionsError((Fault(message),))
    return nx, ny
