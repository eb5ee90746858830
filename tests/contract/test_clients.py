"""Clients that astronomers have: STILTS, and what astroquery's CASDA module sends (CLIENTS)."""

import csv
import io
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests
from astropy.io import fits
from lxml import etree

from tests.cutout_client import UWS, XLINK_HREF
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("service")

stilts_only = pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
RELEASE = "ivo://unregistered.invalid/TEST1"
CIRCLE = f"CIRCLE={RA_DEG}%20{DEC_DEG}%200.002"


def stilts(*arguments: str) -> str:
    run = subprocess.run(
        ["stilts", *arguments], check=True, capture_output=True, text=True, timeout=120
    )
    return run.stdout


@stilts_only
def test_taplint_finds_nothing_wrong_with_jobs(service_url: str) -> None:
    report = stilts(
        "taplint", f"tapurl={service_url}", f"asyncurl={service_url}/async", "stages=UWS"
    )
    assert "Totals: Errors: 0; Warnings: 0;" in report, report
    assert "Failures: 0" in report


@stilts_only
@pytest.mark.parametrize(
    "path",
    [
        "sia2",
        "sia2?MAXREC=0",
        "sia2?MAXREC=2",
        "sia2?POS=x",
        "links",
        f"links?ID={RELEASE}?EAST0/g&ID={RELEASE}&ID=x",
        "links?RESPONSEFORMAT=x",
        "links?JOB=x",
    ],
)
def test_votlint_finds_nothing_wrong(service_url: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "it.vot").write_bytes(requests.get(f"{service_url}/{path}", timeout=60).content)
    assert stilts("votlint", f"{tmp_path}/it.vot") == ""


@stilts_only
def test_coneskymatch_finds_images_of_each_position(service_url: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"name,ra,dec\na,{RA_DEG},{DEC_DEG}\nb,200,45\n")
    found = stilts(
        "coneskymatch", f"serviceurl={service_url}/sia2", "servicetype=sia2", "sr=0.01",
        f"in={tmp_path}/in.csv", "ifmt=csv", "ra=ra", "dec=dec", "find=all",
        "ocmd=keepcols 'name obs_publisher_did access_url'", "ofmt=csv",
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(found)))
    assert [row["obs_publisher_did"] for row in rows] == [f"{RELEASE}?EAST0/{b}" for b in "grizY"]
    assert {row["name"] for row in rows} == {"a"}
    assert all(requests.get(row["access_url"], timeout=60).status_code == 200 for row in rows)


def test_the_dialogue_of_casda(service_url: str) -> None:
    """Data sets at creation, shapes later, `phase=RUN` in lower case, no WAIT, hrefs of results."""
    http = requests.Session()
    ids = [("ID", f"{RELEASE}?EAST0/g"), ("ID", f"{RELEASE}?EAST0/i")]
    job = http.post(f"{service_url}/async", params=ids, timeout=60).url  # it follows the 303
    shape = [("POS", f"CIRCLE {RA_DEG} {DEC_DEG} 0.002"), ("CIRCLE", f"{RA_DEG} {DEC_DEG} 0.001")]
    http.post(f"{job}/parameters", data=shape, timeout=60).raise_for_status()
    http.post(f"{job}/phase", data={"phase": "RUN"}, timeout=60).raise_for_status()
    while True:
        document = etree.fromstring(http.get(job, timeout=60).content)
        if document.findtext("uws:phase", None, UWS) not in {"PENDING", "QUEUED", "EXECUTING"}:
            break
        time.sleep(0.2)
    assert document.findtext("uws:phase", None, UWS) == "COMPLETED"
    urls = [
        result.get(XLINK_HREF, "")
        for result in document.iterfind("uws:results/uws:result", UWS)
        if result.get("mime-type") == "application/fits" and result.get("id") != "result"
    ]
    sizes = set()
    for url in urls:
        with fits.open(io.BytesIO(http.get(url, timeout=60).content)) as file:
            sizes.add((file[0].header["PARFILE"], file[0].data.shape[0] // 20))
    assert len(urls) == 4
    assert {name for name, _ in sizes} == {"EAST0_g.fits.fz", "EAST0_i.fits.fz"}
    assert len(sizes) == 4
