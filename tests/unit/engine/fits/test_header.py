"""Headers as text: their values, and cards written, against astropy's."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Card, Header
from astropy.io.fits.card import Undefined
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from soda_service.engine.fits.header import TextHeader, card_lines, image_header
from soda_service.errors import TileUnreadable
from tests.unit.skyimages import REALSKY, noise, tan_header

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=400)
COMMENTS = TEXTS.filter(lambda text: "'" not in text)
"""Astropy reads `'' / don't` as one text."""

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS.filter(lambda text: ": " not in text),  # astropy's record-valued cards
)
KEYWORDS = st.one_of(
    st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True),
    st.from_regex(r"[A-Z][A-Z0-9_-]{8,12}", fullmatch=True),
).filter(lambda name: name not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH"})


def parsed(*lines: str) -> TextHeader:
    return TextHeader.from_bytes("".join(line.ljust(80) for line in [*lines, "END"]).encode())


def test_header_without_end_is_refused() -> None:
    with pytest.raises(TileUnreadable, match="a header has no END"):
        TextHeader.from_bytes("SIMPLE  =                    T".ljust(2880).encode())


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (math.nan, ValueError),
        (-math.inf, ValueError),
        (10**80, ValueError),
        (None, TypeError),
        (1j, TypeError),
        (np.int64(1), TypeError),
    ],
    ids=str,
)
def test_values_that_no_card_holds_are_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="card"):
        card_lines("KEY", value)


def test_texts_behind_very_long_keywords_are_refused() -> None:
    with pytest.raises(ValueError, match=r"value of \w+ does not fit"):
        card_lines("K" * 60, "x" * 80)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY     =                    T / comment", True),
        ("KEY     = F", False),
        ("KEY     =                   12", 12),
        ("KEY     = -0012/x", -12),
        ("KEY     = +1.5", 1.5),
        ("KEY     = .5E-3", 0.0005),
        ("KEY     = 1.D3", 1000.0),
        ("KEY     = 2d-2 / double", 0.02),
        ("KEY     = (1, -2.5D1)", 1 - 25j),
        ("KEY     =", None),
        ("KEY     =           / nothing", None),
        ("KEY     = 'a''b / c'  / d 'e'", "a'b / c"),
        ("KEY     = '  blanks  '", "  blanks"),
        ("KEY     = ''", ""),
        ("KEY     = 'ends in &'", "ends in &"),
        ("key     = 1", 1),
        ("KEY     = Ångström", "?ngstr?m"),
        ("KEY     = 'never closed", "'never closed"),
        ("KEY     = 1 2 3", "1 2 3"),
        ("COMMENT = 'x' / of the text ", "= 'x' / of the text"),
        ("HISTORY  of it", " of it"),
        ("        free", "free"),
        ("HIERARCH ESO Det Gain = 2.5 / x", 2.5),
        ("HIERARCH A_LONG_NAME='it''s'", "it's"),
    ],
    ids=str,
)
def test_values(line: str, value: object) -> None:
    header = TextHeader.from_bytes(f"{line:80}{'END':80}".encode("latin-1"))
    (keyword,) = header
    assert (header[keyword], type(header[keyword])) == (value, type(value))
    (theirs,) = header.to_astropy().cards
    assert as_python(theirs.value) == value
    assert theirs.keyword.upper() == keyword


def test_long_texts() -> None:
    lines = (
        "FIRST   = 'one &' / of three".ljust(80),
        "CONTINUE  'it''s &'".ljust(80),
        "CONTINUE  'over'".ljust(80),
        "SECOND  = 2".ljust(80),
    )
    header = parsed(*lines)
    assert header.lines == lines
    assert (header["FIRST"], header["SECOND"]) == ("one it's over", 2)
    assert list(header) == ["FIRST", "SECOND"]
    assert list(header.cards()) == [("FIRST", lines[:3]), ("SECOND", lines[3:])]
    assert "CONTINUE" not in header


@pytest.mark.parametrize(
    "lines",
    [
        ["CONTINUE  'nothing before'", "A       = 1"],
        ["A       = 1", "CONTINUE  'no text before'"],
        ["A       = 1", "CONTINUE  unreadable"],
        ["A       = 1", "B@      = 1"],
        ["A       = 1", "B       =2"],
        ["A       = 1", "\x00" * 80],
    ],
    ids=["first", "after-number", "no-text", "keyword", "no-blank", "nul"],
)
def test_what_cannot_be_mended_is_left_out(lines: list[str]) -> None:
    header = parsed(*lines)
    assert (list(header), header["A"]) == (["A"], 1)
    for card in header.to_astropy().cards:
        card.verify("exception")


def test_first_of_several_counts() -> None:
    header = parsed("A       = 1", "A       = 2", "B       = 3")
    assert (header["A"], header.get("A"), list(header)) == (1, 1, ["A", "A", "B"])
    assert "C" not in header
    assert (header.get("C"), header.get("C", 5)) == (None, 5)
    with pytest.raises(KeyError, match="C"):
        header["C"]


@pytest.mark.parametrize(
    ("card", "expected"),
    [("A = 2", 2.0), ("A = 2.5", 2.5), ("A = 'x'", 7.0), ("B = 1", 7.0), ("A = (1, 2)", 7.0)],
    ids=str,
)
def test_number(card: str, expected: float) -> None:
    keyword, _, value = card.partition(" = ")
    assert parsed(f"{keyword:8}= {value}").number("A", 7.0) == expected


def test_a_slash_behind_a_quote_is_text() -> None:
    assert parsed("A       = '''/'  / comment")["A"] == "'/"


def as_python(value: object) -> object:
    return None if isinstance(value, Undefined) else value


@settings(max_examples=300, deadline=None)
@given(cards=st.lists(st.tuples(KEYWORDS, VALUES, COMMENTS), max_size=5))
@pytest.mark.filterwarnings("ignore:Keyword name", "ignore:Card is too long")
def test_values_are_those_that_astropy_reads(cards: list[tuple[str, object, str]]) -> None:
    # Astropy takes a slash behind a quote within a text for the beginning of the comment.
    assume(not any(isinstance(value, str) and re.search(r"' */", value) for _, value, _ in cards))
    header = Header()
    for card in cards:
        try:
            header.append(card, end=True)
            str(header.cards[-1])
        except ValueError:  # no room for it in a card
            assume(False)
    text = TextHeader.from_astropy(header)
    theirs = Header.fromstring(header.tostring())
    assert list(text) == list(theirs)
    assert [text[name] for name in text] == [as_python(theirs[name]) for name in theirs]
    assert text.to_astropy().tostring() == theirs.tostring()


@settings(max_examples=500, deadline=None)
@given(keyword=KEYWORDS, value=VALUES, comment=COMMENTS)
@example("OBJECT", "x" * 67 + "'", "")
@example("OBJECT", "'" * 200, "quotes")
@example("OBJECT", "&" * 69, "")
@example("LONG_KEYWORD", "word " * 40, "c" * 90)
@example("EMPTY", "", "")
@example("QUOTE", "it's / 'its' /", "")
@example("FLOAT", -1.2345678901234567e-105, "")
@pytest.mark.filterwarnings("ignore:Keyword name", "ignore:Card is too long")
def test_cards_are_written_as_astropy_writes_them(
    keyword: str, value: object, comment: str
) -> None:
    comment = comment.strip()
    text = card_lines(keyword, value, comment)
    assert len(text) % 80 == 0
    name = keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"
    card = Card.fromstring(text)
    card.verify("exception")
    expected = value.rstrip() if isinstance(value, str) else value
    ours = TextHeader.from_bytes((text + "END".ljust(80)).encode())[keyword]
    if isinstance(value, float):
        assert card.value == pytest.approx(value, rel=1e-11, abs=0)
        assert ours == card.value
    else:
        assert ours == expected
        # astropy takes a doubled quote before a slash for the end of the text.
        assert card.value == expected or re.search("' */", str(value))
    if len(text) == 80:
        assert text == str(Card(name, value, comment))


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (noise((20, 30)), {"compression_type": "RICE_1", "quantize_method": 2, "dither_seed": 3}),
        (noise((20, 30), "i4"), {"compression_type": "PLIO_1", "tile_shape": (1, 30)}),
        (noise((3, 20, 30), "f8"), {"compression_type": "GZIP_2", "quantize_level": 0.0}),
        (noise((20, 30), "i2"), {"compression_type": "HCOMPRESS_1"}),
    ],
    ids=lambda value: value.get("compression_type", "") if isinstance(value, dict) else "",
)
def test_image_header_is_as_astropy_gives_it(
    tmp_path: Path, data: np.ndarray, options: dict[str, object]
) -> None:
    if options["compression_type"] == "PLIO_1":
        data = np.abs(data)
    path = tmp_path / "a.fits"
    own = tan_header(data.shape[-2:], GAIN=2.5, LONG="text " * 40)
    own["HISTORY"] = "made"
    hdu = fits.CompImageHDU(data, own, name="SCI", **options)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    assert_like_astropys(path)


@pytest.mark.skipif(not REALSKY.is_dir(), reason="the real images are not beside the repository")
def test_image_headers_of_real_images_are_as_astropy_gives_them() -> None:
    paths = sorted(REALSKY.rglob("*.fz"))
    assert paths
    for path in paths:
        assert_like_astropys(path)


def assert_like_astropys(path: Path) -> None:
    """Compare every compressed image's header, but for what tells how it was packed."""
    with fits.open(path) as tables, fits.open(path, disable_image_compression=True) as raw:
        for compressed, table in zip(tables, raw, strict=True):
            if not isinstance(compressed, fits.CompImageHDU):
                continue
            found = image_header(TextHeader.from_astropy(table.header))
            ours, theirs = _cards(found.to_astropy()), _cards(compressed.header)
            assert ours == theirs


def _cards(header: Header) -> list[tuple[str, str]]:
    packing = {"CHECKSUM", "DATASUM", "", "XTENSION", "SIMPLE", "EXTEND", "PCOUNT", "GCOUNT"}
    return [(card.keyword, str(card.value)) for card in header.cards if card.keyword not in packing]


@pytest.mark.parametrize("missing", ["ZNAXIS", "ZNAXIS2", "ZBITPIX"])
def test_table_that_does_not_tell_its_image_is_refused(missing: str) -> None:
    cards = {"ZBITPIX": 8, "ZNAXIS": 2, "ZNAXIS1": 4, "ZNAXIS2": 5}
    del cards[missing]
    with pytest.raises(TileUnreadable, match="has no valid size"):
        image_header(TextHeader.from_astropy(Header(cards.items())))
