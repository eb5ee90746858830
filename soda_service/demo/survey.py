"""The synthetic survey: two tiles that carry the names and places of tiles of DES DR1.

Pixels are made up, the layout is that of the real release: file names, empty primary HDU, planes
SCI, MSK and WGT, RICE compression of single rows with SUBTRACTIVE_DITHER_2 and q = 16.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from soda_service.demo.sources import BANDS, make_sources, paint
from soda_service.engine.footprint import celestial_wcs, outline, pixel_to_sky, sky_to_pixel
from soda_service.tiles.catalogue import CatalogueObject, ObjectCatalogue
from soda_service.tiles.release import Band, Plane, Release
from soda_service.tiles.releases import write_release
from soda_service.tiles.table import TileRow, table_path, write_tiles

__all__ = ["RELEASE", "TILES", "is_made", "make_survey"]

_SCALE_DEG = 0.263 / 3600
_SIGMA = {"g": 2.6, "r": 4.0, "i": 5.6, "z": 8.9, "Y": 20.0}
"""Noise of a pixel at zero point 30: the median of 1/sqrt(WGT) in real DES DR1 coadds (griz)."""

_SATURATION = 1.2e4
_MASK_SATURATED, _MASK_TRAIL, _MASK_ARTEFACT = 2, 32, 2048
_OBJECTS_PER_TILE = 200
_FIRST_ID = 61407300


@dataclass(frozen=True, slots=True)
class _Tile:
    """A tile of the demonstration; places and unique areas are those of the real one."""

    name: str
    request: str
    ra_deg: float
    dec_deg: float
    unique: tuple[float, float, float, float]
    """RA from, to, Dec from, to, deg."""

    size_px: int
    showpieces: tuple[tuple[float, float], ...]
    """(RA, Dec) where galaxies worth looking at stand; the last one is an object's."""

    object_id: int
    """COADD_OBJECT_ID of the last showpiece."""

    @property
    def folder(self) -> str:
        """Folder of its files, below the root."""
        return f"Y3A1/{self.request}/{self.name}/p01/coadd"

    def file(self, band: str) -> str:
        """Path of its file in a band, below the root."""
        return f"{self.folder}/{self.name}_{self.request}p01_{band}.fits.fz"


TILES = (
    _Tile(
        "DES0126+0335",
        "r2624",
        21.578133,
        3.586111,
        (21.220488, 21.935778, 3.229167, 3.943055),
        6000,
        ((21.58813, 3.48611), (21.57213, 3.78611), (21.6304127, 3.5712304)),
        61407409,
    ),
    _Tile(
        "DES0305-3415",
        "r2674",
        46.275655,
        -34.25,
        (45.843827, 46.707483, -34.606944, -33.893056),
        2400,
        ((46.29566, -34.256), (46.275669, -34.256), (46.2594871, -34.2303526)),
        61407435,
    ),
)

RELEASE = Release(
    name="DR1",
    title="Synthetic sky in DES DR1 geometry",
    bands=(
        Band("g", 3.98e-7, 5.48e-7),
        Band("r", 5.68e-7, 7.16e-7),
        Band("i", 7.10e-7, 8.57e-7),
        Band("z", 8.50e-7, 10.02e-7),
        Band("Y", 9.54e-7, 10.80e-7),
    ),
    root="../survey",
    path_template="{folder}/{tilename}_{request}p01_{band}.fits.fz",
    planes=(Plane("SCI", "SCI"), Plane("MSK", "MSK"), Plane("WGT", "WGT")),
    database="DESDR",
    name_prefix="DESJ",
    pixel_scale_arcsec=0.263,
    is_default=True,
    zero_point_mag=30.0,
    unit="electrons",
    mask_no_data_bit=1,
    acknowledgement="Synthetic images made by soda-service; they show no real sky.",
)


def _wcs_header(tile: _Tile) -> fits.Header:
    middle = (tile.size_px + 1) / 2
    header = fits.Header()
    header.update(
        EQUINOX=2000.0,
        RADESYS="ICRS",
        CTYPE1="RA---TAN",
        CUNIT1="deg",
        CRVAL1=tile.ra_deg,
        CRPIX1=middle,
        CD1_1=-_SCALE_DEG,
        CD1_2=0.0,
        CTYPE2="DEC--TAN",
        CUNIT2="deg",
        CRVAL2=tile.dec_deg,
        CRPIX2=middle,
        CD2_1=0.0,
        CD2_2=_SCALE_DEG,
    )
    return header


def _shape(tile: _Tile) -> tuple[int, int]:
    return tile.size_px, tile.size_px


def _corners(tile: _Tile) -> NDArray[np.float64]:
    header = _wcs_header(tile)
    header["NAXIS1"] = header["NAXIS2"] = tile.size_px
    return outline(celestial_wcs(header), _shape(tile))


def _header(tile: _Tile, band: str) -> fits.Header:
    """Give the header that every plane shares, in the manner of DES."""
    header = _wcs_header(tile)
    header["EXPTIME"] = (90.0 if band != "Y" else 45.0, "[s] exposure of a single image")
    header["GAIN"] = (1.0, "effective gain")
    header["SATURATE"] = (_SATURATION, "saturation level")
    header["BUNIT"] = ("electrons", "unit of the pixels")
    header["MAGZERO"] = (30.0, "[mag] zero point")
    header["BAND"] = (band, "short name of the filter")
    header["FILTER"] = (f"{band} synthetic", "name of the filter")
    header["TILENAME"] = (tile.name, "name of the tile")
    header["PIPELINE"] = ("synthetic", "made up, not observed")
    header["REQNUM"] = int(tile.request[1:])
    header["ATTNUM"] = 1
    corners = _corners(tile)
    header["RA_CENT"], header["DEC_CENT"] = tile.ra_deg, tile.dec_deg
    for number, (ra_deg, dec_deg) in enumerate(corners, start=1):
        header[f"RAC{number}"], header[f"DECC{number}"] = ra_deg, dec_deg
    header["RACMIN"], header["RACMAX"] = corners[:, 0].min(), corners[:, 0].max()
    header["DECCMIN"], header["DECCMAX"] = corners[:, 1].min(), corners[:, 1].max()
    header["CROSSRA0"] = "N"
    return header


def _showpieces(tile: _Tile) -> NDArray[np.float64]:
    header = _wcs_header(tile)
    ra_deg, dec_deg = np.array(tile.showpieces).T
    x, y = sky_to_pixel(celestial_wcs(header), ra_deg, dec_deg)
    return np.column_stack((x, y))


def _weight(tile: _Tile, band: str, random: np.random.Generator) -> NDArray[np.float32]:
    """Lay overlapping exposures: 1/variance with steps, and a little slope in each."""
    size = tile.size_px
    weight = np.full((size, size), 0.55, dtype=np.float32)
    for _ in range(8):
        x, y = random.uniform(-0.3, 0.9, 2) * size
        width, height = random.uniform(0.4, 1.0, 2) * size
        rows = slice(max(0, int(y)), max(0, int(y + height)))
        columns = slice(max(0, int(x)), max(0, int(x + width)))
        weight[rows, columns] += np.float32(random.uniform(0.06, 0.14))
    slope = np.linspace(0.985, 1.015, size, dtype=np.float32)
    weight *= slope[:, None] * slope[None, ::-1]
    grain = random.standard_normal((size, size), dtype=np.float32) * np.float32(0.002)
    scale = np.float32(_SIGMA[band] ** -2)
    return np.asarray((weight + grain) * scale, dtype=np.float32)


def _noise(shape: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
    """Make noise of unit variance that neighbours share a little of, as resampling leaves it."""
    ny, nx = shape
    white = random.standard_normal((ny + 1, nx + 1), dtype=np.float32)
    mixed = white[1:, 1:] + np.float32(0.45) * (white[:-1, 1:] + white[1:, :-1])
    return np.asarray(mixed / np.float32(np.sqrt(1 + 2 * 0.45**2)), dtype=np.float32)


def _planes(tile: _Tile, band: str) -> dict[str, NDArray[np.float32] | NDArray[np.int32]]:
    seed = int(tile.request[1:])
    random = np.random.default_rng([seed, BANDS.index(band)])
    weight = _weight(tile, band, random)
    science = _noise(_shape(tile), random)
    science /= np.sqrt(weight)
    for source in make_sources(seed, _shape(tile), _showpieces(tile)):
        paint(science, source, band)
    mask = np.zeros(_shape(tile), dtype=np.int32)
    saturated = science > _SATURATION
    mask[saturated] |= _MASK_SATURATED
    np.minimum(science, _SATURATION * 1.3, out=science)
    # Charge of the worst star bleeds along its column, in every band at the same place.
    star = int(0.12 * tile.size_px), int(0.81 * tile.size_px)
    trail = (slice(star[1] - 180, star[1] + 180), slice(star[0] - 2, star[0] + 3))
    science[trail] = _SATURATION
    mask[trail] |= _MASK_SATURATED | _MASK_TRAIL
    for x, y in random.integers(0, tile.size_px - 6, (60, 2)):
        mask[y : y + 2, x : x + 6] |= _MASK_ARTEFACT
    weight[mask & _MASK_TRAIL != 0] = 0
    return {"SCI": science, "MSK": mask, "WGT": weight}


def _write_file(root: Path, tile: _Tile, band: str) -> None:
    """Make one file; its bytes are the same in every run."""
    path = root / tile.file(band)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = _header(tile, band)
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for role, data in _planes(tile, band).items():
        how = {"quantize_level": 16, "quantize_method": 2, "dither_seed": 1 + BANDS.index(band)}
        hdu = fits.CompImageHDU(
            data,
            header,
            name=role,
            compression_type="RICE_1",
            tile_shape=(1, tile.size_px),
            **(how if data.dtype == np.float32 else {}),
        )
        hdus.append(hdu)
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        hdus.writeto(part, overwrite=True)
    part.replace(path)


def _objects(tile: _Tile) -> Iterator[CatalogueObject]:
    """Give a small catalogue: the brightest sources, the last showpiece among them."""
    seed = int(tile.request[1:])
    showpieces = _showpieces(tile)
    sources = make_sources(seed, _shape(tile), showpieces)
    known = sources[len(showpieces) - 1]
    others = sorted(sources[len(showpieces) :], key=lambda source: -source.flux)
    wcs = celestial_wcs(_wcs_header(tile))
    random = np.random.default_rng(seed)
    first = _FIRST_ID if tile is TILES[0] else _FIRST_ID + 1000
    for number, source in enumerate([known, *others[:_OBJECTS_PER_TILE]]):
        ra_deg, dec_deg = (float(v[0]) for v in pixel_to_sky(wcs, [source.x], [source.y]))
        # The windowed centre is a few 0.01 arcsec from the catalogue's RA and DEC.
        off_ra, off_dec = random.normal(0, 0.03 / 3600, 2).tolist()
        yield CatalogueObject(
            tile.object_id if number == 0 else first + 2 * number,
            ra_deg,
            dec_deg,
            round(ra_deg + off_ra, 6),
            round(dec_deg + off_dec, 6),
            tile.name,
        )


def is_made(data: Path) -> bool:
    """Tell whether the survey is there, whole: its release file is written last."""
    return (data / "releases" / "dr1.toml").is_file()


def make_survey(
    data: Path,
    *,
    catalogue_url: str,
    processes: int = 2,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Make the survey below a data directory: tiles, tile table, catalogue, release.

    Parameters
    ----------
    catalogue_url
        Database of the object catalogue (SQLAlchemy URL).
    processes
        Files that are made side by side; each needs 0.8 GB for a tile of 6000 pixels.
    progress
        Called with the number of files done, and of all.
    """
    root, folder = data / "survey", data / "releases"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(tile, band) for tile in TILES for band in BANDS]
    # Spawned, since the caller may have threads (a progress bar).
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_write_file, root, tile, band) for tile, band in wanted]
        for done, task in enumerate(as_completed(tasks), start=1):
            task.result()
            progress(done, len(tasks))
    rows = [
        TileRow(
            tile.name,
            tile.ra_deg,
            tile.dec_deg,
            corners=tuple((float(ra), float(dec)) for ra, dec in _corners(tile)),
            unique=tile.unique,
            columns={"folder": tile.folder, "request": tile.request},
        )
        for tile in TILES
    ]
    write_tiles(table_path(folder, RELEASE.name), rows)
    catalogue = ObjectCatalogue(catalogue_url)
    catalogue.load(RELEASE.name, [entry for tile in TILES for entry in _objects(tile)])
    catalogue.dispose()
    write_release(RELEASE, folder / "dr1.toml")
