"""Job files in a directory, local or shared."""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from stat import S_ISDIR
from typing import BinaryIO

from typing_extensions import Buffer

from uws.files import FileStat, Log

__all__ = ["LocalFiles"]

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""Error numbers of names that have no file, or cannot have one."""

_PARTS = ".parts"
"""Folder for unfinished files, inside a job's folder: what killed writers left is found in one
place, however many files the job has."""

_PART = ".part-"
_DELETE_TRIES = 100

_GONE = ".gone"
"""Folder, beside those of jobs, for folders that will be deleted. It is on the same file system, so
that moving a folder there is one step."""


@contextmanager
def _absent_is_missing(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        raise FileNotFoundError(key) from error


class LocalFiles:
    """Job files in a local (or shared) directory.

    Parameters
    ----------
    root
        The directory; made when first written to.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()

    def _at(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise FileNotFoundError(key)
        return self._root.joinpath(*parts)

    def write(self, key: str, data: Buffer, *, durable: bool = False) -> None:
        """Write `data` to `key` atomically."""
        with self.writer(key, durable=durable) as stream:
            stream.write(data)

    @contextmanager
    def writer(self, key: str, *, durable: bool = False) -> Iterator[BinaryIO]:
        """Open `key` for writing; it appears under its name when the context ends well."""
        target = self._at(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = self._parts(key)
        parts.mkdir(exist_ok=True)
        name = parts / f"{_PART}{secrets.token_hex(8)}"
        try:
            with name.open("xb") as stream:  # with the rights that the process's umask leaves
                yield stream
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            name.replace(target)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                name.unlink()
            raise
        if durable:
            self._sync_folders(target.parent)

    def _parts(self, key: str) -> Path:
        """Return the folder for unfinished files, on the file system of the finished ones."""
        folder, *below = PurePosixPath(key).parts
        return self._root / folder / _PARTS if below else self._root / _PARTS

    def _sync_folders(self, folder: Path) -> None:
        """Sync a folder's names to disk, and those of the folders above it that may be new."""
        for each in (folder, *folder.parents):
            descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if each == self._root:
                return

    @contextmanager
    def log(self, key: str) -> Iterator[Log]:
        """Open a log; each line is seen as soon as it is added."""
        yield _LocalLog(self._at(key))

    def open(self, key: str, start: int = 0) -> BinaryIO:
        """Open `key` for reading from byte `start`."""
        with _absent_is_missing(key):
            stream = self._at(key).open("rb")
            if start:
                stream.seek(start)
            return stream

    def stat(self, key: str) -> FileStat:
        """Return size and time of last change of `key`."""
        with _absent_is_missing(key):
            status = self._at(key).stat()
        if S_ISDIR(status.st_mode):
            raise FileNotFoundError(key)
        return FileStat(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def path(self, key: str) -> Path | None:
        """Return the local file of `key`."""
        return self._at(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`: those in it first, then folder by folder."""
        top = self._at(prefix)
        for folder, folders, names in os.walk(top, onerror=_refuse_unlisted):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(_PART):
                    yield Path(folder, name).relative_to(self._root).as_posix()

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List all keys below the folder `prefix`, with their sizes in bytes."""
        for key in self.keys(prefix):
            with suppress(FileNotFoundError):  # removed by another in the meantime
                yield key, self.stat(key).size_bytes

    def folders(self) -> Iterator[str]:
        """List the folders at the top."""
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name != _GONE and entry.is_dir(follow_symlinks=False):
                    yield entry.name

    def last_change(self, folder: str) -> datetime:
        """Return when something right in a job's folder came or went last."""
        with _absent_is_missing(folder):
            return datetime.fromtimestamp(self._at(folder).stat().st_mtime, UTC)

    def check(self) -> str:
        """Check whether the directory can be written to, or made."""
        existing = next(path for path in (self._root, *self._root.parents) if path.exists())
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{existing} is not a directory")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{existing} cannot be written to")
        return str(self._root) if existing == self._root else f"{self._root} (will be made)"

    def discard_parts(self, folder: str) -> None:
        """Remove unfinished files from a job's folder."""
        for part in self._at(folder).joinpath(_PARTS).glob(f"{_PART}*"):
            part.unlink(missing_ok=True)

    def delete(self, prefix: str) -> None:
        """Remove the file or folder `prefix` and all below it."""
        target = self._at(prefix)
        with suppress(FileNotFoundError), _absent_is_missing(prefix):
            tries = 0
            while target.is_dir():  # again, where something came or went while it was removed
                tries += 1
                try:
                    shutil.rmtree(target)
                except OSError as error:
                    is_gone = isinstance(error, FileNotFoundError)
                    if not (is_gone or error.errno == errno.ENOTEMPTY) or tries == _DELETE_TRIES:
                        raise
            target.unlink(missing_ok=True)

    def delete_later(self, folder: str) -> None:
        """Move a job's folder out of place immediately: writers find it missing."""
        source = self._at(folder)
        with suppress(FileNotFoundError), _absent_is_missing(folder):
            source.stat()
            place = self._root / _GONE
            place.mkdir(exist_ok=True)
            # The same id may come twice: with what a late worker wrote.
            source.rename(place / f"{source.name}.{secrets.token_hex(8)}")

    def pending_deletions(self) -> Iterator[str]:
        """List the folders that were moved for deletion and are not removed yet."""
        with suppress(FileNotFoundError), os.scandir(self._root / _GONE) as entries:
            for entry in entries:
                yield f"{_GONE}/{entry.name}"

    def continue_deletion(self, name: str, *, until_s: float) -> bool:
        """Remove a folder piece by piece, until an instant of `time.monotonic`."""
        top = self._at(name)
        for place, folders, names in os.walk(top, topdown=False, onerror=_refuse_unlisted):
            # The folders in it are gone by now, but for links to some.
            for entry in (*names, *folders):
                if time.monotonic() >= until_s:
                    return False
                with suppress(FileNotFoundError, IsADirectoryError):
                    Path(place, entry).unlink()
            _remove_folder(Path(place))
        return not top.exists()


class _LocalLog:
    """A segment of a log, made with the first line; it has no other writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment: Path | None = None

    def add(self, line: bytes) -> None:
        """Add a line; closed each time, so that it is seen by who shares the directory."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._segment = self._segment or self._new_segment()
        with self._segment.open("ab", buffering=0) as stream:
            written = 0
            try:
                while written < len(line):  # on a disk that is all but full, a part goes in
                    written += stream.write(line[written:])
            except BaseException:
                with suppress(OSError):
                    if written:
                        stream.truncate(stream.tell() - written)
                raise

    def flush(self) -> None:
        """Do nothing: no line is buffered."""

    def _new_segment(self) -> Path:
        number = max((int(path.name) for path in self._folder.iterdir()), default=0)
        while True:
            number += 1
            segment = self._folder / f"{number:06d}"
            with suppress(FileExistsError):  # made by another in the meantime
                segment.touch(exist_ok=False)
                return segment


def _remove_folder(folder: Path) -> None:
    """Remove a folder, unless it has kept something: NFS does keep files that somebody reads."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _refuse_unlisted(error: OSError) -> None:
    """Raise what `os.walk` would pass over: a folder that cannot be read is not an empty one."""
    if error.errno not in _ABSENT:
        raise error
