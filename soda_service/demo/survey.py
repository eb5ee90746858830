"""The synthetic survey: two tiles that carry the names and places of tiles of DES DR1.

Pixels are made up, the layout is that of the real release: file names, empty primary HDU, planes
SCI, MSK and WGT, RICE compression of single rows with SUBTRACTIVE_DITHER_2 and q = 16.
"""

import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from soda_service.demo.planes import SATURATION, BrightStar, make_planes
from soda_service.demo.sources import BANDS, Source, field_sources, showpiece
from soda_service.engine.wcs.footprint import outline, pixel_to_sky, sky_grid, sky_to_pixel
from soda_service.sky.catalogue import CatalogueObject, ObjectCatalogue
from soda_service.sky.release import Band, Plane, Release
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles

__all__ = ["RELEASE", "TILES", "is_made", "make_survey"]

_SCALE_DEG = 0.263 / 3600
_OBJECTS_PER_TILE = 200


@dataclass(frozen=True, slots=True)
class _Showpiece:
    """An object of the showcase, at a position that users request."""

    kind: str
    """Its name in `sources.showpiece`."""

    ra_deg: float
    dec_deg: float
    object_id: int | None = None
    """COADD_OBJECT_ID, if the example requests it."""


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
    showpieces: tuple[_Showpiece, ...]
    bright_star: BrightStar
    first_id: int
    """COADD_OBJECT_ID of the catalogue's first object that has no number of its own."""

    @property
    def folder(self) -> str:
        """Return the folder of its files, below the root."""
        return f"Y3A1/{self.request}/{self.name}/p01/coadd"

    @property
    def seed(self) -> int:
        """Seed of the random numbers: each tile has its own stars."""
        return int(self.request[1:])

    def file(self, band: str) -> str:
        """Return the path of its file in a band, below the root."""
        return f"{self.folder}/{self.name}_{self.request}p01_{band}.fits.fz"


TILES = (
    _Tile(
        "DES0126+0335",
        "r2624",
        21.578133,
        3.586111,
        (21.220488, 21.935778, 3.229167, 3.943055),
        6000,
        (
            _Showpiece("inclined", 21.58813, 3.48611),
            _Showpiece("spiral", 21.57213, 3.78611),
            _Showpiece("edge", 21.6304127, 3.5712304, 61407409),
            _Showpiece("cluster", 21.52, 3.63),
        ),
        BrightStar(4310, 2480),
        61407500,
    ),
    _Tile(
        "DES0305-3415",
        "r2674",
        46.275655,
        -34.25,
        (45.843827, 46.707483, -34.606944, -33.893056),
        2400,
        (
            _Showpiece("cluster", 46.29566, -34.256),
            _Showpiece("inclined", 46.275669, -34.256),
            _Showpiece("blue", 46.2594871, -34.2303526, 61407435),
        ),
        BrightStar(1850, 1900),
        61408500,
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
    ra_axis = (("CTYPE1", "RA---TAN"), ("CUNIT1", "deg"), ("CRVAL1", tile.ra_deg))
    dec_axis = (("CTYPE2", "DEC--TAN"), ("CUNIT2", "deg"), ("CRVAL2", tile.dec_deg))
    return fits.Header(
        [
            ("EQUINOX", 2000.0), ("RADESYS", "ICRS"),
            *ra_axis, ("CRPIX1", middle), ("CD1_1", -_SCALE_DEG), ("CD1_2", 0.0),
            *dec_axis, ("CRPIX2", middle), ("CD2_1", 0.0), ("CD2_2", _SCALE_DEG),
        ]
    )  # fmt: skip


def _shape(tile: _Tile) -> tuple[int, int]:
    return tile.size_px, tile.size_px


def _corners(tile: _Tile) -> NDArray[np.float64]:
    header = _wcs_header(tile)
    header["NAXIS1"] = header["NAXIS2"] = tile.size_px
    return outline(sky_grid(header), _shape(tile))


def _header(tile: _Tile, band: str) -> fits.Header:
    """Return the header that all planes share, in the style of DES."""
    header = _wcs_header(tile)
    corners = _corners(tile)
    places = (
        (f"{axis}{number}", angle)
        for number, corner in enumerate(corners, start=1)
        for axis, angle in zip(("RAC", "DECC"), corner, strict=True)
    )
    header.extend(
        [
            ("EXPTIME", 90.0 if band != "Y" else 45.0, "[s] exposure of a single image"),
            ("GAIN", 1.0, "effective gain"),
            ("SATURATE", SATURATION, "saturation level"),
            ("BUNIT", "electrons", "unit of the pixels"),
            ("MAGZERO", 30.0, "[mag] zero point"),
            ("BAND", band, "short name of the filter"),
            ("FILTER", f"{band} synthetic", "name of the filter"),
            ("TILENAME", tile.name, "name of the tile"),
            ("PIPELINE", "synthetic", "made up, not observed"),
            ("REQNUM", int(tile.request[1:])), ("ATTNUM", 1),
            ("RA_CENT", tile.ra_deg), ("DEC_CENT", tile.dec_deg), *places,
            ("RACMIN", corners[:, 0].min()), ("RACMAX", corners[:, 0].max()),
            ("DECCMIN", corners[:, 1].min()), ("DECCMAX", corners[:, 1].max()),
            ("CROSSRA0", "N"),
        ]
    )  # fmt: skip
    return header


def _showpieces(tile: _Tile) -> Iterator[tuple[_Showpiece, float, float]]:
    """Place the showpieces: (x, y), 0-based pixels."""
    wcs = sky_grid(_wcs_header(tile))
    for piece in tile.showpieces:
        x, y = sky_to_pixel(wcs, [piece.ra_deg], [piece.dec_deg])
        yield piece, float(x[0]), float(y[0])


def _field(tile: _Tile) -> tuple[Source, ...]:
    """Return a tile's other stars and galaxies, the same in every band."""
    clear = [(x, y) for _, x, y in _showpieces(tile)]
    return field_sources(tile.seed, _shape(tile), keep_clear=clear)


def _sources(tile: _Tile) -> list[Source]:
    """Return all sources on a tile."""
    pieces = [part for piece, x, y in _showpieces(tile) for part in showpiece(piece.kind, x, y)]
    return [*pieces, *_field(tile)]


def _write_file(root: Path, tile: _Tile, band: str) -> None:
    """Make one file; its bytes are the same in every run."""
    path = root / tile.file(band)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = _header(tile, band)
    planes = make_planes(
        _shape(tile), band, tile.seed, sources=_sources(tile), bright_star=tile.bright_star
    )
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for role, data in planes.items():
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
    """Return a small catalogue: the showpieces, then the brightest field objects."""
    flux: dict[tuple[float, float], float] = {}
    for source in _field(tile):
        place = source.x, source.y
        flux[place] = flux.get(place, 0.0) + source.flux
    brightest = sorted(flux, key=lambda place: -flux[place])[:_OBJECTS_PER_TILE]
    numbers = count(tile.first_id)
    places = [(piece.object_id, x, y) for piece, x, y in _showpieces(tile)]
    places += [(None, x, y) for x, y in brightest]
    wcs = sky_grid(_wcs_header(tile))
    random = np.random.default_rng(tile.seed)
    for object_id, x, y in places:
        ra_deg, dec_deg = (float(angle[0]) for angle in pixel_to_sky(wcs, [x], [y]))
        # The windowed centre is some 0.1 arcsec from the catalogue's RA and DEC.
        off_ra, off_dec = random.normal(0, 0.1 / 3600, 2).tolist()
        yield CatalogueObject(
            next(numbers) if object_id is None else object_id,
            ra_deg,
            dec_deg,
            round(ra_deg + off_ra, 6),
            round(dec_deg + off_dec, 6),
            tile.name,
        )


def is_made(data: Path) -> bool:
    """Return whether the survey is complete: its release file is written last."""
    files = [data / "survey" / tile.file(band) for tile in TILES for band in BANDS]
    return all(path.is_file() for path in (data / "releases" / "dr1.toml", *files))


def _write_files(root: Path, processes: int, progress: Callable[[int, int], None]) -> None:
    # Tile by tile: the small files of the second fill the gap that an odd number of large ones
    # leaves. Spawned, since the caller may have threads (a progress bar).
    wanted = [(tile, band) for tile in TILES for band in BANDS]
    with ProcessPoolExecutor(
        min(processes, len(wanted)),
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C is the caller's to answer
    ) as pool:
        tasks = [pool.submit(_write_file, root, tile, band) for tile, band in wanted]
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                progress(done, len(tasks))
        finally:
            pool.shutdown(cancel_futures=True)


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
    toml = folder / "dr1.toml"
    toml.unlink(missing_ok=True)
    _write_files(root, processes, progress)
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
    write_release(RELEASE, toml)
