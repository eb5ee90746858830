"""Images as FITS files.

Imports numpy, astropy.io.fits cards and the engine's image and cards.
"""

import io
from collections.abc import Iterable, Iterator

import numpy as np
from astropy.io.fits import Card
from numpy.typing import NDArray

from soda_service.engine.cards import is_structure, structure_cards
from soda_service.engine.image import Image

__all__ = ["fits_pieces", "to_fits"]

_BLOCK_BYTES = 2880
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_ALL_ONES = 0xFFFFFFFF

_UNSET = "0" * 16
"""Value of CHECKSUM while the sum is taken (FITS 4.0, appendix J)."""

_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")
"""Characters between digits and letters, which a CHECKSUM must not have."""


def to_fits(images: Iterable[Image]) -> bytes:
    """Write images into one FITS file: the first as primary HDU, the others as extensions.

    Parameters
    ----------
    images
        At least one; taken one by one, so that memory holds the file and a single plane. What
        their headers say of structure (NAXIS and so on) and checksums is replaced; an EXTNAME
        they lack becomes their role. BSCALE and BZERO stay: pixels are raw.

    Returns
    -------
    bytes
        A whole file with CHECKSUM and DATASUM in each HDU. The same input gives the same bytes:
        no date is written anywhere.

    Raises
    ------
    ValueError
        When there is no image, or pixels are of a type that FITS has not.
    """
    # The buffer gives its bytes away without a copy, which joining a list of pieces would be.
    file = io.BytesIO()
    file.writelines(fits_pieces(images))
    if not file.tell():
        raise ValueError("a FITS file needs at least one image")
    return file.getvalue()


def fits_pieces(images: Iterable[Image]) -> Iterator[bytes | memoryview]:
    """Give the file of `to_fits` piece by piece, taking one image at a time.

    So a writer holds a single plane of a large cutout in memory.
    """
    is_primary = True
    for image in images:
        data = _big_endian(image.data)
        yield _header_block(image, data, is_primary=is_primary)
        yield data.data
        yield bytes(-data.nbytes % _BLOCK_BYTES)
        is_primary = False
        del image, data  # before the next one is made


def _big_endian(data: NDArray[np.generic]) -> NDArray[np.generic]:
    if data.dtype.str[1:] not in _BITPIX:
        raise ValueError(
            f"FITS has no pixels of type {data.dtype}; there are {', '.join(_BITPIX)} only"
        )
    return np.ascontiguousarray(data, data.dtype.newbyteorder(">"))


def _header_block(image: Image, data: NDArray[np.generic], *, is_primary: bool) -> bytes:
    """Give the header's blocks, with both sums."""
    kept = [card for card in image.header.cards if not is_structure(card.keyword)]
    if not any(card.keyword == "EXTNAME" for card in kept):
        kept.insert(0, Card("EXTNAME", image.role, "name of this image"))
    datasum = _sum32(data)
    cards = [
        *structure_cards(_BITPIX[data.dtype.str[1:]], data.shape[::-1], is_primary=is_primary),
        *kept,
        Card("CHECKSUM", _UNSET, "sum of the whole HDU is all ones"),
        Card("DATASUM", str(datasum), "sum of the data unit"),
    ]
    # Not through a Header, whose bookkeeping costs twice the rest.
    text = "".join(map(str, cards)) + "END".ljust(80)
    block = text.ljust(-(-len(text) // _BLOCK_BYTES) * _BLOCK_BYTES).encode("ascii")
    place = block.rindex(f"CHECKSUM= '{_UNSET}'".encode()) + len("CHECKSUM= '")
    total = _folded(_sum32(np.frombuffer(block, np.uint8)) + datasum)
    checksum = _encoded(_ALL_ONES - total)
    return block[:place] + checksum + block[place + len(checksum) :]


def _sum32(data: NDArray[np.generic]) -> int:
    """Sum an array's bytes as big-endian 32-bit words in ones' complement, zeros after its end."""
    raw = data.reshape(-1).view(np.uint8)
    words = raw.size // 4 * 4
    total = int(raw[:words].view(">u4").sum(dtype=np.uint64))
    return _folded(total + int.from_bytes(raw[words:].tobytes().ljust(4, b"\0"), "big"))


def _folded(total: int) -> int:
    """Add what exceeds 32 bits at the low end, until nothing does."""
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def _encoded(value: int) -> bytes:
    """Write 32 bits as 16 letters and digits whose sum as words is that value plus zeros'.

    Each byte becomes four characters that add up to it above `0`, in four columns; punctuation
    is avoided by moving one unit between neighbours, and the result is turned by one place
    since the value of a CHECKSUM card begins in the fourth byte of a word.
    """
    columns = []
    for byte in value.to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        letters = [0x30 + quarter + rest, *[0x30 + quarter] * 3]
        for pair in (0, 2):
            while _PUNCTUATION.intersection(letters[pair : pair + 2]):
                letters[pair] += 1
                letters[pair + 1] -= 1
        columns.append(letters)
    text = bytes(columns[byte][row] for row in range(4) for byte in range(4))
    return text[-1:] + text[:-1]
