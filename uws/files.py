"""Files of jobs: uploads, work in progress, results. The only access to their storage.

`JobFiles` is the contract, which suits both a directory and an object store; `STORES` lists the
implementations. Keys are relative POSIX paths that begin with the job's id. An error of the disk or
the server is raised as the system's `OSError`.
"""

import pkgutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from typing_extensions import Buffer

__all__ = ["STORES", "FileStat", "JobFiles", "Log", "open_files", "parameter_folder"]


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size and age of a file."""

    size_bytes: int
    modified: datetime


class Log(Protocol):
    """Lines that are kept as they come; see `JobFiles.log`."""

    def add(self, line: bytes) -> None:
        """Add a line, which ends with a newline: all of it, or an error is raised.

        It is kept, and seen by readers, when a later `flush` returns or the log's context ends,
        and may be before.
        """
        ...

    def flush(self) -> None:
        """Keep all lines that were added."""
        ...


class JobFiles(Protocol):
    """Where the files of jobs lie. A missing key raises `FileNotFoundError`, always."""

    def write(self, key: str, data: Buffer, *, durable: bool = False) -> None:
        """Write `data` to `key` atomically: readers see the old content or the new, never a part.

        Where `durable`, it survives a power cut once this returns: for what a client was
        promised, not for what can be made again.
        """
        ...

    def writer(self, key: str, *, durable: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open `key` for writing as a stream; it appears when the context ends without error.

        The stream cannot seek.
        """
        ...

    def log(self, key: str) -> AbstractContextManager[Log]:
        """Open a log to add lines to, which need not exist.

        A log is a folder of numbered segments: read it by `keys` and `open`. Each context adds
        segments of its own after those that are there, so that two workers with the same log spoil
        nothing of each other's. A worker that is killed loses the lines that it did not flush; it
        may leave a torn line at the end of a segment.
        """
        ...

    def open(self, key: str, start: int = 0) -> BinaryIO:
        """Open `key` for reading from byte `start` to its end; the stream need not seek."""
        ...

    def stat(self, key: str) -> FileStat:
        """Return size and time of last change of `key`."""
        ...

    def path(self, key: str) -> Path | None:
        """Return the local file of `key` if there is such a thing, for servers that send files."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`; OSError where one cannot be listed.

        Those of one folder are sorted, and the order of all is the same each time.
        """
        ...

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List all keys below the folder `prefix` as `keys` does, with their sizes in bytes."""
        ...

    def folders(self) -> Iterator[str]:
        """List the folders at the top, each of a job."""
        ...

    def last_change(self, folder: str) -> datetime:
        """Return when a file was last added to or removed from a job's folder, if known."""
        ...

    def check(self) -> str:
        """Check whether the files are available; make and change nothing.

        Returns
        -------
        str
            Where they lie, for operators.

        Raises
        ------
        OSError
            When they cannot be reached or written.
        """
        ...

    def discard_parts(self, folder: str) -> None:
        """Remove unfinished files of killed writers from a job's folder.

        Call it only when nobody writes there: a writer would lose its unfinished file.
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

    def delete_later(self, folder: str) -> None:
        """Mark a job's folder for deletion, which takes the same time for any content.

        It may still be there until that is done. It stands among the `pending_deletions`, unless
        there is no such folder.
        """
        ...

    def pending_deletions(self) -> Iterator[str]:
        """List the deletions that are not done yet, by names for `continue_deletion`."""
        ...

    def continue_deletion(self, name: str, *, until_s: float) -> bool:
        """Delete piece by piece, until an instant of `time.monotonic`.

        Any number may work at the same deletion at once, and each goes on where another was
        stopped.

        Returns
        -------
        bool
            Whether nothing is left.

        Raises
        ------
        OSError
            When something could not be removed.
        """
        ...


STORES = {
    "": "uws.localfiles:LocalFiles",
    "s3": "uws.objectfiles:ObjectFiles",
}
"""Implementations by the scheme of the root (empty for a directory): each makes a `JobFiles` of a
root. They are loaded when they are used."""


def open_files(root: str) -> JobFiles:
    """Open the job files at `root`, a directory or an address. This does not access it yet.

    Raises
    ------
    ValueError
        When no store has the scheme, or the address is not fit for it.
    """
    scheme = root.partition("://")[0] if "://" in root else ""
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise ValueError(f"{scheme}:// found; allowed are a directory, {known}")
    files: JobFiles = pkgutil.resolve_name(STORES[scheme])(root)
    return files


def parameter_folder(job_id: str) -> str:
    """Return the folder of a job's files that holds parameters kept by reference."""
    return f"{job_id}/.uws/parameters"
