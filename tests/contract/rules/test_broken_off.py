"""Bodies whose connection is closed before the announced length: 400, and nothing is stored."""

import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.contract.rules.targets import Target
from tests.contract.rules.wire import LIMIT_S, Answer

FORM = "Content-Type: application/x-www-form-urlencoded"
LONG = "RA,DEC\n" + "21.5891,3.48\n" * 20_000


def send_part(method: str, url: str, part: str, *headers: str) -> Answer:
    """Send a head and some of a body, end the sending, and give what is answered."""
    place = urlsplit(url)
    lines = [f"{method} {place.path} HTTP/1.1", f"Host: {place.netloc}", *headers, "", part]
    address = (place.hostname or "", place.port or 80)
    with socket.create_connection(address, timeout=LIMIT_S) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(connection, method=method)
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read())


def assert_refused(answer: Answer, told: str) -> None:
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith(f"UsageError: {told}")


@pytest.mark.parametrize("table", ["RA,DEC\n21.5891,3.48", LONG], ids=["short", "long"])
def test_a_form_that_breaks_off_makes_no_job(target: Target, table: str) -> None:
    before = target.ids("?LAST=1")
    body = f"PHASE=RUN&{target.table}={table}"
    answer = send_part("POST", target.jobs_url, body, FORM, "Content-Length: 900000")
    assert_refused(
        answer,
        f"the body ends too early: {len(body)} bytes came, Content-Length announces 900000\n",
    )
    assert target.ids("?LAST=1") == before


@pytest.mark.parametrize("content_type", ["text/csv", "text/plain"])
@pytest.mark.parametrize("table", ["RA,DEC\n21.5891,3.48", LONG], ids=["short", "long"])
def test_a_value_that_breaks_off_is_not_stored(
    target: Target, content_type: str, table: str
) -> None:
    job = target.create(**{target.table: "as it was"})
    before = job.parameters()
    url = f"{job.url}/parameters/{target.table}"
    headers = (f"Content-Type: {content_type}", "Content-Length: 900000")
    assert_refused(send_part("PUT", url, table, *headers), "the body ends too early: ")
    assert job.parameters() == before
    assert job.get(f"/parameters/{target.table}").text == "as it was"


@pytest.mark.parametrize(
    "chunks",
    ["5\r\nA=123\r\n", "5\r\nA=1", "5\r\nA=123\r\n0\r\n", "zz\r\nA=1\r\n0\r\n\r\n"],
    ids=["no last chunk", "cut chunk", "no end", "no length"],
)
def test_broken_chunks_make_no_job(target: Target, chunks: str) -> None:
    before = target.ids("?LAST=1")
    answer = send_part("POST", target.jobs_url, chunks, FORM, "Transfer-Encoding: chunked")
    assert_refused(answer, "the body cannot be read; ")
    assert target.ids("?LAST=1") == before


def test_whole_chunks_make_a_job(target: Target) -> None:
    chunks = "5\r\nA=123\r\n0\r\n\r\n"
    answer = send_part("POST", target.jobs_url, chunks, FORM, "Transfer-Encoding: chunked")
    assert answer.status == 303


def test_pages_refuse_forms_that_break_off(cutout: Target) -> None:
    job = cutout.create(JOBNAME="before")
    url = job.url.replace("/async/", "/jobs/") + "/name"
    answer = send_part("POST", url, "NAME=aft", FORM, "Content-Length: 10")
    assert (answer.status, "ends too early" in answer.text) == (400, True)
    assert ("JOBNAME", None, "before") in job.parameters()
