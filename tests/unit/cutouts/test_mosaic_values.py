"""Values that fill a hole: what is invalid, zero points, pixel sizes, integers, cubes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.cutouts import mosaic as mosaics
from tests.unit.analytic import PEAK, AnalyticSky
from tests.unit.cutouts.mosaics import (
    TileSpec,
    common_header,
    des_planes,
    four_tiles,
    survey,
)
from tests.unit.cutouts.test_mosaic import CORNERS, DEC, RA, at_pixel, flat, own_headers, pair


@pytest.fixture(scope="module")
def sky() -> AnalyticSky:
    return AnalyticSky(RA, DEC, radius_arcsec=25)


def test_invalid_pixels_of_a_neighbour_fill_nothing(tmp_path: Path) -> None:
    planes = des_planes(flat(2), 2)
    planes["WGT"][40:80, 40:50] = 0
    two = pair(tmp_path, b=TileSpec("B", common_header(30, -60), planes))
    found = two.fill(*at_pixel(50, 0))
    assert found.mosaic.coverage == pytest.approx(1 - 10 / 60)
    assert np.count_nonzero(found.mosaic.bare) == 400
    assert np.unique(found.planes[0][found.mosaic.bare]).tolist() == [-99]


# One zero point, one unit


@pytest.mark.parametrize(
    ("own", "theirs", "factor"),
    [
        ({"MAGZERO": 30.0}, {"MAGZERO": 27.5}, 10.0),
        ({"MAGZERO": 30.0}, {"MAGZERO": 30.0}, 1.0),
        ({"MAGZERO": 30.0}, {}, 1.0),
        ({}, {"MAGZERO": 27.5}, 1.0),
        ({"MAGZERO": 30.0}, {"MAGZERO": "unknown"}, 1.0),
    ],
    ids=["differ", "equal", "theirs unknown", "ours unknown", "no number"],
)
def test_values_are_brought_to_one_zero_point(
    tmp_path: Path, own: dict[str, object], theirs: dict[str, object], factor: float
) -> None:
    two = pair(
        tmp_path,
        a=TileSpec("A", common_header(-50, -60), des_planes(flat(1)), own),
        b=TileSpec("B", common_header(30, -60), des_planes(flat(2)), theirs),
    )
    found = two.fill(*at_pixel(50, 0))
    assert found.mosaic.contributions[0].factor == pytest.approx(factor, rel=1e-12)
    assert np.unique(found.planes[0][:, 30:]) == pytest.approx([2 * factor])
    assert np.unique(found.planes[2][:, 30:]) == pytest.approx([0.25 / factor**2])


@pytest.mark.parametrize(
    ("unit", "factor"), [("", 0.25), ("MJy/sr", 1.0)], ids=["flux", "brightness"]
)
def test_pixels_of_another_size_keep_the_flux_or_the_brightness(
    tmp_path: Path, unit: str, factor: float
) -> None:
    larger = common_header(30, -60)
    larger["CD1_1"] *= 2
    larger["CD2_2"] *= 2
    larger["CRPIX1"], larger["CRPIX2"] = -14.0, 60.0
    two = pair(tmp_path, b=TileSpec("B", larger, des_planes(flat(8)), {"BUNIT": unit}))
    found = two.fill(*at_pixel(50, 0))
    (given,) = found.mosaic.contributions
    assert (given.manner, given.factor) == ("resampled", pytest.approx(factor, rel=1e-6))
    assert found.planes[0][:, 32:] == pytest.approx(8 * factor, rel=1e-6)


# Other kinds of tiles


def test_integers_are_filled_through_what_they_mean(tmp_path: Path) -> None:
    own = {"BSCALE": 0.5, "BZERO": 100.0, "BLANK": -7}
    raw = flat(40, "i2")  # 120
    raw[60, 70] = -7
    two = survey(
        tmp_path,
        [
            _raw_tile("A", -50, raw, own),
            _raw_tile("B", 30, flat(130, "i4"), {}),
        ],
    )
    found = two.fill(*at_pixel(50, 0))
    assert found.mosaic.coverage == pytest.approx(1 - 1 / 2400)  # columns 20, and B from 30 on
    expected = np.full((40, 60), 40)
    expected[:, 30:] = 60
    expected[20, 0] = -7
    assert np.array_equal(found.planes[0], expected)
    assert found.planes[0].dtype.kind == "i"


def _raw_tile(name: str, x: int, raw: NDArray[np.generic], cards: dict[str, object]) -> TileSpec:
    """Make a tile of raw integers, without mask or weight."""
    return TileSpec(name, common_header(x, -60), {"SCI": raw}, cards)


@pytest.mark.parametrize("only", [None, [0]], ids=["with its mask", "for a picture"])
def test_without_weights_the_mask_tells_where_there_are_no_data(
    tmp_path: Path, only: list[int] | None
) -> None:
    def planes(value: float, hole: int) -> dict[str, NDArray[np.generic]]:
        mask = flat(1, "i4")
        mask[60, hole] = 32
        return {"SCI": flat(value), "MSK": mask}

    tiles = [
        TileSpec("A", common_header(-50, -60), planes(1, 85)),
        TileSpec("B", common_header(30, -60), planes(2, 30)),
    ]
    found = survey(tmp_path, tiles, mask_no_data_bit=32).fill(*at_pixel(50, 0), only=only)
    expected = np.where(np.arange(60) < 30, 1.0, 2.0) * np.ones((40, 1))
    expected[20, 15] = 2  # the hole of A, column 35
    expected[20, 40] = -99  # the hole of B, column 60
    assert np.array_equal(found.planes[0], expected)
    assert found.mosaic.coverage == pytest.approx(1 - 1 / 2400)


def test_a_neighbour_with_a_weight_fills_a_tile_without(tmp_path: Path) -> None:
    theirs = {"SCI": flat(2), "WGT": flat(0)}
    theirs["WGT"][:, 60:] = 1
    tiles = [
        TileSpec("A", common_header(-50, -60), {"SCI": flat(1)}),
        TileSpec("B", common_header(30, -60), theirs),
    ]
    found = survey(tmp_path, tiles).fill(*at_pixel(70, 0))
    assert found.mosaic.coverage == pytest.approx(1 / 3)
    assert np.unique(found.planes[0][:, :10]).tolist() == [1]
    assert np.unique(found.planes[0][:, 50:]).tolist() == [2]


def test_cubes_are_filled_layer_by_layer(tmp_path: Path) -> None:
    def cube(value: float) -> dict[str, NDArray[np.generic]]:
        return {"SCI": np.stack([flat(value), flat(10 * value)])}

    tiles = [
        TileSpec("A", common_header(-50, -60), cube(1)),
        TileSpec("B", common_header(30, -60), cube(2)),
    ]
    found = survey(tmp_path, tiles).fill(*at_pixel(50, 0))
    assert found.mosaic.coverage == 1.0
    assert np.unique(found.planes[0][0, :, 30:]).tolist() == [2]
    assert np.unique(found.planes[0][1, :, 30:]).tolist() == [20]


# The same every time


def test_blocks_leave_no_seams(
    tmp_path: Path, sky: AnalyticSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = survey(tmp_path, four_tiles(sky, own_headers(CORNERS)))
    at_once = whole.fill(*at_pixel(0, 0), size=(80, 70))
    again = whole.fill(*at_pixel(0, 0), size=(80, 70))
    for number, plane in at_once.planes.items():
        assert plane.tobytes() == again.planes[number].tobytes()
    monkeypatch.setattr(mosaics, "_BLOCK_PX", 17)
    in_blocks = whole.fill(*at_pixel(0, 0), size=(80, 70))
    assert in_blocks.mosaic.cards == at_once.mosaic.cards
    assert in_blocks.planes[0] == pytest.approx(at_once.planes[0], abs=2e-6 * PEAK)
    for number in (1, 2):
        assert np.array_equal(in_blocks.planes[number], at_once.planes[number])
