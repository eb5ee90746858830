"""Restart indexes of whole releases: which tiles need them, several made at a time."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.pixels.fitsfile import open_fits
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.opening import identity_of
from soda_service.pixels.paths import is_remote_root, locate
from soda_service.pixels.reader import TileFile
from soda_service.restart.indexfolder import IndexFolder
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases

__all__ = [
    "BandFile",
    "Indexed",
    "Wanted",
    "band_files",
    "chosen_tiles",
    "index_files",
    "require_root",
]


@dataclass(frozen=True, slots=True)
class BandFile:
    """The file of a tile in a band, or why it is not known."""

    name: str
    """`DES0302-3415 g`, for messages."""

    file: TileFile | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of the index of a file."""

    name: str
    outcome: Literal["made", "fresh", "needless", "failed"]
    """`needless`: the file has no rows that an index would help with."""

    size_bytes: int = 0
    """Of an index that was made."""

    problem: str = ""


class Wanted:
    """Return whether a release has a file; whether it is there, where that can be told."""

    def __init__(self, releases: Releases, servers: Servers) -> None:
        self._paths: set[str] = set()
        self._unknown: list[str] = []
        for release in releases.all():
            if not releases.has_tiles(release):
                continue
            if _is_away(release):
                self._unknown.append(f"{release.root.rstrip('/')}/")
                continue
            index = releases.index(release)
            numbers = range(len(index))
            files = band_files(release, index, numbers, release.band_names, servers)
            self._paths |= {found.file.path for found in files if found.file}

    def has(self, path: str) -> bool:
        """Whether a file is wanted, by its path; of a disk that is away, all are."""
        if path in self._paths:
            return "://" in path or Path(path).exists()
        return path.startswith(tuple(self._unknown))


def require_root(release: Release) -> None:
    """Refuse a release whose root, if it is a directory, is not there.

    Raises
    ------
    SourceUnavailable
        Names it: for operators.
    """
    if _is_away(release):
        raise SourceUnavailable(f"{release.name}: its root {release.root} is not there")


def chosen_tiles(
    release: Release, index: TileIndex, *, tiles: Sequence[str] = (), bands: Sequence[str] = ()
) -> tuple[Sequence[int], tuple[str, ...]]:
    """Find tiles and bands by their names; all where none is named.

    Returns
    -------
    numbers : sequence of int
        Of the tiles.
    bands : tuple of str

    Raises
    ------
    UnknownTile
        Names the first that there is not.
    """
    numbers = []
    for name in tiles:
        number = index.number(name)
        if number is None:
            raise UnknownTile(f"release {release.name} has no tile {name}")
        numbers.append(number)
    for band in bands:
        if band not in release.band_names:
            known = ", ".join(release.band_names)
            raise UnknownTile(f"release {release.name} has no band {band}; it has: {known}")
    return numbers if tiles else range(len(index)), tuple(bands) or release.band_names


def band_files(
    release: Release,
    index: TileIndex,
    numbers: Iterable[int],
    bands: Sequence[str],
    servers: Servers,
) -> Iterator[BandFile]:
    """Find the files of tiles; one that holds several bands comes once.

    Bands that the tile table has not for a tile are passed over.

    Raises
    ------
    SourceUnavailable
        When root or server of a release are away whose paths have wildcards.
    """
    seen: set[str] = set()
    for number in numbers:
        tile = index.tile(number)
        for band in bands:
            name = f"{tile.name} {band}"
            try:
                file = locate(release, tile, band, servers)
            except UnknownTile:
                continue
            except TileUnreadable as error:
                yield BandFile(name, None, str(error))
                continue
            if file.path not in seen:
                seen.add(file.path)
                yield BandFile(name, file)


def index_files(
    files: Iterable[BandFile],
    folder: IndexFolder,
    servers: Servers,
    *,
    is_forced: bool = False,
    processes: int = 1,
    begin: Callable[[], None] = lambda: None,
) -> Iterator[Indexed]:
    """Make the indexes that are missing, or of another state of their tile; tells of each file.

    Parameters
    ----------
    servers
        Connections to ask for files behind a URL; further processes open their own.
    is_forced
        Whether to make those too that are there.
    processes
        How many at a time; 1: this one.
    begin
        Called first in each further process; a function of a module, or a partial of one.
    """
    left: list[tuple[str, TileFile]] = []
    for found in files:
        if found.file is None:
            yield Indexed(found.name, "failed", problem=found.problem)
        elif not is_forced and _is_fresh(found.file, folder):
            yield Indexed(found.name, "fresh")
        else:
            left.append((found.name, found.file))
    if min(processes, len(left)) < 2:
        for name, file in left:
            yield _indexed(name, file, folder, servers, is_forced=is_forced)
        return
    # Processes, since waiting for a disk's pages holds the interpreter; started afresh, since a
    # fork has no threads, and connections need theirs.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(left)), context, begin)
    try:
        asked = [
            pool.submit(_indexed, name, file, folder, servers, is_forced=is_forced)
            for name, file in left
        ]
        for done in as_completed(asked):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _is_away(release: Release) -> bool:
    return not is_remote_root(release.root) and not Path(release.root).is_dir()


def _is_fresh(file: TileFile, folder: IndexFolder) -> bool:
    """Whether a file has its index; of one on a server that is found out when it is opened."""
    return "://" not in file.path and folder.has(file.path, identity_of(file.path))


def _indexed(
    name: str, file: TileFile, folder: IndexFolder, servers: Servers, *, is_forced: bool
) -> Indexed:
    try:
        opened = open_fits(file.path, file.root, servers)
        try:
            if not is_forced and folder.has(file.path, opened.source.identity):
                return Indexed(name, "fresh")
            size_bytes = folder.make(file.path, opened)
        finally:
            opened.close()
    except (OSError, SourceUnavailable, TileUnreadable) as error:
        return Indexed(name, "failed", problem=str(error))
    return Indexed(name, "made" if size_bytes else "needless", size_bytes)
