"""What a process sets up first: the choice between compiled loops and pure Python."""

import os
import subprocess
import sys

import pytest

from soda_service.engine import compiled
from soda_service.startup import choose_loops


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> object:
    """Have the loops, whether they were built or not."""
    built = object()
    monkeypatch.setattr(compiled, "native", built)
    monkeypatch.setattr(compiled, "_reason", "")
    return built


@pytest.mark.parametrize("value", ["1", "yes"])
@pytest.mark.usefixtures("loops")
def test_loops_are_left_out_where_the_variable_says_so(value: str) -> None:
    choose_loops({"SODA_PURE_PYTHON": value})
    assert compiled.native is None
    assert compiled.engine_path() == "pure Python (SODA_PURE_PYTHON is set)"


@pytest.mark.parametrize("environ", [{}, {"SODA_PURE_PYTHON": ""}, {"SODA_PURE_PYTHON": "0"}])
def test_loops_are_used_else(loops: object, environ: dict[str, str]) -> None:
    choose_loops(environ)
    assert compiled.native is loops
    assert compiled.engine_path() == "compiled"


def test_the_commands_heed_the_variable() -> None:
    command = [sys.executable, "-m", "soda_service", "check-config"]
    environ = {**os.environ, "SODA_PURE_PYTHON": "1"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert "pure Python (SODA_PURE_PYTHON is set)" in run.stdout


def test_the_engine_reads_no_environment() -> None:
    """Who imports it has the loops that were built, whatever the variables say."""
    code = "from soda_service.engine.compiled import engine_path; print(engine_path())"
    paths = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "SODA_PURE_PYTHON": value},
        ).stdout
        for value in ("0", "1")
    ]
    assert paths[0] == paths[1]
