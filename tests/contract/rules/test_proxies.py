"""Addresses behind proxies: those that the settings vouch for, and never another (UWS-T2, T4)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from tests.contract.rules.targets import HREF, Target
from tests.contract.rules.wire import Answer, ask, form_body
from tests.e2e.service_process import started

_alone = pytest.mark.xdist_group("rules")

HOP = {
    "X-Forwarded-For": "192.0.2.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "sky.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/vo",
}
"""What nginx sends on when it is set up as docs/operate.md says."""

SPOOFED = {**HOP, "X-Forwarded-Host": "evil.example, sky.example", "X-Forwarded-Proto": "x, https"}
"""The same where a client sent headers of its own, which the proxy appends to."""


@contextmanager
def _served(folder: Path, **web: object) -> Iterator[str]:
    command = ["-m", "tests.contract.rules.app_server", str(folder), json.dumps(web)]
    with started(command, folder / "serve.log") as server:
        yield f"http://{server.address}"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a service that believes one proxy."""
    with _served(tmp_path_factory.mktemp("behind"), proxy_hops=1) as base:
        yield base


def _new(base: str, headers: dict[str, str]) -> Answer:
    body, form = form_body({"RA": "30", "BIG": "x" * 5000})
    return ask("POST", f"{base}/async", body=body, headers={**form, **headers})


def _all_links(base: str, headers: dict[str, str], job_id: str) -> set[str]:
    """Collect every address that the server gives of itself, up to the job list's."""
    job = f"{base}/async/{job_id}"
    links = {_new(base, headers).location}
    for place in ("", "/parameters"):
        document = etree.fromstring(ask("GET", f"{job}{place}", headers=headers).body)
        links |= {element.text for element in document.iter() if element.get("byReference")}
    entries = etree.fromstring(ask("GET", f"{base}/async", headers=headers).body)
    links |= {entry.get(HREF) for entry in entries}
    links.add(ask("POST", f"{job}/executionduration?EXECUTIONDURATION=9", headers=headers).location)
    return {link.partition("/async/")[0] for link in links}


def _assert_addresses(base: str, headers: dict[str, str], expected: str) -> None:
    answer = _new(base, headers)
    assert answer.status == 303
    job_id = answer.location.rpartition("/")[2]
    assert _all_links(base, headers, job_id) == {expected}
    deleted = ask("DELETE", f"{base}/async/{job_id}", headers=headers)
    assert (deleted.status, deleted.location) == (303, f"{expected}/async")


@_alone
@pytest.mark.parametrize("headers", [HOP, SPOOFED], ids=["hop", "spoofed"])
def test_uws_t2_one_proxy_is_believed_where_there_is_one(
    behind: str, headers: dict[str, str]
) -> None:
    _assert_addresses(behind, headers, "https://sky.example/vo")


@_alone
def test_uws_t2_a_proxy_that_says_nothing_changes_nothing(behind: str) -> None:
    _assert_addresses(behind, {}, behind)


@_alone
def test_uws_t2_a_configured_address_stands_whatever_a_client_says(tmp_path: Path) -> None:
    fixed = "https://sky.example/cutouts"
    with _served(tmp_path, base_url=fixed) as base:
        _assert_addresses(base, {**HOP, "X-Forwarded-Host": "evil.example"}, fixed)
        _assert_addresses(base, {"Host": "sky.example"}, fixed)
        assert _new(base, {"Host": "evil.example"}).status == 400


@_alone
def test_uws_t2_t4_a_path_prefix_is_part_of_every_address(tmp_path: Path) -> None:
    with _served(tmp_path, proxy_hops=1, path_prefix="/cutouts") as base:
        headers = {**HOP, "X-Forwarded-Prefix": "/evil"}
        for slash in ("", "/"):
            answer = ask("POST", f"{base}/cutouts/async{slash}", headers=headers)
            assert answer.status == 303
            assert answer.location.startswith("https://sky.example/cutouts/async/")
            place = f"{base}/cutouts/async/{answer.location.rpartition('/')[2]}{slash}"
            assert ask("GET", place, headers=headers).status == 200
        assert ask("GET", f"{base}/async", headers=headers).status == 404


def test_uws_t2_headers_of_a_proxy_are_not_believed_unasked(target: Target) -> None:
    answer = target.post({"A": "1"}, **HOP)
    (job,) = target.made
    assert (answer.status, answer.location) == (303, job.url)
    assert job.url.startswith(f"{target.base}/async/")
    document = etree.fromstring(target.get_jobs("?LAST=1", **HOP).body)
    assert [entry.get(HREF) for entry in document] == [job.url]
