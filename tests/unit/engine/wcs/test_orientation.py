import bz2
import itertools

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import sky_grid
from soda_service.engine.wcs.orientation import UPRIGHT, Orientation, orientation
from tests.unit.skyimages import REALSKY, tan_header

SHAPE = (80, 100)
WHOLE = PixelBox(0, SHAPE[0], 0, SHAPE[1])
TURNS = [
    Orientation(transpose=transpose, flip_x=flip_x, flip_y=flip_y)
    for transpose, flip_x, flip_y in itertools.product((False, True), repeat=3)
]

# Swap of axes, flip of columns, flip of rows, as the frames' headers ask for.
FRAMES = {
    "des_sn2006bh/DES_g.fits": (False, True, True),
    "legacy_0860m305/J054358.0-303449.5_legacysurvey-0860m305-image-g.fits.fz": (False, True, True),
    "ps1_sn2006bh/PS1_g.fits": (False, False, True),
    "sdss_m2/frame-r-002583-2-0136.fits.bz2": (True, True, True),
    "sdss_ngc6976/reprojected_sdss_r.fits.bz2": (True, True, True),
    "twomass_gc/gc_2mass_h.fits": (False, False, True),
}


def sky_marks(header: fits.Header) -> NDArray[np.uint8]:
    """Paint an image by the sky: what is north of the centre 200, what is east of it +50."""
    grid = sky_grid(header)
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ra, dec = grid.pixel_to_sky(xs, ys)
    return np.where(dec > -20, 200, 0).astype("u1") + np.where(ra > 30, 50, 0).astype("u1")


@pytest.mark.parametrize("is_mirrored", [False, True], ids=["sky-parity", "mirrored"])
@pytest.mark.parametrize("angle_deg", [0, 90, 98, 180, 270, -98, 20, 160, 359])
def test_north_is_up_and_east_is_left(angle_deg: float, is_mirrored: bool) -> None:
    header = tan_header(SHAPE, angle_deg=angle_deg, is_mirrored=is_mirrored)
    picture = orientation(sky_grid(header), WHOLE).applied(sky_marks(header))
    ny, nx = picture.shape
    # Far from the two dividing lines, which the frame's turn (up to 20 degrees) inclines.
    corner_values = [picture[2, 2], picture[2, -3], picture[-3, 2], picture[-3, -3]]
    assert (nx < ny) == (45 < angle_deg % 180 < 135)
    assert corner_values == [250, 200, 50, 0]


@pytest.mark.parametrize("is_mirrored", [False, True], ids=["sky-parity", "mirrored"])
@pytest.mark.parametrize("angle_deg", [0, 90, 180, 270])
def test_asymmetric_image_lands_pixel_by_pixel(angle_deg: int, is_mirrored: bool) -> None:
    header = tan_header(SHAPE, angle_deg=angle_deg, is_mirrored=is_mirrored)
    grid = sky_grid(header)
    image = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    picture = orientation(grid, WHOLE).applied(image)
    north_east = grid.sky_to_pixel(
        30 + np.arange(2) * 0.263 / 3600 / np.cos(np.radians(20)), [-20.0, -20.0]
    )
    x, y = (np.round(axis + 0.01).astype(int) for axis in north_east)
    rows, columns = zip(
        *(np.argwhere(picture == image[b, a])[0] for a, b in zip(x, y, strict=True)), strict=True
    )
    assert (rows[1] - rows[0], columns[1] - columns[0]) == (0, -1)


@pytest.mark.parametrize("is_mirrored", [False, True], ids=["sky-parity", "mirrored"])
@pytest.mark.parametrize("angle_deg", [0, 90, 180, 270])
def test_same_sky_is_the_same_picture(angle_deg: int, is_mirrored: bool) -> None:
    """Frames about one place, each with its own axes, show one asymmetric sky."""
    size = 41
    box = PixelBox(0, size, 0, size)
    header = tan_header((size, size), angle_deg=angle_deg, is_mirrored=is_mirrored)
    upright, grid = sky_grid(tan_header((size, size))), sky_grid(header)
    ys, xs = np.mgrid[:size, :size]
    x, y = upright.sky_to_pixel(*grid.pixel_to_sky(xs, ys))
    sky = np.rint(x).astype(int) + size * np.rint(y).astype(int)  # no two pixels alike
    picture = orientation(grid, box).applied(sky)
    np.testing.assert_array_equal(picture, np.arange(size**2).reshape(size, size)[::-1])


@pytest.mark.skipif(
    not REALSKY.is_dir(), reason="the real survey images are not beside the repository"
)
@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.partition("/")[0])
def test_real_frames(path: str) -> None:
    opened = bz2.open if path.endswith(".bz2") else open
    with opened(REALSKY / path, "rb") as stream:
        header = TextHeader.from_bytes(stream.read(2880 * 12))
    ny, nx = int(header.number("NAXIS2", 0)), int(header.number("NAXIS1", 0))
    grid = sky_grid(header)
    turn = orientation(grid, PixelBox(0, ny, 0, nx))
    assert (turn.transpose, turn.flip_x, turn.flip_y) == FRAMES[path]

    x, y = (turn.applied(axis) for axis in np.meshgrid(np.arange(nx), np.arange(ny)))
    row, column = x.shape[0] // 2, x.shape[1] // 2
    places = [(row, column), (row, column + 5), (row + 5, column)]  # here, right, down
    ra, dec = grid.pixel_to_sky(*([axis[place] for place in places] for axis in (x, y)))
    west, south = ra[0] - ra[1], dec[0] - dec[2]
    assert west * np.cos(np.radians(dec[0])) > abs(dec[1] - dec[0])
    assert south > abs(ra[2] - ra[0]) * np.cos(np.radians(dec[0]))


def test_upright_frame_only_changes_the_order_of_rows() -> None:
    assert orientation(sky_grid(tan_header(SHAPE)), WHOLE) == UPRIGHT


@pytest.mark.parametrize("angle_deg", [45.0, -45.0])
def test_at_45_degrees_axes_are_not_swapped(angle_deg: float) -> None:
    header = tan_header(SHAPE, angle_deg=angle_deg)
    assert not orientation(sky_grid(header), WHOLE).transpose


@pytest.mark.parametrize("dec_deg", [90.0, -90.0], ids=["north", "south"])
def test_poles_have_an_orientation(dec_deg: float) -> None:
    header = tan_header(SHAPE, dec_deg=dec_deg)
    assert isinstance(orientation(sky_grid(header), WHOLE), Orientation)


def test_image_off_the_projection_stays_upright() -> None:
    header = tan_header(SHAPE, CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CRVAL1=0.0, CRVAL2=0.0)
    header["CD1_1"], header["CD2_2"] = -30.0, 30.0
    header["CRPIX1"] = -500.0
    assert orientation(sky_grid(header), WHOLE) == UPRIGHT


def test_absurd_wcs_stays_upright() -> None:
    header = tan_header(SHAPE, CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP")
    header.update({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e200})
    assert orientation(sky_grid(header), WHOLE) == UPRIGHT


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (Orientation(transpose=False, flip_x=False, flip_y=False), [[1, 2, 3], [4, 5, 6]]),
        (Orientation(transpose=False, flip_x=False, flip_y=True), [[4, 5, 6], [1, 2, 3]]),
        (Orientation(transpose=False, flip_x=True, flip_y=False), [[3, 2, 1], [6, 5, 4]]),
        (Orientation(transpose=False, flip_x=True, flip_y=True), [[6, 5, 4], [3, 2, 1]]),
        (Orientation(transpose=True, flip_x=False, flip_y=False), [[1, 4], [2, 5], [3, 6]]),
        (Orientation(transpose=True, flip_x=True, flip_y=False), [[4, 1], [5, 2], [6, 3]]),
        (Orientation(transpose=True, flip_x=False, flip_y=True), [[3, 6], [2, 5], [1, 4]]),
        (Orientation(transpose=True, flip_x=True, flip_y=True), [[6, 3], [5, 2], [4, 1]]),
    ],
    ids=["none", "rows", "columns", "both", "swap", "swap-columns", "swap-rows", "all"],
)
def test_applied(turn: Orientation, expected: list[list[int]]) -> None:
    grey = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert turn.applied(grey).tolist() == expected
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    assert turn.applied(rgb)[..., 1].tolist() == expected


@pytest.mark.parametrize("turn", TURNS, ids=str)
@pytest.mark.parametrize("planes", [(), (3,)], ids=["grey", "colour"])
def test_undone_is_the_picture_in_fits_order(turn: Orientation, planes: tuple[int, ...]) -> None:
    image = np.arange(6 * max(1, sum(planes)), dtype=np.uint8).reshape(2, 3, *planes)
    picture = np.zeros((*turn.turned_shape((2, 3)), *planes), np.uint8)
    turn.undone(picture)[...] = image  # a view: what is written to it lands in the picture
    np.testing.assert_array_equal(picture, turn.applied(image))
    np.testing.assert_array_equal(turn.undone(turn.applied(image)), image)
