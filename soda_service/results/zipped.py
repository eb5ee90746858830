"""A job's tree as one ZIP, made while it is sent, for systems that cannot open a tar.

Members are stored: FITS noise and PNG hardly shrink. Beyond 4 GiB it is a ZIP64. Its length is not
known in advance, unlike that of `archive`.
"""

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

from soda_service.results.archive import members
from uws.files import JobFiles

__all__ = ["stream_zip"]

_PIECE = 1 << 20
_ZIP64_BYTES = 1 << 31
_FIRST_YEAR = 1980


class _Sink:
    """A file without seek; what is written is kept until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: no data is buffered elsewhere."""

    def close(self) -> None:
        """Do nothing: what is left can still be taken."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def stream_zip(files: JobFiles, job_id: str, time: datetime) -> Iterator[bytes]:
    """Yield the ZIP of all public files of a job, piece by piece.

    Parameters
    ----------
    time
        Written as every member's time, in UTC.
    """
    when = time.astimezone(UTC).timetuple()[:6]
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for key, size_bytes in members(files, job_id):
            info = zipfile.ZipInfo(key, (max(when[0], _FIRST_YEAR), *when[1:]))
            info.external_attr = 0o644 << 16
            with (
                files.open(key) as stream,
                archive.open(info, "w", force_zip64=size_bytes > _ZIP64_BYTES) as member,
            ):
                while piece := stream.read(_PIECE):
                    member.write(piece)
                    yield sink.take()
    yield sink.take()
