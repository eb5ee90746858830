"""All releases and their tile indices. Changed files are noticed while the service runs."""

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
"""Modification time, size and inode of a file, which change with its content."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The content of the folders at one time."""

    parsed: Mapping[Path, tuple[_Stamp, Release | ConfigError]] = field(default_factory=dict)
    """TOML files, in order of precedence."""

    tables: Mapping[str, tuple[Path, _Stamp]] = field(default_factory=dict)
    """Tile tables by release, in lower case."""

    @property
    def releases(self) -> tuple[Release, ...]:
        """The releases; if a name occurs twice, the first."""
        by_name: dict[str, Release] = {}
        for _, release in self.parsed.values():
            if isinstance(release, Release):
                by_name.setdefault(release.name.lower(), release)
        return tuple(by_name.values())


class Releases:
    """The releases in some folders.

    A folder holds a TOML file for each release, and `{release}.tiles.csv` for those whose tiles are
    known. A table in an earlier folder also serves a release of a later folder.

    Parameters
    ----------
    folders
        The data directory's folder first, then those that come with the service. Releases in the
        first folder are local ones and come before the others. A folder need not exist.
    check_every_s
        Minimum time between two checks of the folders for changes, s.
    authority
        Authority part of the identifiers of data sets (IVOA Identifiers 2.0).
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        check_every_s: float = 1.0,
        authority: str = "unregistered.invalid",
    ) -> None:
        self.authority = authority
        """Authority part of the identifiers of data sets."""
        self._folders = tuple(folders)
        self._check_every_s = check_every_s
        self._lock = threading.Lock()
        self._checked_at: float | None = None
        self._snapshot = _Snapshot()
        self._indices: dict[Path, tuple[_Stamp, TileIndex]] = {}

    def all(self) -> tuple[Release, ...]:
        """Return the releases, ordered by folder, then by file name."""
        return self._current().releases

    def faults(self) -> tuple[ConfigError, ...]:
        """Return the errors of files that were ignored."""
        parsed = self._current().parsed.values()
        return tuple(fault for _, fault in parsed if isinstance(fault, ConfigError))

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        """Return a release by its name, which is not case-sensitive.

        Parameters
        ----------
        name
            As the user wrote it.
        database
            The qualifier that the user sent with the name, which must be that of the release; None
            or empty if there was none.
        with_tiles
            Whether to consider only releases that have tiles.

        Raises
        ------
        UnknownRelease
            If there is none. The message lists the known releases.
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
        """Return the default release: the one marked as default, otherwise the first with tiles.

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
        """Return the release of a data set's identifier.

        Raises
        ------
        UnknownRelease, UnknownTile
            If there is no such data set.
        """
        return find_dataset(text, self).release

    def has_tiles(self, release: Release) -> bool:
        """Return whether a release has a tile table."""
        return release.name.lower() in self._current().tables

    def index(self, release: Release) -> TileIndex:
        """Return the tile index of a release, which is loaded on first use and after a change.

        Raises
        ------
        UnknownRelease
            If the release has no tile table.
        ConfigError
            If the table has errors and no earlier version is loaded.
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
                # Logged once: the old index is kept under the stamp of the new file.
                _log.error("tile table has errors, its earlier version stays in use: %s", error)
                index = known[1]
            self._indices[path] = stamp, index
            return index

    def _current(self) -> _Snapshot:
        """Return the current snapshot; check the folders if it is time to."""
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
            _log.error("release file has errors and is ignored: %s", error)
            return error


def _files(folder: Path) -> Iterator[tuple[Path, _Stamp]]:
    """Yield the TOML files and tile tables of a folder, sorted by name."""
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
            except FileNotFoundError:  # removed since the folder was listed
                continue
            yield path, (status.st_mtime_ns, status.st_size, status.st_ino)
