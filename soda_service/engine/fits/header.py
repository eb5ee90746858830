"""FITS headers as text in 80-character cards, with values parsed on demand.

Kept cards stay exactly as in the file, and opening a tile does not import astropy.
"""

import math
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from soda_service.errors import TileUnreadable

__all__ = [
    "CARD_CHARS",
    "WCS_NUMBER",
    "TextHeader",
    "Value",
    "card_lines",
    "image_header",
    "keyword_of",
]

CARD_CHARS = 80

WCS_NUMBER = re.compile(
    r"(?:CRPIX|CRVAL|CDELT|CROTA)[12]$|(?:PC|CD)[12]_[12]$|PC00[12]00[12]$|PV[12]_[0-9]+$"
    r"|(?:LON|LAT)POLE$|[AB]P?_(?:ORDER|[0-9]+_[0-9]+)$"
)
"""Keywords of a celestial WCS, SIP included, whose values are numbers."""

Value = bool | int | float | complex | str | None
"""Value of a card; None if it has none."""

_COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})
_NUMBER_MAX = 1e300
_FLOAT_CHARS = 20
"""Longest number that astropy writes."""

_STRING = r"'[^']*(?:''[^']*)*'"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[EeDd][+-]?\d+)?"
_COMPLEX = rf"\( *({_NUMBER}) *, *({_NUMBER}) *\)"
_VALUE = re.compile(
    rf" *(?:(?:(?P<text>{_STRING})|(?P<logical>[TF])|(?P<number>{_NUMBER})"
    rf"|(?P<complex>{_COMPLEX})) *)?(?:/.*)?$"
)
_ANY_VALUE = rf" *(?:(?:{_STRING}|[TF]|{_NUMBER}|{_COMPLEX}) *)?(?:/.*)?$"
_LONG_NAME = r"[^= ](?:[^=]*[^= ])?"
_HIERARCH = re.compile(rf"HIERARCH +({_LONG_NAME}) *=")
_SOUND = re.compile(
    rf"[A-Z0-9_-]+ *(?<=^.{{8}})= {_ANY_VALUE}|COMMENT |HISTORY | {{8}}"
    rf"|HIERARCH +{_LONG_NAME} *={_ANY_VALUE}"
)
_CONTINUE = "CONTINUE  "
_UNPRINTABLE = re.compile(r"[^ -~]")

_TABLE = re.compile(
    r"(?:XTENSION|SIMPLE|BITPIX|NAXIS|NAXIS\d+|PCOUNT|GCOUNT|EXTEND|TFIELDS|THEAP"
    r"|(?:TTYPE|TFORM|TUNIT|TNULL|TSCAL|TZERO|TDISP|TDIM|ZNAXIS|ZTILE|ZNAME|ZVAL)\d+"
    r"|ZIMAGE|ZSIMPLE|ZTENSION|ZEXTEND|ZBITPIX|ZNAXIS|ZPCOUNT|ZGCOUNT|ZCMPTYPE|ZMASKCMP"
    r"|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZBLOCKED|ZHECKSUM|ZDATASUM|CHECKSUM|DATASUM)$"
)
"""Cards of a compressed image's table that its image does not have."""


class TextHeader:
    """A header as the text of its cards.

    Parameters
    ----------
    lines
        80 characters each, printable ASCII, without END; CONTINUE lines follow the line they
        continue.
    """

    __slots__ = ("_astropy", "_places", "lines")

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        """Text of the cards."""
        self._places: dict[str, int] = {}
        self._astropy: Any = None  # Any: astropy is untyped
        for place, line in enumerate(self.lines):
            self._places.setdefault(keyword_of(line), place)
        self._places.pop("CONTINUE", None)

    @classmethod
    def from_bytes(cls, data: bytes) -> "TextHeader":
        """Parse a header from the bytes of a file, up to its END.

        Cards that break the standard are repaired, or removed if that is not possible. Characters
        outside FITS's set become question marks.

        Raises
        ------
        TileUnreadable
            If there is no END.
        """
        text = data.decode("latin-1")
        if not (text.isascii() and text.isprintable()):
            text = _UNPRINTABLE.sub("?", text)
        lines = [text[start : start + CARD_CHARS] for start in range(0, len(text), CARD_CHARS)]
        end = "END".ljust(CARD_CHARS)
        if end not in lines:
            raise TileUnreadable("damaged: a header has no END")
        return cls(_sound(lines[: lines.index(end)]))

    @classmethod
    def from_astropy(cls, header: Any) -> "TextHeader":  # Any: astropy is untyped
        """Make a header from an `astropy.io.fits.Header`."""
        return cls.from_bytes(header.tostring().encode("ascii", "replace"))

    def to_astropy(self) -> Any:  # Any: astropy is untyped
        """Return an `astropy.io.fits.Header` with the same cards, which must not be changed."""
        if self._astropy is None:
            from astropy.io.fits import Header

            self._astropy = Header.fromstring("".join(self.lines))
        return self._astropy

    def __contains__(self, keyword: object) -> bool:
        return keyword in self._places

    def __iter__(self) -> Iterator[str]:
        return (keyword_of(line) for line in self.lines if not line.startswith(_CONTINUE))

    def __getitem__(self, keyword: str) -> Value:
        return self._value(self._places[keyword])

    def get(self, keyword: str, default: Value = None) -> Value:
        """Return the value of a keyword; if it has several cards, of the first."""
        place = self._places.get(keyword)
        return default if place is None else self._value(place)

    def number(self, keyword: str, default: float) -> float:
        """Return the value of a keyword if it is a finite number, otherwise the default."""
        value = self.get(keyword)
        is_number = isinstance(value, int | float) and abs(value) < _NUMBER_MAX
        return float(value) if is_number else default  # type: ignore[arg-type] # checked above

    def cards(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each card's keyword and lines; a long string has several lines."""
        start = 0
        for place in range(1, len(self.lines) + 1):
            if place == len(self.lines) or not self.lines[place].startswith(_CONTINUE):
                lines = self.lines[start:place]
                yield keyword_of(lines[0]), lines
                start = place

    def _value(self, place: int) -> Value:
        line = self.lines[place]
        keyword = keyword_of(line)
        if keyword in _COMMENTARY:
            return line[8:].rstrip()
        match = _VALUE.match(_after_equals(line))
        if match is None:
            return None
        if match["text"] is not None:
            return self._text(place)
        if match["logical"]:
            return match["logical"] == "T"
        if match["complex"]:
            return complex(*(float(_number(part)) for part in match.group(5, 6)))
        return _number(match["number"]) if match["number"] else None

    def _text(self, place: int) -> str:
        text = _string_of(self.lines[place])
        for line in self.lines[place + 1 :]:
            if not (text.endswith("&") and line.startswith(_CONTINUE)):
                break
            text = text[:-1] + _string_of(line)
        return text.rstrip()


def keyword_of(line: str) -> str:
    """Return the keyword of a card's text in upper case; empty for blank cards."""
    if line.startswith("HIERARCH") and (match := _HIERARCH.match(line)):
        return match[1].upper()
    return line[:8].rstrip().upper()


def _after_equals(line: str) -> str:
    if line.startswith("HIERARCH"):
        return line.partition("=")[2]
    return line[10:] if line[8:10] == "= " or line.startswith(_CONTINUE) else "?"


def _string_of(line: str) -> str:
    """Return the text of a card, or of a CONTINUE line; empty if there is none."""
    match = _VALUE.match(_after_equals(line))
    if match is None or match["text"] is None:
        return ""
    return match["text"][1:-1].replace("''", "'").rstrip()


def _number(text: str) -> int | float:
    if text.lstrip("+-").isdecimal():
        return int(text)
    return float(text.upper().replace("D", "E"))


def _sound(lines: list[str]) -> Iterator[str]:
    """Return the cards that conform to the standard, and repaired ones."""
    last = ""
    for line in lines:
        if _SOUND.match(line):
            last = line
            yield line
        elif line.startswith(_CONTINUE):
            # A CONTINUE line that continues nothing is dropped.
            if _VALUE.match(_after_equals(line)) and _string_of(last).endswith("&"):
                last = line
                yield line
        else:
            repaired = [*_repaired(line)] or [*_quoted(line)]
            last = repaired[-1] if repaired else ""
            yield from repaired


def _repaired(line: str) -> Iterator[str]:
    """Repair a card as astropy does; return an empty text if that is not possible."""
    from astropy.io.fits import Card
    from astropy.io.fits.verify import VerifyError
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        card = Card.fromstring(line)
        try:
            card.verify("silentfix")
            text = str(card)
        except (VerifyError, ValueError):
            return
    if _SOUND.match(text[:CARD_CHARS]):
        yield from (text[start : start + CARD_CHARS] for start in range(0, len(text), CARD_CHARS))


def _quoted(line: str) -> Iterator[str]:
    """Return an unreadable number of a WCS as text.

    Without the card, the image would seem to lie elsewhere. With the text, it is refused and the
    message can quote the card.
    """
    keyword, _, value = line.partition("=")
    if WCS_NUMBER.match(keyword.strip()):
        yield card_lines(keyword.strip(), value.partition("/")[0].strip()[:60])


def card_lines(keyword: str, value: object, comment: str = "") -> str:
    """Return the text of a card, as astropy writes it if it fits in one line.

    Parameters
    ----------
    keyword
        If longer than eight characters, the card is a HIERARCH card.
    value
        A bool, int, finite float, or str of printable ASCII; a long text takes several cards (FITS
        4.0, 4.2.1.2).
    comment
        Truncated if too long.

    Returns
    -------
    str
        A multiple of 80 characters.

    Raises
    ------
    ValueError
        If the value does not fit, or is not finite.
    TypeError
        If it has another type.
    """
    is_fixed = len(keyword) <= 8
    name = f"{keyword:<8}= " if is_fixed else f"HIERARCH {keyword} = "
    text = _value_text(value, is_fixed=is_fixed)
    if len(text) <= CARD_CHARS - len(name):
        line = f"{name}{text} / {comment}" if comment else f"{name}{text}"
        return line[:CARD_CHARS].ljust(CARD_CHARS)
    if not isinstance(value, str) or len(name) > CARD_CHARS // 2:
        raise ValueError(f"value of {keyword} does not fit in a card: {value!r}")
    lines = [*_continued(name, value)]
    if comment or value.endswith("&"):
        lines[-1] = lines[-1][:-1] + "&'"
        lines.append(f"{_CONTINUE}'' / {comment}" if comment else f"{_CONTINUE}''")
    return "".join(line[:CARD_CHARS].ljust(CARD_CHARS) for line in lines)


def _continued(name: str, value: str) -> Iterator[str]:
    """Return the lines of a long text, broken after spaces if possible."""
    text = value.replace("'", "''")
    room = CARD_CHARS - len(name) - len("'&'")
    while len(text) > room:
        end = text.rfind(" ", 0, room) + 1 or room
        end -= text.count("'", 0, end) % 2  # keep both parts of a doubled quote in one line
        yield f"{name}'{text[:end]}&'"
        name, text = _CONTINUE, text[end:]
        room = CARD_CHARS - len(name) - len("'&'")
    yield f"{name}'{text}'"


def _value_text(value: object, *, is_fixed: bool) -> str:
    if isinstance(value, str):
        text = "'{:8}'".format(value.replace("'", "''")) if value else "''"
        return f"{text:20}" if is_fixed and value else text
    if isinstance(value, bool):
        text = "T" if value else "F"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float):
        text = _float_text(value)
    else:
        raise TypeError(f"{value!r} cannot be stored in a card")
    return f"{text:>20}" if is_fixed else text


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored in a card")
    text = repr(float(value)).replace("e", "E")
    if len(text) > _FLOAT_CHARS:
        digits, mark, exponent = text.partition("E")
        text = digits[: _FLOAT_CHARS - len(mark) - len(exponent)] + mark + exponent
    return text


def image_header(table: TextHeader) -> TextHeader:
    """Return the header of the image in a table of compressed blocks (FITS 4.0, 10.1.2).

    Raises
    ------
    TileUnreadable
        If the table does not describe its image.
    """
    try:
        shape = [table[f"ZNAXIS{axis}"] for axis in range(1, int(str(table["ZNAXIS"])) + 1)]
        bitpix = table["ZBITPIX"]
    except (KeyError, ValueError) as error:
        raise TileUnreadable(f"damaged: a compressed image has no valid size: {error}") from error
    structure = [
        card_lines("XTENSION", "IMAGE", "image extension"),
        card_lines("BITPIX", bitpix, "array data type"),
        card_lines("NAXIS", len(shape), "number of array dimensions"),
        *(card_lines(f"NAXIS{axis}", length) for axis, length in enumerate(shape, 1)),
        card_lines("PCOUNT", 0, "number of parameters"),
        card_lines("GCOUNT", 1, "number of groups"),
    ]
    kept = [
        line
        for keyword, lines in table.cards()
        if not _TABLE.match(keyword) and not _is_packers_name(keyword, table)
        for line in lines
    ]
    return TextHeader([*structure, *kept, *_blank(table, bitpix)])


def _blank(table: TextHeader, bitpix: Value) -> Iterator[str]:
    """Return BLANK of integers whose missing pixels only the table names.

    Raises
    ------
    TileUnreadable
        If it has another value in each row.
    """
    if not isinstance(bitpix, int) or bitpix < 0 or "BLANK" in table:
        return
    if isinstance(number := table.get("ZBLANK"), int):
        yield card_lines("BLANK", number, "value of pixels without data")
    elif any(table[name] == "ZBLANK" for name in table if name.startswith("TTYPE")):
        raise TileUnreadable("its missing pixels have another value in each row (column ZBLANK)")


def _is_packers_name(keyword: str, table: TextHeader) -> bool:
    """Return whether a card is the name that writers give to the table of an unnamed image."""
    return keyword == "EXTNAME" and table["EXTNAME"] == "COMPRESSED_IMAGE"
