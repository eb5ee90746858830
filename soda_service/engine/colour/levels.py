"""Measurement of a band by the STIFF method: its sky, and its faint and bright levels.

All by rank, so results do not depend on the order of additions.
"""

import math
from dataclasses import dataclass

import numpy as np

from soda_service.engine import compiled
from soda_service.engine.colour.colour import Band, Plane

__all__ = ["Brightness", "measured"]

_PIECE_PX = 2_097_152
"""Number of pixels per piece. STIFF measures images in pieces and takes the median of them."""


@dataclass(frozen=True, slots=True)
class Brightness:
    """Values of a band, in its unit."""

    sky: np.float32
    """The median."""

    faint: np.float32
    """A quantile of the pixels fainter than the sky; the sky itself if none was requested."""

    bright: np.float32
    """A quantile of the pixels brighter than the sky."""


def measured(band: Band, *, bright: float, faint: float | None = None) -> Brightness:
    """Measure a band as the STIFF program does.

    Parameters
    ----------
    band : ndarray, shape (ny, nx)
        In FITS row order. NaN and infinite values are ignored; STIFF has no rule for them.
    bright, faint
        Quantiles of the upper and of the lower half of the values; clipped to 0..1.

    Returns
    -------
    Brightness
        All 0 if there are no finite values.
    """
    pixels = band.reshape(-1)
    pieces = []
    for start in range(0, pixels.size, _PIECE_PX):
        values = np.ascontiguousarray(pixels[start : start + _PIECE_PX], np.float32)
        counts = np.isfinite(values)
        values = values if counts.all() else values[counts]
        if values.size:
            pieces.append(_of_piece(values, bright, faint))
    if not pieces:
        return Brightness(*np.zeros(3, np.float32))
    return Brightness(*np.median(np.array(pieces, np.float32), axis=0))


def _of_piece(values: Plane, bright: float, faint: float | None) -> list[np.float32]:
    """Return sky, faint and bright level of a piece: at least one value, all finite."""
    count, half = values.size, values.size // 2
    ordered = values.copy()
    ordered.partition(half)
    lower, upper = ordered[:half], ordered[half:]
    sky = ordered[half]
    if count == 1:
        return [sky] * 3
    if count % 2 == 0:
        sky = (sky + lower.max()) / np.float32(2)
    rank = _rank(bright, half)
    upper.partition(rank)
    white = upper[rank]
    # The upper half of an odd number of values begins at the median; one value is left out.
    if count % 2 and not _left_out(values, ordered[half], white) > white:
        white = upper[rank + 1 :].min()
    if faint is None:
        return [sky, sky, white]
    rank = _rank(faint, half)
    lower.partition(rank)
    return [sky, lower[rank], white]


def _rank(quantile: float, half: int) -> int:
    """Return the rank of a quantile among `half` values, counted as in STIFF."""
    return math.floor(min(max(quantile * (half - 0.5001), 0), half - 1))


def _left_out(values: Plane, median: np.float32, enough: np.float32) -> np.float32:
    """Return the value that STIFF omits from the upper half of an odd number of values.

    This is the value that STIFF's selection of the median leaves in the last place. The selection
    uses Hoare's partition. The pivot is the median of the first, the middle and the last value; the
    largest of the three goes last and the pivot second. Values on the wrong side of the pivot are
    swapped from both ends. The selection continues with the part that holds the middle place. Once
    that is the left part, the last place no longer changes.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In the order of the image.
    median
        Median of these values: decides in advance on which side of most pivots it lies.
    enough
        Any result above this is equally good: the value in the last place only grows.
    """
    a = values.copy()
    native = compiled.native
    if native:
        return np.float32(native.left_out(a, float(median), float(enough)))
    low, high = 0, a.size - 1
    while high - low > 1:
        middle, second = (low + high) >> 1, low + 1
        a[middle], a[second] = a[second], a[middle]
        a[low], a[second], a[high] = sorted((a[low], a[second], a[high]))
        if a[second] > median or a[high] > enough:
            return np.float32(a[high])
        left, right = _partition(a, second, high)
        if right >= a.size // 2:
            return np.float32(a[high])
        low = left
    return np.float32(max(a[low], a[high]))


def _partition(a: Plane, first: int, last: int) -> tuple[int, int]:
    """Move values below the first value to its left, and values above it to its right.

    Parameters
    ----------
    a
        Changed between `first` and `last`. The value at `last` must not be below the first one.

    Returns
    -------
    left, right
        Positions of the two scans after they met.
    """
    pivot = a[first]
    high = np.flatnonzero(a[first + 1 : last + 1] >= pivot) + (first + 1)
    low = np.flatnonzero(a[first:last] <= pivot)[::-1] + first
    pairs = min(high.size, low.size)
    swaps = int(np.count_nonzero(high[:pairs] <= low[:pairs]))
    left, right = first, last
    if swaps:
        high, low = high[:swaps], low[:swaps]
        a[high], a[low] = a[low], a[high]
        left, right = int(high[-1]), int(low[-1])
    left += 1 + int(np.argmax(a[left + 1 : last + 1] >= pivot))
    right -= 1 + int(np.argmax(a[first:right][::-1] <= pivot))
    a[first], a[right] = a[right], pivot
    return left, right
