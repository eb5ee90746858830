"""A job's tree as one tar.gz, made while it is sent; its length is known in advance.

The gzip stream holds stored blocks. FITS noise and PNG hardly shrink, so compression would keep a
core busy per download. It would also hide the length, which clients need for progress bars and to
reserve disk space.
"""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from soda_service.results.tree import is_public, is_result
from uws.files import JobFiles

__all__ = ["archive_size", "members", "stream_archive"]

_BLOCK = 65535
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_PIECE = 1 << 20


def members(files: JobFiles, job_id: str) -> Iterator[tuple[str, int]]:
    """Yield the key and the size of each public file of a job."""
    for key, size_bytes in files.sizes(job_id):
        path = key.removeprefix(f"{job_id}/")
        if is_public(path) and is_result(path):
            yield key, size_bytes


def _header(key: str, size_bytes: int, time: datetime) -> bytes:
    entry = tarfile.TarInfo(key)
    entry.size = size_bytes
    entry.mtime = int(time.timestamp())
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size_bytes: int) -> int:
    return -size_bytes % tarfile.BLOCKSIZE


def archive_size(files: JobFiles, job_id: str, time: datetime) -> int:
    """Return the length in bytes of what `stream_archive` sends for the same files."""
    size = 2 * tarfile.BLOCKSIZE
    for key, size_bytes in members(files, job_id):
        size += len(_header(key, size_bytes, time)) + size_bytes + _padding(size_bytes)
    blocks = -(-size // _BLOCK)
    return len(_GZIP_HEADER) + size + 5 * blocks + 8


def stream_archive(files: JobFiles, job_id: str, time: datetime) -> Iterator[bytes]:
    """Yield the archive of all public files of a job, piece by piece.

    Parameters
    ----------
    time
        Written as every member's time.
    """
    return _gzip_stored(_tar(files, job_id, time))


def _tar(files: JobFiles, job_id: str, time: datetime) -> Iterator[bytes]:
    for key, size_bytes in members(files, job_id):
        yield _header(key, size_bytes, time)
        with files.open(key) as stream:
            while piece := stream.read(_PIECE):
                yield piece
        yield bytes(_padding(size_bytes))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _gzip_stored(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Wrap bytes as gzip (RFC 1952) of full stored deflate blocks (RFC 1951, 3.2.4)."""
    yield _GZIP_HEADER
    crc = size = 0
    pending = b""
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        pending += piece
        # The last block is marked as such, so one block is always kept back.
        full = max(0, (len(pending) - 1) // _BLOCK)
        out = io.BytesIO()
        for n in range(full):
            out.write(_block(pending[n * _BLOCK : (n + 1) * _BLOCK], is_last=False))
        pending = pending[full * _BLOCK :]
        if full:
            yield out.getvalue()
    yield _block(pending, is_last=True) + struct.pack("<II", crc, size & 0xFFFFFFFF)


def _block(data: bytes, *, is_last: bool) -> bytes:
    return struct.pack("<BHH", is_last, len(data), len(data) ^ 0xFFFF) + data
