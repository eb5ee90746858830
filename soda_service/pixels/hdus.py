"""The HDUs of a FITS file: where their headers and data lie (FITS 4.0, sections 3, 4.4, 7).

Nothing that a file says of itself is trusted: sizes are checked against the file before anything
is read by them.
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
"""Read at once where headers are looked for: those of a file of few planes in a request or two."""

_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
_BYTES_MAX = 2**63 - 1
_IMAGES = frozenset({"IMAGE", "IUEIMAGE"})
_TABLES = frozenset({"BINTABLE", "A3DTABLE"})


@dataclass(frozen=True, slots=True, eq=False)
class HDU:
    """A header, and where its data lie."""

    number: int
    """0 for the primary HDU."""

    header: TextHeader
    start: int
    """First byte of the data."""

    size_bytes: int
    """Of the data, without padding."""

    @property
    def end(self) -> int:
        """First byte after the data, without padding."""
        return self.start + self.size_bytes

    @property
    def is_image(self) -> bool:
        """Whether the data are pixels as they are."""
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
        At least the primary one. What follows the last and is none is passed over (FITS 4.0, 3.5).

    Raises
    ------
    TileUnreadable
        When it is no FITS file, cut off (the padding of its last block may be missing), or tells
        absurd sizes.
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
    """Give a value that must be an integer.

    Raises
    ------
    TileUnreadable
        When it is none, or is missing and has no default.
    """
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TileUnreadable(f"damaged: {keyword} is {value!r}, no integer")
    return value


def image_shape(header: TextHeader, prefix: str = "") -> tuple[int, ...]:
    """Give the lengths of the axes in numpy's order: (..., ny, nx).

    Parameters
    ----------
    prefix
        `Z` for the image that a table of compressed blocks holds.

    Raises
    ------
    TileUnreadable
        When one is missing or absurd.
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
    """The headers of a file, read in steps that are kept for the next one."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._start = 0
        self._window = b""

    def peek(self, position: int) -> bytes:
        """Give the first 9 bytes of a place, or those that are there."""
        return self._part(position, 9)

    def read(self, position: int, number: int) -> tuple[TextHeader, int]:
        """Read a header; gives it, and where it ends."""
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
    """Give the size of the data (FITS 4.0, equations 1, 2 and 4)."""
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
