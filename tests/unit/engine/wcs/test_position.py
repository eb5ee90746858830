"""Shapes on the sky against every pixel of small images, and dense points of their outlines."""

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid, sky_grid
from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.engine.wcs.touched import inside_pixels, touched_box
from tests.unit.skyimages import tan_header

SHAPE = (60, 90)
SCALE_DEG = 0.263 / 3600


def grid_at(ra_deg: float = 30.0, dec_deg: float = -20.0, **options: object) -> Grid:
    return sky_grid(tan_header(SHAPE, ra_deg=ra_deg, dec_deg=dec_deg, **options))


def all_sky(projection: str) -> Grid:
    header = tan_header(SHAPE, CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}")
    header.update(CRVAL1=0.0, CRVAL2=0.0, CD1_1=-4.0, CD2_2=3.0, CD1_2=0.0, CD2_1=0.0)
    return sky_grid(header)


def brute_box(position: Position, grid: Grid, shape: tuple[int, int]) -> PixelBox | None:
    """Look at 15 x 15 points of each pixel."""
    ny, nx = shape
    steps = (np.arange(15) + 0.5) / 15 - 0.5
    xs = (np.arange(nx)[:, None] + steps).ravel()
    ys = (np.arange(ny)[:, None] + steps).ravel()
    inside = position.contains(*grid.pixel_to_sky(*np.meshgrid(xs, ys)))
    touched = inside.reshape(ny, 15, nx, 15).any(axis=(1, 3))
    if not touched.any():
        return None
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    return PixelBox(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def near(grid: Grid, x: float, y: float) -> tuple[float, float]:
    ra, dec = grid.pixel_to_sky(x, y)
    return float(ra), float(dec)


def shapes(grid: Grid) -> dict[str, Position]:
    ra, dec = near(grid, 40.2, 30.7)
    corners = [
        near(grid, x, y) for x, y in ((20.3, 10.1), (70.7, 15.2), (60.4, 50.8), (33.3, 40.9))
    ]
    concave = [near(grid, x, y) for x, y in ((10, 10.2), (80.3, 12), (45, 25.6), (70.2, 52))]
    return {
        "circle": Circle(ra, dec, 12.3 * SCALE_DEG),
        "small circle": Circle(ra, dec, 0.1 * SCALE_DEG),
        "circle over the edge": Circle(*near(grid, 88.0, 30.0), 10.2 * SCALE_DEG),
        "circle past the corner": Circle(*near(grid, 96.0, 66.0), 8.0 * SCALE_DEG),
        "circle around all": Circle(ra, dec, 300 * SCALE_DEG),
        "polygon": Polygon(tuple(corners)),
        "polygon clockwise": Polygon(tuple(reversed(corners))),
        "concave polygon": Polygon(tuple(concave)),
        "range": Range(ra - 20 * SCALE_DEG, ra + 21.4 * SCALE_DEG, dec - 0.002, dec + 0.0013),
        "ring": Range(0.0, 360.0, dec - 0.001, dec + 0.0013),
    }


@pytest.mark.parametrize("name", shapes(grid_at()))
@pytest.mark.parametrize(
    "options",
    [{}, {"angle_deg": 33.0}, {"is_mirrored": True}, {"ra_deg": 0.001}, {"dec_deg": 85.0}],
    ids=["upright", "turned", "mirrored", "RA 0", "near the pole"],
)
def test_box_holds_every_pixel_that_is_touched(name: str, options: dict[str, float]) -> None:
    grid = grid_at(**options)
    position = shapes(grid)[name]
    found, expected = touched_box(position, grid, SHAPE), brute_box(position, grid, SHAPE)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.y0 <= expected.y0
    assert found.y1 >= expected.y1
    assert found.x0 <= expected.x0
    assert found.x1 >= expected.x1
    # What 15 points a pixel do not see is less than a pixel.
    if name != "ring":  # reaches beyond the image, and curves back
        more = np.subtract(found.shape, expected.shape)
        assert more.max() <= 1


def test_small_shape_touches_one_pixel() -> None:
    grid = grid_at()
    assert touched_box(Circle(*near(grid, 40.2, 30.7), 1e-9), grid, SHAPE) == PixelBox(
        31, 32, 40, 41
    )


def test_shape_elsewhere_touches_nothing() -> None:
    grid = grid_at()
    for position in (Circle(31.0, -20.0, 0.1), Circle(210.0, 20.0, 1.0), Range(10, 20, 0, 5)):
        assert touched_box(position, grid, SHAPE) is None


def test_shapes_larger_than_a_hemisphere_take_the_whole_image() -> None:
    grid = grid_at()
    for position in (Circle(30.0, -20.0, 120.0), Circle(1.0, 2.0, 180.0), Range(0, 360, -90, 90)):
        assert touched_box(position, grid, SHAPE) == PixelBox(0, SHAPE[0], 0, SHAPE[1])


@pytest.mark.parametrize("projection", ["CAR", "AIT"])
@pytest.mark.parametrize(
    "position",
    [Circle(0.0, 90.0, 20.0), Circle(180.0, 0.0, 20.0), Range(-30, 30, 60, 90), Circle(40, 10, 15)],
    ids=["pole", "seam", "polar sector", "plain"],
)
def test_images_of_the_whole_sky(projection: str, position: Position) -> None:
    grid = all_sky(projection)
    found, expected = touched_box(position, grid, SHAPE), brute_box(position, grid, SHAPE)
    assert found is not None
    assert expected is not None
    assert found.y0 <= expected.y0
    assert found.y1 >= expected.y1
    assert found.x0 <= expected.x0
    assert found.x1 >= expected.x1


def test_a_box_of_thousands_of_pixels_is_exact() -> None:
    grid = sky_grid(tan_header((10_000, 10_000)))
    circle = Circle(30.0, -20.0, 0.3)
    t = np.linspace(0, 1, 400_001)
    x, y = grid.sky_to_pixel(*circle.outline(t[:-1]))
    box = touched_box(circle, grid, (10_000, 10_000))
    assert box == PixelBox(
        int(np.floor(y.min() + 0.5)),
        int(np.ceil(y.max() + 0.5)),
        int(np.floor(x.min() + 0.5)),
        int(np.ceil(x.max() + 0.5)),
    )


@pytest.mark.parametrize("name", ["circle", "polygon", "concave polygon", "range"])
def test_dali_t1_mask_is_the_shape_however_it_runs(name: str) -> None:
    grid = grid_at(angle_deg=20.0)
    position = shapes(grid)[name]
    box = PixelBox(5, 55, 8, 85)
    y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    expected: NDArray[np.bool_] = position.contains(*grid.pixel_to_sky(x, y))
    np.testing.assert_array_equal(inside_pixels(position, grid, box), expected)
    assert 0 < expected.mean() < 1


def test_mask_of_a_tiny_shape_keeps_its_pixel() -> None:
    grid = grid_at()
    mask = inside_pixels(Circle(*near(grid, 40.4, 30.6), 1e-8), grid, PixelBox(30, 33, 39, 42))
    assert np.argwhere(mask).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("vertices", "text"),
    [
        (((0.0, 0.0), (1.0, 1.0)), "at least three"),
        (((0.0, 0.0), (120.0, 0.0), (240.0, 0.0)), "do not fit in a hemisphere"),
    ],
)
def test_polygons_that_are_none(vertices: tuple[tuple[float, float], ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Polygon(vertices)


def test_centres() -> None:
    assert Circle(1.0, 2.0, 3.0).centre == (1.0, 2.0)
    assert Polygon(((359.0, 0.0), (1.0, -1.0), (1.0, 1.0))).centre == pytest.approx(
        (0.333, 0.0), abs=0.01
    )
    assert Range(350.0, 370.0, -10.0, 20.0).centre == (0.0, 5.0)
    assert Range(0.0, 360.0, 80.0, 90.0).centre == (180.0, 90.0)
