"""Files of jobs: uploads, work in progress, results. The one door to where they lie.

`JobFiles` is the contract; `LocalFiles` keeps it in a directory. Keys are relative POSIX paths
that begin with the job's id. What the disk or the file server refuses is an `OSError` as the
system tells it.
"""

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path, PurePosixPath
from stat import S_ISDIR
from typing import BinaryIO, Protocol

from typing_extensions import Buffer

__all__ = ["FileStat", "JobFiles", "LocalFiles", "parameter_folder"]


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size and age of a file."""

    size_bytes: int
    modified: datetime


class JobFiles(Protocol):
    """Where the files of jobs lie. A missing key raises `FileNotFoundError`, always."""

    def write(self, key: str, data: Buffer, *, durable: bool = False) -> None:
        """Put `data` under `key` at once: readers see the old content or the new, never a part.

        Where `durable`, it survives a power cut once this returns: for what a client was
        promised, not for what can be made again.
        """
        ...

    def writer(self, key: str, *, durable: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open `key` for writing as a stream; it appears when the context ends without error."""
        ...

    def append(self, key: str, data: bytes) -> None:
        """Add `data` at the end of `key`, which need not exist: all of it, or an error is raised.

        A torn end is left only by a process that is killed in the midst of it.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open `key` for reading; the stream can seek."""
        ...

    def stat(self, key: str) -> FileStat:
        """Tell size and time of last change of `key`."""
        ...

    def path(self, key: str) -> Path | None:
        """Give the local file of `key` if there is such a thing, for servers that send files."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`, sorted; OSError where one cannot be listed."""
        ...

    def folders(self, before: datetime) -> Iterator[str]:
        """Name the folders at the top, each of a job, that did not change since an instant."""
        ...

    def discard_parts(self, folder: str) -> None:
        """Remove what writers that were killed left of unfinished files, from a job's folder.

        To be called when nobody writes there: an unfinished file would be lost to its writer.
        """
        ...

    def delete(self, prefix: str) -> None:
        """Remove the file or folder `prefix` and all below it; nothing there is no error.

        Raises
        ------
        OSError
            When something could not be removed.
        """
        ...

    def set_aside(self, folder: str) -> None:
        """Take a job's folder away at once, however much is in it; nothing there is no error.

        It lies among `aside` until somebody removes it. Who writes there finds it gone.
        """
        ...

    def aside(self) -> Iterator[str]:
        """List the folders that were set aside and are not removed yet, as `remove` wants them."""
        ...

    def remove(self, folder: str, *, until_s: float) -> bool:
        """Remove a folder piece by piece, until an instant of `time.monotonic`.

        Any number may remove the same one at once, and each goes on where another was stopped.

        Returns
        -------
        bool
            Whether nothing of it is left.

        Raises
        ------
        OSError
            When something could not be removed.
        """
        ...


_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""What the system says of names under which there is no file, and can be none."""

_PARTS = ".parts"
"""Folder, in that of a job, of files that are being written: one place to look for what writers
that were killed have left, however many files there are."""

_PART = ".part-"
_DELETE_TRIES = 100

_ASIDE = ".gone"
"""Folder, beside those of jobs, of what was set aside: on the same file system, so that a folder
goes there in one step, and one place to look."""

_LOCK_S = 10.0
"""For so long an append waits for another's, which takes microseconds unless it was stopped."""


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

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def _at(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise FileNotFoundError(key)
        return self._root.joinpath(*parts)

    def write(self, key: str, data: Buffer, *, durable: bool = False) -> None:
        """Put `data` under `key` at once."""
        with self.writer(key, durable=durable) as stream:
            stream.write(data)

    @contextmanager
    def writer(self, key: str, *, durable: bool = False) -> Iterator[BinaryIO]:
        """Open `key` for writing; it appears under its name when the context ends well."""
        target = self._at(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = self._parts(key)
        parts.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=parts, prefix=_PART)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is told
                Path(name).unlink()
            raise
        if durable:
            self._sync_folders(target.parent)

    def _parts(self, key: str) -> Path:
        """Give the folder for unfinished files, on the file system of the finished ones."""
        folder, *below = PurePosixPath(key).parts
        return self._root / folder / _PARTS if below else self._root / _PARTS

    def _sync_folders(self, folder: Path) -> None:
        """Put a folder's names on disk, and those of the folders above it that may be new."""
        for each in (folder, *folder.parents):
            descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if each == self._root:
                return

    def append(self, key: str, data: bytes) -> None:
        """Add `data` at the end of `key`."""
        target = self._at(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab", buffering=0) as stream:
            _lock(stream)
            written = 0
            try:
                while written < len(data):  # on a disk that is all but full, a part goes in
                    written += stream.write(data[written:])
            except BaseException:
                with suppress(OSError):
                    _take_back(stream, written)
                raise

    def open(self, key: str) -> BinaryIO:
        """Open `key` for reading."""
        with _absent_is_missing(key):
            return self._at(key).open("rb")

    def stat(self, key: str) -> FileStat:
        """Tell size and time of last change of `key`."""
        with _absent_is_missing(key):
            status = self._at(key).stat()
        if S_ISDIR(status.st_mode):
            raise FileNotFoundError(key)
        return FileStat(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def path(self, key: str) -> Path | None:
        """Give the local file of `key`."""
        return self._at(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`, sorted."""
        top = self._at(prefix)
        for folder, folders, names in os.walk(top, onerror=_refuse_unlisted):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(_PART):
                    yield Path(folder, name).relative_to(self._root).as_posix()

    def folders(self, before: datetime) -> Iterator[str]:
        """Name the folders at the top that did not change since an instant."""
        limit_s = before.timestamp()
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed by another in the meantime
                    if entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < limit_s:
                        yield entry.name

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

    def set_aside(self, folder: str) -> None:
        """Take a job's folder away at once."""
        source = self._at(folder)
        with suppress(FileNotFoundError), _absent_is_missing(folder):
            source.stat()
            place = self._root / _ASIDE
            place.mkdir(exist_ok=True)
            # The same id may come twice: with what a late worker wrote.
            source.rename(place / f"{source.name}.{secrets.token_hex(8)}")

    def aside(self) -> Iterator[str]:
        """List the folders that were set aside and are not removed yet."""
        with suppress(FileNotFoundError), os.scandir(self._root / _ASIDE) as entries:
            for entry in entries:
                yield f"{_ASIDE}/{entry.name}"

    def remove(self, folder: str, *, until_s: float) -> bool:
        """Remove a folder piece by piece, until an instant of `time.monotonic`."""
        top = self._at(folder)
        for place, folders, names in os.walk(top, topdown=False, onerror=_refuse_unlisted):
            # The folders in it are gone by now, but for links to some.
            for name in (*names, *folders):
                if time.monotonic() >= until_s:
                    return False
                with suppress(FileNotFoundError, IsADirectoryError):
                    Path(place, name).unlink()
            _remove_folder(Path(place))
        return not top.exists()


def _remove_folder(folder: Path) -> None:
    """Remove a folder, unless it has kept something: NFS does keep files that somebody reads."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _lock(stream: FileIO) -> None:
    """Have an append, with the end that it may take back, to ourselves until the file is closed.

    Two append to one file where a worker that lost its lease wakes: between the look at the end
    and the cut the other's line could come, and be cut off. It takes 2 microseconds.

    Raises
    ------
    TimeoutError
        When another process has stopped in the midst of an append.
    """
    until_s = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
            time.sleep(0.001)
        except OSError:
            return  # a file system without locks: then the look at the end has to do
        else:
            return


def _take_back(stream: FileIO, written: int) -> None:
    """Cut off what was appended in part, unless another has appended to it since."""
    end = stream.tell()
    if written and os.fstat(stream.fileno()).st_size == end:
        stream.truncate(end - written)


def _refuse_unlisted(error: OSError) -> None:
    """Raise what `os.walk` would pass over: a folder that cannot be read is not an empty one."""
    if error.errno not in _ABSENT:
        raise error


def parameter_folder(job_id: str) -> str:
    """Give the folder of a job's files that holds parameters kept by reference."""
    return f"{job_id}/.uws/parameters"
