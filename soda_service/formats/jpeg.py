"""Pictures as JPEG files."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soda_service.formats.format import Encoding, Format, SkyText
from soda_service.formats.raster import require_picture

__all__ = ["JPEG", "to_jpeg"]

_QUALITY = Encoding().quality
_COMMENT_MAX = 65_533
_SIDE_MAX = 65_500


def to_jpeg(
    pixels: NDArray[np.uint8], *, xmp: str = "", comment: str = "", quality: int = _QUALITY
) -> bytes:
    """Encode a picture as JPEG, colour in full resolution.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
        Row 0 is the top one; colour or grey; at most 65,500 pixels along a side.
    xmp
        XMP document to embed, at most 65,504 bytes (JPEG's limit of a segment).
    comment
        Text to embed as comment, at most 65,533 bytes.
    quality
        1 to 100.

    Raises
    ------
    ValueError
        When the array is no such picture, or it or a text is too long.
    """
    require_picture(pixels)
    if max(pixels.shape) > _SIDE_MAX:
        raise ValueError(f"a JPEG picture has at most {_SIDE_MAX} pixels along a side")
    words = comment.encode()
    if len(words) > _COMMENT_MAX:
        raise ValueError(f"a JPEG comment has at most {_COMMENT_MAX} bytes")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream,
        "JPEG",
        quality=quality,
        subsampling="4:4:4",
        xmp=xmp.encode(),
        comment=words,
    )
    return stream.getvalue()


def _encode(pixels: NDArray[np.uint8], sky: SkyText, encoding: Encoding) -> bytes:
    return to_jpeg(pixels, xmp=sky.xmp, comment=sky.wcs, quality=encoding.quality)


JPEG = Format(
    "jpeg",
    "JPEG",
    "image/jpeg",
    ".jpg",
    bytes_per_value=0.25,  # of the default quality
    aliases=("jpg", "image/jpg"),
    side_max=_SIDE_MAX,
    encode=_encode,
)
