"""Access to servers of files by obstore: HTTP and S3, connections, errors and listings.

Each server has one pool of connections, made on first use. obstore works in its own threads, which
a forked process does not have: a request there would wait for ever. So no process may use a server
before it forks. If one did, its child raises an error.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

import numpy as np
import obstore
from numpy.typing import NDArray
from obstore.exceptions import (
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import HTTPStore, S3Store
from typing_extensions import Buffer, override

from soda_service.config.model import RemoteConfig
from soda_service.errors import ConfigError, SourceUnavailable, TileUnreadable
from uws.forking import claim_obstore

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

__all__ = ["Address", "Part", "Servers"]

_log = logging.getLogger(__name__)

_Store: TypeAlias = HTTPStore | S3Store

_YES = frozenset({"1", "true", "yes", "on"})
_STATUS = re.compile(r"status code: ([0-9]{3})")
_GONE, _BEYOND = ("404", "410"), "416"
_REPLACED = "was replaced while it was read"
_LOGIN = re.compile(r"://[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Address:
    """Location of a file or folder."""

    server: str
    """`https://example.org` or `s3://bucket`. Connections are shared by server."""

    key: str
    """Path on the server, unquoted, without `/` at its ends."""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse an address: quoted for HTTP servers, not quoted for S3.

        Raises
        ------
        ConfigError
            If no server is named, the scheme is unknown, or there is a user name, which would
            appear in logs.
        """
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        if scheme not in ("http", "https", "s3") or not host:
            raise ConfigError("an address of tiles must be https://SERVER/... or s3://BUCKET/...")
        if "@" in host:
            raise ConfigError("an address of tiles must not contain a user name or a password")
        if scheme != "s3":
            path = unquote(urlsplit(url).path)
        return cls(f"{scheme}://{host}", path.strip("/"))

    @property
    def label(self) -> str:
        """File name for messages, which never contain a server's name or path."""
        return self.key.rpartition("/")[2]

    def joined(self, name: str) -> "Address":
        """Return the address of an item in this folder."""
        return Address(self.server, f"{self.key}/{name}".lstrip("/"))


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, with the server's data on the whole file."""

    content: Buffer
    size_bytes: int
    """Size of the whole file."""

    identity: str
    """Changes with the content: ETag, or otherwise modification time, and size."""


class Servers:
    """Connections to servers. Threads may share it. Pickling it transfers only the settings.

    Parameters
    ----------
    settings
        Time limits, tries and number of connections.
    environ
        Environment with the settings of S3. obstore itself reads all but AWS_ALLOW_HTTP.
    """

    def __init__(self, settings: RemoteConfig, environ: Mapping[str, str] = os.environ) -> None:
        self.settings = settings
        self._allows_http = environ.get("AWS_ALLOW_HTTP", "").lower() in _YES
        self._stores: dict[str, _Store] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(settings.connections, "tiles")

    @override
    def __reduce__(self) -> tuple[type["Servers"], tuple[RemoteConfig]]:
        return Servers, (self.settings,)

    def get(self, address: Address, start: int, end: int, *, identity: str = "") -> Part:
        """Get bytes `start` to `end` (exclusive), or fewer at the end of the file.

        Parameters
        ----------
        identity
            Identity that the file must still have; empty: any.

        Raises
        ------
        TileUnreadable
            If the file does not exist, ends before `start`, or the server does not support ranges.
        SourceUnavailable
            If the server is unavailable or refuses access, or the file was replaced.
        RuntimeError
            If this process was forked from one that had used a server.
        """
        store = self._store(address)
        with _failures_translated(address, is_open=bool(identity)):
            answer = obstore.get(store, address.key, options={"range": (start, end)})
            found = _identity(answer.meta)
            if identity and found != identity:
                raise SourceUnavailable(f"{address.label}: {_REPLACED}")
            return Part(answer.bytes(), answer.meta["size"], found)

    def get_all(
        self,
        address: Address,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        *,
        identity: str,
    ) -> memoryview:
        """Get ranges in parallel, on as many connections as are allowed, and join them.

        Parameters
        ----------
        begins, ends : ndarray, int64, shape (n,)
            Ranges inside the file, none of them empty.
        identity
            Identity that the file must still have.

        Returns
        -------
        content : memoryview
            The ranges, one after the other.

        Raises
        ------
        TileUnreadable, SourceUnavailable, RuntimeError
            As for `get`.
        """
        self._store(address)  # before the thread pool is used, which a fork does not have
        sizes = ends - begins
        content = np.empty(int(sizes.sum()), np.uint8).data
        places = (np.cumsum(sizes) - sizes).tolist()

        def fill(begin: int, end: int, place: int) -> None:
            part = self.get(address, begin, end, identity=identity)
            content[place : place + end - begin] = memoryview(part.content)

        if len(places) == 1:
            fill(int(begins[0]), int(ends[0]), 0)
        else:
            for _ in self._pool.map(fill, begins.tolist(), ends.tolist(), places):
                pass
        return content

    def names(self, folder: Address) -> tuple[list[str], list[str]]:
        """Return the names of folders and files in a folder of an S3 bucket.

        Raises
        ------
        SourceUnavailable
            If the server is unavailable or refuses access.
        """
        with _failures_translated(folder):
            found = obstore.list_with_delimiter(self._store(folder), folder.key or None)
        folders = [name.rpartition("/")[2] for name in found["common_prefixes"]]
        return folders, [entry["path"].rpartition("/")[2] for entry in found["objects"]]

    def _store(self, address: Address) -> _Store:
        claim_obstore()
        with self._lock:
            if address.server not in self._stores:
                self._stores[address.server] = self._connected(address.server)
            return self._stores[address.server]

    def _connected(self, server: str) -> _Store:
        """Connect to a server: takes 5 ms, since certificates are read."""
        scheme, _, bucket = server.partition("://")
        client: ClientConfig = {
            "allow_http": self._allows_http if scheme == "s3" else scheme == "http",
            "connect_timeout": timedelta(seconds=self.settings.connect_timeout_s),
            "timeout": timedelta(seconds=self.settings.timeout_s),
        }
        retry: RetryConfig = {
            "max_retries": self.settings.retries,
            "retry_timeout": timedelta(seconds=self.settings.retry_for_s),
        }
        if scheme == "s3":
            return S3Store(bucket, client_options=client, retry_config=retry)
        return HTTPStore.from_url(server, client_options=client, retry_config=retry)


def _identity(meta: "ObjectMeta") -> str:
    """Return an identity that changes with the content: ETag, or modification time, and size."""
    return f"{meta['e_tag'] or meta['last_modified'].isoformat()}-{meta['size']}"


@contextmanager
def _failures_translated(address: Address, *, is_open: bool = False) -> Iterator[None]:
    """Translate errors of a server into the domain's errors. The log names the server.

    Parameters
    ----------
    is_open
        Whether the file existed before and had the required length.
    """
    label = address.label
    try:
        yield
    except (FileNotFoundError, BaseError) as error:
        text = _LOGIN.sub("://***@", str(error).partition("\n\nDebug source:")[0])
        failure = _explained(error, text, label, is_open=is_open)
        level = logging.WARNING if isinstance(failure, SourceUnavailable) else logging.INFO
        _log.log(level, "%s: %s: %s", address.server, address.key, " ".join(text.split())[:500])
        raise failure from error
    except ValueError as error:  # of a key with an empty folder name
        raise TileUnreadable(f"{label}: its path is not valid on a server") from error


def _explained(
    error: Exception, text: str, label: str, *, is_open: bool
) -> TileUnreadable | SourceUnavailable:
    found = _STATUS.search(text)
    status = found[1] if found else ""
    if "<Code>NoSuchBucket</Code>" in text:
        return SourceUnavailable("the release's bucket is not there")
    if is_open and status == _BEYOND:
        return SourceUnavailable(f"{label}: {_REPLACED}")
    fault = _fault_of_file(error, status)
    if fault:
        return TileUnreadable(f"{label}: {fault}")
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return SourceUnavailable(f"{label}: its server refuses access")
    return SourceUnavailable(f"{label}: its server cannot be reached")


def _fault_of_file(error: Exception, status: str) -> str:
    """Return the error if retrying cannot help, otherwise an empty text."""
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return "no such file"
    if isinstance(error, NotSupportedError):
        return "its server sends whole files only (no HTTP ranges)"
    return "the file is empty" if status == _BEYOND else ""
