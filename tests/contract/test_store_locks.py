"""Locks on PostgreSQL: whoever changes the work of a job takes the job's row first.

A deletion has the job's row and then takes all that hang on it; whoever took a chunk or step
first and then wanted the job would lock up with it.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.contract.stores import LEASE_S, claim, planned
from uws.models import ChunkReport, ErrorSummary
from uws.store import JobStore, open_store

pytestmark = pytest.mark.xdist_group("postgres")

ERROR = ErrorSummary("Error: it broke")
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
_OF_JOB = "WHERE job_id = 'job' FOR UPDATE NOWAIT"


@pytest.fixture
def store(postgres_url: str) -> Iterator[JobStore]:
    store = open_store(postgres_url)
    store.migrate()
    yield store
    store.close()


def later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


CALLS: dict[str, Callable[[JobStore], object]] = {
    "report": lambda store: store.work.report_chunk("job", 0, ChunkReport(2), holder="me"),
    "resend chunk": lambda store: store.recovery.resend_chunk(
        "job", 0, now=later(), older_than_s=LEASE_S
    ),
    "resend step": lambda store: store.recovery.resend_step(
        "job", "plan", now=later(), older_than_s=1
    ),
    "lease step": lambda store: store.work.lease_step("job", "plan", holder="me", lease_s=LEASE_S),
    "fail step": lambda store: store.work.fail_step("job", "plan", holder="me", error=ERROR),
    "next": lambda store: store.work.next_chunks("job", 9),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_jobs_row_is_locked_first(store: JobStore, name: str) -> None:
    planned(store, 3)
    store.work.next_chunks("job", 2)
    claim(store, 0)
    with store._database.writing() as connection:
        # Not planned, so that its plan is due; its chunks are there all the same.
        if "step" in name:
            connection.exec_driver_sql("UPDATE uws_jobs SET chunk_count = NULL")
    with ThreadPoolExecutor(1) as pool, store._database.writing() as deleting:
        deleting.exec_driver_sql("SELECT id FROM uws_jobs WHERE id = 'job' FOR UPDATE")
        called = pool.submit(CALLS[name], store)
        _wait_for_a_waiter(store)
        for table in ("uws_chunks", "uws_steps"):
            deleting.exec_driver_sql(f"SELECT job_id FROM {table} {_OF_JOB}")
        deleting.exec_driver_sql("DELETE FROM uws_jobs WHERE id = 'job'")
        deleting.commit()
        assert not called.result(30)


def _wait_for_a_waiter(store: JobStore) -> None:
    for _ in range(1000):
        # A transaction each: within one the server's activity stands still.
        with store._database.reading() as connection:
            if connection.scalar(sa.text(_WAITING)):
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for the job's row")
