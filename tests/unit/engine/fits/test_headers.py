"""Headers of cutouts: what is kept of the tile's, what moves, what is added."""

from collections.abc import Sequence

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Card, Header
from astropy.wcs import WCS

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.footprint import pixel_to_sky, sky_grid, sky_to_pixel
from soda_service.errors import TileUnreadable
from tests.unit.skyimages import FPACK_HISTORY, other_headers, tan_header

Added = tuple[str, object, str]
BOX = PixelBox(20, 60, 30, 80)
HEADERS = other_headers()


def cut(
    header: Header,
    *,
    primary: Header | None = None,
    box: PixelBox = BOX,
    is_primary: bool = True,
    cards: Sequence[Added] = (),
) -> Header:
    """Cut a header; where cards are added, once with the template and once with the cutout."""
    made = {
        template(header, primary, is_primary=is_primary, cards=cards).render(box),
        template(header, primary, is_primary=is_primary).render(box, cards),
    }
    (content,) = made
    assert len(content) % 2880 == 0
    child = Header.fromstring(content)
    assert list(child)[-2:] == ["CHECKSUM", "DATASUM"]
    del child["CHECKSUM"], child["DATASUM"]
    return child


def template(
    header: Header, primary: Header | None, *, is_primary: bool, cards: Sequence[Added] = ()
) -> HeaderTemplate:
    return HeaderTemplate(
        text(header),
        primary=None if primary is None else text(primary),
        is_primary=is_primary,
        role="WGT",
        cards=cards,
    )


def text(header: Header | None = None, **cards: object) -> TextHeader:
    return TextHeader.from_astropy(Header(cards.items()) if header is None else header)


@pytest.mark.parametrize(
    "cards",
    [
        {"CPDIS1": "LOOKUP"},
        {"D2IMDIS1": "LOOKUP"},
        {"D2IMERR1": 0.01},
        {"CTYPE1": "RA---TAB"},
        {"CTYPE3": "WAVE-TAB"},
    ],
    ids=lambda cards: next(iter(cards)) + "=" + str(next(iter(cards.values()))),
)
def test_lookup_tables_are_refused(cards: dict[str, object]) -> None:
    with pytest.raises(TileUnreadable, match=f"needs a lookup table \\({next(iter(cards))} = "):
        cut(tan_header(**cards))


def test_pixel_keyword_without_number_is_refused() -> None:
    with pytest.raises(TileUnreadable, match="CRPIX1 of the tile's header is 'middle', not a num"):
        cut(tan_header(CRPIX1="middle"))


def test_pixel_keyword_beyond_all_numbers_is_refused() -> None:
    lines = [*text(tan_header(LTM1_1=1.0)).lines, f"{'LTV1    = 1.0E999':80}"]
    with pytest.raises(TileUnreadable, match="LTV1 of the tile's header is inf, not a number"):
        HeaderTemplate(TextHeader(lines), primary=None, is_primary=True, role="SCI")


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "box", [BOX, PixelBox(-7, 93, -11, 20), PixelBox(0, 1, 99, 100)], ids=["in", "beyond", "pixel"]
)
def test_wcs_is_the_parents_with_pixels_moved(name: str, box: PixelBox) -> None:
    parent = HEADERS[name]
    child = cut(parent, box=box)
    ny, nx = box.shape
    ys, xs = (axis.ravel() for axis in np.mgrid[-0.5 : ny : ny / 8, -0.5 : nx : nx / 8])
    sky = pixel_to_sky(sky_grid(parent), xs + box.x0, ys + box.y0)
    x, y = sky_to_pixel(sky_grid(child), *sky)
    assert np.hypot(x - xs, y - ys).max() < 1e-6
    assert (child["NAXIS1"], child["NAXIS2"]) == (nx, ny)


def test_alternate_wcs_move_too() -> None:
    parent = tan_header(
        CTYPE1A="RA---TAN", CTYPE2A="DEC--TAN", CRPIX1A=10.0, CRPIX2A=20.0, CRVAL1A=5.0,
        CRVAL2A=6.0, CDELT1A=-1e-3, CDELT2A=1e-3,
        WCSNAMEP="PHYSICAL", CTYPE1P="X", CTYPE2P="Y", CRVAL1P=100.0, CRVAL2P=200.0,
        CDELT1P=2.0, CDELT2P=2.0,
    )  # fmt: skip
    child = cut(parent)
    for key in "AP":
        here, there = WCS(child, key=key), WCS(parent, key=key)
        xs, ys = np.array([0.0, 12.5, 49.0]), np.array([0.0, 3.25, 39.0])
        np.testing.assert_allclose(
            here.wcs_pix2world(xs, ys, 0),
            there.wcs_pix2world(xs + BOX.x0, ys + BOX.y0, 0),
            rtol=0,
            atol=1e-9,
        )


def test_reference_pixel_that_was_absent_is_written() -> None:
    parent = tan_header()
    del parent["CRPIX1"]
    child = cut(parent)
    assert (child["CRPIX1"], child["CRPIX2"]) == (-30.0, 40.5 - 20)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"LTV1": 5.0, "LTV2": -3.0, "LTM1_1": 0.5}, {"LTV1": -25.0, "LTV2": -23.0, "LTM1_1": 0.5}),
        ({"LTM1_1": 1.0, "LTM2_2": 1.0}, {"LTV1": -30.0, "LTV2": -20.0}),
        ({"CNPIX1": 1000, "CNPIX2": 2000}, {"CNPIX1": 1030, "CNPIX2": 2020}),
        ({"DATASEC": "[1:100,1:80]"}, {"DATASEC": "[1:50,1:40]"}),
        ({"TRIMSEC": "[41:90,31:50]"}, {"TRIMSEC": "[11:50,11:30]"}),
        ({"DATASECA": "[50:31,1:80]"}, {"DATASECA": "[1:20,1:40]"}),
        ({"BIASSEC": "[1:10,1:80]"}, {"BIASSEC": None}),
        ({"DATASEC": "everything"}, {"DATASEC": None}),
        ({"CCDSEC": "[1:100,1:80]", "DETSECB": "[1:9,1:9]"}, {"CCDSEC": None, "DETSECB": None}),
        ({"DATAMIN": -5.0, "DATAMAX": 9.0}, {"DATAMIN": None, "DATAMAX": None}),
        ({"INHERIT": True, "NEXTEND": 4}, {"INHERIT": None, "NEXTEND": None}),
        ({"RA_CENT": 30.0, "RAC1": 31.0}, {"RA_CENT": 30.0, "RAC1": 31.0}),
    ],
    ids="-".join,
)
def test_cards_of_pixels(before: dict[str, object], after: dict[str, object]) -> None:
    child = cut(tan_header(**before))
    assert {name: child.get(name) for name in after} == after


def test_no_logical_coordinates_are_invented() -> None:
    assert not [name for name in cut(tan_header()) if name.startswith("LT")]


STALE = {
    "ZIMAGE": True, "ZCMPTYPE": "RICE_1", "ZTILE1": 100, "ZNAXIS1": 100, "ZDITHER0": 7,
    "ZQUANTIZ": "SUBTRACTIVE_DITHER_2", "ZHECKSUM": "abc", "ZDATASUM": "1", "CHECKSUM": "abc",
    "DATASUM": "12", "FZALGOR": "RICE_1", "FZQVALUE": 16, "FZQMETHD": "SUBTRACTIVE_DITHER_2",
    "FZDTHRSD": "CHECKSUM", "BLANK": -32768, "PCOUNT": 0, "GCOUNT": 1, "GROUPS": False,
}  # fmt: skip
TRUE = {"ZEROPNT": 30.0, "ZD": 31.5, "ZP": 1, "FZERO": 2.0, "CHECKED": "yes", "NAXISX": 1}


def test_what_is_no_longer_true_goes_and_the_rest_stays() -> None:
    parent = tan_header(**STALE, **TRUE, EXTNAME="SCI")
    for line in FPACK_HISTORY:
        parent["HISTORY"] = line
    parent["HISTORY"] = "swarped"
    parent["COMMENT"] = "Image was compressed by CFITSIO is what HISTORY says"
    child = cut(parent)
    assert not set(STALE) & set(child)
    assert {name: child[name] for name in TRUE} == TRUE
    assert list(child["HISTORY"]) == ["swarped"]
    assert list(child["COMMENT"]) == ["Image was compressed by CFITSIO is what HISTORY says"]
    assert child["EXTNAME"] == "SCI"


@pytest.mark.parametrize(
    ("own", "is_primary", "expected"),
    [
        ("IMAGE", True, ("SCI", "IMAGE")),
        (" image ", True, ("SCI", "image")),
        ("sci", True, ("SCI", None)),
        ("COMPRESSED_IMAGE", True, ("SCI", None)),
        (None, True, ("SCI", None)),
        ("IMAGE", False, ("IMAGE", None)),
        (None, False, ("WGT", None)),
    ],
    ids=str,
)
def test_primary_is_named_sci(
    own: str | None, is_primary: bool, expected: tuple[str | None, str | None]
) -> None:
    child = cut(tan_header(**({"EXTNAME": own} if own else {})), is_primary=is_primary)
    assert (child.get("EXTNAME"), child.get("PAREXT")) == expected
    assert list(child).count("EXTNAME") == (expected[0] is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ångström \N{SNOWMAN}", "?ngstr?m ?"),
        ("two\nlines\tand a bell\x07\x7f", "two lines and a bell??"),
        ("file\udce9.fits", "file?.fits"),
        ("it's ~plain~", "it's ~plain~"),
    ],
    ids=["letters", "control", "bytes-of-a-file-name", "plain"],
)
def test_texts_of_new_cards_are_printable_ascii(text: str, expected: str) -> None:
    header = cut(tan_header(), cards=[("PARFILE", text, "parent")])
    assert header["PARFILE"] == expected
    assert header.tostring().isascii()


def test_blank_stays_with_integers() -> None:
    assert cut(tan_header(BITPIX=16, BLANK=-99, BSCALE=0.5, BZERO=3.0))["BLANK"] == -99


@pytest.mark.parametrize(
    ("is_primary", "names"),
    [
        (True, ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND"]),
        (False, ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT"]),
    ],
    ids=["primary", "extension"],
)
def test_structure_comes_first(is_primary: bool, names: list[str]) -> None:
    parent = tan_header(EXTNAME="SCI", PCOUNT=0, GCOUNT=1)
    assert list(cut(parent, is_primary=is_primary))[: len(names)] == names


def test_cube_keeps_its_depth() -> None:
    parent = tan_header(NAXIS=3)
    parent.insert("NAXIS2", ("NAXIS3", 7), after=True)
    child = cut(parent)
    assert [child[f"NAXIS{axis}"] for axis in (1, 2, 3)] == [50, 40, 7]


def test_cards_of_an_empty_primary_are_inherited() -> None:
    primary = fits.PrimaryHDU().header
    primary.extend(
        [
            ("TILENAME", "DES0000+0000", "DES tile"),
            ("GAIN", 9.0),
            ("EQUINOX", 1950.0),
            ("CRPIX1A", 9.0),
            ("LTV1", 3.0),
            ("A_ORDER", 3),
            ("EXTNAME", "PRIMARY"),
            ("BUNIT", "adu"),
            ("CHECKSUM", "abc"),
            ("HISTORY", "of both"),
            ("HISTORY", "of the primary"),
        ]
    )
    parent = tan_header(GAIN=4.5, EXTNAME="WGT")
    parent["HISTORY"] = "of both"
    child = cut(parent, primary=primary, is_primary=False)
    assert tuple(child.cards["TILENAME"]) == ("TILENAME", "DES0000+0000", "DES tile")
    assert (child["GAIN"], child["EXTNAME"]) == (4.5, "WGT")
    assert list(child["HISTORY"]) == ["of both", "of the primary"]
    refused = {"EQUINOX", "CRPIX1A", "LTV1", "A_ORDER", "BUNIT", "CHECKSUM"}
    assert not refused & set(child)


def test_first_plane_inherits_the_unit_of_an_empty_primary() -> None:
    primary = fits.PrimaryHDU().header
    primary["BUNIT"], primary["BZERO"] = "adu", 5.0
    child = cut(tan_header(), primary=primary)
    assert child["BUNIT"] == "adu"
    assert "BZERO" not in child
    assert cut(tan_header(BUNIT="Jy"), primary=primary)["BUNIT"] == "Jy"
    assert "BUNIT" not in cut(tan_header(), primary=tan_header(BUNIT="mm"))


def test_weight_does_not_inherit_from_the_science_plane() -> None:
    science = tan_header(GAIN=4.5)
    assert "GAIN" not in cut(tan_header(), primary=science, is_primary=False)


def test_new_cards_replace_and_follow() -> None:
    cards = [
        ("RA_CUTOUT", 30.25, "[deg] RA asked for"),
        ("PARTILE", "DES0000+0000", "parent"),
        ("OBJECT", "new", "replaced"),
    ]
    child = cut(tan_header(OBJECT="old", LAST=1), cards=cards)
    assert child["RA_CUTOUT"] == 30.25
    assert tuple(child.cards["OBJECT"]) == ("OBJECT", "new", "replaced")
    assert str(child.cards["RA_CUTOUT"]).startswith("HIERARCH RA_CUTOUT = 30.25 / [deg] RA asked")
    assert list(child)[-4:] == ["LAST", "RA_CUTOUT", "PARTILE", "OBJECT"]
    again = cut(child, cards=[("RA_CUTOUT", 31.0, "")])
    assert list(again).count("RA_CUTOUT") == 1


LONG = "long text " * 20


@pytest.mark.parametrize(
    ("parent", "cards", "expected"),
    [
        ({}, [], []),
        ({}, [("ACKNOWL", LONG, "")], ["ACKNOWL", "LONGSTRN"]),
        ({"ACKNOWL": LONG}, [], ["ACKNOWL", "LONGSTRN"]),
        ({"LONGSTRN": "OGIP 1.0", "ACKNOWL": LONG}, [], ["LONGSTRN", "ACKNOWL"]),
        ({"ACKNOWL": LONG}, [("ACKNOWL", "short", "")], ["ACKNOWL"]),
    ],
    ids=["none", "new", "parents", "told-by-the-parent", "replaced"],
)
def test_long_texts_are_told_of(
    parent: dict[str, object], cards: list[Added], expected: list[str]
) -> None:
    child = cut(tan_header(**parent), cards=cards)
    assert [name for name in child if name in {"ACKNOWL", "LONGSTRN"}] == expected


def test_what_stays_is_the_parents_to_the_letter() -> None:
    odd = "FREE    = 1.50000E+03/ written by  hand".ljust(80)
    long = str(Card("REMARK", "long text " * 20, "in several cards"))
    parent = TextHeader(
        [*text(tan_header()).lines, odd, *(long[n : n + 80] for n in range(0, len(long), 80))]
    )
    made = HeaderTemplate(parent, primary=None, is_primary=True, role="SCI").render(BOX)
    assert odd.encode() in made
    assert long.encode() in made
    assert Header.fromstring(made)["REMARK"] == ("long text " * 20).rstrip()


def test_blank_cards_at_the_end_go() -> None:
    parent = tan_header(LAST=1)
    for _ in range(3):
        parent.append(Card(), end=True)
    assert list(cut(parent))[-1] == "LAST"
