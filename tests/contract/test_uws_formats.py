"""The formats of the documents over HTTP: jobInfo, JSON, and the pages for browsers."""

from pathlib import Path

import pytest
from flask import request

from tests.uws_runtime import bring_to
from tests.uws_web import JOBS_URL, UWS, Web, open_web
from uws.models import Phase

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return open_web(tmp_path)


def test_uws_26_jobinfo_tells_progress_and_notes(web: Web) -> None:
    word = "a" * 21
    path = web.create(WORD=word, TIMES="3", PHASE="RUN")
    info = web.document(path).find(f"{UWS}jobInfo")
    namespace = "{urn:uws-server:jobinfo:1}"
    found = [(child.tag.removeprefix(namespace), child.text) for child in info]
    assert found[:4] == [("total", "3"), ("done", "3"), ("failed", "0"), ("sizeBytes", "72")]
    assert found[-1] == ("note", "the word is long")


@pytest.mark.parametrize("query", ["?RESPONSEFORMAT=json", ""])
def test_json_is_the_same_document(web: Web, query: str) -> None:
    path = web.create(WORD="sky", PHASE="RUN")
    headers = {} if query else {"Accept": "application/json"}
    job = web.client.get(f"{path}{query}", headers=headers)
    assert job.content_type == "application/json"
    assert job.json["phase"] == "COMPLETED"
    for name in ("results", "parameters"):
        part = web.client.get(f"{path}/{name}{query}", headers=headers)
        assert part.json == job.json[name]


def test_a_document_format_at_creation_is_no_job_parameter(web: Web) -> None:
    path = web.create(RESPONSEFORMAT=["json", "image/png"])
    parameters = web.document(f"{path}/parameters")
    assert [(child.get("id"), child.text) for child in parameters] == [
        ("RESPONSEFORMAT", "image/png")
    ]


def test_a_browser_gets_pages_without_scripts_and_inline_style(web: Web) -> None:
    path = web.create(WORD="sky", RUNID="<b>night</b>", PHASE="RUN")
    failed = web.create(WORD="<i>&", FAIL="x" * 5000)
    web.client.post(f"{failed}/phase", data={"PHASE": "RUN"})
    pending = web.create()
    for address in ("/async", path, failed, pending, f"{path}/results", f"{path}/parameters"):
        page = web.client.get(address, headers=BROWSER)
        assert page.content_type == "text/html; charset=utf-8"
        assert page.headers["Vary"] == "Accept"
        for forbidden in ("<script", "<style", " style=", " onclick", "<b>", "<i>"):
            assert forbidden not in page.text
        assert f'<link rel="stylesheet" href="{JOBS_URL}/.static/uws.css">' in page.text
    assert web.client.get("/async/.static/uws.css").content_type.startswith("text/css")
    assert web.client.get("/async/.static/nothing").status_code == 404


def _forms(page: str) -> list[str]:
    return [part.partition('"')[0] for part in page.split('action="')[1:]]


@pytest.mark.parametrize(
    ("phase", "actions"),
    [
        (Phase.PENDING, ["/phase", "/phase", ""]),
        (Phase.EXECUTING, ["/phase", ""]),
        (Phase.COMPLETED, [""]),
    ],
)
def test_a_page_offers_what_the_phase_allows(web: Web, phase: Phase, actions: list[str]) -> None:
    job_id = bring_to(web.service, phase, "")
    page = web.client.get(f"/async/{job_id}", headers=BROWSER)
    assert _forms(page.text) == [f"{JOBS_URL}/{job_id}{action}" for action in actions]
    assert ('http-equiv="refresh"' in page.text) == (phase == Phase.EXECUTING)


def test_the_list_page_is_cut_unless_a_number_is_asked_for(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uws.http.documents._PAGE_ROWS", 2)
    for _ in range(3):
        web.create()
    cut = web.client.get("/async", headers=BROWSER).text
    assert (cut.count("<td><a"), "newest 2 jobs" in cut) == (2, True)
    whole = web.client.get("/async?LAST=3", headers=BROWSER).text
    assert (whole.count("<td><a"), "newest" in whole) == (3, False)


def test_html_leads_to_the_applications_own_pages_where_it_has_some(tmp_path: Path) -> None:
    def pages(job_id: str) -> str:
        return f"{request.url_root}jobs/{job_id}"

    web = open_web(tmp_path, job_page=pages)
    path = web.create()
    job_id = path.rpartition("/")[2]
    for address, page in ((path, f"jobs/{job_id}"), ("/async", "jobs/")):
        answer = web.client.get(address, headers=BROWSER)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"http://localhost/{page}")
        assert answer.headers["Vary"] == "Accept"
    assert web.client.get(path).content_type == "application/xml"
