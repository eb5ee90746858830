"""Releases of one small tile, whose rows are cut into memory."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.cutouts.pictures import PictureSettings
from soda_service.engine.wcs.footprint import outline, sky_grid
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import Outcome, PlannedRow
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Band, Release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.cutout_options import changed
from tests.unit.skyimages import noise, tan_header

__all__ = ["DEC_DEG", "EAST_DEG", "RA_DEG", "SHAPE", "Scene", "extensions", "plain", "scene"]

SHAPE = (80, 100)
RA_DEG, DEC_DEG = 30.0, -20.0
"""Centre of every tile."""

EAST_DEG = 49 * 0.263 / 3600 / np.cos(np.radians(DEC_DEG))
"""To a pixel from the tile's left edge."""


@dataclass
class Scene:
    """A release of one tile, and the files that its rows left."""

    release: Release
    index: TileIndex
    saved: dict[str, bytes] = field(default_factory=dict)
    reader: TileReader = field(default_factory=TileReader)
    pictures: PictureSettings = field(default_factory=PictureSettings)

    def cut(self, ra_deg: float = RA_DEG, dec_deg: float = DEC_DEG, **options: object) -> Outcome:
        """Cut 20 x 10 pixels, unless the options say otherwise."""
        shape = {name: options.pop(name) for name in ("shape", "is_masked") if name in options}
        chosen = changed(default_options(self.release), **{"xpix": 20, "ypix": 10, **options})
        at = (ra_deg, dec_deg, ra_deg, dec_deg)
        row = PlannedRow(1, None, *at, self.index.names[0], "", "J0200-20", chosen, **shape)
        geometry = TileGeometry(self.release, self.index, self.reader)
        return Cutter(geometry, self._save, pictures=self.pictures).cut(row)

    def _save(self, path: str, data: Buffer) -> None:
        self.saved[path] = bytes(data)

    def opened(self) -> fits.HDUList:
        """Open the one FITS file that there is."""
        (data,) = (data for path, data in self.saved.items() if path.endswith(".fits"))
        file = fits.open(io.BytesIO(data), checksum=True)
        file.verify("exception")
        return file


def scene(
    folder: Path, bands: Mapping[str, fits.HDUList], *, prefix: str = "", **fields: object
) -> Scene:
    """Write one tile in some bands, and describe it."""
    for band, hdus in bands.items():
        hdus.writeto(folder / f"{prefix}T1_{band}.fits")
    release = Release(
        name="SMALL",
        title="",
        bands=tuple(map(Band, bands)),
        root=str(folder),
        path_template=f"{prefix}{{tilename}}_{{band}}.fits",
        defaults={"COLORS_FITS": next(iter(bands))},
    )
    corners = tuple(map(tuple, outline(sky_grid(tan_header(SHAPE)), SHAPE).tolist()))
    path = table_path(folder, release.name)
    write_tiles(path, [TileRow("T1", RA_DEG, DEC_DEG, corners=corners)])
    return Scene(replace(release, **fields), TileIndex.load(path))


def plain(header: fits.Header | None = None, **cards: object) -> fits.HDUList:
    """Give a file with its one image in the primary HDU."""
    return fits.HDUList([fits.PrimaryHDU(noise(SHAPE), header or tan_header(SHAPE, **cards))])


def extensions(*names: str, mask: str = "i4", **primary: object) -> fits.HDUList:
    """Give a file with images in extensions, and no pixels in its primary HDU."""
    first = fits.PrimaryHDU()
    first.header.update(primary)
    images: list[NDArray[np.generic]] = [
        np.zeros(SHAPE, mask) if name == "MSK" else noise(SHAPE) for name in names
    ]
    planes = [
        fits.ImageHDU(image, tan_header(SHAPE), name=name)
        for name, image in zip(names, images, strict=True)
    ]
    return fits.HDUList([first, *planes])
