"""What the contracts of the job store share: an empty store, and ways to fill it.

A backend's tests inherit a contract and give `url`, the address of an empty database.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.toyjob import new_toy
from uws.jobtype import ChunkPlan, Plan
from uws.models import (
    Chunk,
    Phase,
)
from uws.store import JobStore, open_store

NOON = datetime(2026, 3, 1, 12, 0, 0, 1, UTC)
LEASE_S = 30
AT_WORK = {Phase.QUEUED, Phase.EXECUTING}


class StoreContract:
    """Gives the store; what it must do stands in the classes that inherit."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[JobStore]:
        store = open_store(url)
        store.migrate()
        yield store
        store.close()


def plan_of(count: int, *, notes: tuple[str, ...] = ()) -> Plan:
    return Plan([ChunkPlan({"n": number}, 2) for number in range(count)], notes=notes)


def planned(store: JobStore, count: int, *, phase: Phase = Phase.EXECUTING) -> None:
    """Make the job `job`, planned in chunks of two items."""
    store.create(new_toy())
    store.move("job", Phase.QUEUED, among={Phase.PENDING})
    assert store.work.save_plan("job", plan_of(count))
    if phase is Phase.EXECUTING:
        store.move("job", phase, among={Phase.QUEUED})


def claim(store: JobStore, number: int, holder: str = "me", lease_s: int = LEASE_S) -> Chunk | None:
    return store.work.claim_chunk("job", number, holder=holder, lease_s=lease_s)


def run_together(work: Callable[[int], None], *, threads: int = 4) -> None:
    """Call `work` with 0, 1, ... in threads that start at the same moment."""
    barrier = threading.Barrier(threads)

    def start(worker: int) -> None:
        barrier.wait()
        work(worker)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(start, range(threads)))
