"""The releases that there are, and their tile indices; changed files are noticed while running."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from soda_service.errors import ConfigError, UnknownRelease
from soda_service.sky.dataset import find_dataset
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.sky.releasefile import parse_release, write_release

__all__ = ["Releases", "parse_release", "write_release"]

_log = logging.getLogger(__name__)

_TABLE = ".tiles.csv"
_Stamp = tuple[int, int, int]
"""Time of last change, size and inode of a file: what changes when its content does."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the folders held at one moment."""

    parsed: Mapping[Path, tuple[_Stamp, Release | ConfigError]] = field(default_factory=dict)
    """TOML files, in order of precedence."""

    tables: Mapping[str, tuple[Path, _Stamp]] = field(default_factory=dict)
    """Tile tables by release, in lower case."""

    @property
    def releases(self) -> tuple[Release, ...]:
        """The releases; of two that share a name the first."""
        by_name: dict[str, Release] = {}
        for _, release in self.parsed.values():
            if isinstance(release, Release):
                by_name.setdefault(release.name.lower(), release)
        return tuple(by_name.values())


class Releases:
    """All releases of some folders.

    A folder holds a TOML file for each release and `{release}.tiles.csv` for those whose tiles
    are known; a table in an earlier folder serves a release of a later one.

    Parameters
    ----------
    folders
        The data directory's first (its releases are the local ones and come before the others),
        then those that come with the service. A folder need not exist.
    check_every_s
        How often at most the folders are looked at for changes.
    authority
        Who publishes them, as identifiers of data sets say (IVOA Identifiers 2.0).
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        check_every_s: float = 1.0,
        authority: str = "unregistered.invalid",
    ) -> None:
        self.authority = authority
        """Who publishes them."""
        self._folders = tuple(folders)
        self._check_every_s = check_every_s
        self._lock = threading.Lock()
        self._checked_at: float | None = None
        self._snapshot = _Snapshot()
        self._indices: dict[Path, tuple[_Stamp, TileIndex]] = {}

    def all(self) -> tuple[Release, ...]:
        """List the releases in order: by folder, then by file name."""
        return self._current().releases

    def faults(self) -> tuple[ConfigError, ...]:
        """List what is wrong with those files that were passed over."""
        parsed = self._current().parsed.values()
        return tuple(fault for _, fault in parsed if isinstance(fault, ConfigError))

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        """Find a release by its name, without regard to case.

        Parameters
        ----------
        name
            As a user wrote it.
        database
            The qualifier that the user gave with it, which must be the release's; None or empty:
            none was given.
        with_tiles
            Whether only releases that have tiles will do.

        Raises
        ------
        UnknownRelease
            If there is none; the text lists those that there are.
        """
        snapshot = self._current()
        for release in snapshot.releases:
            if release.name.lower() != name.strip().lower():
                continue
            if database and database.strip().lower() != release.database.lower():
                has = f"belongs to DB {release.database}" if release.database else "has no DB"
                raise UnknownRelease(f"release {release.name} {has}, not {database!r}")
            if with_tiles and release.name.lower() not in snapshot.tables:
                break
            return release
        served = [r.name for r in snapshot.releases if r.name.lower() in snapshot.tables]
        known = served if with_tiles else [release.name for release in snapshot.releases]
        raise UnknownRelease(
            f"there is no release {name!r}{' with tiles' if with_tiles else ''}; "
            f"there are: {', '.join(known) or 'none'}"
        )

    def default(self) -> Release:
        """Give the release of requests that name none: one marked so, else the first with tiles.

        Raises
        ------
        UnknownRelease
            If no release has tiles.
        """
        snapshot = self._current()
        served = [r for r in snapshot.releases if r.name.lower() in snapshot.tables]
        if not served:
            raise UnknownRelease(
                "no release has tiles yet: publish a directory of images, or import a tile table"
            )
        return next((release for release in served if release.is_default), served[0])

    def of_dataset(self, text: str) -> Release:
        """Give the release of a data set by its identifier.

        Raises
        ------
        UnknownRelease, UnknownTile
            If there is no such data set.
        """
        return find_dataset(text, self).release

    def has_tiles(self, release: Release) -> bool:
        """Tell whether a release has a tile table."""
        return release.name.lower() in self._current().tables

    def index(self, release: Release) -> TileIndex:
        """Give the tile index of a release; loaded when first asked for, and when it changed.

        Raises
        ------
        UnknownRelease
            If the release has no tile table.
        ConfigError
            If its table is at fault and no earlier state of it is loaded.
        """
        table = self._current().tables.get(release.name.lower())
        if table is None:
            raise UnknownRelease(f"release {release.name} has no tiles yet")
        path, stamp = table
        with self._lock:
            known = self._indices.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            try:
                index = TileIndex.load(path)
            except ConfigError as error:
                if known is None:
                    raise
                # Told once: the old index goes on under the new file's stamp.
                _log.error("tile table is at fault, its earlier state stays in use: %s", error)
                index = known[1]
            self._indices[path] = stamp, index
            return index

    def _current(self) -> _Snapshot:
        """Look at the folders, if it is time to."""
        now = time.monotonic()
        with self._lock:
            if self._checked_at is None or now - self._checked_at >= self._check_every_s:
                self._checked_at = now
                self._snapshot = self._scan(self._snapshot)
            return self._snapshot

    def _scan(self, before: _Snapshot) -> _Snapshot:
        parsed: dict[Path, tuple[_Stamp, Release | ConfigError]] = {}
        tables: dict[str, tuple[Path, _Stamp]] = {}
        for folder in self._folders:
            for path, stamp in _files(folder):
                known = before.parsed.get(path)
                if path.name.endswith(_TABLE):
                    tables.setdefault(path.name.removesuffix(_TABLE).lower(), (path, stamp))
                elif known is not None and known[0] == stamp:
                    parsed[path] = known
                else:
                    parsed[path] = stamp, self._parse(path)
        return _Snapshot(parsed, tables)

    def _parse(self, path: Path) -> Release | ConfigError:
        try:
            return replace(parse_release(path), is_local=path.parent == self._folders[0])
        except ConfigError as error:
            _log.error("release file is at fault and passed over: %s", error)
            return error


def _files(folder: Path) -> Iterator[tuple[Path, _Stamp]]:
    """List the TOML files and tile tables of a folder, by name."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.endswith((".toml", _TABLE)) and not name.startswith("."):
            path = folder / name
            try:
                status = path.stat()
            except FileNotFoundError:  # withdrawn at this moment
                continue
            yield path, (status.st_mtime_ns, status.st_size, status.st_ino)
