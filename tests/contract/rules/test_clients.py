"""UWS-52, UWS-53 and the traps that clients fall into: links, prefixes, owners."""

import re
from urllib.parse import urlsplit

import pytest
from lxml import etree

from tests.contract.rules.targets import HREF, UWS, Target, Toy
from tests.contract.rules.wire import ask
from uws.models import Phase


def test_uws_52_another_owners_job_is_403_and_not_listed(toy: Toy) -> None:
    job = toy.seed(Phase.PENDING, owner="vera")
    eve = toy.as_owner("eve")
    requests = [
        ("GET", ""),
        ("GET", "/phase"),
        ("GET", "/parameters"),
        ("GET", "/results/x"),
        ("DELETE", ""),
        ("PUT", "/parameters/A"),
    ]
    for method, place in requests:
        for headers in (eve, {}):
            answer = ask(method, f"{job.url}{place}", headers=headers)
            assert (answer.status, answer.content_type) == (403, "text/plain; charset=utf-8")
            assert answer.text.startswith("AuthorizationError: ")
    assert job.id not in toy.ids(**eve)
    assert toy.ids(**toy.as_owner("vera")) == [job.id]
    assert job.phase == "PENDING"


def test_uws_52_who_must_log_in_is_told_401(toy: Toy) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for method, url in (("GET", toy.jobs_url), ("POST", toy.jobs_url), ("GET", toy.create().url)):
        answer = ask(method, url, headers=wrong)
        assert (answer.status, answer.content_type) == (401, "text/plain; charset=utf-8")
        assert answer.text.startswith("AuthenticationError: ")


def test_uws_24_empty_credentials_are_the_anonymous_owner(target: Target) -> None:
    job = target.create()
    empty = {"Authorization": "Basic Og=="}  # uws-validator sends it where it has no user
    assert job.get(**empty).status == 200
    assert target.post({}, **empty).status == 303


def test_uws_53_a_job_serves_as_facade_of_itself(target: Target) -> None:
    """What `/sync` would hide: create with RUN, block, take the main result; the job is listed."""
    job = target.create(**target.good, PHASE="RUN")
    job.wait_for("COMPLETED")
    answer = job.get("/results/result")
    assert (answer.status, answer.body != b"") == (200, True)
    assert job.id in target.ids("?LAST=5")


def test_uws_t1_no_instant_has_an_offset(target: Target) -> None:
    for job in (target.create(), target.run()):
        for text in (job.get().text, job.get("?RESPONSEFORMAT=json").text):
            assert re.findall(r"T\d\d:\d\d:\d\d[^\"<Z]*Z", text)
            assert not re.findall(r"T\d\d:\d\d:\d\d[.\d]*[+-]", text)


def test_uws_t2_every_link_is_absolute(target: Target) -> None:
    job = target.run()
    job.target.checked(target.get_jobs())
    links = [entry.get(HREF) for entry in job.results().values()]
    links += [entry.get(HREF) for entry in target.checked(target.get_jobs())]
    long = target.create(BIG="x" * 5000)
    links += [text or "" for _, _, text in long.parameters()]
    assert links
    base = urlsplit(target.base)
    for link in links:
        assert urlsplit(link)[:2] == base[:2], link


def test_uws_t5_the_phase_is_found_by_appending_to_the_location(target: Target) -> None:
    answer = target.post(dict(target.good), "?PHASE=RUN&RUNID=a%2Fb")
    assert re.fullmatch(re.escape(target.jobs_url) + "/[0-9a-f]{32}", answer.location)
    assert ask("GET", f"{answer.location}/phase").status == 200


def test_uws_t6_the_prefixes_are_literally_those_of_the_standard(target: Target) -> None:
    job = target.run()
    for answer in (target.get_jobs(), job.get(), job.get("/results"), job.get("/parameters")):
        root = etree.fromstring(answer.body)
        assert root.prefix == "uws"
        assert root.nsmap["xlink"] == "http://www.w3.org/1999/xlink"
    assert b' xlink:href="http' in job.get("/results").body


@pytest.mark.parametrize("name", ["capabilities", "availability", "tables", "examples"])
def test_uws_1_vosi_names_below_the_list_are_404(target: Target, name: str) -> None:
    answer = ask("GET", f"{target.jobs_url}/{name}")
    assert (answer.status, answer.content_type) == (404, "text/plain; charset=utf-8")
    assert answer.text == f"UsageError: there is no job {name}\n"


def test_uws_28_ids_are_found_however_a_client_writes_them(target: Target) -> None:
    job = target.run()
    for entry in job.results().values():
        href = entry.get(HREF)
        assert "+" not in href  # some clients read it as a blank
        spellings = {href, href.replace("%2B", "+"), href.replace("%2B", "%2b")}
        assert {ask("GET", spelling).status for spelling in spellings} == {200}


def test_uws_18_json_says_the_same_as_xml(target: Target) -> None:
    job = target.run(RUNID="r")
    document = job.document()
    answer = job.get("?RESPONSEFORMAT=json")
    assert answer.content_type == "application/json"
    text = answer.text
    for name in ("jobId", "phase", "creationTime", "startTime", "endTime", "destruction", "runId"):
        assert f'"{name}": "{document.findtext(f"{UWS}{name}")}"' in text
    for entry in document.find(f"{UWS}results"):
        assert f'"href": "{entry.get(HREF)}"' in text
