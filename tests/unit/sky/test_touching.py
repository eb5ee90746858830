"""Which tiles share sky with a quadrilateral."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import tan_corners
from soda_service.sky.table import TileRow, TileTable, read_tiles, write_tiles


def box(ra_deg: float, dec_deg: float, side_deg: float = 0.1) -> np.ndarray:
    return tan_corners(ra_deg, dec_deg, width_deg=side_deg, height_deg=side_deg)


def tile(name: str, ra_deg: float, dec_deg: float, side_deg: float = 1.0) -> TileRow:
    corners = tuple(map(tuple, box(ra_deg, dec_deg, side_deg).tolist()))
    return TileRow(name, ra_deg, dec_deg, corners=corners)


def index_of(folder: Path, *tiles: TileRow) -> TileIndex:
    path = folder / "t.tiles.csv"
    write_tiles(path, tiles)
    table: TileTable = read_tiles(path)
    return TileIndex(table)


def touched(index: TileIndex, *where: float) -> list[str]:
    return [index.names[n] for n in index.touching(box(*where))]


def test_a_corner_that_is_nowhere_touches_nothing(tmp_path: Path) -> None:
    index = index_of(tmp_path, tile("A", 10, 0))
    corners = box(10, 0)
    corners[2, 1] = math.nan
    assert index.touching(corners) == ()


def test_an_empty_table_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "t.tiles.csv"
    path.write_text("tilename,ra,dec\n")
    assert TileIndex.load(path).touching(box(10, 0)) == ()


def test_tiles_come_in_the_order_of_what_they_have_of_the_box(tmp_path: Path) -> None:
    tiles = [tile("W", 10.98, 0), tile("E", 10, 0), tile("N", 10, 0.99), tile("FAR", 12, 0)]
    index = index_of(tmp_path, *tiles)
    assert touched(index, 10.48, 0.0) == ["E", "W"]
    assert touched(index, 10.51, 0.0) == ["W", "E"]
    assert touched(index, 10.0, 0.0) == ["E"]
    assert touched(index, 11.2, 0.0) == ["W"]
    assert touched(index, 13.0, 3.0) == []


def test_of_equals_the_first_of_the_table_comes_first(tmp_path: Path) -> None:
    index = index_of(tmp_path, *(tile(name, 10, 0) for name in "BCA"))
    assert touched(index, 10.0, 0.0) == ["B", "C", "A"]


def test_a_sliver_thinner_than_the_lattice_counts(tmp_path: Path) -> None:
    index = index_of(tmp_path, tile("A", 10, 0), tile("B", 10.999, 0.2))
    # B begins at 10.499, and the box ends at 10.5: a hundredth of it, a third of a lattice step.
    assert touched(index, 10.45, 0.0) == ["A", "B"]


def test_a_box_larger_than_its_tiles_touches_all(tmp_path: Path) -> None:
    index = index_of(tmp_path, *(tile(f"T{n}", 10 + n / 10, 0, 0.05) for n in range(5)))
    assert sorted(touched(index, 10.2, 0.0, 2.0)) == ["T0", "T1", "T2", "T3", "T4"]


def test_boxes_that_pass_each_other_diagonally_are_apart(tmp_path: Path) -> None:
    # The circles around both overlap by far.
    index = index_of(tmp_path, tile("A", 10, 0), tile("B", 10.98, 0.98))
    assert touched(index, 9.47, 0.5, 0.08) == ["A"]
    assert touched(index, 9.47, 0.56, 0.08) == []


def test_images_of_the_whole_sky_come_by_their_circle(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        TileRow("ALL", 0.0, 0.0, radius_deg=180.0),
        TileRow("SOUTH", 0.0, -90.0, radius_deg=30.0),
        tile("A", 10, 0),
    )
    assert touched(index, 10.0, 0.0) == ["ALL", "A"]
    assert touched(index, 10.0, -80.0) == ["ALL", "SOUTH"]


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_tiles_around_a_pole_all_touch_it(tmp_path: Path, pole: float) -> None:
    tiles = [tile(f"T{ra}", ra, math.copysign(89.6, pole)) for ra in (0, 90, 180, 270)]
    index = index_of(tmp_path, *tiles)
    assert sorted(touched(index, 45.0, pole)) == ["T0", "T180", "T270", "T90"]
    assert touched(index, 90.0, math.copysign(89.2, pole)) == ["T90"]


def test_tiles_on_both_sides_of_ra_0(tmp_path: Path) -> None:
    index = index_of(tmp_path, tile("W", 359.55, 20), tile("E", 0.45, 20))
    assert touched(index, 0.07, 20.0) == ["E", "W"]
    assert touched(index, -0.07, 20.0) == ["W", "E"]


@settings(max_examples=60, deadline=None)
@given(
    dec=st.floats(-90, 90),
    east=st.floats(-0.9, 0.9),
    north=st.floats(-0.9, 0.9),
    side=st.floats(0.01, 1.5),
)
def test_shared_positions_make_tiles_touch(
    tmp_path_factory: pytest.TempPathFactory, dec: float, east: float, north: float, side: float
) -> None:
    folder = tmp_path_factory.mktemp("t")
    centre = tan_corners(40.0, dec, width_deg=2 * east, height_deg=2 * north)[2]
    index = index_of(folder, tile("A", 40.0, dec))
    at = float(centre[0]), float(centre[1])
    # Brute force: whether one of many positions in the box lies in the tile's image.
    inside = np.concatenate([box(*at, side * part) for part in np.linspace(0.02, 0.999, 25)])
    if any(index.covering(ra, dec) for ra, dec in inside.tolist()):
        assert index.touching(box(*at, side)) == (0,)
