import io
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from soda_service.demo import run
from soda_service.errors import ConfigError, CutoutError


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def broken_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a survey at once, and a service that complains and ends."""
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho 'no [queue] today' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(run, "_prepare", lambda *_: None)
    monkeypatch.setattr(run.sys, "executable", str(program))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def demo(data: Path | None, **changes: bool) -> tuple[int, str]:
    text = io.StringIO()
    options = {"keep": False, "prepare_only": False, **changes}
    status = run.run_demo(data, port=0, workers=1, console=Console(file=text, width=200), **options)
    return status, text.getvalue()


def test_a_survey_alone_needs_a_directory_to_stay_in() -> None:
    with pytest.raises(ConfigError, match="--prepare: name the directory"):
        demo(None, prepare_only=True)


@pytest.mark.usefixtures("broken_service")
@pytest.mark.parametrize("keep", [False, True])
def test_a_service_that_does_not_start_shows_its_log(tmp_path: Path, keep: bool) -> None:
    status, text = demo(tmp_path, keep=keep)
    assert status == 1
    assert "The demonstration failed: the service did not start" in text
    assert "no [queue] today" in text


@pytest.mark.usefixtures("broken_service")
def test_a_temporary_directory_is_removed_whatever_happens(tmp_path: Path) -> None:
    status, _ = demo(None)
    assert status == 1
    assert list(tmp_path.glob("soda-demo-*")) == []


@pytest.mark.usefixtures("broken_service")
def test_the_survey_alone_says_how_to_serve_it(tmp_path: Path) -> None:
    status, text = demo(tmp_path, prepare_only=True)
    assert status == 0
    assert f"soda-service serve --data {tmp_path.resolve()}" in text


def test_a_kept_service_that_ends_by_itself_is_told() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"], text=True) as process,
        pytest.raises(CutoutError, match="ended unexpectedly with status 5"),
    ):
        run._wait_for_interrupt(process)
