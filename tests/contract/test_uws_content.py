"""What goes into jobs and comes out, beyond the rules of UWS (`rules/`)."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.toyjob import ToyJob
from tests.uws_runtime import bring_to
from tests.uws_web import BASE_URL, UWS, Web, assert_text_error, open_web
from uws.errors import TransientError
from uws.models import Phase
from uws.runtime import JobLimits

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return open_web(tmp_path)


def _parameters(web: Web, path: str) -> list[tuple[str, str | None, str | None]]:
    return [
        (child.get("id"), child.get("byReference"), child.text)
        for child in web.document(f"{path}/parameters")
    ]


def _create(web: Web, **options: Any) -> str:
    answer = web.client.post("/async", **options)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix(BASE_URL)


# ------------------------------------------------------- bodies and parameters


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (
            {"json": {"WORD": "sky"}},
            400,
            (
                "UsageError: the body is application/json; parameters are sent as "
                "application/x-www-form-urlencoded or multipart/form-data"
            ),
        ),
        (
            {"data": b"RA,DEC\n1,2\n", "content_type": "text/csv"},
            400,
            (
                "UsageError: the body is text/csv; parameters are sent as "
                "application/x-www-form-urlencoded or multipart/form-data"
            ),
        ),
        (
            {"data": b"x", "content_type": "multipart/form-data; boundary=y"},
            400,
            (
                "UsageError: the multipart/form-data body cannot be read: "
                "Invalid form-data cannot parse beyond State.PREAMBLE"
            ),
        ),
        (
            {"data": {"T": (io.BytesIO(b"1" * 5000), "t.csv"), "a/b": "1"}},
            400,
            (
                "UsageError: parameter name 'a/b': a name has letters, digits, blanks, '_', '-', "
                "':' and begins with a letter or '_'"
            ),
        ),
        (
            {"data": {"T": (io.BytesIO(b"1" * 5000), "t.csv"), "PHASE": "RUN"}},
            400,
            (
                "UsageError: unknown parameter T; allowed are WORD, TIMES, CHUNKS, FAIL, SLEEP; "
                "WORD is missing"
            ),
        ),
        (
            {"data": b"T=" + b"1" * 20_000_000, "content_type": FORM},
            413,
            "UsageError: the body is larger than the limit of 20000000 bytes",
        ),
    ],
    ids=["json", "csv", "broken", "name", "refused at run", "large"],
)
def test_uws_39_a_refused_body_leaves_neither_job_nor_files(
    web: Web, options: dict[str, Any], status: int, text: str
) -> None:
    assert_text_error(web.client.post("/async", **options), status, text)
    assert web.ids() == []
    assert web.kept() == []


def test_uws_27_a_10_mb_form_value_is_kept_by_reference(web: Web) -> None:
    table = "RA,DEC\r\n" + "12.5,-3.25\r\n" * 900_000
    path = _create(web, data={"POSITIONS": table})
    url = f"{BASE_URL}{path}/parameters/POSITIONS"
    assert _parameters(web, path) == [("POSITIONS", "true", url)]
    answer = web.client.get(f"{path}/parameters/POSITIONS")
    assert answer.text == table
    assert answer.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("value", ["a\0b", "\x1b[0m", "\ufffe"])
def test_uws_27_what_xml_cannot_hold_is_kept_by_reference(web: Web, value: str) -> None:
    path = _create(web, data={"WORD": value})
    url = f"{BASE_URL}{path}/parameters/WORD"
    assert _parameters(web, path) == [("WORD", "true", url)]
    assert web.client.get(f"{path}/parameters/WORD").text == value


def test_uws_50_uploads_are_served_back(web: Web) -> None:
    data = bytes(range(256)) * 100
    parts = [(io.BytesIO(data), "a.vot", "application/x-votable+xml"), (io.BytesIO(b""), "b")]
    path = _create(web, data={"WORD": "sky", "table": parts})
    url = f"{BASE_URL}{path}/parameters"
    assert sorted(_parameters(web, path)) == [
        ("TABLE", "true", f"{url}/TABLE"),
        ("TABLE", "true", f"{url}/TABLE.2"),
        ("WORD", None, "sky"),
    ]
    first = web.client.get(f"{path}/parameters/TABLE")
    assert (first.data, first.content_type) == (data, "application/octet-stream")
    assert first.headers["Content-Disposition"] == "attachment; filename=TABLE"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Content-Security-Policy"].endswith("sandbox")
    second = web.client.get(f"{path}/parameters/table.2")
    assert (second.data, second.content_type) == (b"", "application/octet-stream")


@pytest.mark.parametrize("accel_prefix", ["", "/inside"])
@pytest.mark.parametrize(
    ("declared", "served"),
    [
        ("text/html", "text/plain; charset=utf-8"),
        ("TEXT/HTML; charset=utf-7", "text/plain; charset=utf-8"),
        ("text/javascript", "text/plain; charset=utf-8"),
        ("text/xml", "text/plain; charset=utf-8"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("multipart/x-mixed-replace; boundary=x", "application/octet-stream"),
    ],
)
def test_no_media_type_of_a_client_is_served(
    tmp_path: Path, declared: str, served: str, accel_prefix: str
) -> None:
    web = open_web(tmp_path, accel_prefix=accel_prefix)
    page = io.BytesIO(b"<script>alert(1)</script>")
    path = _create(web, data={"table": (page, "a.html", declared)})
    answer = web.client.get(f"{path}/parameters/TABLE")
    assert (answer.status_code, answer.content_type) == (200, served)
    assert answer.headers["Content-Disposition"] == "attachment; filename=TABLE"


def test_a_value_that_is_replaced_leaves_no_file(web: Web) -> None:
    path = _create(web, data={"OLD": "x" * 5000})
    assert len(web.kept()) == 1
    assert web.client.post(f"{path}/parameters", data={"old": "short"}).status_code == 303
    assert web.kept() == []


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("application/x-www-form-urlencoded", "text/plain; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        (None, "text/plain; charset=utf-8"),
        ("text/csv", "text/plain; charset=utf-8"),
        ("application/json", "application/octet-stream"),
    ],
)
def test_uws_49_a_value_that_was_put_is_text_or_bytes(
    web: Web, content_type: str | None, media_type: str
) -> None:
    path = _create(web)
    web.client.put(f"{path}/parameters/A", data=b"a=b", content_type=content_type)
    assert web.client.get(f"{path}/parameters/A").content_type == media_type


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"PHASE": "RUN", "WORD": "x"}, "PHASE is posted to {url}/phase"),
        ({"DESTRUCTION": "2999"}, "DESTRUCTION is posted to {url}/destruction"),
        ({"ACTION": "DELETE"}, "ACTION is posted to {url}"),
    ],
)
def test_control_parameters_are_refused_among_parameters(
    web: Web, form: dict[str, str], text: str
) -> None:
    path = _create(web)
    answer = web.client.post(f"{path}/parameters", data={"T": "x" * 5000} | form)
    assert_text_error(answer, 400, f"UsageError: {text.format(url=BASE_URL + path)}")
    assert _parameters(web, path) == []
    assert web.kept() == []


def test_parameters_are_taken_at_the_job_where_that_is_configured(tmp_path: Path) -> None:
    """vo F4: the other departure that uws-client needs; DALI-8 forbids it, so it is off."""
    web = open_web(tmp_path, limits=JobLimits(parameters_at_job=True))
    path = _create(web, data={"A": "1"})
    answer = web.client.post(path, data={"A": "2", "B": "3", "runid": "mine"})
    assert (answer.status_code, answer.headers["Location"]) == (303, BASE_URL + path)
    assert _parameters(web, path) == [("A", None, "2"), ("B", None, "3")]
    assert web.client.post(path, data={"C": "4", "PHASE": "RUN"}).status_code == 303
    assert ("C", None, "4") in _parameters(web, path)
    answer = web.client.post(path, data={"A": "5"})
    assert answer.status_code == 403
    assert ("A", None, "2") in _parameters(web, path)


# ---------------------------------------------------------------------- results


def test_uws_29_results_are_there_while_executing(web: Web) -> None:
    job_id = bring_to(web.service, Phase.EXECUTING, "")
    web.runtime.files.write(f"{job_id}/item-000+1 2.txt", b"sky 0\n")
    for spelling in ("item-000%2B1%202.txt", "item-000+1%202.txt"):
        answer = web.client.get(f"/async/{job_id}/results/{spelling}")
        assert (answer.status_code, answer.data) == (200, b"sky 0\n")


@pytest.mark.parametrize("phase", [Phase.EXECUTING, Phase.SUSPENDED])
def test_uws_29_what_is_finished_is_listed_in_the_midst_of_the_work(web: Web, phase: Phase) -> None:
    job_id = bring_to(web.service, phase, "")
    web.runtime.files.write(f"{job_id}/item-000.txt", b"sky 0\n")
    for path in (f"/async/{job_id}", f"/async/{job_id}/results"):
        (found,) = web.document(path).iter(f"{UWS}result")
        assert (found.get("id"), found.get("size")) == ("item-000.txt", "6")
    page = web.client.get(f"/async/{job_id}", headers={"Accept": "text/html"})
    assert f"{BASE_URL}/async/{job_id}/results/item-000.txt" in page.text


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), TransientError("away")])
def test_a_document_is_given_also_while_files_are_away(
    web: Web, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    job_id = bring_to(web.service, Phase.EXECUTING, "")
    monkeypatch.setattr(ToyJob, "partial_results", broken)
    assert len(web.document(f"/async/{job_id}/results")) == 0
    assert web.document(f"/async/{job_id}").findtext(f"{UWS}phase") == "EXECUTING"


def test_a_result_made_on_demand_has_a_tag_once_the_job_is_done(web: Web) -> None:
    path = _create(web, data={"WORD": "sky", "PHASE": "RUN"})
    whole = web.client.get(f"{path}/results/stream")
    part = web.client.get(f"{path}/results/stream", headers={"Range": "bytes=2-3"})
    assert (part.status_code, part.data) == (206, b"cd")
    assert part.headers["Content-Range"] == "bytes 2-3/6"
    same = web.client.get(
        f"{path}/results/stream", headers={"If-None-Match": whole.headers["ETag"]}
    )
    assert (same.status_code, same.data) == (304, b"")
    endless = web.client.get(f"{path}/results/endless", headers={"Range": "bytes=2-3"})
    assert (endless.status_code, endless.data, "ETag" in endless.headers) == (200, b"abcdef", False)


def test_a_listed_result_whose_file_is_gone_is_404(web: Web) -> None:
    path = _create(web, data={"WORD": "sky", "PHASE": "RUN"})
    web.runtime.files.delete(path.rpartition("/")[2])
    answer = web.client.get(f"{path}/results/result")
    assert_text_error(answer, 404, "UsageError: the content is not there any more")


@pytest.mark.parametrize(("name", "size"), [("stream", "6"), ("endless", None)])
def test_a_result_made_on_demand_is_streamed(web: Web, name: str, size: str | None) -> None:
    path = _create(web, data={"WORD": "sky"})
    answer = web.client.get(f"{path}/results/{name}", buffered=False)
    assert [*answer.response] == [b"abc", b"def"]
    answer.close()
    assert answer.headers.get("Content-Length") == size
    assert answer.content_type == "application/gzip"
    saved_as = f"{path.rpartition('/')[2]}.tar.gz"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={saved_as}"
    assert web.client.head(f"{path}/results/{name}").status_code == 200


def test_a_server_in_front_is_told_where_the_file_is(tmp_path: Path) -> None:
    web = open_web(tmp_path, accel_prefix="/inside/")
    path = _create(web, data={"WORD": "sky", "PHASE": "RUN"})
    answer = web.client.get(f"{path}/results/result")
    job_id = path.rpartition("/")[2]
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == f"/inside/{job_id}/result.txt"
    assert answer.headers["Content-Disposition"] == "inline; filename=result.txt"


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("J0126+0329_g.fits", "filename=J0126+0329_g.fits"),
        ("a b.txt", 'filename="a b.txt"'),
        ("Ω.txt", "filename*=UTF-8''%CE%A9.txt"),
    ],
)
def test_a_result_is_saved_under_its_own_name(web: Web, name: str, filename: str) -> None:
    job_id = bring_to(web.service, Phase.EXECUTING, "")
    web.runtime.files.write(f"{job_id}/{name}", b"sky")
    answer = web.client.get(f"/async/{job_id}/results/{quote(name)}")
    assert answer.headers["Content-Disposition"] == f"inline; {filename}"
