"""Tiles as planes of pixels on one sky grid, and the open files kept at hand."""

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
"""Of tables in memory: 0.3 MB for each compressed plane of 10,000 rows, so some 300 files of three
planes; the number of files is reached first, but for tiles of far more rows."""

_REMOTE_FRESH_S = 60.0
"""How long a remote file counts as unchanged: asking costs a request."""


class Indexes(Protocol):
    """Where restart indexes are found and made."""

    def find(self, tile_path: str, file: FitsFile) -> Marks | None:
        """Give the index of a file, if there is one that fits it."""
        ...

    def provide(
        self, tile_path: str, file: FitsFile, *, rows: int, progress: Callable[[], None]
    ) -> Marks | None:
        """Make the index of a file that has none, if so many cutouts are worth it."""
        ...


@dataclass(frozen=True, slots=True)
class TileFile:
    """Where a tile's pixels in one band are."""

    path: str
    """Local path, or `https://` or `s3://`."""

    planes: tuple[Plane, ...] = ()
    """Planes to read, the science plane first; empty: every image HDU with a celestial WCS that
    has the first one's shape and grid."""

    root: str = ""
    """Directory of the release, if known: when it is gone, that is no fault of the file."""


@dataclass(frozen=True, slots=True)
class TilePlane:
    """An image plane of an open tile."""

    role: str
    """`SCI`, `MSK`, `WGT`, or another name."""

    header: TextHeader
    """As an image's, without the cards of its compression's table."""

    shape: tuple[int, ...]
    """(ny, nx), pixels; more axes before them in a cube."""

    dtype: np.dtype[Any]
    """Of its raw pixels, big-endian as in a FITS file."""


class TileHandle:
    """An open tile. Stays readable as long as somebody holds it; threads may share it."""

    def __init__(self, file: FitsFile, hdus: Sequence[ImageHDU], roles: Sequence[str]) -> None:
        self.file = file
        """Its FITS file, for who makes an index of it; closed with the handle."""
        self._hdus = tuple(hdus)
        self.planes = tuple(
            TilePlane(role, hdu.header, hdu.shape, hdu.dtype)
            for role, hdu in zip(roles, hdus, strict=True)
        )
        """The planes, the science plane first."""
        self.primary: TextHeader = file.primary
        """Header of the file's primary HDU, for the cards that all planes share."""
        self.label: str = file.label
        """The file's name."""
        self.shape: tuple[int, int] = (hdus[0].shape[-2], hdus[0].shape[-1])
        """(ny, nx), pixels, of every plane."""
        self.grid: Grid = sky_grid(hdus[0].header)
        """Of the first plane, distortions included."""
        self.is_sound: bool = True
        """False once disk or server were away while it was read: it may never be again."""
        self._same_grid: weakref.WeakKeyDictionary[TileHandle, bool] = weakref.WeakKeyDictionary()
        weakref.finalize(self, file.close)

    @property
    def table_bytes(self) -> int:
        """Memory held."""
        return self.file.table_bytes

    def shares_grid(self, other: "TileHandle") -> bool:
        """Whether each pixel of another tile is the same sky as this one's, to 0.01 pixel.

        Found out once for a pair of open tiles, so that a cutout in several bands of a survey
        on common grids costs nothing.
        """
        is_same = True if other is self else self._same_grid.get(other)
        if is_same is None:
            is_same = self.shape == other.shape and is_same_grid(self.grid, other.grid, self.shape)
            self._same_grid[other] = is_same
        return is_same

    def use_index(self, index: Marks | None) -> None:
        """Start decoding compressed rows at the marks of an index from now on."""
        for hdu in self._hdus:
            hdu.use_index(index)

    def announce(self, box: PixelBox) -> None:
        """Say that a box inside the image is wanted soon, so that it is brought from disk.

        What goes wrong is told when the box is read.
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
            Which of `planes`.
        box
            Inside the image, not empty.

        Returns
        -------
        pixels : ndarray, shape (..., *box.shape), of the plane's dtype, own memory
            Integers are raw: BSCALE, BZERO and BLANK of the header are not applied.

        Raises
        ------
        ValueError
            When the box is empty or reaches beyond the image.
        TileUnreadable
            When the file is truncated or damaged there.
        SourceUnavailable
            When disk or server are away.
        """
        self._require(box)
        plane = self.planes[number]
        pixels = np.empty((*plane.shape[:-2], *box.shape), plane.dtype)
        self.read_into(number, box, pixels)
        return pixels

    def read_into(self, number: int, box: PixelBox, out: NDArray[np.generic]) -> None:
        """Read part of a plane into an array, such as a part of a file that is to be written.

        Parameters
        ----------
        number, box
            As for `read`.
        out : ndarray, shape (..., *box.shape), of the plane's dtype
            The pixels of its rows must lie one after the other, its rows need not.

        Raises
        ------
        ValueError
            When the box is empty or reaches beyond the image, or the array does not fit.
        TileUnreadable
            When the file is truncated or damaged there.
        SourceUnavailable
            When disk or server are away.
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
    """A tile kept open."""

    handle: TileHandle
    fresh_until_s: float
    """Monotonic time until which the file counts as unchanged."""


class TileReader:
    """Opens tiles and keeps the last ones open. Threads may share it.

    Parameters
    ----------
    max_open
        How many files are kept open; the one that was used longest ago is let go first.
    indexes
        Where restart indexes of compressed tiles are found.
    servers
        Connections to ask for tiles behind a URL.
    max_bytes
        How much memory their tables may take, before files are let go.
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
        """Open a tile, or give it as it is open already, unless its file has changed since.

        A remote file counts as unchanged for a minute.

        Raises
        ------
        TileUnreadable
            When the file is missing, damaged or truncated, has no image with a celestial WCS, or
            lacks one of the planes asked for.
        SourceUnavailable
            When the root is gone or disk or server are away.
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
        # Outside of the lock: unpacking a .bz2 takes seconds, and no other tile must wait for it.
        handle = self._opened(file)
        self._keep(file, handle, now_s)
        return handle

    def prepare(self, file: TileFile, *, rows: int, progress: Callable[[], None]) -> None:
        """Make the restart index of a tile, where the cutouts that come next are worth it.

        Parameters
        ----------
        rows
            How many cutouts.
        progress
            Called every some ten milliseconds while an index is made.

        Raises
        ------
        TileUnreadable, SourceUnavailable
            When the tile cannot be opened; an index that cannot be made is a line in the log.
        """
        if self._indexes is None:
            return
        handle = self.open(file)
        index = self._indexes.provide(file.path, handle.file, rows=rows, progress=progress)
        if index is not None:
            handle.use_index(index)

    def close(self) -> None:
        """Let go of all files; each closes when its last user is done."""
        with self._lock:
            self._open.clear()

    def _opened(self, file: TileFile) -> TileHandle:
        handle = _open_tile(file, self.servers)
        if self._indexes is not None:
            handle.use_index(self._indexes.find(file.path, handle.file))
        return handle

    def _keep(self, file: TileFile, handle: TileHandle, now_s: float) -> None:
        """Keep a tile open, within the limits; the one kept last stays in any case."""
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
