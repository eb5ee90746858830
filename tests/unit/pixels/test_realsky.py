"""Real survey images: what astropy reads is what a cutout has, and where it says it is."""

import bz2
import functools
import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.colour.stiff import stiff
from soda_service.engine.fits.cut import physical
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.wcs.footprint import sky_grid
from soda_service.engine.wcs.orientation import Orientation, orientation
from soda_service.errors import TileUnreadable
from soda_service.formats.fits import FitsBuffer
from soda_service.pixels.reader import TileFile, TileHandle, TileReader
from tests.unit.skyimages import REALSKY

pytestmark = pytest.mark.skipif(
    not REALSKY.is_dir(), reason="the real survey images are not beside the repository"
)

LEGACY = "legacy_0860m305/J054358.0-303449.5_legacysurvey-0860m305-image-{}.fits.fz"
UPRIGHT = Orientation(transpose=False, flip_x=False, flip_y=True)
MIRRORED = Orientation(transpose=False, flip_x=True, flip_y=True)
ON_ITS_SIDE = Orientation(transpose=True, flip_x=True, flip_y=True)

TILES = [
    ("des_sn2006bh/DES_r.fits", ["SCI", "WGT"], MIRRORED),
    (LEGACY.format("r"), ["SCI"], MIRRORED),
    ("ps1_sn2006bh/PS1_r.fits", ["SCI"], UPRIGHT),
    ("sdss_m2/frame-r-002583-2-0136.fits.bz2", ["SCI"], ON_ITS_SIDE),
    ("sdss_ngc6976/reprojected_sdss_r.fits.bz2", ["SCI"], ON_ITS_SIDE),
    ("twomass_gc/gc_2mass_h.fits", ["SCI"], UPRIGHT),
]
IDS = [path.partition("/")[0] for path, _, _ in TILES]


def opened(path: str) -> TileHandle:
    return TileReader().open(TileFile(str(REALSKY / path)))


@functools.lru_cache(maxsize=1)
def unpacked(path: str) -> bytes:
    content = (REALSKY / path).read_bytes()
    return bz2.decompress(content) if path.endswith(".bz2") else content


def astropy_pixels(path: str, number: int, box: PixelBox, *, raw: bool) -> NDArray[np.generic]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(unpacked(path)), do_not_scale_image_data=raw) as file:
            return file[number].data[box.y0 : box.y1, box.x0 : box.x1].copy()


def whole(handle: TileHandle) -> PixelBox:
    ny, nx = handle.shape
    return PixelBox(0, ny, 0, nx)


@pytest.mark.parametrize(("path", "roles", "turn"), TILES, ids=IDS)
def test_planes_and_orientation(path: str, roles: list[str], turn: Orientation) -> None:
    handle = opened(path)
    assert [plane.role for plane in handle.planes] == roles
    assert orientation(handle.grid, whole(handle)) == turn


@pytest.mark.parametrize(("path", "roles"), [tile[:2] for tile in TILES], ids=IDS)
@pytest.mark.parametrize(
    "box", [PixelBox(3, 200, 17, 90), PixelBox(100, 101, 0, 2)], ids=["box", "two-pixels"]
)
def test_cutout_has_the_parents_pixels_and_wcs(path: str, roles: list[str], box: PixelBox) -> None:
    handle = opened(path)
    content = cutout(handle, box)
    raw = fits.open(io.BytesIO(content), do_not_scale_image_data=True)
    with raw, fits.open(io.BytesIO(content), checksum=True) as file:
        file.verify("exception")
        assert [hdu.name for hdu in file] == roles
        for number, hdu in enumerate(file):
            pixels = astropy_pixels(path, number, box, raw=True)
            assert raw[number].data.tobytes() == pixels.tobytes()
            np.testing.assert_array_equal(
                hdu.data, astropy_pixels(path, number, box, raw=False), strict=True
            )
        grid = sky_grid(file[0].header)
    ys, xs = (axis.ravel() for axis in np.mgrid[-0.5 : box.shape[0], -0.5 : box.shape[1]])
    x, y = grid.sky_to_pixel(*handle.grid.pixel_to_sky(xs + box.x0, ys + box.y0))
    assert np.hypot(x - xs, y - ys).max() < 1e-6


def cutout(handle: TileHandle, box: PixelBox) -> bytes:
    """Make a file of all planes, as a job does."""
    buffer = FitsBuffer()
    for number, plane in enumerate(handle.planes):
        template = HeaderTemplate(
            plane.header,
            primary=handle.primary,
            is_primary=number == 0,
            role=plane.role,
            cards=(),
        )
        header = template.render(box, ())
        handle.read_into(number, box, buffer.add(header, box.shape, plane.dtype))
    return bytes(buffer.finish())


def test_images_without_wcs_are_refused() -> None:
    with pytest.raises(TileUnreadable, match=r"^g\.fits: no celestial WCS"):
        opened("des_grizY_stamps_nowcs/g.fits")


@pytest.mark.parametrize(
    "path", ["des_sn2006bh/DES_{}.fits", "ps1_sn2006bh/PS1_{}.fits"], ids=["des", "ps1"]
)
def test_mirrored_and_upright_surveys_show_the_same_sky(path: str) -> None:
    handles = [opened(path.format(band)) for band in "irg"]
    bands = [
        physical(Image(handle.read(0, whole(handle)), handle.planes[0].header))
        for handle in handles
    ]
    picture = orientation(handles[0].grid, whole(handles[0])).applied(stiff(bands))
    light = picture.sum(axis=2, dtype=int)
    ny, nx = light.shape
    light[ny // 2 - 17 : ny // 2 + 17, nx // 2 - 17 : nx // 2 + 17] = 0  # the galaxy's core
    row, column = np.unravel_index(light.argmax(), light.shape)
    # The star north-east of the core: 24" up, 37 px to the left.
    assert (row, column) == (pytest.approx(ny * 0.38, abs=8), pytest.approx(nx * 0.34, abs=8))


def test_globular_cluster_is_below_and_left_of_the_frames_centre() -> None:
    handle = opened("sdss_m2/frame-r-002583-2-0136.fits.bz2")
    image = handle.read(0, whole(handle)).astype("f4")
    picture = orientation(handle.grid, whole(handle)).applied(image)
    blocks = picture[: 2048 // 64 * 64, : 1489 // 64 * 64].reshape(32, 64, 23, 64).sum(axis=(1, 3))
    row, column = np.unravel_index(blocks.argmax(), blocks.shape)
    # M2 is at RA 323.363 Dec -0.823, 0.020 deg east and 0.089 deg south of the centre.
    assert (row, column) == (28, 8)
