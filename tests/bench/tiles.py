"""A tile of 10,000 x 10,000 pixels in five bands, as the Dark Energy Survey packs them.

SCI and WGT by RICE_1 with SUBTRACTIVE_DITHER_2 and q = 16, MSK losslessly, one row a block, by the
`fpack` program where it is installed, else by astropy; the i band once more as plain FITS. Made
once below build/, which git does not see.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.ingest.publish import publish
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases

__all__ = ["BANDS", "DEC_DEG", "RA_DEG", "SIZE_PX", "Tiles", "make_tiles", "random_positions"]

SIZE_PX = 10_000
SCALE_DEG = 0.263 / 3600
RA_DEG, DEC_DEG = 21.55, 3.5861
BANDS = "grizY"
_FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench-tiles"
_STARS = 60_000
_STAMP_PX = 15


@dataclass(frozen=True, slots=True)
class Tiles:
    """The files, and the release that they are published as."""

    folder: Path
    plain: Path
    data: Path
    """Data directory with the release."""

    release: Release
    packer: str
    """`fpack` or `astropy`."""

    def packed(self, band: str) -> Path:
        return self.folder / f"BENCH0126_{band}.fits.fz"

    @property
    def bytes_per_px(self) -> float:
        """Of both lossy planes of a band."""
        return self.packed("i").stat().st_size / (2 * SIZE_PX**2)


def make_tiles() -> Tiles:
    """Make the files, or take those that are there."""
    tiles, plain = _FOLDER / "tiles", _FOLDER / "plain" / "BENCH0126_i.fits"
    done = _FOLDER / "done"
    packer = "fpack" if shutil.which("fpack") else "astropy"
    if not done.is_file():
        shutil.rmtree(_FOLDER, ignore_errors=True)
        for folder in (tiles, plain.parent, _FOLDER / "data" / "releases"):
            folder.mkdir(parents=True)
        _write_all(tiles, plain, packer)
        publish(tiles, name="BENCH", folder=_FOLDER / "data" / "releases", default=True)
        done.write_text(packer, encoding="utf-8")
    release = Releases([_FOLDER / "data" / "releases"]).get("BENCH")
    return Tiles(tiles, plain, _FOLDER / "data", release, done.read_text(encoding="utf-8"))


def random_positions(count: int, margin_arcmin: float, seed: int = 1) -> NDArray[np.float64]:
    """Give (RA, Dec), deg, whose cutouts lie within the tile."""
    half_deg = SIZE_PX / 2 * SCALE_DEG - margin_arcmin / 60 - 0.001
    random = np.random.default_rng(seed).uniform(-half_deg, half_deg, (count, 2))
    random[:, 0] /= np.cos(np.radians(DEC_DEG + 0.4))
    return random + np.array([RA_DEG, DEC_DEG])


def _header() -> fits.Header:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = RA_DEG, DEC_DEG
    header["CRPIX1"] = header["CRPIX2"] = SIZE_PX / 2 + 0.5
    header["CD1_1"], header["CD2_2"] = -SCALE_DEG, SCALE_DEG
    header["CD1_2"] = header["CD2_1"] = 0.0
    header["RADESYS"], header["MAGZERO"] = "ICRS", 30.0
    for n in range(60):  # as many cards as a survey's tiles have
        header[f"DETAIL{n}"] = (n * 0.1, "a card of the survey's own")
    return header


def _write_all(folder: Path, plain: Path, packer: str) -> None:
    science, weight, mask = _sky(), _weight(), _mask()
    for number, band in enumerate(BANDS):
        path = folder / f"BENCH0126_{band}.fits"
        # The bands are one sky, moved and rescaled: as hard to compress, and far quicker made.
        moved = np.roll(science, 997 * number, axis=1) * np.float32(1 + 0.3 * number)
        hdus = list(_planes(moved, weight, mask, band))
        if packer == "fpack":
            fits.HDUList(hdus).writeto(path)
            subprocess.run(["fpack", "-q", "16", "-qz", "16", "-D", "-Y", path], check=True)
        else:
            fits.HDUList([hdus[0], *map(_packed, hdus[1:])]).writeto(path.with_suffix(".fits.fz"))
        if band == "i":
            fits.HDUList(list(_planes(moved, weight, mask, band))).writeto(plain)


def _planes(
    science: NDArray[np.float32], weight: NDArray[np.float32], mask: NDArray[np.int32], band: str
) -> Iterator[object]:
    primary = fits.PrimaryHDU()
    primary.header["TILENAME"], primary.header["BAND"] = "BENCH0126", band
    yield primary
    for name, pixels in (("SCI", science), ("MSK", mask), ("WGT", weight)):
        yield fits.ImageHDU(pixels, _header(), name=name)


def _packed(hdu: fits.ImageHDU) -> fits.CompImageHDU:
    lossy = {} if hdu.name == "MSK" else {"quantize_method": 2, "quantize_level": 16}
    return fits.CompImageHDU(
        hdu.data, hdu.header, name=hdu.name, compression_type="RICE_1", **lossy
    )


def _sky() -> NDArray[np.float32]:
    """Noise that neighbours share a little of, as resampling leaves it, and stars."""
    random = np.random.default_rng(1)
    sky = random.standard_normal((SIZE_PX, SIZE_PX), np.float32)
    sky += 0.5 * np.roll(sky, 1, axis=1)
    sky *= np.float32(2.5)
    y, x = np.mgrid[:_STAMP_PX, :_STAMP_PX] - _STAMP_PX // 2
    star = ((1 + (x**2 + y**2) / 4.0) ** -2.5).astype(np.float32)
    places = random.integers(0, SIZE_PX - _STAMP_PX, (_STARS, 2))
    fluxes = (20 * (1 - random.random(_STARS)) ** -1.1).astype(np.float32)
    for (top, left), flux in zip(places.tolist(), np.minimum(fluxes, 60_000), strict=True):
        sky[top : top + _STAMP_PX, left : left + _STAMP_PX] += flux * star
    return sky


def _weight() -> NDArray[np.float32]:
    """Exposures that overlap, with noise of their own."""
    random = np.random.default_rng(2)
    weight = random.standard_normal((SIZE_PX, SIZE_PX), np.float32) * np.float32(0.002) + 1
    for top, left in random.integers(-2000, SIZE_PX, (40, 2)).tolist():
        weight[max(0, top) : top + 4000, max(0, left) : left + 2000] += 0.1
    return weight


def _mask() -> NDArray[np.int32]:
    random = np.random.default_rng(3)
    mask = np.zeros((SIZE_PX, SIZE_PX), np.int32)
    for top, left in random.integers(0, SIZE_PX - 100, (3000, 2)).tolist():
        mask[top : top + 3, left : left + int(random.integers(5, 100))] = 64
    return mask
