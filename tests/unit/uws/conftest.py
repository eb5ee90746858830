"""Runtimes of toy jobs: one that does every step at once, one that only notes what is sent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toyjob import LIMITS, Recorder, toy_runtime
from uws.runtime import Runtime


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[Runtime]:
    """Give a runtime that does every step at once."""
    runtime = toy_runtime(tmp_path, limits=LIMITS)
    yield runtime
    runtime.store.close()


@pytest.fixture
def recorder() -> Recorder:
    """Give the executor of `runtime`."""
    return Recorder()


@pytest.fixture
def runtime(inline: Runtime, recorder: Recorder) -> Runtime:
    """Give a runtime whose executor only notes what it is to do."""
    return replace(inline, executor=recorder)
