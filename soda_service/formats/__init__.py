"""File formats of cutouts: one module and one row in `FORMATS` for each.

All code that names, offers or describes formats reads `FORMATS` when it runs: parameters, file
names, results, estimates, service descriptors, pages.
"""

from soda_service.formats.format import Format
from soda_service.formats.jpeg import JPEG
from soda_service.formats.png import PNG

__all__ = ["FITS", "FORMATS", "Format", "format_of", "is_picture", "picture_formats"]

FITS = Format(
    "fits", "FITS", "application/fits", ".fits", bytes_per_value=4, aliases=("image/fits",)
)
"""All image planes of a tile, with their headers."""

FORMATS: dict[str, Format] = {row.name: row for row in (FITS, PNG, JPEG)}
"""Formats by short name; the first picture format is the default for pictures."""


def picture_formats() -> list[Format]:
    """Return the formats of pictures."""
    return [row for row in FORMATS.values() if row.is_picture]


def format_of(name: str) -> Format | None:
    """Return the format of a file by its suffix; None if it is unknown."""
    return next((row for row in FORMATS.values() if name.endswith(row.suffix)), None)


def is_picture(name: str) -> bool:
    """Return whether a file is a picture, by its suffix."""
    row = format_of(name)
    return row is not None and row.is_picture
