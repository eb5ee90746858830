"""Query strings and request bodies as streams of fields: memory never grows with the body.

werkzeug reads a urlencoded body whole, several times over; a million positions sent that way
would be a gigabyte of memory.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Protocol, cast
from urllib.parse import unquote_to_bytes

from typing_extensions import Buffer, override
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData
from werkzeug.sansio.multipart import Field as TextPart
from werkzeug.wrappers import Request

from uws.errors import TooLargeError, UsageError

__all__ = ["FIELDS_MAX", "FORM_TYPES", "Field", "bare_field", "form_fields", "whole_body"]

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
"""Encodings in which parameters are accepted (DALI-2)."""

FIELDS_MAX = 10_000
"""Fields of one request; a parameter may be repeated by the thousand."""

_PIECE = 64 * 1024  # bytes read at a time
_NAME_MAX = 4096  # bytes of a urlencoded name
_HEADERS_MAX = 1024 * 1024  # bytes of a multipart body that may wait for the end of its headers


class _Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Field:
    """One named value of a request, its content still arriving."""

    name: str
    """As sent."""

    content: Iterator[bytes]
    """To be read before the next field; the rest is skipped."""

    is_file: bool = False
    """True for a part that has, or could have had, a file name."""

    media_type: str = ""
    """As sent; empty where nothing was said."""


class _Body(io.RawIOBase):
    """The body of a request; its end is an error unless all that was announced has come.

    Servers that end the body themselves (`wsgi.input_terminated`) show a lost connection as an
    end, and werkzeug then leaves the length unchecked.
    """

    def __init__(self, request: Request) -> None:
        self._stream = request.stream
        self._announced_bytes = request.content_length
        self._count_bytes = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer)
        try:
            piece = self._stream.read(len(target))
        except RequestEntityTooLarge:
            raise
        except Exception as error:  # WSGI names none; gunicorn's for bad chunks is a plain one
            raise self._fault() from error
        target[: len(piece)] = piece
        self._count_bytes += len(piece)
        if target and not piece and self._count_bytes < (self._announced_bytes or 0):
            raise self._fault()
        return len(piece)

    def _fault(self) -> UsageError:
        if self._announced_bytes is None:
            return UsageError("the body cannot be read; it broke off, or its chunks are malformed")
        return UsageError(
            f"the body ends too early: {self._count_bytes} bytes came, "
            f"Content-Length announces {self._announced_bytes}"
        )


def whole_body(request: Request) -> IO[bytes]:
    """Return the body of a request as a stream that is never shorter than announced.

    Raises
    ------
    UsageError
        When reading: the connection was lost before the end, or the chunks are malformed.
    """
    return cast("IO[bytes]", _Body(request))


def form_fields(request: Request) -> Iterator[Field]:
    """Return the fields of query string and body, in that order (DALI-4).

    The body is read as it arrives, so nobody may have touched `request.form` before.

    Raises
    ------
    UsageError
        When the body is in no form encoding, breaks its rules, or is shorter than announced.
    TooLargeError
        When a multipart body has more than `FIELDS_MAX` parts, or one without end of its headers.
    """
    for name, value in request.args.items(multi=True):
        yield Field(name, iter((value.encode(),)))
    body = whole_body(request)
    if request.mimetype == "application/x-www-form-urlencoded":
        yield from _urlencoded(body)
    elif request.mimetype == "multipart/form-data":
        yield from _multipart(body, request.mimetype_params.get("boundary", ""))
    elif body.read(1):
        found = f"is {request.mimetype}" if request.mimetype else "has no Content-Type"
        raise UsageError(f"the body {found}; parameters are sent as {' or '.join(FORM_TYPES)}")


def bare_field(request: Request, name: str) -> Field:
    """Return the whole body as the value of one parameter (PUT, UWS-49).

    Reading the content raises `UsageError` where the body is shorter than announced.
    """
    body = whole_body(request)
    content = iter(lambda: body.read(_PIECE), b"")
    # By default curl labels every body a form; here it is the bare value.
    if request.mimetype in ("", "text/plain", "application/x-www-form-urlencoded"):
        return Field(name, content)
    return Field(name, content, is_file=True, media_type=request.content_type or "")


class _Urlencoded:
    """`name=value&name=value` of any length, taken from a stream piece by piece."""

    def __init__(self, stream: _Reader) -> None:
        self._stream = stream
        self._buffer = b""

    def _fill(self) -> bool:
        piece = self._stream.read(_PIECE)
        self._buffer += piece
        return bool(piece)

    def fields(self) -> Iterator[Field]:
        while self._skip_separators():
            name, has_value = self._take_name()
            content = self._take_value() if has_value else iter(())
            yield Field(name, content)
            _drain(content)

    def _skip_separators(self) -> bool:
        """Pass over a run of `&`, be it a megabyte long; False at the end of the body."""
        while True:
            self._buffer = self._buffer.lstrip(b"&")
            if self._buffer or not self._fill():
                return bool(self._buffer)

    def _take_name(self) -> tuple[str, bool]:
        """Read a name and its `=` or `&`; return whether a value follows."""
        while (end := _first_of(self._buffer, b"=&")) < 0:
            if len(self._buffer) > _NAME_MAX:
                raise UsageError(
                    f"the body is no form: no '=' within {_NAME_MAX} bytes; "
                    "send NAME=value, joined by '&'"
                )
            if not self._fill():
                end = len(self._buffer)
                break
        name, mark = self._buffer[:end], self._buffer[end : end + 1]
        self._buffer = self._buffer[end + 1 :]
        return _decode(name).decode(errors="replace"), mark == b"="

    def _take_value(self) -> Iterator[bytes]:
        """Read a value up to and including its `&`, or to the end of the body."""
        while True:
            end = self._buffer.find(b"&")
            if end >= 0:
                value, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
                yield _decode(value)
                return
            # An escape (%2B) may be cut in two by the end of the piece.
            cut = len(self._buffer)
            if b"%" in self._buffer[-2:]:
                cut = self._buffer.rindex(b"%")
            value, self._buffer = self._buffer[:cut], self._buffer[cut:]
            yield _decode(value)
            if not self._fill():
                yield _decode(self._buffer)
                self._buffer = b""
                return


def _urlencoded(stream: _Reader) -> Iterator[Field]:
    return _Urlencoded(stream).fields()


def _decode(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _first_of(data: bytes, marks: bytes) -> int:
    found = [at for mark in marks if (at := data.find(mark)) >= 0]
    return min(found, default=-1)


def _multipart(stream: _Reader, boundary: str) -> Iterator[Field]:
    if not boundary:
        raise UsageError("the multipart/form-data body has no boundary in its Content-Type")
    events = _multipart_events(stream, boundary.encode())
    parts = (event for event in events if not isinstance(event, Data))
    for count, event in enumerate(parts, start=1):
        # Counted here too, since those that are passed over below are no fields.
        if count > FIELDS_MAX:
            raise TooLargeError(f"more than {FIELDS_MAX} parts in one body")
        content = _content(events)
        if isinstance(event, File) and not event.filename:
            # A browser sends an empty part without a name for a file that was not chosen.
            start = next((piece for piece in content if piece), None)
            if start is None:
                continue
            content = chain((start,), content)
        media_type = event.headers.get("content-type", "")
        is_file = isinstance(event, File)
        yield Field(event.name or "", content, is_file=is_file, media_type=media_type)
        _drain(content)


def _multipart_events(stream: _Reader, boundary: bytes) -> Iterator[TextPart | File | Data]:
    decoder = MultipartDecoder(boundary, max_form_memory_size=_HEADERS_MAX)
    event: Event | None = None
    while not isinstance(event, Epilogue):
        piece = stream.read(_PIECE)
        try:
            decoder.receive_data(piece or None)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                if isinstance(event, TextPart | File | Data):
                    yield event
        except RequestEntityTooLarge as error:
            raise TooLargeError(
                "the multipart/form-data body cannot be read: no part whose headers end within "
                f"{_HEADERS_MAX} bytes"
            ) from error
        except ValueError as error:
            raise UsageError(f"the multipart/form-data body cannot be read: {error}") from error


def _content(events: Iterator[TextPart | File | Data]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Data):
            yield event.data
            if not event.more_data:
                return


def _drain(content: Iterable[bytes]) -> None:
    for _ in content:
        pass
