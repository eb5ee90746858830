"""A cutout from its parent: the header that stays true, pixels beyond the edge, what is valid.

Imports numpy, astropy.io.fits, the engine's values and cards.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from astropy.io.fits import Card, Header
from numpy.typing import NDArray

from soda_service.engine.cards import (
    card_text,
    inherited_cards,
    kept_cards,
    moved_cards,
    structure_cards,
)
from soda_service.engine.image import Image, PixelBox

__all__ = [
    "NO_DATA_BIT",
    "blank_for",
    "coverage",
    "cut_header",
    "fill_value",
    "mask_bit",
    "pad",
    "physical",
]

NO_DATA_BIT = 1 << 15
"""Bit of a mask for pixels that are not there, where a release names none of its own."""

_FIRST_NAME = "SCI"
"""EXTNAME of a cutout's primary HDU, whatever the survey calls that plane."""

_NO_NAME = frozenset({"", _FIRST_NAME, "COMPRESSED_IMAGE"})
"""What need not be remembered as the name of a first plane; the last is what fpack calls any."""


def cut_header(
    plane_header: Header,
    *,
    primary: Header | None,
    box: PixelBox,
    is_primary: bool,
    cards: Sequence[tuple[str, object, str]],
) -> Header:
    """Make the header of a cutout from its parent's.

    Parameters
    ----------
    plane_header
        Header of the parent plane, as an image's (not as a compressed table's).
    primary
        The tile's primary header; its cards that the plane lacks are added, to every plane if
        the primary HDU is without pixels, else to the first plane alone.
    box
        Pixels of the parent that the cutout has; may reach beyond it.
    is_primary
        Whether the cutout will be the primary HDU of its file, else an IMAGE extension. The
        primary HDU's EXTNAME is `SCI`; another name of the plane is kept as PAREXT. It alone
        inherits the BUNIT of a primary HDU without pixels.
    cards
        (keyword, value, comment) to add, or to put in place of the parent's; keywords beyond
        eight characters become HIERARCH cards, texts printable ASCII.

    Returns
    -------
    Header
        Complete, and independent of the parent's; its WCS is the parent's, exactly, with the
        reference pixels moved.

    Raises
    ------
    TileUnreadable
        When the WCS needs a lookup table from another HDU, or a pixel keyword is no number.
    """
    kept = kept_cards(plane_header)
    # A primary HDU with pixels is a plane of its own, and stays the cutout's primary HDU: what it
    # says of itself (its gain, its HISTORY) is nothing for a weight or mask to inherit.
    has_bare_primary = primary is not None and not primary.get("NAXIS")
    inherits = is_primary or has_bare_primary
    with_unit = is_primary and has_bare_primary
    ny, nx = box.shape
    deeper = (plane_header[f"NAXIS{axis}"] for axis in range(3, plane_header["NAXIS"] + 1))
    joined = [
        *structure_cards(plane_header["BITPIX"], [nx, ny, *deeper], is_primary=is_primary),
        *(_named_first(kept) if is_primary else ()),
        *(card for card in moved_cards(kept, box) if not is_primary or card.keyword != "EXTNAME"),
    ]
    if primary is not None and inherits:
        joined += inherited_cards(primary, kept, with_unit=with_unit)
    # Copies: whoever changes this header must not change the tile's.
    header = Header([copy.copy(card) for card in joined])
    for keyword, value, comment in cards:
        text = card_text(value) if isinstance(value, str) else value
        header[keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"] = (text, comment)
    return header


def _named_first(kept: Sequence[Card]) -> Iterator[Card]:
    """Name the primary HDU, and remember what its plane was called."""
    yield Card("EXTNAME", _FIRST_NAME, "name of this image")
    own = next((str(card.value).strip() for card in kept if card.keyword == "EXTNAME"), "")
    if own.upper() not in _NO_NAME:
        yield Card("PAREXT", own, "EXTNAME of this plane in the tile")


def physical(image: Image) -> NDArray[np.floating]:
    """Give the values that an image's numbers mean: BSCALE and BZERO applied, BLANK as NaN.

    Returns
    -------
    values : ndarray, float32 or float64
        The image's own array where there is nothing to do; float32 for integers of up to 16
        bits, as astropy reads them, else float64.
    """
    data, header = image.data, image.header
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    is_float = np.issubdtype(data.dtype, np.floating)
    if is_float and scale == 1 and zero == 0:
        return cast("NDArray[np.floating]", data)
    integer_result = np.dtype(np.float32 if data.dtype.itemsize <= 2 else np.float64)
    result = data.dtype.newbyteorder("=") if is_float else integer_result
    values = cast("NDArray[np.floating]", data.astype(result))
    values *= scale
    values += zero
    if not is_float and "BLANK" in header:
        values[data == header["BLANK"]] = np.nan
    return values


def mask_bit(header: Header, dtype: np.dtype[Any], wanted: int) -> int:
    """Give the bit that marks missing pixels in a mask: the one wanted, or a lower one that fits.

    Parameters
    ----------
    header
        The mask's, for BSCALE and BZERO.
    dtype
        Of the raw numbers. (Any: whichever the tile has.)
    wanted
        A power of two.

    Returns
    -------
    int
        `wanted`, or the highest power of two that masks of so few bits can hold: 16384 in signed
        16-bit numbers, 128 in bytes.
    """
    if np.issubdtype(dtype, np.floating):
        return wanted
    scale, zero = float(header.get("BSCALE", 1) or 1), float(header.get("BZERO", 0))
    largest = int(np.iinfo(dtype).max * scale + zero)
    return min(wanted, 1 << max(0, largest.bit_length() - 1))


def fill_value(role: str, header: Header, dtype: np.dtype[Any], no_data_bit: int) -> int | float:
    """Give the number that stands where a padded cutout has no pixel.

    Parameters
    ----------
    role
        `SCI`, `WGT` or `MSK`; others are treated like `SCI`.
    header
        The plane's, for BSCALE, BZERO and BLANK.
    dtype
        Of the raw numbers. (Any: whichever the tile has.)
    no_data_bit
        What a mask says of a missing pixel; see `mask_bit`.

    Returns
    -------
    int or float
        A raw number, of `dtype`'s range. It means: in a mask the no-data bit, in a weight 0,
        else NaN, BLANK, or 0 where integers have no BLANK.
    """
    is_float = np.issubdtype(dtype, np.floating)
    if role not in {"WGT", "MSK"}:
        if is_float:
            return float("nan")
        if "BLANK" in header:
            return int(header["BLANK"])
    meaning = no_data_bit if role == "MSK" else 0
    raw = (meaning - float(header.get("BZERO", 0))) / float(header.get("BSCALE", 1) or 1)
    if is_float:
        return raw
    limits = np.iinfo(dtype)
    return min(max(round(raw), int(limits.min)), int(limits.max))


def blank_for(data: NDArray[np.generic], header: Header) -> int | None:
    """Choose the raw number that says "no pixel" in integers that have no BLANK.

    Returns
    -------
    int or None
        One that no pixel has; None for floats, where BLANK is there, or where all are in use.
    """
    if not np.issubdtype(data.dtype, np.integer) or "BLANK" in header:
        return None
    limits = np.iinfo(data.dtype)  # type: ignore[type-var]  # an integer type, as was asked above
    free = (int(n) for n in (limits.min, limits.max) if not np.any(data == n))
    return next(free, None)


def pad(
    data: NDArray[np.generic], inside: PixelBox, box: PixelBox, *, fill: float
) -> NDArray[np.generic]:
    """Lay the pixels that there are into the box that was asked for.

    Parameters
    ----------
    data : ndarray, shape (..., *inside.shape)
        Pixels of `inside`.
    inside
        Part of `box` that has pixels; not empty.
    box
        The box asked for, in the same pixel coordinates.
    fill
        What stands elsewhere; see `fill_value`.

    Returns
    -------
    padded : ndarray, shape (..., *box.shape), of the type of `data`
    """
    padded = np.full((*data.shape[:-2], *box.shape), fill, dtype=data.dtype)
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)
    padded[..., rows, columns] = data
    return padded


def coverage(sci: Image, wgt: Image | None, *, asked: int) -> float:
    """Tell which part of the asked area has valid pixels.

    Parameters
    ----------
    sci, wgt
        The cutout's science and weight planes, padded or cut short.
    asked
        Pixels of the area that was asked for.

    Returns
    -------
    float
        0..1: pixels of positive weight where there is a weight plane, else of finite value (of
        any plane of a cube), by those asked for.
    """
    values = physical(sci if wgt is None else wgt)
    valid = np.isfinite(values) if wgt is None else values > 0
    if valid.ndim > 2:
        valid = valid.any(axis=tuple(range(valid.ndim - 2)))
    return min(1.0, int(np.count_nonzero(valid)) / asked) if asked > 0 else 0.0
