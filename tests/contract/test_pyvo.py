"""pyvo as client of the main job: what a notebook does (CLIENTS, pyvo)."""

import pytest
import requests
from pyvo.dal.tap import AsyncTAPJob

pytestmark = pytest.mark.xdist_group("service")


def create(base: str, **parameters: str) -> AsyncTAPJob:
    answer = requests.post(f"{base}/async", data=parameters, allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    return AsyncTAPJob(answer.headers["Location"])


def test_a_job_from_creation_to_results(service_url: str) -> None:
    job = create(service_url, POSITIONS="RA,DEC\n30,-20\n30.001,-20.001\n", RUNID="notebook")
    assert job.phase == "PENDING"
    job.execution_duration = 600
    job.run()
    job.wait(phases=["COMPLETED", "ERROR", "ABORTED"], timeout=60)
    assert job.phase == "COMPLETED"
    job.raise_if_error()
    assert job.execution_duration.sec == 600
    summary = requests.get(f"{job.url}/results/summary.json", timeout=60).json()
    first = requests.get(job.result_uris[0], timeout=60)
    assert job.result_uris[0].endswith(summary["cutouts"][0]["FILES"][0].replace("+", "%2B"))
    assert first.content[:6] == b"SIMPLE"
    assert job.result_uri.endswith("results/result")
    url = job.url
    job.delete()
    assert requests.get(url, timeout=60).status_code == 404


def test_a_fault_is_shown_to_the_user(service_url: str) -> None:
    job = create(service_url, RA="30", DEC="-20", XSIZE="99")
    job.run()
    job.wait(phases=["COMPLETED", "ERROR", "ABORTED"], timeout=60)
    assert job.phase == "ERROR"
    with pytest.raises(Exception, match="XSIZE"):
        job.raise_if_error()


def test_abort_before_the_run(service_url: str) -> None:
    job = create(service_url, RA="30", DEC="-20")
    job.abort()
    assert job.phase == "ABORTED"
