"""Migrations from the schemas that were released before, with jobs in them."""

import pytest
from alembic import command
from alembic.config import Config
from typing_extensions import override

from tests.contract.stores import LEASE_S
from tests.toyjob import new_toy
from uws.models import ChunkReport, Phase
from uws.store import open_store
from uws.store.database import Database, open_engine

JOB = """
    INSERT INTO uws_jobs (id, job_type, owner, phase, creation_time, destruction,
        execution_duration_s, chunk_count, chunks_left, items_total)
    VALUES ('job', 'toy', '', 'EXECUTING', '2026-03-01 12:00:00.000001',
        '2026-04-01 12:00:00.000000', 600, 1, 1, 2)
"""
CHUNK = """
    INSERT INTO uws_chunks (job_id, number, state, spec, total, attempts)
    VALUES ('job', 0, 'sent', '{"n": 0}', 2, 1)
"""
STEPS = "INSERT INTO uws_steps (job_id, step) VALUES ('job', 'plan'), ('job', 'finish')"


def make_first_schema(url: str) -> None:
    """Make the tables of revision 0001, with a job in the middle of its work."""
    engine = open_engine(url)
    with Database(engine).writing() as connection:
        config = Config()
        config.set_main_option("script_location", "uws:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (JOB, CHUNK, STEPS):
            connection.exec_driver_sql(statement)
    engine.dispose()


class MigrationContract:
    """What the jobs of an older version must be after an upgrade."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    def test_a_job_at_work_goes_on(self, url: str) -> None:
        make_first_schema(url)
        store = open_store(url)
        store.migrate()
        chunk = store.claim_chunk("job", 0, holder="me", lease_s=LEASE_S)
        assert chunk is not None
        assert (chunk.total, chunk.attempts) == (2, 2)
        assert store.forget_attempts("job", 0, holder="me")
        assert store.report_chunk("job", 0, ChunkReport(2), holder="me") == 0
        assert store.lease_step("job", "finish", holder="me", lease_s=LEASE_S) == 1
        job = store.get("job")
        assert (job.phase, job.progress.done) == (Phase.EXECUTING, 2)
        store.create(new_toy("another"))
        store.close()


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
