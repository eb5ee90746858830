"""Servers of files, asked through obstore: HTTP and S3, their connections, failures and listings.

Connections are one pool for each server, and are made when first needed. obstore works in threads
of its own, which a forked process does not have: a request there would wait for ever. So no
process may ask a server before it forks; where one did, its child is told so.
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
    """Where a file (or a folder) lies."""

    server: str
    """`https://example.org` or `s3://bucket`: what connections are shared for."""

    key: str
    """Path there, as it is meant, not quoted, without `/` at its ends."""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read an address; that of an http server is quoted, that of S3 is not.

        Raises
        ------
        ConfigError
            When no server is named, the scheme is unknown, or there is a user name, which would
            come to light in logs.
        """
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        if scheme not in ("http", "https", "s3") or not host:
            raise ConfigError("an address of tiles is https://SERVER/... or s3://BUCKET/...")
        if "@" in host:
            raise ConfigError("an address of tiles has no user name and no password in it")
        if scheme != "s3":
            path = unquote(urlsplit(url).path)
        return cls(f"{scheme}://{host}", path.strip("/"))

    @property
    def label(self) -> str:
        """File name, for messages: they never tell a server's name or path."""
        return self.key.rpartition("/")[2]

    def joined(self, name: str) -> "Address":
        """Give what lies in this folder."""
        return Address(self.server, f"{self.key}/{name}".lstrip("/"))


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, and what the server said of the whole."""

    content: Buffer
    size_bytes: int
    """Of the whole file."""

    identity: str
    """Changes with the content: the ETag, or else the time of the last change, and the size."""


class Servers:
    """Connections to servers. Threads may share it; to other processes go its settings alone.

    Parameters
    ----------
    settings
        Times, tries and number of connections.
    environ
        Where the settings of S3 stand; obstore reads all but one (AWS_ALLOW_HTTP) by itself.
    """

    def __init__(self, settings: RemoteConfig, environ: Mapping[str, str] = os.environ) -> None:
        self.settings = settings
        self._allows_http = environ.get("AWS_ALLOW_HTTP", "").lower() in _YES
        self._stores: dict[str, _Store] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(settings.connections, "tiles")
        self._asked_by = 0
        """The process that asked first; 0: none did."""

    @override
    def __reduce__(self) -> tuple[type["Servers"], tuple[RemoteConfig]]:
        return Servers, (self.settings,)

    def get(self, address: Address, start: int, end: int, *, identity: str = "") -> Part:
        """Get bytes `start` to `end` (exclusive), or those that are there.

        Parameters
        ----------
        identity
            What the file must still be; nothing: whatever it is.

        Raises
        ------
        TileUnreadable
            When there is no such file, it ends before `start`, or the server gives no parts.
        SourceUnavailable
            When the server is away or refuses, or the file is another one by now.
        RuntimeError
            When this process was forked from one that had asked.
        """
        store = self._store(address)
        with _failures_told(address, is_open=bool(identity)):
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
        """Get ranges side by side, on as many connections as are allowed, and join them.

        Parameters
        ----------
        begins, ends : ndarray, int64, shape (n,)
            Ranges inside the file, none empty.
        identity
            What the file must still be.

        Returns
        -------
        content : memoryview
            The ranges, one after the other.

        Raises
        ------
        TileUnreadable, SourceUnavailable, RuntimeError
            As `get`.
        """
        self._store(address)  # before the pool is asked, which a fork has not
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
        """List a folder of an S3 bucket: names of the folders and of the files in it.

        Raises
        ------
        SourceUnavailable
            When the server is away or refuses.
        """
        with _failures_told(folder):
            found = obstore.list_with_delimiter(self._store(folder), folder.key or None)
        folders = [name.rpartition("/")[2] for name in found["common_prefixes"]]
        return folders, [entry["path"].rpartition("/")[2] for entry in found["objects"]]

    def _store(self, address: Address) -> _Store:
        with self._lock:
            if self._asked_by not in (0, os.getpid()):
                raise RuntimeError("servers of tiles were asked before this process was forked")
            self._asked_by = os.getpid()
            if address.server not in self._stores:
                self._stores[address.server] = self._connected(address.server)
            return self._stores[address.server]

    def _connected(self, server: str) -> _Store:
        """Make the connections of a server: 5 ms, since certificates are read."""
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
    """Tell a content from others by its ETag, or where there is none, by the time of change."""
    return f"{meta['e_tag'] or meta['last_modified'].isoformat()}-{meta['size']}"


@contextmanager
def _failures_told(address: Address, *, is_open: bool = False) -> Iterator[None]:
    """Turn what goes wrong at a server into the domain's errors; the log tells which server.

    Parameters
    ----------
    is_open
        Whether the file was there and as long as needed before.
    """
    label = address.label
    try:
        yield
    except (FileNotFoundError, BaseError) as error:
        text = _LOGIN.sub("://***@", str(error).partition("\n\nDebug source:")[0])
        told = _explained(error, text, label, is_open=is_open)
        level = logging.WARNING if isinstance(told, SourceUnavailable) else logging.INFO
        _log.log(level, "%s: %s: %s", address.server, address.key, " ".join(text.split())[:500])
        raise told from error
    except ValueError as error:  # of a key with an empty folder in it
        raise TileUnreadable(f"{label}: no server can be asked for its path") from error


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
    """Tell what trying again would not mend, or nothing."""
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return "no such file"
    if isinstance(error, NotSupportedError):
        return "its server gives whole files only (no HTTP ranges)"
    return "the file is empty" if status == _BEYOND else ""
