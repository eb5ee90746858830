"""The document of a job, and lists of 100,000 jobs, on both kinds of database."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tests.bench.figures import Figure, milliseconds
from tests.bench.running import POSITION, Running, cpu_s, private_mb, running
from tests.postgres import empty_database, started_postgres
from uws.models import Job, Phase, new_job_id
from uws.store.database import open_engine
from uws.store.schema import job_to_row, jobs

__all__ = ["measure"]

_JOBS = 100_000
_BATCH = 5000
_REQUESTS = 300
_PHASES = (Phase.COMPLETED, Phase.COMPLETED, Phase.ABORTED, Phase.ERROR, Phase.PENDING)


def measure() -> list[Figure]:
    """Ask for documents of SQLite first, then of PostgreSQL."""
    figures = []
    for database, started in (("SQLite", _on_sqlite), ("PostgreSQL", _on_postgres)):
        with started() as (service, store_url):
            with service.client() as client:
                job = client.create({**POSITION, "PHASE": "RUN"})
                client.finish(job)
            _fill(store_url)
            figures += [
                _document(service, f"{database}: {what}", path, bar=bar)
                for what, path, bar in (
                    ("document of a job, one result", job, "3 ms of server time"),
                    ("its phase", f"{job}/phase", ""),
                    (f"?LAST=10 of {_JOBS:,} jobs", "/async?LAST=10", "20 ms"),
                    ("?LAST=10&PHASE=ERROR", "/async?LAST=10&PHASE=ERROR", "20 ms"),
                    ("?LAST=10&PHASE=EXECUTING, of which there are none", _NONE, "20 ms"),
                )
            ]
            figures.append(_whole_list(service, database))
    return figures


_NONE = "/async?LAST=10&PHASE=EXECUTING"


@contextmanager
def _on_sqlite() -> Iterator[tuple[Running, str]]:
    with running() as service:
        yield service, f"sqlite:///{service.data / 'soda.db'}"


@contextmanager
def _on_postgres() -> Iterator[tuple[Running, str]]:
    with started_postgres() as server:
        url = empty_database(server)
        with running(f'[store]\nurl = "{url}"\n') as service:
            yield service, url


def _fill(store_url: str) -> None:
    """Put jobs into the store as if they had been created a second after another."""
    now = datetime.now(UTC)
    engine = open_engine(store_url)
    with engine.begin() as connection:
        for start in range(0, _JOBS, _BATCH):
            rows = [
                job_to_row(
                    Job(
                        id=new_job_id(),
                        job_type="cutout",
                        owner="",
                        phase=_PHASES[number % len(_PHASES)],
                        creation_time=now - timedelta(seconds=_JOBS - number),
                        destruction=now + timedelta(days=14),
                        execution_duration_s=3600,
                    )
                )
                for number in range(start, start + _BATCH)
            ]
            connection.execute(jobs.insert(), rows)
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def _document(service: Running, what: str, path: str, *, bar: str) -> Figure:
    """Ask for a document again and again, on one connection."""
    web, took = service.web(), []
    with service.client() as client:
        for _ in range(20):
            client.call("GET", path)
        before_s = cpu_s(web)
        for _ in range(_REQUESTS):
            begun = time.perf_counter()
            client.call("GET", path)
            took.append(time.perf_counter() - begun)
    each_ms = (cpu_s(web) - before_s) / _REQUESTS * 1e3
    return Figure(f"{what}, p50 / p95 / p99", f"{milliseconds(took)} ms ({each_ms:.1f} CPU)", bar)


def _whole_list(service: Running, database: str) -> Figure:
    """Read the whole list; tell when it began, how long it took, what memory it took."""
    host, _, port = service.address.rpartition(":")
    web = service.web()
    before_mb = peak_mb = private_mb(web)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        begun = time.perf_counter()
        request = f"GET /async HTTP/1.1\r\nHost: {service.address}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        size = len(connection.recv(1))
        first_s, looked_s = time.perf_counter() - begun, 0.0
        while piece := connection.recv(1 << 16):
            size += len(piece)
            if time.perf_counter() - looked_s > 0.1:
                looked_s = time.perf_counter()
                peak_mb = max(peak_mb, private_mb(web))
        whole_s = time.perf_counter() - begun
    return Figure(
        f"{database}: list of {_JOBS:,} jobs: first byte; whole; memory of the web grows by",
        f"{first_s * 1e3:.1f} ms; {whole_s:.1f} s for {size / 1e6:.0f} MB;"
        f" {peak_mb - before_mb:.1f} MB",
        "soon; streamed; bounded",
    )
