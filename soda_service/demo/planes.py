"""The image planes of a synthetic tile: sky, noise, exposures, a saturated star, mask."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.demo.painting import paint
from soda_service.demo.sources import BANDS, Source, flux_in

__all__ = ["SATURATION", "BrightStar", "make_planes"]

Pixels = NDArray[np.float32]
Mask = NDArray[np.int32]

_SIGMA = {"g": 2.6, "r": 4.0, "i": 5.6, "z": 8.9, "Y": 14.0}
"""Noise of a pixel at zero point 30: the median of 1/sqrt(WGT) in real DES DR1 coadds (griz)."""

SATURATION = 3.0e4

_SATURATED, _INTERPOLATED, _COSMIC_RAY, _STAR, _TRAIL, _STREAK = 2, 4, 16, 32, 64, 1024
"""Bits of the mask, as the Dark Energy Survey numbers them."""

_EXPOSURES = 8
_CCD_PX = (2048, 4096)
_GAP_PX = (201, 153)


@dataclass(frozen=True, slots=True)
class BrightStar:
    """A star too bright for the camera: it saturates, bleeds along its row, and scatters light."""

    x: int
    y: int
    flux: float = 2.5e8
    """Counts in r: magnitude 9."""

    bleed_px: int = 260
    """Length of the trail to either side; less than a fifth of the tile. A row of WGT that is
    mostly 0 cannot be quantised: astropy then takes gzip, and puts the time of day into it."""


def make_planes(
    shape: tuple[int, int],
    band: str,
    seed: int,
    *,
    sources: Iterable[Source],
    bright_star: BrightStar,
) -> dict[str, Pixels | Mask]:
    """Make SCI, MSK and WGT of a tile in a band; the same arguments give the same pixels.

    Parameters
    ----------
    shape
        (ny, nx), pixels.
    """
    random = np.random.Generator(np.random.SFC64([seed, BANDS.index(band)]))
    weight = _weight(shape, random)
    science = _noise(shape, random)
    science /= np.sqrt(weight)
    science *= np.float32(_SIGMA[band])
    weight *= np.float32(_SIGMA[band] ** -2)
    paint(science, sources, band)
    _add_glare(science, bright_star, band)
    mask = _defects(shape, random)
    _saturate(science, mask, bright_star, random)
    weight[(mask & _TRAIL) != 0] = 0
    return {"SCI": science, "MSK": mask, "WGT": weight}


def _noise(shape: tuple[int, int], random: np.random.Generator) -> Pixels:
    """Return noise of unit variance, weakly correlated between neighbours as after resampling."""
    ny, nx = shape
    share = np.float32(0.3)
    white = random.standard_normal((ny + 2, nx + 2), dtype=np.float32)
    white *= np.float32(1 / (1 + 2 * 0.3**2))
    rows = white[1:-1] + share * (white[2:] + white[:-2])
    return np.asarray(rows[:, 1:-1] + share * (rows[:, 2:] + rows[:, :-2]), dtype=np.float32)


def _weight(shape: tuple[int, int], random: np.random.Generator) -> Pixels:
    """Return the number of dithered exposures per pixel, CCD by CCD, scaled to a median of 1.

    One more exposure covers everything, so that no gap goes through all of them. A grain of
    0.2 % is in real weight maps too, and keeps rows from being constant.
    """
    weight = random.standard_normal(shape, dtype=np.float32)
    weight *= np.float32(0.015)
    weight += np.float32(2)
    for _ in range(_EXPOSURES):
        depth = random.uniform(0.7, 1.3)
        starts = [
            np.arange(-random.integers(0, ccd + gap), size, ccd + gap)
            for size, ccd, gap in zip(shape, _CCD_PX, _GAP_PX, strict=True)
        ]
        for y in starts[0]:
            for x in starts[1]:
                rows = slice(max(0, y), max(0, y + _CCD_PX[0]))
                columns = slice(max(0, x), max(0, x + _CCD_PX[1]))
                weight[rows, columns] += np.float32(depth * random.normal(1, 0.03))
    return np.asarray(weight / np.median(weight[::7, ::7]), dtype=np.float32)


def _add_glare(science: Pixels, star: BrightStar, band: str) -> None:
    """Add the light that a bright star scatters: its image, an aureole, four spikes."""
    point = Source("star", star.x, star.y, star.flux, 0.35)
    paint(science, (point,), band)
    flux = flux_in(point, band)
    (rows, dy), (columns, dx) = (
        _window(centre, 900, size)
        for centre, size in zip((star.y, star.x), science.shape, strict=True)
    )
    dy = dy[:, None]
    r2 = dx**2 + dy**2
    glare = np.float32(flux * 1.1e-5) / (1 + r2 / 64) ** 1.15
    for across in (dx - dy, dx + dy):
        # The spikes of the telescope's spider run along the diagonals.
        spike = np.exp(-np.abs(across) / 2.5) / (1 + r2 / 400)
        glare += np.float32(flux * 4e-6) * spike
    science[rows, columns] += glare * np.clip(3 - r2 / 270_000, 0, 1)


def _window(centre: int, reach: int, size: int) -> tuple[slice, Pixels]:
    """Return the part of an axis within reach of a pixel, and the offsets from that pixel."""
    part = slice(max(0, centre - reach), min(size, centre + reach))
    return part, (np.arange(part.start, part.stop) - centre).astype(np.float32)


def _defects(shape: tuple[int, int], random: np.random.Generator) -> Mask:
    """Mark repaired pixels: bad columns, cosmic rays, the streak of a satellite."""
    ny, nx = shape
    mask = np.zeros(shape, dtype=np.int32)
    for x, y in random.integers(0, (nx, ny), (12, 2)):
        mask[y : y + 400, x] |= _INTERPOLATED
    for x, y in random.integers(0, (nx - 8, ny - 8), (nx // 40, 2)):
        mask[y + np.arange(8) // 2, x + np.arange(8)] |= _COSMIC_RAY
    start, slope = random.uniform(0.2, 0.7) * ny, random.uniform(-0.2, 0.2)
    columns = np.arange(nx)
    middle = np.rint(start + slope * columns).astype(int)
    for offset in range(-3, 4):
        rows = np.clip(middle + offset, 0, ny - 1)
        mask[rows, columns] |= _STREAK
    return mask


def _saturate(science: Pixels, mask: Mask, star: BrightStar, random: np.random.Generator) -> None:
    """Clip saturated pixels, and add the bleed trail of the bright star."""
    (rows, dy), (columns, dx) = (
        _window(centre, star.bleed_px, size)
        for centre, size in zip((star.y, star.x), science.shape, strict=True)
    )
    dy = dy[:, None]
    trail = np.abs(dy) < 0.4 + 4.5 * np.sqrt(1 - (dx / star.bleed_px) ** 2)
    mask[rows, columns] |= np.where(trail, _TRAIL | _SATURATED, 0)
    mask[rows, columns] |= np.where(dx**2 + dy**2 < 110**2, _STAR, 0)
    level = random.uniform(0.92, 1.05, trail.shape).astype(np.float32) * np.float32(SATURATION)
    science[rows, columns] = np.where(trail, level, science[rows, columns])
    mask[science >= np.float32(SATURATION)] |= _SATURATED
    np.minimum(science, np.float32(1.05 * SATURATION), out=science)
