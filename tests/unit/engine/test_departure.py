"""The figure in docs/api.md: how wrong a cutout's WCS was that moved CRVAL and kept CD."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

SCALE_DEG = 0.263 / 3600
SIZE = 2738  # 12 arcmin


def tile(dec_deg: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [20.0, dec_deg]
    wcs.wcs.crpix = [5000.5, 5000.5]
    wcs.wcs.cd = np.diag([-SCALE_DEG, SCALE_DEG])
    return wcs


@pytest.mark.parametrize(("dec_deg", "worst_arcsec"), [(-67.0, 5.7), (3.6, 0.16)], ids=str)
def test_error_at_the_corners_of_a_moved_crval(dec_deg: float, worst_arcsec: float) -> None:
    parent = tile(dec_deg)
    # The cutout that lies in the tile's corner farthest from its centre, as far as it can.
    x0, y0 = (10000 - SIZE, 0) if dec_deg < 0 else (10000 - SIZE, 10000 - SIZE)
    moved = tile(dec_deg)
    middle = (SIZE - 1) / 2
    moved.wcs.crval = parent.wcs_pix2world([[x0 + middle, y0 + middle]], 0)[0]
    moved.wcs.crpix = [middle + 1, middle + 1]
    corners = np.array([[0, 0], [0, SIZE - 1], [SIZE - 1, 0], [SIZE - 1, SIZE - 1]], dtype=float)
    true = SkyCoord(parent.wcs_pix2world(np.add(corners, [x0, y0]), 0), unit="deg")
    told = SkyCoord(moved.wcs_pix2world(corners, 0), unit="deg")
    assert true.separation(told).arcsec.max() == pytest.approx(worst_arcsec, rel=0.15)
