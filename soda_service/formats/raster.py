"""Pictures as PNG and JPEG files.

Imports numpy and Pillow.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

__all__ = ["to_jpeg", "to_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_NO_FILTER = 0
_JPEG_QUALITY = 92


def to_png(pixels: NDArray[np.uint8], *, text: Mapping[str, str] | None = None) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
        Row 0 is the top one; colour or grey.
    text
        What to embed, by keyword (`XML:com.adobe.xmp` for XMP), before the pixels.

    Returns
    -------
    bytes
        A whole file. The same input gives the same bytes.

    Raises
    ------
    ValueError
        When the array is no such picture, or a keyword is none that PNG allows.
    """
    _require_picture(pixels)
    ny, nx = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", nx, ny, 8, _GREY if pixels.ndim == 2 else _RGB, 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", head),
            *_text_chunks(text or {}),
            _chunk(b"IDAT", _deflated(pixels)),
            _chunk(b"IEND", b""),
        ]
    )


def to_jpeg(pixels: NDArray[np.uint8], *, xmp: str = "") -> bytes:
    """Encode a picture as JPEG.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
        Row 0 is the top one; colour or grey.
    xmp
        XMP document to embed, at most 65,502 bytes (JPEG's limit of a segment).

    Raises
    ------
    ValueError
        When the array is no such picture, or the document is too long.
    """
    _require_picture(pixels)
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(
        stream, "JPEG", quality=_JPEG_QUALITY, subsampling="4:4:4", xmp=xmp.encode()
    )
    return stream.getvalue()


def _require_picture(pixels: NDArray[np.uint8]) -> None:
    has_planes = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not has_planes or not pixels.size:
        raise ValueError(
            f"a picture is uint8 of shape (ny, nx, 3) or (ny, nx), found {pixels.dtype} "
            f"of shape {pixels.shape}"
        )


def _deflated(pixels: NDArray[np.uint8]) -> bytes:
    """Compress rows without PNG's filters, which only harm the noise that sky images are.

    Against Pillow's default (filters, level 6) this takes a seventh to a tenth of the time and
    three quarters of the size, measured on 1' DES pictures of both kinds.
    """
    lines = np.empty((pixels.shape[0], 1 + pixels[0].size), np.uint8)
    lines[:, 0] = _NO_FILTER
    lines[:, 1:] = pixels.reshape(pixels.shape[0], -1)
    deflate = zlib.compressobj(level=1, wbits=15, memLevel=9, strategy=zlib.Z_RLE)
    return deflate.compress(lines.data) + deflate.flush()


def _text_chunks(text: Mapping[str, str]) -> Iterator[bytes]:
    """Write iTXt chunks: the kind that holds all of Unicode, and the one XMP asks for."""
    for keyword, value in text.items():
        if not 1 <= len(keyword) <= 79 or not keyword.isascii() or not keyword.isprintable():
            raise ValueError(f"a PNG keyword is 1 to 79 printable characters, found {keyword!r}")
        yield _chunk(b"iTXt", keyword.encode("ascii") + b"\0\0\0\0\0" + value.encode())


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)])
