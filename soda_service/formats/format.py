"""The description of a file format, and the arguments of a picture encoder."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.formats.deflate import ZLIB, Deflate

__all__ = ["Encode", "Encoding", "Format", "SkyText"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """The operator's settings for the encoding of pictures."""

    quality: int = 92
    """Quality of lossy formats, 1 to 100."""

    deflate: Deflate = ZLIB
    """Compressor of formats that use deflate."""


@dataclass(frozen=True, slots=True)
class SkyText:
    """Position of a picture on the sky, as texts to embed."""

    xmp: str = ""
    """XMP document with AVM."""

    wcs: str = ""
    """FITS cards of the WCS, one per line."""


Encode = Callable[[NDArray[np.uint8], SkyText, Encoding], bytes]
"""Encodes a picture of shape (ny, nx, 3) or (ny, nx), with row 0 at the top."""


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """A file format."""

    name: str
    """Short name for RESPONSEFORMAT (DALI 1.1, 3.4.3): `fits`."""

    title: str
    """Name for users: `FITS`."""

    media_type: str
    """Value of `Content-Type`."""

    suffix: str
    """File name suffix, with its dot."""

    bytes_per_value: float
    """Approximate file size: bytes per value of a pixel."""

    aliases: tuple[str, ...] = ()
    """Other words of RESPONSEFORMAT with the same meaning, besides name and media type."""

    side_max: int | None = None
    """Longest side of a picture that it holds, pixels; None where there is no such limit."""

    encode: Encode | None = None
    """Encoder of a picture format; None for a data format."""

    @property
    def is_picture(self) -> bool:
        """Whether it holds pictures, not data."""
        return self.encode is not None
