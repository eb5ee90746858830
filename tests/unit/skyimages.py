"""Small sky images for tests: headers with every kind of WCS, tiles stored in every way."""

import bz2
import gzip
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.pixels.reader import TileFile, TileHandle, TileReader
from soda_service.sky.release import Plane

DES_PLANES = (Plane("SCI", "SCI"), Plane("MSK", "MSK"), Plane("WGT", "WGT"))

REALSKY = Path(__file__).resolve().parents[2] / ".." / "shared" / "realsky"
"""Real survey images beside the repository; tests that need them skip without."""

FPACK_HISTORY = (
    "Image was compressed by CFITSIO using scaled integer quantization:",
    "  q = 16.000000 / quantized level scaling parameter",
    "'SUBTRACTIVE_DITHER_2' / Pixel Quantization Algorithm",
)


def tan_header(
    shape: tuple[int, int] = (80, 100),
    *,
    ra_deg: float = 30.0,
    dec_deg: float = -20.0,
    scale_arcsec: float = 0.263,
    angle_deg: float = 0.0,
    is_mirrored: bool = False,
    **cards: object,
) -> fits.Header:
    """Make a TAN header whose centre is at a position, its north turned from +y towards +x.

    East is left of north, as on the sky, unless mirrored.
    """
    ny, nx = shape
    scale, angle = scale_arcsec / 3600, np.radians(angle_deg)
    east = 1 if is_mirrored else -1
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2)])
    header["NAXIS1"], header["NAXIS2"] = nx, ny
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = ra_deg, dec_deg
    header["CRPIX1"], header["CRPIX2"] = (nx + 1) / 2, (ny + 1) / 2
    header["CD1_1"], header["CD1_2"] = east * scale * np.cos(angle), -east * scale * np.sin(angle)
    header["CD2_1"], header["CD2_2"] = scale * np.sin(angle), scale * np.cos(angle)
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    header["RADESYS"] = "ICRS"
    for name, value in cards.items():
        header[name] = value
    return header


def sip_header(shape: tuple[int, int] = (80, 100)) -> fits.Header:
    header = tan_header(shape, CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP")
    header["A_ORDER"], header["B_ORDER"] = 2, 3
    header["A_2_0"], header["A_1_1"] = 2.0e-4, -1.0e-4
    header["B_0_2"], header["B_2_1"] = -3.0e-4, 2.0e-6
    return header


def tpv_header(shape: tuple[int, int] = (80, 100)) -> fits.Header:
    header = tan_header(shape, CTYPE1="RA---TPV", CTYPE2="DEC--TPV")
    for name, value in {"PV1_0": 1e-5, "PV1_1": 1.001, "PV1_4": 0.5, "PV1_7": -2.0}.items():
        header[name] = value
    for name, value in {"PV2_1": 0.999, "PV2_5": -0.7, "PV2_8": 3.0}.items():
        header[name] = value
    return header


def other_headers() -> dict[str, fits.Header]:
    """One header of each kind of WCS that surveys write, by what is special in it."""
    linear = {"CDELT1": -1e-3, "CDELT2": 1.2e-3}
    old = tan_header(PC001001=0.8, PC001002=-0.6, PC002001=0.6, PC002002=0.8, **linear)
    rotated = tan_header(CROTA2=33.0, **linear)
    for header in (old, rotated):
        del header["CD?_?"]
    return {
        "tan": tan_header(),
        "turned": tan_header(angle_deg=98.0),
        "sip": sip_header(),
        "tpv": tpv_header(),
        "old-pc": old,
        "crota": rotated,
        "zenithal-equal-area": tan_header(CTYPE1="RA---ZEA", CTYPE2="DEC--ZEA"),
        "cartesian-galactic": tan_header(CTYPE1="GLON-CAR", CTYPE2="GLAT-CAR", CRVAL2=0.0),
        "far-reference": tan_header(CRPIX1=-20355.5, CRPIX2=32575.25),
        "at-the-pole": tan_header(dec_deg=90.0),
        "across-ra-0": tan_header(ra_deg=0.0),
    }


def noise(shape: tuple[int, ...], dtype: str = "f4", seed: int = 1) -> NDArray[np.generic]:
    """Sky-like values: noise around 0 and some bright pixels; integers of a wide range."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 5.0, shape) + 1000.0 * (rng.random(shape) > 0.99)
    return values.astype(dtype)


def des_like_tile(path: Path, shape: tuple[int, int] = (80, 100), kind: str = "RICE_1") -> Path:
    """Write a tile as DES does: empty primary HDU, then compressed SCI, MSK and WGT."""
    primary = fits.PrimaryHDU()
    primary.header["TILENAME"] = ("DES0000+0000", "DES tile")
    primary.header["PROCTYPE"] = "coadd"
    hdus: list[object] = [primary]
    header = tan_header(shape, GAIN=4.5, FZALGOR=kind, FZQVALUE=16, FZQMETHD="SUBTRACTIVE_DITHER_2")
    for line in FPACK_HISTORY:
        header["HISTORY"] = line
    header["HISTORY"] = "column_interp over mask 0x0001"
    for number, name in enumerate(("SCI", "MSK", "WGT")):
        mask = number == 1
        pixels = np.abs(noise(shape, "f4", seed=number))
        data = (pixels > 500).astype("i4") * 64 if mask else pixels
        own = header.copy()
        own["BITPIX"] = 32 if mask else -32
        lossy = {} if mask else {"quantize_method": 2, "quantize_level": 16, "dither_seed": 7}
        compression = "PLIO_1" if mask else kind
        hdus.append(fits.CompImageHDU(data, own, name=name, compression_type=compression, **lossy))
    fits.HDUList(hdus).writeto(path, checksum=True)
    return path


def plain_tile(path: Path, data: NDArray[np.generic], header: fits.Header | None = None) -> Path:
    """Write a tile of one image in the primary HDU, packed as the path's suffix says."""
    hdu = fits.PrimaryHDU(data, tan_header(data.shape[-2:]) if header is None else header)
    plain = path.with_name("unpacked.fits")
    hdu.writeto(plain, overwrite=True)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(plain.read_bytes()))
    return path


def open_path(path: Path, planes: tuple[Plane, ...] = (), root: str = "") -> TileHandle:
    """Open a tile apart from all others."""
    return TileReader().open(TileFile(str(path), planes, root))
