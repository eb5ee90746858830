"""Bodies of requests become parameters: any encoding, any length, piece by piece."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from uws.errors import NotFoundError, TooLargeError, UsageError
from uws.http import formdata
from uws.http.formdata import FIELDS_MAX, Field, bare_field, form_fields
from uws.http.intake import FILES_MAX, INLINE_TOTAL_MAX, Intake
from uws.localfiles import LocalFiles
from uws.models import Parameter

INLINE_MAX = 100


# ------------------------------------------------------------------ bodies


class _Dripping(io.BytesIO):
    """A body that arrives in pieces of three bytes, as from a slow client."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size) if size and size > 0 else 3)


def _post(
    body: bytes, content_type: str | None, *, query: str = "", is_dripping: bool = True
) -> Request:
    builder = EnvironBuilder(method="POST", data=body, query_string=query)
    environ = builder.get_environ()
    environ["CONTENT_TYPE"] = content_type or ""
    environ["wsgi.input"] = _Dripping(body) if is_dripping else io.BytesIO(body)
    return Request(environ)


def _fields(request: Request) -> list[tuple[str, bytes, bool, str]]:
    return [
        (field.name, b"".join(field.content), field.is_file, field.media_type)
        for field in form_fields(request)
    ]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"&&", []),
        (b"&&&A=1&&&&&B=2&&", [("A", b"1"), ("B", b"2")]),
        (b"=&=1", [("", b""), ("", b"1")]),
        (b"A=1", [("A", b"1")]),
        (b"A=1&b=2&A=", [("A", b"1"), ("b", b"2"), ("A", b"")]),
        (b"A", [("A", b"")]),
        (b"A&B=1", [("A", b""), ("B", b"1")]),
        (b"A=x=y", [("A", b"x=y")]),
        (b"POS=1+2%2B3%0A%e2%82%ac", [("POS", b"1 2+3\n\xe2\x82\xac")]),
        (b"A=%zz%2", [("A", b"%zz%2")]),
        (b"A=%", [("A", b"%")]),
        (b"A=%FF%00", [("A", b"\xff\x00")]),
        (b"%41=1", [("A", b"1")]),
    ],
)
def test_urlencoded_bodies_are_read_piece_by_piece(
    body: bytes, fields: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for piece in (1, 2, 3, 64):
        monkeypatch.setattr(formdata, "_PIECE", piece)
        found = [(name, content) for name, content, *_ in _fields(_post(body, FORM))]
        assert found == fields


def test_a_body_that_is_no_form_is_refused_before_it_is_read() -> None:
    with pytest.raises(UsageError, match="no '=' within 4096 bytes"):
        _fields(_post(b"RA,DEC\n" * 2000, FORM))


class _Counted(bytes):
    """A body whose bytes are counted as they are copied out of it, slice by slice."""

    copied = 0

    def __getitem__(self, part: Any) -> Any:
        found = super().__getitem__(part)
        if isinstance(part, slice):
            _Counted.copied += len(found)
            return _Counted(found)
        return found

    def __add__(self, other: bytes) -> "_Counted":
        return _Counted(super().__add__(other))


def test_a_long_run_of_separators_is_passed_over_in_one_go() -> None:
    body = _Counted(b"&" * 20_000 + b"A=1")
    reader = formdata._Urlencoded(io.BytesIO())
    reader._buffer = body
    assert [(field.name, b"".join(field.content)) for field in reader.fields()] == [("A", b"1")]
    assert _Counted.copied < 100


@pytest.mark.parametrize(
    ("content_type", "found"),
    [("application/json", "is application/json"), (None, "has no Content-Type")],
)
def test_other_bodies_are_refused_with_what_is_allowed(
    content_type: str | None, found: str
) -> None:
    with pytest.raises(UsageError) as caught:
        _fields(_post(b'{"A": 1}', content_type))
    assert str(caught.value) == (
        f"UsageError: the body {found}; parameters are sent as "
        "application/x-www-form-urlencoded or multipart/form-data"
    )


def test_an_empty_body_of_any_type_is_no_body() -> None:
    assert _fields(_post(b"", "application/json")) == []


def test_dali_4_query_and_body_are_merged() -> None:
    request = _post(b"B=2", FORM, query="A=1+%2B&a=")
    assert [(name, content) for name, content, *_ in _fields(request)] == [
        ("A", b"1 +"),
        ("a", b""),
        ("B", b"2"),
    ]


MULTIPART = (
    b'--xx\r\nContent-Disposition: form-data; name="A"\r\n\r\none\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="T"; filename="t.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\nRA,DEC\r\n1,2\r\n\r\n"
    b'--xx\r\nContent-Disposition: form-data; name="UNUSED"; filename=""\r\n\r\n\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="EMPTY"; filename="e"\r\n\r\n\r\n'
    b"--xx--\r\n"
)


def test_multipart_bodies_are_read_piece_by_piece() -> None:
    assert _fields(_post(MULTIPART, "multipart/form-data; boundary=xx")) == [
        ("A", b"one", False, ""),
        ("T", b"RA,DEC\r\n1,2\r\n", True, "text/csv"),
        ("EMPTY", b"", True, ""),
    ]


MULTIPART_TYPE = "multipart/form-data; boundary=xx"


def test_a_multipart_body_without_end_of_headers_is_refused_by_the_limit_that_it_broke() -> None:
    request = _post(b"--xx\r\nX: " + b"a" * 2_000_000, MULTIPART_TYPE, is_dripping=False)
    with pytest.raises(TooLargeError) as caught:
        _fields(request)
    assert str(caught.value) == (
        "UsageError: the multipart/form-data body cannot be read: no part whose headers end "
        "within 1048576 bytes"
    )


def test_parts_that_are_no_fields_are_counted_too() -> None:
    unchosen = b'--xx\r\nContent-Disposition: form-data; name="U"; filename=""\r\n\r\n\r\n'
    body = unchosen * (FIELDS_MAX + 1) + b"--xx--\r\n"
    request = _post(body, MULTIPART_TYPE, is_dripping=False)
    with pytest.raises(TooLargeError, match="more than 10000 parts in one body"):
        _fields(request)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (MULTIPART, "multipart/form-data"),
        (MULTIPART, "multipart/form-data; boundary=yy"),
        (MULTIPART[:-10], "multipart/form-data; boundary=xx"),
        (b"--xx\r\nX: 1\r\n\r\nno name\r\n--xx--\r\n", "multipart/form-data; boundary=xx"),
        (b"A=1", "multipart/form-data; boundary=xx"),
    ],
    ids=["no boundary", "other boundary", "cut", "no disposition", "urlencoded"],
)
def test_broken_multipart_bodies_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(UsageError, match=r"^UsageError: the multipart/form-data body "):
        _fields(_post(body, content_type))


def test_a_content_that_nobody_reads_is_skipped() -> None:
    request = _post(b"A=" + b"1" * 5000 + b"&B=2", FORM)
    assert [field.name for field in form_fields(request)] == ["A", "B"]


@pytest.mark.parametrize(
    ("content_type", "field"),
    [
        ("", ("P", False, "")),
        ("text/plain; charset=utf-8", ("P", False, "")),
        (FORM, ("P", False, "")),
        ("text/csv", ("P", True, "text/csv")),
    ],
)
def test_uws_49_a_put_body_is_the_bare_value(
    content_type: str, field: tuple[str, bool, str]
) -> None:
    found = bare_field(_post(b"a=b&c", content_type), "P")
    assert (found.name, found.is_file, found.media_type) == field
    assert b"".join(found.content) == b"a=b&c"


# ------------------------------------------------------------------ intake


def _field(name: str, content: bytes, *, is_file: bool = False, media_type: str = "") -> Field:
    pieces = (content[at : at + 7] for at in range(0, len(content), 7))
    return Field(name, pieces, is_file=is_file, media_type=media_type)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def intake(files: LocalFiles) -> Intake:
    return Intake(INLINE_MAX, files, job_id="job")


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "A.2", "1A", "Ä", "a\0", "A" * 129])
def test_bad_names_are_refused_and_files_written_so_far_removed(
    intake: Intake, files: LocalFiles, name: str
) -> None:
    allowed = "a name has letters, digits, blanks, '_', '-', ':' and begins with a letter or '_'$"
    with pytest.raises(UsageError, match=f"^UsageError: parameter name .*{allowed}"):
        intake.take([_field("A", b"x" * 1000), _field(name, b"1")])
    assert list(files.keys("job")) == []


def test_a_blank_in_a_name_is_taken(intake: Intake) -> None:
    """vo F9: the id of a parameter is any string (UWS 1.1, appendix B); who runs the job judges."""
    intake.take([_field(" a b ", b"1"), _field("C D", b"x" * 1000)])
    assert [(each.name, each.by_reference) for each in intake.parameters] == [
        ("A B", False),
        ("C D", True),
    ]


def test_too_many_fields_are_refused(intake: Intake) -> None:
    with pytest.raises(TooLargeError, match="more than 10000 parameters"):
        intake.take(_field("A", b"1") for _ in range(FIELDS_MAX + 1))


@pytest.mark.parametrize(
    "field",
    [_field("A", b"x" * 101), _field("A", b"1", is_file=True), _field("A", b"x" * 401 + b"\0")],
    ids=["long", "file", "long and odd"],
)
def test_without_a_job_only_short_text_is_taken(field: Field) -> None:
    with pytest.raises(TooLargeError, match="A: must be a text of at most 100 characters"):
        Intake(INLINE_MAX).take([field])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"a\0", "A: the control character U\\+0000 is not allowed in a text"),
        (b"\x1b[31m", "A: the control character U\\+001B is not allowed in a text"),
        (b"\xff", "A: must be a text in UTF-8"),
    ],
)
def test_without_a_job_control_characters_are_named(value: bytes, message: str) -> None:
    """Security L4: a NUL was refused by 413 and the words `at most 100000 characters`."""
    with pytest.raises(UsageError, match=message) as refusal:
        Intake(INLINE_MAX).take([_field("A", value)])
    assert refusal.value.status == 400


def test_short_text_stays_text_under_its_upper_case_name(intake: Intake) -> None:
    intake.take([_field("word", "\N{EURO SIGN}".encode() * 100), _field("Word", b"\r\n")])
    assert intake.parameters == [
        Parameter("WORD", "\N{EURO SIGN}" * 100),
        Parameter("WORD", "\r\n"),
    ]


@pytest.mark.parametrize(
    "content",
    [b"x" * 101, b"x" * 100_000, "\N{EURO SIGN}".encode() * 101, b"a\0b", b"\xff\xfe", b"\x1b[0m"],
    ids=["long", "very long", "long in characters", "NUL", "not UTF-8", "control"],
)
def test_uws_27_other_content_is_kept_byte_for_byte(
    intake: Intake, files: LocalFiles, content: bytes
) -> None:
    intake.take([_field("P", content)])
    (parameter,) = intake.parameters
    key = parameter.value
    assert re.fullmatch(r"job/\.uws/parameters/P\.[0-9a-f]{16}", key)
    assert parameter == Parameter("P", key, by_reference=True, media_type="text/plain")
    with files.open(key) as stream:
        assert stream.read() == content


def test_uws_50_files_are_kept_with_their_type(intake: Intake, files: LocalFiles) -> None:
    intake.take(
        [
            _field("p", b"1", is_file=True, media_type="text/csv; header=present"),
            _field("P", b"2", is_file=True, media_type="not a type"),
        ]
    )
    types = [(item.name, item.by_reference, item.media_type) for item in intake.parameters]
    assert types == [
        ("P", True, "text/csv; header=present"),
        ("P", True, "application/octet-stream"),
    ]
    assert sorted(item.value for item in intake.parameters) == list(files.keys("job"))


def test_intakes_at_the_same_moment_do_not_touch_each_others_files(files: LocalFiles) -> None:
    first, second = (Intake(INLINE_MAX, files, job_id="job") for _ in range(2))
    first.take([_field("P", b"1", is_file=True)])
    second.take([_field("P", b"2", is_file=True)])
    second.discard()
    assert list(files.keys("job")) == [first.parameters[0].value]


def test_files_are_on_disk_before_they_are_promised(
    files: LocalFiles, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    real = files.writer

    def writer(key: str, *, durable: bool = False) -> Any:
        asked.append(durable)
        return real(key)

    monkeypatch.setattr(files, "writer", writer)
    intake.take([_field("P", b"1", is_file=True)])
    assert asked == [True]


def test_values_beyond_the_jobs_total_are_kept_by_reference(files: LocalFiles) -> None:
    size = INLINE_TOTAL_MAX // 4
    held = [Parameter("A", "x" * size), Parameter("B", "y" * INLINE_TOTAL_MAX, by_reference=True)]
    intake = Intake(size, files, job_id="job", held=held)
    intake.take([Field("C", iter([b"x" * size])) for _ in range(4)])
    assert [item.by_reference for item in intake.parameters] == [False, False, False, True]
    intake.take([_field("D", b"")])
    assert not intake.parameters[-1].by_reference


def test_too_many_files_are_refused_and_removed(files: LocalFiles) -> None:
    intake = Intake(INLINE_MAX, files, job_id="job")
    with pytest.raises(TooLargeError, match="P: more than 1000 long values or files"):
        intake.take(_field("P", b"1", is_file=True) for _ in range(FILES_MAX + 1))
    assert list(files.keys("job")) == []


def test_an_upload_whose_job_is_deleted_meanwhile_is_not_found(
    files: LocalFiles, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.writer

    @contextmanager
    def writer(key: str, *, durable: bool = False) -> Iterator[BinaryIO]:
        with real(key, durable=durable) as stream:
            yield stream
            files.delete("job")

    monkeypatch.setattr(files, "writer", writer)
    with pytest.raises(NotFoundError, match="job job was deleted meanwhile"):
        intake.take([_field("P", b"1", is_file=True)])
