"""UWS-38 to UWS-40, UWS-49 to UWS-51, and the traps around them: new jobs, their parameters."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest

from tests.contract.rules.targets import UWS, Target
from tests.contract.rules.wire import Part, ask, form_body, multipart_body


def test_uws_38_t2_t5_create_answers_303_with_the_absolute_address(target: Target) -> None:
    answer = target.post({})
    assert (answer.status, answer.body) == (303, b"")
    (job,) = target.made
    place = urlsplit(answer.location)
    assert answer.location == f"{target.jobs_url}/{job.id}"
    assert (place.scheme, place.query, place.fragment) == ("http", "", "")
    assert job.text("jobId") == place.path.rpartition("/")[2]
    assert job.phase == "PENDING"


def test_uws_39_a_bare_creation_does_not_judge_parameters(target: Target) -> None:
    job = target.create(QUERY="SELECT 1", LANG="ADQL")
    assert job.phase == "PENDING"
    assert sorted(job.parameters()) == [("LANG", None, "ADQL"), ("QUERY", None, "SELECT 1")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"WORD": "sky"}', "application/json"),
        (b"RA,DEC\n1,2\n", "text/csv"),
        (b"x", "multipart/form-data; boundary=y"),
        (b"x", "multipart/form-data"),
        (b"x" * 9000, "application/x-www-form-urlencoded"),
        (b"a%2Fb=1", "application/x-www-form-urlencoded"),
    ],
    ids=["json", "csv", "no such boundary", "no boundary", "no form", "bad name"],
)
def test_uws_39_a_body_that_cannot_be_read_is_400_and_no_job(
    target: Target, body: bytes, content_type: str
) -> None:
    before = target.ids("?LAST=1")
    answer = ask("POST", target.jobs_url, body=body, headers={"Content-Type": content_type})
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("UsageError: ")
    assert target.ids("?LAST=1") == before


@pytest.mark.parametrize(
    "form",
    [
        {"PHASE": "GO"},
        {"PHASE": "ABORT"},
        {"PHASE": ["RUN", "RUN"]},
        {"DESTRUCTION": "2020-01-01"},
        {"DESTRUCTION": "soon"},
        {"EXECUTIONDURATION": "-1"},
        {"EXECUTIONDURATION": "1.5"},
        {"RUNID": "x" * 65},
    ],
    ids=["phase", "abort", "twice", "past", "no instant", "negative", "fraction", "run id"],
)
def test_uws_40_a_bad_control_parameter_is_400_and_no_job(
    target: Target, form: dict[str, str | list[str]]
) -> None:
    before = target.ids("?LAST=1")
    answer = target.post(form)
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert next(iter(form)) in answer.text
    assert target.ids("?LAST=1") == before


def test_uws_40_a_fault_is_told_at_creation_with_run_and_there_is_no_job(target: Target) -> None:
    before = target.ids("?LAST=1")
    answer = target.post({**target.faulty, "PHASE": "RUN"})
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith(f"UsageError: {target.fault}")
    assert target.ids("?LAST=1") == before


@pytest.mark.parametrize("where", ["query", "form"])
def test_uws_40_t13_with_run_the_job_is_under_way_before_the_answer(
    target: Target, where: str
) -> None:
    form = dict(target.good) | ({"phase": "run"} if where == "form" else {})
    assert target.post(form, "?Phase=RUN" if where == "query" else "").status == 303
    (job,) = target.made
    assert job.phase in {"QUEUED", "EXECUTING", "COMPLETED"}
    assert {name for name, _, _ in job.parameters()} == set(target.good)


def test_uws_40_control_parameters_set_the_job(target: Target) -> None:
    job = target.create(RUNID="r", DESTRUCTION="2999-01-01T00:00:00Z", EXECUTIONDURATION="90")
    assert (job.text("runId"), job.text("executionDuration")) == ("r", "90")
    assert job.parameters() == []
    lifetime = job.moment("destruction") - job.moment("creationTime")
    assert timedelta(days=1) < lifetime < timedelta(days=400)
    assert "DESTRUCTION was limited to" in job.get().text


def test_uws_49_dali_8_parameters_are_posted_below_the_job(target: Target) -> None:
    job = target.create(A=["1", "2"], B="3", OLD="x" * 5000)
    answer = job.post("/parameters", a="4", old="short", runId="label")
    assert (answer.status, answer.location) == (303, job.url)
    assert sorted(job.parameters()) == [("A", None, "4"), ("B", None, "3"), ("OLD", None, "short")]
    assert job.text("runId") == "label"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=b&c", "application/x-www-form-urlencoded"),
        (b"sky", "text/plain"),
        (b"", "text/plain"),
        (b"RA,DEC\n", "text/csv"),
        (b"x" * 100_000, "application/octet-stream"),
    ],
    ids=["form", "text", "empty", "csv", "bytes"],
)
def test_uws_49_put_sets_a_parameter_to_the_bare_value(
    target: Target, body: bytes, content_type: str
) -> None:
    job = target.create(A=["1", "2"], B="3")
    answer = job.put("/parameters/a", body, content_type)
    assert (answer.status, answer.location) == (303, job.url)
    assert sorted(name for name, _, _ in job.parameters()) == ["A", "B"]
    assert job.get("/parameters/A").body == body


def test_uws_49_dali_9_parameters_change_only_while_pending(target: Target) -> None:
    for job in (target.run(), target.fail()):
        before = job.parameters()
        answers = [job.post("/parameters", A="1"), job.put("/parameters/A", b"1")]
        assert [answer.status for answer in answers] == [403, 403]
        assert answers[0].text.startswith(f"UsageError: job {job.id} is {job.phase}")
        assert job.parameters() == before


def test_uws_50_inline_values_are_parts_of_the_request(target: Target) -> None:
    parts = [
        Part("UPLOAD", b"mine,param:table"),
        Part("table", b"RA,DEC\n1,2\n", "t.csv", {"Content-Type": "text/csv"}),
    ]
    assert target.post_parts(parts).status == 303
    (job,) = target.made
    url = f"{job.url}/parameters/TABLE"
    assert sorted(job.parameters()) == [
        ("TABLE", "true", url),
        ("UPLOAD", None, "mine,param:table"),
    ]
    answer = ask("GET", url)
    assert (answer.text, answer.media_type) == ("RA,DEC\n1,2\n", "text/plain")


def test_uws_51_t4_every_change_is_303_by_either_encoding_and_spelling(target: Target) -> None:
    changes = [
        ("/parameters", {"A": "1"}),
        ("/executionduration", {"EXECUTIONDURATION": "60"}),
        ("/destruction", {"DESTRUCTION": "2999"}),
        ("/phase", {"PHASE": "ABORT"}),
        ("", {"ACTION": "DELETE"}),
    ]
    for slash in ("", "/"):
        for as_parts in (False, True):
            assert target.post({}, slash).status == 303
            job = target.create()
            for place, form in changes:
                parts = [Part(name, value.encode()) for name, value in form.items()]
                body, headers = multipart_body(parts) if as_parts else form_body(form)
                answer = ask("POST", f"{job.url}{place}{slash}", body=body, headers=headers)
                expected = target.jobs_url if "ACTION" in form else job.url
                assert (answer.status, answer.location) == (303, expected), (place, answer.text)


def test_uws_t4_reading_by_either_spelling_is_no_redirect(target: Target) -> None:
    job = target.create(A="1")
    for name in ("", "/phase", "/quote", "/owner", "/results", "/parameters", "/parameters/A"):
        with_slash = job.get(f"{name}/")
        assert (with_slash.status, with_slash.body) == (200, job.get(name).body)
    assert target.get_jobs("/").status == 200
    assert ask("GET", f"{target.jobs_url}//{job.id}").status == 404


def test_uws_t11_names_are_shown_in_upper_case(target: Target) -> None:
    job = target.create(Circle="1 2 3", word="sky")
    assert sorted(name for name, _, _ in job.parameters()) == ["CIRCLE", "WORD"]


def test_uws_t18_a_repeated_parameter_is_a_repeated_element(target: Target) -> None:
    job = target.create(CIRCLE=["1 2 3", "4 5 6", "1 2 3"])
    found = job.document().findall(f"{UWS}parameters/{UWS}parameter")
    assert [(p.get("id"), p.text) for p in found] == [
        ("CIRCLE", "1 2 3"),
        ("CIRCLE", "4 5 6"),
        ("CIRCLE", "1 2 3"),
    ]


def test_uws_6_40_times_are_read_with_and_without_z(target: Target) -> None:
    when = datetime.fromisoformat(target.create().text("creationTime") or "") + timedelta(days=3)
    text = f"{when:%Y-%m-%dT%H:%M:%S}"
    for spelling in (text, f"{text}Z", f"{text}.000000Z", text.replace("T", " ")):
        assert target.create(DESTRUCTION=spelling).text("destruction") == f"{text}Z"
