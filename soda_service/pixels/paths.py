"""Paths of tile files: template, per-band columns, wildcards. They never leave the root."""

import fnmatch
import glob
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.pixels.reader import TileFile
from soda_service.sky.index import Tile
from soda_service.sky.release import Plane, Release

if TYPE_CHECKING:
    from soda_service.pixels.objectstore import Address, Servers

__all__ = [
    "format_planes",
    "is_remote_root",
    "locate",
    "logical_dir",
    "parse_planes",
    "relative_path",
]

_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def is_remote_root(root: str) -> bool:
    """Return whether tiles are on a server, `https://` or `s3://`, and not in a directory."""
    return "://" in root


def locate(release: Release, tile: Tile, band: str, servers: "Servers | None" = None) -> TileFile:
    """Return the file of a tile in a band.

    Parameters
    ----------
    release
    tile
        A tile of the release.
    band
        Name of a band, as the release spells it.
    servers
        Connections for an `s3://` root whose path has a wildcard.

    Returns
    -------
    TileFile
        Path (or address, quoted for an HTTP server) and planes. Without a wildcard in the path,
        the file is not checked to exist.

    Raises
    ------
    UnknownTile
        If the release has no such band, or not for this tile.
    TileUnreadable
        If no file matches a wildcard, if there is a wildcard and the root cannot be listed
        (`https://`), or if the path leads out of the root.
    SourceUnavailable
        If there is a wildcard and the root is missing.
    """
    if band not in release.band_names:
        known = ", ".join(release.band_names)
        raise UnknownTile(f"release {release.name} has no band {band!r}; it has: {known}")
    relative = relative_path(release, tile, band)
    if re.search(r"[*?]", release.path_template):
        name = f"{release.name} tile {tile.name}, band {band}"
        pattern = _filled(release, tile, band, glob.escape)
        relative = _matching(release.root, pattern, name, servers)
    planes = tile.columns.get(f"hdus_{band}")
    return TileFile(
        path=f"{release.root.rstrip('/')}/{_spelt(release.root, relative)}",
        planes=parse_planes(planes) if planes else release.planes,
        root=release.root,
    )


def relative_path(release: Release, tile: Tile, band: str) -> str:
    """Return the path of a tile's file below the root, with its wildcards and without access to it.

    Raises
    ------
    UnknownTile
        If the release has no such band for this tile.
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
    """Return the folder of a tile's files below the root, ending in `/`.

    This is for users, who never see the root. If the bands of a tile have different folders, it is
    the folder of the first band that the tile has. `./` is the root itself.
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
        # The column of this band takes precedence; operators' tables may have it in lower case.
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


def _spelt(root: str, relative: str) -> str:
    """Quote a path as the kind of root requires."""
    # In an HTTP address a space or # would end the path.
    return quote(relative) if root.startswith(("http://", "https://")) else relative


def _matching(root: str, pattern: str, name: str, servers: "Servers | None") -> str:
    """Return the file that matches a pattern below the root; of several the last by name."""
    # The last name is the latest processing if names count up (p01, p02).
    found = max(_below(root, pattern, name, servers), default=None)
    if found is None:
        raise TileUnreadable(f"{name}: no file matches its path")
    return found


def _below(root: str, pattern: str, name: str, servers: "Servers | None") -> Iterator[str]:
    if is_remote_root(root):
        from soda_service.pixels.objectstore import Address

        if not root.startswith("s3://"):
            raise TileUnreadable(
                f"{name}: its path has a * or ?, but files on an HTTP server cannot be listed"
            )
        if servers is None:
            raise ValueError("listing a bucket needs connections; none were passed")
        yield from _objects(servers, Address.parse(root), PurePosixPath(pattern).parts)
        return
    folder = Path(root)
    if not folder.is_dir():
        raise SourceUnavailable(f"{name}: the release's root directory is not there")
    for path in folder.glob(pattern):
        yield path.relative_to(folder).as_posix()


def _objects(servers: "Servers", folder: "Address", parts: Sequence[str]) -> Iterator[str]:
    """Find the objects of a pattern. Folders are listed only for parts that have a wildcard."""
    part, *deeper = parts
    if deeper and not glob.has_magic(part):
        found = [part]
    else:
        folders, files = servers.names(folder)
        found = [
            entry for entry in (folders if deeper else files) if fnmatch.fnmatchcase(entry, part)
        ]
    for entry in found:
        if deeper:
            below = _objects(servers, folder.joined(entry), deeper)
            yield from (f"{entry}/{rest}" for rest in below)
        else:
            yield entry


def format_planes(planes: tuple[Plane, ...]) -> str:
    """Return planes as a cell of a tile table: `SCI:1;WGT:3`."""
    return ";".join(f"{plane.role}:{plane.hdu}" for plane in planes)


def parse_planes(cell: str) -> tuple[Plane, ...]:
    """Parse the planes in a cell of a tile table. A number is an HDU number, a word an EXTNAME.

    Raises
    ------
    TileUnreadable
        If the cell is not `role:hdu;role:hdu`.
    """
    planes = []
    for part in cell.split(";"):
        role, colon, hdu = part.strip().partition(":")
        if not (role and colon and hdu):
            raise TileUnreadable(
                f"{cell!r} in a tile table is not a list of planes like SCI:1;WGT:2"
            )
        planes.append(Plane(role, int(hdu) if hdu.isdecimal() else hdu))
    return tuple(planes)
