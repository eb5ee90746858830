"""Grouping of images into tiles, and names of the tiles."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soda_service.engine.wcs.vectors import separations, unit_vectors
from soda_service.ingest.filenames import FileName
from soda_service.ingest.scanning import Layer
from soda_service.pixels.paths import format_planes
from soda_service.sky.filters import NO_BAND, by_wavelength
from soda_service.sky.table import TileRow

__all__ = ["Images", "TileImage", "competing_tiles", "gather_tiles", "tile_rows"]


@dataclass(frozen=True, slots=True)
class TileImage:
    """An image of a file, with its band and tile."""

    path: str
    """Path below the root."""

    layer: Layer
    band: str
    tile: str
    """Key that the images of one tile share; not yet the tile's name."""

    alone: str
    """Key of the tile if the image turns out to belong to no other."""


Images = Mapping[str, Mapping[str, TileImage]]
"""Images by band, by tile; each tile has at least one image."""


def gather_tiles(
    scanned: Iterable[tuple[str, tuple[Layer, ...]]],
    names: Mapping[str, FileName],
    band: str | None,
    warnings: list[str],
) -> Images:
    """Group images into tiles.

    Images of different bands form one tile if their names have the same tile and they show the same
    sky. Any other image is a tile of its own.

    Parameters
    ----------
    scanned
        Paths and contents of the files.
    names
        Band and tile by path.
    band
        Band of all images; None: from names and headers.
    warnings
        Receives a line for each image without a band, and for each that is omitted.
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
            warnings.append(f"{image.path} is omitted: its tile has {there}")
            continue
        if place != image.tile:
            reason = f"it does not belong to {there}"
            warnings.append(f"{image.path} is a separate tile: {reason}")
        tiles.setdefault(place, {})[image.band] = image
    return tiles


def _fits(image: TileImage, tiles: Images, tile: str) -> bool:
    """Return whether an image fits a tile: its band is free, and it shows the same sky."""
    others = tiles.get(tile, {})
    return image.band not in others and all(_overlap(image, other) for other in others.values())


def _images(
    path: str,
    layers: Sequence[Layer],
    name: FileName,
    band: str | None,
    warnings: list[str],
) -> Iterator[TileImage]:
    """Yield the images of a file with band and tile."""
    several = len({layer.band for layer in layers}) > 1
    for layer in layers:
        by_name = name.band if name.is_certain and not several else None
        found = band or by_name or layer.band or name.band
        if found is None:
            warnings.append(f"{path}: no band found; it is named {NO_BAND}")
            found = NO_BAND
        own_grid = not layer.footprint.is_same_grid(layers[0].footprint)
        suffix = f"_hdu{layer.planes[0].hdu}" if own_grid else ""
        is_named = name.band is not None and name.band.lower() == found.lower()
        tile = name.tile if is_named else name.whole
        yield TileImage(path, layer, found, tile + suffix, name.whole + suffix)


def _spellings(bands: Iterable[str]) -> dict[str, str]:
    """Choose the most frequent spelling of bands that differ only in case."""
    counts = Counter(bands)
    chosen: dict[str, str] = {}
    for band, _ in counts.most_common():
        chosen.setdefault(band.lower(), band)
    return {band: chosen[band.lower()] for band in counts}


def _overlap(one: TileImage, other: TileImage) -> bool:
    """Return whether the centre of one image is roughly inside the other."""
    a, b = one.layer.footprint, other.layer.footprint
    half_diagonal = float(np.hypot(*a.size_arcmin)) / 120
    centres = unit_vectors([a.ra_deg, b.ra_deg], [a.dec_deg, b.dec_deg])
    return bool(np.degrees(separations(*centres)) <= half_diagonal)


def competing_tiles(tiles: Images, names: Sequence[str]) -> Iterator[str]:
    """Yield a warning for images of one band with the same centre and size, in different tiles.

    Parameters
    ----------
    tiles
        From `gather_tiles`.
    names
        Their names, in the same order.
    """
    shown: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for name, images in zip(names, tiles.values(), strict=True):
        for band, image in images.items():
            area = image.layer.footprint
            step = min(area.scale_arcsec) / 3600
            place = round(area.ra_deg / step), round(area.dec_deg / step)
            shown[band, area.shape, place].append(name)
    for (filter_name, *_), same in shown.items():
        if len(same) > 1:
            listed = ", ".join(same[:3]) + (", ..." if len(same) > 3 else "")
            sky = f"the same sky in band {filter_name}"
            yield f"{len(same)} tiles show {sky}, one is used: {listed}"


def tile_rows(tiles: Images, fallback: str) -> list[TileRow]:
    """Return the rows of the tile table: names, positions, files.

    Parameters
    ----------
    fallback
        Name of a tile whose file names consist only of their bands.
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
    """Name tiles by the last part of their paths, or by more parts if that is not unique."""
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
    """Make a valid tile name from a path; see `table.is_tile_name`."""
    return re.sub(r"[^A-Za-z0-9_+.=@~-]+", "_", text).lstrip(".-")[-110:].lstrip(".-") or "tile"
