"""The images of a release as rows of ObsCore, one per tile and band.

The number of a row is its tile's number times the number of bands, plus the index of the band.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.vectors import positions
from soda_service.sky.dataset import dataset_id
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import Caps, Outlines
from soda_service.sky.release import Band, Release
from soda_service.vo.obscore import COLUMNS, ID_COLUMN

__all__ = [
    "CALIB_LEVEL",
    "DATALINK_TYPE",
    "POLARISATIONS",
    "PRODUCT_TYPE",
    "Images",
    "fields_of_view_deg",
    "resolving_power",
    "rows_of",
    "wavelengths_m",
]

Interval = tuple[float, float]

DATALINK_TYPE = "application/x-votable+xml;content=datalink"
"""Must be spelled exactly like this (DL-T1)."""

PRODUCT_TYPE = "image"

CALIB_LEVEL = 3
"""Tiles combine calibrated exposures: products of more than one observation."""

POLARISATIONS = ("I",)
"""Images show total intensity only."""

_DECIMALS = 9
"""Decimals of degrees: 4 microarcsec, which reproduces corners as in the tile table."""

_WAVEBANDS = (
    *((1e-8, "em.X-ray"), (3e-7, "em.UV"), (4e-7, "em.opt.U"), (5e-7, "em.opt.B")),
    *((6e-7, "em.opt.V"), (7.5e-7, "em.opt.R"), (1e-6, "em.opt.I"), (1.5e-6, "em.IR.J")),
    *((2e-6, "em.IR.H"), (3e-6, "em.IR.K"), (4e-6, "em.IR.3-4um"), (8e-6, "em.IR.4-8um")),
    *((1.5e-5, "em.IR.8-15um"), (3e-5, "em.IR.15-30um"), (6e-5, "em.IR.30-60um")),
    *((1e-4, "em.IR.60-100um"), (1e-2, "em.mm"), (math.inf, "em.radio")),
)
"""Longest wavelength, m, and term of the UCD list (1.4)."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """The images of a release."""

    release: Release
    index: TileIndex
    authority: str
    links_url: str
    """Address of the DataLink service."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index) * len(self.release.bands)


def wavelengths_m(band: Band) -> Interval | None:
    """Return the shortest and longest wavelength of a band, m; None if unknown."""
    if band.wavelength_min_m is None or band.wavelength_max_m is None:
        return None
    return band.wavelength_min_m, band.wavelength_max_m


def resolving_power(band: Band) -> float | None:
    """Return the mean wavelength of a band divided by its width, to 6 decimals; None if unknown."""
    bounds = wavelengths_m(band)
    if bounds is None or bounds[0] == bounds[1]:
        return None
    return round((bounds[0] + bounds[1]) / 2 / (bounds[1] - bounds[0]), 6)


def fields_of_view_deg(index: TileIndex) -> NDArray[np.float64]:
    """Return the diameters of the circles around the tiles' images.

    Returns
    -------
    ndarray, shape (len(index),)
        NaN if an image is not known.
    """
    diameters = np.full(len(index), np.nan)
    for shapes in index.images:
        diameters[shapes.tiles] = np.round(np.degrees(2 * shapes.radius), _DECIMALS)
    return diameters


def rows_of(images: Images, numbers: Iterable[int]) -> Iterator[list[str]]:
    """Yield rows as text, in the order of `COLUMNS`; unknown values are empty.

    Parameters
    ----------
    numbers
        Numbers of the rows; rows of the same tile should be adjacent, for speed.
    """
    bands = images.release.bands
    starts = [_band_cells(images.release, band) for band in bands]
    names = [column.name for column in COLUMNS]
    place: Mapping[str, int] = {name: number for number, name in enumerate(names)}
    known, cells = -1, {}
    for number in numbers:
        tile, band = divmod(number, len(bands))
        if tile != known:
            known, cells = tile, _tile_cells(images, tile)
        name = images.index.names[tile]
        identifier = dataset_id(images.authority, images.release.name, name, bands[band].name)
        row = starts[band].copy()
        for column, text in cells.items():
            row[place[column]] = text
        row[place["obs_title"]] = f"{images.release.name} {name} {bands[band].name}"
        row[place[ID_COLUMN]] = identifier
        row[place["access_url"]] = f"{images.links_url}?ID={quote(identifier, safe='')}"
        yield row


def _band_cells(release: Release, band: Band) -> list[str]:
    """Return the cells that all images of a band share."""
    low, high = wavelengths_m(band) or (None, None)
    start, end = release.time_mjd or (None, None)
    width, height = release.tile_size_px or (None, None)
    word = _waveband((low + high) / 2) if low is not None and high is not None else ""
    cells: dict[str, object] = {
        "dataproduct_type": PRODUCT_TYPE,
        "calib_level": CALIB_LEVEL,
        "obs_collection": release.name,
        "access_format": DATALINK_TYPE,
        "s_xel1": width,
        "s_xel2": height,
        "t_min": start,
        "t_max": end,
        "t_xel": 1,
        "em_min": low,
        "em_max": high,
        "em_res_power": resolving_power(band),
        "em_xel": 1,
        "o_ucd": f"phot.flux;{word}" if word else "phot.flux",
        "pol_states": f"/{'/'.join(POLARISATIONS)}/",
        "pol_xel": len(POLARISATIONS),
    }
    known = {name: str(value) for name, value in cells.items() if value is not None}
    return [known.get(column.name, "") for column in COLUMNS]


def _tile_cells(images: Images, tile: int) -> dict[str, str]:
    """Return the cells that all bands of a tile share."""
    table = images.index.table
    cells = {
        "obs_id": table.names[tile],
        "s_ra": _degrees(table.ra_deg[tile]),
        "s_dec": _degrees(table.dec_deg[tile]),
    }
    for shapes in images.index.images:
        place = int(np.searchsorted(shapes.tiles, tile))
        if place < len(shapes.tiles) and shapes.tiles[place] == tile:
            cells["s_fov"] = _degrees(np.degrees(2 * shapes.radius[place]))
            cells["s_region"] = _region(shapes, place)
    return cells


def _region(shapes: Outlines | Caps, place: int) -> str:
    """Return an image's outline as STC-S.

    It is counter-clockwise as seen from inside the sphere (DALI-23): the corners in reverse.
    """
    if isinstance(shapes, Caps):
        ra, dec = positions(shapes.centre[place])
        radius = np.degrees(shapes.radius[place])
        return f"CIRCLE ICRS {' '.join(map(_degrees, (ra, dec, radius)))}"
    ra, dec = positions(shapes.corners[place][::-1])
    angles = np.stack([ra, dec], axis=-1).ravel()
    return f"POLYGON ICRS {' '.join(map(_degrees, angles))}"


def _degrees(angle: np.float64 | NDArray[np.float64]) -> str:
    return repr(round(float(angle), _DECIMALS) + 0.0)


def _waveband(wavelength_m: float) -> str:
    return next(word for longest, word in _WAVEBANDS if wavelength_m <= longest)
