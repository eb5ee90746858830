"""Databases for the contracts of the job store, and holders of leases."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Give the address of an empty SQLite database."""
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture(scope="session")
def dead_holder() -> str:
    """Give the holder of a process that has ended."""
    command = "from uws.lease_owner import this_holder; print(this_holder(), end='')"
    return subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def killable_holder() -> Iterator[str]:
    """Give the holder of a task that lives, in a process group of its own as RQ's have them."""
    command = (
        "from uws.lease_owner import this_holder as h; print(h(is_task=True), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()
