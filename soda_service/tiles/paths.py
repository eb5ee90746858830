"""Where a tile's file lies: template, per-band columns, wildcards. Nothing leads out of the root.

Imports errors, release, index and reader.
"""

import glob
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.tiles.index import Tile
from soda_service.tiles.reader import TileFile
from soda_service.tiles.release import Plane, Release

__all__ = ["format_planes", "locate", "logical_dir", "parse_planes", "relative_path"]

_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def locate(release: Release, tile: Tile, band: str) -> TileFile:
    """Find the file of a tile in a band.

    Parameters
    ----------
    release
    tile
        One of the release's.
    band
        Name of a band, in the release's spelling.

    Returns
    -------
    TileFile
        Path (or address) and planes; where the path has no wildcard nobody has looked whether
        the file is there.

    Raises
    ------
    UnknownTile
        If the release has no such band, or not for this tile.
    TileUnreadable
        If no file matches a wildcard, or the path leads out of the root.
    SourceUnavailable
        If there is a wildcard and the root directory is not there.
    """
    if band not in release.band_names:
        known = ", ".join(release.band_names)
        raise UnknownTile(f"release {release.name} has no band {band!r}; it has: {known}")
    relative = relative_path(release, tile, band)
    if re.search(r"[*?]", release.path_template):
        name = f"{release.name} tile {tile.name}, band {band}"
        relative = _matching(Path(release.root), _filled(release, tile, band, glob.escape), name)
    planes = tile.columns.get(f"hdus_{band}")
    return TileFile(
        path=f"{release.root.rstrip('/')}/{relative}",
        planes=parse_planes(planes) if planes else release.planes,
        root=release.root,
    )


def relative_path(release: Release, tile: Tile, band: str) -> str:
    """Give the path of a tile's file below the root, wildcards and all, without looking there.

    Raises
    ------
    UnknownTile
        If the release lacks this band for this tile.
    TileUnreadable
        If the path leads out of the root.
    """
    relative = _filled(release, tile, band, str)
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or "\0" in relative or "://" in relative:
        raise TileUnreadable(
            f"{release.name} tile {tile.name}, band {band}: "
            "its path in the tile table is not below the release's root"
        )
    return relative


def logical_dir(release: Release, tile: Tile) -> str:
    """Give the folder of a tile's files below the root, with `/` at its end.

    For users, who are never told where the root is. Of a tile with different folders for its
    bands, the folder of the first band that it has; `./` is the root itself.
    """
    for band in release.band_names:
        try:
            folder = PurePosixPath(_filled(release, tile, band, str)).parent
        except UnknownTile:
            continue
        return f"{folder}/"
    return ""


def _filled(release: Release, tile: Tile, band: str, quote: Callable[[str], str]) -> str:
    """Fill the template's fields from the tile's columns."""

    def value(match: re.Match[str]) -> str:
        column = match[1]
        if column == "band":
            return quote(release.band_spelling.get(band, band))
        # A column of this band comes first; operators' tables may have it in lower case.
        for key in (f"{column}_{band}", f"{column}_{band.lower()}", column):
            if key in tile.columns:
                text = tile.columns[key]
                break
        else:
            raise UnknownTile(
                f"the tile table of release {release.name} has no column {column!r}, "
                f"which the path of band {band} needs"
            )
        if not text:
            raise UnknownTile(f"release {release.name} has no band {band} of tile {tile.name}")
        return quote(text)

    return _FIELD.sub(value, release.path_template)


def _matching(root: Path, pattern: str, name: str) -> str:
    """Find the file of a pattern below the root; of several the last by name."""
    if not root.is_dir():
        raise SourceUnavailable(f"{name}: the release's root directory is not there")
    # The last name is the latest processing where names count up (p01, p02).
    found = max(root.glob(pattern), default=None)
    if found is None:
        raise TileUnreadable(f"{name}: no file matches its path")
    return found.relative_to(root).as_posix()


def format_planes(planes: tuple[Plane, ...]) -> str:
    """Write planes as the cell of a tile table: `SCI:1;WGT:3`."""
    return ";".join(f"{plane.role}:{plane.hdu}" for plane in planes)


def parse_planes(cell: str) -> tuple[Plane, ...]:
    """Read the planes of a tile table's cell; a number is an HDU's number, a word its EXTNAME.

    Raises
    ------
    TileUnreadable
        If the cell does not say `role:hdu;role:hdu`.
    """
    planes = []
    for part in cell.split(";"):
        role, colon, hdu = part.strip().partition(":")
        if not (role and colon and hdu):
            raise TileUnreadable(f"planes are written SCI:1;WGT:2 in a tile table, not {cell!r}")
        planes.append(Plane(role, int(hdu) if hdu.isdecimal() else hdu))
    return tuple(planes)
