"""Restart indexes of whole releases: select the tiles that need one, and make several at a time."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

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

_File: TypeAlias = tuple[str, TileFile]
"""A file that needs an index, with its name in messages."""

_FILES_AT_ONCE = 8
"""Files that one task of a process indexes: its connections serve all of them. A large batch would
delay the report of progress."""


@dataclass(frozen=True, slots=True)
class BandFile:
    """The file of a tile in a band, or the reason why there is none."""

    name: str
    """Name in messages: `DES0302-3415 g`."""

    file: TileFile | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Indexed:
    """Result of indexing a file."""

    name: str
    outcome: Literal["made", "fresh", "needless", "failed"]
    """`needless`: the file has no rows for which an index would help."""

    size_bytes: int = 0
    """Size of an index that was made."""

    problem: str = ""


class Wanted:
    """Test of whether a release has a file, and, if that can be known, whether the file exists."""

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
        """Return whether the file of a path is wanted; if its disk is unavailable, it is."""
        if path in self._paths:
            return "://" in path or Path(path).exists()
        return path.startswith(tuple(self._unknown))


def require_root(release: Release) -> None:
    """Check that a release's root exists, if it is a directory.

    Raises
    ------
    SourceUnavailable
        If it does not. The message names it, for operators.
    """
    if _is_away(release):
        raise SourceUnavailable(f"{release.name}: its root {release.root} does not exist")


def chosen_tiles(
    release: Release, index: TileIndex, *, tiles: Sequence[str] = (), bands: Sequence[str] = ()
) -> tuple[Sequence[int], tuple[str, ...]]:
    """Return tiles and bands by their names; all if none are named.

    Returns
    -------
    numbers : sequence of int
        Numbers of the tiles.
    bands : tuple of str

    Raises
    ------
    UnknownTile
        Names the first unknown tile or band.
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
    """Return the files of tiles. A file that holds several bands occurs once.

    Bands that a tile does not have are skipped.

    Raises
    ------
    SourceUnavailable
        If root or server of a release with wildcards in its paths are unavailable.
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
    """Make the indexes that are missing or older than their tile; yield the result for each file.

    Parameters
    ----------
    servers
        Connections for remote files; other processes open their own.
    is_forced
        Whether to make existing indexes again.
    processes
        Number of processes; 1: only this one.
    begin
        Called first in each other process; must be picklable, such as a function of a module.
    """
    left: list[_File] = []
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
    # Processes, since waiting for disk pages holds the GIL. They are spawned, since a fork has no
    # threads, and connections need threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(left)), context, begin)
    try:
        futures = [
            pool.submit(_all_indexed, batch, folder, servers, is_forced=is_forced)
            for batch in _batches(left, processes)
        ]
        for done in as_completed(futures):
            yield from done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _is_away(release: Release) -> bool:
    return not is_remote_root(release.root) and not Path(release.root).is_dir()


def _is_fresh(file: TileFile, folder: IndexFolder) -> bool:
    """Return whether a local file has its index; for a remote one, that is known after opening."""
    return "://" not in file.path and folder.has(file.path, identity_of(file.path))


def _batches(files: Sequence[_File], processes: int) -> Iterator[Sequence[_File]]:
    """Divide files evenly; each batch opens its own connections, so it has several files."""
    size = min(_FILES_AT_ONCE, -(-len(files) // processes))
    for start in range(0, len(files), size):
        yield files[start : start + size]


def _all_indexed(
    files: Sequence[_File], folder: IndexFolder, servers: Servers, *, is_forced: bool
) -> list[Indexed]:
    return [_indexed(name, file, folder, servers, is_forced=is_forced) for name, file in files]


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
