"""Small surveys of overlapping tiles, and boxes of them filled from each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.cutouts.mosaic import Mosaic, Mosaicker
from soda_service.engine.wcs.footprint import outline, pixel_to_sky, sky_grid, sky_to_pixel
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import PlannedRow
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Band, Release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.unit.analytic import AnalyticSky
from tests.unit.skyimages import tan_header

SHAPE = (120, 100)
"""(ny, nx) of every tile, pixels of 0.263 arcsec."""

SCALE_DEG = 0.263 / 3600

Planes = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class TileSpec:
    """A tile to be written."""

    name: str
    header: fits.Header
    planes: Planes
    cards: Mapping[str, object] = field(default_factory=dict)
    """Of the science plane."""


@dataclass
class Filled:
    """A box and what became of it."""

    mosaic: Mosaic
    place: Place
    planes: dict[int, NDArray[np.generic]]

    @property
    def names(self) -> list[str]:
        """Tiles that gave pixels."""
        return [each.tile for each in self.mosaic.contributions]


def common_header(x: int, y: int, *, ra_deg: float = 30.0, dec_deg: float = -60.0) -> fits.Header:
    """Give the header of a tile whose first pixel is (x, y) of one grid around a position."""
    return tan_header(SHAPE, ra_deg=ra_deg, dec_deg=dec_deg, CRPIX1=1.0 - x, CRPIX2=1.0 - y)


def own_header(
    x: float, y: float, *, ra_deg: float = 30.0, dec_deg: float = -60.0, angle_deg: float = 0.0
) -> fits.Header:
    """Give the header of a tile that touches the sky at its centre, as DES lays its tiles.

    Its centre is where that of the tile of `common_header` is; its y axis points north, but for
    the angle.
    """
    grid = sky_grid(common_header(0, 0, ra_deg=ra_deg, dec_deg=dec_deg))
    at = pixel_to_sky(grid, x + (SHAPE[1] - 1) / 2, y + (SHAPE[0] - 1) / 2)
    return tan_header(SHAPE, ra_deg=float(at[0]), dec_deg=float(at[1]), angle_deg=angle_deg)


def des_planes(sci: NDArray[np.generic], mask: int = 0) -> dict[str, NDArray[np.generic]]:
    """Give a science plane with a mask, and a weight of 0.25 everywhere."""
    shape = sci.shape[-2:]
    return {"SCI": sci, "MSK": np.full(shape, mask, "i4"), "WGT": np.full(shape, 0.25, "f4")}


def four_tiles(sky: AnalyticSky, headers: Iterable[fits.Header]) -> list[TileSpec]:
    """Show a sky in tiles A, B, C, D; their masks are 1, 2, 4 and 8."""
    return [
        TileSpec(name, header, des_planes(sky.image(header), 1 << number))
        for number, (name, header) in enumerate(zip("ABCD", headers, strict=True))
    ]


@dataclass
class Survey:
    """Tiles on disk."""

    geometry: TileGeometry
    release: Release

    def row(self, ra_deg: float, dec_deg: float, tile: str, nx: int, ny: int) -> PlannedRow:
        """Ask for nx times ny pixels of a tile around a position."""
        options = replace(default_options(self.release), xpix=nx, ypix=ny, edge="mosaic")
        at = (ra_deg, dec_deg, ra_deg, dec_deg)
        return PlannedRow(1, None, *at, tile, tile, "J0", options)

    def fill(
        self,
        ra_deg: float,
        dec_deg: float,
        *,
        size: tuple[int, int] = (60, 40),
        tile: str = "A",
        only: Iterable[int] | None = None,
        is_last: bool = False,
    ) -> Filled:
        """Lay a tile's pixels into a box of -99 and fill its holes.

        Parameters
        ----------
        size
            (nx, ny).
        only
            Numbers of the planes; all of them by default.
        """
        place = self.geometry.place(self.row(ra_deg, dec_deg, tile, *size), "g")
        planes = {}
        for number in range(len(place.handle.planes)) if only is None else only:
            read = place.handle.read(number, place.inside)
            planes[number] = laid(read, place)
        filler = Mosaicker(self.geometry, is_last=is_last)
        return Filled(filler.fill(place, planes, tile=tile, band="g"), place, planes)


def laid(data: NDArray[np.generic], place: Place) -> NDArray[np.generic]:
    """Lay pixels into their box; 99 or -99 stands where there are none."""
    signed = data.dtype.kind != "u"
    whole = np.full((*data.shape[:-2], *place.box.shape), -99 if signed else 99, data.dtype)
    inside, box = place.inside, place.box
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    whole[..., rows, inside.x0 - box.x0 : inside.x1 - box.x0] = data
    return whole


def survey(folder: Path, tiles: Iterable[TileSpec], **fields: object) -> Survey:
    """Write tiles and describe them."""
    release = Release(
        name="SMALL",
        title="",
        bands=(Band("g"),),
        root=str(folder),
        path_template="{tilename}_{band}.fits",
    )
    rows = []
    for tile in tiles:
        images = [fits.ImageHDU(data, tile.header, name=name) for name, data in tile.planes.items()]
        images[0].header.update(tile.cards)
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(folder / f"{tile.name}_g.fits")
        rows.append(_table_row(tile))
    path = table_path(folder, release.name)
    write_tiles(path, rows)
    release = replace(release, **fields)
    return Survey(TileGeometry(release, TileIndex.load(path), TileReader()), release)


def _table_row(tile: TileSpec) -> TileRow:
    grid = sky_grid(tile.header)
    corners = tuple(map(tuple, outline(grid, SHAPE).tolist()))
    centre = pixel_to_sky(grid, (SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2)
    return TileRow(tile.name, float(centre[0]), float(centre[1]), corners=corners)


def box_sky(filled: Filled, sky: AnalyticSky) -> NDArray[np.float64]:
    """Give what the sky is in the pixels of a box."""
    box = filled.place.box
    y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    return sky.at(*pixel_to_sky(filled.place.handle.grid, x, y))


def owner(filled: Filled, header: fits.Header) -> NDArray[np.bool_]:
    """Tell which pixels of a box lie on a tile."""
    box = filled.place.box
    y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    x, y = sky_to_pixel(sky_grid(header), *pixel_to_sky(filled.place.handle.grid, x, y))
    return (x >= -0.5) & (x < SHAPE[1] - 0.5) & (y >= -0.5) & (y < SHAPE[0] - 0.5)
