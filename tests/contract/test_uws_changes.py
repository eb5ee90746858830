"""Changes of a job's state beyond the rules of UWS (`rules/`): exact texts, races, leftovers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.uws_runtime import bring_to
from tests.uws_web import Web, assert_text_error, open_web
from uws.localfiles import LocalFiles
from uws.models import Phase
from uws.work.sweep import sweep


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Give a server that does its jobs at once."""
    return open_web(tmp_path)


@pytest.fixture
def idle(tmp_path: Path) -> Web:
    """Give a server whose queue is never worked on."""
    return open_web(tmp_path, works=False)


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
def test_a_deleted_job_leaves_no_files(web: Web, way: str) -> None:
    path = web.create(WORD="sky", TABLE="x" * 5000)
    web.client.put(f"{path}/parameters/WORD", data=b"y" * 5000)
    assert web.kept() != []
    form = {"action": "delete"} if way == "POST" else None
    assert web.client.open(path, method=way, data=form).status_code == 303
    sweep(web.runtime)
    assert web.kept() == []


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
    sweep(idle.runtime)
    assert idle.kept() == []


def test_a_long_value_is_saved_under_the_parameters_name(idle: Web) -> None:
    path = idle.create(WORD=["x" * 5000, "y" * 5000])
    answer = idle.client.get(f"{path}/parameters/word.2")
    assert answer.data == b"y" * 5000
    assert answer.headers["Content-Disposition"] == "attachment; filename=WORD.2"
