"""The example on the front page of the package runs as it stands."""

import textwrap
from pathlib import Path

import pytest
from flask import Flask

import uws
from uws.store import JobStore


def test_the_job_type_of_the_front_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    indented = (uws.__doc__ or "").partition("::\n\n")[2].partition("\n\nThen ")[0]
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(textwrap.dedent(indented), "uws", "exec"), names)
    app = names["app"]
    assert isinstance(app, Flask)
    client = app.test_client()
    created = client.post("/async", data={"PHASE": "RUN", "WORD": "hello"})
    assert created.status_code == 303
    path = created.headers["Location"].removeprefix("http://localhost")
    assert client.get(f"{path}/phase").text == "COMPLETED"
    with client.get(f"{path}/results/result") as answer:
        assert answer.data == b"HELLO"
    assert client.get(f"{path}/results/other").status_code == 404
    store = names["store"]
    assert isinstance(store, JobStore)
    store.close()
