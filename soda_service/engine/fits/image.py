"""The two values that all pixel code uses: a box of pixels, and an image in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader

__all__ = ["Image", "PixelBox"]


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A rectangle of pixels: 0-based, half-open, y before x. It may reach beyond its image."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx), pixels; 0 if the box is empty."""
        return max(0, self.y1 - self.y0), max(0, self.x1 - self.x0)

    @property
    def is_empty(self) -> bool:
        """Whether the box has no pixels."""
        return self.y1 <= self.y0 or self.x1 <= self.x0

    def clipped(self, shape: tuple[int, int]) -> "PixelBox":
        """Return the part of the box inside an image of `shape` (ny, nx); may be empty."""
        ny, nx = shape
        return PixelBox(max(0, self.y0), min(ny, self.y1), max(0, self.x0), min(nx, self.x1))


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image plane in memory with the header that describes it."""

    data: NDArray[np.generic]
    """Shape (..., ny, nx), native or big-endian; raw integers if BSCALE/BZERO scale them."""

    header: TextHeader
    role: str = "SCI"
    """Content of the plane: `SCI`, `MSK`, `WGT`, or another EXTNAME of its file."""
