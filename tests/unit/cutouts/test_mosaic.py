"""Boxes filled from the tiles around their own."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.cutouts import mosaic as mosaics
from soda_service.engine.wcs.footprint import pixel_to_sky, sky_grid
from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.pixels.reader import TileHandle
from tests.unit.analytic import PEAK, AnalyticSky
from tests.unit.cutouts.mosaics import (
    SHAPE,
    Filled,
    Survey,
    TileSpec,
    box_sky,
    common_header,
    des_planes,
    four_tiles,
    own_header,
    owner,
    survey,
)

RA, DEC = 30.0, -60.0

CORNERS = [(-90, -110), (-10, -110), (-90, -10), (-10, -10)]
"""First pixels of tiles A to D, which overlap by 20 pixels around the pixel (0, 0)."""

NEAR = [(-80, -90), (-20, -90), (-80, -30), (-20, -30)]
"""The same with so wide overlaps that turned tiles leave no gaps."""

ERROR = 0.008 * PEAK
"""Of resampling; see the engine's tests."""


def flat(value: float, dtype: str = "f4") -> NDArray[np.generic]:
    return np.full(SHAPE, value, dtype)


def pair(tmp_path: Path, a: TileSpec | None = None, b: TileSpec | None = None) -> Survey:
    """Write tile A, and B to its right, which overlaps it by 20 pixels on the same grid."""
    first, second = common_header(-50, -60), common_header(30, -60)
    tiles = [
        a or TileSpec("A", first, des_planes(flat(1), 1)),
        b or TileSpec("B", second, des_planes(flat(2), 2)),
    ]
    return survey(tmp_path, tiles)


def at_pixel(x: float, y: float) -> tuple[float, float]:
    """Give the sky of a pixel's lower left corner on the common grid: the middle of even boxes."""
    ra, dec = pixel_to_sky(sky_grid(common_header(0, 0)), x - 0.5, y - 0.5)
    return float(ra), float(dec)


# What cannot be filled


def test_nothing_around_leaves_the_box_as_it_is(tmp_path: Path) -> None:
    one = survey(tmp_path, [TileSpec("A", common_header(-50, -60), des_planes(flat(1)))])
    found = one.fill(*at_pixel(50, 0))
    assert (found.mosaic.contributions, found.mosaic.cards) == ((), ())
    assert (found.mosaic.note, found.mosaic.problems) == ("", ())
    assert found.mosaic.coverage == 0.5
    assert np.array_equal(found.mosaic.bare, found.planes[0] == -99)
    assert found.mosaic.bare.mean() == 0.5


def test_a_box_without_holes_asks_no_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = pair(tmp_path)
    monkeypatch.setattr(mosaics, "relate", None)
    found = two.fill(*at_pixel(15, 0))  # in the part that both have
    assert (found.mosaic.coverage, found.mosaic.contributions) == (1.0, ())
    assert np.unique(found.planes[0]).tolist() == [1]


@pytest.mark.parametrize(
    ("planes", "reason"),
    [
        ({"SCI": flat(2)}, "it lacks plane MSK"),
        ({"SCI": flat(2), "MSK": flat(0, "i4")}, "it lacks plane WGT"),
        (
            {"SCI": np.ones((3, *SHAPE), "f4"), "MSK": flat(0, "i4"), "WGT": flat(1)},
            "its plane SCI has other axes",
        ),
    ],
    ids=["science alone", "no weight", "a cube"],
)
def test_a_neighbour_that_lacks_a_plane_gives_nothing(
    tmp_path: Path, planes: dict[str, NDArray[np.generic]], reason: str
) -> None:
    two = pair(tmp_path, b=TileSpec("B", common_header(30, -60), planes))
    found = two.fill(*at_pixel(50, 0))
    assert [str(each) for each in found.mosaic.problems] == [f"not filled from tile B: {reason}"]
    assert found.mosaic.coverage == 0.5


def test_a_missing_file_is_told_and_the_next_tile_is_asked(tmp_path: Path) -> None:
    tiles = [
        TileSpec(name, common_header(x, -60), des_planes(flat(value)))
        for name, x, value in (("A", -50, 1), ("B", 30, 2), ("C", 40, 3))
    ]
    three = survey(tmp_path, tiles)
    (tmp_path / "B_g.fits").unlink()
    found = three.fill(*at_pixel(45, 0))
    (problem,) = found.mosaic.problems
    assert isinstance(problem, TileUnreadable)
    assert str(problem).startswith("not filled from tile B: ")
    assert str(tmp_path) not in str(problem)
    assert found.names == ["C"]
    assert (found.mosaic.coverage, found.mosaic.note) == (1.0, "filled from tile C (copied)")


def test_a_damaged_neighbour_keeps_what_it_gave_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = pair(tmp_path)
    monkeypatch.setattr(mosaics, "_BLOCK_PX", 20)
    read, calls = TileHandle.read, []

    def breaking(handle: TileHandle, number: int, box: object) -> object:
        calls.append(number)
        if len(calls) > 3 + 6 + 3:  # A's planes, its six blocks' weights, B's first block
            raise TileUnreadable("row 5 is damaged")
        return read(handle, number, box)

    monkeypatch.setattr(TileHandle, "read", breaking)
    found = two.fill(*at_pixel(50, 0))
    assert [str(each) for each in found.mosaic.problems] == [
        "not filled from tile B: row 5 is damaged"
    ]
    (given,) = found.mosaic.contributions
    assert given.pixels == np.count_nonzero(found.planes[0] == 2)
    assert 0 < given.pixels < 1200


def test_a_neighbour_that_was_not_observed_in_the_band_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = pair(tmp_path)
    _refuse(two, monkeypatch, UnknownTile("tile B has no band g"))
    found = two.fill(*at_pixel(50, 0))
    assert (found.names, found.mosaic.problems, found.mosaic.coverage) == ([], (), 0.5)


def _refuse(two: Survey, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have tile B opened with an error."""
    open_tile = two.geometry.open

    def refusing(tile: str, band: str) -> TileHandle:
        if tile == "B":
            raise error
        return open_tile(tile, band)

    monkeypatch.setattr(two.geometry, "open", refusing)


def test_a_neighbour_that_is_away_is_waited_for_until_the_last_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = pair(tmp_path)
    _refuse(two, monkeypatch, SourceUnavailable("the disk is away"))
    with pytest.raises(SourceUnavailable, match="the disk is away"):
        two.fill(*at_pixel(50, 0))
    found = two.fill(*at_pixel(50, 0), is_last=True)
    assert [(type(each), str(each)) for each in found.mosaic.problems] == [
        (SourceUnavailable, "not filled from tile B: the disk is away")
    ]
    assert found.mosaic.coverage == 0.5


# Corners of four tiles


@pytest.fixture(scope="module")
def sky() -> AnalyticSky:
    return AnalyticSky(RA, DEC, radius_arcsec=25)


def test_across_the_corner_of_four_tiles_on_one_grid_all_is_copied(
    tmp_path: Path, sky: AnalyticSky
) -> None:
    headers = [common_header(*first) for first in CORNERS]
    whole = survey(tmp_path, tiles := four_tiles(sky, headers))
    found = whole.fill(*at_pixel(5, 12), size=(80, 70), tile="A")
    assert (found.mosaic.coverage, found.mosaic.problems) == (1.0, ())
    assert not found.mosaic.bare.any()
    assert found.names == ["D", "C", "B"]
    assert {(each.manner, each.factor) for each in found.mosaic.contributions} == {("copied", 1.0)}
    mask = found.planes[1]
    for number, tile in enumerate(tiles):
        box = found.place.box  # pixels of A
        left, bottom = CORNERS[number][0] - CORNERS[0][0], CORNERS[number][1] - CORNERS[0][1]
        y, x = np.nonzero(mask == 1 << number)
        assert len(y) > 0
        pixels = tile.planes["SCI"][y + box.y0 - bottom, x + box.x0 - left]
        assert np.array_equal(found.planes[0][y, x], pixels)
    assert np.unique(mask).tolist() == [1, 2, 4, 8]
    assert np.unique(found.planes[2]).tolist() == [0.25]


def test_across_the_corner_of_four_tiles_on_their_own_grids_the_sky_is_whole(
    tmp_path: Path, sky: AnalyticSky
) -> None:
    headers = own_headers(CORNERS)
    whole = survey(tmp_path, four_tiles(sky, headers))
    found = whole.fill(*at_pixel(0, 0), size=(80, 70), tile="B")
    _is_whole(found, sky, manner="resampled")
    assert sorted(found.names) == ["A", "C", "D"]
    assert np.array_equal(found.planes[1] == 2, owner(found, headers[1]))


def own_headers(firsts: list[tuple[int, int]], **centre: float) -> list[fits.Header]:
    """Lay tiles that all touch the sky elsewhere, turned a little, between each other's pixels."""
    return [
        own_header(x + 0.37 * n, y - 0.21 * n, angle_deg=0.4 * n, **centre)
        for n, (x, y) in enumerate(firsts)
    ]


def _is_whole(found: Filled, sky: AnalyticSky, *, manner: str) -> None:
    assert (found.mosaic.coverage, found.mosaic.problems) == (1.0, ())
    assert {each.manner for each in found.mosaic.contributions} == {manner}
    off = np.abs(found.planes[0] - box_sky(found, sky))
    assert off.max() < ERROR
    assert found.planes[2] == pytest.approx(0.25, rel=1e-6)


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.0, 20.0), (359.9999, -45.0), (123.0, 89.9), (200.0, -89.9), (0.0, 90.0)]
)
def test_across_ra_0_and_near_and_on_a_pole_the_sky_is_whole(
    tmp_path: Path, ra: float, dec: float
) -> None:
    sky = AnalyticSky(ra, dec, radius_arcsec=25)
    headers = own_headers(NEAR, ra_deg=ra, dec_deg=dec)
    whole = survey(tmp_path, four_tiles(sky, headers))
    found = whole.fill(ra, dec, size=(80, 70), tile="C")
    _is_whole(found, sky, manner="resampled")


# Whose pixel it is


def test_valid_pixels_stay_and_overlaps_are_not_summed(tmp_path: Path) -> None:
    two = pair(tmp_path)
    found = two.fill(*at_pixel(50, 0))  # columns 20 to 79; A has those up to 49
    for plane, values in ((0, [1, 2]), (1, [1, 2]), (2, [0.25, 0.25])):
        assert np.unique(found.planes[plane][:, :30]).tolist() == [values[0]]
        assert np.unique(found.planes[plane][:, 30:]).tolist() == [values[1]]


def test_a_hole_in_the_middle_is_filled(tmp_path: Path) -> None:
    planes = des_planes(flat(1), 1)
    planes["WGT"][50:60, 80:90] = 0
    planes["SCI"][55, 75] = np.nan  # of positive weight: the main tile's own
    two = pair(tmp_path, a=TileSpec("A", common_header(-50, -60), planes))
    found = two.fill(*at_pixel(29, -5), size=(40, 30))
    assert found.place.is_whole
    assert (found.mosaic.coverage, found.names) == (1.0, ["B"])
    assert np.argwhere(found.planes[0] == 2).min(axis=0).tolist() == [10, 21]
    assert np.count_nonzero(found.planes[0] == 2) == 100
    assert np.count_nonzero(np.isnan(found.planes[0])) == 1
    assert not found.mosaic.bare.any()


def test_the_tile_with_the_largest_overlap_is_used_first(tmp_path: Path) -> None:
    tiles = [
        TileSpec(name, common_header(x, -60), des_planes(flat(value)))
        for name, x, value in (("A", -50, 1), ("B", 60, 2), ("C", 40, 3), ("D", 40, 4))
    ]
    found = survey(tmp_path, tiles).fill(*at_pixel(50, 0))
    assert found.names == ["C"]
    assert np.unique(found.planes[0]).tolist() == [1, 3]
    assert found.mosaic.cards == (
        ("MOSAIC1", "C", "tile that filled holes"),
        ("MOSHOW1", "copied", "how its pixels were transferred"),
        ("MOSPIX1", 1200, "[pix] holes it filled"),
        ("MOSFAC1", 1.0, "its values were multiplied by this"),
    )
