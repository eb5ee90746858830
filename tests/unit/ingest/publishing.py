"""Small images to publish, and what became of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits

from soda_service.ingest.publish import PublishReport, publish
from soda_service.sky.index import Tile
from soda_service.sky.releases import Releases
from tests.unit.skyimages import tan_header


def image(
    path: Path, *, shape: tuple[int, int] = (40, 50), ra_deg: float = 30.0, **cards: object
) -> None:
    """Write an image of noise of 1 around 5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = tan_header(shape, ra_deg=ra_deg)
    header.update(cards)
    data = np.random.default_rng(1).normal(5.0, 1.0, shape).astype(np.float32)
    fits.PrimaryHDU(data, header).writeto(path)


def published(
    source: Path,
    folder: Path,
    *,
    title: str = "",
    band: str | None = None,
    pattern: str | None = None,
) -> PublishReport:
    return publish(source, name="Mine", folder=folder, title=title, band=band, pattern=pattern)


def tiles_of(folder: Path) -> Mapping[str, Tile]:
    releases = Releases([folder])
    index = releases.index(releases.get("Mine"))
    return {name: index.tile(n) for n, name in enumerate(index.names)}


def paths_of(folder: Path) -> dict[str, dict[str, str]]:
    """Give the path by band, by tile."""
    return {
        name: {
            column.removeprefix("path_"): cell
            for column, cell in tile.columns.items()
            if column.startswith("path_") and cell
        }
        for name, tile in tiles_of(folder).items()
    }
