"""The UWS 1.1 resource tree over HTTP, tests named by the rule that they check."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.uws_web import BASE_URL, JOBS_URL, UWS, Web, assert_text_error, open_web
from uws.store import JobStore

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"
REFUSAL = "unknown parameter WORLD; allowed are WORD, TIMES, CHUNKS, FAIL, SLEEP; WORD is missing"
UNKNOWN = "/async/0123456789abcdef0123456789abcdef"


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Give a server that does its jobs at once."""
    return open_web(tmp_path)


@pytest.fixture
def idle(tmp_path: Path) -> Web:
    """Give a server whose queue is never worked on."""
    return open_web(tmp_path, works=False)


# ------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/phase",
        "/executionduration",
        "/destruction",
        "/error",
        "/quote",
        "/owner",
        "/results",
        "/results/x",
        "/parameters",
        "/parameters/X",
        "/nothing",
        "/nothing/at/all",
    ],
)
def test_uws_7_an_unknown_job_is_404(web: Web, path: str) -> None:
    answer = web.client.get(f"{UNKNOWN}{path}")
    assert answer.status_code == 404
    assert answer.text.startswith("UsageError: ")
    assert answer.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["", "/phase", "/results/x", "/parameters"])
@pytest.mark.parametrize(
    "job_id",
    ["a%00b", "x" * 32, "0" * 31, "0" * 33, "ABCDEF" + "0" * 26, "x" * 5000],
    ids=["NUL", "no digits", "short", "long", "capitals", "very long"],
)
def test_what_is_no_id_is_404_before_the_store_is_asked(
    web: Web, job_id: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(JobStore, "get")
    answer = web.client.get(f"/async/{job_id}{path}")
    assert answer.status_code == 404
    assert answer.text.startswith("UsageError: there is no job ")


def test_no_answer_is_to_be_guessed_at(web: Web) -> None:
    path = web.create(RUNID="<script>alert(1)</script>")
    for place in ("", "/phase", "/error", "/quote", "/results/x"):
        assert web.client.get(f"{path}{place}").headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/async"),
        ("DELETE", "/async"),
        ("PUT", "/async/x"),
        ("DELETE", "/async/x/phase"),
        ("POST", "/async/x/error"),
        ("POST", "/async/x/quote"),
        ("POST", "/async/x/owner"),
        ("POST", "/async/x/results"),
        ("DELETE", "/async/x/results/y"),
        ("DELETE", "/async/x/parameters/y"),
        ("PATCH", "/async/x/parameters"),
    ],
)
def test_uws_44_other_methods_are_405_with_those_allowed(web: Web, method: str, path: str) -> None:
    answer = web.client.open(path, method=method)
    allowed = answer.headers["Allow"].replace(",", "")
    assert_text_error(answer, 405, f"UsageError: {method} is not allowed here, only {allowed}")
    assert method not in allowed.split()
    assert web.client.open(path, method="OPTIONS").headers["Allow"] == answer.headers["Allow"]


@pytest.mark.parametrize("name", ["capabilities", "availability", "tables", "examples"])
def test_vosi_t1_metadata_below_the_list_is_404_even_without_login(web: Web, name: str) -> None:
    answer = web.client.get(f"/async/{name}", headers={"Authorization": "Bearer wrong"})
    assert_text_error(answer, 404, f"UsageError: there is no job {name}")


def test_who_must_log_in_is_told_so(web: Web) -> None:
    for method, path in (("GET", "/async"), ("POST", "/async"), ("GET", UNKNOWN)):
        answer = web.client.open(path, method=method, headers={"Authorization": "Bearer wrong"})
        assert_text_error(answer, 401, "AuthenticationError: the token is not known")


def test_uws_7_another_owners_job_is_403(web: Web) -> None:
    answer = web.client.post("/async", auth=("vera", ""))
    path = answer.headers["Location"].removeprefix(BASE_URL)
    for method in ("GET", "POST", "DELETE"):
        refused = web.client.open(path, method=method, auth=("eve", ""))
        job_id = path.rpartition("/")[2]
        expected = f"AuthorizationError: job {job_id} is another owner's"
        if method == "POST":
            assert refused.status_code == 400  # no ACTION: nothing was asked for yet
        else:
            assert_text_error(refused, 403, expected)
    assert web.client.get(path, auth=("vera", "")).status_code == 200


def test_empty_basic_credentials_are_the_anonymous_owner(web: Web) -> None:
    path = web.create()
    answer = web.client.get(path, headers={"Authorization": "Basic Og=="})
    assert answer.status_code == 200


def test_a_bug_is_500_with_a_reference_that_is_in_the_log(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(type(web.service), "get", broken)
    answer = web.client.get(UNKNOWN)
    assert answer.status_code == 500
    label, _, reference = answer.text.strip().rpartition(" ")
    assert label == "Error: internal error, reference"
    assert reference in caplog.text
    assert "secret of the house" in caplog.text


def test_a_store_that_is_away_is_503(tmp_path: Path) -> None:
    web = open_web(tmp_path)
    (tmp_path / "jobs.db").unlink()
    web.runtime.store.close()
    answer = web.client.get("/async")
    assert answer.status_code == 503
    assert answer.text.startswith("ServiceUnavailable: ")
    assert answer.headers["Retry-After"] == "10"


# ------------------------------------------------------------- resource tree


def test_uws_t4_both_spellings_of_every_address_are_answered_without_redirect(web: Web) -> None:
    path = web.create(WORD="sky")
    for name in ("", "/phase", "/quote", "/owner", "/results", "/parameters", "/parameters/WORD"):
        with_slash = web.client.get(f"{path}{name}/")
        assert with_slash.status_code == 200
        assert with_slash.data == web.client.get(f"{path}{name}").data
    assert web.client.get("/async/").data == web.client.get("/async").data
    assert web.client.post("/async/").status_code == 303
    assert web.client.post(f"{path}/phase/", data={"PHASE": "RUN"}).status_code == 303
    assert web.client.get(f"/async//{path.rpartition('/')[2]}").status_code == 404


def test_uws_2_the_atoms_are_plain_text_without_newline(idle: Web) -> None:
    path = idle.create(WORD="sky")
    document = idle.document(path)
    expected = {
        "phase": "PENDING",
        "executionduration": "60",
        "destruction": document.findtext(f"{UWS}destruction"),
        "quote": "",
        "owner": "",
    }
    for name, text in expected.items():
        answer = idle.client.get(f"{path}/{name}")
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.content_type == "text/plain; charset=utf-8"
        head = idle.client.head(f"{path}/{name}")
        assert (head.status_code, head.data) == (200, b"")
        assert head.content_length == len(text)


def test_uws_4_every_document_is_valid_xml(web: Web, validate_xml: Callable[[bytes], None]) -> None:
    done = web.create(WORD="sky", TIMES="3", RUNID="r", PHASE="RUN")
    failed = web.create(WORD="sky", FAIL="usage", PHASE="RUN")
    waiting = web.create(WORD="x" * 5000)
    for path in (
        "/async",
        *(
            f"{job}{name}"
            for job in (done, failed, waiting)
            for name in ("", "/results", "/parameters")
        ),
    ):
        answer = web.client.get(path, headers={"Accept": "application/xml,text/plain"})
        assert answer.content_type == "application/xml"
        assert answer.headers["Vary"] == "Accept"
        validate_xml(answer.data)


def test_uws_5_the_version_is_on_job_and_jobs(web: Web) -> None:
    assert web.document(web.create()).get("version") == "1.1"
    assert web.document("/async").get("version") == "1.1"


# -------------------------------------------------------------------- create


def test_uws_38_create_answers_303_with_an_absolute_location(idle: Web) -> None:
    answer = idle.client.post("/async")
    assert (answer.status_code, answer.data) == (303, b"")
    location = answer.headers["Location"]
    job_id = location.removeprefix(f"{JOBS_URL}/")
    document = idle.document(f"/async/{job_id}")
    assert document.findtext(f"{UWS}jobId") == job_id
    assert document.findtext(f"{UWS}phase") == "PENDING"
    assert idle.service.get("", job_id).url == location


def test_uws_39_a_bare_creation_does_not_judge_parameters(idle: Web) -> None:
    path = idle.create(QUERY="SELECT 1", LANG="ADQL")
    assert idle.phase(path) == "PENDING"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (
            {"PHASE": "RUN", "WORLD": "x"},
            f"UsageError: {REFUSAL}",
        ),
        ({"PHASE": "GO"}, "UsageError: PHASE: 'GO' cannot be asked for, a new job takes RUN only"),
        (
            {"PHASE": ["RUN", "RUN"]},
            "MultiValuedParamNotSupported: PHASE takes one value, 2 were given",
        ),
        (
            {"DESTRUCTION": "2020-01-01"},
            "UsageError: DESTRUCTION: 2020-01-01T00:00:00Z is past; to end a job, delete it",
        ),
        ({"RUNID": "x" * 65}, "UsageError: RUNID: 65 characters, at most 64 are allowed"),
    ],
    ids=["parameters", "phase", "repeated phase", "destruction", "run id"],
)
def test_uws_40_a_refused_creation_is_400_and_no_job(
    idle: Web, form: dict[str, str], text: str
) -> None:
    assert_text_error(idle.client.post("/async", data=form), 400, text)
    assert idle.ids() == []
    assert idle.kept() == []


@pytest.mark.parametrize("where", ["query", "form"])
def test_uws_40_phase_run_at_creation_starts_the_job(idle: Web, where: str) -> None:
    form = {"word": "sky"} | ({"phase": "run"} if where == "form" else {})
    query = "?Phase=RUN" if where == "query" else ""
    answer = idle.client.post(f"/async{query}", data=form)
    assert answer.status_code == 303
    path = answer.headers["Location"].removeprefix(BASE_URL)
    assert idle.phase(path) == "QUEUED"
    parameters = [(child.get("id"), child.text) for child in idle.document(f"{path}/parameters")]
    assert parameters == [("WORD", "sky")]


def test_uws_40_control_parameters_set_the_job(idle: Web) -> None:
    path = idle.create(RUNID="night 7", DESTRUCTION="2999-01-01T00:00:00Z", EXECUTIONDURATION="90")
    document = idle.document(path)
    assert document.findtext(f"{UWS}runId") == "night 7"
    assert document.findtext(f"{UWS}executionDuration") == "90"
    created = datetime.fromisoformat(document.findtext(f"{UWS}creationTime"))
    destroyed = datetime.fromisoformat(document.findtext(f"{UWS}destruction"))
    assert destroyed - created == timedelta(days=10)
    assert "DESTRUCTION was limited to 10 days" in document.xpath("string()")


def test_too_many_jobs_at_work_are_429_with_retry_after(idle: Web) -> None:
    for _ in range(2):
        idle.create(WORD="sky", PHASE="RUN")
    answer = idle.client.post("/async", data={"WORD": "sky", "PHASE": "RUN"})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "30"
    assert len(idle.ids()) == 2
