"""The job list and its filters, and waiting for a job, over HTTP."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.uws_runtime import bring_to
from tests.uws_web import JOBS_URL, UWS, Web, assert_text_error, open_web
from uws.models import Job, Phase

XLINK = "{http://www.w3.org/1999/xlink}"
T0 = datetime(2026, 1, 1, tzinfo=UTC)
PHASES = [Phase.PENDING, Phase.ERROR, Phase.COMPLETED, Phase.ARCHIVED, Phase.ERROR, Phase.PENDING]


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return open_web(tmp_path, works=False)


@pytest.fixture
def six(web: Web) -> Web:
    """Six jobs, job-0 to job-5, created a tenth of a second apart, and one of another owner's."""
    for number, phase in enumerate(PHASES):
        _insert(web, f"job-{number}", phase, T0 + timedelta(seconds=number / 10))
    _insert(web, "eves", Phase.PENDING, T0, owner="eve")
    return web


def _insert(web: Web, job_id: str, phase: Phase, created: datetime, owner: str = "") -> None:
    job = Job(
        id=job_id,
        job_type="toy",
        owner=owner,
        phase=phase,
        creation_time=created,
        destruction=created + timedelta(days=9000),
        execution_duration_s=60,
        run_id="r" if job_id == "job-1" else "",
    )
    web.runtime.store.create(job)


@pytest.mark.parametrize(
    "query",
    [
        "PHASE=pendinggg",
        "PHASE=",
        "LAST=0",
        "LAST=-1",
        "LAST=x",
        "LAST=1.5",
        "LAST=1&last=2",
        "AFTER=sometext",
        "AFTER=2015-26-10",
        "AFTER=2015-10-26T09:15:35%2B01:00",
        "AFTER=2015-10-26T09:15:35+01:00",
        "AFTER=2015&AFTER=2016",
        "RESPONSEFORMAT=fits",
    ],
)
def test_uws_16_bad_filters_are_400(six: Web, query: str) -> None:
    answer = six.client.get(f"/async?{query}")
    assert answer.status_code == 400
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.split(":")[0] in {"UsageError", "MultiValuedParamNotSupported"}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 2, 1, 0]),
        ("?PHASE=ERROR", [4, 1]),
        ("?PHASE=ERROR&phase=pending", [5, 4, 1, 0]),
        ("?PHASE=ARCHIVED", [3]),
        ("?PHASE=ARCHIVED&PHASE=COMPLETED", [3, 2]),
        ("?PHASE=HELD", []),
        ("?LAST=2", [5, 4]),
        ("?last=99999999999999", [5, 4, 2, 1, 0]),
        ("?PHASE=ERROR&LAST=1", [4]),
        ("?AFTER=2026-01-01T00:00:00.1", [5, 4, 2]),
        ("?AFTER=2026-01-01T00:00:00.1Z&LAST=1", [5]),
        ("?AFTER=2026-01-01T00:00:00.1Z&PHASE=ERROR", [4]),
        ("?AFTER=2025", [5, 4, 2, 1, 0]),
        ("?AFTER=20260102", []),
        ("?AFTER=2015-10-26 09:00", [5, 4, 2, 1, 0]),
        ("?AFTER=2015-10-26T09:15:35&UNKNOWN=x", [5, 4, 2, 1, 0]),
    ],
)
def test_uws_9_11_12_13_14_15_filters(six: Web, query: str, numbers: list[int]) -> None:
    assert six.ids(query) == [f"job-{number}" for number in numbers]


def test_uws_9_each_owner_sees_the_own_jobs(six: Web) -> None:
    answer = six.client.get("/async", auth=("eve", ""))
    assert answer.text.count("<uws:jobref ") == 1
    assert 'id="eves"' in answer.text


def test_uws_10_a_reference_has_an_absolute_link_and_its_children_in_order(six: Web) -> None:
    reference = six.document("/async")[3]
    assert dict(reference.attrib) == {
        "id": "job-1",
        f"{XLINK}type": "simple",
        f"{XLINK}href": f"{JOBS_URL}/job-1",
    }
    assert [(child.tag.removeprefix(UWS), child.text) for child in reference] == [
        ("phase", "ERROR"),
        ("runId", "r"),
        ("ownerId", None),
        ("creationTime", "2026-01-01T00:00:00.100000Z"),
    ]


def test_the_list_is_sent_as_it_is_read(web: Web) -> None:
    for number in range(1200):
        _insert(web, f"job-{number:04d}", Phase.COMPLETED, T0 + timedelta(seconds=number))
    answer = web.client.get("/async", buffered=False)
    pieces = list(answer.response)
    answer.close()
    assert len(pieces) > 2
    assert max(map(len, pieces)) < 40_000
    assert b"".join(pieces).count(b"<uws:jobref ") == 1200
    assert "Content-Length" not in answer.headers


def test_json_lists_the_same_jobs(six: Web) -> None:
    answer = six.client.get("/async?LAST=2", headers={"Accept": "application/json"})
    assert answer.content_type == "application/json"
    assert [job["id"] for job in answer.json["jobs"]] == ["job-5", "job-4"]


# ----------------------------------------------------------------------- WAIT


@pytest.mark.parametrize("query", ["WAIT=x", "WAIT=", "WAIT=1.5", "WAIT=1&WAIT=2"])
def test_uws_35_a_bad_wait_is_400(web: Web, query: str) -> None:
    assert web.client.get(f"{web.create()}?{query}").status_code == 400


def test_uws_36_an_unknown_phase_to_wait_in_is_400(web: Web) -> None:
    answer = web.client.get(f"{web.create()}?WAIT=1&PHASE=WAITING")
    assert answer.status_code == 400


def test_uws_37_waiting_for_a_job_that_is_not_there_is_404(web: Web) -> None:
    assert web.client.get("/async/nothing?WAIT=10").status_code == 404


def _elapsed_s(web: Web, path: str, *, method: str = "GET") -> float:
    start = monotonic()
    assert web.client.open(path, method=method).status_code == 200
    return monotonic() - start


@pytest.mark.parametrize(
    ("phase", "query"),
    [
        (Phase.PENDING, "?WAIT=1"),
        (Phase.QUEUED, "?wait=1&phase=queued"),
        (Phase.EXECUTING, "?WAIT=-1"),
        (Phase.PENDING, "?WAIT=600&PHASE=PENDING"),
    ],
)
def test_uws_33_35_an_active_job_is_waited_for_up_to_the_cap(
    web: Web, phase: Phase, query: str
) -> None:
    assert 0.9 < _elapsed_s(web, f"/async/{bring_to(web.service, phase, '')}{query}") < 2.5


@pytest.mark.parametrize(
    ("phase", "query"),
    [
        (Phase.PENDING, ""),
        (Phase.PENDING, "?WAIT=0"),
        (Phase.PENDING, "?WAIT=1&PHASE=EXECUTING"),
        (Phase.PENDING, "?PHASE=PENDING"),
        (Phase.HELD, "?WAIT=1"),
        (Phase.SUSPENDED, "?WAIT=1&PHASE=SUSPENDED"),
        (Phase.COMPLETED, "?WAIT=1&PHASE=COMPLETED"),
        (Phase.ERROR, "?WAIT=-1"),
        (Phase.ABORTED, "?WAIT=1"),
    ],
)
def test_uws_34_36_other_requests_are_answered_at_once(web: Web, phase: Phase, query: str) -> None:
    assert _elapsed_s(web, f"/async/{bring_to(web.service, phase, '')}{query}") < 0.8


def test_uws_33_only_get_of_the_job_waits(web: Web) -> None:
    path = web.create()
    assert _elapsed_s(web, f"{path}?WAIT=1", method="HEAD") < 0.8
    assert _elapsed_s(web, f"{path}/phase?WAIT=1") < 0.8
    assert _elapsed_s(web, "/async?WAIT=1") < 0.8


def test_uws_33_the_answer_of_a_wait_is_the_document(web: Web) -> None:
    path = web.create()
    web.client.post(f"{path}/phase", data={"PHASE": "ABORT"})
    document = web.document(f"{path}?WAIT=10&PHASE=PENDING")
    assert document.findtext(f"{UWS}phase") == "ABORTED"
    assert_text_error(
        web.client.get("/async/capabilities?WAIT=1"),
        404,
        "UsageError: there is no job capabilities",
    )
