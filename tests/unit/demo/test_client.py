import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from soda_service.demo.client import JobState, create_job, fetch_json, wait_for_change

JOB = """<?xml version="1.0" encoding="UTF-8"?>
<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
         xmlns:info="urn:uws-server:jobinfo:1" version="1.1">
  <uws:jobId>7</uws:jobId>
  <uws:phase>{phase}</uws:phase>
  <uws:results>
    <uws:result id="a_g.fits" xlink:href="http://x/7/results/a%2Bb_g.fits"/>
    <uws:result id="summary.json" xlink:href="http://x/7/results/summary.json"/>
  </uws:results>
  {error}
  <uws:jobInfo>
    <info:total>5</info:total><info:done>3</info:done><info:failed>1</info:failed>
  </uws:jobInfo>
</uws:job>
"""
RESULTS = {
    "a_g.fits": "http://x/7/results/a%2Bb_g.fits",
    "summary.json": "http://x/7/results/summary.json",
}


class Answers(BaseHTTPRequestHandler):
    """Answers as the service does; keeps what it was asked."""

    seen: list[tuple[str, dict[str, list[str]]]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode(), keep_blank_values=True)
        self.seen.append((self.path, form))
        if "BAD" in form:
            self.answer(400, b"UsageError: BAD: unknown", "text/plain")
        else:
            self.answer(303, b"", "text/plain", Location="http://x/async/7")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.seen.append((url.path, parse_qs(url.query)))
        match url.path:
            case "/async/7":
                self.answer(200, JOB.format(phase="EXECUTING", error="").encode(), "text/xml")
            case "/async/8":
                error = "<uws:errorSummary type='fatal' hasDetail='true'><uws:message>"
                error += "Error: no luck</uws:message></uws:errorSummary>"
                self.answer(200, JOB.format(phase="ERROR", error=error).encode(), "text/xml")
            case "/summary.json":
                self.answer(200, b'{"number_of_files": 14}', "application/json")
            case _:
                self.answer(404, b"UsageError: no such thing", "text/plain")

    def answer(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    Answers.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_refused_job_raises_with_the_services_words(service: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        create_job(service, {"BAD": "1"})
    with caught.value as error:
        assert (error.code, error.read()) == (400, b"UsageError: BAD: unknown")


def test_a_missing_document_raises(service: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch_json(f"{service}/nothing")
    caught.value.close()


def test_a_job_is_posted_as_a_form_and_run(service: str) -> None:
    table = "RA,DEC\n1.5,+2\n"
    assert create_job(service, {"POSITIONS": table, "XSIZE": "1.5"}) == "http://x/async/7"
    assert Answers.seen == [("/async", {"PHASE": ["RUN"], "POSITIONS": [table], "XSIZE": ["1.5"]})]


def test_waiting_names_the_phase_that_the_job_is_to_leave(service: str) -> None:
    wait_for_change(f"{service}/async/7", seconds=3, phase="QUEUED")
    wait_for_change(f"{service}/async/7", seconds=0)
    assert Answers.seen == [
        ("/async/7", {"WAIT": ["3"], "PHASE": ["QUEUED"]}),
        ("/async/7", {}),
    ]


def test_a_job_document_is_read(service: str) -> None:
    url = f"{service}/async/7"
    state = wait_for_change(url, seconds=0)
    assert state == JobState(url, "EXECUTING", 5, 4, RESULTS, "")
    assert state.is_active


def test_an_error_is_read(service: str) -> None:
    url = f"{service}/async/8"
    state = wait_for_change(url, seconds=0)
    assert state == JobState(url, "ERROR", 5, 4, RESULTS, "Error: no luck")
    assert not state.is_active


def test_json_is_fetched(service: str) -> None:
    assert fetch_json(f"{service}/summary.json") == {"number_of_files": 14}
