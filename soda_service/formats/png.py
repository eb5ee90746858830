"""Pictures as PNG files."""

import struct
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from soda_service.formats.avm import PNG_WCS, PNG_XMP
from soda_service.formats.deflate import ZLIB, Deflate
from soda_service.formats.format import Encoding, Format, SkyText
from soda_service.formats.raster import require_picture

__all__ = ["PNG", "to_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_NO_FILTER = 0

_CHUNK_MAX = 1 << 30
"""Bytes of pixels in one chunk, whose length has 31 bits."""


def to_png(
    pixels: NDArray[np.uint8],
    *,
    text: Mapping[str, str] | None = None,
    deflate: Deflate = ZLIB,
) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
        Row 0 is the top one; colour or grey.
    text
        Texts to embed by keyword (`XML:com.adobe.xmp` for XMP), before the pixels. ASCII is
        written as tEXt, which all readers know; XMP and other texts as iTXt.
    deflate
        Compressor of the pixels.

    Returns
    -------
    bytes
        A whole file. The same input gives the same bytes, by the same deflate.

    Raises
    ------
    ValueError
        If the array is not a picture, a keyword is not allowed in PNG, or a text contains NUL.
    """
    require_picture(pixels)
    ny, nx = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", nx, ny, 8, _GREY if pixels.ndim == 2 else _RGB, 0, 0, 0)
    chunks = [
        (b"IHDR", head),
        *map(_text_chunk, (text or {}).items()),
        *((b"IDAT", part) for part in _parts(deflate.compress(_lines(pixels)))),
        (b"IEND", b""),
    ]
    pieces = (piece for kind, data in chunks for piece in _chunk(kind, data, deflate))
    return b"".join([_SIGNATURE, *pieces])


def _lines(pixels: NDArray[np.uint8]) -> memoryview:
    """Return the rows as they are packed, each after the number of its filter."""
    lines = np.empty((pixels.shape[0], 1 + pixels[0].size), np.uint8)
    lines[:, 0] = _NO_FILTER
    lines[:, 1:].reshape(pixels.shape)[...] = pixels
    return lines.data


def _parts(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_MAX):
        yield data[start : start + _CHUNK_MAX]


def _text_chunk(text: tuple[str, str]) -> tuple[bytes, bytes]:
    """Write a text as tEXt where that can hold it; else, and XMP always (its standard), as iTXt."""
    keyword, value = text
    name = _keyword(keyword)
    if "\0" in value:
        raise ValueError(f"a PNG text has no zeros, found one in {keyword!r}")
    if value.isascii() and not keyword.startswith("XML:"):
        return b"tEXt", name + b"\0" + value.encode("ascii")
    return b"iTXt", name + b"\0\0\0\0\0" + value.encode()


def _keyword(text: str) -> bytes:
    """Check a keyword (PNG, 11.3.3.1)."""
    is_spaced_well = text == " ".join(text.split())
    if not (1 <= len(text) <= 79 and text.isascii() and text.isprintable() and is_spaced_well):
        raise ValueError(
            "a PNG keyword is 1 to 79 printable characters, with single spaces only between "
            f"them, found {text!r}"
        )
    return text.encode("ascii")


def _chunk(kind: bytes, data: bytes, deflate: Deflate) -> tuple[bytes, bytes, bytes]:
    """Return a chunk in pieces, so that many megabytes of pixels are joined only once."""
    checksum = deflate.crc32(data, deflate.crc32(kind, 0))
    return struct.pack(">I", len(data)) + kind, data, struct.pack(">I", checksum)


def _encode(pixels: NDArray[np.uint8], sky: SkyText, encoding: Encoding) -> bytes:
    texts = {PNG_XMP: sky.xmp, PNG_WCS: sky.wcs}
    return to_png(pixels, text=texts, deflate=encoding.deflate)


PNG = Format(
    "png",
    "PNG",
    "image/png",
    ".png",
    bytes_per_value=0.65,  # docs/performance.md: about 0.6, in colour
    encode=_encode,
)
