"""Sources of a tile's bytes: a local file, unpacked if necessary, or a remote one.

A local file is mapped into memory, so rows are decoded in place. This has one danger: if the
process touches a page that cannot be read, because the file was truncated or its disk is gone, the
kernel kills it (SIGBUS). So pages are requested before they are touched, by a call that reports an
error instead.
"""

import bz2
import gzip
import mmap
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.errors import TileUnreadable
from soda_service.pixels.failures import failures_explained

__all__ = ["ByteSource", "LocalSource", "failures_explained", "unpacked"]

_POPULATE_READ = 22
"""Linux 5.14's MADV_POPULATE_READ, which Python does not define."""

_FRESH_S = 2.0
"""Time for which pages count as present, s. Requesting the 464 pages of 228 compressed rows takes
0.13 ms each time, a fifth of the whole cutout, and the next position of a batch is in the same
rows. The kernel evicts the least recently used pages, not those just read."""

_GAP_BYTES = 16384
"""Ranges closer than this are requested together: a call costs as much as about 4 pages."""


class ByteSource(Protocol):
    """The bytes of one file. Threads may share it."""

    @property
    def label(self) -> str:
        """File name for messages, which never contain a server's path."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of the unpacked file."""
        ...

    @property
    def identity(self) -> str:
        """Identity, which changes with the content."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether fetching bytes costs more than decoding them."""
        ...

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Read bytes; raises TileUnreadable if the file ends before."""
        ...

    def fetch(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[Buffer, NDArray[np.int64]]:
        """Make ranges available; return a buffer and the position of each range in it."""
        ...

    def announce(self, start: int, length: int) -> None:
        """Announce that a range will be read soon; return at once."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class LocalSource:
    """A file of this host.

    Parameters
    ----------
    stream
        Open for reading, uncompressed; closed by `close`.
    label
        File name, for messages.
    identity
        Changes with the content; that of the original file if `stream` is its unpacked copy.

    Raises
    ------
    OSError
        If it cannot be read.
    """

    is_remote = False

    def __init__(self, stream: BinaryIO, label: str, identity: str) -> None:
        self.label = label
        self.identity = identity
        self.size_bytes = os.fstat(stream.fileno()).st_size
        self._stream = stream
        self._map = _mapped(stream)
        # For each page, the number of the time interval in which it was last known to be present.
        pages = -(-self.size_bytes // mmap.PAGESIZE)
        self._seen = np.full(pages, _moment()) - np.uint16(2)

    @property
    def table_bytes(self) -> int:
        """Memory used besides the file's own pages, bytes."""
        return self._seen.nbytes

    def read(self, start: int, length: int) -> bytes:
        """Read bytes.

        Raises
        ------
        TileUnreadable
            If the file ends before.
        OSError
            If disk or server are unavailable.
        """
        if start + length > self.size_bytes:
            raise TileUnreadable(f"truncated: no byte {self.size_bytes}")
        content = bytearray(length)
        self._fill(memoryview(content), start)
        return bytes(content)

    def fetch(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[Buffer, NDArray[np.int64]]:
        """Make ranges available.

        Parameters
        ----------
        starts, lengths : ndarray, int64, shape (n,)
            Byte ranges of the file; empty ranges are skipped.

        Returns
        -------
        buffer : Buffer
            Valid until the source is closed.
        places : ndarray, int64, shape (n,)
            Position in the buffer where each range begins.

        Raises
        ------
        TileUnreadable
            If a range reaches beyond the file, or the file was truncated since it was opened.
        OSError
            If disk or server are unavailable.
        """
        begins, ends = _runs(starts, lengths)
        if not len(begins):
            return b"", np.zeros_like(starts)
        size_bytes = os.fstat(self._stream.fileno()).st_size
        if begins[0] < 0 or ends[-1] > min(size_bytes, self.size_bytes):
            raise TileUnreadable(f"truncated: no byte {size_bytes}")
        if self._map is not None and self._has_pages(self._map, begins, ends):
            return self._map, starts
        return self._gathered(begins, ends, starts)

    def announce(self, start: int, length: int) -> None:
        """Have a range read from disk: 3.7 times faster than its pages one by one."""
        if sys.platform == "linux":
            os.posix_fadvise(self._stream.fileno(), start, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the file."""
        if self._map is not None:
            with suppress(BufferError):  # still in use; the map closes with its last user
                self._map.close()
        self._stream.close()

    def _has_pages(
        self, mapped: mmap.mmap, begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> bool:
        """Bring the pages of ranges into the map; return False if this is not confirmed."""
        now = _moment()
        firsts = begins // mmap.PAGESIZE
        lasts = (ends - 1) // mmap.PAGESIZE
        low = int(firsts[0])
        old = (now - self._seen[low : int(lasts[-1]) + 1]) > 1
        if not old.any():
            return True
        count = np.concatenate([[0], np.cumsum(old)])
        wanted = np.flatnonzero(count[lasts - low + 1] > count[firsts - low])
        if len(wanted) > 1:
            self.announce(int(begins[wanted[0]]), int(ends[wanted[-1]] - begins[wanted[0]]))
        pairs = zip(firsts[wanted].tolist(), lasts[wanted].tolist(), strict=True)
        try:
            for first, last in pairs:
                start = first * mmap.PAGESIZE
                mapped.madvise(_POPULATE_READ, start, (last + 1) * mmap.PAGESIZE - start)
                self._seen[first : last + 1] = now
        except OSError:
            # An older kernel; or an error that reading the bytes by calls will report with its
            # reason.
            return False
        return True

    def _gathered(
        self, begins: NDArray[np.int64], ends: NDArray[np.int64], starts: NDArray[np.int64]
    ) -> tuple[Buffer, NDArray[np.int64]]:
        """Read ranges by calls, one after the other, into a buffer."""
        places = np.cumsum(ends - begins) - (ends - begins)
        buffer = np.empty(int((ends - begins).sum()), np.uint8).data
        for begin, end, place in zip(begins.tolist(), ends.tolist(), places.tolist(), strict=True):
            self._fill(buffer[place : place + end - begin], begin)
        run = np.maximum(np.searchsorted(begins, starts, side="right") - 1, 0)
        return buffer, starts - begins[run] + places[run]

    def _fill(self, part: memoryview, offset: int) -> None:
        while part:
            got = os.preadv(self._stream.fileno(), [part], offset)
            if not got:
                raise TileUnreadable(f"truncated: no byte {offset}")
            part, offset = part[got:], offset + got


def _identity(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def unpacked(stream: BinaryIO) -> BinaryIO:
    """Return a file as it is without gzip or bzip2.

    Parameters
    ----------
    stream
        A real file, at its start; closed if another one is returned.

    Returns
    -------
    BinaryIO
        A real file: the same one, or an anonymous temporary one.

    Raises
    ------
    OSError, EOFError, zlib.error
        If it cannot be read or unpacked.
    """
    start = stream.read(2)
    stream.seek(0)
    if start == b"\x1f\x8b":
        return _copied(stream, gzip.GzipFile(fileobj=stream))
    if start == b"BZ":
        return _copied(stream, bz2.BZ2File(stream))
    return stream


def _copied(stream: BinaryIO, packed: gzip.GzipFile | bz2.BZ2File) -> BinaryIO:
    copy = tempfile.TemporaryFile(suffix=".fits")  # noqa: SIM115 - the source closes it
    try:
        with stream, packed:
            shutil.copyfileobj(packed, copy, 1 << 20)
        copy.flush()
        copy.seek(0)
    except BaseException:
        with suppress(OSError):  # closing reports a full disk once more
            copy.close()
        raise
    return copy


def _mapped(stream: BinaryIO) -> mmap.mmap | None:
    """Map a file; return None if its pages cannot be requested, or it cannot be mapped."""
    if sys.platform != "linux":
        return None
    try:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # of some network file systems; of an empty file
        return None


def _moment() -> np.uint16:
    """Return the number of the current interval, half as long as pages count as present."""
    return np.uint16(int(time.monotonic() * 2 / _FRESH_S) & 0xFFFF)


def _runs(
    starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join ranges that lie close together; return begins and ends of the runs, in order."""
    if len(lengths) and not lengths.all():
        filled = lengths > 0
        starts, lengths = starts[filled], lengths[filled]
    if len(starts) < 2:
        return starts, starts + lengths
    ends = starts + lengths
    gaps = starts[1:] - ends[:-1]
    if gaps.min() < 0:
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        gaps = starts[1:] - ends[:-1]
    after = np.flatnonzero(gaps > _GAP_BYTES)
    if not len(after):
        return starts[:1], ends[-1:]
    return starts[np.concatenate([[0], after + 1])], ends[np.concatenate([after, [-1]])]
