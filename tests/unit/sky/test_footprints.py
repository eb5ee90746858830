"""What the tiles of a release cover."""

from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from soda_service.engine.wcs.vectors import unit_vectors
from soda_service.sky.footprints import footprint_of, hammer
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import tan_corners
from soda_service.sky.table import TileRow, read_tiles, table_path, write_tiles


def index_of(folder: Path, *tiles: TileRow) -> TileIndex:
    path = table_path(folder, "A")
    write_tiles(path, tiles)
    return TileIndex(read_tiles(path))


def image(name: str, ra_deg: float, dec_deg: float, **more: object) -> TileRow:
    corners = tan_corners(ra_deg, dec_deg, width_deg=1.0, height_deg=0.5)
    return TileRow(name, ra_deg, dec_deg, corners=tuple(map(tuple, corners)), **more)  # type: ignore[arg-type]


def test_images_are_outlined_and_their_areas_summed(tmp_path: Path) -> None:
    found = footprint_of(index_of(tmp_path, image("A", 0, 60), image("B", 0, 60)))
    assert found.names == ("A", "B")
    assert found.is_area_shared
    # The plane's half square degree, on the sphere a little less: the integral of cos^3.
    assert found.area_deg2 == pytest.approx(2 * 0.4999762, abs=1e-7)
    wanted = tan_corners(0, 60, width_deg=1.0, height_deg=0.5)
    assert {tuple(c) for c in np.round(found.outlines_deg[0], 6).tolist()} == {
        tuple(c) for c in np.round(wanted, 6).tolist()
    }


def test_unique_areas_count_once(tmp_path: Path) -> None:
    boxes = [(359.5, 0.5, -0.25, 0.25), (0.5, 1.5, -0.25, 0.25)]
    tiles = [image(f"T{n}", n, 0, unique=box) for n, box in enumerate(boxes)]
    found = footprint_of(index_of(tmp_path, *tiles))
    assert not found.is_area_shared
    assert found.area_deg2 == pytest.approx(1.0, abs=1e-5)


def test_an_image_without_corners_is_a_circle(tmp_path: Path) -> None:
    found = footprint_of(index_of(tmp_path, TileRow("ALL", 10.0, 20.0, radius_deg=5.0)))
    (outline,) = found.outlines_deg
    assert outline.shape == (24, 2)
    assert found.area_deg2 == pytest.approx(2 * np.pi * (1 - np.cos(np.radians(5))) * 3282.80635)
    points = unit_vectors(outline[:, 0], outline[:, 1])
    centre = unit_vectors(np.array(10.0), np.array(20.0))
    assert np.degrees(np.arccos(points @ centre)) == pytest.approx(5.0)


def test_a_tile_without_an_image_is_left_out(tmp_path: Path) -> None:
    found = footprint_of(index_of(tmp_path, TileRow("A", 1, 2, unique=(0, 2, 1, 3))))
    assert found.names == ()
    assert found.outlines_deg == ()
    assert found.area_deg2 == pytest.approx(4.0, abs=0.01)


def test_hammer_is_the_projection_that_wcslib_calls_ait() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---AIT", "DEC--AIT"]
    wcs.wcs.cdelt = [-np.degrees(1), np.degrees(1)]
    random = np.random.default_rng(1)
    ra, dec = random.uniform(-179, 179, 200), random.uniform(-89, 89, 200)
    expected = wcs.wcs_world2pix(np.stack([ra, dec], axis=-1), 0) + 1
    assert np.allclose(hammer(ra, dec), expected, atol=1e-12)
