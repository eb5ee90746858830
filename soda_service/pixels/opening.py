"""Opening a tile's bytes, on disk or behind a URL."""

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
        Local path, `https://` or `s3://`; plain FITS, or packed by gzip or bzip2, whatever its name
        says. A packed file is unpacked into an anonymous temporary file, so that memory does not
        grow with tiles.
    root
        Directory below which the survey lies, if known.
    servers
        Connections to ask for what lies behind a URL.

    Raises
    ------
    ValueError
        For a URL without connections.
    TileUnreadable
        When the file is missing, or packed and damaged.
    SourceUnavailable
        When the root is gone, or reading fails as it does when disk or server are away.
    """
    if "://" in path:
        from soda_service.pixels.remote import open_remote  # few releases need it

        return open_remote(path, _required(servers))
    with failures_explained(Path(path).name, root):
        return _open_local(path)


def _open_local(path: str) -> LocalSource:
    # Asked before it is opened: who opens a pipe waits for somebody to write.
    if not (Path(path).is_file() or Path(path).is_dir()) and Path(path).exists():
        raise TileUnreadable("no regular file")
    stream: BinaryIO = Path(path).open("rb")  # noqa: SIM115 - the source closes it
    try:
        status = os.fstat(stream.fileno())
        stream = unpacked(stream)
        return LocalSource(stream, Path(path).name, _identity(status))
    except BaseException:
        stream.close()
        raise


def identity_of(path: str, servers: "Servers | None" = None) -> str | None:
    """Give the identity that a file has now; None where opening it will tell what is wrong.

    Raises
    ------
    TileUnreadable, SourceUnavailable, ValueError
        As `open_source`, when a remote file is gone or away.
    """
    if "://" in path:
        from soda_service.pixels.remote import remote_identity  # few releases need it

        return remote_identity(path, _required(servers))
    try:
        # Called for each cutout, and a Path costs more than the call itself.
        return _identity(os.stat(path))  # noqa: PTH116 - as above
    except OSError:
        return None


def _required(servers: "Servers | None") -> "Servers":
    if servers is None:
        raise ValueError("a tile behind a URL is opened through connections; none were given")
    return servers
