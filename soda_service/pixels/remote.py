"""Tiles on servers: read only the needed bytes, by HTTP range requests and from S3."""

import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.errors import TileUnreadable
from soda_service.pixels.objectstore import Address, Part, Servers
from soda_service.pixels.source import ByteSource, LocalSource, failures_explained, unpacked

__all__ = ["RemoteSource", "open_remote", "remote_identity"]

_WINDOW_BYTES = 1 << 16
"""Minimum bytes per read: holds most headers, and everything before a file's first header."""

_WINDOWS = 4
"""Bytes cached per file: the headers of a tile of three planes, whose tables follow directly."""

_PIECE_BYTES = 1 << 22
"""Longer ranges are fetched in pieces of this size in parallel, so a lost one costs little."""

_BATCH_BYTES = 4 * _PIECE_BYTES
"""Bytes per request when a compressed file is downloaded."""

_PACKED = (b"\x1f\x8b", b"BZ")


class RemoteSource:
    """A file on a server. Threads may share it.

    Parameters
    ----------
    servers
        Connections.
    address
        Address of the file.
    opening
        First bytes of the file; all of them if it is shorter than a window.
    """

    is_remote = True

    def __init__(self, servers: Servers, address: Address, opening: Part) -> None:
        self.label = address.label
        self.size_bytes = opening.size_bytes
        self.identity = opening.identity
        self._servers = servers
        self._address = address
        self._windows: OrderedDict[int, memoryview] = OrderedDict()
        self._lock = threading.Lock()
        self._keep(0, memoryview(opening.content))

    @property
    def table_bytes(self) -> int:
        """Memory used, bytes."""
        with self._lock:
            return sum(len(window) for window in self._windows.values())

    def read(self, start: int, length: int) -> bytes:
        """Read bytes. Neighbouring bytes of recent reads are cached.

        Raises
        ------
        TileUnreadable
            If the file ends before, or is gone.
        SourceUnavailable
            If the server is unavailable, or the file was replaced since it was opened.
        """
        if start < 0 or length < 0 or start + length > self.size_bytes:
            raise TileUnreadable(f"{self.label}: truncated: no byte {self.size_bytes}")
        known = self._known(start, length)
        if len(known) == length:
            return bytes(known)
        begin = start + len(known)
        end = min(max(start + length, begin + _WINDOW_BYTES), self.size_bytes)
        if len(known):  # for example the end of a table, after which nothing is read
            end = start + length
        got = self._fetch_ranges(np.array([begin]), np.array([end]))
        if end - begin <= _WINDOW_BYTES:
            self._keep(begin, got)
        return bytes(known) + bytes(got[: start + length - begin])

    def fetch(
        self, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[Buffer, NDArray[np.int64]]:
        """Fetch ranges; neighbouring ranges share a request.

        Parameters
        ----------
        starts, lengths : ndarray, int64, shape (n,)
            Byte ranges of the file; empty ranges are skipped.

        Returns
        -------
        buffer : Buffer
        places : ndarray, int64, shape (n,)
            Position in the buffer where each range begins.

        Raises
        ------
        TileUnreadable
            If a range reaches beyond the file, or the file is gone.
        SourceUnavailable
            If the server is unavailable, or the file was replaced since it was opened.
        """
        filled = lengths > 0
        if not filled.any():
            return b"", np.zeros_like(starts)
        begins, ends = _runs(starts[filled], lengths[filled], self._servers.settings.gap_bytes)
        if begins[0] < 0 or ends[-1] > self.size_bytes:
            raise TileUnreadable(f"{self.label}: truncated: no byte {self.size_bytes}")
        run = np.maximum(np.searchsorted(begins, starts, side="right") - 1, 0)
        offsets = np.cumsum(ends - begins) - (ends - begins)
        places = np.where(filled, starts - begins[run] + offsets[run], 0)
        return self._fetch_ranges(begins, ends), places

    def announce(self, start: int, length: int) -> None:
        """Do nothing: the needed ranges are not known well enough to fetch them ahead."""

    def close(self) -> None:
        """Drop cached bytes. Connections are shared between files and stay open."""
        with self._lock:
            self._windows.clear()

    def _known(self, start: int, length: int) -> memoryview:
        """Return the cached bytes from a position on."""
        with self._lock:
            for begin, window in self._windows.items():
                if begin <= start < begin + len(window):
                    self._windows.move_to_end(begin)
                    return window[start - begin : start - begin + length]
        return memoryview(b"")

    def _keep(self, start: int, window: memoryview) -> None:
        with self._lock:
            self._windows[start] = window
            while len(self._windows) > _WINDOWS:
                self._windows.popitem(last=False)

    def _fetch_ranges(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> memoryview:
        begins, ends = _pieces(begins, ends)
        return self._servers.get_all(self._address, begins, ends, identity=self.identity)


def open_remote(path: str, servers: Servers) -> ByteSource:
    """Open a file on a server, with one request for its first bytes.

    Parameters
    ----------
    path
        `https://` or `http://` (quoted) or `s3://` (not quoted). A file compressed by gzip or bzip2
        is downloaded whole and unpacked into an anonymous temporary file.
    servers
        Connections to use.

    Raises
    ------
    TileUnreadable
        If the file does not exist, is empty, is compressed and damaged, or the server does not
        support ranges.
    SourceUnavailable
        If the server is unavailable or refuses access.
    ConfigError
        If the address is not valid.
    """
    address = Address.parse(path)
    opening = servers.get(address, 0, _WINDOW_BYTES)
    source = RemoteSource(servers, address, opening)
    if bytes(memoryview(opening.content)[:2]) not in _PACKED:
        return source
    with failures_explained(source.label):
        return LocalSource(_downloaded(source), source.label, source.identity)


def remote_identity(path: str, servers: Servers) -> str:
    """Return the identity that a file on a server has now, by a request for one byte.

    Raises
    ------
    TileUnreadable, SourceUnavailable, ConfigError
        As for `open_remote`.
    """
    return servers.get(Address.parse(path), 0, 1).identity


def _downloaded(source: RemoteSource) -> BinaryIO:
    """Download a compressed file and unpack it."""
    copy: BinaryIO = tempfile.TemporaryFile(suffix=".packed")  # noqa: SIM115 - the source closes it
    try:
        for start in range(0, source.size_bytes, _BATCH_BYTES):
            length = min(_BATCH_BYTES, source.size_bytes - start)
            copy.write(source.read(start, length))
        copy.flush()
        copy.seek(0)
        return unpacked(copy)
    except BaseException:
        with suppress(OSError):  # closing reports a full disk once more
            copy.close()
        raise


def _runs(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], gap_bytes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join ranges with gaps of at most so many bytes; return begins and ends, in order."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate((starts + lengths)[order])
    after = np.flatnonzero(starts[1:] - ends[:-1] > gap_bytes)
    return starts[np.concatenate([[0], after + 1])], ends[np.concatenate([after, [-1]])]


def _pieces(
    begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut long ranges into pieces."""
    if (ends - begins).max() <= _PIECE_BYTES:
        return begins, ends
    cuts = [
        np.arange(begin, end, _PIECE_BYTES)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    pieces = np.concatenate(cuts)
    last = np.repeat(ends, [len(cut) for cut in cuts])
    return pieces, np.minimum(pieces + _PIECE_BYTES, last)
