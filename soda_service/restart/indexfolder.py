"""The folder of restart indexes: look-up by tile, and creation if worth it."""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from soda_service.engine import compiled
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels.fitsfile import FitsFile
from soda_service.restart.marking import PART, write_index
from soda_service.restart.restart import Head, RestartIndex, UnfitIndex, open_index

__all__ = ["IndexFolder"]

_log = logging.getLogger(__name__)

_ENDING = ".marks"
_WRITTEN_S = 86400.0
"""Age after which an unfinished index was left behind by a killed process."""


class IndexFolder:
    """Restart indexes of tiles, one file each, by the paths of the tiles.

    Processes and hosts may share the folder. An index of another state of its tile is ignored until
    it is made again.

    Parameters
    ----------
    folder
        Folder; it need not exist.
    from_rows
        Number of cutouts of a tile from which a job makes its index; 0: never.
    """

    def __init__(self, folder: Path, *, from_rows: int = 0) -> None:
        self._folder = folder
        self._from_rows = from_rows

    def find(self, tile_path: str, file: FitsFile) -> RestartIndex | None:
        """Return the index of a tile, if one fits it and there is a decoder to use it.

        Parameters
        ----------
        tile_path
            Path as in the release.
        file
            The open file of the tile.
        """
        if compiled.native is None:
            return None
        path = self._path(tile_path)
        try:
            descriptor, head = open_index(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnfitIndex) as error:
            _log.warning("%s: its restart index cannot be used: %s", file.label, error)
            return None
        index = RestartIndex(descriptor, path, head, file)
        if not _is_of(head, tile_path, file.source.identity):
            _log.info("%s: its restart index belongs to another state of the tile", file.label)
            return None
        return index

    def has(self, tile_path: str, identity: str | None) -> bool:
        """Return whether there is an index for this state of a tile."""
        try:
            descriptor, head = open_index(self._path(tile_path))
        except (OSError, UnfitIndex):
            return False
        os.close(descriptor)
        return _is_of(head, tile_path, identity)

    def provide(
        self,
        tile_path: str,
        file: FitsFile,
        *,
        rows: int,
        progress: Callable[[], None] = lambda: None,
    ) -> RestartIndex | None:
        """Make the index of a tile if it is worth it for the cutouts to come.

        Not for a tile on a server, which would have to be downloaded whole.

        Parameters
        ----------
        tile_path, file
            As for `find`.
        rows
            Number of cutouts.
        progress
            Called about every ten milliseconds while an index is made.

        Returns
        -------
        RestartIndex or None
            None if none was made: there is one already, or another process is making it.
        """
        if not 0 < self._from_rows <= rows or file.source.is_remote or compiled.native is None:
            return None
        if self.has(tile_path, file.source.identity):
            return None
        try:
            with _claimed(self._path(tile_path).parent) as is_ours:
                made_bytes = self.make(tile_path, file, progress) if is_ours else 0
        except (OSError, SourceUnavailable, TileUnreadable) as error:
            _log.warning("%s: no restart index could be made: %s", file.label, error)
            return None
        return self.find(tile_path, file) if made_bytes else None

    def make(
        self, tile_path: str, file: FitsFile, progress: Callable[[], None] = lambda: None
    ) -> int:
        """Make the index of a tile, replacing an existing one; return its size in bytes.

        Parameters and errors are those of `write_index`.
        """
        return write_index(self._path(tile_path), tile_path, file, progress)

    def remove(self, tile_path: str) -> bool:
        """Remove the index of a tile; return whether there was one."""
        try:
            self._path(tile_path).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove_others(self, is_wanted: Callable[[str], bool]) -> int:
        """Remove the indexes of unwanted tiles, by their paths, and other files.

        Returns
        -------
        int
            Number of removed files.

        Raises
        ------
        OSError
            If a file cannot be read or removed.
        """
        removed = 0
        for path in sorted(self._folder.glob(f"??/*{_ENDING}*")):
            if not _is_in_work(path) and not _is_index(path, is_wanted):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, tile_path: str) -> Path:
        """Return the path of an index, in one of 256 folders to keep listings short."""
        name = hashlib.sha256(tile_path.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / name[:2] / f"{name[2:32]}{_ENDING}"


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder; yield whether no other process of this host makes its index.

    The workers of a job start with the same tiles, and one index is enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks: making two indexes does no harm
            pass
        yield True
    finally:
        os.close(descriptor)


def _is_of(head: Head, tile_path: str, identity: str | None) -> bool:
    return head.tile_path == tile_path and head.tile_identity == identity


def _is_in_work(path: Path) -> bool:
    """Return whether a file is being written."""
    try:
        return path.suffix == PART and time.time() - path.stat().st_mtime < _WRITTEN_S
    except FileNotFoundError:
        return False


def _is_index(path: Path, is_wanted: Callable[[str], bool]) -> bool:
    """Return whether a file is the index of a wanted tile."""
    try:
        descriptor, head = open_index(path)
    except UnfitIndex:
        return False
    os.close(descriptor)
    return is_wanted(head.tile_path)
