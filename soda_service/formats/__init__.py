"""Formats that a cutout can be given in: a module for each, and a row in `FORMATS`.

Whatever names, offers or describes formats reads `FORMATS` when it is asked: parameters, names of
files, results, estimates, service descriptors, pages. A new format is a module and a row.
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
"""By short name; the first one of pictures is theirs where none is asked for."""


def picture_formats() -> list[Format]:
    """Return the formats of pictures."""
    return [row for row in FORMATS.values() if row.is_picture]


def format_of(name: str) -> Format | None:
    """Return the format of a file by the end of its name; None where it is of none of them."""
    return next((row for row in FORMATS.values() if name.endswith(row.suffix)), None)


def is_picture(name: str) -> bool:
    """Return whether a file is a picture, by the end of its name."""
    row = format_of(name)
    return row is not None and row.is_picture
