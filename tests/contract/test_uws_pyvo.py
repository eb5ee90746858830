"""pyvo's UWS client against a real socket: what its users do with a job."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from flask import request
from pyvo.dal.exceptions import DALQueryError
from pyvo.dal.tap import AsyncTAPJob
from werkzeug.serving import make_server

from tests.uws_web import open_web


@pytest.fixture
def jobs_url(tmp_path: Path) -> Iterator[str]:
    """Give the address of a job list served on loopback."""
    web = open_web(tmp_path, base_url=lambda: request.url_root.rstrip("/"))
    server = make_server("127.0.0.1", 0, web.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/async"
    server.shutdown()
    thread.join()
    server.server_close()


def _submit(jobs_url: str, **form: str) -> AsyncTAPJob:
    answer = requests.post(jobs_url, data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    return AsyncTAPJob(answer.headers["Location"], delete=False)


def test_pyvo_runs_a_job_and_reads_its_results(jobs_url: str) -> None:
    job = _submit(jobs_url, WORD="sky", TIMES="2", RUNID="night 7")
    assert (job.phase, job.owner, job.execution_duration.sec) == ("PENDING", None, 60)
    job.execution_duration = 30
    when = (datetime.now(UTC) + timedelta(days=2)).replace(tzinfo=None)
    job.destruction = when
    assert job.execution_duration.sec == 30
    assert job.destruction.to_datetime() == when
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=10)
    assert job.phase == "COMPLETED"
    assert [result.id_ for result in job.results] == ["item-000.txt", "item-001.txt", "result"]
    assert job.result_uri == f"{job.url}/results/result"
    assert requests.get(job.result_uri, timeout=10).text == "sky 0\nsky 1\n"
    assert job.job.runid == "night 7"
    url = job.url
    job.delete()
    assert requests.get(url, timeout=10).status_code == 404


def test_pyvo_shows_the_reason_of_a_failure(jobs_url: str) -> None:
    job = _submit(jobs_url, WORLD="sky")
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=10)
    with pytest.raises(DALQueryError, match="unknown parameter WORLD"):
        job.raise_if_error()


def test_pyvo_aborts_a_job(jobs_url: str) -> None:
    job = _submit(jobs_url, WORD="sky")
    job.abort()
    assert job.phase == "ABORTED"
