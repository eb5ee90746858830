"""UWS-18 to UWS-32, UWS-T7, UWS-T10, UWS-T15: the job document, part by part."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic, sleep

import pytest
from lxml import etree

from tests.contract.rules.targets import HREF, INSTANT, LIMIT_S, NIL, UWS, JobAt, Target, Toy
from tests.contract.rules.wire import Part, ask
from uws.models import MOVES, Phase

CHILDREN = [
    *("jobId", "runId", "ownerId", "phase", "quote", "creationTime", "startTime", "endTime"),
    *("executionDuration", "destruction", "parameters", "results", "errorSummary", "jobInfo"),
]
NILLABLE = {"ownerId", "quote", "startTime", "endTime", "destruction"}
RESULT_ATTRIBUTES = {"id", "{http://www.w3.org/1999/xlink}type", HREF, "size", "mime-type"}


def _jobs(target: Target) -> list[JobAt]:
    return [target.create(RUNID="r"), target.run(), target.fail()]


def test_uws_18_children_come_in_the_order_of_the_schema(target: Target) -> None:
    for job in _jobs(target):
        document = job.document()
        names = [child.tag.removeprefix(UWS) for child in document]
        assert names == sorted(names, key=CHILDREN.index)
        assert document.findtext(f"{UWS}jobId") == job.id


def test_uws_19_what_is_required_is_always_there(target: Target) -> None:
    required = set(CHILDREN) - {"runId", "parameters", "errorSummary", "jobInfo", "quote"}
    for job in _jobs(target):
        names = {child.tag.removeprefix(UWS) for child in job.document()}
        assert required <= names
        assert job.moment("creationTime") <= datetime.now(UTC)


def test_uws_20_t10_what_is_unknown_is_nil_and_nothing_else_is(target: Target) -> None:
    for job in _jobs(target):
        for child in job.document():
            name = child.tag.removeprefix(UWS)
            if child.get(NIL) is not None:
                assert (name in NILLABLE, child.get(NIL), child.text) == (True, "true", None)
            elif name in NILLABLE or name in {"creationTime", "executionDuration"}:
                assert child.text, name
    pending = _jobs(target)[0].document()
    assert [pending.find(f"{UWS}{name}").get(NIL) for name in ("startTime", "endTime")] == [
        "true",
        "true",
    ]


def test_uws_21_the_execution_duration_is_seconds_and_0_is_unlimited(target: Target) -> None:
    job = target.create(EXECUTIONDURATION="77")
    assert (job.text("executionDuration"), job.get("/executionduration").text) == ("77", "77")
    assert job.post("/executionduration", EXECUTIONDURATION="0").status == 303
    granted = int(job.text("executionDuration") or "")
    assert 0 <= granted < 2**31
    if granted:  # this server has a limit, and says so
        assert "EXECUTIONDURATION was limited" in job.get().text


def test_uws_21_a_job_beyond_its_duration_is_aborted_and_keeps_its_results(
    target: Target,
) -> None:
    job = target.create(**target.lasting, EXECUTIONDURATION="1", PHASE="RUN")
    document = job.wait_for("ABORTED")
    elapsed = job.moment("endTime") - job.moment("startTime")
    assert elapsed >= timedelta(seconds=1)
    assert document.find(f"{UWS}errorSummary") is None
    for entry in job.results().values():
        assert ask("GET", entry.get(HREF)).status == 200


def test_uws_22_at_its_destruction_a_job_is_gone(target: Target) -> None:
    job = target.run()
    (result, *_) = job.results().values()
    when = datetime.now(UTC) + timedelta(seconds=3)
    assert job.post("/destruction", DESTRUCTION=when.isoformat()[:-6] + "Z").status == 303
    end = monotonic() + LIMIT_S
    while job.get().status == 200 and monotonic() < end:
        sleep(0.1)
    assert datetime.now(UTC) >= when
    assert [job.get(place).status for place in ("", "/phase", "/results")] == [404, 404, 404]
    assert ask("GET", result.get(HREF)).status == 404
    assert job.id not in target.ids("?PHASE=COMPLETED&LAST=50")


def test_uws_23_t10_the_quote_is_an_instant_or_nil(target: Target) -> None:
    for job in (target.create(), target.executing()):
        document, text = job.document(), job.get("/quote").text
        quote = document.find(f"{UWS}quote")
        if quote.get(NIL) == "true":
            assert text == "" or job.phase != "PENDING"  # it may have become known since
        else:
            assert re.fullmatch(INSTANT, quote.text)


def test_uws_23_a_known_quote_is_the_same_in_both_places(toy: Toy) -> None:
    job = toy.seed(Phase.EXECUTING)
    assert toy.service is not None
    toy.service.runtime.store.set_quote(job.id, datetime(2030, 1, 31, 12, tzinfo=UTC))
    assert (job.text("quote"), job.get("/quote").text) == ("2030-01-31T12:00:00Z",) * 2


def test_uws_24_the_anonymous_owner_is_nil(target: Target) -> None:
    job = target.create()
    owner = job.document().find(f"{UWS}ownerId")
    assert (owner.get(NIL), owner.text) == ("true", None)
    answer = job.get("/owner")
    assert (answer.status, answer.body) == (200, b"")


def test_uws_24_an_owner_who_logged_in_is_named(toy: Toy) -> None:
    job = toy.seed(Phase.PENDING, owner="vera")
    assert (job.text("ownerId"), job.get("/owner").text) == ("vera", "vera")


@pytest.mark.parametrize("label", ["night 7", "  blanks  kept ", "é<&>'\"", "x" * 64])
def test_uws_25_the_run_id_is_given_back_as_it_came(target: Target, label: str) -> None:
    first, second = target.create(RUNID=label), target.create(runId=label)
    assert [first.text("runId"), second.text("runId")] == [label, label]
    assert target.create().document().find(f"{UWS}runId") is None


def test_uws_26_jobinfo_is_in_a_namespace_of_our_own(target: Target) -> None:
    info = target.run().document().find(f"{UWS}jobInfo")
    assert len(info)
    assert {etree.QName(child).namespace for child in info} == {"urn:uws-server:jobinfo:1"}


def test_uws_27_parameters_are_listed_as_sent(target: Target) -> None:
    job = target.create(CIRCLE=["1 2 3", "4 5 6"], ID="ivo://x?a&b <é>", BIG="x" * 5000, NUL="\0")
    url = f"{job.url}/parameters"
    assert sorted(job.parameters()) == [
        ("BIG", "true", f"{url}/BIG"),
        ("CIRCLE", None, "1 2 3"),
        ("CIRCLE", None, "4 5 6"),
        ("ID", None, "ivo://x?a&b <é>"),
        ("NUL", "true", f"{url}/NUL"),
    ]
    assert job.get("/parameters/BIG").text == "x" * 5000
    assert job.get("/parameters/NUL").body == b"\0"
    assert job.get("/parameters/CIRCLE.2").text == "4 5 6"
    assert job.get("/parameters/CIRCLE.3").status == 404
    assert all("isPost" not in entry.attrib for entry in job.document("/parameters"))


def test_uws_28_results_have_unique_ids_and_are_what_their_entries_say(target: Target) -> None:
    job = target.run()
    entries = list(job.document("/results"))
    ids = [entry.get("id") for entry in entries]
    assert len(ids) == len(set(ids)) > 1
    assert ids[-1] == "result"
    for entry in entries:
        assert (set(entry.attrib), len(entry), entry.text) == (RESULT_ATTRIBUTES, 0, None)
        assert entry.get(HREF).startswith(f"{job.url}/results/")
        answer = ask("GET", entry.get(HREF))
        assert (answer.status, len(answer.body)) == (200, int(entry.get("size")))
        assert answer.media_type == entry.get("mime-type").partition(";")[0]


def test_uws_29_results_are_listed_and_fetched_while_executing_and_kept_by_abort(
    target: Target,
) -> None:
    job = target.executing()
    end = monotonic() + LIMIT_S
    while not (listed := job.results()) and monotonic() < end:
        sleep(0.05)
    assert job.phase == "EXECUTING"
    assert "result" not in listed
    name, entry = next(iter(listed.items()))
    answer = ask("GET", entry.get(HREF))
    assert (answer.status, len(answer.body)) == (200, int(entry.get("size")))
    document = job.document()
    assert {e.get("id") for e in document.find(f"{UWS}results")} >= set(listed)
    assert job.post("/phase", PHASE="ABORT").status == 303
    kept = job.results()[name]
    assert (kept.get(HREF), kept.get("size")) == (entry.get(HREF), entry.get("size"))
    again = ask("GET", kept.get(HREF))
    assert (again.status, again.body) == (200, answer.body)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.QUEUED, Phase.HELD])
def test_uws_29_there_are_no_results_before_the_execution(toy: Toy, phase: Phase) -> None:
    assert toy.seed(phase).results() == {}


def test_uws_29_clients_cannot_change_results(target: Target) -> None:
    job = target.run()
    before = {name: dict(entry.attrib) for name, entry in job.results().items()}
    answers = [
        job.post("/results", ID="x"),
        job.post("/results/result", ID="x"),
        job.put("/results/result", b"x"),
        job.delete("/results/result"),
        job.delete("/results"),
    ]
    assert [answer.status for answer in answers] == [405] * 5
    assert {name: dict(entry.attrib) for name, entry in job.results().items()} == before


def test_uws_30_31_a_failed_job_says_why_in_both_places(target: Target) -> None:
    job = target.fail()
    document = job.document()
    assert document.findtext(f"{UWS}phase") == "ERROR"
    summary = document.find(f"{UWS}errorSummary")
    assert dict(summary.attrib) == {"type": "fatal", "hasDetail": "true"}
    assert [child.tag for child in summary] == [f"{UWS}message"]
    message = summary.findtext(f"{UWS}message")
    assert message.startswith(f"UsageError: {target.fault}")
    answer = job.get("/error")
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert answer.text == message


def test_uws_31_t15_a_job_that_did_not_fail_has_no_error(target: Target) -> None:
    aborted = target.create()
    aborted.post("/phase", PHASE="ABORT")
    for job in (target.create(), target.run(), aborted):
        assert job.document().find(f"{UWS}errorSummary") is None
        assert job.get("/error").status == 404


def test_uws_32_a_job_goes_the_normal_way(target: Target) -> None:
    job = target.create(**target.good)
    phases = [job.phase]
    assert job.post("/phase", PHASE="RUN").status == 303
    while phases[-1] != "COMPLETED":
        phases.append(job.document(f"?WAIT=6&PHASE={phases[-1]}").findtext(f"{UWS}phase"))
    order = ["PENDING", "QUEUED", "EXECUTING", "COMPLETED"]
    places = [order.index(phase) for phase in phases]
    assert places == sorted(places)
    assert job.moment("creationTime") <= job.moment("startTime") <= job.moment("endTime")


def test_uws_32_only_the_moves_of_the_standard_exist() -> None:
    assert {phase.value for phase in Phase} == {
        *("PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"),
        *("HELD", "SUSPENDED", "UNKNOWN", "ARCHIVED"),
    }
    unfinished = {Phase.PENDING, Phase.HELD, Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED}
    normal = [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING, Phase.COMPLETED]
    assert all(after in MOVES[before] for before, after in pairwise(normal))
    assert {phase for phase in Phase if Phase.ABORTED in MOVES[phase]} == unfinished
    assert {phase for phase in Phase if Phase.ERROR in MOVES[phase]} == unfinished


# Nothing here ever says UNKNOWN: the store knows the phase, or the answer is 503.
@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.UNKNOWN}))
def test_uws_32_every_phase_is_told_by_its_name(toy: Toy, phase: Phase) -> None:
    job = toy.seed(phase)
    assert (job.text("phase"), job.phase) == (phase.value, phase.value)


def test_uws_t7_atoms_and_document_say_the_same(target: Target) -> None:
    job = target.create()
    when = datetime.now(UTC) + timedelta(days=2)
    assert job.post("/destruction", DESTRUCTION=f"{when:%Y-%m-%dT%H:%M:%S}.5Z").status == 303
    assert job.post("/executionduration", EXECUTIONDURATION="99").status == 303
    for step in (None, "RUN", "ABORT"):
        if step:
            job.post("/phase", PHASE=step)
        document = job.document()
        for atom, name in (
            ("phase", "phase"),
            ("executionduration", "executionDuration"),
            ("destruction", "destruction"),
        ):
            if atom != "phase" or step != "RUN":  # a job at work may go on between the two
                assert job.get(f"/{atom}").text == document.findtext(f"{UWS}{name}")


def test_uws_27_50_an_uploaded_part_is_served_back(target: Target) -> None:
    data = bytes(range(256)) * 40
    headers = {"Content-Type": "application/x-votable+xml"}
    part = Part(target.table, data, "a.vot", headers)
    assert target.post_parts([part]).status == 303
    (job,) = target.made
    url = f"{job.url}/parameters/{target.table}"
    assert job.parameters() == [(target.table, "true", url)]
    answer = ask("GET", url)
    assert (answer.body, answer.media_type) == (data, "application/octet-stream")
