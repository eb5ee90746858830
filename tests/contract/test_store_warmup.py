"""The warm-up of a worker: nothing is left of it, and nothing is left to compile after it."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import CacheStats
from typing_extensions import override

from tests.contract.stores import LEASE_S, StoreContract, plan_of
from tests.toyjob import new_toy
from uws.jobtype import Outcome
from uws.models import ChunkReport, Phase, Result
from uws.store import JobStore
from uws.store.schema import METADATA
from uws.store.warmup import warm_up


def _work(store: JobStore) -> None:
    """Do what the task of a job of one chunk does."""
    assert store.work.lease_step("job", "plan", holder="me", lease_s=LEASE_S) == 1
    assert store.work.save_plan("job", plan_of(1, notes=("a note",)))
    assert store.work.next_chunks("job", 8) == [0]
    assert store.work.claim_chunk("job", 0, holder="me", lease_s=LEASE_S)
    assert store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
    assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") == 0
    assert store.work.lease_step("job", "finish", holder="me", lease_s=LEASE_S) == 1
    assert len(store.work.reports("job")) == 1
    result = Result("a", "job/a", "text/plain", 1)
    assert store.complete("job", Outcome(results=(result,), notes=("done",)))
    assert store.get("job").results == (result,)


class WarmUpContract(StoreContract):
    def test_nothing_is_left_of_it(self, store: JobStore) -> None:
        warm_up(store)
        with store._database.reading() as connection:
            for table in METADATA.sorted_tables:
                assert connection.execute(sa.select(table)).all() == []

    def test_it_says_every_statement_of_a_task(self, store: JobStore) -> None:
        job = new_toy()
        store.create(job)
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        store._database._engine.clear_compiled_cache()
        warm_up(store)
        compiled: list[str] = []

        def note(*event: Any) -> None:  # Any: SQLAlchemy's own context is among it
            _, _, statement, _, context, _ = event
            if context.cache_hit is CacheStats.CACHE_MISS:
                compiled.append(statement)

        sa.event.listen(store._database._engine, "before_cursor_execute", note)
        _work(store)
        assert compiled == []


class TestSqlite(WarmUpContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(WarmUpContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
