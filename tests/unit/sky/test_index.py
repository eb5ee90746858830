import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soda_service.sky.index import Tile, TileIndex
from soda_service.sky.outlines import tan_corners
from soda_service.sky.table import Corners, TileRow, read_tiles, write_tiles


def square(ra_deg: float, dec_deg: float, *, side_deg: float = 1.0) -> Corners:
    found = tan_corners(ra_deg, dec_deg, width_deg=side_deg, height_deg=side_deg)
    return tuple((float(ra), float(dec)) for ra, dec in found)


def index_of(folder: Path, *tiles: TileRow) -> TileIndex:
    path = folder / "t.tiles.csv"
    write_tiles(path, tiles)
    return TileIndex(read_tiles(path))


def area(name: str, *unique: float) -> TileRow:
    ra_min, ra_max, dec_min, dec_max = unique
    return TileRow(name, ra_min, dec_min, unique=(ra_min, ra_max, dec_min, dec_max))


def names(index: TileIndex, *positions: tuple[float, float]) -> list[str | None]:
    ra, dec = zip(*positions, strict=True)
    return [index.names[n] if n >= 0 else None for n in index.find(ra, dec).tolist()]


@pytest.mark.parametrize(
    "position",
    [(math.nan, 0.0), (0.5, math.nan), (math.inf, 0.0), (0.5, 90.0001), (0.5, -91.0)],
    ids=str,
)
def test_what_is_no_position_has_no_tile(tmp_path: Path, position: tuple[float, float]) -> None:
    index = index_of(tmp_path, TileRow("ALL", 0.0, 0.0, radius_deg=180.0))
    assert names(index, position, (0.5, 0.0)) == [None, "ALL"]
    assert index.covering(*position) == ()


def test_an_empty_table_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.tiles.csv"
    path.write_text("tilename,ra,dec\n")
    index = TileIndex.load(path)
    assert len(index) == 0
    assert names(index, (0.0, 0.0)) == [None]
    assert index.number("A") is None


def test_touching_areas_are_half_open(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, area("W", 10, 11, 0, 1), area("E", 11, 12, 0, 1), area("N", 10, 12, 1, 2)
    )
    assert names(
        index, (10, 0), (11, 0.5), (10.5, 1), (11, 1), (12, 0.5), (10.5, 2), (9.9, 0.5)
    ) == ["W", "E", "N", "N", "E", "N", None]


@pytest.mark.parametrize("gap_deg", [2e-6, -2e-6], ids=["gap", "overlap"])
def test_rounded_areas_give_one_tile(tmp_path: Path, gap_deg: float) -> None:
    index = index_of(tmp_path, area("W", 10, 11, 0, 1), area("E", 11 + gap_deg, 12, 0, 1))
    middle = 11 + gap_deg / 2
    assert names(index, (middle - 4e-7, 0.5), (middle + 4e-7, 0.5)) == ["W", "E"]


def test_area_across_ra_zero(tmp_path: Path) -> None:
    index = index_of(tmp_path, area("ZERO", 359.5, 0.5, -1, 1), area("NEXT", 0.5, 1.5, -1, 1))
    positions = [(359.4, 0), (359.5, 0), (0, 0), (360, 0), (-1e-20, 0), (0.5, 0), (720.2, 0)]
    expected = [None, "ZERO", "ZERO", "ZERO", "ZERO", "NEXT", "ZERO"]
    assert names(index, *positions) == expected


def test_areas_at_the_poles(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        area("NORTH", 0, 360, 89, 90),
        area("SOUTH1", 0, 180, -90, -89),
        area("SOUTH2", 180, 360, -90, -89),
    )
    positions = [(0, 90), (123, 89), (359.999, 89.5), (10, -90), (190, -90), (0, 88.9)]
    assert names(index, *positions) == ["NORTH", "NORTH", "NORTH", "SOUTH1", "SOUTH2", None]


def test_beyond_all_areas_the_image_with_the_farthest_edge_serves(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        TileRow("A", 10.0, 0.0, square(10.0, 0.0), (9.6, 10.4, -0.4, 0.4)),
        TileRow("B", 10.8, 0.0, square(10.8, 0.0), (10.4, 11.2, -0.4, 0.4)),
    )
    positions = [(10.39, 0.0), (10.41, 0.0), (10.39, 0.45), (10.41, 0.45), (9.55, 0.0), (9.4, 0)]
    assert names(index, *positions) == ["A", "B", "A", "B", "A", None]


def test_covering_lists_all_images_the_farthest_edge_first(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        TileRow("SKY", 0.0, 0.0, radius_deg=180.0),
        TileRow("A", 10.0, 0.0, square(10.0, 0.0)),
        TileRow("B", 10.3, 0.0, square(10.3, 0.0)),
    )
    assert index.covering(10.1, 0.0) == (1, 2, 0)
    assert index.covering(10.25, 0.0) == (2, 1, 0)
    assert index.covering(100.0, 50.0) == (0,)
    assert names(index, (10.25, 0.0), (100.0, 50.0)) == ["B", "SKY"]


@pytest.mark.parametrize("dec_deg", [90.0, -90.0, 89.8, -89.8], ids=str)
def test_image_over_a_pole(tmp_path: Path, dec_deg: float) -> None:
    index = index_of(tmp_path, TileRow("POLE", 77.0, dec_deg, square(77.0, dec_deg)))
    pole = math.copysign(90.0, dec_deg)
    around = [(float(ra), math.copysign(89.95, dec_deg)) for ra in range(0, 360, 30)]
    assert names(index, (0.0, pole), (123.0, pole), *around) == ["POLE"] * 14
    assert names(index, (77.0, math.copysign(88.0, dec_deg))) == [None]


def test_corners_in_one_place_at_the_pole(tmp_path: Path) -> None:
    corners = ((0.0, 89.0), (90.0, 89.0), (0.0, 90.0), (90.0, 90.0))
    index = index_of(tmp_path, TileRow("WEDGE", 45.0, 89.5, corners))
    assert names(index, (45, 89.5), (10, 89.9), (135, 89.5), (45, 88)) == [
        "WEDGE",
        "WEDGE",
        None,
        None,
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 1, 0, 3)], ids=str)
def test_order_of_corners_does_not_matter(tmp_path: Path, order: tuple[int, ...]) -> None:
    corners = square(0.1, 40.0)
    index = index_of(tmp_path, TileRow("A", 0.1, 40.0, tuple(corners[n] for n in order)))
    assert names(index, (0.1, 40.45), (359.6, 40.3), (0.1, 40.6)) == ["A", "A", None]


def test_image_of_a_hemisphere_holds_everything_and_comes_last(tmp_path: Path) -> None:
    wide = ((0.0, -85.0), (90.0, -85.0), (180.0, 85.0), (270.0, 85.0))
    index = index_of(
        tmp_path, TileRow("WIDE", 0.0, 0.0, wide), TileRow("A", 10.0, 0.0, square(10.0, 0.0))
    )
    assert names(index, (10.0, 0.0), (200.0, 20.0)) == ["A", "WIDE"]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("DES0126+0335", 0),
        ("des0126+0335", 0),
        ("DES0126 0335", 0),
        ("A b", None),
        ("DES0126", None),
        ("des0305-3415", 1),
    ],
)
def test_names(tmp_path: Path, name: str, number: int | None) -> None:
    index = index_of(
        tmp_path,
        TileRow("DES0126+0335", 21.5, 3.5, radius_deg=1.0),
        TileRow("DES0305-3415", 46.3, -34.2, radius_deg=1.0),
    )
    assert index.number(name) == number


def test_a_tile_carries_the_columns_of_paths(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, TileRow("A", 10.0, -2.0, radius_deg=1.0, columns={"reqnum": "2624", "empty": ""})
    )
    columns = {"tilename": "A", "reqnum": "2624", "empty": ""}
    assert index.tile(0) == Tile("A", 10.0, -2.0, columns)


# --- against brute force -------------------------------------------------------------------------


def sphere(ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    ra, dec = math.radians(ra_deg), math.radians(dec_deg)
    return np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])


def edge_distance(tile: TileRow, position: tuple[float, float]) -> float:
    """Distance to the nearest of 4 x 400 points on the image's edges, < 0 outside; deg."""
    centre, place = sphere(tile.ra_deg, tile.dec_deg), sphere(*position)
    assert tile.corners is not None
    corners = [sphere(*corner) for corner in tile.corners]
    nearest, inside = math.inf, True
    for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
        pole = np.cross(one, other)
        inside = inside and float(pole @ place) * float(pole @ centre) >= 0
        for part in np.linspace(0, 1, 400):
            point = one * (1 - part) + other * part
            chord = np.linalg.norm(point / np.linalg.norm(point) - place)
            nearest = min(nearest, math.degrees(2 * math.asin(chord / 2)))
    return nearest if inside else -nearest


CENTRES = st.tuples(
    st.one_of(st.floats(0, 360), st.sampled_from([0.0, 359.99, 180.0])),
    st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 89.9, 0.0])),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    place=CENTRES,
    offsets=st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)), min_size=1, max_size=5),
    side_deg=st.sampled_from([0.02, 0.5, 2.0, 20.0]),
)
def test_images_against_brute_force(
    tmp_path_factory: pytest.TempPathFactory,
    place: tuple[float, float],
    offsets: list[tuple[float, float]],
    side_deg: float,
) -> None:
    near = [
        tan_corners(*place, width_deg=2 * x * side_deg, height_deg=2 * y * side_deg)[0]
        for x, y in offsets
    ]
    tiles = [
        TileRow(f"T{n}", float(ra), float(dec), square(float(ra), float(dec), side_deg=side_deg))
        for n, (ra, dec) in enumerate(near)
    ]
    index = index_of(tmp_path_factory.mktemp("brute"), *tiles)
    tried = [tuple(map(float, corner)) for corner in near] + [place]
    for ra, dec in tried:
        distances = [edge_distance(tile, (ra, dec)) for tile in tiles]
        found = int(index.find([ra], [dec])[0])
        # Points on the edges stand up to side/800 apart, which is as exact as brute force is.
        if max(distances) > side_deg / 400:
            assert distances[found] >= max(distances) - side_deg / 400
        elif max(distances) < -side_deg / 400:
            assert found == -1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    ra_start=st.floats(0, 360),
    columns=st.integers(1, 12),
    cuts=st.lists(st.floats(-90, 90), min_size=2, max_size=5, unique=True),
    seed=st.integers(0, 2**31),
)
def test_areas_against_brute_force(
    tmp_path_factory: pytest.TempPathFactory,
    ra_start: float,
    columns: int,
    cuts: list[float],
    seed: int,
) -> None:
    """Boxes that share out zones of the sky: each position is in the one that arithmetic says."""
    decs = sorted(round(cut, 3) for cut in cuts)
    ras = [round((ra_start + 360 * n / columns) % 360, 3) for n in range(columns)]
    zones = [zone for zone in pairwise(decs) if zone[0] < zone[1]]
    spans = list(zip(ras, ras[1:] + ras[:1], strict=True)) if columns > 1 else [(0.0, 360.0)]
    tiles = [
        area(f"T{n}", *span, *zone)
        for n, (zone, span) in enumerate(product(zones, spans))
        if span[0] != span[1]
    ]
    if not tiles:
        return
    index = index_of(tmp_path_factory.mktemp("areas"), *tiles)
    generator = np.random.default_rng(seed)
    ra, dec = generator.uniform(0, 360, 50).round(4), generator.uniform(-90, 90, 50).round(4)
    expected = [
        next((tile.name for tile in tiles if holds(tile, r, d)), None)
        for r, d in zip(ra.tolist(), dec.tolist(), strict=True)
    ]
    assert names(index, *zip(ra.tolist(), dec.tolist(), strict=True)) == expected


def holds(tile: TileRow, ra_deg: float, dec_deg: float) -> bool:
    assert tile.unique is not None
    ra_min, ra_max, dec_min, dec_max = tile.unique
    within = ra_min <= ra_deg < ra_max
    if ra_min > ra_max:
        within = ra_deg >= ra_min or ra_deg < ra_max
    return within and dec_min <= dec_deg < dec_max


def test_many_small_images_and_one_of_the_whole_sky(tmp_path: Path) -> None:
    """Sizes that differ by 10^6 stand in one table, and cost neither time nor memory."""
    generator = np.random.default_rng(7)
    ra = generator.uniform(0, 360, 500)
    dec = np.degrees(np.arcsin(generator.uniform(-1, 1, 500)))
    stamps = [
        TileRow(f"S{n}", r, d, square(r, d, side_deg=1e-4))
        for n, (r, d) in enumerate(zip(ra.tolist(), dec.tolist(), strict=True))
    ]
    index = index_of(tmp_path, TileRow("SKY", 0.0, 0.0, radius_deg=180.0), *stamps)
    assert index.find(ra, dec).tolist() == list(range(1, 501))
    assert index.find(ra + 1, dec).tolist() == [0] * 500
