"""Identifiers of data sets: a release, one of its tiles, or a tile in one band.

The form is `ivo://{authority}/{release}?{tile}/{band}`, or a shorter part of it. Clients use
identifiers exactly as the service gives them (SODA-7).
"""

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote

from soda_service.errors import UnknownTile
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release

__all__ = ["Dataset", "dataset_id", "find_dataset"]

_FORM = re.compile(
    r"ivo://(?P<authority>[^/?#]+)/(?P<release>[^/?#]+)(?:\?(?P<part>[^#]*))?", re.IGNORECASE
)

_PLAIN = "+-._~="
"""Characters besides letters and digits that are not percent-encoded in identifiers."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The release, tile and band that an identifier names."""

    release: Release
    tile: str = ""
    """As the release's table spells it. Empty: the position selects the tile."""

    band: str = ""
    """As the release spells it. Empty: all bands."""


class ReleaseLookup(Protocol):
    """Look-up of releases."""

    @property
    def authority(self) -> str:
        """Authority part of the identifiers."""
        ...

    def get(self, name: str, *, with_tiles: bool = False) -> Release:
        """Return the release of a name; raises `UnknownRelease`."""
        ...

    def index(self, release: Release) -> TileIndex:
        """Return the tile index of a release."""
        ...


def dataset_id(authority: str, release: str, tile: str = "", band: str = "") -> str:
    """Return the identifier of a release, of a tile, or of a tile in one band."""
    text = f"ivo://{authority}/{quote(release, safe=_PLAIN)}"
    if not tile:
        return text
    text = f"{text}?{quote(tile, safe=_PLAIN)}"
    return f"{text}/{quote(band, safe=_PLAIN)}" if band else text


def find_dataset(text: str, releases: ReleaseLookup) -> Dataset:
    """Return the data set of an identifier. A space is also tried as `+`, which it may have been.

    Parameters
    ----------
    text
        As sent by the client, percent-decoded once.

    Raises
    ------
    UnknownRelease, UnknownTile
        If there is no such data set. The message says which part is unknown.
    """
    parts = _FORM.fullmatch(text.strip())
    example = dataset_id(releases.authority, "RELEASE", "TILE", "BAND")
    if parts is None:
        raise UnknownTile(f"{text!r} is not an identifier of this service; expected {example}")
    if parts["authority"].lower() != releases.authority.lower():
        raise UnknownTile(
            f"{text!r} is a data set of {parts['authority']}; identifiers of this service look"
            f" like {example}"
        )
    release = releases.get(unquote(parts["release"]).replace(" ", "+"), with_tiles=True)
    if not parts["part"]:
        return Dataset(release)
    return _part_of(release, unquote(parts["part"]), releases)


def _part_of(release: Release, part: str, releases: ReleaseLookup) -> Dataset:
    """Return the data set of a tile, or of a tile in a band."""
    index = releases.index(release)
    tile, slash, band = part.partition("/")
    number = index.number(tile)
    if number is None:
        raise UnknownTile(f"release {release.name} has no tile {tile}")
    if not slash:
        return Dataset(release, index.names[number])
    same = [name for name in release.band_names if name.lower() == band.lower()]
    if band not in release.band_names and len(same) != 1:
        bands = ", ".join(release.band_names)
        raise UnknownTile(f"release {release.name} has no band {band!r}; it has {bands}")
    return Dataset(release, index.names[number], band if band in release.band_names else same[0])
