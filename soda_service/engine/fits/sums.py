"""Sums over pixels: the checksum of the FITS standard, and the number of positive values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.engine import compiled

__all__ = ["count_positive", "sum32"]

_ALL_ONES = 0xFFFFFFFF


def sum32(data: Buffer) -> int:
    """Return the ones' complement sum of big-endian 32-bit words (FITS standard 4.0, appendix J).

    Parameters
    ----------
    data
        Contiguous; padded with zeros to a whole word.

    Returns
    -------
    int
        32 bits.
    """
    native = compiled.native
    return int(native.sum_words(data)) if native else _sum_words(data)


def _sum_words(data: Buffer) -> int:
    raw = np.frombuffer(memoryview(data).cast("B"), np.uint8)
    whole = raw.size // 4 * 4
    total = int(raw[:whole].view(">u4").sum(dtype=np.uint64))
    total += int.from_bytes(raw[whole:].tobytes().ljust(4, b"\0"), "big")
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def count_positive(values: NDArray[np.number[Any]]) -> int:
    """Return the number of values above 0; NaN does not count.

    Parameters
    ----------
    values
        Numbers of any type, shape and byte order. (Any: of any precision.)
    """
    native = compiled.native
    is_big = values.dtype.str in {">f4", ">f8"} and values.flags.c_contiguous
    if native and is_big:
        return int(native.count_positive(values, values.dtype.itemsize))
    return int(np.count_nonzero(values > 0))
