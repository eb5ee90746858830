"""What a page of another site can do with the service in a real browser."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.cutout_client import AT, document_of, run

pytestmark = pytest.mark.xdist_group("service")


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    """Give an open page of another origin."""
    context = browser.new_context()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        context.close()
        server.shutdown()


def can_read(page: Page, url: str) -> bool:
    script = "url => fetch(url).then(answer => answer.text()).then(() => true, () => false)"
    return bool(page.evaluate(script, url))


def test_a_page_of_another_site_reads_files_of_results_alone(
    elsewhere: Page, service_url: str
) -> None:
    ra, dec = AT.split(",")
    job = run(service_url, RA=ra, DEC=dec).url
    assert can_read(elsewhere, f"{job}/results/summary.json")
    assert can_read(elsewhere, f"{service_url}/releases")
    for private in (f"{service_url}/async", job, f"{job}/parameters", f"{service_url}/jobs"):
        assert requests.get(private, timeout=60).status_code == 200
        assert not can_read(elsewhere, private)


def test_a_page_of_another_site_makes_and_deletes_no_job(elsewhere: Page, service_url: str) -> None:
    ra, dec = AT.split(",")
    job = run(service_url, RA=ra, DEC=dec).url
    before = len(document_of(f"{service_url}/async"))
    send = """([url, fields]) => fetch(url, {method: "POST", mode: "no-cors",
        body: new URLSearchParams(fields)}).then(() => true)"""
    assert elsewhere.evaluate(send, [f"{service_url}/async", {"RA": ra, "DEC": dec}])
    assert elsewhere.evaluate(send, [job, {"ACTION": "DELETE"}])
    form = """url => { document.body.innerHTML = `<form method=post action="${url}">
        <input name=ACTION value=DELETE></form>`; document.forms[0].submit(); }"""
    with elsewhere.expect_navigation() as navigation:
        elsewhere.evaluate(form, job)
    answer = navigation.value
    assert answer is not None
    assert answer.status == 403
    assert "a page of another site" in answer.text()
    assert len(document_of(f"{service_url}/async")) == before
    assert requests.get(job, timeout=60).status_code == 200
