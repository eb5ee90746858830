"""Formats that a cutout can be given in: one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["FORMATS", "Format", "find_format"]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format."""

    name: str
    """Short form for RESPONSEFORMAT (DALI 1.1, 3.4.3): `fits`."""

    media_type: str
    """What `Content-Type` says unless another spelling was asked for."""

    suffix: str
    """End of file names, with its dot."""

    title: str
    """For people."""

    aliases: tuple[str, ...] = ()
    """Other media types that mean the same."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        row.name: row
        for row in (
            Format("fits", "application/fits", ".fits", "FITS image", ("image/fits",)),
            Format("png", "image/png", ".png", "PNG picture"),
            Format("jpeg", "image/jpeg", ".jpg", "JPEG picture", ("image/jpg",)),
        )
    }
)
"""By short name."""


def find_format(text: str) -> Format | None:
    """Find the format that a RESPONSEFORMAT means: a short form or media type, in any case.

    Parameters of a media type (`image/png; q=1`) do not count; None where there is no such format.
    """
    wanted = text.partition(";")[0].strip().lower()
    for row in FORMATS.values():
        if wanted in {row.name, row.media_type, *row.aliases}:
            return row
    return None
