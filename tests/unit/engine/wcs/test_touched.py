"""Shapes that reach far beyond an image: their boxes against astropy's sky of every pixel.

vo F2: a RANGE of many degrees of RA was said to have no pixel, or far too many. SODA 1.0, section
3.3.1, has `RANGE 0 360 -2 2` as its example of a band, and pyvo issue 598 is about open ends.
"""

import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import sky_grid
from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.engine.wcs.touched import inside_pixels, touched_box
from soda_service.request.shapes import parse_pos
from tests.unit.engine.projections import every_header
from tests.unit.skyimages import sip_header, tan_header, tpv_header

SHAPE = (60, 90)
PARTS = 11


def sky_of_pixels(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Return ICRS of `PARTS` squared points of each pixel, by astropy alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header, naxis=2)
    ny, nx = SHAPE
    steps = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    x, y = np.meshgrid(
        (np.arange(nx)[:, None] + steps).ravel(), (np.arange(ny)[:, None] + steps).ravel()
    )
    ra, dec = wcs.all_pix2world(x, y, 0)
    return ra % 360, dec


def in_range(
    bounds: tuple[float, float, float, float], ra: np.ndarray, dec: np.ndarray
) -> np.ndarray:
    low, high, bottom, top = bounds
    width = high - low if high >= low else high - low + 360
    within = ((ra - low) % 360 <= width) | (width >= 360)
    return within & (dec >= bottom) & (dec <= top)


def box_of(inside: np.ndarray) -> PixelBox | None:
    ny, nx = SHAPE
    touched = inside.reshape(ny, PARTS, nx, PARTS).any(axis=(1, 3))
    if not touched.any():
        return None
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    return PixelBox(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def assert_same(found: PixelBox | None, expected: PixelBox | None) -> None:
    """Check for every pixel that was seen, and at most one more on a side that was not."""
    if expected is None or found is None:
        assert found is expected or max(found.shape) <= 2  # too thin for the points
        return
    assert found.x0 in {expected.x0, expected.x0 - 1}
    assert found.y0 in {expected.y0, expected.y0 - 1}
    assert found.x1 in {expected.x1, expected.x1 + 1}
    assert found.y1 in {expected.y1, expected.y1 + 1}


WIDTHS = {
    "0.003": (-0.0015, 0.0015),
    "0.01, past one edge": (0.001, 0.01),
    "1": (-0.5, 0.5),
    "6": (-2, 4),
    "60": (-0.001, 60),
    "170": (-169.999, 0.001),
    "350": (-100, 250),
    "360": (-180, 180),
}
"""Width in RA, deg -> its ends against the image's centre; small ones grow with 1 / cos(Dec)."""


@pytest.mark.parametrize("dec_deg", [3.6, 0.0, -67.0, 88.0, 89.9995, 90.0, -90.0])
@pytest.mark.parametrize("ra_deg", [0.0, 21.6, 359.9999])
def test_soda_12_a_range_of_any_width_has_its_pixels(dec_deg: float, ra_deg: float) -> None:
    header = tan_header(SHAPE, ra_deg=ra_deg, dec_deg=dec_deg, angle_deg=20.0)
    grid, sky = sky_grid(header), sky_of_pixels(header)
    stretch = 1 / max(np.cos(np.radians(dec_deg)), 1e-3)
    heights = ((-0.0002, 0.0001), (-0.5, 0.0003), (0.0005, 20.0), (-0.00021, -0.00018))
    for ends, (bottom, top) in itertools.product(WIDTHS.values(), heights):
        begin, end = (ra_deg + way * (stretch if abs(way) < 0.1 else 1) for way in ends)
        low, high = np.clip((dec_deg + bottom, dec_deg + top), -90, 90)
        position = parse_pos(f"RANGE {float(begin)!r} {float(end)!r} {low} {high}")
        inside = in_range((begin, end, low, high), *sky)
        assert_same(touched_box(position, grid, SHAPE), box_of(inside))


@pytest.mark.parametrize("text", ["0 360", "-Inf +Inf", "21.3 +Inf", "-Inf 21.9", "170 60"])
def test_open_ends_are_the_same_strip(text: str) -> None:
    header = tan_header((6000, 6000), ra_deg=21.6, dec_deg=3.6, scale_arcsec=0.263)
    box = touched_box(parse_pos(f"RANGE {text} 3.48 3.481"), sky_grid(header), (6000, 6000))
    assert box is not None
    assert box.shape[1] == 6000
    # The parallel is 13.7 pixels wide, and rises by 0.3 pixels towards the edges of the tile.
    assert box.shape[0] in {14, 15, 16}


@pytest.mark.parametrize("name", sorted(every_header()))
def test_strips_on_every_projection(name: str) -> None:
    header = every_header()[name]
    if name == "cube":
        header = header.copy()
        del header["*3*"]
    grid = sky_grid(header)
    shape = (80, 100)
    ra, dec = (float(axis) for axis in grid.pixel_to_sky(50.3, 40.2))
    pixel = grid.scales_arcsec[0] / 3600
    ny, nx = shape
    steps = (np.arange(5) - 2) / 5
    x, y = np.meshgrid(*((np.arange(n)[:, None] + steps).ravel() for n in (nx, ny)))
    sky = grid.pixel_to_sky(x, y)
    bottom, top = (float(np.clip(dec + way * pixel, -90, 90)) for way in (-1.1, 1.2))
    position = Range((ra - 80) % 360, (ra - 80) % 360 + 160, bottom, top)
    touched = position.contains(*sky).reshape(ny, 5, nx, 5).any(axis=(1, 3))
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    box = touched_box(position, grid, shape)
    assert box is not None
    assert rows.size
    assert box.y0 in {rows[0], rows[0] - 1}
    assert box.y1 in {rows[-1] + 1, rows[-1] + 2}
    assert box.x0 in {columns[0], columns[0] - 1}
    assert box.x1 in {columns[-1] + 1, columns[-1] + 2}


@pytest.mark.parametrize("make", [tan_header, sip_header, tpv_header])
@pytest.mark.parametrize("length_deg", [0.5, 5.0, 60.0])
def test_long_polygons_and_large_circles_too(
    make: Callable[..., Header], length_deg: float
) -> None:
    """The same kind in the other shapes: their outline passes between two sampled points."""
    grid = sky_grid(make(SHAPE))
    ra, dec = (float(axis) for axis in grid.pixel_to_sky(44.4, 30.3))
    height = 0.3 / 3600
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    # Along a meridian, where a great circle is easy to know.
    strip = Polygon(tuple(((ra + x * height) % 360, dec + y * length_deg / 2) for x, y in corners))
    circle = Circle(ra, min(dec + length_deg, 90), length_deg)
    steps = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    ny, nx = SHAPE
    x, y = np.meshgrid(*((np.arange(n)[:, None] + steps).ravel() for n in (nx, ny)))
    sky = grid.pixel_to_sky(x, y)
    positions: list[Position] = [strip, circle]
    for position in positions:
        assert_same(touched_box(position, grid, SHAPE), box_of(position.contains(*sky)))


def test_all_but_a_hole_is_the_whole_image() -> None:
    """The outline is on the image, and the shape around it."""
    grid = sky_grid(tan_header(SHAPE, dec_deg=90.0))
    for position in (Circle(0.0, -90.0, 179.999), Range(0.0, 360.0, -90.0, 89.999)):
        assert touched_box(position, grid, SHAPE) == PixelBox(0, SHAPE[0], 0, SHAPE[1])


@pytest.mark.parametrize(("low", "high"), [(0.0, 10.0), (350.0, 360.0), (170.0, 180.0)])
def test_a_meridian_at_the_seam_of_a_map_is_on_its_own_side(low: float, high: float) -> None:
    header = tan_header(SHAPE, CTYPE1="RA---CAR", CTYPE2="DEC--CAR")
    header.update(CRVAL1=180.0, CRVAL2=0.0, CD1_1=-4.0, CD2_2=3.0, CD1_2=0.0, CD2_1=0.0)
    grid = sky_grid(header)
    expected = box_of(in_range((low, high, -10, 10), *sky_of_pixels(header)))
    assert_same(touched_box(Range(low, high, -10.0, 10.0), grid, SHAPE), expected)


def test_the_mask_of_a_strip_thinner_than_a_pixel_is_a_line() -> None:
    grid = sky_grid(tan_header(SHAPE, ra_deg=21.6, dec_deg=3.6))
    position = Range(0.0, 360.0, 3.60003, 3.60003 + 1e-9)
    box = touched_box(position, grid, SHAPE)
    assert box is not None
    mask = inside_pixels(position, grid, box)
    assert mask.any(axis=0).all()
