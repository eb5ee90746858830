"""Pictures as made by the STIFF program (E. Bertin): three bands in colour, one in grey.

The compiled loops and numpy do the same operations in the same order and give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.colour.colour import Band, Picture, Plane, picture_for, strips
from soda_service.engine.colour.greylevels import GreyLevels, grey_levels
from soda_service.engine.colour.levels import measured
from soda_service.engine.colour.methods.stiff import StiffSettings

__all__ = ["StiffSettings", "paint", "stiff"]

_THIRD = np.float32(1 / 3)
_FAINTEST = np.float32(1e-15)
"""Intensities up to this are black; so are infinite ones."""

_DEFAULTS = StiffSettings()


def stiff(
    bands: Sequence[Band],
    settings: StiffSettings = _DEFAULTS,
    *,
    out: Picture | None = None,
) -> Picture:
    """Make a picture as the STIFF program does, to within one grey level.

    Parameters
    ----------
    bands : sequence of ndarray, shape (ny, nx)
        Red, green and blue, or a single band; each in its own unit. Pixels that are NaN or infinite
        have no value and are ignored in the levels (the program has no rule for them).
    settings
        The program's options.
    out : ndarray, uint8, of the result's shape
        Output array, with any strides; by default a new array.

    Returns
    -------
    picture : ndarray, uint8, shape (ny, nx, 3), or (ny, nx) of one band
        Black where a band is NaN or infinite, or where the result overflows single precision. As in
        the program, a band without contrast (constant, or empty) makes the whole picture black.

    Raises
    ------
    ValueError
        If there are neither three bands nor one, they differ in shape, or `out` does not fit.
    """
    if len(bands) not in {1, 3}:
        raise ValueError(f"found {len(bands)} bands; a picture is made of one or three")
    picture = picture_for(bands, out)
    # Bands without contrast have infinite gain; pixels without a result are NaN, that is, black.
    with np.errstate(all="ignore"):
        scale = _scale(bands, settings)
        paint = _paint_grey if len(bands) == 1 else _paint
        for planes, part in strips(bands, picture):
            paint(planes, scale, settings, part)
    return picture


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """Conversion of pixels to values: 0 is black, 1 is white."""

    blacks: NDArray[np.float32]
    gains: NDArray[np.float32]
    levels: GreyLevels


def _scale(bands: Sequence[Band], settings: StiffSettings) -> _Scale:
    ends = np.array([_black_and_white(band, settings) for band in bands], np.float32)
    blacks, whites = ends[:, 0].copy(), ends[:, 1]
    return _Scale(blacks, np.float32(1) / (whites - blacks), grey_levels(settings.gamma))


def _black_and_white(band: Band, settings: StiffSettings) -> tuple[np.float32, np.float32]:
    black, white = np.float32(settings.min_level), np.float32(settings.max_level)
    if settings.min_type == "manual" and settings.max_type == "manual":
        return black, white
    faint = settings.min_level if settings.min_type == "quantile" else None
    found = measured(band, bright=settings.max_level, faint=faint)
    if settings.max_type == "quantile":
        white = found.bright
    if settings.min_type == "quantile":
        black = found.faint
    elif settings.min_type == "greylevel":
        # Rounded as in the program: this decides whether a constant band is black.
        grey = np.float32(np.float64(settings.min_level) ** settings.luminance_gamma)
        black = np.float32(np.float64(white * grey - found.sky) / (np.float64(grey) - 1))
    return black, white


def _paint(planes: Sequence[Plane], scale: _Scale, settings: StiffSettings, part: Picture) -> None:
    levels, native = scale.levels, compiled.native
    share = float(np.float32(settings.saturation / 3))
    if native and settings.luminance_gamma == 1:
        table = levels.entries, levels.first, levels.shift
        native.paint_stiff(*planes, scale.blacks, scale.gains, share, *table, part)
        return
    values = [
        (plane - black) * gain
        for plane, black, gain in zip(planes, scale.blacks, scale.gains, strict=True)
    ]
    red, green, blue = (np.maximum(value, 0) * _THIRD for value in values)
    light = red + green
    light += blue
    is_lit = (light > _FAINTEST) & (light < np.inf)
    for plane in planes:
        is_lit &= np.isfinite(plane)
    lit = is_lit.astype(np.float32)
    cap: Plane | np.float32 = np.float32(1)
    if settings.luminance_gamma != 1:
        brightened = light ** np.float32(1 / settings.luminance_gamma)
        cap = light / brightened
        lit *= brightened / light
    # Doubles, as in the program: where colours cancel to black, a high gamma shows rounding errors.
    red, green, blue = (np.minimum(value, cap).astype(np.float64) for value in values)
    for channel, (own, one, other) in enumerate(
        [(red, green, blue), (green, red, blue), (blue, red, green)]
    ):
        value = own * 2
        value -= one
        value -= other
        value *= share
        value += light
        levels.of(value.astype(np.float32) * lit, part[..., channel])


def _paint_grey(
    planes: Sequence[Plane], scale: _Scale, settings: StiffSettings, part: Picture
) -> None:
    (plane,), (black,), (gain,) = planes, scale.blacks, scale.gains
    native, levels = compiled.native, scale.levels
    if native and settings.luminance_gamma == 1:
        table = levels.entries, levels.first, levels.shift
        native.paint_grey(plane, float(black), float(gain), *table, part)
        return
    value = (plane - black) * gain
    value[~np.isfinite(plane)] = 0
    if settings.luminance_gamma != 1:
        np.maximum(value, 0, out=value)
        np.power(value, np.float32(1 / settings.luminance_gamma), out=value)
    levels.of(value, part)


def paint(
    bands: Sequence[Band], _: Mapping[str, float], settings: StiffSettings, out: Picture
) -> None:
    """Paint as `Method.paint` asks for it."""
    stiff(bands, settings, out=out)
