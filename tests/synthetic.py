"""A small survey made for tests: two tiles side by side, five bands, planes SCI, MSK and WGT."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.sky.catalogue import CatalogueObject, ObjectCatalogue
from soda_service.sky.release import Band, Plane, Release
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles

SCALE_ARCSEC = 0.263
SIZE = 420
"""Pixels of a tile's side: 1.84 arcmin."""

RA_DEG, DEC_DEG = 30.0, -20.0
"""Centre of the first tile, EAST0; EAST1 lies 380 pixels to the east, so that they overlap."""

STEP_DEG = 380 * SCALE_ARCSEC / 3600 / np.cos(np.radians(DEC_DEG))
BANDS = ("g", "r", "i", "z", "Y")

RELEASE = Release(
    name="TEST1",
    title="Two tiles for tests",
    bands=tuple(Band(name, (n + 4) * 1e-7, (n + 5) * 1e-7) for n, name in enumerate(BANDS)),
    root="",
    path_template="{tilename}/p01/{tilename}_{band}.fits.fz",
    planes=(Plane("SCI", "SCI"), Plane("MSK", "MSK"), Plane("WGT", "WGT")),
    database="TESTDB",
    name_prefix="TESTJ",
    pixel_scale_arcsec=SCALE_ARCSEC,
    is_default=True,
    zero_point_mag=30.0,
    acknowledgement="Made for tests.",
)

OBJECT = CatalogueObject(4611686018427387905, 30.001, -20.001, 30.001001, -20.000999, "EAST0")
"""An object whose id needs 63 bits."""


def tile_header(ra_deg: float, dec_deg: float) -> fits.Header:
    """Give the WCS of a tile centred at a position, north up, east left."""
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CUNIT1="deg",
        CUNIT2="deg",
        CRVAL1=ra_deg,
        CRVAL2=dec_deg,
        CRPIX1=(SIZE + 1) / 2,
        CRPIX2=(SIZE + 1) / 2,
        CD1_1=-SCALE_ARCSEC / 3600,
        CD1_2=0.0,
        CD2_1=0.0,
        CD2_2=SCALE_ARCSEC / 3600,
    )
    return header


def pixels(seed: int) -> NDArray[np.float32]:
    """Give sky noise with a few stars."""
    random = np.random.default_rng(seed)
    data = random.normal(0, 2, (SIZE, SIZE)).astype(np.float32)
    y, x = np.mgrid[:SIZE, :SIZE]
    for _ in range(30):
        x0, y0, flux = random.uniform(0, SIZE), random.uniform(0, SIZE), random.uniform(50, 2000)
        data += (flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 8)).astype(np.float32)
    return data


def write_tile(path: Path, ra_deg: float, dec_deg: float, *, seed: int) -> None:
    """Write one band of a tile as DES does: empty primary HDU, three compressed planes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wcs = tile_header(ra_deg, dec_deg)
    weight = np.full((SIZE, SIZE), 0.25, dtype=np.float32)
    weight[:, :3] = 0
    planes = {"SCI": pixels(seed), "MSK": np.zeros((SIZE, SIZE), np.int32), "WGT": weight}
    hdus: list[fits.PrimaryHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
    for name, data in planes.items():
        quantized = {"quantize_level": 16, "quantize_method": 2, "dither_seed": 7}
        keywords = quantized if data.dtype == np.float32 else {}
        hdu = fits.CompImageHDU(
            data, wcs, name=name, compression_type="RICE_1", tile_shape=(1, SIZE), **keywords
        )
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _corners(ra_deg: float, dec_deg: float) -> tuple[tuple[float, float], ...]:
    from astropy.wcs import WCS

    edges = [(-0.5, -0.5), (SIZE - 0.5, -0.5), (SIZE - 0.5, SIZE - 0.5), (-0.5, SIZE - 0.5)]
    sky = WCS(tile_header(ra_deg, dec_deg)).all_pix2world(edges, 0)
    return tuple((float(ra), float(dec)) for ra, dec in sky)


def make_survey(data: Path) -> None:
    """Make tiles, release, tile table and catalogue below a data directory."""
    from dataclasses import replace

    root, folder = data / "tiles", data / "releases"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(2):
        name, ra_deg = f"EAST{number}", RA_DEG + number * STEP_DEG
        for seed, band in enumerate(BANDS):
            if (name, band) != ("EAST1", "Y"):  # one band of one tile is missing
                path = root / name / "p01" / f"{name}_{band}.fits.fz"
                write_tile(path, ra_deg, DEC_DEG, seed=10 * number + seed)
        rows.append(TileRow(name, ra_deg, DEC_DEG, corners=_corners(ra_deg, DEC_DEG)))
    write_tiles(table_path(folder, RELEASE.name), rows)
    catalogue = ObjectCatalogue(f"sqlite:///{data / 'soda.db'}")
    catalogue.load(RELEASE.name, [OBJECT])
    catalogue.dispose()
    write_release(replace(RELEASE, root=str(root)), folder / "test1.toml")
