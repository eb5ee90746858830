"""Job files in a bucket of an object store (S3). Experimental.

Credentials and endpoint come from the environment (`AWS_*`). obstore works in threads of its own,
which a forked process does not have: a request there would wait for ever. So connections are made
by the first request, and no process may make one before it forks.
"""

import errno
import io
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store
from typing_extensions import Buffer, override

from uws.files import FileStat, Log
from uws.forking import claim_obstore

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta, WritableFile

__all__ = ["ObjectFiles"]

_log = logging.getLogger(__name__)

_GONE = ".gone"
"""Folder, beside those of jobs, for notes of folders that will be deleted."""

_KEY_BYTES_MAX = 900
"""S3 accepts 1024, the prefix included."""

_FIRST_READ, _READ_MAX = 1 << 18, 1 << 23
"""Bytes of the first request for a file, and of the largest: each is twice the one before, so that
a look at a few rows costs little and a large file few requests."""

_WRITE_BYTES = 1 << 20
_PART_BYTES, _PARTS_AT_ONCE = 1 << 23, 2
"""Size of the parts in which a large file is written; S3 accepts 10,000 parts."""

_BATCH_S, _BATCH_BYTES = 2.0, 1 << 18
"""Lines of a log are collected for at most this time and size before they are written."""

_YES = frozenset({"1", "true", "yes", "on"})
_CONNECT_S, _ANSWER_S = 5, 60
_TRIES_MORE, _TRIES_S = 3, 30
_BEYOND_THE_END = "status code: 416"
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{2,62})(/(?P<prefix>.*))?")


class ObjectFiles:
    """Job files in a bucket.

    Threads may share it; processes may not.

    Parameters
    ----------
    root
        `s3://BUCKET` or `s3://BUCKET/PREFIX`.

    Raises
    ------
    ValueError
        When the address is another.
    """

    def __init__(self, root: str) -> None:
        found = _ADDRESS.fullmatch(root)
        if found is None:
            raise ValueError(f"{root!r} found; an address of job files is s3://BUCKET/PREFIX")
        self._root = root.rstrip("/")
        self._bucket, self._prefix = found["bucket"], (found["prefix"] or "").strip("/")
        self._store: S3Store | None = None
        self._lock = threading.Lock()

    def write(self, key: str, data: Buffer, *, durable: bool = False) -> None:
        """Write `data` to `key`; always durable."""
        del durable
        store, place = self._connected(), _checked(key)
        with _as_system_errors(key, is_write=True):
            obstore.put(store, place, data, chunk_size=_PART_BYTES)

    @contextmanager
    def writer(self, key: str, *, durable: bool = False) -> Iterator[BinaryIO]:
        """Open `key` for writing in parts, each sent when it is full; always durable.

        If the context ends with an error, the parts that were sent remain as an unfinished upload,
        which a rule of the bucket removes.
        """
        del durable
        upload = _Upload(self._connected(), _checked(key))
        stream = io.BufferedWriter(upload, _WRITE_BYTES)
        try:
            yield stream
            stream.flush()
            upload.finish()
        finally:
            upload.is_over = True  # nothing more of it is sent when the stream is collected

    @contextmanager
    def log(self, key: str) -> Iterator[Log]:
        """Open a log; each segment is an object with some of its lines."""
        log = _ObjectLog(self, key)
        try:
            yield log
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                log.flush()
            raise
        log.flush()

    def open(self, key: str, start: int = 0) -> BinaryIO:
        """Open `key` for reading from byte `start`."""
        return io.BufferedReader(_Download(self._connected(), _checked(key), start), 1 << 16)

    def stat(self, key: str) -> FileStat:
        """Return size and time of last change of `key`."""
        with _as_system_errors(key):
            meta = obstore.head(self._connected(), _checked(key))
        return FileStat(meta["size"], meta["last_modified"])

    def path(self, key: str) -> Path | None:
        """Return None: there are no local files."""
        del key
        return None

    def keys(self, prefix: str) -> Iterator[str]:
        """List all keys below the folder `prefix`, sorted."""
        return (meta["path"] for meta in self._below(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List all keys below the folder `prefix`, sorted, with their sizes in bytes."""
        return ((meta["path"], meta["size"]) for meta in self._below(prefix))

    def folders(self) -> Iterator[str]:
        """List the folders at the top."""
        with _as_system_errors(""):
            found = obstore.list_with_delimiter(self._connected())["common_prefixes"]
        return (name for name in found if name != _GONE)

    def last_change(self, folder: str) -> datetime:
        """Return when the youngest file in a job's folder was written."""
        times = [meta["last_modified"] for meta in self._below(folder)]
        if not times:
            raise FileNotFoundError(folder)
        return max(times)

    def check(self) -> str:
        """Check whether the bucket can be read, by a request for a key that does not exist."""
        with suppress(FileNotFoundError):
            self.open(".check").close()
        return self._root

    def discard_parts(self, folder: str) -> None:
        """Do nothing: unfinished uploads are removed by a rule of the bucket."""

    def delete(self, prefix: str) -> None:
        """Remove the file or folder `prefix` and all below it."""
        self._delete([_checked(prefix)])
        self._delete_below(prefix, until_s=float("inf"))

    def delete_later(self, folder: str) -> None:
        """Mark a job's folder for deletion."""
        if next(self._below(folder), None) is not None:
            self.write(f"{_GONE}/{folder}.{secrets.token_hex(8)}", b"")

    def pending_deletions(self) -> Iterator[str]:
        """List the notes of folders that will be deleted."""
        return self.keys(_GONE)

    def continue_deletion(self, name: str, *, until_s: float) -> bool:
        """Delete the folder that a note names piece by piece, then the note."""
        folder, mark, token = name.removeprefix(f"{_GONE}/").rpartition(".")
        if not name.startswith(f"{_GONE}/") or not mark or "/" in token:
            raise FileNotFoundError(name)
        is_done = self._delete_below(folder, until_s=until_s)
        if is_done:
            self._delete([name])
        return is_done

    def _delete_below(self, folder: str, *, until_s: float) -> bool:
        with _as_system_errors(folder):
            for found in obstore.list(self._connected(), _checked(folder), chunk_size=1000):
                if time.monotonic() >= until_s:
                    return False
                self._delete([meta["path"] for meta in found])
        return True

    def _delete(self, keys: list[str]) -> None:
        with _as_system_errors(keys[0], is_write=True):
            obstore.delete(self._connected(), keys)

    def _below(self, folder: str) -> Iterator["ObjectMeta"]:
        with _as_system_errors(folder):
            for found in obstore.list(self._connected(), _checked(folder)):
                yield from found

    def _connected(self) -> S3Store:
        """Return the connections of this process.

        Raises
        ------
        RuntimeError
            When the process was forked from one that had connections.
        """
        claim_obstore()
        with self._lock:
            if self._store is None:
                allows_http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in _YES
                self._store = S3Store(
                    self._bucket,
                    prefix=self._prefix or None,
                    client_options={
                        "allow_http": allows_http,
                        "connect_timeout": timedelta(seconds=_CONNECT_S),
                        "timeout": timedelta(seconds=_ANSWER_S),
                    },
                    retry_config={
                        "max_retries": _TRIES_MORE,
                        "retry_timeout": timedelta(seconds=_TRIES_S),
                    },
                )
            return self._store


class _ObjectLog:
    """Lines that are collected until they are written as one object."""

    def __init__(self, files: ObjectFiles, key: str) -> None:
        self._files = files
        self._key = key
        self._waiting: list[bytes] = []
        self._size_bytes = 0
        self._number = 0
        self._kept_at_s = time.monotonic()

    def add(self, line: bytes) -> None:
        """Add a line; write all when it is time."""
        self._waiting.append(line)
        self._size_bytes += len(line)
        is_due = time.monotonic() >= self._kept_at_s + _BATCH_S
        if is_due or self._size_bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all lines that were added; if that fails, they remain collected."""
        if not self._waiting:
            return
        if not self._number:
            names = (PurePosixPath(key).name for key in self._files.keys(self._key))
            self._number = max((int(name.partition(".")[0]) for name in names), default=0)
        # Two workers that began at the same moment may have the same numbers, but not names.
        name = f"{self._number + 1:06d}.{secrets.token_hex(4)}"
        self._files.write(f"{self._key}/{name}", b"".join(self._waiting))
        self._number += 1
        self._waiting.clear()
        self._size_bytes = 0
        self._kept_at_s = time.monotonic()


class _Upload(io.RawIOBase):
    """A file that is being written; it appears when it is finished, not when it is closed."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._key = key
        self._writer: WritableFile = obstore.open_writer(
            store, key, buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )
        self.is_over = False

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        if not self.is_over:
            with _as_system_errors(self._key, is_write=True):
                self._writer.write(bytes(data))
        return memoryview(data).nbytes

    def finish(self) -> None:
        """Finish the file, so that it appears."""
        with _as_system_errors(self._key, is_write=True):
            self._writer.close()


class _Download(io.RawIOBase):
    """A file that is read from some byte on, by ranges that grow."""

    def __init__(self, store: S3Store, key: str, start: int) -> None:
        self._store = store
        self._key = key
        self._place = start
        self._size_bytes: int | None = None
        self._identity: str | None = None
        self._wanted = _FIRST_READ
        self._piece = memoryview(b"")
        self._fetch()

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        if not self._piece:
            self._fetch()
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _fetch(self) -> None:
        """Get the next piece; it is empty at the end."""
        if self._size_bytes is not None and self._place >= self._size_bytes:
            return
        with _as_system_errors(self._key):
            try:
                answer = self._get()
            except BaseError as error:
                if _BEYOND_THE_END not in str(error):
                    raise
                self._size_bytes = self._place
                return
            self._size_bytes, self._identity = answer.meta["size"], answer.meta["e_tag"]
            self._piece = memoryview(answer.bytes())
        self._place += len(self._piece)
        self._wanted = min(2 * self._wanted, _READ_MAX)

    def _get(self) -> "GetResult":
        options: GetOptions = {"range": (self._place, self._place + self._wanted)}
        if self._identity is not None:
            options["if_match"] = self._identity
        return obstore.get(self._store, self._key, options=options)


def _checked(key: str) -> str:
    """Return the key; raise FileNotFoundError if it cannot be one."""
    parts = key.split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\0" in key or len(key.encode()) > _KEY_BYTES_MAX:
        raise FileNotFoundError(key)
    return key


@contextmanager
def _as_system_errors(key: str, *, is_write: bool = False) -> Iterator[None]:
    """Convert errors of the server to `OSError`; log its message."""
    try:
        yield
    except (FileNotFoundError, BaseError) as error:
        text = " ".join(str(error).partition("\n\nDebug source:")[0].split())[:500]
        is_missing = isinstance(error, FileNotFoundError) and _NO_BUCKET not in text
        if is_missing and not is_write:
            raise FileNotFoundError(key) from error
        _log.warning("job files: %s: %s", key, text)
        code = _code_of(error)
        raise OSError(code, os.strerror(code)) from error


def _code_of(error: Exception) -> int:
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return errno.EACCES
    return errno.ESTALE if isinstance(error, PreconditionError) else errno.EIO
