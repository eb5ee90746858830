"""Which tiles share sky with a shape: as dense points tell, at edges, RA 0 and poles (SIA-5)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.engine.wcs.vectors import positions, unit_vectors
from soda_service.sky.index import TileIndex
from soda_service.sky.outlines import tan_corners
from soda_service.sky.skyindex import tiles_meeting
from soda_service.sky.table import TileRow, write_tiles

SIDE_DEG = 1.0
STEPS = 40
"""Points along the side of a tile."""

CENTRES = {"equator": (0.0, 0.0), "ra-0": (359.7, -35.0), "north": (120.0, 89.7),
           "pole": (0.0, -90.0), "high": (200.0, 70.0)}  # fmt: skip


def tile(name: str, ra_deg: float, dec_deg: float, side_deg: float = SIDE_DEG) -> TileRow:
    corners = tan_corners(ra_deg, dec_deg, width_deg=side_deg, height_deg=side_deg)
    return TileRow(name, ra_deg, dec_deg, corners=tuple(map(tuple, corners.tolist())))


def index_of(folder: Path, *tiles: TileRow) -> TileIndex:
    write_tiles(folder / "t.tiles.csv", tiles)
    return TileIndex.load(folder / "t.tiles.csv")


def met(index: TileIndex, position: Position) -> list[str]:
    return [index.names[n] for n in np.flatnonzero(tiles_meeting(index, position))]


def lattice(ra_deg: float, dec_deg: float) -> np.ndarray:
    """Give unit vectors all over a tile, its edges included, shape (n, 3)."""
    corners = tan_corners(ra_deg, dec_deg, width_deg=SIDE_DEG, height_deg=SIDE_DEG)
    first, second, third, fourth = unit_vectors(*corners.T)
    along, up = (axis.reshape(-1, 1) for axis in np.meshgrid(*[np.linspace(0, 1, STEPS)] * 2))
    bottom, top = first + along * (second - first), fourth + along * (third - fourth)
    points = bottom + up * (top - bottom)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def near(random: np.random.Generator, centre: tuple[float, float]) -> tuple[float, float]:
    """Give a position within some two degrees of a tile's centre."""
    offset = random.uniform(-1.6, 1.6, 2) * 2
    corner = tan_corners(*centre, width_deg=offset[0], height_deg=offset[1])[0]
    return float(corner[0]), float(corner[1])


def some_circle(random: np.random.Generator, centre: tuple[float, float]) -> Circle:
    return Circle(*near(random, centre), 10 ** random.uniform(-4, 0.3))


def some_polygon(random: np.random.Generator, centre: tuple[float, float]) -> Polygon:
    middle = near(random, near(random, centre))
    return Polygon(tuple(near(random, middle) for _ in range(random.integers(3, 6))))


def some_range(random: np.random.Generator, centre: tuple[float, float]) -> Range:
    (ra, dec), (_, other) = near(random, centre), near(random, centre)
    width = 10 ** random.uniform(-2, 2.5563)
    return Range(ra, ra + min(width, 360.0), min(dec, other), max(dec, other))


@pytest.mark.parametrize("centre", CENTRES.values(), ids=CENTRES)
@pytest.mark.parametrize("make", [some_circle, some_polygon, some_range])
def test_as_dense_points_tell(
    tmp_path: Path,
    make: Callable[[np.random.Generator, tuple[float, float]], Position],
    centre: tuple[float, float],
) -> None:
    index = index_of(tmp_path, tile("A", *centre))
    points = lattice(*centre)
    random = np.random.default_rng(6)
    step = np.radians(SIDE_DEG) / (STEPS - 1)
    found = {True: 0, False: 0}
    for _ in range(60):
        shape = make(random, centre)
        is_met = bool(tiles_meeting(index, shape)[0])
        found[is_met] += 1
        if shape.contains(*positions(points)).any():
            assert is_met, shape
        elif is_met:  # then what they share lies between the points: the outline comes near one
            outline = unit_vectors(*shape.outline(np.arange(0, shape.sides, 0.002)))
            chords = np.linalg.norm(points[:, None] - outline, axis=-1)
            assert chords.min() < 2 * step, shape
    assert min(found.values()) > 5


HALF = 0.49998730
"""Deg: half a side of a TAN image of one degree, as seen from its centre."""


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Circle(0.0, 1.0, 1.0 - HALF + 1e-6), True),
        (Circle(0.0, 1.0, 1.0 - HALF - 1e-6), False),
        (Circle(0.0, 0.0, 1e-6), True),
        (Circle(180.0, 0.0, 180.0), True),
        (Circle(180.0, 0.0, 180.0 - HALF), True),
        (Circle(180.0, 0.0, 179.2), False),
        (Range(359.4, 359.6, -0.1, 0.1), True),
        (Range(359.4, 359.5, -0.1, 0.1), False),
        (Range(HALF - 1e-6, 5.0, -0.1, 0.1), True),
        (Range(HALF + 1e-6, 5.0, -0.1, 0.1), False),
        (Range(0.0, 360.0, HALF - 1e-6, 90.0), True),
        (Range(0.0, 360.0, HALF + 1e-4, 90.0), False),
        (Range(0.0, 360.0, -90.0, 90.0), True),
        (Range(10.0, 20.0, -90.0, 90.0), False),
        (Range(359.9, 360.1, -90.0, 90.0), True),
        (Range(0.1, 0.1, 0.1, 0.1), True),
        (Range(0.6, 0.6, 0.1, 0.1), False),
        (Polygon(((0.35, 3.0), (0.55, 3.0), (0.45, HALF - 1e-4))), True),
        (Polygon(((0.35, 3.0), (0.55, 3.0), (0.45, HALF + 1e-4))), False),
        # A thin needle across, without a corner of either in the other.
        (Polygon(((-2.0, 0.1), (2.0, 0.1), (2.0, 0.1001))), True),
        (Polygon(((-9.0, -9.0), (9.0, -9.0), (9.0, 9.0), (-9.0, 9.0))), True),
        # On the line of an edge, but beyond its end.
        (Polygon(((HALF, 0.6), (HALF, 0.7), (0.6, 0.7))), False),
        # A ring around the tile.
        (Polygon(((-2, -2), (2, -2), (2, 2), (-2, 2), (-2, -1), (-1, 1), (1, 1), (1, -1),
                  (-2, -1))), False),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_edges(tmp_path: Path, shape: Position, expected: bool) -> None:
    index = index_of(tmp_path, tile("A", 0.0, 0.0))
    assert met(index, shape) == (["A"] if expected else [])


def moved(vector: np.ndarray, towards: np.ndarray, by: float) -> tuple[float, float]:
    ra, dec = positions(vector + by * towards)
    return float(ra), float(dec)


@pytest.mark.parametrize(("gap", "expected"), [(0.5e-9, ["A"]), (2e-9, [])], ids=["in", "out"])
@pytest.mark.parametrize("around", [0, 1, 2])
def test_touching_within_a_fifth_of_a_milliarcsecond(
    tmp_path: Path, gap: float, expected: list[str], around: int
) -> None:
    index = index_of(tmp_path, tile("A", 0.0, 0.0))
    corner = index.images[0].corners[0, 0]
    centre = index.images[0].centre[0]
    outwards = corner - (corner @ centre) * centre
    outwards /= np.linalg.norm(outwards)
    across = np.cross(corner, outwards)
    # A side that passes by the tile's corner.
    passing = [moved(corner + sign * 1e-3 * across, outwards, gap) for sign in (-1, 1)]
    vertices = [*passing, moved(corner, outwards, 1e-2)]
    assert met(index, Polygon(tuple(vertices[around:] + vertices[:around]))) == expected
    # A corner that comes near the tile's side.
    edge = index.images[0].corners[0, :2].sum(axis=0)
    edge /= np.linalg.norm(edge)
    outwards = -index.images[0].inwards[0, 0]
    wide = np.cross(edge, outwards)
    vertices = [moved(edge, outwards, gap)]
    vertices += [moved(edge + sign * 1e-3 * wide, outwards, 1e-2) for sign in (-1, 1)]
    assert met(index, Polygon(tuple(vertices[around:] + vertices[:around]))) == expected


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_poles(tmp_path: Path, pole: float) -> None:
    sign = np.sign(pole)
    tiles = [tile("POLE", 0.0, pole), tile("NEAR", 90.0, sign * 89.2), tile("FAR", 0, sign * 80)]
    index = index_of(tmp_path, *tiles)
    assert met(index, Range(0.0, 360.0, *sorted((sign * 89.9999, pole)))) == ["POLE"]
    assert met(index, Range(80.0, 100.0, *sorted((sign * 89.0, pole)))) == ["POLE", "NEAR"]
    assert met(index, Range(260.0, 280.0, *sorted((sign * 89.0, sign * 89.2)))) == []
    assert met(index, Circle(270.0, sign * 89.0, 0.52)) == ["POLE"]
    triangle = [(0.0, sign * 89.9), (120.0, sign * 89.9), (240.0, sign * 89.9)]
    assert met(index, Polygon(tuple(triangle))) == ["POLE"]


def test_box_with_a_side_of_no_length_at_the_pole(tmp_path: Path) -> None:
    corners = ((10.0, 88.0), (30.0, 88.0), (30.0, 90.0), (10.0, 90.0))
    index = index_of(tmp_path, TileRow("A", 20.0, 89.0, corners=corners))
    assert met(index, Range(200.0, 210.0, 89.0, 90.0)) == ["A"]
    assert met(index, Range(200.0, 210.0, 89.0, 89.99)) == []
    assert met(index, Circle(200.0, 89.9, 0.11)) == ["A"]
    assert met(index, Circle(200.0, 89.9, 0.09)) == []
    assert met(index, Polygon(((9.0, 87.0), (31.0, 87.0), (20.0, 88.5)))) == ["A"]
    assert met(index, Polygon(((200.0, 89.0), (210.0, 89.0), (205.0, 89.9)))) == []


def test_images_known_by_a_circle_or_not_at_all(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        TileRow("CAP", 0.0, 60.0, radius_deg=5.0),
        TileRow("SKY", 0.0, 0.0, radius_deg=180.0),
        TileRow("NOWHERE", 0.0, 60.0, unique=(359.0, 1.0, 59.0, 61.0)),
    )
    both, one = ["CAP", "SKY"], ["SKY"]
    assert met(index, Circle(0.0, 66.0, 1.001)) == both
    assert met(index, Circle(0.0, 66.0, 0.999)) == one
    assert met(index, Polygon(((0.0, 59.0), (1.0, 61.0), (359.0, 61.0)))) == both
    assert met(index, Polygon(((0.0, 64.9), (1.0, 70.0), (359.0, 70.0)))) == both
    assert met(index, Polygon(((0.0, 65.1), (1.0, 70.0), (359.0, 70.0)))) == one
    assert met(index, Range(350.0, 370.0, 64.999, 70.0)) == both
    assert met(index, Range(350.0, 370.0, 65.001, 70.0)) == one
    assert met(index, Range(9.9, 12.0, 59.0, 61.0)) == both
    assert met(index, Range(10.1, 12.0, 59.0, 61.0)) == one
    assert met(index, Range(0.0, 360.0, -90.0, 55.001)) == both
    assert met(index, Range(180.0, 181.0, 89.0, 90.0)) == one


def test_no_tiles(tmp_path: Path) -> None:
    (tmp_path / "t.tiles.csv").write_text("tilename,ra,dec\n")
    index = TileIndex.load(tmp_path / "t.tiles.csv")
    assert tiles_meeting(index, Circle(0.0, 0.0, 180.0)).shape == (0,)
