"""Three bands into one 8-bit colour image: the Lupton and the STIFF way.

Images come in FITS row order (row 0 at the bottom) and stay so. Imports numpy only.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["STRETCHES", "lupton", "stiff"]

_Band = NDArray[np.generic]
_Planes = NDArray[np.float32]
_Rgb = NDArray[np.uint8]

_BLOCK_PX = 1 << 15
"""Pixels worked on at a time: all arrays of a block stay in the cache, and memory stays flat."""

_STIFF_CHUNK_PX = 2_097_152
"""STIFF measures levels in pieces of so many pixels and takes the median of the pieces."""

_STIFF_MAX_QUANTILE = 0.999
_STIFF_GREY_LEVEL = np.float32(0.001)
_STIFF_GAMMA = np.float32(2.2)
_STIFF_SATURATION = np.float32(1.0)
_TINY_INTENSITY = np.float32(1e-15)


def lupton(
    red: _Band, green: _Band, blue: _Band, *, minimum: float, stretch: float, q: float
) -> _Rgb:
    """Join three bands by the method of Lupton et al. (2004, PASP 116, 133).

    The same as `astropy.visualization.make_lupton_rgb`, in single precision: at most one grey
    level apart, and that in fewer than one pixel of ten thousand.

    Parameters
    ----------
    red, green, blue : ndarray, shape (ny, nx)
        In one unit; NaN where there is no value.
    minimum
        Value shown as black, in that unit.
    stretch
        Linear stretch, in that unit, > 0.
    q
        Softening of the asinh; 0 is taken as 0.1, as astropy does.

    Returns
    -------
    rgb : ndarray, shape (ny, nx, 3), uint8
        Black where any band is NaN or infinite, or where single precision has no result.

    Raises
    ------
    ValueError
        When the bands differ in shape, or `stretch` or `q` is out of range.
    """
    if not stretch > 0 or not q >= 0:
        raise ValueError(f"stretch must be positive and q not negative, found {stretch} and {q}")
    softening = 0.1 if q < 2.0**-23 else min(q, 1e10)
    with np.errstate(over="ignore"):
        soften, black = np.float32(softening / stretch), np.float32(minimum)
    slope = np.float32(255 * 0.1 / math.asinh(0.1 * softening))

    def paint(bands: _Planes) -> None:
        bands -= black
        intensity = bands.sum(axis=0) / np.float32(3)
        is_lit = intensity > 0
        factor = np.arcsinh(intensity * soften) * slope
        np.divide(factor, intensity, out=factor, where=is_lit)
        factor[intensity <= 0] = 0
        bands *= factor
        np.maximum(bands, 0, out=bands)
        brightest = bands.max(axis=0)
        is_over = brightest > 255
        # Divided in this order, the brightest band comes out at 255 exactly, not just below.
        bands[:, is_over] = bands[:, is_over] / brightest[is_over] * np.float32(255)

    return _painted((red, green, blue), paint)


def stiff(red: _Band, green: _Band, blue: _Band) -> _Rgb:
    """Join three bands as the STIFF program (E. Bertin) does with its default settings.

    Levels per band: the sky is the median, white the 99.9 % quantile of what is brighter, and
    black lies so that the sky comes out at 0.1 % of full intensity; then a gamma of 2.2.

    Parameters
    ----------
    red, green, blue : ndarray, shape (ny, nx)
        Each in its own unit; NaN or infinite where there is no value. STIFF has no rule for
        that; here such pixels do not count for the levels.

    Returns
    -------
    rgb : ndarray, shape (ny, nx, 3), uint8
        Black where any band is NaN or infinite, or where single precision has no result. A
        band without contrast (constant, or empty) adds nothing.

    Raises
    ------
    ValueError
        When the bands differ in shape.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        levels = [_stiff_levels(band) for band in (red, green, blue)]
    low = np.array([level.black for level in levels], np.float32)[:, None]
    gain = np.array([level.gain for level in levels], np.float32)[:, None]

    def paint(bands: _Planes) -> None:
        bands -= low
        bands *= gain
        intensity = np.maximum(bands, 0).sum(axis=0) / np.float32(3)
        np.minimum(bands, 1, out=bands)
        # I + saturation/3 (2 v_a - v_b - v_c), with what the bands share taken out.
        shared = intensity - _STIFF_SATURATION / 3 * bands.sum(axis=0)
        bands *= _STIFF_SATURATION
        bands += shared
        np.maximum(bands, 0, out=bands)
        bands[:, intensity <= _TINY_INTENSITY] = 0
        np.power(bands, 1 / _STIFF_GAMMA, out=bands)
        bands *= 255
        bands += np.float32(0.5)

    return _painted((red, green, blue), paint)


@dataclass(frozen=True, slots=True)
class _Levels:
    black: np.float32
    gain: np.float32
    """1 / (white - black); 0 where there is no contrast."""


def _stiff_levels(band: _Band) -> _Levels:
    """Measure black and white of a band, piece by piece."""
    pixels = band.reshape(-1)
    pieces = [
        measured
        for start in range(0, pixels.size, _STIFF_CHUNK_PX)
        if (measured := _sky_and_white(pixels[start : start + _STIFF_CHUNK_PX]))
    ]
    if not pieces:
        return _Levels(np.float32(0), np.float32(0))
    sky, white = (np.float32(np.median(level)) for level in np.array(pieces, np.float32).T)
    black = (white * _STIFF_GREY_LEVEL - sky) / (_STIFF_GREY_LEVEL - 1)
    # A constant band has no contrast but what rounding makes of it.
    gain = np.float32(1) / (white - black) if white > sky else np.float32(0)
    return _Levels(black, gain)


def _sky_and_white(piece: _Band) -> tuple[float, float] | None:
    """Give the median of a piece, and the 0.999 quantile of the values above it."""
    values = piece.astype(np.float32)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    count, half = values.size, values.size // 2
    # Ranks as STIFF counts them; of a single value it takes that value.
    rank = max(0, math.floor(_STIFF_MAX_QUANTILE * (half - 0.5001)))
    white_at = min(count - 1, count - half + rank)
    values.partition(sorted({half, white_at}))
    sky = values[half]
    if count % 2 == 0:
        sky = (sky + values[:half].max()) / np.float32(2)
    return float(sky), float(values[white_at])


def _painted(bands: tuple[_Band, _Band, _Band], paint: Callable[[_Planes], None]) -> _Rgb:
    """Make a picture block by block.

    Parameters
    ----------
    paint
        Turns its (3, n) values into grey levels 0..255 (and fractions), in place.
    """
    shapes = [band.shape for band in bands]
    if not shapes[0] == shapes[1] == shapes[2]:
        raise ValueError(f"bands differ in shape: {shapes[0]}, {shapes[1]}, {shapes[2]}")
    pixels = [band.reshape(-1) for band in bands]
    rgb = np.empty((pixels[0].size, 3), np.uint8)
    for start in range(0, len(rgb), _BLOCK_PX):
        out = rgb[start : start + _BLOCK_PX]
        planes = np.empty((3, len(out)), np.float32)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            for plane, band in zip(planes, pixels, strict=True):
                plane[...] = band[start : start + _BLOCK_PX]
            has_value = np.isfinite(planes).all(axis=0)
            paint(planes)
        # What overflowed into NaN on the way has no grey level that is the same on all machines.
        has_value &= ~np.isnan(planes).any(axis=0)
        planes[:, ~has_value] = 0
        np.clip(planes, 0, 255, out=planes)
        out[...] = planes.T
    return rgb.reshape(*shapes[0], 3)


STRETCHES: Mapping[str, Callable[..., _Rgb]] = MappingProxyType({"lupton": lupton, "stiff": stiff})
"""The ways to make a colour picture, by the name that file names carry."""
