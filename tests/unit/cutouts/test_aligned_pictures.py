"""Frames of the Sloan survey, whose bands lie up to 11 pixels apart, brought onto the red one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.cutouts.aligning import Aligner, is_aligned
from soda_service.cutouts.bands import BandCutter
from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.engine.colour.lupton import lupton
from soda_service.engine.wcs.footprint import outline, pixel_to_sky, sky_to_pixel
from soda_service.pixels.reader import TileFile, TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import PlannedRow
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Band, Release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.unit.cutouts.starshapes import StarShape, measured
from tests.unit.skyimages import REALSKY

FRAMES = REALSKY / "sdss_m2"
TEMPLATE = "frame-{band}-002583-2-0136.fits.bz2"

pytestmark = pytest.mark.skipif(
    not FRAMES.is_dir(), reason="the folder of real sky data beside the repository is not there"
)

# Of each 256 x 300 pixels of the frame in r the brightest star that is not saturated and has no
# neighbour of 4 % of its light within 14 pixels.
STARS = (
    *((230, 242), (32, 328), (63, 609), (196, 1382), (347, 54), (406, 541), (483, 1400)),
    *((622, 289), (582, 709), (682, 1032), (809, 395), (931, 756), (808, 1044), (815, 1250)),
    *((1127, 334), (1079, 871), (1051, 1043), (1082, 1327), (1331, 69), (1508, 354), (1385, 823)),
    *((1502, 913), (1457, 1281), (1779, 125), (1675, 309), (1782, 866), (1757, 949), (1537, 1284)),
    *((1995, 202), (1815, 549), (1926, 693), (1825, 946), (2019, 1397)),
)

NEAR = ((1628, 194), (1510, 243), (1478, 341), (1508, 354))
"""All such stars, of any brightness, of the 200 x 200 pixels from (1445, 175) on."""

_Pixels = NDArray[np.floating]


@dataclass(frozen=True)
class Field:
    """A part of the frames: as it was observed in each band, and on the grid of r."""

    places: Mapping[str, Place]
    cut: Mapping[str, _Pixels]
    aligned: Mapping[str, _Pixels]

    def red(self, star: tuple[int, int]) -> StarShape:
        """Measure a star, given by its pixel of the frame in r, in that band's cutout."""
        return measured(self.cut["r"], *self.at(star))

    def brought(self, star: tuple[int, int], band: str) -> StarShape:
        """Measure it in another band on the grid of r."""
        return measured(self.aligned[band], *self.at(star))

    def observed(self, star: tuple[int, int], band: str) -> StarShape:
        """Measure it in another band as that was observed."""
        red = self.red(star)
        return measured(self.cut[band], *self.moved(red.x, red.y, "r", band))

    def expected(self, star: tuple[int, int], band: str) -> tuple[float, float]:
        """Say where in the cutout of r a band has a star by that band's own WCS."""
        found = self.observed(star, band)
        return self.moved(found.x, found.y, band, "r")

    def at(self, star: tuple[int, int]) -> tuple[int, int]:
        box = self.places["r"].box
        return star[0] - box.x0, star[1] - box.y0

    def moved(self, x: float, y: float, band: str, other: str) -> tuple[float, float]:
        """Find the pixel of another band's cutout that shows the same sky."""
        here, there = self.places[band], self.places[other]
        sky = pixel_to_sky(here.handle.grid, x + here.box.x0, y + here.box.y0)
        found = sky_to_pixel(there.handle.grid, *sky)
        return float(found[0]) - there.box.x0, float(found[1]) - there.box.y0


@pytest.fixture(scope="module")
def geometry(tmp_path_factory: pytest.TempPathFactory) -> TileGeometry:
    folder = tmp_path_factory.mktemp("release")
    root = FRAMES.resolve()
    release = Release(
        name="M2",
        title="",
        bands=tuple(map(Band, "rgi")),
        root=str(root),
        path_template=TEMPLATE,
        size_max_arcmin=20.0,
    )
    reader = TileReader()
    red = reader.open(TileFile(str(root / TEMPLATE.format(band="r")), (), str(root)))
    corners = tuple(map(tuple, outline(red.grid, red.shape).tolist()))
    middle = pixel_to_sky(red.grid, 1023.5, 744.0)
    path = table_path(folder, release.name)
    write_tiles(path, [TileRow("M2", float(middle[0]), float(middle[1]), corners=corners)])
    return TileGeometry(release, TileIndex.load(path), reader)


def field(geometry: TileGeometry, x: float, y: float, nx: int, ny: int) -> Field:
    """Cut the frames around a pixel of that in r, and bring g and i onto it."""
    red = geometry.open("M2", "r")
    ra, dec = map(float, pixel_to_sky(red.grid, x, y))
    options = replace(default_options(geometry.release), xpix=nx, ypix=ny, edge="pad")
    row = PlannedRow(1, None, ra, dec, ra, dec, "M2", "", "J", options)
    places = {band: geometry.place(row, band) for band in "rgi"}
    cutter = BandCutter(geometry)
    cut = {}
    for band, place in places.items():
        cut[band] = cutter.cut(row, place, with_file=False, with_science=True).science
    aligner = Aligner(geometry, cutter)
    aligned = {band: aligner.science(row, places["r"], band) for band in "gi"}
    return Field(places, cut, aligned)


@pytest.fixture(scope="module")
def frame(geometry: TileGeometry) -> Field:
    """All of the frame in r."""
    return field(geometry, 1023.5, 744.0, 2048, 1489)


@pytest.fixture(scope="module")
def region(geometry: TileGeometry) -> Field:
    """The surroundings of four isolated stars."""
    return field(geometry, 1544.5, 274.5, 200, 200)


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


@pytest.mark.parametrize(("band", "off_px"), [("g", 11.5), ("i", 3.1)])
def test_frames_as_they_are_lie_pixels_apart(frame: Field, band: str, off_px: float) -> None:
    """What the others are for: stars of one pixel in r are that far away in the other frame."""
    assert not is_aligned(frame.places["r"], frame.places[band], "pad")
    off = []
    for star in STARS:
        red, box = frame.red(star), frame.places[band].box
        found = frame.observed(star, band)
        off.append(apart((red.x, red.y), (found.x + box.x0, found.y + box.y0)))
    assert np.median(off) == pytest.approx(off_px, abs=0.2)


@pytest.mark.parametrize("band", ["g", "i"])
@pytest.mark.parametrize("star", NEAR, ids=str)
def test_stars_are_in_one_place_to_a_tenth_of_a_pixel(
    region: Field, star: tuple[int, int], band: str
) -> None:
    red, found = region.red(star), region.brought(star, band)
    assert apart((red.x, red.y), (found.x, found.y)) < 0.1
    assert found.fwhm_x == pytest.approx(found.fwhm_y, rel=0.07)


def test_stars_of_a_picture_are_round_and_white(region: Field) -> None:
    bands = region.aligned["i"], region.cut["r"], region.aligned["g"]
    # Linear, and each of the bands as bright as the others in the star.
    star = (1478, 341)
    x, y = region.at(star)
    levels = [plane / plane[y - 1 : y + 2, x - 1 : x + 2].mean() for plane in bands]
    picture = lupton(*levels, minimum=0.0, stretch=2.0, q=0.0)
    channels = [measured(picture[..., n].astype(float), x, y) for n in range(3)]
    red, green, blue = ((each.x, each.y) for each in channels)
    assert max(apart(red, green), apart(green, blue), apart(red, blue)) < 0.1
    for each in channels:
        assert each.fwhm_x == pytest.approx(each.fwhm_y, rel=0.07)


@pytest.mark.parametrize("band", ["g", "i"])
def test_all_of_a_frame_goes_where_its_own_wcs_says(frame: Field, band: str) -> None:
    for star in STARS:
        found, before = frame.brought(star, band), frame.observed(star, band)
        assert apart((found.x, found.y), frame.expected(star, band)) < 0.02, star
        assert found.flux == pytest.approx(before.flux, rel=0.01), star
        assert found.fwhm_x == pytest.approx(before.fwhm_x, rel=0.05), star
        assert found.fwhm_y == pytest.approx(before.fwhm_y, rel=0.05), star


@pytest.mark.parametrize(("band", "median_px"), [("g", 0.11), ("i", 0.05)])
def test_all_of_a_frame_agrees_as_well_as_the_survey(
    frame: Field, band: str, median_px: float
) -> None:
    """The frames' WCS, which have no distortion, differ by 0.04 arcsec between r and g."""
    off = []
    for star in STARS:
        red, found = frame.red(star), frame.brought(star, band)
        off.append(apart((red.x, red.y), (found.x, found.y)))
    assert np.median(off) < median_px
