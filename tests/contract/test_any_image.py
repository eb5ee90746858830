"""Any directory of FITS images: published and cut, whatever projection, axes, pixels and packing.

What is cut is compared with what astropy reads of the image itself: pixels bit for bit, and the
sky of the cutout's pixels.
"""

import io
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.ingest.publish import publish
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import Outcome, PlannedRow
from soda_service.sky.releases import Releases
from tests.unit.skyimages import noise, other_headers, tan_header

# What wcslib puts right by itself (old keywords, dates) is no fault of ours.
pytestmark = pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")

SHAPE = (80, 100)
SIZE_PX = (21, 14)
"""Width and height of every cutout: odd and even."""

AT_PX = [(50.2, 40.3), (49.5, 39.5), (27.9, 61.0)]
"""0-based pixels that are asked for; the second lies half-way between four."""

_BOX = re.compile(r"\[(\d+):(\d+),(\d+):(\d+)\]")


@dataclass(frozen=True)
class Made:
    """A cutout, beside the place that it was asked for."""

    x: float
    y: float
    outcome: Outcome
    files: dict[str, bytes]

    @property
    def content(self) -> bytes:
        (content,) = self.files.values()
        return content


def cut_all(folder: Path, wcs: WCS, *, tile: int = 0) -> list[Made]:
    """Publish a folder and cut at each of `AT_PX`, whose sky an image's WCS tells."""
    release = publish(folder, name="ANY", folder=folder / "releases").release
    index = Releases([folder / "releases"]).index(release)
    made = []
    for x, y in AT_PX:
        ra_deg, dec_deg = icrs(wcs, x, y)
        options = replace(
            default_options(release), xpix=SIZE_PX[0], ypix=SIZE_PX[1], colors_fits=("g",)
        )
        files: dict[str, bytes] = {}

        def save(path: str, data: object, files: dict[str, bytes] = files) -> None:
            files[path] = bytes(data)  # type: ignore[call-overload] # any buffer

        at = (ra_deg, dec_deg, ra_deg, dec_deg)
        row = PlannedRow(1, None, *at, index.names[tile], "", "J0", options)
        outcome = Cutter(TileGeometry(release, index, TileReader()), save).cut(row)
        made.append(Made(x, y, outcome, files))
    return made


def icrs(wcs: WCS, x: float, y: float) -> tuple[float, float]:
    """Give the ICRS position of a pixel by astropy's own means."""
    world = wcs.all_pix2world([[x, y]], 0)[0]
    frame = wcs_to_celestial_frame(wcs)
    there = SkyCoord(world[wcs.wcs.lng], world[wcs.wcs.lat], unit="deg", frame=frame).icrs
    return float(there.ra.deg), float(there.dec.deg)


def assert_same(made: Made, parent: NDArray[np.generic], wcs: WCS) -> None:
    """Compare a cutout with its parent's pixels (physical values) and sky."""
    assert (made.outcome.status, made.outcome.message) == ("ok", "")
    assert made.outcome.size_px == SIZE_PX
    with fits.open(io.BytesIO(made.content), checksum=True) as file:
        file.verify("exception")
        header = file[0].header
        x1, x2, y1, y2 = map(int, _BOX.match(header["PARBOX"]).groups())  # type: ignore[union-attr]
        # SPEC 3: the lower edge is ceil(p - n/2), p 0-based.
        where = wcs.all_world2pix(*np.transpose(wcs.all_pix2world([[made.x, made.y]], 0)), 0)
        x, y = (float(axis[0]) for axis in where)
        assert abs(x - made.x) < 1e-6
        for asked, first, last, n in ((x, x1, x2, SIZE_PX[0]), (y, y1, y2, SIZE_PX[1])):
            assert last - first + 1 == n
            edge = asked - n / 2
            # A half-way point comes back from the sky within rounding of either side.
            assert first - 1 in {math.ceil(edge - 1e-6), math.ceil(edge + 1e-6)}
        expected = parent[..., y1 - 1 : y2, x1 - 1 : x2]
        assert file[0].data.dtype.kind == expected.dtype.kind
        assert np.array_equal(file[0].data, expected, equal_nan=expected.dtype.kind == "f")
        own = WCS(header, naxis=2)
        columns, rows = (grid.ravel() for grid in np.meshgrid(range(SIZE_PX[0]), range(SIZE_PX[1])))
        found = own.all_pix2world(columns, rows, 0)
        told = wcs.all_pix2world(columns + x1 - 1, rows + y1 - 1, 0)
        assert np.abs((np.subtract(found, told) + 180) % 360 - 180).max() < 1e-9


# Projections and axes


def latitude_first() -> fits.Header:
    header = tan_header()
    header["CTYPE1"], header["CTYPE2"] = "DEC--TAN", "RA---TAN"
    header["CRVAL1"], header["CRVAL2"] = -20.0, 30.0
    header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = 0.0, 7e-5, -7e-5, 0.0
    return header


def ecliptic() -> fits.Header:
    return tan_header(CTYPE1="ELON-SIN", CTYPE2="ELAT-SIN", RADESYS="FK5", EQUINOX=2000.0)


HEADERS = other_headers() | {
    "mirrored": tan_header(is_mirrored=True),
    "latitude-first": latitude_first(),
    "fk5": tan_header(RADESYS="FK5", EQUINOX=2000.0),
    "fk4": tan_header(RADESYS="FK4", EQUINOX=1950.0),
    "galactic": tan_header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
    "near-the-pole": tan_header(dec_deg=89.95, ra_deg=200.0),
    "alternate": tan_header(CTYPE1A="LINEAR", CTYPE2A="LINEAR", CRPIX1A=3.0, CRPIX2A=-4.0),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_every_kind_of_sky(tmp_path: Path, kind: str) -> None:
    pixels, header = noise(SHAPE), HEADERS[kind]
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "field_g.fits")
    wcs = WCS(header, naxis=2)
    for made in cut_all(tmp_path, wcs):
        assert_same(made, pixels, wcs)
        if kind == "alternate":
            with fits.open(io.BytesIO(made.content)) as file:
                first_x = int(_BOX.match(file[0].header["PARBOX"])[1])  # type: ignore[index]
                assert file[0].header["CRPIX1A"] == 3.0 - (first_x - 1)


# Pixels

DTYPES = ["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4", "i1"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fits.fz"])
def test_every_kind_of_number(tmp_path: Path, dtype: str, suffix: str) -> None:
    if suffix == ".fits.fz" and dtype == "i8":
        pytest.skip("64-bit integers have no tile compression")
    low, high = (0, 200) if dtype.startswith("u") else (-100, 100)
    pixels = np.random.default_rng(4).integers(low, high, SHAPE).astype(dtype)
    path = tmp_path / f"field_g{suffix}"
    if suffix == ".fits.fz":
        lossless = {"quantize_level": 0.0} if dtype.startswith("f") else {}
        compression = "GZIP_2" if lossless else "RICE_1"
        hdu = fits.CompImageHDU(pixels, tan_header(), compression_type=compression, **lossless)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    else:
        fits.PrimaryHDU(pixels, tan_header()).writeto(path)
    for made in cut_all(tmp_path, WCS(tan_header(), naxis=2)):
        assert_same(made, pixels, WCS(tan_header(), naxis=2))


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "compressed"])
def test_scaled_integers_stay_raw(tmp_path: Path, is_packed: bool) -> None:
    raw = np.random.default_rng(5).integers(-300, 300, SHAPE).astype("i2")
    raw[40, 45:55] = -99
    header = tan_header(BSCALE=0.25, BZERO=10.0, BLANK=-99)
    plain = fits.PrimaryHDU(raw, tan_header())
    plain.header.update(BSCALE=0.25, BZERO=10.0, BLANK=-99)
    if is_packed:
        packed = fits.CompImageHDU(raw, tan_header(), compression_type="RICE_1")
        packed.header.update(BSCALE=0.25, BZERO=10.0, BLANK=-99)
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "field_g.fits.fz")
    else:
        plain.writeto(tmp_path / "field_g.fits")
    values = raw * np.float32(0.25) + np.float32(10.0)
    values[raw == -99] = np.nan
    wcs = WCS(tan_header(), naxis=2)
    for made in cut_all(tmp_path, wcs):
        assert_same(made, values, wcs)
        with fits.open(io.BytesIO(made.content), do_not_scale_image_data=True) as file:
            told = {name: file[0].header[name] for name in ("BITPIX", "BSCALE", "BZERO", "BLANK")}
            assert told == {"BITPIX": 16, **{n: header[n] for n in ("BSCALE", "BZERO", "BLANK")}}


@pytest.mark.parametrize("shape", [(3, *SHAPE), (2, 3, *SHAPE)], ids=["3-d", "4-d"])
@pytest.mark.parametrize("compression", [None, "RICE_1", "GZIP_1"])
def test_cubes_keep_their_other_axes(
    tmp_path: Path, shape: tuple[int, ...], compression: str | None
) -> None:
    pixels = np.random.default_rng(6).integers(0, 900, shape).astype("i4")
    header = tan_header()
    header["CTYPE3"], header["CRVAL3"], header["CRPIX3"] = "FREQ", 1.4e9, 1.0
    header["CDELT3"], header["CUNIT3"], header["CD3_3"] = 1e6, "Hz", 1e6
    if compression:
        hdu = fits.CompImageHDU(pixels, header, compression_type=compression)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "cube_g.fits.fz")
    else:
        fits.PrimaryHDU(pixels, header).writeto(tmp_path / "cube_g.fits")
    wcs = WCS(tan_header(), naxis=2)
    for made in cut_all(tmp_path, wcs):
        assert_same(made, pixels, wcs)
        with fits.open(io.BytesIO(made.content)) as file:
            assert file[0].shape == (*shape[:-2], SIZE_PX[1], SIZE_PX[0])
            spectral = {name: file[0].header[name] for name in ("CTYPE3", "CRVAL3", "CRPIX3")}
            assert spectral == {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0}


# Files


def test_images_on_different_skies_in_one_file(tmp_path: Path) -> None:
    far = tan_header(ra_deg=80.0)
    images = [noise(SHAPE, seed=seed) for seed in (1, 2)]
    hdus = [
        fits.ImageHDU(image, header, name=name)
        for image, header, name in zip(images, (tan_header(), far), ("A", "B"), strict=True)
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "both_g.fits")
    for tile, header in enumerate((tan_header(), far)):
        wcs = WCS(header, naxis=2)
        for made in cut_all(tmp_path, wcs, tile=tile):
            assert_same(made, images[tile], wcs)


def test_bands_on_different_grids(tmp_path: Path) -> None:
    finer = tan_header((160, 200), scale_arcsec=0.13)
    fits.PrimaryHDU(noise((160, 200), seed=3), finer).writeto(tmp_path / "field_r.fits")
    fits.PrimaryHDU(noise(SHAPE), tan_header()).writeto(tmp_path / "field_g.fits")
    wcs = WCS(tan_header(), naxis=2)
    for made in cut_all(tmp_path, wcs):
        assert_same(made, noise(SHAPE), wcs)
