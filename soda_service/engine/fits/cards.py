"""Header cards of a cutout: which parent cards stay valid, and which change with the position.

Cards are text: a kept card stays exactly as in the parent. Pixels are FITS's 1-based pixels here.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from soda_service.engine.fits.header import TextHeader, card_lines
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable

__all__ = [
    "KeptCard",
    "card_text",
    "inherited_cards",
    "kept_cards",
    "moved_cards",
]

_STRUCTURE = (
    "SIMPLE|XTENSION|BITPIX|NAXIS|NAXIS[1-9][0-9]*|PCOUNT|GCOUNT|EXTEND|GROUPS|BLOCKED|END|NEXTEND"
)
_CHECKSUMS = "CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM"
_COMPRESSION = (
    "ZIMAGE|ZTABLE|ZTENSION|ZSIMPLE|ZEXTEND|ZBLOCKED|ZPCOUNT|ZGCOUNT|ZTHEAP|ZBITPIX|ZNAXIS[0-9]*"
    "|ZTILE[0-9]+|ZTILELEN|ZCMPTYPE|ZNAME[0-9]+|ZVAL[0-9]+|ZMASKCMP|ZQUANTIZ|ZDITHER0|ZBLANK"
    "|ZSCALE|ZZERO|ZFORM[0-9]+|ZCTYP[0-9]+|FZALGOR|FZALG[0-9]+|FZTILE|FZTILELN|FZQMETHD|FZQVALUE"
    "|FZDTHRSD|FZINT2F|FZHSCALE"
)
# Extremes of the whole tile; detector sections that the cutout no longer covers. INHERIT would pass
# the cards of the science plane to the other planes.
_WHOLE_IMAGE = "DATAMIN|DATAMAX|(CCDSEC|DETSEC|AMPSEC)[A-Z0-9]?|INHERIT"
_STALE = re.compile(f"({_STRUCTURE}|{_CHECKSUMS}|{_COMPRESSION}|{_WHOLE_IMAGE})$")

_STALE_HISTORY = re.compile(
    r"\s*(Image was compressed by CFITSIO"
    r"|q = \S+ / quantized level scaling parameter"
    r"|'?(SUBTRACTIVE_DITHER_[12]|NO_DITHER)'?\s*/ Pixel Quantization Algorithm)"
)

_WCS = re.compile(
    r"(?:(?:CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CNAME|CRDER|CSYER|CROTA)[1-9][0-9]?"
    r"|(?:PC|CD)[0-9]+_[0-9]+|(?:PC|CD)[0-9]{6}|(?:PV|PS)[0-9]+_[0-9]+"
    r"|WCSAXES|WCSNAME|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH)([A-Z]?)$"
)
_WCS_LINEAR = re.compile(
    r"(?:(?:CTYPE|CRPIX|CRVAL|CDELT)[1-9][0-9]?|(?:PC|CD)[0-9]+_[0-9]+|(?:PC|CD)[0-9]{6})([A-Z]?)$"
)
_DISTORTION = re.compile(r"(A|B|AP|BP)_([0-9]+_[0-9]+|ORDER|DMAX)$|WAT[0-9]_[0-9]{3}$")
_LOOKUP_TABLE = re.compile(r"(CPDIS|CQDIS|D2IMDIS|DP|DQ)[12][A-Z]?$|D2IM(ERR|ARR|EXT)[12]?$")

_REFERENCE_PIXEL = re.compile(r"CRPIX([12])[A-Z]?$")
_OFFSET = re.compile(r"(LTV|CNPIX)([12])$")
_LOGICAL = re.compile(r"(LTV[12]|LTM[12]_[12])$")
_SECTION = re.compile(r"(DATASEC|TRIMSEC|BIASSEC)[A-Z0-9]?$")
_RANGES = re.compile(r"\s*\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]\s*$")

_BLANK = re.compile(r"\s")
_COMMENT = re.compile(r".{10}(?: *'(?:[^']|'')*'|[^'/]*)/(.*)")
_UNPRINTABLE = re.compile(r"[^ -~]")

_COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})
_OWN_NAME = frozenset({"EXTNAME", "EXTVER", "EXTLEVEL", "HDUNAME"})
_OWN_VALUES = frozenset({"BSCALE", "BZERO", "BLANK", "BUNIT"})


@dataclass(frozen=True, slots=True)
class KeptCard:
    """A card of the parent that is kept in its cutouts."""

    keyword: str
    text: str
    """Text of the card, a multiple of 80 characters."""

    value: object
    moved: Callable[[PixelBox], str] | None = None
    """Function that returns the text for a cutout's box, if it depends on the box; empty: no
    card."""


def card_text(text: str) -> str:
    """Return a text as a header card can hold it: printable ASCII (FITS 4.0, 3.2).

    Line breaks and tabs become spaces, all other characters outside FITS's set question marks.
    """
    return _UNPRINTABLE.sub("?", _BLANK.sub(" ", text))


def _refuse_lookup_tables(header: TextHeader) -> None:
    """Raise an error if a cutout cannot carry the WCS.

    Raises
    ------
    TileUnreadable
        If it refers to a lookup table in another HDU.
    """
    for name in header:
        if _LOOKUP_TABLE.match(name) or (name.startswith("CTYPE") and "-TAB" in str(header[name])):
            raise TileUnreadable(
                f"the WCS needs a lookup table ({name} = {header[name]}); supported are "
                "projections by formula, and SIP or TPV distortions"
            )


def kept_cards(header: TextHeader) -> list[KeptCard]:
    """Return the cards of a plane that stay valid for any part of it.

    Omitted are the cards of the data unit's structure, checksums, compression (with its HISTORY)
    and extremes of the whole image.

    Raises
    ------
    TileUnreadable
        If the WCS refers to a lookup table in another HDU, which a cutout cannot carry.
    """
    _refuse_lookup_tables(header)
    is_float = int(str(header.get("BITPIX", 0))) < 0
    cards = []
    for name, lines in header.cards():
        if _STALE.match(name) or (is_float and name == "BLANK"):
            continue
        card = KeptCard(name, "".join(lines), _value_of(name, lines))
        if name == "HISTORY" and _STALE_HISTORY.match(str(card.value)):
            continue
        cards.append(card)
    while cards and not cards[-1].text.strip():
        cards.pop()
    return cards


def _value_of(name: str, lines: Sequence[str]) -> object:
    return TextHeader(lines).get(name)


def inherited_cards(
    primary: TextHeader, kept: Sequence[KeptCard], *, with_unit: bool = False
) -> Iterator[KeptCard]:
    """Return the cards of a tile's primary header that a plane lacks and inherits.

    Cards of the primary HDU's own WCS, pixel grid, name and scaling are not inherited: half of
    another HDU's WCS would move the plane on the sky.

    Parameters
    ----------
    with_unit
        Whether to inherit BUNIT too. It describes the pixels of its own HDU. If that HDU has no
        pixels, it can only describe those of the science plane.
    """
    names = {card.keyword for card in kept}
    remarks = {(card.keyword, str(card.value)) for card in kept if card.keyword in _COMMENTARY}
    for name, lines in primary.cards():
        card = KeptCard(name, "".join(lines), _value_of(name, lines))
        if name in _COMMENTARY:
            is_new = bool(name) and (name, str(card.value)) not in remarks
            if is_new and not (name == "HISTORY" and _STALE_HISTORY.match(str(card.value))):
                yield card
        elif name not in names and (not _is_of_one_image(name) or (with_unit and name == "BUNIT")):
            yield card


def _is_of_one_image(name: str) -> bool:
    """Return whether a card describes its own HDU's pixels, so no other HDU may inherit it."""
    if name in _OWN_NAME or name in _OWN_VALUES:
        return True
    patterns = (_STALE, _WCS, _DISTORTION, _LOOKUP_TABLE, _OFFSET, _LOGICAL, _SECTION)
    return any(pattern.match(name) for pattern in patterns)


def moved_cards(cards: Sequence[KeptCard]) -> Iterator[KeptCard]:
    """Return a plane's cards, with functions for those that depend on a cutout's first pixel.

    These are the reference pixels of all WCSs, IRAF's logical coordinates (LTV), a plate's corner
    (CNPIX) and sections of the image. If such a card is missing because it has its default value
    (0), it is added.

    Raises
    ------
    TileUnreadable
        If a value that must be a number is not one.
    """
    for card in cards:
        name = card.keyword
        if match := _REFERENCE_PIXEL.match(name):
            yield _shifted(card, match[1], -1)
        elif match := _OFFSET.match(name):
            yield _shifted(card, match[2], 1 if match[1] == "CNPIX" else -1)
        elif _SECTION.match(name):
            yield _with_section(card)
        else:
            yield card
    yield from _absent_defaults({card.keyword for card in cards})


def _shifted(card: KeptCard, axis: str, sign: int) -> KeptCard:
    value = card.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TileUnreadable(f"{card.keyword} of the tile's header is {value!r}, not a number")
    number, comment = value, _comment_of(card)

    def moved(box: PixelBox) -> str:
        return card_lines(card.keyword, number + sign * _origin(box, axis), comment)

    return KeptCard(card.keyword, card.text, value, moved)


def _with_section(card: KeptCard) -> KeptCard:
    text, comment = str(card.value), _comment_of(card)

    def moved(box: PixelBox) -> str:
        section = _moved_section(text, box)
        return card_lines(card.keyword, section, comment) if section else ""

    return KeptCard(card.keyword, card.text, card.value, moved)


def _origin(box: PixelBox, axis: str) -> int:
    return box.x0 if axis == "1" else box.y0


def _comment_of(card: KeptCard) -> str:
    """Return the comment of a card of one line, after its slash."""
    match = _COMMENT.match(card.text)
    return match[1].strip() if match else ""


def _absent_defaults(names: set[str]) -> Iterator[KeptCard]:
    letters = {match[1] for name in names if (match := _WCS_LINEAR.match(name))}
    wanted = [(f"CRPIX{axis}{letter}", axis) for letter in sorted(letters) for axis in "12"]
    if any(_LOGICAL.match(name) for name in names):
        wanted += [(f"LTV{axis}", axis) for axis in "12"]
    for name, axis in wanted:
        if name not in names:
            yield _default(name, axis)


def _default(name: str, axis: str) -> KeptCard:
    def moved(box: PixelBox) -> str:
        shift = _origin(box, axis)
        comment = "moved with the cutout's first pixel"
        return card_lines(name, -float(shift), comment) if shift else ""

    return KeptCard(name, "", None, moved)


def _moved_section(text: str, box: PixelBox) -> str | None:
    """Shift `[x1:x2,y1:y2]` (1-based, inclusive) and clip it to the box; None if it is empty."""
    match = _RANGES.match(text)
    if match is None:
        return None
    ny, nx = box.shape
    x1, x2 = sorted(int(edge) - box.x0 for edge in match.group(1, 2))
    y1, y2 = sorted(int(edge) - box.y0 for edge in match.group(3, 4))
    x1, x2, y1, y2 = max(1, x1), min(nx, x2), max(1, y1), min(ny, y2)
    return f"[{x1}:{x2},{y1}:{y2}]" if x1 <= x2 and y1 <= y2 else None
