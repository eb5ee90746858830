"""Linear values to 8-bit grey levels by a power law, with a table instead of powers."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.colour.colour import Picture, Plane

__all__ = ["GreyLevels", "grey_levels"]

_BITS_OF_1 = 0x3F800000
_WIDEST_BIN = 23
"""Maximum number of significant bits in a bin: those of the mantissa."""


@dataclass(frozen=True, slots=True, eq=False)
class GreyLevels:
    """Bins of float32 values with equal leading bits, each with at most one level threshold."""

    first: int
    """Bits of the first float in the first bin, which is below all thresholds."""

    shift: int
    """Number of trailing bits that count within a bin."""

    entries: NDArray[np.uint32]
    """For each bin up to that of 1: the number to add to (bits of a value - `first`), modulo 2^32.
    The sum carries at the threshold, and its bits from `shift` on are the level."""

    def of(self, values: Plane, out: Picture) -> None:
        """Return the levels of values.

        Parameters
        ----------
        values : ndarray, shape (...)
            1 is white; NaN and values below 0 are black. Overwritten.
        out : ndarray, uint8, shape (...)
            Written to.
        """
        lowest = np.uint32(self.first).view(np.float32)
        # Not np.maximum, which keeps NaN.
        np.fmax(values, lowest, out=values)
        np.minimum(values, 1, out=values)
        bits = values.view(np.uint32)
        bits -= np.uint32(self.first)
        bits += self.entries.take((bits >> np.uint32(self.shift)).astype(np.intp))
        bits >>= np.uint32(self.shift)
        out[...] = bits


@lru_cache(maxsize=8)
def grey_levels(gamma: float) -> GreyLevels:
    """Return the levels floor(255 value^(1/gamma) + 0.5).

    Parameters
    ----------
    gamma
        0.001..10. Beyond that, thresholds are no longer distinct in float32.
    """
    exact = ((np.arange(1, 256) - 0.5) / 255) ** gamma
    thresholds = exact.astype(np.float32)
    # The smallest float32 not below the threshold.
    thresholds = np.where(thresholds < exact, np.nextafter(thresholds, np.float32(2)), thresholds)
    bits = thresholds.view(np.uint32).astype(np.int64)
    shift = _WIDEST_BIN
    while np.any(np.diff(bits >> shift) == 0):
        shift -= 1
    starts = np.arange((bits[0] >> shift) - 1, (_BITS_OF_1 >> shift) + 1) << shift
    levels = np.searchsorted(bits, starts, side="right")
    within = np.append(bits, np.iinfo(np.int64).max)[levels] - starts
    width = 1 << shift
    entries = np.where(within < width, (levels + 1) * width - within, levels * width)
    entries -= starts - starts[0]
    return GreyLevels(int(starts[0]), shift, entries.astype(np.uint32))
