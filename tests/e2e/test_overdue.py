"""Jobs that are past their time, with real workers: aborted, archived, out of the way."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from lxml import etree

from tests.cutout_client import UWS, XLINK_HREF, document_of, run, submit, wait
from tests.e2e.service_process import started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey
from uws.dali import format_instant, parse_instant

pytestmark = [
    pytest.mark.xdist_group("overdue"),
    pytest.mark.skipif(sys.platform != "linux", reason="`serve` is for Linux"),
]

LONG = "RA,DEC\n" + "".join(f"{RA_DEG + n * 1e-5},{DEC_DEG}\n" for n in range(5000))
"""A table that two workers have to do with for half a minute, or far longer."""

SETTINGS = """
[jobs]
execution_default_s = 3
execution_max_s = 3
archive = true
lease_s = 3

[sweep]
every_s = 0.2
"""


@dataclass(frozen=True, slots=True)
class Place:
    base: str
    files: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a service that allows 3 s, and archives."""
    data = tmp_path_factory.mktemp("overdue")
    make_survey(data)
    settings = data / "soda.toml"
    settings.write_text(SETTINGS)
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with started([*command, "--workers", "2", "--config", str(settings)], data / "log") as service:
        yield Place(f"http://{service.address}", data / "jobs")
        assert service.stop() == 0


def notes_of(document: etree._Element) -> list[str]:
    return [child.text for child in document.iterfind("uws:jobInfo/{*}note", UWS)]


def instant_of(document: etree._Element, name: str) -> datetime:
    return parse_instant(name, document.findtext(f"uws:{name}", "", UWS))


def test_uws_21_overdue_job_is_aborted_and_keeps_its_results(place: Place) -> None:
    answer = submit(place.base, POSITIONS=LONG, COLORS_FITS="grizY", EXECUTIONDURATION="600")
    url = answer.headers["Location"]
    asked = document_of(url)
    assert asked.findtext("uws:executionDuration", "", UWS) == "3"
    assert requests.get(f"{url}/executionduration", timeout=60).text == "3"
    assert "EXECUTIONDURATION was limited to 3 s" in notes_of(asked)

    document = wait(url)
    assert document.findtext("uws:phase", "", UWS) == "ABORTED"
    assert "aborted: the execution duration was exceeded" in notes_of(document)
    lasted = instant_of(document, "endTime") - instant_of(document, "startTime")
    assert timedelta(seconds=3) <= lasted < timedelta(seconds=60)

    results = {e.get("id"): e.get(XLINK_HREF) for e in document.iterfind(".//uws:result", UWS)}
    cut = [href for name, href in results.items() if name.endswith(".fits")]
    assert cut
    assert requests.get(cut[0], timeout=60).content.startswith(b"SIMPLE  =")
    assert requests.get(results["archive"], timeout=60).content.startswith(b"\x1f\x8b")

    # Its workers are free for others, and nothing of it goes on.
    assert run(place.base, RA=str(RA_DEG), DEC=str(DEC_DEG)).summary["cutouts"]
    end = document_of(url)
    for name in ("uws:jobInfo", "uws:results", "uws:endTime"):
        assert etree.tostring(end.find(name, UWS)) == etree.tostring(document.find(name, UWS))


def test_uws_22_expired_job_is_archived_in_the_midst_of_its_work(place: Place) -> None:
    when = format_instant(datetime.now(UTC) + timedelta(seconds=2))
    answer = submit(place.base, POSITIONS=LONG, COLORS_FITS="grizY", DESTRUCTION=when)
    url = answer.headers["Location"]
    job_id = url.rpartition("/")[2]

    def phase() -> str:
        return str(document_of(f"{url}?WAIT=5").findtext("uws:phase", "", UWS))

    wait_for(lambda: phase() == "ARCHIVED", "archived", 60)
    # What a worker wrote before it knew is removed once more after two leases.
    wait_for(lambda: not (place.files / job_id).exists(), "no files", 60)
    document = document_of(url)
    assert document.findtext("uws:destruction", "", UWS) == when
    assert list(document.find("uws:results", UWS)) == []
    assert "POSITIONS" not in [e.get("id") for e in document.find("uws:parameters", UWS)]
    assert [note for note in notes_of(document) if note.startswith("ARCHIVED")] == [
        "ARCHIVED: the results were removed when the destruction time was reached",
        "ARCHIVED: removed too were the values kept as files, of POSITIONS",
    ]
    # The workers are free for others. One that had not heard of it may have written since.
    assert run(place.base, RA=str(RA_DEG), DEC=str(DEC_DEG)).summary["cutouts"]
    wait_for(lambda: not (place.files / job_id).exists(), "no files in the end", 60)

    listed = requests.get(f"{place.base}/async?PHASE=ARCHIVED", timeout=60).text
    assert job_id in listed
    assert job_id not in requests.get(f"{place.base}/async", timeout=60).text
    gone = requests.delete(url, allow_redirects=False, timeout=60)
    assert gone.status_code == 303
    assert requests.get(url, timeout=60).status_code == 404
