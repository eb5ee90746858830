"""UWS-1 to UWS-8: the resources of a job, what they answer, and in which form."""

import re
from collections.abc import Callable

import pytest
from lxml import etree

from tests.contract.rules.targets import INSTANT, UWS, Target, Toy
from tests.contract.rules.wire import ask, page_of

ATOMS = ("phase", "executionduration", "destruction", "quote", "owner")
DOCUMENTS = ("", "/results", "/parameters")
UNKNOWN = "0123456789abcdef0123456789abcdef"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def test_uws_1_the_tree_has_the_names_of_the_standard(target: Target) -> None:
    job = target.create()
    assert re.fullmatch(re.escape(target.jobs_url) + "/[0-9a-z]+", job.url)
    for place in (*DOCUMENTS, *(f"/{name}" for name in ATOMS)):
        assert job.get(place).status == 200, place
    assert target.fail().get("/error").status == 200
    for place in ("/Phase", "/executionDuration", "/jobs", "/results/", "/phase/x"):
        expected = 200 if place == "/results/" else 404
        assert job.get(place).status == expected, place


def test_uws_2_each_resource_gives_what_the_standard_says(target: Target) -> None:
    job = target.create(**target.good)
    assert target.checked(target.get_jobs()).tag == f"{UWS}jobs"
    roots = [job.document(place).tag for place in DOCUMENTS]
    assert roots == [f"{UWS}job", f"{UWS}results", f"{UWS}parameters"]
    assert job.get("/phase").text == "PENDING"
    assert re.fullmatch(r"\d+", job.get("/executionduration").text)
    assert re.fullmatch(INSTANT, job.get("/destruction").text)
    assert re.fullmatch(f"({INSTANT})?", job.get("/quote").text)
    assert job.get("/owner").text == ""


def test_uws_3_atoms_are_plain_text_without_a_newline(target: Target) -> None:
    job = target.create()
    for name in ATOMS:
        answer = job.get(f"/{name}")
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.text == answer.text.strip()
        head = ask("HEAD", f"{job.url}/{name}")
        assert (head.status, head.body, head.content_type) == (200, b"", answer.content_type)
        assert head.headers["Content-Length"] == str(len(answer.body))
    for place in DOCUMENTS:
        assert job.get(place).media_type == "application/xml"


def test_uws_4_documents_are_valid(target: Target, validate_xml: Callable[[bytes], None]) -> None:
    validate_xml(target.get_jobs().body)
    for job in (target.run(RUNID="r"), target.fail(), target.create()):
        for place in DOCUMENTS:
            body = job.get(place).body
            validate_xml(body)
            assert etree.fromstring(body).nsmap["uws"] == "http://www.ivoa.net/xml/UWS/v1.0"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/xml"),
        ("*/*", "application/xml"),
        ("application/xml,text/plain", "application/xml"),
        ("text/xml", "text/xml"),
        (JAVA, "application/xml"),
        (BROWSER, "text/html"),
        ("application/json", "application/json"),
    ],
    ids=["none", "any", "xml and text", "text/xml", "java", "browser", "json"],
)
def test_uws_4_xml_wins_unless_html_is_wanted(
    target: Target, accept: str | None, media_type: str
) -> None:
    job = target.create()
    headers = {} if accept is None else {"Accept": accept}
    for answer in (target.get_jobs(**headers), *(job.get(p, **headers) for p in DOCUMENTS)):
        assert "Accept" in answer.headers["Vary"]
        shown = page_of(answer)
        assert (shown.status, shown.media_type) == (200, media_type)


def test_uws_5_the_version_is_on_job_and_jobs_alone(target: Target) -> None:
    job = target.create()
    assert target.checked(target.get_jobs()).get("version") == "1.1"
    found = [job.document(place).get("version") for place in DOCUMENTS]
    assert found == ["1.1", None, None]


def test_uws_6_instants_are_utc_with_z(target: Target) -> None:
    job = target.run()
    document = job.document()
    for name in ("creationTime", "startTime", "endTime", "destruction"):
        text = document.findtext(f"{UWS}{name}")
        assert re.fullmatch(INSTANT, text), (name, text)
    (entry,) = [e for e in target.checked(target.get_jobs()) if e.get("id") == job.id]
    assert re.fullmatch(INSTANT, entry.findtext(f"{UWS}creationTime"))
    assert re.fullmatch(INSTANT, job.get("/destruction").text)


@pytest.mark.parametrize("job_id", [UNKNOWN, "nothing", "a%00b", "0" * 2000])
def test_uws_7_an_unknown_job_is_404(target: Target, job_id: str) -> None:
    for place in (*DOCUMENTS, *(f"/{name}" for name in ATOMS), "/error", "/results/x"):
        answer = ask("GET", f"{target.jobs_url}/{job_id}{place}")
        assert (answer.status, answer.content_type) == (404, "text/plain; charset=utf-8")
        assert answer.text.startswith("UsageError: ")
    assert ask("DELETE", f"{target.jobs_url}/{job_id}").status == 404


def test_uws_7_what_the_phase_forbids_is_403_and_a_failed_job_is_no_http_error(
    target: Target,
) -> None:
    job = target.fail()
    assert job.get().status == 200
    assert job.post("/phase", PHASE="RUN").status == 403
    assert job.get("/nothing").status == 404


def test_uws_7_another_owners_job_is_403(toy: Toy) -> None:
    job = toy.create()
    mine = toy.post({}, **toy.as_owner("vera"))
    assert job.get(**toy.as_owner("eve")).status == 200  # anonymous jobs are for all
    answer = ask("GET", mine.location, headers=toy.as_owner("eve"))
    assert (answer.status, answer.text.partition(":")[0]) == (403, "AuthorizationError")


def test_uws_8_capabilities_name_the_job_list(
    cutout: Target, check_xml: Callable[[bytes], None]
) -> None:
    answer = ask("GET", f"{cutout.base}/capabilities")
    check_xml(answer.body)
    found = {
        capability.get("standardID"): capability.findtext("interface/accessURL")
        for capability in etree.fromstring(answer.body)
    }
    assert found["ivo://ivoa.net/std/UWS#rest-1.1"] == cutout.jobs_url
