"""Bodies that break off: refused whatever the server makes of a lost connection."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from uws.errors import UsageError
from uws.http.formdata import bare_field, form_fields
from uws.http.intake import Intake
from uws.localfiles import LocalFiles

FORM = "application/x-www-form-urlencoded"
MULTIPART_TYPE = "multipart/form-data; boundary=xx"
MULTIPART = (
    b'--xx\r\nContent-Disposition: form-data; name="A"\r\n\r\none\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="T"; filename="t.csv"\r\n\r\nRA,DEC\r\n1,2\r\n'
    b"\r\n--xx--\r\n"
)

Cut = Callable[[bytes, str, int], Request]


def posted(
    body: bytes, content_type: str, *, announced: int | None = None, is_terminated: bool = True
) -> Request:
    """Make a request; `is_terminated` says that the server ends the body, as gunicorn does."""
    environ = EnvironBuilder(method="POST").get_environ()
    environ |= {"CONTENT_TYPE": content_type, "wsgi.input": io.BytesIO(body)}
    environ.pop("CONTENT_LENGTH", None)
    environ |= {} if announced is None else {"CONTENT_LENGTH": str(announced)}
    environ |= {"wsgi.input_terminated": True} if is_terminated else {}
    return Request(environ)


def read(request: Request) -> list[bytes]:
    return [b"".join(field.content) for field in form_fields(request)]


@pytest.fixture(params=[True, False], ids=["server ends the body", "werkzeug does"])
def cut(request: pytest.FixtureRequest) -> Callable[[bytes, str, int], Request]:
    """Give what makes a request whose body ends before its announced length."""

    def make(body: bytes, content_type: str, announced: int) -> Request:
        return posted(body, content_type, announced=announced, is_terminated=request.param)

    return make


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(FORM, body) for body in (b"", b"A=1&B", b"A=1&B=", b"A=1&B=2", b"A=1&B=2&", b"A=%2")]
    + [(MULTIPART_TYPE, MULTIPART[:length]) for length in (0, 5, 70, 150)]
    + [("application/json", b"")],
)
def test_a_form_that_breaks_off_is_refused(cut: Cut, body: bytes, content_type: str) -> None:
    with pytest.raises(UsageError, match=r"^UsageError: the body ends too early"):
        read(cut(body, content_type, 200))


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "text/csv", ""])
@pytest.mark.parametrize("body", [b"", b"RA,DEC\n1,2\n", b"x" * 200_000], ids=len)
def test_a_bare_value_that_breaks_off_is_refused(cut: Cut, body: bytes, content_type: str) -> None:
    field = bare_field(cut(body, content_type, len(body) + 1), "P")
    with pytest.raises(UsageError, match=r"^UsageError: the body ends too early"):
        b"".join(field.content)


def test_what_broke_off_is_told_with_both_lengths() -> None:
    with pytest.raises(UsageError) as caught:
        read(posted(b"A=1", FORM, announced=9000))
    assert str(caught.value) == (
        "UsageError: the body ends too early: 3 bytes came, Content-Length announces 9000"
    )


class Broken:
    """A body that a server cannot read: chunks that are malformed, a connection that is lost."""

    def __init__(self, error: Exception) -> None:
        self._body = io.BytesIO(b"A=1&B=2")
        self._error = error

    def read(self, size: int) -> bytes:
        if piece := self._body.read(size):
            return piece
        raise self._error


@pytest.mark.parametrize("error", [Exception("bad chunk"), ConnectionResetError(), ValueError("x")])
@pytest.mark.parametrize("size_max", [None, 1000])
def test_a_body_that_cannot_be_read_is_the_clients_fault(
    error: Exception, size_max: int | None
) -> None:
    request = posted(b"", FORM)
    request.environ["wsgi.input"] = Broken(error)
    request.max_content_length = size_max
    with pytest.raises(UsageError, match=r"^UsageError: the body cannot be read"):
        read(request)


def test_a_body_beyond_the_limit_is_still_too_large() -> None:
    request = posted(b"A=" + b"1" * 5000, FORM)
    request.max_content_length = 1000
    with pytest.raises(RequestEntityTooLarge):
        read(request)


def test_values_before_the_break_are_removed_again(cut: Cut, tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    body = b"A=" + b"1" * 1000 + b"&B=" + b"2" * 1000
    with pytest.raises(UsageError, match="ends too early"):
        Intake(100, files, job_id="job").take(form_fields(cut(body, FORM, 9000)))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
