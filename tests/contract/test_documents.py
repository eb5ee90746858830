"""What README and docs/clients.md tell users to type, typed: on the survey of the demo, served."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service_process import started

pytestmark = pytest.mark.xdist_group("documents")

ROOT = Path(__file__).parents[2]
WRITTEN = "http://127.0.0.1:8000"
CLIENTS = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _fenced(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", CLIENTS, re.DOTALL)


def _indented(text: str, first: str) -> str:
    """Give the indented block whose first line begins so."""
    start = text.index(f"\n    {first}") + 1
    lines = []
    for line in text[start:].splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    return "\n".join(lines)


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a service on the survey that README and docs speak of."""
    data = tmp_path_factory.mktemp("demo")
    service = [sys.executable, "-m", "soda_service"]
    subprocess.run([*service, "demo", "--prepare", "--data", str(data)], check=True)
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with started(command, data / "serve.log") as process:
        yield f"http://{process.address}"
        process.stop()


def _type(command: list[str], text: str, url: str, folder: Path) -> str:
    run = subprocess.run(
        [*command, text.replace(WRITTEN, url)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:__main__"},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def _bash(text: str, url: str, folder: Path) -> str:
    return _type(["bash", "-euo", "pipefail", "-c"], text, url, folder)


def _python(text: str, url: str, folder: Path) -> str:
    return _type([sys.executable, "-c"], text, url, folder)


def test_readme_asks_by_curl(demo_url: str, tmp_path: Path) -> None:
    told = _bash(_indented(README, "printf 'RA,DEC"), demo_url, tmp_path)
    assert told.startswith("COMPLETED\n")
    assert told.count('"STATUS": "ok"') == 2
    assert (tmp_path / "cutouts.tar.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_readme_asks_from_python(demo_url: str, tmp_path: Path) -> None:
    told = _python(_indented(README, "import requests, pyvo"), demo_url, tmp_path)
    assert told.startswith("COMPLETED ['http://")


def test_curl_at_once_and_a_table(demo_url: str, tmp_path: Path) -> None:
    at_once, table = _fenced("sh")
    _bash(at_once, demo_url, tmp_path)
    assert (tmp_path / "cutout.fits").read_bytes()[:6] == b"SIMPLE"
    assert (tmp_path / "cutout.png").read_bytes()[1:4] == b"PNG"
    told = _bash(table, demo_url, tmp_path)
    assert '"rows":3' in told
    assert '"STATUS": "unmatched"' in told
    assert (tmp_path / "cutouts.tar.gz").stat().st_size > 100_000


TOLD = (
    r"\(\d+, \d+\) i\n",
    r"(?s).* DR1 .* g .*\n\(\d+, \d+\)\n#this .*#preview image/png",
    r"(?s).*COMPLETED 3 of 3.*first ok \[.*second ok \[.*elsewhere unmatched",
    r"COMPLETED 20\d\d-.*Z http",
    r"elsewhere no image\n",
)


@pytest.mark.parametrize("number", range(len(TOLD)))
def test_python(demo_url: str, tmp_path: Path, number: int) -> None:
    pieces = _fenced("python")
    assert len(pieces) == len(TOLD)
    if number == 3:  # it lists jobs: let there be one
        _python(_indented(README, "import requests, pyvo"), demo_url, tmp_path)
    told = _python(pieces[number], demo_url, tmp_path)
    assert re.match(TOLD[number], told), told
