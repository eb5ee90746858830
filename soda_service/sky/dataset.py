"""Data sets by their identifiers: a release, a tile of it, or a tile in one band.

`ivo://{authority}/{release}?{tile}/{band}`, and shorter. Clients take them as they are given
(SODA-7).
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
"""What names hold besides letters and digits without being written as %XX."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What an identifier stands for."""

    release: Release
    tile: str = ""
    """As the release's table writes it; empty: the tile is found by the position."""

    band: str = ""
    """As the release writes it; empty: all bands."""


class Releases(Protocol):
    """Where releases are looked up."""

    @property
    def authority(self) -> str:
        """Who publishes them."""
        ...

    def get(self, name: str, *, with_tiles: bool = False) -> Release:
        """Find a release by its name; raises `UnknownRelease`."""
        ...

    def index(self, release: Release) -> TileIndex:
        """Give the tiles of a release."""
        ...


def dataset_id(authority: str, release: str, tile: str = "", band: str = "") -> str:
    """Write the identifier of a release, of a tile, or of a tile in one band."""
    text = f"ivo://{authority}/{quote(release, safe=_PLAIN)}"
    if not tile:
        return text
    text = f"{text}?{quote(tile, safe=_PLAIN)}"
    return f"{text}/{quote(band, safe=_PLAIN)}" if band else text


def find_dataset(text: str, releases: Releases) -> Dataset:
    """Find what an identifier stands for; a blank in it is tried as `+`, which it may have been.

    Parameters
    ----------
    text
        As the client sent it, decoded once.

    Raises
    ------
    UnknownRelease, UnknownTile
        When there is no such data set; the text says what of it is unknown.
    """
    parts = _FORM.fullmatch(text.strip())
    example = dataset_id(releases.authority, "RELEASE", "TILE", "BAND")
    if parts is None:
        raise UnknownTile(f"{text!r} is no identifier of this service; they are like {example}")
    if parts["authority"].lower() != releases.authority.lower():
        raise UnknownTile(
            f"{text!r} is a data set of {parts['authority']}; those of this service are like"
            f" {example}"
        )
    release = releases.get(unquote(parts["release"]).replace(" ", "+"), with_tiles=True)
    if not parts["part"]:
        return Dataset(release)
    return _part_of(release, unquote(parts["part"]), releases)


def _part_of(release: Release, part: str, releases: Releases) -> Dataset:
    """Find a tile, or a tile in a band."""
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
