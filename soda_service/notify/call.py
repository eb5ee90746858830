"""One POST to an untrusted address, with protection against misuse.

It reaches no internal address, follows no redirect, reads at most a kilobyte of the response, and
ends after a given time, however slowly bytes arrive.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from typing_extensions import override

from soda_service.notify.inside import resolve
from uws.errors import TransientError

__all__ = ["Call", "post"]

_ANSWER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Call:
    """Request to send, and its address."""

    url: str
    """Address, checked by `is_web_address`."""

    body: bytes
    headers: Mapping[str, str]


def post(call: Call, *, timeout_s: float, allow_private: bool) -> int:
    """Send the request; return the status of the response.

    Raises
    ------
    Undeliverable
        If the address is internal.
    TransientError
        If there was no response.
    """
    url = urlsplit(call.url)
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    host = url.hostname or ""
    addresses = resolve(host, port, allow_private=allow_private)
    # Proxies of the environment are not used: they could reach internal addresses for the caller.
    connection = _Connection(host, port, addresses, is_tls=is_tls, timeout_s=timeout_s)
    ending = threading.Timer(timeout_s, connection.cut)
    ending.daemon = True
    ending.start()
    try:
        connection.request("POST", _target(url), call.body, dict(call.headers))
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A socket that was cut raises one of several errors.
        reason = "no response in time" if connection.is_cut else str(error) or type(error).__name__
        raise TransientError(f"{host}: {reason}") from error
    finally:
        ending.cancel()
        connection.close()
    return answer.status


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


class _Connection(http.client.HTTPConnection):
    """A connection to checked addresses, with the host name from which they were resolved."""

    def __init__(
        self, host: str, port: int, addresses: tuple[str, ...], *, is_tls: bool, timeout_s: float
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        # Without this, the Host header would contain the default port of the scheme.
        self.default_port = 443 if is_tls else 80
        self._addresses = addresses
        self._is_tls = is_tls
        self.is_cut = False

    @override
    def connect(self) -> None:
        self.sock = self._open()
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def _open(self) -> socket.socket:
        """Connect to the first address that responds."""
        failure: OSError = OSError("no address")
        for address in self._addresses:
            if self.is_cut:
                break
            try:
                return socket.create_connection((address, self.port), timeout=self.timeout)
            except OSError as error:
                failure = error
        raise failure

    def cut(self) -> None:
        """Abort the connection; called from another thread."""
        self.is_cut = True
        with suppress(OSError):
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
