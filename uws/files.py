"""Files of jobs: uploads, work in progress, results. The one door to where they lie.

`JobFiles` is the contract; `LocalFiles` keeps it in a directory. Keys are relative POSIX paths
that begin with the job's id. Imports the standard library and errors only.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

__all__ = ["FileStat", "JobFiles", "LocalFiles"]


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size and age of a file."""

    size_bytes: int
    modified: datetime


class JobFiles(Protocol):
    """Where the files of jobs lie. A missing key raises `FileNotFoundError`, always."""

    def write(self, key: str, data: bytes) -> None:
        """Put `data` under `key` at once: readers see the old content or the new, never a part."""
        ...

    def writer(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open `key` for writing as a stream; it appears when the context ends without error."""
        ...

    def append(self, key: str, data: bytes) -> None:
        """Add `data` at the end of `key`, which need not exist; a torn end can occur."""
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
        """List all keys below the folder `prefix`, sorted."""
        ...

    def delete(self, prefix: str) -> None:
        """Remove the file or folder `prefix` and all below it; nothing there is no error."""
        ...


class LocalFiles:
    """Job files in a local (or shared) directory.

    Parameters
    ----------
    root
        The directory; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def _at(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise FileNotFoundError(key)
        return self._root.joinpath(*parts)

    def write(self, key: str, data: bytes) -> None:
        """Put `data` under `key` at once."""
        with self.writer(key) as stream:
            stream.write(data)

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """Open `key` for writing; it appears under its name when the context ends well."""
        target = self._at(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise

    def append(self, key: str, data: bytes) -> None:
        """Add `data` at the end of `key`."""
        target = self._at(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab", buffering=0) as stream:
            stream.write(data)

    def open(self, key: str) -> BinaryIO:
        """Open `key` for reading."""
        target = self._at(key)
        if target.is_dir():
            raise FileNotFoundError(key)
        return target.open("rb")

    def stat(self, key: str) -> FileStat:
        """Tell size and time of last change of `key`."""
        target = self._at(key)
        if target.is_dir():
            raise FileNotFoundError(key)
        status = target.stat()
        return FileStat(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def path(self, key: str) -> Path | None:
        """Give the local file of `key`."""
        return self._at(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`, sorted."""
        top = self._at(prefix)
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(".part-"):
                    yield Path(folder, name).relative_to(self._root).as_posix()

    def delete(self, prefix: str) -> None:
        """Remove the file or folder `prefix` and all below it."""
        target = self._at(prefix)
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)
