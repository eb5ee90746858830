"""UWS-41 to UWS-48, and the traps around them: run, abort, delete, the times of a job."""

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from tests.contract.rules.targets import UWS, JobAt, Target, Toy
from tests.contract.rules.wire import ask
from uws.models import Phase


def test_uws_41_t13_run_is_303_and_the_job_is_under_way(target: Target) -> None:
    job = target.create(**target.good)
    answer = job.post("/phase", phase="RUN")
    assert (answer.status, answer.location, answer.body) == (303, job.url, b"")
    assert job.phase in {"QUEUED", "EXECUTING", "COMPLETED"}
    job.wait_for("COMPLETED")


def test_uws_41_a_fault_found_at_run_is_303_and_an_error_of_the_job(target: Target) -> None:
    job = target.create(**target.faulty)
    answer = job.post("/phase", PHASE="RUN")
    assert (answer.status, answer.location) == (303, job.url)
    assert job.phase == "ERROR"


def test_uws_41_a_held_job_is_run_by_a_second_run(toy: Toy) -> None:
    job = toy.seed(Phase.HELD)
    assert job.post("/phase", PHASE="RUN").status == 303
    job.wait_for("COMPLETED")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"PHASE": "GO"}, 400),
        ({"PHASE": "COMPLETED"}, 400),
        ({"PHASE": ["RUN", "ABORT"]}, 400),
        ({"PHASE": "x" * 99999}, 413),
    ],
    ids=["missing", "unknown", "of the server", "two", "long"],
)
def test_uws_41_other_phases_cannot_be_asked_for(
    target: Target, form: dict[str, str | list[str]], status: int
) -> None:
    job = target.create()
    answer = job.post("/phase", **form)
    assert (answer.status, answer.content_type) == (status, "text/plain; charset=utf-8")
    assert job.phase == "PENDING"


def test_uws_42_abort_is_seen_in_the_very_answer(target: Target) -> None:
    for job in (target.create(**target.good), target.executing()):
        answer = job.post("/phase", PHASE="ABORT")
        assert (answer.status, answer.location) == (303, job.url)
        document = job.document()
        assert document.findtext(f"{UWS}phase") == "ABORTED"
        assert document.findtext(f"{UWS}endTime")
        assert target.ids("?PHASE=ABORTED&LAST=1") == [job.id]


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.HELD, Phase.SUSPENDED])
def test_uws_42_other_unfinished_jobs_are_aborted_too(toy: Toy, phase: Phase) -> None:
    job = toy.seed(phase)
    assert job.post("/phase", PHASE="ABORT").status == 303
    assert job.phase == "ABORTED"


def test_uws_43_what_the_phase_forbids_is_403(target: Target) -> None:
    aborted = target.create()
    assert aborted.post("/phase", PHASE="ABORT").status == 303
    cases = [
        (target.run(), "RUN", 403),
        (target.run(), "ABORT", 403),
        (target.fail(), "RUN", 403),
        (target.fail(), "ABORT", 403),
        (aborted, "RUN", 403),
        (aborted, "ABORT", 303),  # is as was asked
        (target.executing(), "RUN", 403),
    ]
    for job, asked, status in cases:
        before = job.phase
        answer = job.post("/phase", PHASE=asked)
        assert answer.status == status, (before, asked)
        assert answer.text.startswith(f"UsageError: job {job.id} is " if status == 403 else "")
        assert job.phase == before


@pytest.mark.parametrize("way", ["DELETE", "POST"])
def test_uws_44_45_46_a_deleted_job_is_gone_and_leads_to_the_list(target: Target, way: str) -> None:
    for job in (target.create(), target.run(), target.fail(), target.executing()):
        answer = job.delete() if way == "DELETE" else job.post(action="delete")
        assert (answer.status, answer.location, answer.body) == (303, target.jobs_url, b"")
        places = ("", "/phase", "/results", "/results/result", "/parameters", "/error")
        assert [job.get(place).status for place in places] == [404] * 6
        assert job.delete().status == 404
        assert job.id not in target.ids("?LAST=20")


def test_uws_44_nothing_else_can_be_deleted(target: Target) -> None:
    job = target.run()
    names = ("phase", "executionduration", "destruction", "error", "quote", "owner", "results")
    for place in (*(f"/{name}" for name in names), "/parameters", "/results/result"):
        answer = job.delete(place)
        assert (answer.status, answer.content_type) == (405, "text/plain; charset=utf-8"), place
        assert "DELETE" not in answer.headers["Allow"]
    assert ask("DELETE", target.jobs_url).status == 405
    assert job.phase == "COMPLETED"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"ACTION": "KILL"},
        {"ACTION": ""},
        {"WORD": "sky"},
        {"RUNID": "sky"},
        {"PHASE": "RUN", "WORD": "sky"},
    ],
    ids=["nothing", "other action", "no action", "parameter", "label", "phase and parameter"],
)
def test_uws_45_t9_dali_8_another_post_to_a_job_changes_nothing(
    target: Target, form: dict[str, str | list[str]]
) -> None:
    job = target.create()
    answer = job.post(**form)
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert f"{job.url}/parameters" in answer.text
    assert (job.phase, job.parameters()) == ("PENDING", [])


def test_uws_t8_a_phase_is_taken_at_the_job_too(target: Target) -> None:
    """vo F4: the command line client uws-client posts PHASE=ABORT to the job; also vollt 112."""
    job = target.create()
    assert job.post(PHASE="COMPLETED").status == 400
    assert job.phase == "PENDING"
    answer = job.post(phase="abort")
    assert (answer.status, answer.location) == (303, job.url)
    assert job.phase == "ABORTED"
    other = target.create()
    answer = other.post(PHASE="RUN")
    assert (answer.status, answer.location) == (303, other.url)
    assert other.phase != "PENDING"


def test_uws_47_destruction_is_set_and_clamped(target: Target) -> None:
    job = target.create()
    when = datetime.now(UTC) + timedelta(days=2)
    text = f"{when:%Y-%m-%dT%H:%M:%S}.123456Z"  # as pyvo sends it
    answer = job.post("/destruction", destruction=text)
    assert (answer.status, answer.location) == (303, job.url)
    assert (job.get("/destruction").text, job.text("destruction")) == (text, text)
    assert job.post("/destruction", DESTRUCTION="2999-01-01").status == 303
    assert job.moment("destruction") < datetime.now(UTC) + timedelta(days=400)
    assert "DESTRUCTION was limited to" in job.get().text


def test_uws_48_the_execution_duration_is_set(target: Target) -> None:
    job = target.create()
    answer = job.post("/executionduration", EXECUTIONDURATION="77")
    assert (answer.status, answer.location) == (303, job.url)
    assert (job.get("/executionduration").text, job.text("executionDuration")) == ("77", "77")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("destruction", None),
        ("destruction", "soon"),
        ("destruction", "2020"),
        ("destruction", "2999-01-01T00:00:00+01:00"),
        ("executionduration", None),
        ("executionduration", "-1"),
        ("executionduration", "1.5"),
        ("executionduration", ""),
    ],
)
def test_uws_47_48_bad_values_are_400_and_change_nothing(
    target: Target, name: str, value: str | None
) -> None:
    job = target.create()
    before = job.get(f"/{name}").text
    answer = job.post(f"/{name}", **({} if value is None else {name: value}))
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith(f"UsageError: {name.upper()}")
    assert job.get(f"/{name}").text == before


def test_uws_48_a_finished_job_has_no_other_duration(target: Target) -> None:
    assert target.run().post("/executionduration", EXECUTIONDURATION="77").status == 403


def test_uws_t16_reading_changes_nothing_and_no_cookie_is_set(target: Target) -> None:
    job = target.create()
    for query in ("?PHASE=RUN", "?ACTION=DELETE", "/phase?PHASE=RUN", "?WAIT=0&PHASE=ABORTED"):
        answer = job.get(query)
        assert (answer.status, answer.headers.get("Set-Cookie")) == (200, None)
    assert job.phase == "PENDING"


def _elapsed_s(job: JobAt, method: str) -> float:
    start = monotonic()
    assert ask(method, job.url).status in {200, 303}
    return monotonic() - start


def test_uws_t17_reading_and_deleting_wait_for_no_worker(target: Target) -> None:
    job = target.executing()
    # pyvo gives up after 10 s; a worker would go on for longer.
    assert max(_elapsed_s(job, "GET"), _elapsed_s(job, "DELETE")) < 5
