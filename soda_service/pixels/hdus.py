"""The HDUs of a FITS file: positions of headers and data (FITS 4.0, sections 3, 4.4, 7).

Sizes given in a file are not trusted: they are checked against the file's length before they are
used.
"""

from dataclasses import dataclass

import numpy as np

from soda_service.engine.fits.header import TextHeader
from soda_service.errors import TileUnreadable
from soda_service.pixels.source import ByteSource

__all__ = ["HDU", "image_shape", "integer", "walk"]

_BLOCK_BYTES = 2880
_HEADER_BLOCKS_MAX = 1000
"""36,000 cards."""

_STEP_BYTES = 1 << 16
"""Bytes read at once to find headers: one or two requests for a file of few planes."""

_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
_BYTES_MAX = 2**63 - 1
_IMAGES = frozenset({"IMAGE", "IUEIMAGE"})
_TABLES = frozenset({"BINTABLE", "A3DTABLE"})


@dataclass(frozen=True, slots=True, eq=False)
class HDU:
    """A header and the position of its data."""

    number: int
    """0 for the primary HDU."""

    header: TextHeader
    start: int
    """First byte of the data."""

    size_bytes: int
    """Length of the data in bytes, without padding."""

    @property
    def end(self) -> int:
        """First byte after the data, without padding."""
        return self.start + self.size_bytes

    @property
    def is_image(self) -> bool:
        """Whether the data are uncompressed pixels."""
        if self.number == 0:
            return self.header.get("SIMPLE") is True and self.header.get("GROUPS") is not True
        return _kind(self.header) in _IMAGES

    @property
    def is_compressed_image(self) -> bool:
        """Whether the data are a table of compressed blocks of pixels (FITS 4.0, 10.1)."""
        is_table = self.number > 0 and _kind(self.header) in _TABLES
        return is_table and self.header.get("ZIMAGE") is True


def walk(source: ByteSource) -> list[HDU]:
    """Find the HDUs of a file.

    Returns
    -------
    list of HDU
        At least the primary HDU. Anything after the last HDU is ignored (FITS 4.0, 3.5).

    Raises
    ------
    TileUnreadable
        If it is not a FITS file, is truncated (the padding of its last block may be missing), or
        gives absurd sizes.
    """
    if not source.size_bytes:
        raise TileUnreadable("Empty or corrupt FITS file")
    headers = _Headers(source)
    if headers.peek(0) != b"SIMPLE  =":
        raise TileUnreadable("No SIMPLE card found, this file does not appear to be FITS")
    found: list[HDU] = []
    position = 0
    while not found or headers.peek(position)[:8] == b"XTENSION":
        header, start = headers.read(position, len(found))
        hdu = HDU(len(found), header, start, _size_bytes(header, len(found)))
        if hdu.end > source.size_bytes:
            raise TileUnreadable(
                f"truncated: HDU {hdu.number} ends at byte {hdu.end}, "
                f"the file at {source.size_bytes}"
            )
        found.append(hdu)
        position = -(-hdu.end // _BLOCK_BYTES) * _BLOCK_BYTES
    return found


def integer(header: TextHeader, keyword: str, default: int | None = None) -> int:
    """Return the value of a card that must be an integer.

    Raises
    ------
    TileUnreadable
        If it is not an integer, or is missing and has no default.
    """
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TileUnreadable(f"damaged: {keyword} is {value!r}, not an integer")
    return value


def image_shape(header: TextHeader, prefix: str = "") -> tuple[int, ...]:
    """Return the lengths of the axes in numpy's order: (..., ny, nx).

    Parameters
    ----------
    prefix
        `Z` for the image in a table of compressed blocks.

    Raises
    ------
    TileUnreadable
        If a length is missing or absurd.
    """
    count = integer(header, f"{prefix}NAXIS")
    if not 0 <= count <= 999:
        raise TileUnreadable(f"damaged: {prefix}NAXIS is {count}; 0 to 999 are allowed")
    shape = []
    for axis in range(count, 0, -1):
        length = integer(header, f"{prefix}NAXIS{axis}")
        if not 0 <= length <= _BYTES_MAX:
            raise TileUnreadable(f"damaged: {prefix}NAXIS{axis} is {length}")
        shape.append(length)
    return tuple(shape)


class _Headers:
    """Reader of a file's headers, which reuses what it has read."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._start = 0
        self._window = b""

    def peek(self, position: int) -> bytes:
        """Return the first 9 bytes at a position, or fewer at the end of the file."""
        return self._part(position, 9)

    def read(self, position: int, number: int) -> tuple[TextHeader, int]:
        """Read a header; return it and the position of its end."""
        blocks: list[bytes] = []
        for _ in range(_HEADER_BLOCKS_MAX):
            block = self._part(position, _BLOCK_BYTES)
            position += _BLOCK_BYTES
            if len(block) < _BLOCK_BYTES:
                size_bytes = self._source.size_bytes
                raise TileUnreadable(
                    f"truncated: the file ends at byte {size_bytes}, in the header of HDU {number}"
                )
            blocks.append(block)
            if (np.frombuffer(block, "S80").astype("S8") == b"END     ").any():
                return TextHeader.from_bytes(b"".join(blocks)), position
        raise TileUnreadable(
            f"damaged: the header of HDU {number} has no END in {_HEADER_BLOCKS_MAX} blocks"
        )

    def _part(self, position: int, length: int) -> bytes:
        length = min(length, self._source.size_bytes - position)
        if length <= 0:
            return b""
        place = position - self._start
        if place < 0 or place + length > len(self._window):
            step = min(_STEP_BYTES, self._source.size_bytes - position)
            self._start, self._window = position, self._source.read(position, step)
            place = 0
        return self._window[place : place + length]


def _size_bytes(header: TextHeader, number: int) -> int:
    """Return the size of the data (FITS 4.0, equations 1, 2 and 4)."""
    bitpix = integer(header, "BITPIX")
    if bitpix not in _BITPIX:
        raise TileUnreadable(f"damaged: BITPIX of HDU {number} is {bitpix}")
    shape = image_shape(header)
    if not shape:
        return 0
    is_groups = number == 0 and header.get("GROUPS") is True and shape[-1] == 0
    count = 1
    for length in shape[: len(shape) - is_groups]:
        count *= length
    parameters, groups = integer(header, "PCOUNT", 0), integer(header, "GCOUNT", 1)
    size_bytes = abs(bitpix) // 8 * groups * (parameters + count)
    if parameters < 0 or groups < 0 or size_bytes > _BYTES_MAX:
        raise TileUnreadable(f"damaged: PCOUNT and GCOUNT of HDU {number}: {parameters}, {groups}")
    return size_bytes


def _kind(header: TextHeader) -> str:
    return str(header.get("XTENSION", "")).strip().upper()
