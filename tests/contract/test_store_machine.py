"""Job store and service beside a model: clients, workers and sweeps in any order.

The examples are the same in each run. `FUZZ_EXAMPLES=1000` looks at so many others, and deeper.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from typing_extensions import override

import uws.work.sweep
from tests.contract.phase_trail import PhaseTrail
from tests.contract.store_machine import StoreMachine
from tests.contract.store_model import lives
from tests.contract.store_pair import Clock
from tests.contract.stores import StoreContract
from uws.lease_owner import is_dead, is_killable, is_task, kill
from uws.localfiles import LocalFiles
from uws.store import JobStore, find

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def settings_for(examples: int) -> settings:
    """Say how long to look: always at the same few examples, or at many others."""
    return settings(
        max_examples=FUZZ_EXAMPLES or examples,
        stateful_step_count=80 if FUZZ_EXAMPLES else 40,
        derandomize=not FUZZ_EXAMPLES,
        # A failure is told as it was found: to make it smaller takes minutes.
        phases=(Phase.explicit, Phase.generate),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def modules_with(name: str, value: object) -> Sequence[ModuleType]:
    """Give the modules of the server that have imported something under its name."""
    found = [module for key, module in sys.modules.items() if key.startswith("uws.")]
    return [module for module in found if vars(module).get(name) is value]


class StoreMachineContract(StoreContract):
    """The store against the model, one call at a time."""

    EXAMPLES: ClassVar[int]

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        clock = Clock()
        for module in modules_with("datetime", datetime):
            monkeypatch.setattr(module, "datetime", clock.as_datetime())
        for real, fixed in (
            (is_dead, clock.is_dead),
            (is_killable, clock.is_killable),
            (is_task, lives),
            (kill, clock.kill),
        ):
            for module in modules_with(real.__name__, real):
                monkeypatch.setattr(module, real.__name__, fixed)
        monkeypatch.setattr(uws.work.sweep, "_GRACE_S", 0)
        monkeypatch.setattr(find, "_PAGE", 2)
        # Quotes follow from how fast jobs are; their own tests have clocks that run.
        monkeypatch.setattr(uws.work.sweep, "quote_jobs", lambda _runtime, _now: None)
        return clock

    def test_the_store_does_what_the_model_does(
        self, store: JobStore, clock: Clock, tmp_path: Path
    ) -> None:
        files, trail = LocalFiles(tmp_path / "files"), PhaseTrail(store)

        def machine() -> StoreMachine:
            return StoreMachine(store, files, clock=clock, trail=trail)

        run_state_machine_as_test(
            machine,  # type: ignore[arg-type] # whatever makes a machine is taken
            settings=settings_for(self.EXAMPLES),
        )


class TestSqlite(StoreMachineContract):
    EXAMPLES = 50

    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(StoreMachineContract):
    EXAMPLES = 20  # each call goes to and fro between two processes
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
