"""FITS headers as they stand in a file: text, 80 characters a card, values read on demand.

So what is kept of a header is kept to the letter, and opening a tile needs no astropy.
"""

import math
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from soda_service.errors import TileUnreadable

__all__ = ["CARD_CHARS", "TextHeader", "Value", "card_lines", "image_header", "keyword_of"]

CARD_CHARS = 80

Value = bool | int | float | complex | str | None
"""What a card may hold; None where it has no value."""

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
"""Cards of a compressed image's table that its image has not."""


class TextHeader:
    """A header as its cards' text.

    Parameters
    ----------
    lines
        80 characters each, printable ASCII, without END; those that continue a long string
        follow it.
    """

    __slots__ = ("_astropy", "_places", "lines")

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        """The cards' text."""
        self._places: dict[str, int] = {}
        self._astropy: Any = None  # Any: astropy is untyped
        for place, line in enumerate(self.lines):
            self._places.setdefault(keyword_of(line), place)
        self._places.pop("CONTINUE", None)

    @classmethod
    def from_bytes(cls, data: bytes) -> "TextHeader":
        """Read a header as it stands in a file, up to its END.

        Cards that break the standard are mended, or left out where that cannot be done;
        characters that FITS has not become question marks.

        Raises
        ------
        TileUnreadable
            When there is no END.
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
        """Take over an `astropy.io.fits.Header`."""
        return cls.from_bytes(header.tostring().encode("ascii", "replace"))

    def to_astropy(self) -> Any:  # Any: astropy is untyped
        """Give the same as an `astropy.io.fits.Header`; not to be changed."""
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
        """Give the value of a keyword; of several cards the first one's."""
        place = self._places.get(keyword)
        return default if place is None else self._value(place)

    def number(self, keyword: str, default: float) -> float:
        """Give the value of a keyword where that is a finite number."""
        value = self.get(keyword)
        is_number = isinstance(value, int | float) and abs(value) < _NUMBER_MAX
        return float(value) if is_number else default  # type: ignore[arg-type] # asked above

    def cards(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give each card's keyword and lines; a long string has several."""
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
    """Give the keyword of a card's text, in capitals; empty for blank cards."""
    if line.startswith("HIERARCH") and (match := _HIERARCH.match(line)):
        return match[1].upper()
    return line[:8].rstrip().upper()


def _after_equals(line: str) -> str:
    if line.startswith("HIERARCH"):
        return line.partition("=")[2]
    return line[10:] if line[8:10] == "= " or line.startswith(_CONTINUE) else "?"


def _string_of(line: str) -> str:
    """Give the text of one card, or of one that continues another; nothing where there is none."""
    match = _VALUE.match(_after_equals(line))
    if match is None or match["text"] is None:
        return ""
    return match["text"][1:-1].replace("''", "'").rstrip()


def _number(text: str) -> int | float:
    if text.lstrip("+-").isdecimal():
        return int(text)
    return float(text.upper().replace("D", "E"))


def _sound(lines: list[str]) -> Iterator[str]:
    """Give cards that conform; of the others what can be mended."""
    last = ""
    for line in lines:
        if _SOUND.match(line):
            last = line
            yield line
        elif line.startswith(_CONTINUE):
            # One that continues nothing would be a card of its own to nobody.
            if _VALUE.match(_after_equals(line)) and _string_of(last).endswith("&"):
                last = line
                yield line
        else:
            mended = [*_mended(line)]
            last = mended[-1] if mended else ""
            yield from mended


def _mended(line: str) -> Iterator[str]:
    """Mend a card as astropy does; nothing where that cannot be done."""
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


def card_lines(keyword: str, value: object, comment: str = "") -> str:
    """Write a card, as astropy writes those of one line.

    Parameters
    ----------
    keyword
        Of more than eight characters: becomes a HIERARCH card.
    value
        A bool, int, finite float, or str of printable ASCII; long texts take several cards
        (FITS 4.0, 4.2.1.2).
    comment
        What is too long of it is left out.

    Returns
    -------
    str
        A multiple of 80 characters.

    Raises
    ------
    ValueError
        When there is no room for the value, or it is not finite.
    TypeError
        When it is of another type.
    """
    is_fixed = len(keyword) <= 8
    name = f"{keyword:<8}= " if is_fixed else f"HIERARCH {keyword} = "
    text = _value_text(value, is_fixed=is_fixed)
    if len(text) <= CARD_CHARS - len(name):
        line = f"{name}{text} / {comment}" if comment else f"{name}{text}"
        return line[:CARD_CHARS].ljust(CARD_CHARS)
    if not isinstance(value, str) or len(name) > CARD_CHARS // 2:
        raise ValueError(f"no room for the value of {keyword} in a card: {value!r}")
    lines = [*_continued(name, value)]
    if comment or value.endswith("&"):
        lines[-1] = lines[-1][:-1] + "&'"
        lines.append(f"{_CONTINUE}'' / {comment}" if comment else f"{_CONTINUE}''")
    return "".join(line[:CARD_CHARS].ljust(CARD_CHARS) for line in lines)


def _continued(name: str, value: str) -> Iterator[str]:
    """Give the lines of a long text, broken after blanks where there are some."""
    text = value.replace("'", "''")
    room = CARD_CHARS - len(name) - len("'&'")
    while len(text) > room:
        end = text.rfind(" ", 0, room) + 1 or room
        end -= text.count("'", 0, end) % 2  # both of a doubled quote belong into one line
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
        raise TypeError(f"a card cannot hold {value!r}")
    return f"{text:>20}" if is_fixed else text


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"a card cannot hold {value}")
    text = repr(float(value)).replace("e", "E")
    if len(text) > _FLOAT_CHARS:
        digits, mark, exponent = text.partition("E")
        text = digits[: _FLOAT_CHARS - len(mark) - len(exponent)] + mark + exponent
    return text


def image_header(table: TextHeader) -> TextHeader:
    """Give the header of the image that a table of compressed blocks holds (FITS 4.0, 10.1.2).

    Raises
    ------
    TileUnreadable
        When the table does not say what image it holds.
    """
    try:
        shape = [table[f"ZNAXIS{axis}"] for axis in range(1, int(str(table["ZNAXIS"])) + 1)]
        bitpix = table["ZBITPIX"]
    except (KeyError, ValueError) as error:
        raise TileUnreadable(
            f"damaged: a compressed image does not tell its size: {error}"
        ) from error
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
    return TextHeader([*structure, *kept])


def _is_packers_name(keyword: str, table: TextHeader) -> bool:
    """Whether a card is the name that writers give to the table of an image without one."""
    return keyword == "EXTNAME" and table["EXTNAME"] == "COMPRESSED_IMAGE"
