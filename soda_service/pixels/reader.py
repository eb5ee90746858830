"""Tiles as planes of pixels on one sky grid, and a cache of open files."""

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.footprint import Grid, sky_grid
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels.fitsfile import FitsFile, ImageHDU, open_fits
from soda_service.pixels.opening import identity_of
from soda_service.pixels.planes import is_same_grid, named, on_one_grid, plane_roles
from soda_service.pixels.rowpixels import Marks
from soda_service.pixels.source import failures_explained
from soda_service.sky.release import Plane

if TYPE_CHECKING:
    from soda_service.pixels.objectstore import Servers

__all__ = ["Indexes", "TileFile", "TileHandle", "TilePlane", "TileReader", "plane_roles"]

_BYTES_MAX = 256 << 20
"""Limit for tables in memory. A compressed plane of 10,000 rows takes 0.3 MB, so this allows some
300 files of three planes. The limit on the number of files is reached first, except for tiles of
far more rows."""

_REMOTE_FRESH_S = 60.0
"""Time for which a remote file counts as unchanged, since checking it costs a request."""


class Indexes(Protocol):
    """Source of restart indexes."""

    def find(self, tile_path: str, file: FitsFile) -> Marks | None:
        """Return the restart index of a file, if one fits it."""
        ...

    def provide(
        self, tile_path: str, file: FitsFile, *, rows: int, progress: Callable[[], None]
    ) -> Marks | None:
        """Make the index of a file that has none, if that many cutouts are worth it."""
        ...


@dataclass(frozen=True, slots=True)
class TileFile:
    """File of a tile in one band."""

    path: str
    """Local path, or `https://` or `s3://` address."""

    planes: tuple[Plane, ...] = ()
    """Planes to read, the science plane first. Empty: every image HDU with a celestial WCS that has
    the first one's shape and grid."""

    root: str = ""
    """Directory of the release, if known. If it is gone, the file is not to blame."""


@dataclass(frozen=True, slots=True)
class TilePlane:
    """An image plane of an open tile."""

    role: str
    """`SCI`, `MSK`, `WGT`, or another name."""

    header: TextHeader
    """Header as of an uncompressed image, without the cards of the compression table."""

    shape: tuple[int, ...]
    """(ny, nx), pixels; a cube has more axes before them."""

    dtype: np.dtype[Any]
    """Type of the raw pixels, big-endian as in a FITS file."""


class TileHandle:
    """An open tile. It stays readable while it is referenced; threads may share it."""

    def __init__(self, file: FitsFile, hdus: Sequence[ImageHDU], roles: Sequence[str]) -> None:
        self.file = file
        """Its FITS file, needed to make an index; closed with the handle."""
        self._hdus = tuple(hdus)
        self.planes = tuple(
            TilePlane(role, hdu.header, hdu.shape, hdu.dtype)
            for role, hdu in zip(roles, hdus, strict=True)
        )
        """The planes, the science plane first."""
        self.primary: TextHeader = file.primary
        """Header of the file's primary HDU, for cards that all planes share."""
        self.label: str = file.label
        """The file's name."""
        self.shape: tuple[int, int] = (hdus[0].shape[-2], hdus[0].shape[-1])
        """(ny, nx), pixels, of every plane."""
        self.grid: Grid = sky_grid(hdus[0].header)
        """Of the first plane, distortions included."""
        self.is_sound: bool = True
        """False after disk or server were unavailable during a read: it may stay unreadable."""
        self._same_grid: weakref.WeakKeyDictionary[TileHandle, bool] = weakref.WeakKeyDictionary()
        weakref.finalize(self, file.close)

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        return self.file.table_bytes

    def shares_grid(self, other: "TileHandle") -> bool:
        """Return whether each pixel of another tile is the same sky as in this one, to 0.01 pixel.

        The result is cached for a pair of open tiles, so cutouts in several bands of a survey on
        common grids cost nothing.
        """
        is_same = True if other is self else self._same_grid.get(other)
        if is_same is None:
            is_same = self.shape == other.shape and is_same_grid(self.grid, other.grid, self.shape)
            self._same_grid[other] = is_same
        return is_same

    def use_index(self, index: Marks | None) -> None:
        """Set the restart index from which decoding of compressed rows starts."""
        for hdu in self._hdus:
            hdu.use_index(index)

    def announce(self, box: PixelBox) -> None:
        """Announce that a box inside the image will be read soon, so it is brought from disk.

        Errors are raised only when the box is read.
        """
        try:
            for hdu in self._hdus:
                hdu.announce(box)
        except (OSError, SourceUnavailable, TileUnreadable):
            return

    def read(self, number: int, box: PixelBox) -> NDArray[np.generic]:
        """Read part of a plane.

        Parameters
        ----------
        number
            Index in `planes`.
        box
            Box inside the image, not empty.

        Returns
        -------
        pixels : ndarray, shape (..., *box.shape), of the plane's dtype, own memory
            Integers are raw: BSCALE, BZERO and BLANK of the header are not applied.

        Raises
        ------
        ValueError
            If the box is empty or reaches beyond the image.
        TileUnreadable
            If the file is truncated or damaged there.
        SourceUnavailable
            If disk or server are unavailable.
        """
        self._require(box)
        plane = self.planes[number]
        pixels = np.empty((*plane.shape[:-2], *box.shape), plane.dtype)
        self.read_into(number, box, pixels)
        return pixels

    def read_into(self, number: int, box: PixelBox, out: NDArray[np.generic]) -> None:
        """Read part of a plane into an array, such as part of an output file.

        Parameters
        ----------
        number, box
            As for `read`.
        out : ndarray, shape (..., *box.shape), of the plane's dtype
            The pixels of a row must be contiguous; the rows need not be.

        Raises
        ------
        ValueError
            If the box is empty or reaches beyond the image, or the array does not fit.
        TileUnreadable
            If the file is truncated or damaged there.
        SourceUnavailable
            If disk or server are unavailable.
        """
        self._require(box)
        plane = self.planes[number]
        shape = (*plane.shape[:-2], *box.shape)
        if out.shape != shape or out.dtype != plane.dtype or out.strides[-1] != out.itemsize:
            raise ValueError(f"{out.dtype} of {out.shape} cannot hold {plane.dtype} of {shape}")
        try:
            with failures_explained(self.label):
                self._hdus[number].read_into(box, out)
        except SourceUnavailable:
            self.is_sound = False
            raise

    def _require(self, box: PixelBox) -> None:
        if box.is_empty or box.clipped(self.shape) != box:
            raise ValueError(f"{box} is not inside an image of {self.shape} pixels (ny, nx)")


@dataclass(frozen=True, slots=True)
class _Open:
    """A cached open tile."""

    handle: TileHandle
    fresh_until_s: float
    """Monotonic time until which the file counts as unchanged."""


class TileReader:
    """Opens tiles and keeps the most recently used ones open. Threads may share it.

    Parameters
    ----------
    max_open
        Maximum number of open files; the least recently used one is dropped first.
    indexes
        Source of restart indexes of compressed tiles.
    servers
        Connections for tiles on servers.
    max_bytes
        Maximum memory of the tables of open files, bytes.
    """

    def __init__(
        self,
        max_open: int = 64,
        indexes: Indexes | None = None,
        *,
        servers: "Servers | None" = None,
        max_bytes: int = _BYTES_MAX,
    ) -> None:
        self.servers = servers
        self._max_open = max_open
        self._max_bytes = max_bytes
        self._indexes = indexes
        self._open: OrderedDict[TileFile, _Open] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, file: TileFile) -> TileHandle:
        """Open a tile, or return it if it is open already and its file has not changed.

        A remote file counts as unchanged for a minute.

        Raises
        ------
        TileUnreadable
            If the file is missing, damaged or truncated, has no image with a celestial WCS, or
            lacks one of the requested planes.
        SourceUnavailable
            If the root is gone, or disk or server are unavailable.
        """
        with self._lock:
            known = self._open.get(file)
            if known:
                self._open.move_to_end(file)
        now_s = time.monotonic()
        if known and known.handle.is_sound:
            if now_s < known.fresh_until_s:
                return known.handle
            if identity_of(file.path, self.servers) == known.handle.file.source.identity:
                self._keep(file, known.handle, now_s)
                return known.handle
        # Outside the lock: unpacking a .bz2 takes seconds, and must not block other tiles.
        handle = self._opened(file)
        self._keep(file, handle, now_s)
        return handle

    def prepare(self, file: TileFile, *, rows: int, progress: Callable[[], None]) -> None:
        """Make the restart index of a tile if the cutouts to come are worth it.

        Parameters
        ----------
        rows
            Number of cutouts.
        progress
            Called about every ten milliseconds while an index is made.

        Raises
        ------
        TileUnreadable, SourceUnavailable
            If the tile cannot be opened. An index that cannot be made is only logged.
        """
        if self._indexes is None:
            return
        handle = self.open(file)
        index = self._indexes.provide(file.path, handle.file, rows=rows, progress=progress)
        if index is not None:
            handle.use_index(index)

    def close(self) -> None:
        """Drop all files. Each closes when its last user is done."""
        with self._lock:
            self._open.clear()

    def _opened(self, file: TileFile) -> TileHandle:
        handle = _open_tile(file, self.servers)
        if self._indexes is not None:
            handle.use_index(self._indexes.find(file.path, handle.file))
        return handle

    def _keep(self, file: TileFile, handle: TileHandle, now_s: float) -> None:
        """Cache an open tile, within the limits; the last one is always kept."""
        fresh_s = _REMOTE_FRESH_S if "://" in file.path else 0.0
        with self._lock:
            before = self._open.get(file)
            self._open[file] = _Open(handle, now_s + fresh_s)
            if before and before.handle is handle:
                return
            self._open.move_to_end(file)
            size_bytes = sum(known.handle.table_bytes for known in self._open.values())
            while len(self._open) > 1 and (
                len(self._open) > self._max_open or size_bytes > self._max_bytes
            ):
                _, oldest = self._open.popitem(last=False)
                size_bytes -= oldest.handle.table_bytes


def _open_tile(tile: TileFile, servers: "Servers | None") -> TileHandle:
    file = open_fits(tile.path, tile.root, servers)
    try:
        with failures_explained(file.label):
            hdus = named(file, tile.planes) if tile.planes else list(on_one_grid(file))
            roles = [plane.role for plane in tile.planes] or list(plane_roles(hdus))
            return TileHandle(file, hdus, roles)
    except BaseException:
        file.close()
        raise
