"""Bands of one sky on different grids, brought onto that of a picture's first band."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.cutouts.aligning import Aligner, is_aligned
from soda_service.cutouts.bands import BandCutter
from soda_service.cutouts.geometry import Place
from soda_service.engine.mosaicking import resampling
from soda_service.engine.wcs.footprint import pixel_to_sky, sky_grid
from soda_service.errors import NoCoverage, OptionsError, UnknownTile
from soda_service.sky.release import Band
from tests.unit.analytic import PEAK, SIGMA_ARCSEC, AnalyticSky
from tests.unit.cutouts.mosaics import SHAPE, Survey, TileSpec, common_header, own_header, survey
from tests.unit.cutouts.starshapes import FWHM, StarShape, measured
from tests.unit.skyimages import tan_header

RA, DEC = 30.0, -60.0

SKY = AnalyticSky(RA, DEC)
STAR = AnalyticSky(RA, DEC, radius_arcsec=3, stars=1)

BRIGHTNESS = {"BUNIT": "nJy/arcsec2"}
"""A unit that does not depend on the size of pixels, as the analytic sky's."""

RED = common_header(-50, -60)

ERROR = 0.008 * PEAK
"""Of a spline; see the engine's tests."""

SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "B_ORDER": 2,
    "A_2_0": 3e-4,
    "B_1_1": -2e-4,
}

GRIDS = {
    "a third of a pixel off": common_header(-50.3, -60.4),
    "11 pixels and a half off": common_header(-61.5, -55.2),
    "turned by 3 degrees": own_header(-50, -60, angle_deg=3),
    "turned by 90 degrees": own_header(-50, -60, angle_deg=90),
    "mirrored": tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, is_mirrored=True),
    "distorted": tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, **SIP),
    "smaller pixels": tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, scale_arcsec=0.2),
}


@dataclass(frozen=True)
class Aligned:
    """A band brought onto another one's grid."""

    red: Place
    edge: str
    values: NDArray[np.floating]

    def painted(self, sky: AnalyticSky) -> NDArray[np.float64]:
        """Give what the sky is in the pixels of the red band's box."""
        box = self.red.output_box(self.edge)
        y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
        return sky.at(*pixel_to_sky(self.red.handle.grid, x, y))


def bands(
    folder: Path,
    other: fits.Header,
    *,
    red: fits.Header = RED,
    sky: AnalyticSky = SKY,
    cards: Mapping[str, object] = BRIGHTNESS,
    **fields: object,
) -> Survey:
    """Show a sky in a tile's band g, the red one of its pictures, and on another grid in u."""
    both = survey(folder, [tile("A", red, sky)], bands=(Band("g"), Band("u")), **fields)
    write_u(folder, "A", sky.image(other), other, cards)
    return both


def tile(name: str, header: fits.Header, sky: AnalyticSky = SKY) -> TileSpec:
    return TileSpec(name, header, {"SCI": sky.image(header)})


def write_u(
    folder: Path,
    name: str,
    data: NDArray[np.generic],
    header: fits.Header,
    cards: Mapping[str, object] = BRIGHTNESS,
) -> None:
    plane = fits.ImageHDU(data, header, name="SCI")
    plane.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), plane]).writeto(folder / f"{name}_u.fits")


def at_pixel(x: float, y: float) -> tuple[float, float]:
    """Give the sky of a pixel's lower left corner on the common grid: the middle of even boxes."""
    ra, dec = pixel_to_sky(sky_grid(common_header(0, 0)), x - 0.5, y - 0.5)
    return float(ra), float(dec)


def align(
    of: Survey,
    at: tuple[float, float] = (RA, DEC),
    *,
    edge: str = "trim",
    size: tuple[int, int] = (60, 40),
    band: str = "u",
    **asked: object,
) -> Aligned:
    """Bring band u onto the grid of g in a box around a position."""
    row = of.row(*at, "A", *size)
    row = replace(row, options=replace(row.options, edge=edge))
    red = of.geometry.place(row, "g")
    aligner = Aligner(of.geometry, BandCutter(of.geometry))
    values = aligner.science(replace(row, **asked), red, band)
    assert values.shape == red.output_box(edge).shape
    return Aligned(red, edge, values)


def star(image: NDArray[np.floating]) -> StarShape:
    y, x = np.unravel_index(int(np.nanargmax(image)), image.shape)
    return measured(image, float(x), float(y))


# What cannot be aligned


@pytest.mark.parametrize("edge", ["trim", "pad", "mosaic"])
@pytest.mark.parametrize(
    "other",
    [common_header(70, -60), own_header(2000, 2000, angle_deg=20), tan_header(SHAPE, dec_deg=80)],
    ids=["beside", "elsewhere", "beyond the horizon"],
)
def test_a_band_that_lies_elsewhere_has_no_coverage(
    tmp_path: Path, edge: str, other: fits.Header
) -> None:
    two = bands(tmp_path, other)
    with pytest.raises(NoCoverage, match="no pixel of tile A in band u at this position"):
        align(two, edge=edge)


def test_a_band_of_far_smaller_pixels_is_refused(tmp_path: Path) -> None:
    tiny = tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, scale_arcsec=1e-4)
    two = bands(tmp_path, tiny)
    with pytest.raises(
        OptionsError, match=r"needs 2\d{5} x 1\d{5} pixels of band u, 1\d{11} bytes"
    ):
        align(two, edge="mosaic")


def test_a_band_that_the_release_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownTile, match="y"):
        align(bands(tmp_path, RED), band="y")


# Whether bands are aligned


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (RED, True),
        (common_header(-39, -63), True),
        (common_header(-50.005, -60), True),
        (common_header(-50.02, -60), False),
        (common_header(-50, -60.5), False),
        (own_header(-50, -60, angle_deg=0.5), False),
        (tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, is_mirrored=True), False),
        (tan_header(SHAPE, ra_deg=RA, dec_deg=DEC, scale_arcsec=0.26), False),
    ],
    ids=[
        "one grid",
        "other pixels of one grid",
        "a two-hundredth of a pixel",
        "a fiftieth of a pixel",
        "half a pixel",
        "turned a little",
        "mirrored",
        "smaller pixels",
    ],
)
def test_bands_on_one_grid_are_told(tmp_path: Path, other: fits.Header, expected: bool) -> None:
    two = bands(tmp_path, other)
    row = two.row(*at_pixel(0, 0), "A", 20, 20)
    red, place = (two.geometry.place(row, band) for band in "gu")
    assert is_aligned(red, place, "trim") is expected
    assert is_aligned(red, red, "trim")


def test_boxes_that_their_tiles_cut_short_differ(tmp_path: Path) -> None:
    two = bands(tmp_path, common_header(-39, -60))
    row = two.row(*at_pixel(-36, 0), "A", 20, 20)
    red, place = (two.geometry.place(row, band) for band in "gu")
    assert {edge: is_aligned(red, place, edge) for edge in ("trim", "pad", "mosaic")} == {
        "trim": False,
        "pad": True,
        "mosaic": True,
    }


# Pixels


@pytest.mark.parametrize("edge", ["trim", "pad", "mosaic"])
@pytest.mark.parametrize("other", GRIDS.values(), ids=GRIDS)
def test_every_pixel_is_the_sky_of_the_red_band(
    tmp_path: Path, other: fits.Header, edge: str
) -> None:
    found = align(bands(tmp_path, other), edge=edge)
    assert found.values.dtype == np.float32
    assert np.abs(found.values - found.painted(SKY)).max() < ERROR


@pytest.mark.parametrize("other", GRIDS.values(), ids=GRIDS)
def test_stars_keep_place_light_and_shape(tmp_path: Path, other: fits.Header) -> None:
    found = align(bands(tmp_path, other, sky=STAR), size=(50, 50))
    here, there = star(found.painted(STAR)), star(found.values)
    assert (there.x, there.y) == pytest.approx((here.x, here.y), abs=0.005)
    assert there.flux == pytest.approx(here.flux, rel=0.01)
    expected = pytest.approx(SIGMA_ARCSEC / 0.263 * FWHM, rel=0.01)
    assert (there.fwhm_x, there.fwhm_y) == (expected, expected)


@pytest.mark.parametrize("scale_arcsec", [0.35, 0.1], ids=["larger pixels", "far smaller pixels"])
def test_stars_keep_place_and_light_across_scales(tmp_path: Path, scale_arcsec: float) -> None:
    other = tan_header((240, 240), ra_deg=RA, dec_deg=DEC, scale_arcsec=scale_arcsec, angle_deg=30)
    found = align(bands(tmp_path, other, sky=STAR), size=(50, 50))
    here, there = star(found.painted(STAR)), star(found.values)
    assert (there.x, there.y) == pytest.approx((here.x, here.y), abs=0.02)
    assert there.flux == pytest.approx(here.flux, rel=0.02)
    assert there.fwhm_x == pytest.approx(there.fwhm_y, rel=0.02)


def test_pixels_of_one_grid_are_copied(tmp_path: Path) -> None:
    other = common_header(-39, -63)
    two = bands(tmp_path, other)
    found = align(two, at_pixel(0, 0))
    np.testing.assert_array_equal(found.values, SKY.image(other)[63 - 20 : 63 + 20, 39 - 30 : 69])


@pytest.mark.parametrize("block_px", [16, 37])
def test_blocks_leave_no_seams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_px: int
) -> None:
    two = bands(tmp_path, GRIDS["turned by 3 degrees"])
    whole = align(two).values
    monkeypatch.setattr(resampling, "_BLOCK_PX", block_px)
    np.testing.assert_allclose(align(two).values, whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("card", "unit", "factor"),
    [
        ("nJy", "", (0.263 / 0.2) ** 2),
        ("", "", (0.263 / 0.2) ** 2),
        ("", "nanomaggy", (0.263 / 0.2) ** 2),
        ("", "MJy/sr", 1.0),
        ("MJy/sr", "nJy", 1.0),
    ],
    ids=["flux", "unknown", "flux of the release", "brightness of the release", "brightness"],
)
def test_flux_grows_with_the_pixel(tmp_path: Path, card: str, unit: str, factor: float) -> None:
    cards = {"BUNIT": card, "MAGZERO": 25.0} if card else {"MAGZERO": 25.0}
    two = bands(tmp_path, GRIDS["smaller pixels"], cards=cards, unit=unit, zero_point_mag=30.0)
    found = align(two)
    np.testing.assert_allclose(found.values, found.painted(SKY) * factor, atol=ERROR * factor)


# Holes


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_pixel_without_value_darkens_its_neighbours_alone(tmp_path: Path, lost: float) -> None:
    two = survey(tmp_path, [tile("A", RED)], bands=(Band("g"), Band("u")))
    data = SKY.image(other := GRIDS["a third of a pixel off"])
    data[62, 53] = lost  # at (2.7, 1.6) of the common grid
    write_u(tmp_path, "A", data, other)
    found = align(two, at_pixel(0, 0))
    ys, xs = np.nonzero(~np.isfinite(found.values))
    assert sorted(zip(xs - 30, ys - 20, strict=True)) == [(2, 1), (2, 2), (3, 1), (3, 2)]
    assert np.nanmax(np.abs(found.values - found.painted(SKY))) < 0.15 * PEAK


@pytest.mark.parametrize("other", ["a third of a pixel off", "turned by 3 degrees"])
def test_a_band_that_ends_in_the_box_is_nan_beyond(tmp_path: Path, other: str) -> None:
    shift = sky_grid(GRIDS[other])
    two = bands(tmp_path, GRIDS[other])
    for edge, expected in (("trim", (40, 50)), ("pad", (40, 60))):
        found = align(two, at_pixel(-30, 0), edge=edge)
        assert found.values.shape == expected
        box = found.red.output_box(edge)
        y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
        there_x, _ = shift.sky_to_pixel(*pixel_to_sky(found.red.handle.grid, x, y))
        has_none = there_x < -0.5
        assert has_none.any() == (edge == "pad" or "turned" in other)
        np.testing.assert_array_equal(np.isnan(found.values), has_none)
        inner = there_x > 3
        assert np.abs(found.values - found.painted(SKY))[inner].max() < ERROR


def test_copied_pixels_are_nan_beyond_their_tile(tmp_path: Path) -> None:
    other = common_header(-39, -60)
    found = align(bands(tmp_path, other), at_pixel(-40, 0), edge="pad", size=(40, 20))
    expected = np.full((20, 40), np.nan, "f4")
    expected[:, 21:] = SKY.image(other)[50:70, :19]
    np.testing.assert_array_equal(found.values, expected)


def test_a_mosaic_fills_the_band_from_its_own_neighbours(tmp_path: Path) -> None:
    reds = {"A": common_header(-90, -60), "B": common_header(-10, -60)}
    tiles = [tile(name, header) for name, header in reds.items()]
    two = survey(tmp_path, tiles, bands=(Band("g"), Band("u")))
    for name, x in (("A", -100.4), ("B", -20.4)):
        other = common_header(x, -60.3)
        write_u(tmp_path, name, SKY.image(other), other)
    found = align(two, at_pixel(0, 0), edge="mosaic")
    assert np.abs(found.values - found.painted(SKY)).max() < ERROR
    padded = align(two, at_pixel(0, 0), edge="pad")
    assert np.isnan(padded.values)[:, 31:].all()


def test_what_a_shape_blanks_is_left_to_the_red_band(tmp_path: Path) -> None:
    two = bands(tmp_path, GRIDS["turned by 3 degrees"])
    asked = {"shape": f"CIRCLE {RA} {DEC} 0.001", "is_masked": True}
    for edge in ("trim", "mosaic"):
        found = align(two, edge=edge, **asked)
        assert np.abs(found.values - found.painted(SKY)).max() < ERROR
