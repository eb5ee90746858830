"""Servers of files for tests: HTTP with ranges, which fails as told, and moto's S3.

Both run in threads of this process and count what they send.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, unquote

import requests
from typing_extensions import override

__all__ = ["Asked", "Fault", "FileServer", "S3Server", "started_s3"]

Fault = Literal["401", "403", "404", "429", "500", "503", "cut", "hang-up", "slow", "whole"]
"""How a request fails: with a status, in the middle of its answer, without any, after four
seconds, or by all of the file instead of a range."""

_SLOW_S = 4.0

_SIGNED = "AWS4-HMAC-SHA256 Credential=tester/20260101/us-east-1/s3/aws4_request"
"""moto asks who, and believes it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    path: str
    """As it was sent, quoted."""

    range: tuple[int, int] | None
    """First byte and the one after the last; None: the whole file."""

    headers: dict[str, str]


@dataclass(slots=True)
class FileServer:
    """Serves the files below a folder by HTTP; a context that listens while it is open."""

    folder: Path
    has_etags: bool = True
    faults: deque[Fault] = field(default_factory=deque)
    """What the next requests meet with, one each."""

    always: Fault | None = None
    """What all requests meet with."""

    is_away: bool = False
    """Whether all requests are hung up on; the port stays this server's."""

    before: Callable[[int], None] | None = None
    """Called with a request's number before it is answered."""

    asked: list[Asked] = field(default_factory=list)
    sent_bytes: int = 0
    """Bytes of files that were sent, without headers."""

    _server: ThreadingHTTPServer | None = None
    _port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def forget(self) -> None:
        """Count from nothing."""
        self.asked.clear()
        self.sent_bytes = 0

    def __enter__(self) -> Self:
        self._server = _Listener(("127.0.0.1", 0), type("Bound", (_Handler,), {"of": self}))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self.is_away = True  # for connections that are open
        self._server.shutdown()
        self._server.server_close()

    def note(self, asked: Asked) -> Fault | None:
        """Write down a request; gives what it meets with."""
        with self._lock:
            self.asked.append(asked)
            number = len(self.asked)
            fault = self.always or (self.faults.popleft() if self.faults else None)
        if self.before is not None:
            self.before(number)
        return fault

    def count(self, size_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += size_bytes


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    of: FileServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        server = self.of
        asked = Asked(self.path, self._range(), dict(self.headers.items()))
        fault = server.note(asked)
        if server.is_away or fault == "hang-up":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(_SLOW_S)
        if fault is not None and fault.isdecimal():
            self._answer(int(fault), b"it failed")
            return
        try:
            content = (server.folder / unquote(self.path).lstrip("/")).read_bytes()
        except OSError:
            self._answer(404, b"none")
            return
        self._send(content, None if fault == "whole" else asked.range, is_cut=fault == "cut")

    def _range(self) -> tuple[int, int] | None:
        text = self.headers.get("Range")
        if text is None:
            return None
        first, _, last = text.removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1

    def _send(self, content: bytes, part: tuple[int, int] | None, *, is_cut: bool) -> None:
        path = self.of.folder / unquote(self.path).lstrip("/")
        status = path.stat()
        headers = {"Last-Modified": formatdate(status.st_mtime, usegmt=True)}
        if self.of.has_etags:
            headers["ETag"] = f'"{status.st_ino}-{status.st_mtime_ns}"'
        if part is None:
            self._answer(200, content, headers)
            return
        first, end = part[0], min(part[1], len(content))
        if first >= len(content):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
        self._answer(206, content[first:end], headers, is_cut=is_cut)

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        is_cut: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if is_cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.of.count(len(body))
        self.wfile.write(body)
        self.wfile.flush()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""


@dataclass(slots=True)
class S3Server:
    """moto's S3 on a free port."""

    url: str
    asked: int = 0
    sent_bytes: int = 0
    """Bytes of answers, without headers."""

    def put(
        self, bucket: str, key: str = "", content: bytes = b"", *, is_public: bool = False
    ) -> None:
        """Store an object, or make a bucket."""
        headers = {"Authorization": _SIGNED}
        if is_public:
            headers["x-amz-acl"] = "public-read"
        url = f"{self.url}/{bucket}/{quote(key)}"
        answer = requests.put(url, content, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text

    def forget(self) -> None:
        """Count from nothing."""
        self.asked = self.sent_bytes = 0

    def environ(self) -> dict[str, str]:
        """Give the variables by which clients find this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def started_s3() -> Iterator[S3Server]:
    """Run an S3 server with nothing in it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        @override
        def log(self, type: str, message: str, *args: Any) -> None:
            """Write no log."""

    moto = DomainDispatcherApplication(create_backend_app)
    counted = S3Server("")
    lock = threading.Lock()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = b"".join(moto(environ, start_response))
        with lock:
            counted.asked += 1
            counted.sent_bytes += len(body)
        return [body]

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    counted.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
