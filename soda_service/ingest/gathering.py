"""Images of files put together into tiles, and tiles named."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soda_service.engine.wcs.vectors import separations, unit_vectors
from soda_service.ingest.filenames import FileName
from soda_service.ingest.scanning import Layer
from soda_service.pixels.paths import format_planes
from soda_service.sky.filters import NO_BAND, by_wavelength
from soda_service.sky.table import TileRow

__all__ = ["Images", "TileImage", "gather_tiles", "tile_rows"]


@dataclass(frozen=True, slots=True)
class TileImage:
    """A file's image, with what it has been found to be."""

    path: str
    """Below the root."""

    layer: Layer
    band: str
    tile: str
    """What the images of one tile have in common, not yet a name."""

    alone: str
    """The same for an image that turns out to belong to no other."""


Images = Mapping[str, Mapping[str, TileImage]]
"""Images by band, by tile; no tile is without an image."""


def gather_tiles(
    scanned: Iterable[tuple[str, tuple[Layer, ...]]],
    names: Mapping[str, FileName],
    band: str | None,
    warnings: list[str],
) -> Images:
    """Put images together into tiles.

    Images of different bands whose names have the same tile and which show the same sky are one
    tile; any other is a tile of its own.

    Parameters
    ----------
    scanned
        Paths and what is in the files.
    names
        What each path says.
    band
        Band of all images; None: names and headers tell.
    warnings
        Gets a line for each image without a band, and for each that is left out.
    """
    tiles: dict[str, dict[str, TileImage]] = {}
    images = [
        image
        for path, layers in scanned
        for image in _images(path, layers, names[path], band, warnings)
    ]
    spelling = _spellings(image.band for image in images)
    for found in images:
        image = replace(found, band=spelling[found.band])
        places = (tile for tile in (image.tile, image.alone) if _fits(image, tiles, tile))
        place = next(places, None)
        there = ", ".join(other.path for other in tiles.get(image.tile, {}).values())
        if place is None:
            warnings.append(f"{image.path} is left out: its tile has {there}")
            continue
        if place != image.tile:
            reason = f"it does not belong to {there}"
            warnings.append(f"{image.path} becomes a tile of its own: {reason}")
        tiles.setdefault(place, {})[image.band] = image
    return tiles


def _fits(image: TileImage, tiles: Images, tile: str) -> bool:
    """Return whether an image can be a tile's: in a band that is free, of the same sky."""
    others = tiles.get(tile, {})
    return image.band not in others and all(_overlap(image, other) for other in others.values())


def _images(
    path: str,
    layers: Sequence[Layer],
    name: FileName,
    band: str | None,
    warnings: list[str],
) -> Iterator[TileImage]:
    """Tell band and tile of each image of a file."""
    several = len({layer.band for layer in layers}) > 1
    for layer in layers:
        by_name = name.band if name.is_certain and not several else None
        found = band or by_name or layer.band or name.band
        if found is None:
            warnings.append(f"{path}: no band is to be found; it is called {NO_BAND}")
            found = NO_BAND
        own_grid = not layer.footprint.is_same_grid(layers[0].footprint)
        suffix = f"_hdu{layer.planes[0].hdu}" if own_grid else ""
        is_named = name.band is not None and name.band.lower() == found.lower()
        tile = name.tile if is_named else name.whole
        yield TileImage(path, layer, found, tile + suffix, name.whole + suffix)


def _spellings(bands: Iterable[str]) -> dict[str, str]:
    """Choose one spelling for bands that differ in case only: the most frequent one."""
    counts = Counter(bands)
    chosen: dict[str, str] = {}
    for band, _ in counts.most_common():
        chosen.setdefault(band.lower(), band)
    return {band: chosen[band.lower()] for band in counts}


def _overlap(one: TileImage, other: TileImage) -> bool:
    """Return whether the centre of one image is about within the other."""
    a, b = one.layer.footprint, other.layer.footprint
    half_diagonal = float(np.hypot(*a.size_arcmin)) / 120
    centres = unit_vectors([a.ra_deg, b.ra_deg], [a.dec_deg, b.dec_deg])
    return bool(np.degrees(separations(*centres)) <= half_diagonal)


def tile_rows(tiles: Images, fallback: str) -> list[TileRow]:
    """Make the tile table: names, places, files.

    Parameters
    ----------
    fallback
        Name of a tile whose files' names are nothing but their bands.
    """
    rows = []
    names = _tile_names(list(tiles), fallback)
    for name, images in zip(names, tiles.values(), strict=True):
        bands = sorted(images, key=by_wavelength)
        footprint = images[bands[0]].layer.footprint
        rows.append(
            TileRow(
                name,
                footprint.ra_deg,
                footprint.dec_deg,
                corners=footprint.corners,
                radius_deg=footprint.radius_deg,
                columns={
                    **{f"path_{b}": images[b].path for b in bands},
                    **{f"hdus_{b}": format_planes(images[b].layer.planes) for b in bands},
                },
            )
        )
    return rows


def _tile_names(keys: Sequence[str], fallback: str) -> list[str]:
    """Name tiles by the last part of their paths, or by more of them where that is not unique."""
    names = [_cleaned(key.rpartition("/")[2] or fallback) for key in keys]
    counts = Counter(name.lower() for name in names)
    used: set[str] = set()
    result = []
    for key, short in zip(keys, names, strict=True):
        name = short if counts[short.lower()] == 1 else _cleaned(key or fallback)
        unique = name
        number = 1
        while unique.lower() in used:
            number += 1
            unique = f"{name}_{number}"
        used.add(unique.lower())
        result.append(unique)
    return result


def _cleaned(text: str) -> str:
    """Make a tile's name of a path; see `table.is_tile_name`."""
    return re.sub(r"[^A-Za-z0-9_+.=@~-]+", "_", text).lstrip(".-")[-110:].lstrip(".-") or "tile"
