"""A format more: PPM and PGM, which have no place for texts."""

import numpy as np
from numpy.typing import NDArray

from soda_service.formats import Format
from soda_service.formats.format import Encoding, SkyText

__all__ = ["PPM"]


def _encode(pixels: NDArray[np.uint8], _sky: SkyText, _encoding: Encoding) -> bytes:
    magic = "P6" if pixels.ndim == 3 else "P5"
    head = f"{magic}\n{pixels.shape[1]} {pixels.shape[0]}\n255\n"
    return head.encode() + np.ascontiguousarray(pixels).tobytes()


PPM = Format("ppm", "PPM", "image/x-portable-pixmap", ".ppm", bytes_per_value=1, encode=_encode)
