"""HTTP as it is on the wire: one connection a request, no redirect followed, nothing hidden."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

__all__ = ["Answer", "Form", "Part", "ask", "form_body", "multipart_body", "page_of"]

Form = Mapping[str, str | list[str]]
"""Fields of a form; a list is a repeated one."""

LIMIT_S = 120.0
"""Longest time until an answer; far beyond what it takes on an idle machine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def media_type(self) -> str:
        return self.content_type.partition(";")[0]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart body; one with a file name is an upload."""

    name: str
    content: bytes
    file_name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def page_of(answer: Answer) -> Answer:
    """Go on to the page that an application has in place of a document, where it has one."""
    if answer.status != 303:
        return answer
    return ask("GET", answer.location, headers={"Accept": "text/html"})


def ask(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request; give the answer as it came."""
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=LIMIT_S)
    try:
        target = f"{place.path}?{place.query}" if place.query else place.path
        connection.request(method, target or "/", body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def form_body(form: Form) -> tuple[bytes, dict[str, str]]:
    """Encode a form as browsers and curl do by default."""
    text = urlencode(form, doseq=True)
    return text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


def multipart_body(parts: Iterable[Part]) -> tuple[bytes, dict[str, str]]:
    """Encode parts as multipart/form-data."""
    boundary = secrets.token_hex(12)
    pieces = []
    for part in parts:
        file_name = f'; filename="{part.file_name}"' if part.file_name else ""
        lines = [f'Content-Disposition: form-data; name="{part.name}"{file_name}']
        lines += [f"{name}: {value}" for name, value in part.headers.items()]
        head = "\r\n".join([f"--{boundary}", *lines, "", ""])
        pieces.append(head.encode() + part.content + b"\r\n")
    body = b"".join(pieces) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
