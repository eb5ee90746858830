"""One POST to an address of somebody else's, with all that such an address is not trusted with.

Nothing inside is reached, no redirect followed, no more than a kilobyte of the answer read, and
all is over in a given time, however slowly bytes trickle in.
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
    """What is sent, and where to."""

    url: str
    """Of parameters.parsing.is_web_address."""

    body: bytes
    headers: Mapping[str, str]


def post(call: Call, *, timeout_s: float, allow_private: bool) -> int:
    """Send it; give the status of the answer.

    Raises
    ------
    Undeliverable
        When the address is inside.
    TransientError
        When there was no answer.
    """
    url = urlsplit(call.url)
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    host = url.hostname or ""
    addresses = resolve(host, port, allow_private=allow_private)
    # Proxies of the environment are left aside: they would reach what is inside for us.
    connection = _Connection(host, port, addresses, is_tls=is_tls, timeout_s=timeout_s)
    ending = threading.Timer(timeout_s, connection.cut)
    ending.daemon = True
    ending.start()
    try:
        connection.request("POST", _target(url), call.body, dict(call.headers))
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A socket that was cut is told as closed in several ways.
        told = "no answer in time" if connection.is_cut else str(error) or type(error).__name__
        raise TransientError(f"{host}: {told}") from error
    finally:
        ending.cancel()
        connection.close()
    return answer.status


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were looked at, under the name they were found by."""

    def __init__(
        self, host: str, port: int, addresses: tuple[str, ...], *, is_tls: bool, timeout_s: float
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        # So that the Host header leaves the scheme's own port out.
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
        """Connect to the first address that answers."""
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
        """End whatever goes on; called from another thread."""
        self.is_cut = True
        with suppress(OSError):
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
