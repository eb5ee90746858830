import pytest
from hypothesis import given
from hypothesis import strategies as st

from soda_service.errors import Fault, OptionsError
from soda_service.request.parsing import (
    Centre,
    InvalidText,
    fault_of,
    format_bands,
    format_triplets,
    parse_bands,
    parse_boolean,
    parse_centre,
    parse_float,
    parse_integer,
    parse_triplets,
    parse_value,
    shorten,
    wrap_ra,
)
from soda_service.request.table import PARAMETERS
from soda_service.sky.release import Band, Release

NO_NUMBERS = [
    "", "abc", "1,5", "1_0", "nan", "NaN", "inf", "-Infinity", "0x10", "1e", "e5", ".", "+", "--1",
    "1 2", "\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}", "1" * 101,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: repr(text)[:12])
def test_float_refuses(text: str) -> None:
    with pytest.raises(InvalidText, match="is not a number"):
        parse_float(text)


def test_float_refuses_what_is_too_large_for_a_double() -> None:
    with pytest.raises(InvalidText, match="'-1e400' is too large"):
        parse_float("-1e400")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1.0), ("-0.5", -0.5), (".5", 0.5), ("5.", 5.0), ("+1E-3", 1e-3), ("1e-400", 0.0)],
    ids=str,
)
def test_float(text: str, expected: object) -> None:
    assert parse_float(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not an integer"),
        ("1.5", "'1.5' is not an integer"),
        ("1e3", "'1e3' is not an integer"),
        ("1_0", "'1_0' is not an integer"),
        ("\N{FULLWIDTH DIGIT ONE}1", "'\N{FULLWIDTH DIGIT ONE}1' is not an integer"),
        ("9223372036854775808", "'9223372036854775808' is out of range"),
        ("-9223372036854775808", "'-9223372036854775808' is out of range"),
        ("9007199254740994.0", "'9007199254740994.0' may have lost digits as a decimal number"),
        ("9" * 5000, f"{'9' * 37 + '...'!r} is not an integer"),
    ],
    ids=lambda text: str(text)[:12],
)
def test_integer_refuses(text: str, message: str) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_integer(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("+12", 12),
        ("-3", -3),
        ("61407409.0", 61407409),
        ("9223372036854775807", 9223372036854775807),
    ],
    ids=str,
)
def test_integer(text: str, expected: object) -> None:
    assert parse_integer(text) == expected


@pytest.mark.parametrize("text", ["", "y", "n", "2", "on", "0.5", "true false"], ids=repr)
def test_boolean_refuses(text: str) -> None:
    with pytest.raises(InvalidText, match="is neither true nor false"):
        parse_boolean(text)


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "t", "T", "yes", "Yes", "1", "1.0"])
def test_boolean_true(text: str) -> None:
    assert parse_boolean(text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "False", "f", "F", "no", "No", "0", "0.0"])
def test_boolean_false(text: str) -> None:
    assert parse_boolean(text) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no band found"),
        ("gg", "'gg' has the band g twice"),
        ("gG", "'gG' has the band g twice"),
        ("q", "'q' is not a band"),
        ("griq", "'q' in 'griq' is not a band"),
        ("g r", "' ' in 'g r' is not a band"),
        ("g,,r", "'' in 'g,,r' is not a band"),
        ("gr,i", "'gr' in 'gr,i' is not a band"),
        ("W1", "'W' in 'W1' is not a band"),
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_bands_refuse(text: str, message: str, des: Release) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_bands(text, des)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i", ("i",)),
        ("gri", ("g", "r", "i")),
        ("yZg", ("Y", "z", "g")),
        ("g, R ,y", ("g", "r", "Y")),
    ],
    ids=str,
)
def test_bands_of_one_letter(text: str, expected: object, des: Release) -> None:
    assert parse_bands(text, des) == expected


def test_bands_of_more_letters_need_commas(wise: Release) -> None:
    assert parse_bands("W3,w1", wise) == ("W3", "W1")
    with pytest.raises(InvalidText, match="'W1W2' is not a band"):
        parse_bands("W1W2", wise)


def test_case_matters_where_it_tells_bands_apart(narrow: Release) -> None:
    assert parse_bands("Yjy", narrow) == ("Y", "J", "y")


def test_a_band_that_may_be_two_is_refused() -> None:
    release = Release("n", "n", (Band("Ha"), Band("HA")), "", "")
    with pytest.raises(InvalidText, match="'ha' may be Ha or HA: case matters"):
        parse_bands("ha", release)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gr", "'gr' has 2 bands instead of three"),
        ("griz", "'griz' has 4 bands instead of three"),
        ("grr", "'grr' has the band r twice"),
        ("gri;gri", "'gri;gri' has the triplet gri twice"),
        ("gri;GRI", "'gri;GRI' has the triplet GRI twice"),
        ("gri;", "'gri;' has an empty triplet"),
        ("", "'' has an empty triplet"),
        ("gri,riy", "'gri' in 'gri,riy' is not a band"),
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_triplets_refuse(text: str, message: str, des: Release) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_triplets(text, des)
    assert str(caught.value) == message


def test_triplets_keep_order(des: Release, wise: Release) -> None:
    assert parse_triplets("gry; riY", des) == (("g", "r", "Y"), ("r", "i", "Y"))
    assert parse_triplets("gri;irg", des) == (("g", "r", "i"), ("i", "r", "g"))
    assert parse_triplets("W3,W2,W1;w4, w3,w2", wise) == (("W3", "W2", "W1"), ("W4", "W3", "W2"))


def test_formats(des: Release, wise: Release, narrow: Release) -> None:
    assert format_bands(("g", "Y"), des) == "gy"
    assert format_bands(("W3", "W1"), wise) == "w3,w1"
    assert format_bands(("Y", "J", "y"), narrow) == "YJy"
    assert format_triplets((("g", "r", "Y"), ("i", "r", "g")), des) == "gry;irg"
    assert format_triplets((("W3", "W2", "W1"),), wise) == "w3,w2,w1"


NAMES = st.text("abcdefgxyzABCDEFGXYZ0123456789_", min_size=1, max_size=3)
BANDS = st.one_of(
    st.lists(st.sampled_from("ugrizyYJHK"), min_size=3, unique=True),
    st.lists(NAMES, min_size=3, max_size=8, unique=True),
)


@given(st.data())
def test_bands_and_triplets_round_trip(data: st.DataObject) -> None:
    names = data.draw(BANDS)
    release = Release("r", "r", tuple(Band(name) for name in names), "", "")
    bands = tuple(data.draw(st.permutations(names)))
    some = st.permutations(names).map(lambda order: (order[0], order[1], order[2]))
    triplets = tuple(data.draw(st.lists(some, min_size=1, unique=True)))
    assert parse_bands(format_bands(bands, release), release) == bands
    assert parse_triplets(format_triplets(triplets, release), release) == triplets


_BANDS = "bands of DR1 (g, r, i, z, Y), each at most once"


@pytest.mark.parametrize(
    ("name", "text", "found", "allowed"),
    [
        ("XSIZE", "13", "'13' is out of range", "number from 0.1 to 12.0 arcmin"),
        ("XSIZE", "0.09", "'0.09' is out of range", "number from 0.1 to 12.0 arcmin"),
        ("XPIX", "0", "'0' is out of range", "integer from 1 to 2738 pixel"),
        ("XPIX", "2739", "'2739' is out of range", "integer from 1 to 2738 pixel"),
        ("RGB_STRETCH", "0", "'0' is out of range", "number from 1e-36 to 1e+30"),
        ("RGB_STRETCH", "1e-300", "'1e-300' is out of range", "number from 1e-36 to 1e+30"),
        ("RGB_ASINH", "-1", "'-1' is out of range", "number from 1e-36 to 1e+30"),
        ("RGB_ASINH", "1e31", "'1e31' is out of range", "number from 1e-36 to 1e+30"),
        ("RGB_MINIMUM", "nan", "'nan' is not a number", "number from -1e+30 to 1e+30"),
        ("RGB_MINIMUM", "1e300", "'1e300' is out of range", "number from -1e+30 to 1e+30"),
        ("RGB_MINIMUM", "-2e30", "'-2e30' is out of range", "number from -1e+30 to 1e+30"),
        ("DEC", "90.1", "'90.1' is out of range", "number from -90 to 90 deg"),
        ("EDGE", "wrap", "'wrap' is unknown", "trim or pad or mosaic"),
        ("RESPONSEFORMAT", "gif", "'gif' is unknown", "fits or png or jpeg or xml or json"),
        (
            "MAKE_FITS",
            "y",
            "'y' is neither true nor false",
            "true, false, t, f, yes, no, 1 or 0",
        ),
        ("COLORS_FITS", "gq", "'q' in 'gq' is not a band", _BANDS),
        ("COLORS_FITS", "g" * 5000, f"{'g' * 37 + '...'!r} has 5000 characters", _BANDS),
        ("RUNID", "x" * 65, f"{'x' * 37 + '...'!r} has 65 characters", "at most 64 characters"),
        (
            "JOBNAME",
            "a\nb",
            "'a\\nb' has the control character U+000A",
            "at most 128 characters",
        ),
        (
            "POSITIONS",
            "RA,DEC",
            "tables, shapes and intervals are not read as single values",
            "CSV with a header row, or a VOTable",
        ),
    ],
    ids=lambda text: text[:12],
)
def test_value_refuses(name: str, text: str, found: str, allowed: str, des: Release) -> None:
    with pytest.raises(InvalidText) as caught:
        parse_value(PARAMETERS[name], text, release=des)
    assert str(caught.value) == f"{found}; allowed: {allowed}"


@pytest.mark.parametrize(
    "text",
    [
        "astro",
        "a@b",
        "a b@example.org",
        "a@example.org, b@example.org",
        "a@b..org",
        "a@example.org\r\nBcc: x",
        "@x.org",
    ],
    ids=repr,
)
def test_address_refuses(text: str, des: Release) -> None:
    with pytest.raises(InvalidText):
        parse_value(PARAMETERS["EMAIL"], text, release=des)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("XSIZE", " 12.0\t", 12.0),
        ("XSIZE", "0.1", 0.1),
        ("YPIX", "2738", 2738),
        ("YPIX", "100.0", 100),
        ("RGB_MINIMUM", "-5", -5.0),
        ("EDGE", "PAD", "pad"),
        ("RESPONSEFORMAT", "FITS", "fits"),
        ("RESPONSEFORMAT", "image/png", "png"),
        ("RESPONSEFORMAT", "jpg", "jpeg"),
        ("COLORS_FITS", "\N{NO-BREAK SPACE}gr ", ("g", "r")),
        ("EMAIL", "a.b+c@sub.example.org", "a.b+c@sub.example.org"),
        ("JOBNAME", "Sérsic n=4", "Sérsic n=4"),
    ],
    ids=str,
)
def test_value(name: str, text: str, expected: object, des: Release) -> None:
    assert parse_value(PARAMETERS[name], text, release=des) == expected


def test_pixel_limit_is_the_same_size_as_the_limit_in_arcmin(des: Release) -> None:
    assert parse_value(PARAMETERS["XPIX"], "2738", release=des) == round(12 * 60 / 0.263)


@pytest.mark.parametrize(
    ("texts", "faults"),
    [
        ({}, [Fault("no position given; RA and DEC, or COADD_OBJECT_ID, are needed")]),
        ({"RA": " "}, [Fault("no position given; RA and DEC, or COADD_OBJECT_ID, are needed")]),
        ({"RA": "1"}, [Fault("given without DEC; both are needed", column="RA")]),
        ({"DEC": "1"}, [Fault("given without RA; both are needed", column="DEC")]),
        (
            {"RA": "1", "DEC": "2", "COADD_OBJECT_ID": "3"},
            [
                Fault(
                    "given together with RA and DEC; give either RA and DEC or an id",
                    column="COADD_OBJECT_ID",
                )
            ],
        ),
        (
            {"RA": "inf", "DEC": "91"},
            [
                Fault(
                    "'inf' is not a number; allowed: number from -1000000 to 1000000 deg",
                    column="RA",
                    found="inf",
                ),
                Fault(
                    "'91' is out of range; allowed: number from -90 to 90 deg",
                    column="DEC",
                    found="91",
                ),
            ],
        ),
    ],
    ids=["none", "blank", "no DEC", "no RA", "both", "bad"],
)
def test_centre_refuses(texts: dict[str, str], faults: list[Fault], des: Release) -> None:
    with pytest.raises(OptionsError) as caught:
        parse_centre(texts, des)
    assert caught.value.faults == tuple(faults)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"RA": "10", "DEC": "-20", "XSIZE": "x"}, Centre(10.0, -20.0, None)),
        ({"RA": "360", "DEC": "90"}, Centre(0.0, 90.0, None)),
        ({"RA": "-10", "DEC": "-90"}, Centre(350.0, -90.0, None)),
        ({"RA": "730.5", "DEC": "0"}, Centre(10.5, 0.0, None)),
        ({"COADD_OBJECT_ID": "61407409"}, Centre(None, None, 61407409)),
    ],
    ids=["plain", "360", "negative", "twice around", "id"],
)
def test_centre(texts: dict[str, str], expected: object, des: Release) -> None:
    assert parse_centre(texts, des) == expected


def test_zero_has_no_sign(des: Release) -> None:
    centre = parse_centre({"RA": "-0.0", "DEC": "-0.0"}, des)
    assert str(centre) == "Centre(ra_deg=0.0, dec_deg=0.0, object_id=None)"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_wrapped_right_ascension_lies_in_the_circle(ra_deg: float) -> None:
    assert 0.0 <= wrap_ra(ra_deg) < 360.0


def test_texts_are_shortened_in_messages() -> None:
    assert shorten("x" * 40) == "x" * 40
    assert shorten("x" * 41) == "x" * 37 + "..."
    fault = fault_of("RA", "9" * 50, InvalidText("bad"))
    assert fault == Fault("bad", column="RA", found="9" * 37 + "...")
