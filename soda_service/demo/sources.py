"""The synthetic sky: stars and galaxies with colours, the same in every band and every run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "Source", "make_sources", "paint"]

BANDS = ("g", "r", "i", "z", "Y")

PSF_FWHM_PX = 3.9
"""About 1 arcsec, as in the coadded images of the Dark Energy Survey."""

_MOFFAT_BETA = 3.0

# Flux in a band over that in r, from the bluest to the reddest; stars follow the first pair,
# galaxies the second (a spiral's disc, an elliptical).
_STARS = (
    {"g": 1.15, "r": 1.0, "i": 0.85, "z": 0.78, "Y": 0.75},
    {"g": 0.24, "r": 1.0, "i": 2.6, "z": 3.9, "Y": 4.6},
)
_GALAXIES = (
    {"g": 0.80, "r": 1.0, "i": 1.12, "z": 1.2, "Y": 1.22},
    {"g": 0.36, "r": 1.0, "i": 1.5, "z": 1.9, "Y": 2.1},
)


@dataclass(frozen=True, slots=True)
class Source:
    """One star or galaxy."""

    x: float
    """0-based pixel."""

    y: float
    flux: float
    """Counts in r, zero point 30."""

    redness: float
    """0 (blue) to 1 (red)."""

    radius_px: float = 0.0
    """Half-light radius; 0 for a star."""

    axis_ratio: float = 1.0
    angle_rad: float = 0.0
    bulge: float = 1.0
    """Part of the light in a red bulge; the rest is a blue disc."""

    arms: float = 0.0
    """Strength of two spiral arms."""


def make_sources(
    seed: int, shape: tuple[int, int], showpieces: NDArray[np.float64]
) -> tuple[Source, ...]:
    """Scatter sources over a tile, and put pretty galaxies at given places.

    Parameters
    ----------
    shape
        (ny, nx), pixels.
    showpieces : ndarray, shape (n, 2)
        (x, y), 0-based pixels: of each two the first is a spiral, the second an elliptical.
    """
    random = np.random.default_rng(seed)
    ny, nx = shape
    million = nx * ny / 1e6
    spirals = [
        Source(x, y, 9e4, 0.15, 22.0, 0.62, 0.7 + n, 0.22, 0.75)
        if n % 2 == 0
        else Source(x, y, 7e4, 0.95, 12.0, 0.75, 2.1 + n, 1.0)
        for n, (x, y) in enumerate(showpieces.tolist())
    ]

    def places(count: int) -> NDArray[np.float64]:
        return random.uniform((0, 0), (nx, ny), (count, 2))

    stars = [
        Source(x, y, min(300 * u**-1.1, 4e5), t)
        for (x, y), u, t in zip(
            places(int(70 * million)),
            random.uniform(1e-4, 1, int(70 * million)),
            random.beta(1.2, 1.0, int(70 * million)),
            strict=True,
        )
    ]
    galaxies = [_galaxy(random, x, y) for x, y in places(int(220 * million))]
    # A cluster of ellipticals: one red sequence, denser towards its middle.
    middle = random.uniform((0.3 * nx, 0.3 * ny), (0.7 * nx, 0.7 * ny))
    members = middle + random.standard_t(2.5, (int(2.5 * million) + 25, 2)) * 90
    cluster = [
        Source(x, y, 900 * random.pareto(1.3) + 900, 0.92, random.uniform(2, 7), *_tilt(random))
        for x, y in members
        if 0 <= x < nx and 0 <= y < ny
    ]
    return (*spirals, *stars, *galaxies, *cluster)


def _tilt(random: np.random.Generator) -> tuple[float, float]:
    return random.uniform(0.35, 1), random.uniform(0, np.pi)


def _galaxy(random: np.random.Generator, x: float, y: float) -> Source:
    flux = min(120 * random.uniform(2e-3, 1) ** -1.0, 6e4)
    radius_px = np.clip(0.28 * flux**0.42 * random.lognormal(0, 0.3), 1.2, 26)
    if random.uniform() < 0.3:
        return Source(x, y, flux, random.uniform(0.6, 1), radius_px * 0.7, *_tilt(random))
    bulge = random.uniform(0, 0.45)
    arms = 0.6 if radius_px > 6 else 0.0
    redness = random.uniform(0, 0.5)
    return Source(x, y, flux, redness, radius_px, *_tilt(random), bulge, arms)


def _mixed(pair: tuple[dict[str, float], dict[str, float]], redness: float, band: str) -> float:
    """Interpolate fluxes geometrically, so that magnitudes change evenly."""
    blue, red = pair
    return float(blue[band] ** (1 - redness) * red[band] ** redness)


def paint(image: NDArray[np.float32], source: Source, band: str) -> None:
    """Add a source to an image of a band.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float32
        Changed in place.
    """
    half = _half_size(source)
    x0, y0 = max(0, round(source.x) - half), max(0, round(source.y) - half)
    x1 = min(image.shape[1], round(source.x) + half + 1)
    y1 = min(image.shape[0], round(source.y) + half + 1)
    if x1 <= x0 or y1 <= y0:
        return
    dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(source.y)
    dx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(source.x)
    for flux, profile in _components(source, band, dx, dy):
        image[y0:y1, x0:x1] += np.float32(flux) * profile


def _half_size(source: Source) -> int:
    if not source.radius_px:
        return int(np.clip(6 + source.flux**0.36, 10, 120))
    return int(np.clip(6 * source.radius_px + 6, 12, 160))


def _components(
    source: Source, band: str, dx: NDArray[np.float32], dy: NDArray[np.float32]
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    if not source.radius_px:
        alpha = PSF_FWHM_PX / (2 * np.sqrt(2 ** (1 / _MOFFAT_BETA) - 1))
        norm = (_MOFFAT_BETA - 1) / (np.pi * alpha**2)
        profile = (1 + (dx**2 + dy**2) / alpha**2) ** -_MOFFAT_BETA
        yield source.flux * _mixed(_STARS, source.redness, band) * norm, profile
        return
    cos, sin = np.cos(source.angle_rad), np.sin(source.angle_rad)
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    # The seeing makes small things rounder and softer: added in quadrature to both axes.
    seeing = PSF_FWHM_PX / 2.4
    major = np.hypot(source.radius_px, seeing)
    minor = np.hypot(source.radius_px * source.axis_ratio, seeing)
    radius = np.sqrt((along / major) ** 2 + (across / minor) ** 2 + np.float32(0.01))
    area = 2 * np.pi * major * minor
    if source.bulge > 0:
        red = _mixed(_GALAXIES, max(source.redness, 0.9), band)
        scale = 1.0 if source.bulge == 1 else 0.45
        profile = np.exp(-3.67 * (radius / scale) ** 0.5)
        yield source.flux * source.bulge * red * 9.0 / (area * scale**2), profile
    if source.bulge < 1:
        blue = _mixed(_GALAXIES, source.redness, band)
        profile = np.exp(-1.68 * radius)
        if source.arms:
            turn = np.arctan2(across / minor, along / major) * 2 - 5.5 * np.log(radius + 0.2)
            # Arms are blue: they stand out more in g than in Y.
            strength = source.arms * {"g": 1.0, "r": 0.85, "i": 0.7, "z": 0.6, "Y": 0.55}[band]
            profile = profile * (1 + strength * np.cos(turn))
        yield source.flux * (1 - source.bulge) * blue * 1.68**2 / area, profile
