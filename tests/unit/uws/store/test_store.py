"""The job store on SQLite: what is its own, beside the contract of every store."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa

from tests.toyjob import new_toy
from uws.errors import TransientError
from uws.models import ACTIVE, Phase
from uws.store import JobStore, open_store
from uws.store.database import open_engine
from uws.store.schema import format_json, job_to_row, jobs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def store(path: Path) -> Iterator[JobStore]:
    store = open_store(f"sqlite:///{path}")
    store.migrate()
    yield store
    store.close()


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="found 'mysql', allowed are sqlite and postgresql"):
        open_store("mysql://user@host/jobs")


def test_nothing_is_connected_before_it_is_needed(path: Path) -> None:
    open_store(f"sqlite:///{path}")
    assert not path.exists()


def test_postgresql_is_spoken_to_by_psycopg() -> None:
    assert open_engine("postgresql://user@host/jobs").dialect.driver == "psycopg"


@pytest.mark.parametrize("call", ["get", "phase", "delete"])
def test_store_that_is_away(tmp_path: Path, call: str, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'nowhere' / 'jobs.db'}")
    with pytest.raises(TransientError, match=r"the job store cannot be reached$"):
        getattr(store, call)("job")
    assert "unable to open" in caplog.text


def test_store_without_tables(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TransientError):
        open_store(f"sqlite:///{path}").phase("job")
    assert "no such table: uws_jobs" in caplog.text


def test_locked_store(
    path: Path,
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("uws.store.database._BUSY_TIMEOUT_S", 0.01)
    hasty = open_store(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError):
        hasty.create(new_toy())
    assert "database is locked" in caplog.text
    assert list(hasty.find.list("")) == [], "readers do not wait for a writer"
    other.execute("ROLLBACK")
    other.close()
    store.create(new_toy())
    hasty._database._engine.dispose()


def test_the_url_says_how_long_a_writer_waits(path: Path, store: JobStore) -> None:
    hasty = open_store(f"sqlite:///{path}?timeout=0.01")
    started = time.monotonic()
    with store._database.writing(), pytest.raises(TransientError):
        hasty.create(new_toy())
    assert time.monotonic() - started < 10, "as long as without"


def test_times_without_zone_are_refused(store: JobStore) -> None:
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        store.set_quote("job", datetime(2026, 1, 1))  # noqa: DTZ001 - what is tested


def test_times_are_text_that_sorts(path: Path, store: JobStore) -> None:
    store.create(new_toy(created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT creation_time, destruction FROM uws_jobs").fetchall()
    connection.close()
    assert found == [("2026-01-02 03:04:05.000000", "2026-01-03 03:04:05.000000")]


def test_connections_are_set_up(store: JobStore) -> None:
    pragmas = ("journal_mode", "foreign_keys", "busy_timeout")
    with store._database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
    assert found == ["wal", 1, 15000]


def test_what_a_client_was_told_is_synced(store: JobStore) -> None:
    pragma = "PRAGMA synchronous"
    with store._database.writing() as connection:
        assert connection.exec_driver_sql(pragma).scalar_one() == 2  # FULL
    with store._database.working() as connection:
        assert connection.exec_driver_sql(pragma).scalar_one() == 1  # NORMAL


def test_failed_transaction_leaves_nothing(store: JobStore) -> None:
    store.create(new_toy(WORD="sky"))
    with pytest.raises(sa.exc.IntegrityError):
        store.create(new_toy(WORD="sea"))
    assert [item.value for item in store.get("job").parameters] == ["sky"]


@pytest.mark.parametrize(
    ("phases", "after"),
    [
        ((), None),
        ({Phase.ERROR, Phase.EXECUTING}, None),
        ((), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=["all", "two", "after"],
)
def test_lists_are_read_along_the_index(
    store: JobStore, phases: set[Phase], after: datetime | None
) -> None:
    plans = _plans(store, lambda: list(store.find.list("ann", phases=phases, after=after, last=10)))
    assert len(plans) == 1
    assert "USING INDEX ix_uws_jobs_owner_creation_time_id_phase" in plans[0]
    assert "TEMP B-TREE" not in plans[0], "the index gives the order"


@pytest.mark.parametrize("after", [None, datetime(2026, 1, 1, tzinfo=UTC)], ids=["all", "after"])
def test_lists_of_one_phase_are_read_along_an_index_of_it(
    store: JobStore, after: datetime | None
) -> None:
    work = partial(store.find.list, "ann", phases={Phase.EXECUTING}, after=after, last=10)
    (plan,) = _plans(store, lambda: list(work()))
    expected = "USING INDEX ix_uws_jobs_owner_phase_creation_time_id (owner=? AND phase=?"
    assert expected in plan
    assert "TEMP B-TREE" not in plan, "the index gives the order"


def test_jobs_completed_last_are_read_along_an_index(store: JobStore) -> None:
    (plan,) = _plans(store, store.find.recent_rate_per_s)
    assert plan == "SEARCH uws_jobs USING INDEX ix_uws_jobs_phase_end_time (phase=?)"


def test_counts_and_sweeps_use_indexes(store: JobStore) -> None:
    now = datetime.now(UTC)
    plans = _plans(
        store,
        lambda: [
            store.find.count("ann", ACTIVE),
            *store.expiry.expired(now),
            *store.recovery.overdue(now),
            *store.recovery.unplanned(now, 30),
            *store.recovery.unfinished(now),
            *store.recovery.lost_chunks(now, 30),
            *store.recovery.starved(8),
        ],
    )
    assert len(plans) == 8
    assert [plan for plan in plans if "SCAN uws_" in plan] == []


def _plans(store: JobStore, work: Callable[[], object]) -> list[str]:
    """Run `work`, and give SQLite's plan for each query that it made."""
    queries: list[tuple[str, Any]] = []
    engine = store._database._engine

    def note(*arguments: Any) -> None:
        statement, parameters = arguments[2:4]
        if str(statement).startswith("SELECT"):
            queries.append((str(statement), parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    work()
    sa.event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all()
            for query, parameters in queries
        ]
    return [" | ".join(row[3] for row in plan) for plan in plans]


def test_long_list_is_a_stream(store: JobStore) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        job_to_row(new_toy(f"{number}", created=start + timedelta(seconds=number)))
        for number in range(1200)
    ]
    with store._database.writing() as connection:
        connection.execute(jobs.insert(), rows)
    found = store.find.list("")
    assert next(found).id == "1199"
    store.delete("1198")  # between pages no lock is held and no snapshot kept
    assert [job.id for job in found] == [str(number) for number in range(1198, -1, -1)]


def test_json_takes_any_mapping() -> None:
    assert format_json(MappingProxyType({"é": (1, None)})) == '{"é":[1,null]}'


def test_a_new_store_is_readable_by_its_user_alone(tmp_path: Path) -> None:
    """Security L8: local users read mail addresses and tokens' digests in soda.db."""
    store = open_store(f"sqlite:///{tmp_path / 'soda.db'}")
    store.migrate()
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("soda.db", "soda.db-wal", "soda.db-shm"), 0o600)
    store.close()
