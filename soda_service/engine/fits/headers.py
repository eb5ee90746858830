"""Headers of cutouts: a template per tile plane, with the few cards that differ filled in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from soda_service.engine.fits.cards import (
    KeptCard,
    card_text,
    inherited_cards,
    kept_cards,
    moved_cards,
)
from soda_service.engine.fits.header import CARD_CHARS, TextHeader, card_lines
from soda_service.engine.fits.image import PixelBox

__all__ = ["UNSET_SUM", "HeaderTemplate", "added_card"]

UNSET_SUM = "0" * 16
"""Value of CHECKSUM while the sum is taken (FITS 4.0, appendix J)."""

_BLOCK_BYTES = 2880
_FIRST_NAME = "SCI"
"""EXTNAME of a cutout's primary HDU, whatever the survey calls that plane."""

_NO_NAME = frozenset({"", _FIRST_NAME, "COMPRESSED_IMAGE"})
"""What need not be remembered as the name of a first plane; the last is what fpack calls any."""

_Piece = str | Callable[[PixelBox], str]


class HeaderTemplate:
    """The header of a tile plane's cutouts; its WCS is the parent's, the reference pixels moved.

    Parameters
    ----------
    plane
        Header of the parent plane, as an image's (not as a compressed table's).
    primary
        The tile's primary header; its cards that the plane lacks are added, to every plane if
        the primary HDU is without pixels, else to the first plane alone.
    is_primary
        Whether the plane becomes the primary HDU: then its EXTNAME is `SCI`, and the former name
        of the plane is kept as PAREXT. It alone inherits the BUNIT of a primary HDU without
        pixels.
    role
        EXTNAME of a plane without one.
    cards
        (keyword, value, comment) to add, or to put in place of the parent's; keywords beyond
        eight characters become HIERARCH cards, texts printable ASCII.

    Raises
    ------
    TileUnreadable
        When the WCS needs a lookup table from another HDU, or a pixel keyword is no number.
    """

    def __init__(
        self,
        plane: TextHeader,
        *,
        primary: TextHeader | None,
        is_primary: bool,
        role: str,
        cards: Sequence[tuple[str, object, str]] = (),
    ) -> None:
        self._bitpix = int(plane.number("BITPIX", 0))
        count = int(plane.number("NAXIS", 0))
        self._deeper = [int(plane.number(f"NAXIS{axis}", 0)) for axis in range(3, count + 1)]
        self._is_primary = is_primary
        replaced = {keyword for keyword, _, _ in cards}
        joined = list(_joined(plane, primary, is_primary=is_primary, role=role))
        self._cards = [card for card in joined if card.keyword not in replaced]
        self._added = "".join(added_card(*card) for card in cards)
        self._pieces = _pieces(self._cards)
        self._keywords = {card.keyword for card in self._cards} | replaced
        self._is_long = _has_long(self._cards)

    def render(self, box: PixelBox, cards: Sequence[tuple[str, object, str]] = ()) -> bytes:
        """Write the header of a cutout.

        Parameters
        ----------
        box
            Part of the tile that the cutout covers; may reach beyond it.
        cards
            As those of the template, of this cutout alone.

        Returns
        -------
        bytes
            Whole blocks of 2880, CHECKSUM and DATASUM as yet unset.
        """
        pieces, is_long = self._pieces, self._is_long
        if self._keywords.intersection(keyword for keyword, _, _ in cards):
            names = {keyword for keyword, _, _ in cards}
            left = [card for card in self._cards if card.keyword not in names]
            pieces, is_long = _pieces(left), _has_long(left)
        added = self._added + "".join(added_card(*card) for card in cards)
        is_untold = "LONGSTRN" not in self._keywords and (is_long or _is_continued(added))
        text = "".join(
            [
                _structure(self._bitpix, (*box.shape[::-1], *self._deeper), self._is_primary),
                *(piece if isinstance(piece, str) else piece(box) for piece in pieces),
                added,
                _LONG_TEXTS if is_untold else "",
                _LAST,
            ]
        )
        return text.ljust(-(-len(text) // _BLOCK_BYTES) * _BLOCK_BYTES).encode("ascii")


_SIMPLE = card_lines("SIMPLE", value=True, comment="conforms to FITS standard")
_EXTENSION = card_lines("XTENSION", "IMAGE", "image extension")
_EXTEND = card_lines("EXTEND", value=True, comment="may contain extensions")
_COUNTS = card_lines("PCOUNT", 0, "number of parameters") + card_lines(
    "GCOUNT", 1, "number of groups"
)
_LONG_TEXTS = card_lines("LONGSTRN", "OGIP 1.0", "long texts go on in CONTINUE cards")
"""Not demanded since FITS 4.0, but asked for by fitsverify."""

_LAST = (
    card_lines("CHECKSUM", UNSET_SUM, "sum of the whole HDU is all ones")
    + card_lines("DATASUM", "0", "sum of the data unit")
    + "END".ljust(CARD_CHARS)
)


def _has_long(cards: Iterable[KeptCard]) -> bool:
    return any(_is_continued(card.text) for card in cards)


def _is_continued(text: str) -> bool:
    """Whether some card's text goes on in a further one."""
    return any(text.startswith("CONTINUE  ", n) for n in range(CARD_CHARS, len(text), CARD_CHARS))


@lru_cache(maxsize=256)
def _structure(bitpix: int, axes: tuple[int, ...], is_primary: bool) -> str:  # noqa: FBT001 - private
    """Give the cards that tell what the data unit is, in the order FITS demands."""
    lengths = (card_lines(f"NAXIS{number}", length) for number, length in enumerate(axes, 1))
    return "".join(
        [
            _SIMPLE if is_primary else _EXTENSION,
            card_lines("BITPIX", bitpix, "array data type"),
            card_lines("NAXIS", len(axes), "number of array dimensions"),
            *lengths,
            _EXTEND if is_primary else _COUNTS,
        ]
    )


# The planes and bands of a position have the same cards.
@lru_cache(maxsize=256, typed=True)
def added_card(keyword: str, value: object, comment: str) -> str:
    """Write a card that is added to a header: texts as FITS can hold them."""
    return card_lines(keyword, card_text(value) if isinstance(value, str) else value, comment)


def _joined(
    plane: TextHeader, primary: TextHeader | None, *, is_primary: bool, role: str
) -> Iterator[KeptCard]:
    """Give the cards that a plane's cutouts take over."""
    kept = kept_cards(plane)
    if is_primary:
        yield from _named_first(kept)
    elif "EXTNAME" not in plane:
        yield KeptCard("EXTNAME", card_lines("EXTNAME", role, "name of this image"), role)
    yield from (c for c in moved_cards(kept) if not is_primary or c.keyword != "EXTNAME")
    # A primary HDU with pixels is a plane of its own, and stays the cutout's primary HDU: what it
    # says of itself (its gain, its HISTORY) is nothing for a weight or mask to inherit.
    has_bare_primary = primary is not None and not primary.get("NAXIS")
    if primary is not None and (is_primary or has_bare_primary):
        yield from inherited_cards(primary, kept, with_unit=is_primary and has_bare_primary)


def _named_first(kept: Sequence[KeptCard]) -> Iterator[KeptCard]:
    """Name the primary HDU, and remember what its plane was called."""
    yield KeptCard("EXTNAME", card_lines("EXTNAME", _FIRST_NAME, "name of this image"), _FIRST_NAME)
    own = next((str(card.value).strip() for card in kept if card.keyword == "EXTNAME"), "")
    if own.upper() not in _NO_NAME:
        yield KeptCard(
            "PAREXT", added_card("PAREXT", own, "EXTNAME of this plane in the tile"), own
        )


def _pieces(cards: Iterable[KeptCard]) -> list[_Piece]:
    """Join what does not move, so that little is left to be done for each cutout."""
    pieces: list[_Piece] = []
    for card in cards:
        if card.moved is not None:
            pieces.append(card.moved)
        elif pieces and isinstance(pieces[-1], str):
            pieces[-1] += card.text
        else:
            pieces.append(card.text)
    return pieces
