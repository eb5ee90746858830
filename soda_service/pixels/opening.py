"""Open the bytes of a tile, on disk or on a server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from soda_service.errors import TileUnreadable
from soda_service.pixels.failures import failures_explained
from soda_service.pixels.source import ByteSource, LocalSource, _identity, unpacked

if TYPE_CHECKING:
    from soda_service.pixels.objectstore import Servers

__all__ = ["identity_of", "open_source"]


def open_source(path: str, root: str = "", servers: "Servers | None" = None) -> ByteSource:
    """Open a tile's file.

    Parameters
    ----------
    path
        Local path, `https://` or `s3://` address of a FITS file, plain or compressed by gzip or
        bzip2, whatever its name. A compressed file is unpacked into an anonymous temporary file, so
        memory does not grow with tiles.
    root
        Directory that holds the survey, if known.
    servers
        Connections for addresses.

    Raises
    ------
    ValueError
        For an address without connections.
    TileUnreadable
        If the file is missing, or compressed and damaged.
    SourceUnavailable
        If the root is gone, or reading fails because disk or server are unavailable.
    """
    if "://" in path:
        from soda_service.pixels.remote import open_remote  # few releases need it

        return open_remote(path, _required(servers))
    with failures_explained(Path(path).name, root):
        return _open_local(path)


def _open_local(path: str) -> LocalSource:
    # Checked before it is opened: opening a pipe waits for a writer.
    if not (Path(path).is_file() or Path(path).is_dir()) and Path(path).exists():
        raise TileUnreadable("not a regular file")
    stream: BinaryIO = Path(path).open("rb")  # noqa: SIM115 - the source closes it
    try:
        status = os.fstat(stream.fileno())
        stream = unpacked(stream)
        return LocalSource(stream, Path(path).name, _identity(status))
    except BaseException:
        stream.close()
        raise


def identity_of(path: str, servers: "Servers | None" = None) -> str | None:
    """Return the identity that a file has now; None if opening it will report an error.

    Raises
    ------
    TileUnreadable, SourceUnavailable, ValueError
        As for `open_source`, if a remote file is gone or its server is unavailable.
    """
    if "://" in path:
        from soda_service.pixels.remote import remote_identity  # few releases need it

        return remote_identity(path, _required(servers))
    try:
        # Called for each cutout; making a Path costs more than the call itself.
        return _identity(os.stat(path))  # noqa: PTH116 - as above
    except OSError:
        return None


def _required(servers: "Servers | None") -> "Servers":
    if servers is None:
        raise ValueError("a tile on a server needs connections; none were passed")
    return servers
