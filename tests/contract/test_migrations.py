"""Migrations by `soda-service init-db`: from nothing, and from each older schema, with jobs in it.

The rows of `FIRST_ROWS` have the columns of revision 0001 only, which all later ones have too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from click.testing import Result as Ended
from typing_extensions import override

from soda_service.cli.main import main
from tests.contract.stores import LEASE_S, NOON
from tests.logging_state import restored_logging
from tests.toyjob import new_toy
from uws.models import (
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorSummary,
    Job,
    Parameter,
    Phase,
    Progress,
    Result,
)
from uws.store import JobStore, open_store
from uws.store.database import open_engine
from uws.store.links import Link, Purpose
from uws.store.schema import METADATA, UtcTime

CONFIG = Config()
CONFIG.set_main_option("script_location", "uws:migrations")
HEAD, *OLD = (script.revision for script in ScriptDirectory.from_config(CONFIG).walk_revisions())

FIRST_ROWS: dict[str, list[dict[str, Any]]] = {
    "uws_jobs": [
        {"id": "waiting", "phase": "PENDING", "run_id": "mine", "notes": '["one","two"]'},
        {
            "id": "working",
            "phase": "EXECUTING",
            "start_time": NOON,
            "chunk_count": 2,
            "chunks_left": 1,
            "items_total": 5,
            "items_done": 2,
            "items_failed": 1,
            "size_bytes": 7,
        },
        {
            "id": "failed",
            "phase": "ERROR",
            "error_message": "Error: no",
            "error_kind": "fatal",
            "end_time": NOON,
        },
    ],
    "uws_parameters": [
        {
            "job_id": "waiting",
            "position": 0,
            "name": "WORD",
            "value": "sky",
            "by_reference": False,
            "media_type": "text/plain",
        }
    ],
    "uws_results": [
        {"job_id": "failed", "position": 0, "id": "log", "key": "failed/log", "media_type": "a/b"}
    ],
    "uws_steps": [
        {"job_id": job_id, "step": step, "tries": 1 if step == "plan" else 0}
        for job_id in ("waiting", "working", "failed")
        for step in ("plan", "finish")
    ],
    "uws_chunks": [
        {
            "job_id": "working",
            "number": 0,
            "state": "done",
            "spec": "{}",
            "total": 3,
            "report_done": 2,
            "report_failed": 1,
            "report_bytes": 7,
            "report_detail": '{"a":1}',
        },
        {
            "job_id": "working",
            "number": 1,
            "state": "sent",
            "spec": '{"n":1}',
            "total": 2,
            "attempts": 1,
            "sent_time": NOON,
        },
    ],
    "uws_remains": [{"job_id": "gone", "deleted_time": NOON}],
}
JOB = {
    "job_type": "toy",
    "owner": "vera",
    "creation_time": NOON,
    "destruction": NOON + timedelta(days=1),
    "execution_duration_s": 600,
}


def expected_jobs() -> list[Job]:
    """Give the jobs of `FIRST_ROWS`; what planning did was not yet counted apart."""
    job = new_toy("waiting", owner="vera", created=NOON)
    word = Parameter("WORD", "sky")
    return [
        replace(
            job,
            id="working",
            phase=Phase.EXECUTING,
            start_time=NOON,
            progress=Progress(total=5, done=2, failed=1, size_bytes=7),
            chunk_count=2,
        ),
        replace(job, parameters=(word,), run_id="mine", notes=("one", "two")),
        replace(
            job,
            id="failed",
            phase=Phase.ERROR,
            end_time=NOON,
            error=ErrorSummary("Error: no"),
            results=(Result("log", "failed/log", "a/b"),),
        ),
    ]


def insert_first_rows(connection: sa.Connection) -> None:
    for name, rows in FIRST_ROWS.items():
        for row in rows:
            _insert(connection, name, **{**(JOB if name == "uws_jobs" else {}), **row})


def _insert(connection: sa.Connection, name: str, /, **values: object) -> None:
    """Insert a row into a table of any schema."""
    kinds = {key: UtcTime for key, value in values.items() if isinstance(value, datetime)}
    columns = [sa.column(key, kinds.get(key)) for key in values]
    connection.execute(sa.table(name, *columns).insert(), values)


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = open_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def go_to(url: str, revision: str, way: Callable[[Config, str], None] = command.upgrade) -> None:
    """Bring a database to a revision, up or down."""
    with connected(url) as connection:
        config = Config()
        config.set_main_option("script_location", "uws:migrations")
        config.attributes["connection"] = connection
        way(config, revision)


def assert_newest(url: str) -> None:
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, METADATA) == []


class MigrationContract:
    """What `init-db` must make of a database, and of the jobs in it."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def init_db(self, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Ended]]:
        """Give the command, run on the database."""
        for name in ("SODA_DATA", "SODA_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SODA_STORE__URL", url)
        with restored_logging():
            yield lambda: CliRunner().invoke(main, ["init-db"])

    @pytest.fixture
    def store(self, url: str) -> Iterator[JobStore]:
        store = open_store(url)
        yield store
        store.close()

    def test_from_nothing_and_again(
        self, url: str, init_db: Callable[[], Ended], store: JobStore
    ) -> None:
        for _ in range(2):
            ended = init_db()
            assert (ended.exit_code, ended.output) == (0, "the job store is up to date\n")
            assert_newest(url)
        job = new_toy(WORD="sky")
        store.create(job)
        assert init_db().exit_code == 0
        assert store.get("job") == job

    @pytest.mark.parametrize("revision", OLD)
    def test_jobs_of_an_older_schema_go_on(
        self, url: str, init_db: Callable[[], Ended], store: JobStore, revision: str
    ) -> None:
        go_to(url, revision)
        with connected(url) as connection:
            insert_first_rows(connection)
        ended = init_db()
        assert (ended.exit_code, ended.output) == (0, "the job store is up to date\n")
        assert_newest(url)
        assert [store.get(job.id) for job in expected_jobs()] == expected_jobs()
        assert list(store.expiry.tombstones(NOON + timedelta(seconds=1))) == ["gone"]
        work_off(store)

    @pytest.mark.parametrize("revision", OLD)
    def test_the_way_back_keeps_the_jobs(
        self, url: str, init_db: Callable[[], Ended], store: JobStore, revision: str
    ) -> None:
        go_to(url, HEAD)
        with connected(url) as connection:
            insert_first_rows(connection)
        go_to(url, revision, command.downgrade)
        assert init_db().exit_code == 0
        assert_newest(url)
        assert [store.get(job.id) for job in expected_jobs()] == expected_jobs()
        work_off(store)

    def test_links_of_two_tables_are_brought_into_one(self, url: str, store: JobStore) -> None:
        kept, shared = "a" * 64, "b" * 64
        go_to(url, "0007")
        with connected(url) as connection:
            insert_first_rows(connection)
            _insert(connection, "uws_keeps", digest=kept, job_id="failed", about=NOON)
            used = {"digest": "c" * 64, "job_id": "failed", "about": NOON, "used_time": NOON}
            _insert(connection, "uws_keeps", **used)
            share = {"id": "share", "job_id": "failed", "token_hash": shared}
            _insert(connection, "uws_shares", **share, created_time=NOON)
        for _ in range(2):
            store.migrate()
            link = store.links.find(kept, Purpose.EXTEND)
            assert link is not None
            assert (link.job_id, link.about) == ("failed", NOON)
            assert store.links.count_extensions("failed") == 1
            assert store.links.list("failed", Purpose.SHARE) == [Link("share", "failed", NOON)]
            assert store.links.find(shared, Purpose.SHARE) == Link("share", "failed", NOON)
            go_to(url, "0007", command.downgrade)

    def test_the_way_back_knows_no_newer_state_of_chunks(self, url: str) -> None:
        go_to(url, HEAD)
        with connected(url) as connection:
            insert_first_rows(connection)
            connection.exec_driver_sql("UPDATE uws_chunks SET state = 'away' WHERE number = 0")
        go_to(url, "0004", command.downgrade)
        with connected(url) as connection:
            states = connection.exec_driver_sql("SELECT state FROM uws_chunks ORDER BY number")
            assert states.scalars().all() == ["failed", "sent"]

    def test_a_newer_schema_is_left_alone(
        self, url: str, init_db: Callable[[], Ended], store: JobStore
    ) -> None:
        go_to(url, HEAD)
        store.create(new_toy())
        with connected(url) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        ended = init_db()
        assert ended.exit_code == 2
        assert ended.output == (
            f"Error: job store: found schema 9999, this program knows {HEAD} and older"
            " ones; use the version of the program that made it, or a later one\n"
        )
        assert store.phase("job") is Phase.PENDING


def work_off(store: JobStore) -> None:
    """Do what is left of the job `working`, by all that newer columns are for."""
    chunk = store.work.claim_chunk("working", 1, holder="me", lease_s=LEASE_S)
    assert chunk == Chunk("working", 1, {"n": 1}, 2, state=ChunkState.RUNNING, attempts=2)
    assert store.work.forget_attempts("working", 1, holder="me")
    store.work.release_chunk("working", 1, holder="me", pause_s=0.0)
    assert store.work.claim_chunk("working", 1, holder="me", lease_s=LEASE_S)
    assert store.work.report_chunk("working", 1, ChunkReport(2), holder="me") == 0
    assert store.work.reports("working") == [ChunkReport(2, 1, 7, {"a": 1}), ChunkReport(2)]
    assert store.work.lease_step("working", "finish", holder="me", lease_s=LEASE_S) == 1
    assert store.get("working").progress == Progress(total=5, done=4, failed=1, size_bytes=7)


class TestSqlite(MigrationContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(MigrationContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
