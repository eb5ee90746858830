"""Limits and default options of a published release, from its bands, pixels, sky and noise."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from soda_service.engine.colour.methods import METHODS
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.ingest.scanning import ImageFootprint
from soda_service.pixels.paths import locate
from soda_service.pixels.reader import TileReader
from soda_service.sky.filters import colour_triplet
from soda_service.sky.index import Tile
from soda_service.sky.release import Release

__all__ = ["default_options", "largest_size_arcmin"]

_Key = TypeVar("_Key")

_log = logging.getLogger(__name__)

_WIDE_PX = 4096
"""Largest cutout of a release with fine pixels: 70 MB per plane."""

_NARROW_PX = 512
"""Smallest limit for coarse pixels."""

_SECTION_PX = 512
_TILES_MEASURED = 5
_USUAL_SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0)
_USUAL_PX = 100


def largest_size_arcmin(footprints: Iterable[ImageFootprint], scale_arcsec: float) -> float:
    """Return the largest cutout size: 12' or a whole tile, up to 60' and 4096 pixels.

    If pixels are so coarse that this is little, 512 pixels, but at most a tile.
    """
    tile = max(max(footprint.size_arcmin) for footprint in footprints)
    fine = min(max(12.0, min(tile, 60.0)), _WIDE_PX * scale_arcsec / 60)
    coarse = min(_NARROW_PX * scale_arcsec / 60, tile)
    return math.ceil(max(fine, coarse) * 10) / 10


def default_options(release: Release, tiles: Sequence[Tile]) -> dict[str, str]:
    """Choose options with which a default job works and its pictures show something.

    Parameters
    ----------
    release
        With bands from blue to red, pixel scale and size limits.
    tiles
        Their columns `path_{band}` give the bands of each tile; a few are measured.

    Returns
    -------
    dict
        Options by name, as text: the band that most tiles have, of several the middle one; a size
        if one arcmin is too few pixels; if a tile has three bands, the most common triplet, and
        picture settings that fit the sky.
    """
    bands = release.band_names
    held = [tuple(band for band in bands if tile.columns.get(f"path_{band}")) for tile in tiles]
    frequent = _most_frequent(Counter(band for of_tile in held for band in of_tile))
    options = {"COLORS_FITS": sorted(frequent, key=bands.index)[len(frequent) // 2]}
    scale = release.pixel_scale_arcsec or 1.0
    enough = (size for size in _USUAL_SIZES if size * 60 / scale >= _USUAL_PX)
    size = min(next(enough, _USUAL_SIZES[-1]), release.size_max_arcmin)
    if size != 1.0:
        options |= {"XSIZE": f"{size:g}", "YSIZE": f"{size:g}"}
    triplet = _triplet(bands, held)
    if triplet is None:
        return options
    coloured = [
        tile for tile, of_tile in zip(tiles, held, strict=True) if set(triplet) <= set(of_tile)
    ]
    separator = "" if all(len(band) == 1 for band in bands) else ","
    options |= {method.triplets: separator.join(triplet) for method in METHODS.values()}
    levels = [_level(section) for section in _sections(release, coloured, triplet)]
    levels = [(sky, noise) for sky, noise in levels if noise > 0]
    if levels:
        sky, noise = (float(value) for value in np.median(levels, axis=0))
        for method in METHODS.values():
            if method.fit_settings is not None:
                settings = method.fit_settings(sky, noise)
                options |= {name: _rounded(value) for name, value in settings.items()}
    return options


def _triplet(bands: Sequence[str], held: Iterable[tuple[str, ...]]) -> tuple[str, str, str] | None:
    """Choose red, green and blue from the bands that most tiles have together.

    Parameters
    ----------
    bands
        All bands, from blue to red.
    held
        Bands of each tile, in the same order.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for of_tile, number in Counter(held).items():  # there are few different sets of bands
        for found in combinations(of_tile, 3):
            counts[found] += number
    frequent = _most_frequent(counts)
    united = set().union(*frequent)
    # Of several, prefer the usual colours of all their bands if a tile has exactly these.
    choices = (colour_triplet(c) for c in (sorted(united, key=bands.index), *frequent))
    known = {frozenset(found) for found in frequent}
    return next((choice for choice in choices if choice and frozenset(choice) in known), None)


def _most_frequent(counts: Counter[_Key]) -> list[_Key]:
    """Return the most frequent items: all of them if several are equally frequent."""
    most = max(counts.values(), default=0)
    return [key for key, number in counts.items() if number == most]


def _rounded(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}"


def _sections(
    release: Release, tiles: Sequence[Tile], bands: Iterable[str]
) -> Iterator[NDArray[np.float64]]:
    """Read the centres of some tiles, spread over the list, in some bands."""
    step = max(1, len(tiles) // _TILES_MEASURED)
    bands = tuple(bands)
    reader = TileReader()
    for tile in tiles[::step][:_TILES_MEASURED]:
        for band in bands:
            try:
                handle = reader.open(locate(release, tile, band))
                y, x = (max(0, (n - _SECTION_PX) // 2) for n in handle.shape)
                box = PixelBox(y, y + _SECTION_PX, x, x + _SECTION_PX).clipped(handle.shape)
                yield _decoded(handle.read(0, box), handle.planes[0].header)
            except UnknownTile:
                continue
            except (TileUnreadable, SourceUnavailable) as error:
                _log.warning("not measured for the defaults of %s: %s", release.name, error)
    reader.close()


def _decoded(raw: NDArray[np.generic], header: Header) -> NDArray[np.float64]:
    """Convert raw pixels to values, without missing values and exact zeros (no data)."""
    data = raw.astype(np.float64).ravel()
    if raw.dtype.kind in "iu" and "BLANK" in header:
        data = data[data != header["BLANK"]]
    scale, zero = float(header.get("BSCALE", 1.0)), float(header.get("BZERO", 0.0))
    data = data * scale + zero
    good: NDArray[np.float64] = data[np.isfinite(data) & (data != 0)]
    return good


def _level(data: NDArray[np.float64]) -> tuple[float, float]:
    """Return sky and noise: the median, and the spread of the values below it, without sources."""
    if not data.size:
        return 0.0, 0.0
    sky = float(np.median(data))
    for _ in range(5):
        noise = 1.4826 * float(np.median(np.abs(data - sky)))
        near = data[np.abs(data - sky) < 3 * noise]
        if near.size == data.size or not near.size:
            break
        data, sky = near, float(np.median(near))
    return sky, 1.4826 * float(np.median(sky - data[data <= sky]))
