"""Changes of a job's state over HTTP: run, abort, delete, its times; named by the rules checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.uws_runtime import bring_to
from tests.uws_web import BASE_URL, JOBS_URL, UWS, Web, assert_text_error, open_web
from uws.files import LocalFiles
from uws.models import Phase

REFUSAL = "unknown parameter WORLD; allowed are WORD, TIMES, CHUNKS, FAIL, SLEEP; WORD is missing"


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Give a server that does its jobs at once."""
    return open_web(tmp_path)


@pytest.fixture
def idle(tmp_path: Path) -> Web:
    """Give a server whose queue is never worked on."""
    return open_web(tmp_path, works=False)


def test_uws_41_run_is_303_and_the_job_is_at_work(web: Web) -> None:
    path = web.create(WORD="sky")
    answer = web.client.post(f"{path}/phase", data={"phase": "RUN"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE_URL}{path}")
    assert web.phase(path) == "COMPLETED"


def test_uws_41_a_fault_at_a_later_run_is_an_error_of_the_job_and_still_303(web: Web) -> None:
    path = web.create(WORLD="sky")
    assert web.client.post(f"{path}/phase", data={"PHASE": "RUN"}).status_code == 303
    document = web.document(path)
    assert document.findtext(f"{UWS}phase") == "ERROR"
    error = document.find(f"{UWS}errorSummary")
    text = f"UsageError: {REFUSAL}"
    assert dict(error.attrib) == {"type": "fatal", "hasDetail": "true"}
    assert error.findtext(f"{UWS}message") == text
    answer = web.client.get(f"{path}/error")
    assert (answer.status_code, answer.text) == (200, text)


def test_uws_31_the_error_is_text_where_there_is_one_and_404_else(idle: Web) -> None:
    failed = idle.client.get(f"/async/{bring_to(idle.service, Phase.ERROR, '')}/error")
    assert (failed.status_code, failed.text) == (200, "Error: it\nbroke")
    assert failed.content_type == "text/plain; charset=utf-8"
    job_id = bring_to(idle.service, Phase.COMPLETED, "")
    assert_text_error(
        idle.client.get(f"/async/{job_id}/error"),
        404,
        f"UsageError: job {job_id} is COMPLETED; there is no error",
    )


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING])
def test_uws_42_abort_is_seen_in_the_very_answer(idle: Web, phase: Phase) -> None:
    path = f"/async/{bring_to(idle.service, phase, '')}"
    for _ in range(2):
        answer = idle.client.post(f"{path}/phase", data={"PHASE": "abort"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE_URL}{path}")
        document = idle.document(path)
        assert document.findtext(f"{UWS}phase") == "ABORTED"
        assert document.findtext(f"{UWS}endTime") != ""


@pytest.mark.parametrize(
    ("phase", "asked"),
    [
        (Phase.QUEUED, "RUN"),
        (Phase.COMPLETED, "RUN"),
        (Phase.ABORTED, "RUN"),
        (Phase.COMPLETED, "ABORT"),
        (Phase.ERROR, "ABORT"),
    ],
)
def test_uws_43_what_the_phase_forbids_is_403(idle: Web, phase: Phase, asked: str) -> None:
    path = f"/async/{bring_to(idle.service, phase, '')}"
    answer = idle.client.post(f"{path}/phase", data={"PHASE": asked})
    assert answer.status_code == 403
    assert answer.text.startswith("UsageError: job ")
    assert idle.phase(path) == phase


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "UsageError: PHASE is missing; send PHASE=RUN or PHASE=ABORT"),
        ({"PHASE": "GO"}, "UsageError: PHASE: 'GO' cannot be asked for, only RUN or ABORT"),
        ({"PHASE": "x" * 99999}, "UsageError: PHASE: must be a text of at most 4096 characters"),
    ],
    ids=["missing", "unknown", "long"],
)
def test_uws_41_another_phase_cannot_be_asked_for(
    idle: Web, form: dict[str, str], text: str
) -> None:
    path = idle.create()
    answer = idle.client.post(f"{path}/phase", data=form)
    assert_text_error(answer, 413 if "most" in text else 400, text)


@pytest.mark.parametrize("way", ["DELETE", "POST"])
def test_uws_44_45_46_a_deleted_job_is_gone_and_leads_to_the_list(web: Web, way: str) -> None:
    path = web.create(WORD="sky", PHASE="RUN")
    form = {"action": "delete"} if way == "POST" else None
    answer = web.client.open(path, method=way, data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, JOBS_URL)
    assert web.client.get(path).status_code == 404
    assert web.ids() == []
    assert web.kept() == []


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "found no ACTION; a job takes ACTION=DELETE only, parameters go to {url}/parameters"),
        (
            {"ACTION": "KILL"},
            "found ACTION=KILL; a job takes ACTION=DELETE only, parameters go to {url}/parameters",
        ),
        ({"PHASE": "RUN"}, "PHASE is posted to {url}/phase"),
        (
            {"WORD": "sky"},
            "found no ACTION; a job takes ACTION=DELETE only, parameters go to {url}/parameters",
        ),
    ],
    ids=["nothing", "other action", "uws-t8 phase", "dali-8 parameter"],
)
def test_uws_t9_another_post_to_a_job_does_not_delete(
    idle: Web, form: dict[str, str], text: str
) -> None:
    path = idle.create()
    answer = idle.client.post(path, data=form)
    assert_text_error(answer, 400, f"UsageError: {text.format(url=BASE_URL + path)}")
    assert idle.phase(path) == "PENDING"
    assert len(idle.document(f"{path}/parameters")) == 0


@pytest.mark.parametrize("way", ["PUT", "POST"])
def test_an_upload_during_a_deletion_is_404(
    idle: Web, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = idle.create()
    real = LocalFiles.writer

    @contextmanager
    def writer(files: LocalFiles, key: str, *, durable: bool = False) -> Iterator[BinaryIO]:
        with real(files, key, durable=durable) as stream:
            yield stream
            assert idle.client.delete(path).status_code == 303

    monkeypatch.setattr(LocalFiles, "writer", writer)
    place = "/parameters/WORD" if way == "PUT" else "/parameters"
    body = b"x" * 5000 if way == "PUT" else {"WORD": "x" * 5000}
    answer = idle.client.open(f"{path}{place}", method=way, data=body)
    job_id = path.rpartition("/")[2]
    assert_text_error(answer, 404, f"UsageError: job {job_id} was deleted meanwhile")
    assert idle.kept() == []


def test_a_long_value_is_saved_under_the_parameters_name(idle: Web) -> None:
    path = idle.create(WORD=["x" * 5000, "y" * 5000])
    answer = idle.client.get(f"{path}/parameters/word.2")
    assert answer.data == b"y" * 5000
    assert answer.headers["Content-Disposition"] == "inline; filename=WORD.2"


def test_uws_47_destruction_is_set(idle: Web) -> None:
    path = idle.create()
    when = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.123456Z")
    answer = idle.client.post(f"{path}/destruction", data={"destruction": when})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE_URL}{path}")
    assert idle.client.get(f"{path}/destruction").text == when
    assert idle.document(path).findtext(f"{UWS}destruction") == when


def test_uws_48_execution_duration_is_set(idle: Web) -> None:
    path = idle.create()
    answer = idle.client.post(f"{path}/executionduration", data={"EXECUTIONDURATION": "77"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE_URL}{path}")
    assert idle.client.get(f"{path}/executionduration").text == "77"
    assert idle.document(path).findtext(f"{UWS}executionDuration") == "77"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("destruction", {}),
        ("destruction", {"DESTRUCTION": "soon"}),
        ("destruction", {"DESTRUCTION": "2020"}),
        ("executionduration", {}),
        ("executionduration", {"EXECUTIONDURATION": "-1"}),
        ("executionduration", {"EXECUTIONDURATION": "1.5"}),
    ],
)
def test_uws_47_48_bad_values_are_400_and_change_nothing(
    idle: Web, name: str, form: dict[str, str]
) -> None:
    path = idle.create()
    before = idle.client.get(f"{path}/{name}").text
    answer = idle.client.post(f"{path}/{name}", data=form)
    assert answer.status_code == 400
    assert answer.text.startswith(f"UsageError: {name.upper()}")
    assert idle.client.get(f"{path}/{name}").text == before
