"""Pixels of images with rare compressions, read by astropy: other tilings, HCOMPRESS."""

import io
import math
import os
import threading
import warnings
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, override

from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels.hdus import HDU, image_shape, integer
from soda_service.pixels.source import ByteSource

__all__ = ["AstropyFile", "OtherPixels"]

_BUFFER_BYTES = 1 << 16
"""Bytes read ahead of compressed blocks, which are contiguous."""

_PAGE_BYTES, _PAGES = 1 << 18, 64
"""Page size for remote files; 16 MB in all."""

_BLOCKS_BYTES_MAX = 1 << 30
"""Limit for the blocks that a box touches: blocks of absurd sizes would fill the memory."""


class AstropyFile:
    """A file read by astropy, opened on first use.

    All reads share one position in the file, so its HDUs share a lock.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._hdulist: Any = None  # astropy is untyped

    def section(self, number: int, box: PixelBox) -> NDArray[np.generic]:
        """Read a box of a compressed HDU, raw, shape (..., *box.shape).

        Raises
        ------
        TileUnreadable
            If it cannot be decoded.
        SourceUnavailable, OSError
            If disk or server are unavailable.
        """
        try:
            with self._lock:
                part = self._hdu(number).section[..., box.y0 : box.y1, box.x0 : box.x1]
        except (MemoryError, SourceUnavailable, TileUnreadable):
            raise
        except Exception as error:  # codecs raise many types of exception, one of them private
            if isinstance(error, OSError) and error.errno is not None:
                raise  # an error of the system, not of a codec
            raise TileUnreadable(f"compressed pixels cannot be decoded: {error}") from error
        return np.asarray(part)

    def close(self) -> None:
        """Close the file."""
        if self._hdulist is not None:
            self._hdulist.close()

    def _hdu(self, number: int) -> Any:
        from astropy.io import fits  # takes 0.6 s, and few files need it
        from astropy.utils.exceptions import AstropyUserWarning

        with warnings.catch_warnings():
            # Warns about broken cards and missing padding, which were handled before.
            warnings.simplefilter("ignore", AstropyUserWarning)
            if self._hdulist is None:
                source = _Pages(self._source) if self._source.is_remote else self._source
                reader = io.BufferedReader(_Stream(source), _BUFFER_BYTES)
                self._hdulist = fits.open(reader, memmap=False, do_not_scale_image_data=True)
            return self._hdulist[number]


class OtherPixels:
    """Pixels of one HDU. Only the compressed blocks that a box touches are decoded."""

    def __init__(self, file: AstropyFile, source: ByteSource, hdu: HDU) -> None:
        self._file = file
        self._source = source
        self._hdu = hdu

    def announce(self, box: PixelBox) -> None:
        """Announce that a box will be read soon. Its position in the file is only estimated."""
        ny = image_shape(self._hdu.header, "Z")[-2]
        first, last = (self._hdu.size_bytes * y // ny for y in (box.y0, box.y1))
        self._source.announce(self._hdu.start + first, last - first)

    def read_into(self, box: PixelBox, out: NDArray[np.generic]) -> None:
        """Read a box, shape of `out` (..., *box.shape).

        Raises
        ------
        TileUnreadable
            If it cannot be decoded, or its blocks are too large.
        SourceUnavailable, OSError
            If disk or server are unavailable.
        """
        size_bytes = _touched_bytes(self._hdu, box)
        if size_bytes > _BLOCKS_BYTES_MAX:
            raise TileUnreadable(
                f"compressed blocks of {size_bytes} bytes; at most {_BLOCKS_BYTES_MAX} are read"
            )
        out[...] = self._file.section(self._hdu.number, box)


class _Bytes(Protocol):
    """Source of bytes for a file object."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, start: int, length: int) -> bytes: ...


class _Pages:
    """A remote file in pages, the last ones cached: astropy reads back and forth in small steps.

    Without pages, a cutout of 400 px from a tile of 0.4 MB made 585 requests for 19 MB.
    """

    def __init__(self, source: ByteSource) -> None:
        self.size_bytes = source.size_bytes
        self._page = lru_cache(maxsize=_PAGES)(lambda number: self._fetched(source, number))

    def read(self, start: int, length: int) -> bytes:
        first, last = start // _PAGE_BYTES, (start + length - 1) // _PAGE_BYTES
        content = b"".join(map(self._page, range(first, last + 1)))
        offset = start - first * _PAGE_BYTES
        return content[offset : offset + length]

    def _fetched(self, source: ByteSource, number: int) -> bytes:
        start = number * _PAGE_BYTES
        return source.read(start, min(_PAGE_BYTES, self.size_bytes - start))


class _Stream(io.RawIOBase):
    """A byte source as a file object."""

    def __init__(self, source: _Bytes) -> None:
        self._source = source
        self._position = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        ends = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size_bytes}
        self._position = ends[whence] + offset
        return self._position

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        with memoryview(buffer) as view:
            length = min(len(view), max(0, self._source.size_bytes - self._position))
            if length:
                view[:length] = self._source.read(self._position, length)
        self._position += length
        return length


def _touched_bytes(hdu: HDU, box: PixelBox) -> int:
    """Return the size of the pixels in the blocks that a box touches."""
    shape = image_shape(hdu.header, "Z")
    sides = list(shape[:-2])
    for axis, first, last in ((2, box.y0, box.y1), (1, box.x0, box.x1)):
        length = shape[-axis]
        block = integer(hdu.header, f"ZTILE{axis}", length if axis == 1 else 1)
        if block < 1:
            raise TileUnreadable(f"damaged: ZTILE{axis} is {block}")
        sides.append(min(length, -(-last // block) * block) - first // block * block)
    return math.prod(sides) * abs(integer(hdu.header, "ZBITPIX")) // 8
