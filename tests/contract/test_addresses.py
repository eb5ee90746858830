"""What the service answers beside jobs: releases, tiles, validation, VOSI, metrics, pages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.cutout_client import AT, document_of, finished, run

pytestmark = pytest.mark.xdist_group("service")


def test_validate_tells_everything_and_makes_no_job(service_url: str) -> None:
    before = len(document_of(f"{service_url}/async"))
    table = f"RA,DEC,XSIZE\n{AT},0.5\n200,45,\n{AT},99\n"
    answer = requests.post(f"{service_url}/validate", data={"POSITIONS": table}, timeout=60)
    found = answer.json()
    assert answer.status_code == 200
    assert (found["valid"], found["rows"], found["matched"], found["files"]) == (False, 3, 1, 1)
    assert [(fault["row"], fault["column"]) for fault in found["faults"]] == [(3, "XSIZE")]
    good = requests.post(f"{service_url}/validate", data={"RA": "30", "DEC": "-20"}, timeout=60)
    assert good.json()["valid"] is True
    job = run(service_url, RA="30", DEC="-20")
    size_bytes = sum(len(job.get(f)) for f in job.summary["cutouts"][0]["FILES"])
    assert good.json()["size_bytes"] == pytest.approx(size_bytes, rel=0.05)
    assert len(document_of(f"{service_url}/async")) == before + 1


def test_validate_tells_tiles_and_why_rows_have_none(service_url: str) -> None:
    table = f"RA,DEC\n{AT}\n200,45\n"
    found = requests.post(f"{service_url}/validate", data={"POSITIONS": table}, timeout=60).json()
    assert (found["tiles"], found["total_tiles"]) == (["EAST0"], 1)
    assert [(entry["row"], entry["message"]) for entry in found["unmatched"]] == [
        (2, "no tile of release TEST1 at RA 200.0, Dec 45.0")
    ]


def test_validate_counts_combinations_of_shapes_and_bands(service_url: str) -> None:
    ra, dec = AT.split(",")
    shapes = [f"CIRCLE {ra} {dec} 0.002", "RANGE 30 30.004 -20.002 -20", "CIRCLE 200 45 0.1"]
    sent = [("POS", shape) for shape in shapes] + [("BAND", "4e-7 5e-7"), ("BAND", "7e-7 8e-7")]
    found = requests.post(f"{service_url}/validate", data=sent, timeout=60).json()
    assert (found["valid"], found["rows"], found["matched"]) == (True, 6, 4)
    answer = requests.post(
        f"{service_url}/async", data=[*sent, ("PHASE", "RUN")], timeout=60, allow_redirects=False
    )
    job = finished(answer.headers["Location"])
    made = [len(job.get(file)) for entry in job.summary["cutouts"] for file in entry["FILES"]]
    assert found["files"] == len(made)
    assert found["size_bytes"] == pytest.approx(sum(made), rel=0.2)


def test_releases_tell_bands_and_defaults(service_url: str) -> None:
    found = requests.get(f"{service_url}/releases", timeout=60).json()
    assert found["default"] == "TEST1"
    release = next(entry for entry in found["releases"] if entry["name"] == "TEST1")
    assert [band["name"] for band in release["bands"]] == ["g", "r", "i", "z", "Y"]
    assert (release["tiles"], release["has_catalogue"]) == (2, True)
    assert release["defaults"]["COLORS_FITS"] == "i"


def test_a_whole_tile_is_sent_as_it_is(service_url: str, survey: Any) -> None:
    url = f"{service_url}/tiles/test1/EAST0/y"
    original = (survey / "tiles/EAST0/p01/EAST0_Y.fits.fz").read_bytes()
    answer = requests.get(url, timeout=60)
    assert (answer.status_code, answer.content) == (200, original)
    part = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=60)
    assert (part.status_code, part.content) == (206, original[100:200])
    assert requests.get(f"{service_url}/tiles/test1/EAST1/Y", timeout=60).status_code == 404
    assert requests.get(f"{service_url}/tiles/test1/WEST/Y", timeout=60).status_code == 404


def test_vosi_documents_are_valid(service_url: str, validate_xml: Callable[[bytes], None]) -> None:
    for path in ("capabilities", "availability"):
        answer = requests.get(f"{service_url}/{path}", timeout=60)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/xml"
        validate_xml(answer.content)
    assert ">true<" in answer.text
    for path in ("async/capabilities", "sync/capabilities"):  # VOSI-T1
        assert requests.get(f"{service_url}/{path}", timeout=60).status_code == 404


def test_metrics_and_openapi(service_url: str) -> None:
    run(service_url, RA="30", DEC="-20")
    metrics = requests.get(f"{service_url}/metrics", timeout=60).text
    assert re.search(r'soda_jobs\{state="COMPLETED"\} [1-9]', metrics)
    assert re.search(r'soda_queue\{state="workers"\} 2', metrics)
    document = requests.get(f"{service_url}/openapi.json", timeout=60).json()
    form = document["components"]["schemas"]["CutoutRequest"]["properties"]
    assert form["XSIZE"]["type"] == "number"
    assert {"/async", "/async/{job_id}", "/validate", "/releases"} <= set(document["paths"])
    create = document["paths"]["/async"]["post"]
    assert "application/x-www-form-urlencoded" in create["requestBody"]["content"]
    sia2 = document["paths"]["/sia2"]["get"]["parameters"]
    assert {"POS", "BAND", "MAXREC"} <= {parameter["name"] for parameter in sia2}
    assert "200" in document["paths"]["/sync"]["post"]["responses"]
    assert all(o["summary"] for path in document["paths"].values() for o in path.values())
    assert set(document["paths"]["/async/{job_id}"]) == {"get", "post", "delete"}


def test_answers_may_be_read_by_other_pages(service_url: str) -> None:
    headers = {"Origin": "https://example.org"}
    answer = requests.get(f"{service_url}/releases", headers=headers, timeout=60)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_visitor_finds_a_form_that_works(service_url: str) -> None:
    page = requests.get(f"{service_url}/", timeout=60)
    assert page.status_code == 200
    assert "TEST1: Two tiles for tests" in page.text
    for link in re.findall(r'(?:href|action)="([^"#]+)"', page.text):
        assert requests.get(link, timeout=60).status_code == 200, link
    fields = {"RELEASE": "TEST1", "POSITIONS": f"RA,DEC\r\n{AT}\r\n", "JOBNAME": ""}
    parts = {name: (None, text) for name, text in {**fields, "PHASE": "RUN"}.items()}
    shown = requests.post(
        f"{service_url}/async", files=parts, headers={"Accept": "text/html"}, timeout=60
    )
    assert shown.status_code == 200
    assert shown.headers["Content-Type"].startswith("text/html")
    assert re.match(rf"{service_url}/jobs/[0-9a-f]{{32}}$", shown.url)
    assert ">Request</h2>" in shown.text
