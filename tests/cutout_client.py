"""A client of the cutout service for tests: submit, wait, fetch."""

import io
from dataclasses import dataclass
from typing import Any

import requests
from astropy.io import fits
from lxml import etree

from tests.synthetic import DEC_DEG, RA_DEG

UWS = {"uws": "http://www.ivoa.net/xml/UWS/v1.0"}
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
AT = f"{RA_DEG},{DEC_DEG}"


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done."""

    url: str
    document: etree._Element
    summary: dict[str, Any]

    @property
    def results(self) -> dict[str, etree._Element]:
        return {e.get("id"): e for e in self.document.iterfind(".//uws:result", UWS)}

    def get(self, result: str) -> bytes:
        answer = requests.get(self.results[result].get(XLINK_HREF), timeout=60)
        assert answer.status_code == 200
        return answer.content

    def fits(self, result: str) -> fits.HDUList:
        return fits.open(io.BytesIO(self.get(result)))


def submit(base: str, **parameters: str) -> requests.Response:
    data = {"PHASE": "RUN", **parameters}
    return requests.post(f"{base}/async", data=data, allow_redirects=False, timeout=60)


def document_of(url: str) -> etree._Element:
    return etree.fromstring(requests.get(url, timeout=60).content)


def wait(url: str) -> etree._Element:
    for _ in range(30):
        document = document_of(f"{url}?WAIT=10")
        if document.findtext("uws:phase", None, UWS) in {"COMPLETED", "ERROR", "ABORTED"}:
            return document
    raise AssertionError(f"{url} does not end")


def run(base: str, **parameters: str) -> Finished:
    answer = submit(base, **parameters)
    assert answer.status_code == 303, answer.text
    return finished(answer.headers["Location"])


def finished(url: str) -> Finished:
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "COMPLETED", etree.tostring(document)
    return Finished(url, document, requests.get(f"{url}/results/summary.json", timeout=60).json())
