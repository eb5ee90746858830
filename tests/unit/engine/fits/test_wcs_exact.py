"""A cutout's WCS is its tile's, for every projection: judged by astropy's WCS alone."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import PixelBox
from tests.unit.engine.projections import every_header
from tests.unit.skyimages import tan_header

HEADERS = every_header()
BOXES = {"inside": PixelBox(17, 61, 23, 88), "beyond": PixelBox(-9, 40, -30, 130)}


def cut(header: Header, box: PixelBox) -> Header:
    """Give the header of a cutout, read anew from its bytes."""
    plane = TextHeader.from_astropy(header)
    template = HeaderTemplate(plane, primary=None, is_primary=True, role="SCI")
    return Header.fromstring(template.render(box))


def cutout(header: Header, box: PixelBox) -> WCS:
    """Give the WCS of a cutout."""
    return WCS(cut(header, box), naxis=2)


def places(box: PixelBox) -> NDArray[np.float64]:
    """Spread pixel coordinates of a cutout over it, edges included, shape (n, 2)."""
    ny, nx = box.shape
    ys, xs = np.mgrid[-0.5 : ny : ny / 10, -0.5 : nx : nx / 10]
    return np.column_stack([xs.ravel(), ys.ravel()])


def separation_deg(wcs: WCS, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give the largest distance on the sky between positions of a WCS, shape (n, 2)."""
    lng, lat = wcs.wcs.lng, wcs.wcs.lat
    a, b = (SkyCoord(sky[:, lng], sky[:, lat], unit="deg") for sky in (one, other))
    return float(a.separation(b).deg.max())


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.filterwarnings("ignore:cdelt will be ignored:RuntimeWarning")
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("name", HEADERS)
def test_same_sky_at_every_pixel_and_same_pixel_for_it(name: str, box: PixelBox) -> None:
    tile, own = WCS(HEADERS[name], naxis=2), cutout(HEADERS[name], box)
    pixels = places(box)
    sky = tile.all_pix2world(np.add(pixels, (box.x0, box.y0)), 0)
    assert np.isfinite(sky).all()
    assert separation_deg(tile, own.all_pix2world(pixels, 0), sky) < 1e-9
    there = tile.all_world2pix(sky, 0, tolerance=1e-8, maxiter=50) - (box.x0, box.y0)
    here = own.all_world2pix(sky, 0, tolerance=1e-8, maxiter=50)
    assert np.hypot(*(here - there).T).max() < 1e-6
    if name != "CSC":  # whose two directions differ by arcseconds, by its definition
        assert np.hypot(*(here - pixels).T).max() < 1e-6


@pytest.mark.parametrize(
    ("dec_deg", "moved_arcsec"), [(-60.0, 4.2), (-67.0, 5.7), (3.6, 0.16)], ids=str
)
def test_twelve_arcminutes_at_a_tiles_corner(dec_deg: float, moved_arcsec: float) -> None:
    """A CRVAL moved to the cutout's centre, with the tile's CD, would be arcseconds off."""
    tile_size, size = 10000, 2738
    header = tan_header((tile_size, tile_size), ra_deg=20.0, dec_deg=dec_deg)
    y0 = 0 if dec_deg < 0 else tile_size - size
    box = PixelBox(y0, y0 + size, tile_size - size, tile_size)
    tile, own = WCS(header), cutout(header, box)
    edges = [(x, y) for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)]
    corners = np.array(edges)
    true = tile.all_pix2world(np.add(corners, (box.x0, box.y0)), 0)

    middle = (size - 1) / 2
    moved = WCS(header)
    moved.wcs.crval = tile.all_pix2world([[box.x0 + middle, box.y0 + middle]], 0)[0]
    moved.wcs.crpix = [middle + 1, middle + 1]

    off_arcsec = separation_deg(tile, moved.all_pix2world(corners, 0), true) * 3600
    assert off_arcsec == pytest.approx(moved_arcsec, rel=0.15)
    assert separation_deg(tile, own.all_pix2world(corners, 0), true) < 1e-9


def test_axes_beyond_the_second_are_kept() -> None:
    header = cut(HEADERS["cube"], BOXES["inside"])
    assert [header[f"NAXIS{axis}"] for axis in (1, 2, 3)] == [65, 44, 7]
    assert list(WCS(header).wcs.ctype) == ["RA---TAN", "DEC--TAN", "FREQ"]
