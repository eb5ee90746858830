"""What the server answers beyond the rules of UWS (`rules/`): exact texts, faults of its own."""

from pathlib import Path

import pytest

from tests.uws_web import JOBS_URL, Web, assert_text_error, open_web
from uws.store import JobStore

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


def test_nothing_is_kept_of_a_body_that_breaks_off(web: Web) -> None:
    path = web.create(WORD="sky")
    kept = web.kept()
    cut = {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": "900000"}}
    long = "x" * 300_000
    for answer in (
        web.client.post("/async", data={"A": long, "B": long}, **cut),
        web.client.post(f"{path}/parameters", data={"A": long, "B": long}, **cut),
        web.client.put(f"{path}/parameters/A", data=long, **cut),
        web.client.put(f"{path}/parameters/A", data=long, content_type="text/csv", **cut),
    ):
        assert (answer.status_code, "ends too early" in answer.text) == (400, True)
    assert web.kept() == kept
    root = web.runtime.files.path("x").parent
    assert {folder.name for folder in root.iterdir()} <= {path.rpartition("/")[2]}


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


# -------------------------------------------------------------------- create


def test_a_job_remembers_the_address_that_its_client_was_given(idle: Web) -> None:
    location = idle.client.post("/async").headers["Location"]
    job_id = location.removeprefix(f"{JOBS_URL}/")
    assert idle.service.get("", job_id).url == location


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


def test_too_many_jobs_at_work_are_429_with_retry_after(idle: Web) -> None:
    for _ in range(2):
        idle.create(WORD="sky", PHASE="RUN")
    answer = idle.client.post("/async", data={"WORD": "sky", "PHASE": "RUN"})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "30"
    assert len(idle.ids()) == 2
