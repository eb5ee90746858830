"""A picture's WCS is its tile's: for every projection, turn and flip."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import sky_grid
from soda_service.engine.wcs.orientation import Orientation, orientation
from soda_service.engine.wcs.placement import Placement, TangentWcs, placement
from soda_service.errors import TileUnreadable
from tests.unit.engine.projections import every_header
from tests.unit.skyimages import sip_header, tan_header

HEADERS = {name: TextHeader.from_astropy(header) for name, header in every_header().items()}
TURNS = {
    f"{'swap' if transpose else 'keep'}{'-x' * flip_x}{'-y' * flip_y}": Orientation(
        transpose=transpose, flip_x=flip_x, flip_y=flip_y
    )
    for transpose, flip_x, flip_y in itertools.product((False, True), repeat=3)
}
BOXES = {"inside": PixelBox(17, 61, 23, 88), "beyond": PixelBox(-9, 40, -30, 130)}

# What a tangent plane cannot follow in a box of 65 x 44 pixels: steep distortions; the cube's
# faces, whose edges the last two of these boxes cross.
FAR_PX = {"ZPN": 0.02, "sip": 0.25, "tpv": 0.05, "scamp": 0.05, "tnx": 0.03, "zpx": 0.03}
EDGES_PX = {"QSC": 0.2, "XPH": 0.5}


def placed(header: TextHeader, box: PixelBox, turn: Orientation) -> Placement:
    return placement(sky_grid(header), header, box, turn)


def pixels_of(box: PixelBox, turn: Orientation) -> tuple[NDArray[np.int64], ...]:
    """Give x, y in the picture (bottom row first), and x, y in the tile, of some pixels."""
    ys, xs = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    x, y = (turn.applied(axis)[::-1] for axis in (xs, ys))
    row, column = np.mgrid[: x.shape[0] : 3, : x.shape[1] : 3]
    return column, row, x[row, column], y[row, column]


def off_px(header: TextHeader, name: str, box: PixelBox, turn: Orientation) -> float:
    """Give how far pixels of a picture are off those of its tile with the same sky."""
    column, row, x, y = pixels_of(box, turn)
    own = sky_grid(Header.fromstring(placed(header, box, turn).cards))
    sky = sky_grid(header).pixel_to_sky(x, y)
    if name == "CSC":  # whose two directions differ by arcseconds, by its definition
        step = np.subtract(own.pixel_to_sky(column, row), sky) * 3600 / own.scales_arcsec[0]
        return float(np.hypot(*step).max())
    found = own.sky_to_pixel(*sky)
    return float(np.hypot(found[0] - column, found[1] - row).max())


def tangent_off_px(wcs: TangentWcs, header: TextHeader, box: PixelBox, turn: Orientation) -> float:
    """Give how far a TAN projection is off the tile's sky, by astropy alone."""
    column, row, x, y = pixels_of(box, turn)
    own = WCS(naxis=2)
    own.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    own.wcs.crval, own.wcs.crpix = (wcs.ra_deg, wcs.dec_deg), wcs.crpix
    own.wcs.cd = np.reshape(wcs.cd, (2, 2))
    found = own.wcs_world2pix(*sky_grid(header).pixel_to_sky(x, y), 0)
    return float(np.hypot(found[0] - column, found[1] - row).max())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("CRPIX1", "1E400"), ("CRVAL1", "1E400"), ("B_0_2", "1E400"), ("B_0_2", "NaN")],
)
def test_numbers_that_are_none_are_refused(keyword: str, value: str) -> None:
    lines = TextHeader.from_astropy(sip_header()).lines
    header = TextHeader(
        f"{keyword:<8}= {value:>20}".ljust(80) if line.startswith(f"{keyword} ") else line
        for line in lines
    )
    with pytest.raises(TileUnreadable, match=rf"^invalid WCS: {keyword} is .*, not a number$"):
        placed(header, BOXES["inside"], TURNS["keep-y"])


@pytest.mark.parametrize("value", ["1E200", "-1E30"])
@pytest.mark.parametrize("keyword", ["CRPIX1", "CRVAL1", "B_0_2"])
def test_absurd_numbers_do_no_harm(keyword: str, value: str) -> None:
    absurd = sip_header()
    absurd[keyword] = float(value)
    found = placed(TextHeader.from_astropy(absurd), BOXES["inside"], TURNS["keep-y"])
    assert Header.fromstring(found.cards)["CTYPE1"] == "RA---TAN-SIP"


@pytest.mark.parametrize("name", HEADERS)
def test_cards_place_every_pixel(name: str) -> None:
    header = HEADERS[name]
    off = {key: off_px(header, name, BOXES["inside"], turn) for key, turn in TURNS.items()}
    assert max(off.values()) < 1e-6, off


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("name", ["TAN", "sip", "tpv", "galactic-car", "far-reference"])
def test_boxes_may_reach_beyond_the_tile(name: str, turn: Orientation) -> None:
    assert off_px(HEADERS[name], name, BOXES["beyond"], turn) < 1e-6


@pytest.mark.parametrize("name", HEADERS)
def test_tangent_plane_is_as_near_as_it_says(name: str) -> None:
    header, limit = HEADERS[name], {**FAR_PX, **EDGES_PX}.get(name, 0.003)
    for turn in (TURNS["keep-x-y"], TURNS["swap-y"]):
        tangent = placed(header, BOXES["inside"], turn).tangent
        assert tangent is not None
        assert tangent.error_px < limit
        # What is said is measured at some places; between them it can be a little more.
        off = tangent_off_px(tangent, header, BOXES["inside"], turn)
        assert off < 1.5 * tangent.error_px + 1e-6


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_shape_is_the_pictures(turn: Orientation) -> None:
    found = placed(HEADERS["sip"], BOXES["inside"], turn)
    assert found.shape == turn.applied(np.empty((44, 65))).shape


def test_mirrored_and_turned_tile_in_whole_numbers() -> None:
    """A tile whose columns run south and whose rows run east: swapped and flipped."""
    header = TextHeader.from_astropy(
        tan_header(CD1_1=0.0, CD1_2=1e-4, CD2_1=-1e-4, CD2_2=0.0, CRPIX1=10.0, CRPIX2=20.0)
    )
    box = PixelBox(5, 45, 2, 62)
    turn = orientation(sky_grid(header), box)
    assert turn == Orientation(transpose=True, flip_x=True, flip_y=False)
    expected = TangentWcs(
        ra_deg=30.0, dec_deg=-20.0, crpix=(26.0, 53.0), cd=(-1e-4, 0.0, 0.0, 1e-4)
    )
    found = placement(sky_grid(header), header, box, turn)
    assert found == Placement((60, 40), "".join(expected.cards()), expected)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("code", ["TAN", "ZEA"])
def test_zeros_have_no_sign(code: str, turn: Orientation) -> None:
    header = tan_header(CTYPE1=f"RA---{code}", CTYPE2=f"DEC--{code}", CD1_2=0.0, CD2_1=0.0)
    header["CD1_1"], header["CD2_2"] = 1e-4, -1e-4
    cards = placed(TextHeader.from_astropy(header), BOXES["inside"], turn).cards
    assert cards.count(" 0.0 ") == 2
    assert " -0.0 " not in cards


def test_sip_turns_with_its_axes() -> None:
    original = sip_header()
    original.update({"AP_ORDER": 2, "BP_ORDER": 3, "AP_0_2": 5e-5, "AP_1_0": 3e-5, "BP_0_3": 7e-5})
    header = TextHeader.from_astropy(original)
    # x of the tile is y of the picture, y of the tile -x: u = V, v = -U.
    cards = Header.fromstring(placed(header, BOXES["inside"], TURNS["swap-x-y"]).cards)
    found = {key: cards[key] for key in cards if key.partition("_")[0] in {"A", "B", "AP", "BP"}}
    a, b = (
        {"A_ORDER": 3, "A_1_2": 2e-6, "A_2_0": 3e-4},
        {"B_ORDER": 2, "B_0_2": 2e-4, "B_1_1": 1e-4},
    )
    ap, bp = {"AP_ORDER": 3, "AP_3_0": 7e-5}, {"BP_ORDER": 2, "BP_0_1": 3e-5, "BP_2_0": 5e-5}
    assert found == {**a, **b, **ap, **bp}


def test_tangent_plane_touches_the_picture_where_its_tiles_centre_is_far() -> None:
    """Half a sky of equal areas, and a picture of 2 arcmin some 60 degrees from its centre."""
    far = tan_header(CTYPE1="RA---ZEA", CTYPE2="DEC--ZEA", CRPIX2=-57.3 * 1800.0)
    far["CD1_1"], far["CD2_2"] = -1 / 1800, 1 / 1800
    header = TextHeader.from_astropy(far)
    tangent = placed(header, BOXES["inside"], TURNS["keep-y"]).tangent
    assert tangent is not None
    assert tangent.dec_deg == pytest.approx(40.0, abs=0.1)
    assert tangent_off_px(tangent, header, BOXES["inside"], TURNS["keep-y"]) < 0.1


def test_pole_of_a_tile_that_is_not_plain() -> None:
    header = TextHeader.from_astropy(tan_header(dec_deg=90.0, LONPOLE=120.0))
    for turn in (TURNS["keep-y"], TURNS["swap-x"]):
        tangent = placed(header, BOXES["inside"], turn).tangent
        assert tangent is not None
        assert tangent.dec_deg == 90
        assert tangent_off_px(tangent, header, BOXES["inside"], turn) < 1e-6


def test_one_pixel_is_placed() -> None:
    box = PixelBox(40, 41, 50, 51)
    for name in ("TAN", "sip", "ZEA", "galactic"):
        assert off_px(HEADERS[name], name, box, TURNS["swap-x"]) < 1e-6
        tangent = placed(HEADERS[name], box, TURNS["swap-x"]).tangent
        assert tangent is not None
        assert tangent_off_px(tangent, HEADERS[name], box, TURNS["swap-x"]) < 1e-3


@pytest.mark.parametrize(
    ("box", "has_sky"),
    [(PixelBox(0, 9, 0, 9), False), (PixelBox(35, 45, 40, 60), True)],
    ids=["corner", "middle"],
)
def test_picture_without_sky_has_no_tangent_plane(box: PixelBox, has_sky: bool) -> None:
    whole_sky = tan_header(CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CRVAL2=0.0)
    whole_sky["CD1_1"], whole_sky["CD2_2"] = -4.0, 4.0
    found = placed(TextHeader.from_astropy(whole_sky), box, TURNS["keep-y"])
    assert (found.tangent is not None) == has_sky
    assert Header.fromstring(found.cards)["CTYPE1"] == "RA---AIT"


def test_edge_of_the_sky_is_fitted_where_there_is_some() -> None:
    whole_sky = tan_header(CTYPE1="RA---SIN", CTYPE2="DEC--SIN")
    whole_sky["CD1_1"], whole_sky["CD2_2"] = -1.0, 1.0
    header, box = TextHeader.from_astropy(whole_sky), PixelBox(30, 40, 95, 125)
    tangent = placed(header, box, TURNS["keep-y"]).tangent
    assert tangent is not None
    assert np.isfinite([*tangent.crpix, *tangent.cd, tangent.error_px]).all()


def test_astropys_header_will_do() -> None:
    header = sip_header()
    grid, box, turn = sky_grid(header), BOXES["inside"], TURNS["keep-y"]
    text = TextHeader.from_astropy(header)
    assert placement(grid, header, box, turn) == placement(grid, text, box, turn)


def test_plain_tangent_planes_need_no_astropy() -> None:
    lines = TextHeader.from_astropy(tan_header(angle_deg=98.0)).lines
    program = f"""
import sys
from soda_service.engine.fits import header, image
from soda_service.engine.wcs import grid, orientation, placement
from soda_service.formats import avm
text = header.TextHeader({lines!r})
tile, box = grid.sky_grid(text), image.PixelBox(5, 30, 2, 40)
turn = orientation.orientation(tile, box)
found = placement.placement(tile, text, box, turn)
assert avm.xmp_packet(found) and avm.wcs_text(found)
sys.exit("astropy" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
