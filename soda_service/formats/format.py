"""What is said of a file format, and what an encoder of pictures gets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.formats.deflate import ZLIB, Deflate

__all__ = ["Encode", "Encoding", "Format", "SkyText"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How an operator wants pictures encoded."""

    quality: int = 92
    """Of formats with losses, 1 to 100."""

    deflate: Deflate = ZLIB
    """Of formats that are packed by it."""


@dataclass(frozen=True, slots=True)
class SkyText:
    """Where a picture lies on the sky, as texts to embed."""

    xmp: str = ""
    """XMP document with AVM."""

    wcs: str = ""
    """FITS cards of the WCS, a line each."""


Encode = Callable[[NDArray[np.uint8], SkyText, Encoding], bytes]
"""Makes a file of a picture of shape (ny, nx, 3) or (ny, nx), row 0 the top one."""


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """A file format."""

    name: str
    """Short form for RESPONSEFORMAT (DALI 1.1, 3.4.3): `fits`."""

    title: str
    """For people: `FITS`."""

    media_type: str
    """What `Content-Type` says."""

    suffix: str
    """End of file names, with its dot."""

    bytes_per_value: float
    """About how large files are: bytes for each value of a pixel."""

    aliases: tuple[str, ...] = ()
    """Other words of RESPONSEFORMAT that mean the same, beside name and media type."""

    side_max: int | None = None
    """Longest side of a picture that it holds, pixels; None where there is no such limit."""

    encode: Encode | None = None
    """Of a format of pictures; None for one of data."""

    @property
    def is_picture(self) -> bool:
        """Whether it holds pictures, not data."""
        return self.encode is not None
