"""The quote of a job: foretold before the start and while it works, nil where unknown (UWS-23)."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from tests.contract.stores import NOON, StoreContract, plan_of
from tests.e2e.service_process import wait_for
from tests.toyjob import new_toy
from tests.uws_web import UWS, Web, open_web
from uws.dali import format_instant, parse_instant
from uws.jobtype import Plan
from uws.models import FINISHED, ChunkReport, Load, Phase
from uws.store import JobStore
from uws.work import quoting
from uws.work.quoting import Backlog, foretell_end
from uws.work.sweep import sweep


def load(job_id: str, left: int, worked: int = 0, started_s: float | None = None) -> Load:
    """Make what is to be done for a job that started so many seconds before NOON."""
    start = None if started_s is None else NOON - timedelta(seconds=started_s)
    return Load(job_id, left, worked, start, None)


# ------------------------------------------------------------------------------ the words


@pytest.mark.parametrize(
    ("left", "others", "expected"),
    [
        (10, (), 0),
        (10, (3,), 3),
        (10, (10,), 10),
        (10, (1_000_000,), 10),
        (10, (0, 5, 10, 11, 99), 35),
        (0, (5, 7), 0),
    ],
    ids=["alone", "smaller", "equal", "much larger", "many", "nothing left"],
)
def test_items_of_others_before(left: int, others: tuple[int, ...], expected: int) -> None:
    loads = [load("job", left), *(load(str(n), other) for n, other in enumerate(others))]
    assert Backlog.of(loads).items_until(left) == left + expected


@pytest.mark.parametrize(
    ("it", "rate_per_s", "expected_s"),
    [
        (load("job", 10), None, None),
        (load("job", 10), 0.0, None),
        (load("job", 10), 2.0, 10),
        (load("job", 10, 0, 4), 2.0, 6),
        (load("job", 10, 0, 10), 2.0, None),
        (load("job", 10, 5, 4), 2.0, 6),
        (load("job", 10, 5, 4), None, None),
        (load("job", 10, 5, 20), 2.0, 40),
        (load("job", 10, 5, 20), None, 40),
        (load("job", 0, 15, 20), None, 0),
    ],
    ids=[
        *("nothing known", "no rate", "queued", "just started", "outlasted"),
        *("too early", "too early, nothing known", "own pace", "own pace alone", "all worked"),
    ],
)
def test_foretell_end(it: Load, rate_per_s: float | None, expected_s: float | None) -> None:
    """Beside a job that has 10 items left; seconds from now."""
    expected = None if expected_s is None else NOON + timedelta(seconds=expected_s)
    backlog = Backlog.of([it, load("other", 10)])
    assert foretell_end(it, backlog, rate_per_s=rate_per_s, now=NOON) == expected


@pytest.mark.parametrize(
    ("it", "rate_per_s"),
    [
        (load("job", 10**9, 1, 1000), None),
        (load("job", 10**15, 1, 1000), None),
        (load("job", 10**9), 1e-9),
        (load("job", 10**9), 5e-324),
        (load("job", 10**9, 0, 4), 1e-9),
    ],
    ids=["slow", "slower", "rate", "least rate", "rate and start"],
)
def test_an_end_past_the_calendar_is_told_as_ten_years(it: Load, rate_per_s: float | None) -> None:
    quote = foretell_end(it, Backlog.of([it]), rate_per_s=rate_per_s, now=NOON)
    assert quote is not None
    assert timedelta(days=3649) < quote - NOON <= timedelta(days=3650)


# ------------------------------------------------------------------------------ the store


class QuoteContract(StoreContract):
    """What the store knows for it."""

    def test_loads(self, store: JobStore) -> None:
        """Of two chunks of two items one is done; two more were finished by planning."""
        for name in ("pending", "unplanned", "queued", "executing", "done"):
            store.create(new_toy(name))
        for name in ("unplanned", "queued", "executing", "done"):
            store.move(name, Phase.QUEUED, among={Phase.PENDING})
        for name in ("queued", "executing", "done"):
            store.work.save_plan(name, Plan(plan_of(2).chunks, done=1, failed=1))
        for name in ("executing", "done"):
            store.move(name, Phase.EXECUTING, among={Phase.QUEUED})
        store.work.next_chunks("executing", 1)
        store.work.claim_chunk("executing", 0, holder="me", lease_s=30)
        store.work.report_chunk("executing", 0, ChunkReport(1, 1), holder="me")
        store.set_quote("executing", NOON)
        store.move("done", Phase.ABORTED, among={Phase.EXECUTING})
        start = store.get("executing").start_time
        assert sorted(store.find.loads(), key=lambda load: load.job_id) == [
            Load("executing", 2, 2, start, NOON),
            Load("queued", 4, 0, None, None),
        ]

    def test_quote_of_an_ended_job_stays(self, store: JobStore) -> None:
        store.create(new_toy())
        store.set_quote("job", NOON)
        store.set_quote("job", None)
        assert store.get("job").quote is None
        store.set_quote("job", NOON)
        store.move("job", Phase.ABORTED, among={Phase.PENDING})
        store.set_quote("job", None)
        assert store.get("job").quote == NOON

    def test_rate_is_that_of_work(self, store: JobStore) -> None:
        """Ten seconds for 4 items in chunks; 96 more were finished by planning."""
        assert store.find.recent_rate_per_s() is None
        job = replace(new_toy(), phase=Phase.QUEUED)
        store.create(job)
        store.work.save_plan("job", Plan(plan_of(2).chunks, done=96))
        finish(store, "job", seconds=10)
        assert store.find.recent_rate_per_s() == pytest.approx(0.4)


def finish(store: JobStore, job_id: str, *, seconds: float) -> None:
    """Have a job COMPLETED after a time, whatever it was."""
    times = {
        "phase": "COMPLETED",
        "start_time": NOON,
        "end_time": NOON + timedelta(seconds=seconds),
    }
    with store._database.writing() as connection:
        from uws.store.jobrows import update_job

        update_job(connection, job_id, **times)


class TestSqlite(QuoteContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(QuoteContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url


# ------------------------------------------------------------------------------ over HTTP


def told(web: Web, path: str) -> datetime | None:
    """Read the quote in its four places, which must agree."""
    text = web.client.get(f"{path}/quote").text
    document = web.document(path)
    element = document.find(f"{UWS}quote")
    assert (element.text or "") == text
    nil = element.get("{http://www.w3.org/2001/XMLSchema-instance}nil")
    assert nil == (None if text else "true")
    told = json.loads(web.client.get(f"{path}?RESPONSEFORMAT=json").data)
    assert told["quote"] == (text or None)
    expected = document.findtext(f"{UWS}jobInfo/{{*}}expectedEnd")
    assert expected == (text or None if document.findtext(f"{UWS}phase") == "EXECUTING" else None)
    return parse_instant("quote", text) if text else None


def plan(web: Web, path: str, chunks: int) -> str:
    """Plan a queued job of chunks with two items each; gives its id."""
    job_id = path.rpartition("/")[2]
    assert web.runtime.store.work.save_plan(job_id, plan_of(chunks))
    return job_id


def test_nothing_is_told_that_is_not_known(tmp_path: Path) -> None:
    web = open_web(tmp_path, works=False)
    pending, queued = web.create(WORD="sky"), web.create(PHASE="RUN", WORD="sky")
    plan(web, queued, 5)
    sweep(web.runtime)
    assert (told(web, pending), told(web, queued)) == (None, None)


def test_queued_job_is_foretold_from_the_rate_of_others(tmp_path: Path) -> None:
    """The server works 4 items in 8 s; 20 are to be worked, and 6 of a job that is queued too."""
    web = open_web(tmp_path, works=False)
    store = web.runtime.store
    finish(store, plan(web, web.create(PHASE="RUN", WORD="a"), 2), seconds=8)
    other, path = web.create(PHASE="RUN", WORD="b"), web.create(PHASE="RUN", WORD="c")
    assert told(web, path) is None
    plan(web, other, 3)
    job_id = plan(web, path, 10)
    now = datetime.now(UTC)
    sweep(web.runtime, now)
    assert told(web, path) == now + timedelta(seconds=52)
    assert told(web, other) == now + timedelta(seconds=24)
    sweep(web.runtime, now + timedelta(seconds=2))  # hardly changed: the same text
    assert told(web, path) == now + timedelta(seconds=52)
    assert store.move(other.rpartition("/")[2], Phase.ABORTED, among={Phase.QUEUED})
    sweep(web.runtime, now)
    assert told(web, path) == now + timedelta(seconds=40)
    assert store.move(job_id, Phase.EXECUTING, among={Phase.QUEUED})
    sweep(web.runtime, now + timedelta(seconds=50))  # nothing was done, and the time is over
    assert told(web, path) is None


def test_running_job_is_foretold_near_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty items of 0.2 s in as many chunks; nothing is known of the server beforehand."""
    monkeypatch.setattr(quoting, "_PACE_AFTER", timedelta(seconds=0.5))
    web = open_web(tmp_path)
    path = web.create(WORD="sky", TIMES="20", CHUNKS="20", SLEEP="0.2")
    job_id = path.rpartition("/")[2]
    started = threading.Thread(target=web.service.start, args=("", job_id))
    started.start()
    store = web.runtime.store
    wait_for(lambda: store.get(job_id).progress.done >= 8, "8 items")
    told_at = datetime.now(UTC)
    quote = told(web, path)
    started.join(60)
    job = store.get(job_id)
    assert job.phase is Phase.COMPLETED
    assert job.start_time is not None
    assert job.end_time is not None
    assert quote is not None
    # What is left at the pace so far; the bounds leave room for a machine that is busy.
    remaining = job.end_time - told_at
    assert told_at + remaining / 3 <= quote <= told_at + 3 * remaining


@pytest.mark.parametrize("phase", sorted(FINISHED), ids=str)
def test_ended_job_keeps_its_last_quote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    web = open_web(tmp_path, works=False)
    job = replace(new_toy("0" * 32), phase=phase, quote=NOON)
    monkeypatch.setattr(web.service, "get", lambda _owner, _id: job)
    assert told(web, f"/async/{job.id}") == NOON
    assert web.client.get(f"/async/{job.id}/quote").text == format_instant(NOON)
