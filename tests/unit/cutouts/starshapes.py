"""Where stars lie in images, how bright and how wide they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FWHM = 2.3548
"""Of a Gaussian, in sigmas."""


@dataclass(frozen=True)
class StarShape:
    """What was measured of a star, pixels."""

    x: float
    y: float
    flux: float
    """In an aperture, sky subtracted."""

    fwhm_x: float
    fwhm_y: float


def measured(
    image: NDArray[np.floating], x: float, y: float, *, radius: int = 8, sigma: float = 1.4
) -> StarShape:
    """Measure a star near a pixel by moments under a Gaussian that grows to its size.

    The sky is a plane through the outermost pixels of a square of `2 * radius + 1` pixels around
    the star.
    """
    x0, y0 = round(x) - radius, round(y) - radius
    side = 2 * radius + 1
    stamp = image[y0 : y0 + side, x0 : x0 + side].astype(float)
    assert stamp.shape == (side, side), "the star is too near to the edge"
    ys, xs = np.mgrid[:side, :side].astype(float)
    stamp = stamp - _sky(stamp, xs, ys)
    at_x, at_y = x - x0, y - y0
    wide_x = wide_y = sigma
    for _ in range(30):
        off_x, off_y = xs - at_x, ys - at_y
        weighted = stamp * np.exp(-((off_x / wide_x) ** 2) / 2 - (off_y / wide_y) ** 2 / 2)
        weighted /= weighted.sum()
        at_x += 2 * (weighted * off_x).sum()
        at_y += 2 * (weighted * off_y).sum()
        # Under a weight of its own width a star looks narrower by the square root of 2.
        wide_x = float(np.sqrt(2 * (weighted * off_x**2).sum()))
        wide_y = float(np.sqrt(2 * (weighted * off_y**2).sum()))
    aperture = (xs - at_x) ** 2 + (ys - at_y) ** 2 < (0.8 * radius) ** 2
    flux = float(stamp[aperture].sum())
    return StarShape(x0 + at_x, y0 + at_y, flux, FWHM * wide_x, FWHM * wide_y)


def _sky(
    stamp: NDArray[np.floating], xs: NDArray[np.floating], ys: NDArray[np.floating]
) -> NDArray[np.floating]:
    rim = (xs % (len(xs) - 1) == 0) | (ys % (len(ys) - 1) == 0)
    terms = np.stack([np.ones_like(xs), xs, ys], axis=-1)
    plane = np.linalg.lstsq(terms[rim], stamp[rim], rcond=None)[0]
    sky: NDArray[np.floating] = terms @ plane
    return sky
