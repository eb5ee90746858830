"""A service that keeps its jobs' files in a bucket: whole jobs, kills, deletions; no folder."""

import gzip
import hashlib
import io
import os
import signal
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.cutout_client import Finished, document_of, finished, run, submit
from tests.e2e.service_process import Service, descendants, started, wait_for
from tests.objectserver import S3Server, started_s3
from tests.synthetic import DEC_DEG, RA_DEG, make_survey
from uws.files import JobFiles, open_files

pytestmark = [
    pytest.mark.xdist_group("bucket"),
    pytest.mark.skipif(sys.platform != "linux", reason="serve runs on Linux only"),
]

SCRIPT = str(Path(__file__).with_name("poisoned_service.py"))
POISON_RA_DEG = RA_DEG + 0.001255
"""At half a step of `table`, so that no other row lies there."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service, and the bucket with its files."""

    service: Service
    server: S3Server
    files: JobFiles

    @property
    def base(self) -> str:
        return f"http://{self.service.address}"

    def keys(self, url: str) -> list[str]:
        return list(self.files.keys(url.rpartition("/")[2]))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    make_survey(data)
    root = "s3://jobs/of/this-service"
    settings = {
        "SODA_FILES__ROOT": root,
        "SODA_SWEEP__EVERY_S": "0.2",
        "SODA_JOBS__LEASE_S": "3",
        "SODA_JOBS__TRIES": "2",
    }
    with started_s3() as server, pytest.MonkeyPatch.context() as patch:
        server.put("jobs")
        for name, value in (settings | server.environ()).items():
            patch.setenv(name, value)
        command = [SCRIPT, repr(POISON_RA_DEG), "serve", "--data", str(data), "--port", "0"]
        with started([*command, "--workers", "2"], data / "log") as service:
            yield Running(service, server, open_files(root))
            assert service.stop() == 0
    assert not (data / "jobs").exists()
    assert "Traceback" not in (data / "log").read_text(encoding="utf-8")


def table(rows: int, *, poisoned: int = -1) -> str:
    ra_deg = [RA_DEG + number * 1e-5 for number in range(rows)]
    if poisoned >= 0:
        ra_deg[poisoned] = POISON_RA_DEG
    return "RA,DEC\n" + "".join(f"{ra!r},{DEC_DEG}\n" for ra in ra_deg)


@pytest.fixture(scope="module")
def job(running: Running) -> Finished:
    """Run a job whose table is uploaded as a file."""
    answer = requests.post(
        f"{running.base}/async",
        data={"PHASE": "RUN", "COLORS_FITS": "g", "MAKE_RGB_LUPTON": "true"},
        files={"POSITIONS": ("positions.csv", table(30).encode())},
        allow_redirects=False,
        timeout=60,
    )
    return finished(answer.headers["Location"])


def test_a_job_is_made_from_table_to_documents(running: Running, job: Finished) -> None:
    assert [row["STATUS"] for row in job.summary["cutouts"]] == ["ok"] * 30
    assert job.summary["number_of_files"] == 120
    with job.fits(next(name for name in job.results if name.endswith(".fits"))) as hdus:
        assert any(hdu.data is not None for hdu in hdus)
    assert len([key for key in running.keys(job.url) if key.endswith(".fits")]) == 90
    assert b"VOTABLE" in job.get("manifest")
    assert job.get("positions").count(b"\n") == 31
    assert b"finished: 30 ok; 120 files" in job.get("log")
    parameter = requests.get(f"{job.url}/parameters/POSITIONS", timeout=60)
    assert parameter.text == table(30)


def test_its_archives_hold_what_the_manifest_says(job: Finished) -> None:
    lines = requests.get(f"{job.url}/results/manifest.csv", timeout=60).text.splitlines()
    columns = lines[0].split(",")
    file, digest = columns.index("file"), columns.index("sha256")
    expected = {line.split(",")[file]: line.split(",")[digest] for line in lines[1:]}
    packed = job.get("archive")
    assert len(packed) == int(
        requests.head(f"{job.url}/results/archive", timeout=60).headers["Content-Length"]
    )
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        found = {
            member.name.partition("/")[2]: hashlib.sha256(
                archive.extractfile(member).read()
            ).hexdigest()  # type: ignore[union-attr]
            for member in archive
        }
    assert {path: found[path] for path in expected} == expected
    zipped = requests.get(f"{job.url}/results/archive.zip", timeout=60).content
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(found)


def test_parts_of_files_are_sent(running: Running, job: Finished) -> None:
    url = f"{job.url}/results/summary.json"
    whole = requests.get(url, timeout=60)
    size = len(whole.content)
    running.server.forget()
    for asked, start, end in (
        ("10-19", 10, 20),
        (f"{size - 7}-", size - 7, size),
        ("-5", size - 5, size),
    ):
        part = requests.get(url, headers={"Range": f"bytes={asked}"}, timeout=60)
        assert part.status_code == 206
        assert part.content == whole.content[start:end]
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    not_new = {"If-None-Match": whole.headers["ETag"]}
    assert requests.get(url, headers=not_new, timeout=60).status_code == 304
    assert requests.get(url, headers={"Range": "bytes=9999999-"}, timeout=60).status_code == 416
    head = requests.head(url, timeout=60)
    assert (head.headers["Content-Length"], head.content) == (str(size), b"")


def test_pages_of_rows_are_read(running: Running, job: Finished) -> None:
    job_id = job.url.rpartition("/")[2]
    url = f"{running.base}/jobs/{job_id}/rows"
    page = requests.get(url, params={"from": "20", "count": "5"}, timeout=60).json()
    assert [row["row"] for row in page["rows"]] == [21, 22, 23, 24, 25]
    assert requests.get(f"{running.base}/jobs/{job_id}", timeout=60).status_code == 200


def test_the_service_is_available(running: Running) -> None:
    assert "job files: ok" in requests.get(f"{running.base}/availability", timeout=60).text


def test_a_poisoned_row_is_given_up_alone(running: Running) -> None:
    """Rows before it whose lines were lost with a worker are cut again, not given up."""
    job = run(running.base, POSITIONS=table(10, poisoned=6), COLORS_FITS="g")
    assert [row["STATUS"] for row in job.summary["cutouts"]].count("failed") == 1
    assert job.summary["cutouts"][6]["MESSAGE"] == "no worker survived it in 2 tries"


def test_killed_workers_lose_nothing(running: Running) -> None:
    url = str(submit(running.base, POSITIONS=table(300), COLORS_FITS="gri").headers["Location"])

    def kept() -> list[str]:
        return [key for key in running.keys(url) if "/.work/lines/0" in key]

    wait_for(lambda: len(kept()) > 1, "the first rows", 120)
    for process in descendants(running.service.popen.pid):
        if "work" in process.name:
            os.kill(process.pid, signal.SIGKILL)
    job = finished(url)
    assert [row["STATUS"] for row in job.summary["cutouts"]] == ["ok"] * 300
    assert [row["ROW"] for row in job.summary["cutouts"]] == list(range(1, 301))


def test_an_aborted_job_keeps_what_is_finished_and_a_deleted_one_nothing(running: Running) -> None:
    url = str(submit(running.base, POSITIONS=table(2000), COLORS_FITS="gri").headers["Location"])
    wait_for(lambda: [k for k in running.keys(url) if "/.work/lines/0" in k], "first rows", 120)
    requests.post(f"{url}/phase", data={"PHASE": "ABORT"}, timeout=60)
    names = {element.get("id") for element in document_of(url).iter() if element.get("id")}
    assert "archive" in names
    assert len(names) > 1
    requests.delete(url, allow_redirects=False, timeout=60)
    assert requests.get(url, timeout=60).status_code == 404
    wait_for(lambda: not running.keys(url), "the end of its files", 60)
    wait_for(lambda: not [*running.files.pending_deletions()], "the end of notes", 60)
    assert requests.get(f"{running.base}/availability", timeout=60).status_code == 200
