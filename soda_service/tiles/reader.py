"""Tiles as planes of pixels on one sky grid, and the open files kept at hand.

Imports numpy, astropy.wcs, the engine, `tiles.fitsfile`, `tiles.release` and errors.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from soda_service.engine.footprint import celestial_wcs, pixel_to_sky, sky_to_pixel
from soda_service.engine.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.tiles.fitsfile import FitsFile, ImageHDU
from soda_service.tiles.release import Plane

__all__ = ["TileFile", "TileHandle", "TilePlane", "TileReader", "plane_roles"]

_ROLES = {
    "SCI": "SCI",
    "MSK": "MSK",
    "MASK": "MSK",
    "DQ": "MSK",
    "WGT": "WGT",
    "WHT": "WGT",
    "WEIGHT": "WGT",
    "IVAR": "WGT",
    "INVVAR": "WGT",
}
"""What surveys call their planes."""

_SAME_GRID_PX = 0.01
"""Planes whose corners agree to this are on one grid: headers written in float32 still do."""


@dataclass(frozen=True, slots=True)
class TileFile:
    """Where a tile's pixels in one band are."""

    path: str
    """Local path."""

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

    header: Header
    """As an image's, without the cards of its compression's table. Not to be changed."""

    shape: tuple[int, ...]
    """(ny, nx), pixels; more axes before them in a cube."""


class TileHandle:
    """An open tile. Stays readable as long as somebody holds it; threads may share it."""

    def __init__(self, file: FitsFile, hdus: Sequence[ImageHDU], roles: Sequence[str]) -> None:
        self._file = file
        self._hdus = tuple(hdus)
        self.planes = tuple(
            TilePlane(role, hdu.header, hdu.shape) for role, hdu in zip(roles, hdus, strict=True)
        )
        """The planes, the science plane first."""
        self.primary: Header = file.primary
        """Header of the file's primary HDU, for the cards that all planes share."""
        self.shape: tuple[int, int] = (hdus[0].shape[-2], hdus[0].shape[-1])
        """(ny, nx), pixels, of every plane."""
        self.wcs: WCS = celestial_wcs(hdus[0].header, file.hdulist)
        """Of the first plane, distortions included."""
        self.is_sound: bool = True
        """False once disk or server were away while it was read: it may never be again."""
        self._same_grid: weakref.WeakKeyDictionary[TileHandle, bool] = weakref.WeakKeyDictionary()
        weakref.finalize(self, file.close)

    def shares_grid(self, other: "TileHandle") -> bool:
        """Whether each pixel of another tile is the same sky as this one's, to 0.01 pixel.

        Found out once for a pair of open tiles, so that a cutout in several bands of a survey
        on common grids costs nothing.
        """
        is_same = True if other is self else self._same_grid.get(other)
        if is_same is None:
            is_same = self.shape == other.shape and _is_same_grid(self.wcs, other.wcs, self.shape)
            self._same_grid[other] = is_same
        return is_same

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
        pixels : ndarray, shape (..., *box.shape), own memory, native or big-endian
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
        if box.is_empty or box.clipped(self.shape) != box:
            raise ValueError(f"{box} is not inside an image of {self.shape} pixels (ny, nx)")
        try:
            with self._file.failures_explained():
                return self._hdus[number].read(box)
        except SourceUnavailable:
            self.is_sound = False
            raise


class TileReader:
    """Opens tiles and keeps the last ones open. Threads may share it.

    Parameters
    ----------
    max_open
        How many files are kept open; the one that was used longest ago is let go first.
    """

    def __init__(self, max_open: int = 64) -> None:
        self._max_open = max_open
        self._open: OrderedDict[TileFile, tuple[_Stamp, TileHandle]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, file: TileFile) -> TileHandle:
        """Open a tile, or give it as it is open already, unless its file has changed since.

        Raises
        ------
        TileUnreadable
            When the file is missing, damaged or truncated, has no image with a celestial WCS, or
            lacks one of the planes asked for.
        SourceUnavailable
            When the root is gone or disk or server are away.
        """
        stamp = _stamp(file.path)
        with self._lock:
            known = self._open.get(file)
            if known and known[0] == stamp and known[1].is_sound:
                self._open.move_to_end(file)
                return known[1]
        # Outside of the lock: unpacking a .bz2 takes seconds, and no other tile must wait for it.
        handle = _open_tile(file)
        with self._lock:
            self._open[file] = (stamp, handle)
            self._open.move_to_end(file)
            while len(self._open) > self._max_open:
                self._open.popitem(last=False)
        return handle

    def close(self) -> None:
        """Let go of all files; each closes when its last user is done."""
        with self._lock:
            self._open.clear()


_Stamp = tuple[int, int, int] | None


def _stamp(path: str) -> _Stamp:
    """Tell a file's content from an earlier one; None where opening will tell what is wrong."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called for each cutout; Path costs more than stat
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _open_tile(tile: TileFile) -> TileHandle:
    file = FitsFile(tile.path, tile.root)
    try:
        with file.failures_explained():
            hdus = _named(file, tile.planes) if tile.planes else list(_on_one_grid(file))
            roles = [plane.role for plane in tile.planes] or list(plane_roles(hdus))
            return TileHandle(file, hdus, roles)
    except BaseException:
        file.close()
        raise


def _named(file: FitsFile, planes: Sequence[Plane]) -> list[ImageHDU]:
    """Find the HDUs that a release names."""
    hdus = []
    for plane in planes:
        found = [hdu for hdu in file.images if _is_meant(hdu, plane.hdu)]
        if not found:
            has = ", ".join(hdu.name or str(hdu.number) for hdu in file.images) or "none"
            raise TileUnreadable(f"no image HDU {plane.hdu} ({plane.role}); there are: {has}")
        hdus.append(found[0])
    for hdu, plane in zip(hdus, planes, strict=True):
        if hdu.shape[-2:] != hdus[0].shape[-2:]:
            raise TileUnreadable(
                f"plane {plane.role} is {_size(hdu)} pixels, but {planes[0].role} {_size(hdus[0])}"
            )
    return hdus


def _is_meant(hdu: ImageHDU, wanted: str | int) -> bool:
    return hdu.number == wanted if isinstance(wanted, int) else hdu.name == wanted.strip().upper()


def _size(hdu: ImageHDU) -> str:
    return f"{hdu.shape[-1]} x {hdu.shape[-2]}"


def _on_one_grid(file: FitsFile) -> Iterator[ImageHDU]:
    """Find the first image with a celestial WCS, and those that lie on the same sky."""
    first: WCS | None = None
    shape: tuple[int, ...] = ()
    problem = "no image HDU"
    for hdu in file.images:
        if first is not None and hdu.shape[-2:] != shape:
            continue
        try:
            wcs = celestial_wcs(hdu.header, file.hdulist)
        except TileUnreadable as error:
            problem = str(error)
            continue
        if first is None:
            first, shape = wcs, hdu.shape[-2:]
            yield hdu
        elif _is_same_grid(first, wcs, shape):
            yield hdu
    if first is None:
        raise TileUnreadable(problem)


def _is_same_grid(first: WCS, second: WCS, shape: tuple[int, ...]) -> bool:
    ys, xs = (side.ravel() for side in np.meshgrid(*((0, (n - 1) / 2, n - 1) for n in shape)))
    x, y = sky_to_pixel(first, *pixel_to_sky(second, xs, ys))
    distances = np.hypot(x - xs, y - ys)
    return not bool(np.any(distances > _SAME_GRID_PX))


def plane_roles(hdus: Sequence[ImageHDU]) -> Iterator[str]:
    """Tell what planes hold by their EXTNAME; the first of unknown name is the science plane."""
    used: set[str] = set()
    for position, hdu in enumerate(hdus):
        role = _ROLES.get(hdu.name, "SCI" if position == 0 else hdu.name or str(hdu.number))
        if role in used:
            role = f"{role}{hdu.number}"
        used.add(role)
        yield role
