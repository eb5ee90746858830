"""Flask responses of the UWS tree: atoms, documents, redirects, files, errors."""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import wrap_file

from uws.errors import NotFoundError, UWSError, storage_error
from uws.files import JobFiles
from uws.http.conditional import answer_conditionally
from uws.incidents import log_bug
from uws.models import Job, Phase, Result
from uws.runtime import Runtime

__all__ = [
    "atom",
    "document",
    "internal_error",
    "protocol_error",
    "see_other",
    "send_content",
    "send_result",
    "send_stream",
    "send_upload",
    "streamed_document",
    "system_error",
    "uws_error",
]

_log = logging.getLogger(__name__)

_NO_GUESSING = {"X-Content-Type-Options": "nosniff"}
"""Sent with every response: text that quotes a client must not be read as a page."""

# A job's content is the client's: it must not run scripts as this site. Servers in front must pass
# these on where they send the file (docs/operate.md).
_UNTRUSTED = {
    **_NO_GUESSING,
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; sandbox",
}

_PIECE = 1 << 18

_ENDINGS = {"application/gzip": ".tar.gz", "application/zip": ".zip"}
"""Of the names of streamed results: compressed ones are trees of files."""


def atom(text: str) -> Response:
    """Answer one value as text, without a newline at its end (UWS-3)."""
    return _uncached(Response(text, content_type="text/plain; charset=utf-8"))


def document(body: bytes | str, media_type: str) -> Response:
    """Answer a document in the format that was negotiated."""
    return _negotiated(Response(body, content_type=_content_type(media_type)))


def streamed_document(pieces: Iterator[bytes], media_type: str) -> Response:
    """Answer a document piece by piece.

    The first piece is made before the answer begins, so that a store that is away is still an
    error and not half a document.
    """
    first = next(pieces)
    return _negotiated(Response(chain((first,), pieces), content_type=_content_type(media_type)))


def see_other(url: str) -> Response:
    """Answer a change of state: always 303, with an absolute address (UWS-51, UWS-T2)."""
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url})


def send_content(
    files: JobFiles, key: str, media_type: str, *, name: str = "", accel_prefix: str = ""
) -> Response:
    """Send a file of a job, with size, age, tag, and ranges of bytes where asked for.

    Parameters
    ----------
    files, key
        Which file.
    media_type
        Its Content-Type.
    name
        Under which it is saved; that of the file by default.
    accel_prefix
        Internal location under which a server in front (nginx) reaches local files by their
        keys; empty to send them from here.

    Raises
    ------
    NotFoundError
        When there is no such file.
    """
    try:
        stat = files.stat(key)
        if accel_prefix and files.path(key) is not None:
            response = Response(content_type=_content_type(media_type))
            response.headers["X-Accel-Redirect"] = f"{accel_prefix.rstrip('/')}/{quote(key)}"
        else:
            response = Response(direct_passthrough=True, content_type=_content_type(media_type))
            response.content_length = stat.size_bytes
            response.last_modified = stat.modified
            response.set_etag(f"{stat.modified.timestamp():.6f}-{stat.size_bytes}")
            answer_conditionally(response, request)
            _fill(response, files, key)
    except FileNotFoundError as error:
        raise NotFoundError("the content is not there any more") from error
    _uncached(response)
    response.headers.update(_UNTRUSTED)
    _name_file(response, "inline", name or PurePosixPath(key).name)
    return response


def send_upload(
    files: JobFiles, key: str, declared_type: str, *, name: str, accel_prefix: str = ""
) -> Response:
    """Send a file that a client sent, for saving; see `send_content`.

    Its media type is never the client's: that of a page would have browsers run its scripts in
    the name of this server. Text stays text, all else is bytes.
    """
    is_text = declared_type.lower().startswith("text/")
    media_type = "text/plain" if is_text else "application/octet-stream"
    response = send_content(files, key, media_type, accel_prefix=accel_prefix)
    _name_file(response, "attachment", name)
    return response


def _fill(response: Response, files: JobFiles, key: str) -> None:
    """Add a file, or the part to send, to a response whose headers are complete."""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        start, end = response.content_range.start or 0, response.content_range.stop or 0
        response.response = _part(files.open(key, start), end - start)
    elif response.status_code == HTTPStatus.OK and request.method != "HEAD":
        # Where the server can, it has the kernel send a local file: see wsgi.file_wrapper.
        response.response = wrap_file(request.environ, files.open(key))


def _part(stream: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the next `length` bytes of a stream, and close it."""
    with stream:
        while length and (piece := stream.read(min(length, _PIECE))):
            length -= len(piece)
            yield piece


def send_stream(
    pieces: Iterable[bytes],
    media_type: str,
    size_bytes: int | None,
    *,
    name: str,
    made: datetime | None = None,
) -> Response:
    """Send content that is made while it is sent, for saving.

    Parameters
    ----------
    size_bytes
        None where it is not known before the end.
    name
        Of the file to save it in, without its ending.
    made
        When the content became final; None if it may still change. Only final content has a tag and
        can be requested in parts. A part is cut from the whole as it is made: what comes before is
        discarded.
    """
    response = Response(pieces, content_type=_content_type(media_type))
    if size_bytes is not None:
        response.content_length = size_bytes
        if made is not None:
            response.last_modified = made
            response.set_etag(f"{made.timestamp():.6f}-{size_bytes}")
            answer_conditionally(response, request)
    _uncached(response)
    response.headers.update(_UNTRUSTED)
    _name_file(response, "attachment", f"{name}{_ENDINGS.get(media_type, '')}")
    return response


def inline_as(name: str) -> str:
    """Return the Content-Disposition of content to show, with its file name (RFC 6266).

    The name is written in both forms: curl knows the plain one only, and browsers decode the other.
    """
    plain = re.sub(r"[^ -~]|[\"\\\\%]", "_", name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='+')}"


def _name_file(response: Response, disposition: str, name: str) -> None:
    """Write under which name a browser saves the content (RFC 6266)."""
    key, text = ("filename", name) if name.isascii() else ("filename*", f"UTF-8''{quote(name)}")
    response.headers.set("Content-Disposition", disposition, **{key: text})


def uws_error(error: UWSError) -> Response:
    """Answer an error of ours: its text begins with its DALI label."""
    if error.is_transient:
        _log.warning("%s", error)
    response = _text_error(str(error), error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def system_error(error: OSError) -> Response:
    """Answer an OSError: 503 if disks or file servers are unavailable, otherwise as a bug."""
    away = storage_error(error)
    if away is None:
        return internal_error(error)
    _log.warning("storage: %s", error)
    return uws_error(away)


def protocol_error(error: HTTPException) -> Response:
    """Answer an error that flask found, as text with a DALI label."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    text = error.description or error.name
    limit = request.max_content_length
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and limit is not None:
        text = f"the body is larger than the limit of {limit} bytes"
    label = "UsageError" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Error"
    response = _text_error(f"{label}: {text}", status)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def internal_error(error: Exception) -> Response:
    """Answer a bug: the client gets a reference, the log the traceback under it."""
    reference = log_bug(f"internal error: {request.method} {request.path}", {}, error)
    return _text_error(
        f"Error: internal error, reference {reference}", HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _text_error(text: str, status: int) -> Response:
    return _uncached(Response(f"{text}\n", status, content_type="text/plain; charset=utf-8"))


def _content_type(media_type: str) -> str:
    needs_charset = media_type.startswith("text/") and "charset" not in media_type
    return f"{media_type}; charset=utf-8" if needs_charset else media_type


def _negotiated(response: Response) -> Response:
    response.vary.add("Accept")
    return _uncached(response)


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.update(_NO_GUESSING)
    return response


def send_result(runtime: Runtime, job: Job, result: Result, *, accel_prefix: str = "") -> Response:
    """Send a result: a file, or what the job type makes of it while it is sent.

    Parameters
    ----------
    accel_prefix
        See `send_content`.
    """
    pieces = runtime.job_types[job.job_type].stream_result(job, result, runtime.files)
    if pieces is None:
        return send_content(runtime.files, result.key, result.media_type, accel_prefix=accel_prefix)
    # Content is final only once the job is done: until then a part could be of other content.
    made = job.end_time if job.phase == Phase.COMPLETED else None
    return send_stream(pieces, result.media_type, result.size_bytes, name=job.id, made=made)
