"""A sky that is known everywhere, to be cut into tiles: stars over a slope."""

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.wcs.footprint import pixel_to_sky, sky_grid

SIGMA_ARCSEC = 0.38
"""Of the stars; 1.45 pixels of 0.263 arcsec, as in a DES coadd of good seeing."""

PEAK = 100.0


class AnalyticSky:
    """Gaussian stars of peak 100 around a position, over a slope of 10 to 20.

    Parameters
    ----------
    radius_arcsec
        Half the width of the field that has stars.
    """

    def __init__(
        self, ra_deg: float, dec_deg: float, *, radius_arcsec: float = 30, stars: int = 60
    ) -> None:
        random = np.random.default_rng(5)
        offsets = np.radians(random.uniform(-radius_arcsec, radius_arcsec, (stars, 2)) / 3600)
        self._centre, east, north = _frame(ra_deg, dec_deg)
        self._north = north
        stars_at = self._centre + offsets[:, :1] * east + offsets[:, 1:] * north
        self._stars = stars_at / np.linalg.norm(stars_at, axis=1, keepdims=True)
        self._radius = np.radians(radius_arcsec / 3600)

    def at(self, ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the brightness of positions."""
        here = _vectors(ra_deg, dec_deg)
        values = 15 + 5 * (here @ self._north - self._centre @ self._north) / self._radius
        for star in self._stars:
            squared = ((here - star) ** 2).sum(axis=-1)
            values += PEAK * np.exp(-squared / 2 / np.radians(SIGMA_ARCSEC / 3600) ** 2)
        return values

    def image(self, header: fits.Header) -> NDArray[np.float32]:
        """Give what an image with a header shows of it."""
        y, x = np.mgrid[: header["NAXIS2"], : header["NAXIS1"]]
        return self.at(*pixel_to_sky(sky_grid(header), x, y)).astype(np.float32)


def _frame(ra_deg: float, dec_deg: float) -> tuple[NDArray[np.float64], ...]:
    ra = np.radians(ra_deg)
    centre = _vectors(np.array(ra_deg), np.array(dec_deg))
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    return centre, east, np.cross(centre, east)


def _vectors(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
