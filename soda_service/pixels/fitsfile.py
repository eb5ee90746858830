"""One FITS file: its image HDUs, and reading parts of their pixels."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.decoding import NoDecoder
from soda_service.engine.fits.header import TextHeader, image_header
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable
from soda_service.pixels.hdus import HDU, image_shape, integer, walk
from soda_service.pixels.opening import open_source
from soda_service.pixels.otherpixels import AstropyFile, OtherPixels
from soda_service.pixels.rowpixels import Marks, RowPixels
from soda_service.pixels.rowtable import RowTable, row_scheme
from soda_service.pixels.source import ByteSource, failures_explained

if TYPE_CHECKING:
    from soda_service.pixels.objectstore import Servers

__all__ = ["FitsFile", "ImageHDU", "open_fits"]

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_PIECE_BYTES = 1 << 24
"""Uncompressed bytes fetched at once, so that memory does not grow with the box."""


_AXES_MAX = 60
"""numpy arrays have at most 64 axes."""


class _Pixels(Protocol):
    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None: ...

    def announce(self, box: PixelBox) -> None: ...


class ImageHDU:
    """An HDU with pixels, compressed or not.

    Parameters
    ----------
    number
        0 for the primary HDU.
    header
        Header as of an uncompressed image. Cards that break the standard are repaired or removed.
    """

    def __init__(self, number: int, header: TextHeader, pixels: _Pixels) -> None:
        self.number = number
        self.header = header
        self.name = str(header.get("EXTNAME", "")).strip().upper()
        """EXTNAME in upper case, or empty."""
        self.shape = image_shape(header)
        """Lengths of the axes in numpy's order: (..., ny, nx)."""
        self.dtype: np.dtype[Any] = np.dtype(_DTYPES[integer(header, "BITPIX")])
        """Big-endian, as in a FITS file."""
        self._pixels = pixels

    @property
    def rows(self) -> RowTable | None:
        """The table of the compressed rows; None if pixels are not stored in this way."""
        found = _row_pixels(self._pixels)
        return found.table if found else None

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        found = _row_pixels(self._pixels)
        return found.table_bytes if found else 0

    def use_index(self, index: Marks | None) -> None:
        """Set the restart index from which decoding of rows starts."""
        found = _row_pixels(self._pixels)
        if found:
            found.index = index

    def announce(self, box: PixelBox) -> None:
        """Announce that a box will be read soon, so that it is brought from disk meanwhile."""
        self._pixels.announce(box)

    def read(self, box: PixelBox) -> NDArray[np.generic]:
        """Read the raw, big-endian pixels of a box inside the image, shape (..., *box.shape)."""
        pixels = np.empty((*self.shape[:-2], *box.shape), self.dtype)
        self._pixels.read_into(box, pixels)
        return pixels

    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None:
        """Read the pixels of a box inside the image.

        Parameters
        ----------
        out : ndarray, shape (..., *box.shape), of this HDU's dtype
            The pixels of a row must be contiguous; the rows need not be.
        """
        self._pixels.read_into(box, out)


class FitsFile:
    """An open FITS file. Several threads may read at once.

    Parameters
    ----------
    source
        Bytes of the file; closed by `close`.

    Raises
    ------
    TileUnreadable
        If it is not a FITS file, or is damaged.
    SourceUnavailable
        If reading fails because disk or server are unavailable.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.label = source.label
        """Name of the file in messages, which never contain a server's path."""
        self._astropy = AstropyFile(source)
        with failures_explained(self.label):
            hdus = walk(source)
            self.primary = hdus[0].header
            self.images = tuple(self._images(hdus))

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        return self.source.table_bytes + sum(hdu.table_bytes for hdu in self.images)

    def close(self) -> None:
        """Close the file."""
        self._astropy.close()
        self.source.close()

    def _images(self, hdus: list[HDU]) -> Iterator[ImageHDU]:
        for hdu in hdus:
            if not (hdu.is_image or hdu.is_compressed_image):
                continue
            is_compressed = hdu.is_compressed_image
            prefix = "Z" if is_compressed else ""
            shape, bitpix = image_shape(hdu.header, prefix), integer(hdu.header, f"{prefix}BITPIX")
            if bitpix not in _DTYPES:
                raise TileUnreadable(f"damaged: {prefix}BITPIX of HDU {hdu.number} is {bitpix}")
            if len(shape) < 2 or 0 in shape:
                continue
            if len(shape) > _AXES_MAX:
                raise TileUnreadable(f"HDU {hdu.number} has {len(shape)} axes; at most {_AXES_MAX}")
            header = image_header(hdu.header) if is_compressed else hdu.header
            pixels = self._compressed(hdu) if is_compressed else _PlainPixels(self.source, hdu)
            yield ImageHDU(hdu.number, header, pixels)

    def _compressed(self, hdu: HDU) -> _Pixels:
        others = OtherPixels(self._astropy, self.source, hdu)
        scheme = row_scheme(hdu.header)
        if scheme is None:
            return others
        return _RowsOrOthers(RowPixels(self.source, hdu, scheme), others)


def open_fits(path: str, root: str = "", servers: "Servers | None" = None) -> FitsFile:
    """Open a FITS file by its path; raises the errors of `open_source` and of FitsFile."""
    source = open_source(path, root, servers)
    try:
        return FitsFile(source)
    except BaseException:
        source.close()
        raise


class _PlainPixels:
    """Uncompressed pixels."""

    def __init__(self, source: ByteSource, hdu: HDU) -> None:
        self._source = source
        self._start = hdu.start
        self._ny, self._nx = image_shape(hdu.header)[-2:]
        self._pixel_bytes = abs(integer(hdu.header, "BITPIX")) // 8

    def announce(self, box: PixelBox) -> None:
        row_bytes = self._nx * self._pixel_bytes
        self._source.announce(self._start + box.y0 * row_bytes, (box.y1 - box.y0) * row_bytes)

    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None:
        row_bytes = self._nx * self._pixel_bytes
        step = max(1, _PIECE_BYTES // (box.shape[1] * self._pixel_bytes))
        for number, plane in enumerate(np.ndindex(out.shape[:-2])):
            first = self._start + (number * self._ny + box.y0) * row_bytes
            first += box.x0 * self._pixel_bytes
            for y in range(0, box.shape[0], step):
                self._copy(first + y * row_bytes, row_bytes, out[plane][y : y + step])

    def _copy(self, first: int, row_bytes: int, out: NDArray[np.generic]) -> None:
        """Copy rows: the first byte of the first row, and the distance between rows in bytes."""
        length = out.shape[1] * out.itemsize
        if length == row_bytes:
            starts, lengths = np.array([first]), np.array([length * len(out)])
        else:
            starts = np.arange(len(out)) * row_bytes + first
            lengths = np.full(len(out), length)
        fetched, places = self._source.fetch(starts, lengths)
        heap = memoryview(fetched)
        steps = np.diff(places)
        if not len(steps) or (steps == steps[0]).all():
            step = int(steps[0]) if len(steps) else row_bytes
            strides = (step, out.itemsize)
            out[...] = np.ndarray(out.shape, out.dtype, heap, int(places[0]), strides)
            return
        for row, place in zip(out, places.tolist(), strict=True):
            row[...] = np.ndarray(row.shape, row.dtype, heap, place)


class _RowsOrOthers:
    """Compressed rows. astropy reads them if no decoder of our own can."""

    def __init__(self, rows: RowPixels, others: OtherPixels) -> None:
        self.rows = rows
        self._others = others
        self._has_decoder = True

    def announce(self, box: PixelBox) -> None:
        self.rows.announce(box)

    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None:
        if self._has_decoder:
            try:
                self.rows.read_into(box, out)
            except NoDecoder:
                self._has_decoder = False
            else:
                return
        self._others.read_into(box, out)


def _row_pixels(pixels: _Pixels) -> RowPixels | None:
    return pixels.rows if isinstance(pixels, _RowsOrOthers) else None
