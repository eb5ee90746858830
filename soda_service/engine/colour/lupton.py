"""Three bands into a colour picture by the method of Lupton et al. (2004, PASP 116, 133).

The compiled loop and numpy do the same operations in the same order and give the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soda_service.engine import compiled
from soda_service.engine.colour.colour import Band, Picture, Plane, picture_for, strips
from soda_service.engine.colour.methods.lupton import ASINH, MINIMUM, STRETCH

__all__ = ["lupton", "paint"]

_THIRD = np.float32(1 / 3)
_LN_2 = np.float32(math.log(2))
_BITS_OF_1, _BITS_OF_SQRT_HALF, _MANTISSA_BITS = 0x3F800000, 0x3F3504F3, 23
_ONE_IS_LOST = np.float32(8192)
"""For larger u, 1 + u^2 equals u^2 in single precision."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    black: np.float32
    soften: np.float32
    slope: np.float32


def lupton(  # noqa: PLR0913 - the method has this many settings
    red: Band,
    green: Band,
    blue: Band,
    *,
    minimum: float,
    stretch: float,
    q: float,
    out: Picture | None = None,
) -> Picture:
    """Combine three bands by the method of Lupton et al. (2004, PASP 116, 133).

    The result equals that of `astropy.visualization.make_lupton_rgb` in single precision: at most
    one grey level apart, in fewer than one value of ten thousand.

    Parameters
    ----------
    red, green, blue : ndarray, shape (ny, nx)
        In the same unit; NaN where there is no value.
    minimum
        Value shown as black, in that unit.
    stretch
        Linear stretch, in that unit, > 0.
    q
        Softening of the asinh; 0 is replaced by 0.1, as in astropy.
    out : ndarray, shape (ny, nx, 3), uint8
        Output array, with any strides; by default a new array.

    Returns
    -------
    rgb : ndarray, shape (ny, nx, 3), uint8
        Black where a band is NaN or infinite, or where the result overflows single precision.

    Raises
    ------
    ValueError
        If the bands differ in shape, `stretch` or `q` is out of range, or `out` does not fit.
    """
    if not stretch > 0 or not q >= 0:
        raise ValueError(
            f"stretch is {stretch} and q {q}; expected a positive and a non-negative number"
        )
    bands = (red, green, blue)
    rgb = picture_for(bands, out)
    softening = 0.1 if q < 2.0**-23 else min(q, 1e10)
    # Pixels without a result are NaN here and become black.
    with np.errstate(all="ignore"):
        how = _Stretch(
            black=np.float32(minimum),
            soften=np.float32(softening / stretch),
            slope=np.float32(255 * 0.1 / math.asinh(0.1 * softening)),
        )
        for planes, part in strips(bands, rgb):
            _paint(planes, how, part)
    return rgb


def _paint(planes: Sequence[Plane], how: _Stretch, part: Picture) -> None:
    native = compiled.native
    if native:
        native.paint_lupton(*planes, float(how.black), float(how.soften), float(how.slope), part)
        return
    for channel, values in enumerate(_stretched([plane - how.black for plane in planes], how)):
        part[..., channel] = values


def _stretched(lit: list[Plane], how: _Stretch) -> list[Plane]:
    """Return fractional levels of three bands whose black is 0; the bands are overwritten."""
    red, green, blue = lit
    light = red + green
    light += blue
    light *= _THIRD
    factor = _area_sinh(np.maximum(light * how.soften, 0))
    factor *= how.slope
    factor /= light
    for band in lit:
        np.multiply(band, factor, out=band)
        np.maximum(band, 0, out=band)
    most = np.maximum(np.maximum(red, green), blue)
    is_over = most > 255
    if is_over.any():
        for band in lit:
            # Divided in this order, the brightest band is exactly 255, not slightly less.
            band[is_over] = band[is_over] / most[is_over] * np.float32(255)
    total = red + green
    total += blue
    is_hole = np.isnan(total)
    if is_hole.any():
        for band in lit:
            band[is_hole] = 0  # converting NaN to an integer differs between machines
    return lit


def _area_sinh(u: Plane) -> Plane:
    """Return asinh(u) for u >= 0, equal on all machines, to a relative error of 3e-7.

    asinh(u) is log(1 + y) with y = u + u^2 / (1 + sqrt(1 + u^2)), which is precise for small u. Let
    1 + y = 2^k m with m in sqrt(1/2)..sqrt(2). The rounding error of 1 + y is added to m - 1. Then
    log(m) = 2 artanh(s) with s = (m - 1) / (m + 1) is a series, of which five terms are enough.
    """
    root = np.minimum(u, _ONE_IS_LOST)
    root *= root
    root += 1
    np.sqrt(root, out=root)
    np.maximum(root, u, out=root)
    root += 1
    y = u / root
    y *= u
    y += u
    above = y + np.float32(1)
    np.subtract(above, 1, out=root)
    y -= root
    bits = above.view(np.uint32)
    exponent = (bits - np.uint32(_BITS_OF_SQRT_HALF)) >> np.uint32(_MANTISSA_BITS)
    shifted = exponent << np.uint32(_MANTISSA_BITS)
    bits -= shifted
    np.subtract(np.uint32(_BITS_OF_1), shifted, out=shifted)
    y *= shifted.view(np.float32)
    above -= 1
    above += y
    np.add(above, 2, out=y)
    above /= y
    square = np.multiply(above, above, out=y)
    series = square * np.float32(2 / 9)
    for term in (2 / 7, 2 / 5, 2 / 3):
        series += np.float32(term)
        series *= square
    series += 2
    series *= above
    series += exponent.view(np.int32).astype(np.float32) * _LN_2
    return series


def paint(bands: Sequence[Band], settings: Mapping[str, float], _: object, out: Picture) -> None:
    """Paint as `Method.paint` asks for it."""
    red, green, blue = bands
    minimum, stretch, q = (settings[name] for name in (MINIMUM, STRETCH, ASINH))
    lupton(red, green, blue, minimum=minimum, stretch=stretch, q=q, out=out)
