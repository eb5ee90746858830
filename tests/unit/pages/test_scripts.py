"""The scripts of the pages by themselves, under Node's own test runner (`make test-js`)."""

import shutil
import subprocess
from pathlib import Path

import pytest

OLDEST_NODE = 20
"""As package.json says."""


def test_scripts_pass_their_tests() -> None:
    files = sorted(Path(__file__).parents[2].joinpath("js").glob("*.test.js"))
    assert len(files) > 5
    node = shutil.which("node")
    if node is None:
        pytest.skip("scripts of the pages are not tested by themselves: there is no Node here")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"scripts of the pages are not tested by themselves: Node {version} is too old")
    command = [node, "--test", *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
