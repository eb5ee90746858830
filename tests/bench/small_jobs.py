"""A job of one position, from POST to the answer that says COMPLETED."""

import json
import statistics
import time
from dataclasses import dataclass
from datetime import datetime

from tests.bench.figures import Figure, milliseconds
from tests.bench.running import POSITION, Client, running

__all__ = ["measure"]

_JOBS = 60


@dataclass(frozen=True, slots=True)
class _Course:
    """How long each part of a job took, seconds."""

    posted: float
    """Until POST was answered."""

    whole: float
    started: float
    """From creation until EXECUTING."""

    executed: float


def measure() -> list[Figure]:
    """Run jobs one after the other on two workers."""
    with running() as service, service.client() as client:
        for _ in range(5):
            _run(client)
        courses = [_run(client) for _ in range(_JOBS)]
    told = [each.whole - each.posted - each.started - each.executed for each in courses]
    return [
        Figure(
            "job of one position, POST to COMPLETED with WAIT, p50 / p95 / p99",
            f"{milliseconds([each.whole for each in courses])} ms",
            "150 ms; 50 ms",
        ),
        Figure("... until POST is answered", _median([each.posted for each in courses])),
        Figure(
            "... from creation until EXECUTING: queue, fork, plan",
            _median([each.started for each in courses]),
        ),
        Figure(
            "... from EXECUTING until COMPLETED: tile opened, cut, four documents",
            _median([each.executed for each in courses]),
        ),
        Figure("... the rest: event, document, less what overlaps", _median(told)),
    ]


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f} ms"


def _run(client: Client) -> _Course:
    begun = time.perf_counter()
    job = client.create({**POSITION, "PHASE": "RUN"})
    posted = time.perf_counter()
    client.finish(job)
    ended = time.perf_counter()
    document = json.loads(client.call("GET", f"{job}?RESPONSEFORMAT=json").body)
    created, started, done = (
        datetime.fromisoformat(document[name]) for name in ("creationTime", "startTime", "endTime")
    )
    return _Course(
        posted - begun,
        ended - begun,
        (started - created).total_seconds(),
        (done - started).total_seconds(),
    )
