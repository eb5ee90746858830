"""Headers of cutouts: one template per tile plane, and the few cards that differ."""

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
"""Value of CHECKSUM while the sum is computed (FITS 4.0, appendix J)."""

_BLOCK_BYTES = 2880
_FIRST_NAME = "SCI"
"""EXTNAME of a cutout's primary HDU, whatever the survey's name of that plane."""

_NO_NAME = frozenset({"", _FIRST_NAME, "COMPRESSED_IMAGE"})
"""Names of a first plane that PAREXT does not record; the last is fpack's name for any plane."""

_Piece = str | Callable[[PixelBox], str]


class HeaderTemplate:
    """Header of a tile plane's cutouts: the parent's WCS with shifted reference pixels.

    Parameters
    ----------
    plane
        Header of the parent plane, as an image (not as a compressed table).
    primary
        The tile's primary header. Its cards that the plane lacks are added: to every plane if the
        primary HDU has no pixels, otherwise only to the first plane.
    is_primary
        Whether the plane becomes the primary HDU. Its EXTNAME is then `SCI`, and its previous name
        is kept as PAREXT. Only this plane inherits the BUNIT of a primary HDU without pixels.
    role
        EXTNAME of a plane that has none.
    cards
        (keyword, value, comment) of cards to add or to replace. Keywords longer than eight
        characters become HIERARCH cards, texts printable ASCII.

    Raises
    ------
    TileUnreadable
        If the WCS needs a lookup table in another HDU, or a pixel keyword is not a number.
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
        """Return the header of a cutout.

        Parameters
        ----------
        box
            Part of the tile that the cutout covers; it may reach beyond the tile.
        cards
            Cards for this cutout only, in the same form as those of the template.

        Returns
        -------
        bytes
            Whole blocks of 2880, with CHECKSUM and DATASUM not yet set.
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
"""Not required since FITS 4.0, but fitsverify asks for it."""

_LAST = (
    card_lines("CHECKSUM", UNSET_SUM, "sum of the whole HDU is all ones")
    + card_lines("DATASUM", "0", "sum of the data unit")
    + "END".ljust(CARD_CHARS)
)


def _has_long(cards: Iterable[KeptCard]) -> bool:
    return any(_is_continued(card.text) for card in cards)


def _is_continued(text: str) -> bool:
    """Return whether a card's text continues in a further card."""
    return any(text.startswith("CONTINUE  ", n) for n in range(CARD_CHARS, len(text), CARD_CHARS))


@lru_cache(maxsize=256)
def _structure(bitpix: int, axes: tuple[int, ...], is_primary: bool) -> str:  # noqa: FBT001 - private
    """Return the cards that describe the data unit, in the order that FITS requires."""
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


# Cached: the planes and bands of a position have the same cards.
@lru_cache(maxsize=256, typed=True)
def added_card(keyword: str, value: object, comment: str) -> str:
    """Return a card that is added to a header, with texts as FITS can hold them."""
    return card_lines(keyword, card_text(value) if isinstance(value, str) else value, comment)


def _joined(
    plane: TextHeader, primary: TextHeader | None, *, is_primary: bool, role: str
) -> Iterator[KeptCard]:
    """Yield the cards that a plane's cutouts take over."""
    kept = kept_cards(plane)
    if is_primary:
        yield from _named_first(kept)
    elif "EXTNAME" not in plane:
        yield KeptCard("EXTNAME", card_lines("EXTNAME", role, "name of this image"), role)
    yield from (c for c in moved_cards(kept) if not is_primary or c.keyword != "EXTNAME")
    # A primary HDU with pixels is a plane of its own and stays the cutout's primary HDU. Its cards
    # (its gain, its HISTORY) do not apply to a weight or a mask.
    has_bare_primary = primary is not None and not primary.get("NAXIS")
    if primary is not None and (is_primary or has_bare_primary):
        yield from inherited_cards(primary, kept, with_unit=is_primary and has_bare_primary)


def _named_first(kept: Sequence[KeptCard]) -> Iterator[KeptCard]:
    """Name the primary HDU, and record the previous name of its plane."""
    yield KeptCard("EXTNAME", card_lines("EXTNAME", _FIRST_NAME, "name of this image"), _FIRST_NAME)
    own = next((str(card.value).strip() for card in kept if card.keyword == "EXTNAME"), "")
    if own.upper() not in _NO_NAME:
        yield KeptCard(
            "PAREXT", added_card("PAREXT", own, "EXTNAME of this plane in the tile"), own
        )


def _pieces(cards: Iterable[KeptCard]) -> list[_Piece]:
    """Join adjacent fixed cards, so that little work is left for each cutout."""
    pieces: list[_Piece] = []
    for card in cards:
        if card.moved is not None:
            pieces.append(card.moved)
        elif pieces and isinstance(pieces[-1], str):
            pieces[-1] += card.text
        else:
            pieces.append(card.text)
    return pieces
