"""Sources to pixels: profiles, seeing, batches of equal stamps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from soda_service.demo.sources import Source, flux_in

__all__ = ["paint"]

Stamps = NDArray[np.float32]

_FWHM_PX = {"g": 4.3, "r": 3.9, "i": 3.6, "z": 3.5, "Y": 3.5}
"""Seeing: 1.13 arcsec in g, 0.92 in Y, as the coadds of the Dark Energy Survey have."""

_BETA = 3.0
_BATCH_PX = 1 << 20
"""Pixels painted at once: 4 MB an array, so that a few of them stay in the cache."""

_SMALLEST_PX, _LARGEST_PX = 16, 512
_PROFILES: Mapping[tuple[str, ...], Callable[[Stamps], Stamps]] = {
    ("bulge",): lambda radius: np.exp(-7.67 * np.sqrt(np.sqrt(radius))),  # de Vaucouleurs
    ("disc",): lambda radius: np.exp(-1.678 * radius),
    ("star", "knot"): lambda radius: np.exp(-0.69 * radius**2),
}
"""Brightness by radius; half of the light lies within 1. Points are a pixel wide."""

_DUST_BY_BAND = {"g": 1.0, "r": 0.72, "i": 0.53, "z": 0.41, "Y": 0.35}
_ARMS_BY_BAND = {"g": 1.0, "r": 0.88, "i": 0.76, "z": 0.68, "Y": 0.64}


def paint(image: NDArray[np.float32], sources: Iterable[Source], band: str) -> None:
    """Add sources to an image of a band, blurred by the band's seeing.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float32
        Changed in place. Sources may lie at its edge or outside.
    """
    lights = sorted(((_stamp_size(s, band), s) for s in sources), key=lambda pair: pair[0])
    for size, group in groupby(lights, key=lambda pair: pair[0]):
        seeing = np.fft.rfft2(_seeing(size, band)).astype(np.complex64)
        members = [source for _, source in group]
        at_once = max(1, _BATCH_PX // size**2)
        for start in range(0, len(members), at_once):
            batch = members[start : start + at_once]
            light = np.fft.rfft2(_profiles(batch, size, band))
            light *= seeing
            stamps = np.fft.irfft2(light, s=(size, size))
            _add(image, batch, stamps.astype(np.float32, copy=False))


def _stamp_size(source: Source, band: str) -> int:
    """Return a power of two such that the light outside is below the noise."""
    flux = flux_in(source, band)
    reach = 2.2 * flux**0.25 if source.kind in {"star", "knot"} else 3.0 * source.radius_px
    needed = 2 * max(reach, source.radius_px * np.log(max(flux, 1.0)) * 0.45) + 8
    return int(np.clip(1 << int(np.ceil(np.log2(needed))), _SMALLEST_PX, _LARGEST_PX))


def _grid(size: int) -> NDArray[np.float32]:
    """Return pixel offsets from the middle pixel, `size // 2`."""
    return (np.arange(size) - size // 2).astype(np.float32)


def _seeing(size: int, band: str) -> NDArray[np.float32]:
    """Make the image of a point, of unit sum and with its middle at pixel (0, 0)."""
    alpha2 = (_FWHM_PX[band] / 2) ** 2 / (2 ** (1 / _BETA) - 1)
    axis = _grid(size)
    moffat = (1 + (axis[:, None] ** 2 + axis**2) / alpha2) ** -_BETA
    return np.fft.ifftshift(moffat * ((_BETA - 1) / (np.pi * alpha2))).astype(np.float32)


def _profiles(sources: Sequence[Source], size: int, band: str) -> Stamps:
    """Return the light of sources before the seeing, shape (n, size, size)."""
    number = _numbers(sources)
    axis = _grid(size)
    dx = axis[None, None, :] - number["x"]
    dy = axis[None, :, None] - number["y"]
    cos, sin = np.cos(number["angle_rad"]), np.sin(number["angle_rad"])
    u, across = dx * cos + dy * sin, dy * cos - dx * sin
    v = across / number["axis_ratio"]
    # The width of a pixel: no source, not even a star, is sharper.
    soft = np.float32(0.35)
    radius = np.sqrt((u**2 + v**2 + soft) / (number["radius_px"] ** 2 + soft))
    light = _light(sources, radius)
    if np.any(number["arms"]):
        light = light * _arms(np.arctan2(v, u), radius, number, band)
    if np.any(number["dust"]):
        light = light * _dust(u, across, number["dust"] * np.float32(_DUST_BY_BAND[band]))
    flux = np.array([flux_in(source, band) for source in sources], dtype=np.float32)
    light *= (flux / light.sum(axis=(1, 2)))[:, None, None]
    return light


def _numbers(sources: Sequence[Source]) -> Mapping[str, Stamps]:
    """Return the parameters of sources as columns that broadcast against stamps.

    Of x and y only what is left from the nearest pixel, which is each stamp's middle.
    """
    names = ("x", "y", "radius_px", "axis_ratio", "angle_rad", "arms", "winding", "dust")
    rows = np.array([[getattr(source, name) for name in names] for source in sources])
    rows[:, :2] -= np.rint(rows[:, :2])
    columns = rows.T[:, :, None, None].astype(np.float32)
    return dict(zip(names, columns, strict=True))


def _light(sources: Sequence[Source], radius: Stamps) -> Stamps:
    """Return the brightness of each source at radii in units of its half-light radius."""
    light = np.empty_like(radius)
    for kinds, profile in _PROFILES.items():
        chosen = np.array([source.kind in kinds for source in sources])
        light[chosen] = profile(radius[chosen])
    return light


def _arms(theta: Stamps, radius: Stamps, number: Mapping[str, Stamps], band: str) -> Stamps:
    """Brighten two narrow arms that begin outside the bulge, and darken the gaps between them."""
    phase = 2 * (theta - number["winding"] * np.log(radius + np.float32(0.05)))
    narrow = 2.4 * np.exp(1.6 * (np.cos(phase) - 1))
    strength = number["arms"] * np.float32(_ARMS_BY_BAND[band])
    return np.asarray(1 + strength * (1 - np.exp(-4.84 * radius**2)) * (narrow - 1), np.float32)


def _dust(along: Stamps, across: Stamps, depth: Stamps) -> Stamps:
    """Absorb light by a lane of dust, slightly in front of the centre."""
    lane = ((across - np.float32(1.2)) / np.float32(2.0)) ** 2 + np.abs(along) / np.float32(45)
    return np.asarray(np.exp(-depth * np.exp(-lane)), dtype=np.float32)


def _add(image: NDArray[np.float32], sources: Sequence[Source], stamps: Stamps) -> None:
    size, (ny, nx) = stamps.shape[1], image.shape
    for source, stamp in zip(sources, stamps, strict=True):
        y0, x0 = round(source.y) - size // 2, round(source.x) - size // 2
        rows, columns = slice(max(0, y0), min(ny, y0 + size)), slice(max(0, x0), min(nx, x0 + size))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = stamp[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
            image[rows, columns] += part
