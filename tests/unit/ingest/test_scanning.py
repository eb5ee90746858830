"""What a file holds for a release: the sky of its images, by header alone."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from soda_service.errors import TileUnreadable
from soda_service.ingest.scanning import scan_file
from tests.unit.engine.projections import SHAPE, every_header
from tests.unit.skyimages import des_like_tile, noise, tan_header

HEADERS = every_header()
SKY = ["TAN", "ZPN", "AIT", "sip", "tpv", "latitude-first", "galactic", "fk5", "ra-0", "dec-60"]


def written(path: Path, header: fits.Header) -> Path:
    data = noise(tuple(header[f"NAXIS{axis}"] for axis in range(header["NAXIS"], 0, -1)))
    fits.PrimaryHDU(data, header).writeto(path)
    return path


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"CTYPE1": "X", "CTYPE2": "Y"}, r"^a\.fits: no celestial WCS: CTYPE1, CTYPE2 are X, Y$"),
        ({"D2IMERR1": 0.01}, r"^a\.fits: the WCS needs a lookup table \(D2IMERR1 = 0\.01\)"),
        ({"RADESYS": "GAPPT"}, r"^a\.fits: the WCS has reference system GAPPT; supported"),
        (
            {"CTYPE1": "RA---AIT", "CTYPE2": "DEC--AIT", "CRVAL2": 0.0, "CRPIX1": -1e7},
            r"^a\.fits: no pixel of the image lies on the sky$",
        ),
    ],
    ids=["linear", "lookup-table", "apparent", "off-the-sky"],
)
def test_images_that_show_no_sky(tmp_path: Path, cards: dict[str, object], message: str) -> None:
    with pytest.raises(TileUnreadable, match=message):
        scan_file(written(tmp_path / "a.fits", tan_header(SHAPE, **cards)))


@pytest.mark.parametrize("name", SKY)
def test_corners_are_where_astropy_has_them(tmp_path: Path, name: str) -> None:
    header = HEADERS[name]
    (layer,) = scan_file(written(tmp_path / "a.fits", header))
    ny, nx = SHAPE
    edges = [(-0.5, -0.5), (nx - 0.5, -0.5), (nx - 0.5, ny - 0.5), (-0.5, ny - 0.5)]
    expected = WCS(header).pixel_to_world(*np.transpose(edges)).icrs
    assert layer.footprint.corners is not None
    found = SkyCoord(layer.footprint.corners, unit="deg")
    assert found.separation(expected).deg.max() < 1e-9
    centre = WCS(header).pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
    own = SkyCoord(layer.footprint.ra_deg, layer.footprint.dec_deg, unit="deg")
    assert own.separation(centre).deg < 1e-9
    assert layer.footprint.shape == SHAPE


def test_planes_of_a_compressed_tile(tmp_path: Path) -> None:
    (layer,) = scan_file(des_like_tile(tmp_path / "a.fits.fz"))
    assert [(plane.role, plane.hdu) for plane in layer.planes] == [
        ("SCI", 1),
        ("MSK", 2),
        ("WGT", 3),
    ]
    assert layer.footprint.scale_arcsec == pytest.approx((0.263, 0.263), rel=1e-9)
    assert layer.footprint.size_arcmin == pytest.approx((100 * 0.263 / 60, 80 * 0.263 / 60))


def _several(path: Path, *parts: tuple[str, bool]) -> Path:
    """Write image HDUs of equal size: their names, and whether they have a WCS."""
    hdus: list[object] = [fits.PrimaryHDU()]
    for value, (name, has_wcs) in enumerate(parts):
        header = tan_header(SHAPE) if has_wcs else None
        hdus.append(fits.ImageHDU(np.full(SHAPE, value, "f4"), header, name=name))
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize(
    ("parts", "planes"),
    [
        ([("ERR", True), ("SCI", True)], {"SCI": 2, "ERR": 1}),
        ([("MASK", True), ("IMAGE", True)], {"SCI": 2, "MSK": 1}),
        ([("WHT", True), ("SCIENCE", True)], {"SCI": 2, "WGT": 1}),
        ([("DQ", True), ("DATA", True)], {"SCI": 2, "MSK": 1}),
        ([("VARIANCE", True), ("X", True)], {"SCI": 2, "VAR": 1}),
        ([("SCI", True), ("ERR", False), ("WHT", False)], {"SCI": 1, "ERR": 2, "WGT": 3}),
        ([("SCI", True), ("VAR_POISSON", False)], {"SCI": 1, "VAR_POISSON": 2}),
    ],
    ids=str,
)
def test_the_science_plane_is_the_one_that_says_so(
    tmp_path: Path, parts: list[tuple[str, bool]], planes: dict[str, int]
) -> None:
    """Data F12 and F13: layouts of JWST's i2d and cal, and of others."""
    (layer,) = scan_file(_several(tmp_path / "a.fits", *parts))
    assert {plane.role: plane.hdu for plane in layer.planes} == planes
    assert layer.planes[0].role == "SCI"


def test_an_error_map_is_no_science_image(tmp_path: Path) -> None:
    """Data F01 (drizzlepac#1367): the SCI of Hubble's flc files needs lookup tables."""
    path = tmp_path / "a_flc.fits"
    sci = tan_header(SHAPE, CPDIS1="LOOKUP", CPDIS2="LOOKUP")
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(noise(SHAPE), sci, name="SCI"),
            fits.ImageHDU(noise(SHAPE), tan_header(SHAPE), name="ERR"),
            fits.ImageHDU(noise(SHAPE), tan_header(SHAPE), name="DQ"),
        ]
    ).writeto(path)
    with pytest.raises(TileUnreadable, match=r"^a_flc\.fits: the WCS needs a lookup table"):
        scan_file(path)


def test_each_image_that_is_omitted_is_told(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = _several(tmp_path / "a.fits", ("PSF", False), ("SCI", True))
    (layer,) = scan_file(path, warnings)
    assert layer.planes[0].hdu == 2
    assert warnings == [
        "a.fits: HDU 1 (PSF) is omitted: no celestial WCS: CTYPE1, CTYPE2 are none, none"
    ]
