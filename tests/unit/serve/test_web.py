"""gunicorn's settings: the same by `serve` and by hand; open files."""

import os
import subprocess
import sys
from pathlib import Path

from soda_service.config.model import WebConfig
from soda_service.serve.web import gunicorn_settings

ROOT = Path(__file__).resolve().parents[3]

OPEN_FILES = """
import resource
from soda_service.serve.web import allow_open_files

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for limits in ((256, hard), (256, 512)):
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    allow_open_files()
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def _run(*command: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | environ,
    )
    return done.stdout


def test_gunicorn_by_hand_has_the_settings_of_serve(tmp_path: Path) -> None:
    command = ["-m", "gunicorn", "--print-config", "--bind", f"unix:{tmp_path / 's'}"]
    module = "python:soda_service.serve.gunicorn_conf"
    shown = _run(
        *(*command, "--config", module, "wsgi:app"),
        SODA_DATA=str(tmp_path),
        SODA_QUEUE__URL="redis://localhost:1",
        SODA_WEB__WORKERS="3",
        SODA_WEB__THREADS="70",
    )
    found = dict(map(str.strip, line.split("=", 1)) for line in shown.splitlines() if "=" in line)
    expected = gunicorn_settings(WebConfig(workers=3, threads=70))
    assert (expected["workers"], expected["threads"]) == (3, 70)
    del expected["forwarded_allow_ips"]
    assert found["forwarded_allow_ips"] == "[]"
    assert {name: found[name] for name in expected} == {k: str(v) for k, v in expected.items()}


def test_open_files_are_allowed_up_to_the_hard_limit() -> None:
    first, second = _run("-c", OPEN_FILES).splitlines()
    soft, hard = map(int, first.split())
    assert soft == (65536 if hard == -1 else min(65536, hard))
    assert second == "512 512"
