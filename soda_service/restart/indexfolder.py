"""The folder of restart indexes: which tile has one that fits, and when one is worth making."""

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
"""An index that nobody has written to for so long was left behind by a process that was killed."""


class IndexFolder:
    """Restart indexes of tiles, a file each, by the paths of the tiles.

    Processes and hosts may share it. An index of another state of its tile is as none, until it
    is made anew.

    Parameters
    ----------
    folder
        Need not exist.
    from_rows
        From how many cutouts of a tile on a job makes its index; 0: jobs make none.
    """

    def __init__(self, folder: Path, *, from_rows: int = 0) -> None:
        self._folder = folder
        self._from_rows = from_rows

    def find(self, tile_path: str, file: FitsFile) -> RestartIndex | None:
        """Return the index of a tile, if there is one that fits it, and a decoder to use it.

        Parameters
        ----------
        tile_path
            As the release has it.
        file
            The tile's, open.
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
            _log.info("%s: its restart index is of another state of it", file.label)
            return None
        return index

    def has(self, tile_path: str, identity: str | None) -> bool:
        """Whether there is an index for this state of a tile."""
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
        """Make the index of a tile from which so many cutouts come next, where that pays off.

        Not of a tile on a server, which would have to be brought here whole.

        Parameters
        ----------
        tile_path, file
            As for `find`.
        rows
            How many cutouts.
        progress
            Called every some ten milliseconds while an index is made.

        Returns
        -------
        RestartIndex or None
            None where none was made: there is one already, or another process makes it now.
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
        """Make the index of a tile, in place of what is there; tells its size in bytes.

        Errors and parameters are those of `write_index`.
        """
        return write_index(self._path(tile_path), tile_path, file, progress)

    def remove(self, tile_path: str) -> bool:
        """Remove the index of a tile; tells whether there was one."""
        try:
            self._path(tile_path).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove_others(self, is_wanted: Callable[[str], bool]) -> int:
        """Remove the indexes of unwanted tiles, told by their paths, and what is no index.

        Returns
        -------
        int
            How many files.

        Raises
        ------
        OSError
            When one cannot be read or removed.
        """
        removed = 0
        for path in sorted(self._folder.glob(f"??/*{_ENDING}*")):
            if not _is_in_work(path) and not _is_index(path, is_wanted):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, tile_path: str) -> Path:
        """Return the place of an index; in 256 folders, so that none is too long to be listed."""
        name = hashlib.sha256(tile_path.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / name[:2] / f"{name[2:32]}{_ENDING}"


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Return whether no other process of this host makes an index in a folder, and keep it so.

    The workers of a job begin with the same tiles, and one index is enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks: two indexes do no harm
            pass
        yield True
    finally:
        os.close(descriptor)


def _is_of(head: Head, tile_path: str, identity: str | None) -> bool:
    return head.tile_path == tile_path and head.tile_identity == identity


def _is_in_work(path: Path) -> bool:
    """Whether a file is just being written."""
    try:
        return path.suffix == PART and time.time() - path.stat().st_mtime < _WRITTEN_S
    except FileNotFoundError:
        return False


def _is_index(path: Path, is_wanted: Callable[[str], bool]) -> bool:
    """Whether a file is the index of a wanted tile."""
    try:
        descriptor, head = open_index(path)
    except UnfitIndex:
        return False
    os.close(descriptor)
    return is_wanted(head.tile_path)
