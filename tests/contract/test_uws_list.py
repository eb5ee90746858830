"""The job list as a stream, and as JSON; its rules are tested in `rules/test_list.py`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.uws_web import Web, open_web
from uws.models import Job, Phase

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return open_web(tmp_path, works=False)


def _insert(web: Web, number: int) -> None:
    job = Job(
        id=f"job-{number:04d}",
        job_type="toy",
        owner="",
        phase=Phase.COMPLETED,
        creation_time=T0 + timedelta(seconds=number / 10),
        destruction=T0 + timedelta(days=9000),
        execution_duration_s=60,
    )
    web.runtime.store.create(job)


def test_the_list_is_sent_as_it_is_read(web: Web) -> None:
    for number in range(1200):
        _insert(web, number)
    answer = web.client.get("/async", buffered=False)
    pieces = list(answer.response)
    answer.close()
    assert len(pieces) > 2
    assert max(map(len, pieces)) < 40_000
    assert b"".join(pieces).count(b"<uws:jobref ") == 1200
    assert "Content-Length" not in answer.headers


def test_json_lists_the_same_jobs(web: Web) -> None:
    for number in range(3):
        _insert(web, number)
    answer = web.client.get("/async?LAST=2", headers={"Accept": "application/json"})
    assert answer.content_type == "application/json"
    assert [job["id"] for job in answer.json["jobs"]] == ["job-0002", "job-0001"]


def test_what_is_no_job_is_404_before_any_wait(web: Web) -> None:
    assert web.client.get("/async/capabilities?WAIT=10").status_code == 404
