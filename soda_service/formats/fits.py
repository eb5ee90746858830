"""FITS files of cutouts: headers, pixels and checksums in one buffer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from soda_service.engine.fits.header import card_lines
from soda_service.engine.fits.headers import UNSET_SUM
from soda_service.engine.fits.sums import sum32

__all__ = ["FitsBuffer"]

_BLOCK_BYTES = 2880
_DTYPES = frozenset({"u1", "i2", "i4", "i8", "f4", "f8"})
_ALL_ONES = 0xFFFFFFFF
_CHECKSUM = f"CHECKSUM= '{UNSET_SUM}'".encode()
_DATASUM = b"DATASUM = '"

_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")
"""Characters between digits and letters, which a CHECKSUM must not have."""


@dataclass(frozen=True, slots=True)
class _HDU:
    """Where an HDU lies in the buffer."""

    start: int
    data: int
    end: int


class FitsBuffer:
    """Builds FITS files in a buffer that is reused, since fresh memory costs more than decoding.

    The pages of a fresh buffer are zeroed one by one when they are first written to: 43 ms for
    the 90 MB of a 12' cutout.
    """

    def __init__(self) -> None:
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._hdus: list[_HDU] = []

    def begin(self) -> None:
        """Start a new file; the arrays and the buffer of the previous one become invalid."""
        self._hdus.clear()

    def add(self, header: bytes, shape: Sequence[int], dtype: DTypeLike) -> NDArray[np.generic]:
        """Add an HDU.

        Parameters
        ----------
        header
            Whole blocks, as `HeaderTemplate.render` makes them.
        shape
            Of the pixels, in numpy's order.
        dtype
            Of the pixels; they are big-endian in the file.

        Returns
        -------
        pixels : ndarray
            To be filled, before the next HDU is added.

        Raises
        ------
        ValueError
            If FITS does not support the type of the pixels.
        """
        pixel = np.dtype(dtype).newbyteorder(">")
        if pixel.str[1:] not in _DTYPES:
            raise ValueError(f"FITS has no pixels of type {pixel}")
        start = self._hdus[-1].end if self._hdus else 0
        data = start + len(header)
        size = math.prod(shape) * pixel.itemsize
        end = data + -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
        self._reserve(start, end)
        self._bytes[start:data] = np.frombuffer(header, np.uint8)
        self._bytes[data + size : end] = 0
        self._hdus.append(_HDU(start, data, end))
        return self._bytes[data : data + size].view(pixel).reshape(shape)

    def _reserve(self, used: int, wanted: int) -> None:
        if wanted > len(self._bytes):
            larger = np.empty(max(wanted, 2 * len(self._bytes)), np.uint8)
            larger[:used] = self._bytes[:used]
            self._bytes = larger

    def finish(self) -> memoryview:
        """Fill in the checksums and return the whole file, valid until the next one is started.

        Raises
        ------
        ValueError
            If there is no HDU.
        """
        if not self._hdus:
            raise ValueError("a FITS file needs at least one image")
        for hdu in self._hdus:
            self._sum_up(hdu)
        return self._bytes[: self._hdus[-1].end].data

    def _sum_up(self, hdu: _HDU) -> None:
        """Write DATASUM and CHECKSUM (FITS 4.0, appendix J)."""
        header = self._bytes[hdu.start : hdu.data]
        text = header.tobytes()
        place = text.rindex(_CHECKSUM)
        datasum = sum32(self._bytes[hdu.data : hdu.end].data)
        self._put_datasum(header, text.index(_DATASUM, place), datasum)
        total = _folded(sum32(header.data) + datasum)
        checksum = np.frombuffer(_encoded(_ALL_ONES - total), np.uint8)
        value = place + len(_CHECKSUM) - 1 - len(UNSET_SUM)
        header[value : value + len(UNSET_SUM)] = checksum

    def _put_datasum(self, header: NDArray[np.uint8], place: int, datasum: int) -> None:
        card = card_lines("DATASUM", str(datasum), "sum of the data unit").encode()
        header[place : place + len(card)] = np.frombuffer(card, np.uint8)


def _folded(total: int) -> int:
    """Add what exceeds 32 bits at the low end, until nothing does."""
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def _encoded(value: int) -> bytes:
    """Write 32 bits as 16 letters and digits whose sum as words is that value plus zeros'.

    Each byte becomes four characters that add up to it above `0`, in four columns; punctuation
    is avoided by moving one unit between neighbours, and the result is turned by one place
    since the value of a CHECKSUM card begins in the fourth byte of a word.
    """
    columns = []
    for byte in value.to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        letters = [0x30 + quarter + rest, *[0x30 + quarter] * 3]
        for pair in (0, 2):
            while _PUNCTUATION.intersection(letters[pair : pair + 2]):
                letters[pair] += 1
                letters[pair + 1] -= 1
        columns.append(letters)
    text = bytes(columns[byte][row] for row in range(4) for byte in range(4))
    return text[-1:] + text[:-1]
