"""Pixels put into holes: against a sky that is known everywhere, and bit for bit where copied."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.mosaicking.mosaic import Patch, fill_holes, is_per_pixel, valid_pixels
from soda_service.engine.mosaicking.overlap import Relation, relate, source_box
from soda_service.engine.wcs.footprint import sky_grid
from tests.unit.analytic import PEAK
from tests.unit.skyimages import sip_header, tan_header

SHAPE = (60, 80)
BOX = PixelBox(0, 60, 0, 80)
RA, DEC = 30.0, -60.0
SCALE_DEG = 0.263 / 3600
COPIED = Relation((0, 0), 1.0)
ERROR = 0.008 * PEAK
"""Of the spline, for stars of 3.4 pixels; a bilinear step would be off by 11 % of the peak."""

NOWHERE = np.full(SHAPE, np.nan, "f4")


def centred(ra: float = RA, dec: float = DEC, **cards: object) -> fits.Header:
    return tan_header(SHAPE, ra_deg=ra, dec_deg=dec, **cards)


def image(data: NDArray[np.generic], role: str = "SCI", **cards: object) -> Image:
    header = fits.Header()
    header.update(cards)
    return Image(np.asarray(data), TextHeader.from_astropy(header), role)


def patch(*images: Image, header: fits.Header | None = None, box: PixelBox = BOX) -> Patch:
    return Patch(sky_grid(header or centred()), box, images)


def filled(
    target: Patch,
    source: Patch,
    relation: Relation = COPIED,
    *,
    holes: NDArray[np.bool_] | None = None,
    factor: float = 1.0,
    no_data_bit: int = 0,
) -> NDArray[np.bool_]:
    """Fill holes (all pixels, unless said otherwise) and give those that are left."""
    left = np.ones(SHAPE, bool) if holes is None else holes.copy()
    before = int(left.sum())
    count = fill_holes(target, left, source, relation, factor=factor, no_data_bit=no_data_bit)
    assert count == before - left.sum()
    return left


# Which pixels are valid


@pytest.mark.parametrize(
    ("images", "bit", "valid"),
    [
        ([image([[1, 2]]), image([[0.0, -1.0]], "WGT")], 0, [False, False]),
        ([image([[1, 2]]), image([[np.nan, 3.0]], "WGT")], 0, [False, True]),
        ([image([[np.nan, 2]]), image([[1.0, 0.0]], "WGT")], 0, [True, False]),
        ([image([[1, 2]]), image([[3, 5]], "WGT", BSCALE=1.0, BZERO=-4.0)], 0, [False, True]),
        ([image([[np.nan, np.inf]])], 0, [False, False]),
        ([image([[7, 8]], BLANK=7)], 0, [False, True]),
        ([image([[1.0, 2.0]]), image([[4, 3]], "MSK")], 4, [False, True]),
        ([image([[1.0, 2.0]]), image([[4, 3]], "MSK")], 0, [True, True]),
        (
            [image([[1.0, 2.0]]), image([[4, 4]], "MSK"), image([[0.0, 1.0]], "WGT")],
            4,
            [False, True],
        ),
        ([image([[[np.nan, np.nan]], [[np.nan, 1.0]]])], 0, [False, True]),
        ([image(np.array([[np.nan, 1.0]], ">f4"))], 0, [False, True]),
    ],
    ids=[
        "no weight, negative weight",
        "weight NaN",
        "the weight tells, not the science plane",
        "scaled weight",
        "no finite value",
        "BLANK",
        "no-data bit",
        "no bit is known",
        "the weight tells, not the mask",
        "one layer of a cube is enough",
        "big-endian",
    ],
)
def test_valid_pixels(images: list[Image], bit: int, valid: list[bool]) -> None:
    assert valid_pixels(images, no_data_bit=bit).tolist() == [valid]


@pytest.mark.parametrize(
    ("unit", "grows"),
    [
        ("", True),
        ("nanomaggy", True),
        ("electron/s", True),
        ("Jy", True),
        ("counts/pixel", True),
        ("MJy/sr", False),
        ("Jy arcsec-2", False),
        ("erg/s/cm2/Angstrom/arcsec2", False),
        ("JY/BEAM", False),
        ("K", False),
    ],
)
def test_which_units_grow_with_a_pixel(unit: str, grows: bool) -> None:
    assert is_per_pixel(unit) is grows


# How two grids lie


@pytest.mark.parametrize(
    ("other", "shift"),
    [
        (centred(), (0, 0)),
        (centred(CRPIX1=41.5, CRPIX2=20.5), (1, -10)),
        (centred(CRPIX1=41.509), (1, 0)),
        (centred(CRPIX1=41.52), None),
        (centred(angle_deg=0.05), None),
        (centred(scale_arcsec=0.2635), None),
        (centred(is_mirrored=True), None),
        (centred(RA + 0.01), None),
        (centred(RA + 180, -DEC), None),
        (sip_header(SHAPE), None),
    ],
    ids=[
        "same",
        "moved",
        "moved, and off by 0.009 px",
        "off by 0.02 px",
        "turned",
        "other scale",
        "mirrored",
        "touches the sky elsewhere",
        "other side of the sky",
        "distorted",
    ],
)
def test_pixels_are_copied_only_where_grids_coincide(
    other: fits.Header, shift: tuple[int, int] | None
) -> None:
    relation = relate(sky_grid(centred()), BOX, sky_grid(other))
    assert relation.shift_px == shift
    assert relation.manner == ("resampled" if shift is None else "copied")


@pytest.mark.parametrize(
    ("scale_arcsec", "ratio", "manner"),
    [(0.263, 1.0, "resampled"), (0.526, 0.25, "resampled"), (0.1315, 4.0, "averaged")],
)
def test_the_ratio_of_pixel_areas_decides_on_averaging(
    scale_arcsec: float, ratio: float, manner: str
) -> None:
    other = centred(scale_arcsec=scale_arcsec, angle_deg=30.0)
    relation = relate(sky_grid(centred()), BOX, sky_grid(other))
    assert relation.manner == manner
    assert relation.pixel_ratio == pytest.approx(ratio, rel=1e-6)


def test_source_pixels_of_a_common_grid_are_those_on_the_tile() -> None:
    grid = sky_grid(centred())
    found = source_box(Relation((-20, 10), 1.0), (grid, PixelBox(5, 55, 0, 30)), grid, SHAPE)
    assert found == PixelBox(15, 60, 0, 10)


def test_source_pixels_of_another_grid_have_a_margin() -> None:
    grid, other = sky_grid(centred()), sky_grid(centred(angle_deg=180.0))
    found = source_box(Relation(None, 1.0), (grid, PixelBox(50, 60, 60, 70)), other, SHAPE)
    # Rows 50 to 59 are 9 to 0 there, and columns 60 to 69 are 19 to 10.
    assert (found.y0, found.x0) == (0, 0)
    assert found.y1 in {22, 23}
    assert found.x1 in {32, 33}


@pytest.mark.parametrize("ra", [RA + 1, RA + 180], ids=["beside", "other side of the sky"])
def test_a_tile_that_has_nothing_of_a_box_gives_no_pixels(ra: float) -> None:
    other = sky_grid(centred(ra, DEC if ra < 180 else -DEC))
    box = source_box(Relation(None, 1.0), (sky_grid(centred()), BOX), other, SHAPE)
    assert box.is_empty


# Copying


def test_copied_pixels_are_the_neighbours_bit_for_bit() -> None:
    random = np.random.default_rng(3)
    own, theirs = (random.normal(size=SHAPE).astype(">f4") for _ in range(2))
    flags, weight = random.integers(0, 9, SHAPE).astype("i4"), random.random(SHAPE).astype("f4")
    holes = random.random(SHAPE) < 0.3
    weight[random.random(SHAPE) < 0.2] = 0
    target = patch(image(own.copy()), image(flags * 0, "MSK"), image(np.zeros(SHAPE, ">f4"), "WGT"))
    source = patch(image(theirs), image(flags, "MSK"), image(weight, "WGT"))
    left = filled(target, source, holes=holes)
    taken = holes & (weight > 0)
    assert np.array_equal(left, holes & ~taken)
    assert np.array_equal(target.images[0].data, np.where(taken, theirs, own))
    assert np.array_equal(target.images[1].data, np.where(taken, flags, 0))
    assert np.array_equal(target.images[2].data, np.where(taken, weight, 0).astype("f4"))


def test_a_part_of_the_box_is_copied_to_its_place() -> None:
    theirs = np.arange(60 * 80, dtype="f4").reshape(SHAPE)
    target = patch(image(NOWHERE.copy()))
    source = patch(image(theirs[:20, 50:]), box=PixelBox(0, 20, 50, 80))
    left = filled(target, source, Relation((50, -40), 1.0))
    expected = NOWHERE.copy()
    expected[40:, :30] = theirs[:20, 50:]
    assert np.array_equal(target.images[0].data, expected, equal_nan=True)
    assert np.array_equal(left, np.isnan(expected))


def test_values_that_are_not_finite_fill_nothing() -> None:
    theirs = np.ones(SHAPE, "f4")
    theirs[3, 4] = np.nan
    target = patch(image(NOWHERE.copy()))
    source = patch(image(theirs), image(np.ones(SHAPE, "f4"), "WGT"))
    assert np.argwhere(filled(target, source)).tolist() == [[3, 4]]


def test_a_tile_without_a_valid_pixel_fills_nothing() -> None:
    target = patch(image(NOWHERE.copy()))
    assert filled(target, patch(image(NOWHERE.copy()))).all()


def test_the_plane_that_tells_what_is_valid_need_not_be_wanted() -> None:
    flags = np.zeros(SHAPE, "i2")
    flags[5, 6] = 64
    target = patch(image(NOWHERE.copy()))
    source = patch(image(np.ones(SHAPE, "f4")), image(flags, "MSK"))
    assert np.argwhere(filled(target, source, no_data_bit=64)).tolist() == [[5, 6]]


@pytest.mark.parametrize(
    ("own", "theirs", "raw"),
    [
        (("i2", {"BZERO": 32768.0}), ("i2", {"BZERO": 32768.0}), 200),
        (("i2", {"BSCALE": 0.5, "BZERO": 10.0}), ("f4", {}), 380),
        (("u1", {}), ("i4", {}), 200),
        (("u1", {}), ("i4", {"BSCALE": 2.0}), 255),
        (("f4", {}), ("i2", {"BSCALE": 0.25}), 50.0),
        (("i8", {}), ("f8", {"BSCALE": 1e30}), 2**63 - 1024),
    ],
    ids=["same", "scaled integers", "narrower", "beyond its range", "to floats", "beyond 64 bits"],
)
def test_values_keep_their_meaning_in_another_encoding(
    own: tuple[str, dict[str, float]], theirs: tuple[str, dict[str, float]], raw: float
) -> None:
    target = patch(image(np.zeros(SHAPE, own[0]), **own[1]))
    source = patch(image(np.full(SHAPE, 200, theirs[0]), **theirs[1]))
    filled(target, source)
    assert target.images[0].data.dtype == own[0]
    assert np.unique(target.images[0].data).tolist() == [raw]


def test_one_zero_point_scales_science_and_weight_alone() -> None:
    def planes(value: float, **cards: object) -> list[Image]:
        return [
            image(np.full(SHAPE, value, "f4"), BUNIT="count", **cards),
            image(np.full(SHAPE, 6, "i4"), "MSK"),
            image(np.full(SHAPE, value, "f4"), "WGT"),
            image(np.full(SHAPE, value, "f4"), "BKG", BUNIT="count"),
            image(np.full(SHAPE, value, "f4"), "EXP", BUNIT="s"),
        ]

    target = patch(*planes(0.0))
    filled(target, patch(*planes(8.0)), factor=2.0)
    assert [float(each.data[0, 0]) for each in target.images] == [16.0, 6.0, 2.0, 16.0, 8.0]
