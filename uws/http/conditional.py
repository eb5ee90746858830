"""Preconditions and ranges of bytes of an answer (RFC 9110, 13 and 14)."""

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Request, Response
from werkzeug.exceptions import PreconditionFailed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["answer_conditionally"]

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


def answer_conditionally(response: Response, request: Request) -> Response:
    """Answer 304 or a part where the request asks for it, else leave the response whole.

    Preconditions come before the range. Range headers that are malformed, of another unit, or of
    several ranges are passed over, as is any of a HEAD request.

    Parameters
    ----------
    response
        Whole, with its Content-Length, and its ETag and Last-Modified where it has any. Closed
        when this raises.
    request
        What was asked.

    Raises
    ------
    PreconditionFailed
        When the content has changed since the client saw it (412).
    RequestedRangeNotSatisfiable
        When the range lies outside the content (416).
    """
    environ: WSGIEnvironment = dict(request.environ)
    asked = environ.pop("HTTP_RANGE", "")
    response.accept_ranges = "bytes"
    try:
        _check_preconditions(response, request, environ)
        if request.method == "GET" and response.status_code == HTTPStatus.OK:
            _take_part(response, asked, environ)
    except BaseException:
        response.close()
        raise
    return response


def _check_preconditions(response: Response, request: Request, environ: "WSGIEnvironment") -> None:
    if environ.get("HTTP_IF_MATCH", "").strip() == "*":
        del environ[
            "HTTP_IF_MATCH"
        ]  # true of all that exists (13.1.1); werkzeug takes it for a tag
    response.make_conditional(environ)
    if response.status_code == HTTPStatus.PRECONDITION_FAILED or _is_changed(response, request):
        raise PreconditionFailed(
            "the content is not that which If-Match or If-Unmodified-Since names"
        )


def _is_changed(response: Response, request: Request) -> bool:
    """Evaluate If-Unmodified-Since, which gives way to If-Match (RFC 9110, 13.1.4)."""
    since, modified = request.if_unmodified_since, response.last_modified
    if "If-Match" in request.headers or since is None or modified is None:
        return False
    return modified > since


def _take_part(response: Response, asked: str, environ: "WSGIEnvironment") -> None:
    size_bytes = response.content_length
    canonical = _canonical_range(asked, size_bytes)
    if canonical is not None:
        part = {**environ, "HTTP_RANGE": canonical}
        response.make_conditional(part, accept_ranges=True, complete_length=size_bytes)


def _canonical_range(text: str, size_bytes: int) -> str | None:
    """Write a single range by its first byte, which werkzeug reads; None for any other header.

    werkzeug answers 416 to all that it cannot serve, also to the last 100 bytes of 6.
    """
    found = _ONE_RANGE.fullmatch(text.strip())
    if found is None or found.group(1, 2) == ("", ""):
        return None
    first, last = found.groups()
    if first:
        return None if last and int(last) < int(first) else f"bytes={first}-{last}"
    start = max(size_bytes - int(last), 0) if int(last) else size_bytes
    return f"bytes={start}-"
