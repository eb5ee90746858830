"""What every job store must do with jobs, on each database that it runs on."""

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from typing_extensions import override

from tests.contract.stores import (
    AT_WORK,
    LEASE_S,
    NOON,
    StoreContract,
    claim,
    plan_of,
    planned,
    run_together,
)
from tests.toyjob import new_toy
from uws.errors import NotFoundError, TransientError
from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import (
    FINISHED,
    MOVES,
    ChunkReport,
    ChunkState,
    ErrorKind,
    ErrorSummary,
    Parameter,
    Phase,
)
from uws.store import JobStore, find, open_store
from uws.store.database import Database
from uws.store.links import Purpose
from uws.store.schema import METADATA


def _abort_in_fork(store: JobStore) -> None:
    store.dispose()
    assert store.move("job", Phase.ABORTED, among={Phase.PENDING})


class JobStoreContract(StoreContract):
    """Jobs: what comes back, what moves, what is listed, what is deleted."""

    def test_unknown_job(self, store: JobStore) -> None:
        with pytest.raises(NotFoundError, match="no job nobody"):
            store.get("nobody")
        with pytest.raises(NotFoundError, match="no job nobody"):
            store.phase("nobody")
        assert not store.move("nobody", Phase.ABORTED, among=set(Phase))
        assert not store.set_parameters("nobody", [])
        assert not store.delete("nobody")
        assert not store.work.lease_step("nobody", "plan", holder="me", lease_s=LEASE_S)
        assert not store.work.save_plan("nobody", plan_of(1))
        assert store.work.next_chunks("nobody", 8) == []
        assert store.work.claim_chunk("nobody", 0, holder="me", lease_s=LEASE_S) is None
        assert not store.complete("nobody", Outcome())
        store.set_quote("nobody", NOON)
        store.add_notes("nobody", ["lost"])
        assert store.find.phase_counts() == {}

    def test_job_comes_back_whole(self, store: JobStore) -> None:
        job = replace(
            new_toy("a" * 32, owner="åse", created=NOON),
            run_id="my <run>",
            url="https://sky.example/async/a",
            parameters=(
                Parameter("B", "2"),
                Parameter("A", "käse\n;1"),
                Parameter("B", "1"),
                Parameter("UPLOAD", "a/positions.csv", by_reference=True, media_type="text/csv"),
            ),
            quote=NOON + timedelta(hours=1),
            notes=("one", "två"),
        )
        store.create(job)
        assert store.get(job.id) == job

    def test_times_come_back_in_utc(self, store: JobStore) -> None:
        east = timezone(timedelta(hours=2))
        store.create(new_toy())
        store.set_destruction("job", datetime(2030, 1, 1, 0, 30, 0, 123456, east))
        found = store.get("job").destruction
        assert found == datetime(2029, 12, 31, 22, 30, 0, 123456, UTC)
        assert found.tzinfo is UTC

    @pytest.mark.parametrize("to", list(Phase), ids=str)
    @pytest.mark.parametrize("source", list(Phase), ids=str)
    def test_only_legal_moves(self, store: JobStore, source: Phase, to: Phase) -> None:
        store.create(replace(new_toy(), phase=source))
        assert store.move("job", to, among=set(Phase)) == (to in MOVES[source])
        assert store.phase("job") == (to if to in MOVES[source] else source)

    def test_moves_only_from_phases_named(self, store: JobStore) -> None:
        store.create(new_toy())
        assert not store.move("job", Phase.ABORTED, among=AT_WORK)
        assert not store.move("job", Phase.ABORTED, among=())
        assert store.phase("job") is Phase.PENDING

    def test_moves_set_times_and_error(self, store: JobStore) -> None:
        store.create(new_toy())
        before = datetime.now(UTC)
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert (store.get("job").start_time, store.get("job").end_time) == (None, None)
        store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
        job = store.get("job")
        assert job.start_time is not None
        assert before <= job.start_time <= datetime.now(UTC)
        assert job.end_time is None
        error = ErrorSummary("UsageError: no", ErrorKind.TRANSIENT, "UsageError: no\nnever")
        store.move("job", Phase.ERROR, among=AT_WORK, error=error)
        ended = store.get("job")
        assert ended.end_time is not None
        assert ended == replace(job, phase=Phase.ERROR, end_time=ended.end_time, error=error)
        store.move("job", Phase.ARCHIVED, among={Phase.ERROR})
        assert store.get("job") == replace(ended, phase=Phase.ARCHIVED)

    @pytest.mark.parametrize(("failed", "counts"), [(None, (1, 4)), (1, (4, 1)), (0, (5, 0))])
    def test_the_finish_may_correct_what_failed(
        self, store: JobStore, failed: int | None, counts: tuple[int, int]
    ) -> None:
        """A chunk that could not be accounted for was reported as failed whole."""
        store.create(replace(new_toy(), phase=Phase.QUEUED))
        assert store.work.lease_step("job", "plan", holder="me", lease_s=LEASE_S)
        assert store.work.save_plan("job", Plan([ChunkPlan({}, 4)], done=1))
        store.work.next_chunks("job", 1)
        assert store.work.claim_chunk("job", 0, holder="me", lease_s=LEASE_S) is not None
        bare, state = ChunkReport(0, 4), ChunkState.FAILED
        assert store.work.report_chunk("job", 0, bare, holder="me", state=state) == 0
        store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
        assert store.complete("job", Outcome(failed=failed))
        progress = store.get("job").progress
        assert (progress.done, progress.failed, progress.total) == (*counts, 5)

    @pytest.fixture
    def listed(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> JobStore:
        """Give a store whose pages are small, with six jobs a minute apart and one of another."""
        monkeypatch.setattr(find, "_PAGE", 2)
        phases = ["PENDING", "COMPLETED", "ERROR", "ARCHIVED", "COMPLETED", "EXECUTING"]
        for place, phase in enumerate(phases):
            created = NOON + timedelta(minutes=place)
            job = new_toy(f"job{place}", owner="ann", created=created, WORD="sky")
            store.create(replace(job, phase=Phase(phase)))
        store.create(new_toy("other", owner="bob", created=NOON))
        return store

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, "54210"),
            ({"last": 3}, "542"),
            ({"last": 0}, ""),
            ({"last": 100}, "54210"),
            ({"after": NOON + timedelta(minutes=2)}, "54"),
            ({"after": NOON + timedelta(minutes=2, microseconds=-1)}, "542"),
            ({"phases": {Phase.COMPLETED}}, "41"),
            ({"phases": {Phase.COMPLETED}, "last": 1}, "4"),
            ({"phases": {Phase.ARCHIVED, Phase.ERROR}}, "32"),
            ({"phases": {Phase.COMPLETED}, "after": NOON + timedelta(minutes=1)}, "4"),
            ({"phases": {Phase.HELD}}, ""),
        ],
        ids=[
            *("all", "last 3", "last 0", "last 100", "after", "just after"),
            *("phase", "phase and last", "two phases", "phase and after", "none"),
        ],
    )
    def test_list(self, listed: JobStore, filters: dict[str, object], expected: str) -> None:
        jobs = listed.find.list("ann", **filters)  # type: ignore[arg-type] # a case's own filters
        assert "".join(job.id.removeprefix("job") for job in jobs) == expected

    def test_list_keeps_order_of_equal_times(
        self, store: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(find, "_PAGE", 2)
        for name in "cadbe":
            store.create(new_toy(name, created=NOON))
        assert [job.id for job in store.find.list("")] == list("edcba")

    def test_listed_jobs_lack_parameters_only(self, listed: JobStore) -> None:
        (newest,) = listed.find.list("ann", last=1)
        assert newest == replace(listed.get("job5"), parameters=())

    def test_counts(self, listed: JobStore) -> None:
        assert listed.find.count("ann", {Phase.COMPLETED, Phase.ERROR}) == 3
        assert listed.find.count("ann", ()) == 0
        assert listed.find.count("bob", set(Phase)) == 1
        assert listed.find.phase_counts() == {
            "PENDING": 2,
            "COMPLETED": 2,
            "ERROR": 1,
            "ARCHIVED": 1,
            "EXECUTING": 1,
        }

    def test_parameters_are_replaced_by_name(self, store: JobStore) -> None:
        old = [Parameter("A", "1"), Parameter("B", "2"), Parameter("A", "3"), Parameter("C", "4")]
        store.create(replace(new_toy(), parameters=tuple(old)))
        new = [Parameter("D", "8"), Parameter("A", "5"), Parameter("A", "6"), Parameter("A", "7")]
        assert store.set_parameters("job", new, run_id="second")
        job = store.get("job")
        assert "".join(item.name + item.value for item in job.parameters) == "A5A6A7B2C4D8"
        assert job.run_id == "second"
        assert store.set_parameters("job", [])
        assert store.get("job") == job

    def test_parameters_are_fixed_once_queued(self, store: JobStore) -> None:
        store.create(new_toy(WORD="sky"))
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        assert not store.set_parameters("job", [Parameter("WORD", "sea")], run_id="second")
        job = store.get("job")
        assert (job.parameters, job.run_id) == ((Parameter("WORD", "sky"),), "")

    def test_properties(self, store: JobStore) -> None:
        store.create(new_toy())
        job = store.get("job")
        store.set_destruction("job", NOON)
        assert store.set_execution_duration("job", 0)
        store.set_quote("job", NOON + timedelta(seconds=1))
        store.add_notes("job", ["one"])
        store.add_notes("job", ["two", "three"])
        assert store.get("job") == replace(
            job,
            destruction=NOON,
            execution_duration_s=0,
            quote=NOON + timedelta(seconds=1),
            notes=("one", "two", "three"),
        )

    def test_a_reader_sees_one_state(self, url: str, store: JobStore) -> None:
        store.create(new_toy(WORD="sky"))
        other = open_store(url)
        with store._database.reading() as connection:
            reader = JobStore(Database(store._database._engine, connection))
            job = reader.get("job")
            assert other.delete("job")
            assert reader.get("job") == job
        with pytest.raises(NotFoundError):
            store.get("job")
        other.close()

    @pytest.mark.parametrize("phase", sorted(FINISHED), ids=str)
    def test_a_finished_job_keeps_its_execution_duration(
        self, store: JobStore, phase: Phase
    ) -> None:
        job = replace(new_toy(), phase=phase)
        store.create(job)
        assert not store.set_execution_duration("job", 1)
        assert not store.set_execution_duration("nobody", 1)
        assert store.get("job") == job

    def test_delete_leaves_nothing_but_a_tombstone(self, store: JobStore) -> None:
        planned(store, 3)
        claim(store, store.work.next_chunks("job", 1)[0])
        store.create(new_toy("other", WORD="sky"))
        store.links.add("job", Purpose.EXTEND, "digest", about=NOON)
        store.links.add("job", Purpose.SHARE, "other digest", most=1)
        assert store.delete("job")
        assert not store.delete("job")
        with store._database.reading() as connection:
            ids = {
                table.name: set(connection.scalars(sa.select(table.c[column])))
                for table in METADATA.sorted_tables
                for column in ("job_id" if "job_id" in table.c else "id",)
            }
        assert ids == {
            "uws_jobs": {"other"},
            "uws_parameters": {"other"},
            "uws_steps": {"other"},
            "uws_results": set(),
            "uws_chunks": set(),
            "uws_links": set(),
            "uws_messages": set(),
            "uws_remains": {"job"},
        }
        assert list(store.expiry.tombstones(NOON)) == []
        assert list(store.expiry.tombstones(datetime.now(UTC) + timedelta(seconds=1))) == ["job"]
        store.expiry.remove_tombstone("job")
        assert list(store.expiry.tombstones(datetime.now(UTC) + timedelta(seconds=1))) == []

    def test_parent_and_fork_use_connections_of_their_own(self, store: JobStore) -> None:
        store.create(new_toy())
        fork = multiprocessing.get_context("fork").Process(target=_abort_in_fork, args=(store,))
        fork.start()
        fork.join()
        assert fork.exitcode == 0
        assert store.phase("job") is Phase.ABORTED

    def test_before_init_db_it_is_away(self, url: str) -> None:
        store = open_store(url)
        with pytest.raises(TransientError):
            store.get("job")
        with pytest.raises(TransientError):
            store.create(new_toy())
        store.close()

    def test_migrations_run_once(self, url: str) -> None:
        stores = [open_store(url) for _ in range(4)]
        run_together(lambda worker: stores[worker].migrate())
        stores[0].create(new_toy())
        assert stores[1].phase("job") is Phase.PENDING
        for store in stores:
            store.close()

    def test_migrations_make_the_tables_of_the_schema(self, store: JobStore) -> None:
        with store._database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, METADATA) == []


class TestSqlite(JobStoreContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_the_first_writer_of_a_new_file_is_waited_for(self, url: str, tmp_path: Path) -> None:
        # It holds the write lock in the old journal mode: SQLite refuses the switch at once.
        first = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None, check_same_thread=False)
        first.execute("BEGIN IMMEDIATE")
        store = open_store(url)
        with closing(first), ThreadPoolExecutor(1) as pool:
            migrated = pool.submit(store.migrate)
            with pytest.raises(TimeoutError):
                migrated.result(0.2)
            first.execute("COMMIT")
            migrated.result(30)
        store.close()


class TestPostgres(JobStoreContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.mark.parametrize("source", [Phase.PENDING, Phase.QUEUED, Phase.COMPLETED], ids=str)
    @pytest.mark.parametrize("to", [Phase.QUEUED, Phase.ABORTED, Phase.ARCHIVED], ids=str)
    @override
    def test_only_legal_moves(self, store: JobStore, source: Phase, to: Phase) -> None:
        super().test_only_legal_moves(store, source, to)
