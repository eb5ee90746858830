"""ARCHIVED: what is kept of a job after its destruction time (UWS-9, 12, 22, 34, 43, 46)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from lxml import etree
from typing_extensions import override

from tests.contract.stores import NOON, StoreContract, claim, plan_of
from tests.toyjob import new_toy
from tests.uws_runtime import RecordingExecutor
from tests.uws_web import BASE_URL, UWS, Web, assert_text_error, open_web
from uws.jobtype import Outcome
from uws.models import ChunkReport, ErrorSummary, Parameter, Phase, Progress, Result
from uws.runtime import JobLimits
from uws.store import JobStore
from uws.store.schema import METADATA
from uws.work.sweep import SweepReport, sweep

REMOVED = "ARCHIVED: the results were removed when the destruction time was reached"
UPLOADS = "ARCHIVED: removed too were the values kept as files, of TABLE, MASK"
PARAMETERS = (
    Parameter("TABLE", "job/parameters/1", by_reference=True),
    Parameter("WORD", "sky"),
    Parameter("MASK", "job/parameters/2", by_reference=True),
    Parameter("TABLE", "job/parameters/3", by_reference=True),
)
LATER = timedelta(days=1)


def make_completed(store: JobStore) -> None:
    """Make the job `job`: two items of one chunk, results, uploads; destroyed a day after NOON."""
    store.create(replace(new_toy(created=NOON), parameters=PARAMETERS))
    store.move("job", Phase.QUEUED, among={Phase.PENDING})
    store.work.save_plan("job", plan_of(1, notes=("planned",)))
    store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
    store.work.next_chunks("job", 1)
    claim(store, 0)
    store.work.report_chunk("job", 0, ChunkReport(1, 1, 7), holder="me")
    result = Result("result", "job/result.txt", "text/plain", 7)
    assert store.complete("job", Outcome((result,)))


class ArchiveContract(StoreContract):
    """What the store does about jobs that are past their destruction time."""

    @pytest.mark.parametrize("verb", ["archive_expired", "delete_expired"])
    def test_nothing_is_done_before_the_time(self, store: JobStore, verb: str) -> None:
        end = getattr(store.expiry, verb)
        assert end("nobody", NOON) is None
        make_completed(store)
        job = store.get("job")
        assert end("job", NOON + LATER - timedelta(microseconds=1)) is None
        assert store.set_destruction("job", NOON + 2 * LATER)  # put off after it was listed
        assert end("job", NOON + LATER) is None
        assert store.get("job") == replace(job, destruction=NOON + 2 * LATER)

    def test_archived_job_keeps_its_document(self, store: JobStore) -> None:
        make_completed(store)
        job = store.get("job")
        assert store.expiry.archive_expired("job", NOON + LATER) is Phase.COMPLETED
        assert store.get("job") == replace(
            job,
            phase=Phase.ARCHIVED,
            parameters=(Parameter("WORD", "sky"),),
            results=(),
            notes=("planned", REMOVED, UPLOADS),
        )
        assert job.progress == Progress(total=2, done=1, failed=1, size_bytes=7)

    @pytest.mark.parametrize(
        ("phase", "end"),
        [
            *((phase, Phase.ARCHIVED) for phase in (Phase.PENDING, Phase.QUEUED, Phase.EXECUTING)),
            *((phase, Phase.ARCHIVED) for phase in (Phase.HELD, Phase.SUSPENDED)),
            *((phase, Phase.ARCHIVED) for phase in (Phase.ERROR, Phase.ABORTED)),
            (Phase.UNKNOWN, Phase.UNKNOWN),
        ],
        ids=str,
    )
    def test_from_every_phase(self, store: JobStore, phase: Phase, end: Phase) -> None:
        error = ErrorSummary("Error: it broke") if phase is Phase.ERROR else None
        store.create(replace(new_toy(created=NOON), phase=phase, error=error))
        moved = end is Phase.ARCHIVED
        assert store.expiry.archive_expired("job", NOON + LATER) == (phase if moved else None)
        job = store.get("job")
        assert (job.phase, job.error) == (end, error)
        assert (job.end_time is not None) == moved

    def test_archived_job_changes_no_more(self, store: JobStore) -> None:
        make_completed(store)
        store.expiry.archive_expired("job", NOON + LATER)
        job = store.get("job")
        assert store.expiry.archive_expired("job", NOON + 9 * LATER) is None
        assert store.expiry.delete_expired("job", NOON + 9 * LATER) is None
        assert not store.set_destruction("job", NOON + 99 * LATER)
        assert not store.set_parameters("job", [Parameter("WORD", "sea")])
        assert not store.add_results("job", [Result("late", "job/late.txt", "text/plain")])
        assert not any(store.move("job", phase, among=set(Phase)) for phase in Phase)
        assert store.get("job") == job

    def test_no_work_is_left(self, store: JobStore) -> None:
        make_completed(store)
        store.expiry.archive_expired("job", NOON + LATER)
        with store._database.reading() as connection:
            counts = {
                table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in METADATA.sorted_tables
            }
        assert {name for name, count in counts.items() if count} == {
            "uws_jobs",
            "uws_parameters",
            "uws_remains",
        }
        assert store.work.reports("job") == []
        assert store.work.lease_step("job", "finish", holder="me", lease_s=30) == 0
        assert claim(store, 0) is None

    def test_late_work_does_not_count(self, store: JobStore) -> None:
        store.create(new_toy(created=NOON))
        store.move("job", Phase.QUEUED, among={Phase.PENDING})
        store.work.save_plan("job", plan_of(2))
        store.move("job", Phase.EXECUTING, among={Phase.QUEUED})
        store.work.next_chunks("job", 2)
        claim(store, 0)
        assert store.expiry.archive_expired("job", NOON + LATER) is Phase.EXECUTING
        assert not store.work.renew("job", holder="me", lease_s=30, number=0)
        assert store.work.report_chunk("job", 0, ChunkReport(2), holder="me") is None
        assert not store.complete("job", Outcome())
        assert store.get("job").progress == Progress(total=4)

    def test_listed_only_by_name(self, store: JobStore) -> None:
        make_completed(store)
        store.create(new_toy("other", created=NOON))
        assert store.expiry.archive_expired("job", NOON + LATER)
        assert [job.id for job in store.find.list("")] == ["other"]
        assert [job.id for job in store.find.list("", phases={Phase.ARCHIVED})] == ["job"]
        assert list(store.expiry.expired(NOON + 9 * LATER)) == ["other"]
        assert list(store.expiry.outlived(NOON + LATER - timedelta(microseconds=1))) == []
        assert list(store.expiry.outlived(NOON + LATER)) == ["job"]

    def test_deleted_for_good_at_once(self, store: JobStore) -> None:
        """Its id has a tombstone already, since its files were removed a moment ago."""
        make_completed(store)
        store.expiry.archive_expired("job", NOON + LATER)
        assert store.delete("job")
        assert list(store.find.list("", phases=set(Phase))) == []
        assert list(store.expiry.tombstones(datetime.now(UTC) + LATER)) == ["job"]

    def test_delete_expired(self, store: JobStore) -> None:
        make_completed(store)
        assert store.expiry.delete_expired("job", NOON + LATER) is Phase.COMPLETED
        assert list(store.find.list("", phases=set(Phase))) == []
        assert list(store.expiry.tombstones(datetime.now(UTC) + LATER)) == ["job"]

    def test_waiters_are_told(self, store: JobStore) -> None:
        store.create(new_toy(created=NOON))
        with store.subscribe("job") as watch:
            assert store.expiry.archive_expired("job", NOON + LATER)
            assert watch.wait(0)


class TestSqlite(ArchiveContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(ArchiveContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url


# ------------------------------------------------------------------------ over HTTP


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return open_web(tmp_path, limits=JobLimits(archive=True, archive_days=10, wait_max_s=20))


def archive(web: Web, path: str) -> datetime:
    """Let the job's destruction time come; gives it."""
    when = web.runtime.store.get(path.rpartition("/")[2]).destruction
    report = sweep(web.runtime, when)
    assert (report.archived, report.destroyed, report.faults) == (1, 0, 0)
    return when


def notes_of(document: etree._Element) -> list[str]:
    return [child.text for child in document.iterfind(f"{UWS}jobInfo/{{*}}note")]


@pytest.fixture
def path(web: Web) -> str:
    """Give the address of an ARCHIVED job that was COMPLETED."""
    path = web.create(PHASE="RUN", WORD="sky")
    assert web.phase(path) == "COMPLETED"
    assert web.kept() != []
    archive(web, path)
    return path


def test_document_of_an_archived_job(
    web: Web, path: str, validate_xml: Callable[[bytes], None]
) -> None:
    answer = web.client.get(path)
    validate_xml(answer.data)
    document = web.document(path)
    assert document.findtext(f"{UWS}phase") == web.phase(path) == "ARCHIVED"
    assert document.find(f"{UWS}endTime").text
    assert list(document.find(f"{UWS}results")) == []
    assert [child.text for child in document.find(f"{UWS}parameters")] == ["sky"]
    assert notes_of(document) == [REMOVED]
    assert web.client.get(path, headers={"Accept": "text/html"}).status_code == 200
    assert web.kept() == []


@pytest.mark.parametrize("place", ["/results/result", "/results/item-000.txt", "/error"])
def test_what_is_gone(web: Web, path: str, place: str) -> None:
    answer = web.client.get(f"{path}{place}")
    job_id = path.rpartition("/")[2]
    text = "there is no error" if place == "/error" else "its results were removed"
    assert_text_error(answer, 404, f"UsageError: job {job_id} is ARCHIVED; {text}")


def test_parameter_by_reference_is_gone(web: Web) -> None:
    path = web.create(WORD="x" * 4097, TIMES="2")
    archive(web, path)
    document = web.document(path)
    assert [child.get("id") for child in document.find(f"{UWS}parameters")] == ["TIMES"]
    note = "ARCHIVED: removed too were the values kept as files, of WORD"
    assert notes_of(document) == [REMOVED, note]
    assert web.client.get(f"{path}/parameters/WORD").status_code == 404
    assert web.client.get(f"{path}/parameters/TIMES").text == "2"
    assert web.kept() == []


def test_uws_12_list(web: Web, path: str) -> None:
    job_id = path.rpartition("/")[2]
    assert web.ids() == web.ids("?LAST=5") == web.ids("?AFTER=2000-01-01") == []
    assert web.ids("?PHASE=COMPLETED") == []
    assert web.ids("?PHASE=ARCHIVED") == web.ids("?PHASE=ARCHIVED&PHASE=ERROR") == [job_id]


@pytest.mark.parametrize("query", ["WAIT=20", "WAIT=-1", "WAIT=20&PHASE=ARCHIVED"])
def test_uws_34_wait_returns_at_once(web: Web, path: str, query: str) -> None:
    before = datetime.now(UTC)
    assert web.client.get(f"{path}?{query}").status_code == 200
    assert datetime.now(UTC) - before < timedelta(seconds=15)


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("/phase", {"PHASE": "RUN"}),
        ("/phase", {"PHASE": "ABORT"}),
        ("/parameters", {"WORD": "sea"}),
        ("/destruction", {"DESTRUCTION": "2099-01-01"}),
        ("/executionduration", {"EXECUTIONDURATION": "10"}),
    ],
    ids=["run", "abort", "parameters", "destruction", "executionduration"],
)
def test_nothing_posted_changes_it(web: Web, path: str, place: str, form: dict[str, str]) -> None:
    job = web.runtime.store.get(path.rpartition("/")[2])
    answer = web.client.post(f"{path}{place}", data=form)
    assert answer.status_code == 403, answer.text
    assert "is ARCHIVED" in answer.text
    assert web.runtime.store.get(job.id) == job


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_uws_46_deletion_is_for_good(web: Web, path: str, method: str) -> None:
    form = {"ACTION": "DELETE"} if method == "POST" else None
    answer = web.client.open(path, method=method, data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE_URL}/async")
    assert web.client.get(path).status_code == 404
    assert web.ids("?PHASE=ARCHIVED") == []


def test_uws_46_a_deleted_job_is_not_archived(web: Web) -> None:
    path = web.create(WORD="sky")
    assert web.client.delete(path).status_code == 303
    assert web.client.get(path).status_code == 404
    assert web.ids("?PHASE=ARCHIVED") == []


def test_uws_31_archived_job_that_failed_still_tells_why(web: Web) -> None:
    path = web.create(PHASE="RUN", WORD="sky", FAIL="usage")
    said = web.client.get(f"{path}/error").text
    assert "FAIL: found 'usage'" in said
    archive(web, path)
    assert web.phase(path) == "ARCHIVED"
    assert web.document(path).find(f"{UWS}errorSummary").get("hasDetail") == "true"
    assert web.client.get(f"{path}/error").text == said


def test_archive_is_kept_for_its_days_and_no_longer(web: Web) -> None:
    path = web.create(PHASE="RUN", WORD="sky")
    end = archive(web, path) + timedelta(days=10)
    assert sweep(web.runtime, end - timedelta(seconds=1)) == SweepReport()
    assert sweep(web.runtime, end) == SweepReport(destroyed=1, cleared=1)
    assert web.client.get(path).status_code == 404


def test_unfinished_job_is_archived_with_its_task_cancelled(tmp_path: Path) -> None:
    web = open_web(tmp_path, works=False, limits=JobLimits(archive=True))
    path = web.create(PHASE="RUN", WORD="sky")
    archive(web, path)
    job_id = path.rpartition("/")[2]
    assert web.phase(path) == "ARCHIVED"
    executor = web.runtime.executor
    assert isinstance(executor, RecordingExecutor)
    assert executor.sent[:2] == [("plan", job_id), ("cancel", job_id)]


def test_archived_jobs_stay_when_the_archive_is_switched_off(web: Web, path: str) -> None:
    limits = replace(web.runtime.limits, archive=False)
    runtime = replace(web.runtime, limits=limits)
    job = runtime.store.get(path.rpartition("/")[2])
    assert sweep(runtime, job.destruction + timedelta(days=9)).destroyed == 0
    assert sweep(runtime, job.destruction + timedelta(days=10)).destroyed == 1
