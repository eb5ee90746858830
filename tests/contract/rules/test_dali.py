"""DALI-1 to DALI-19 and the traps DALI-T2, T3, T5: parameters, resources, errors, literals."""

from collections.abc import Callable

import pytest
from lxml import etree

from tests.contract.rules.targets import UWS, Target, Toy
from tests.contract.rules.wire import Part, ask, page_of

AT = {"RA": "30", "DEC": "-20"}


def test_dali_1_names_are_one_in_any_case_and_values_are_kept(target: Target) -> None:
    target.post({"circle": ["4 5 6", "A b C"]}, "?Circle=1+2+3")
    (job,) = target.made
    assert job.parameters() == [
        ("CIRCLE", None, "1 2 3"),
        ("CIRCLE", None, "4 5 6"),
        ("CIRCLE", None, "A b C"),
    ]
    assert job.get("/parameters/circle").text == "1 2 3"
    assert job.post("/phase", pHaSe="ABORT").status == 303
    assert job.get("?wAiT=0").status == 200
    assert job.post(aCtIoN="DELETE").status == 303


def test_dali_2_both_encodings_of_a_form_are_read(target: Target) -> None:
    run = {**target.good, "PHASE": "RUN"}
    assert target.post(run).status == 303
    parts = [Part(name, value.encode()) for name, value in run.items()]
    assert target.post_parts(parts).status == 303
    by_form, by_parts = target.made
    assert by_form.parameters() == by_parts.parameters()
    assert by_parts.wait_for("COMPLETED") is not None


def test_dali_3_values_are_repeated_and_not_split(target: Target) -> None:
    job = target.create(A=["1,2", "3"])
    assert job.parameters() == [("A", None, "1,2"), ("A", None, "3")]


def test_dali_4_query_and_body_are_merged(target: Target) -> None:
    assert target.post({"A": "2", "B": "3"}, "?A=1&RUNID=r").status == 303
    (job,) = target.made
    assert job.parameters() == [("A", None, "1"), ("A", None, "2"), ("B", None, "3")]
    assert job.text("runId") == "r"


@pytest.mark.parametrize("name", ["PHASE", "RUNID", "DESTRUCTION", "EXECUTIONDURATION"])
def test_dali_5_what_takes_one_value_is_refused_twice(target: Target, name: str) -> None:
    value = {"PHASE": "RUN", "DESTRUCTION": "2999"}.get(name, "60")
    answer = target.post({name: value}, f"?{name.lower()}={value}")
    assert (answer.status, answer.text) == (
        400,
        f"MultiValuedParamNotSupported: {name} takes one value, 2 were given\n",
    )


def test_dali_5_job_parameters_too_when_the_job_is_run(cutout: Target) -> None:
    answer = cutout.post({**AT, "XSIZE": ["1", "2"], "PHASE": "RUN"})
    assert answer.status == 400
    assert answer.text.startswith("MultiValuedParamNotSupported: XSIZE")
    job = cutout.create(**AT, XSIZE=["1", "2"])
    assert job.post("/phase", PHASE="RUN").status == 303
    assert job.get("/error").text.startswith("MultiValuedParamNotSupported: XSIZE")


def test_dali_6_unknown_parameters_are_refused_at_run(target: Target) -> None:
    answer = target.post({**target.good, "WROD": "x", "PHASE": "RUN"})
    assert (answer.status, answer.text.partition(":")[0]) == (400, "UsageError")
    assert "WROD" in answer.text


@pytest.mark.parametrize("name", ["REQUEST", "VERSION", "MAXREC", "RUNID", "RESPONSEFORMAT"])
def test_dali_6_14_16_standard_parameters_are_accepted(cutout: Target, name: str) -> None:
    """Three have nothing to act on: a note says so."""
    value = {"MAXREC": "0", "RESPONSEFORMAT": "application/fits"}.get(name, "1")
    job = cutout.run(**{name: value})
    assert "summary.json" in job.results()
    is_idle = name not in {"RUNID", "RESPONSEFORMAT"}
    assert (f"{name}: has no effect" in job.get().text) == is_idle


def test_dali_7_a_new_job_is_303_with_its_address(target: Target) -> None:
    answer = target.post({})
    assert (answer.status, answer.location) == (303, target.made[0].url)


def test_dali_8_9_parameters_go_to_the_job_in_two_ways_only(target: Target) -> None:
    job = target.create(A="1")
    assert job.post(A="2").status == 400
    assert job.post("?A=2", ACTION="NOTHING").status == 400
    assert job.parameters() == [("A", None, "1")]
    assert job.post("/parameters", A="2").status == 303
    assert job.post("/phase", PHASE="ABORT").status == 303
    assert job.post("/parameters", A="3").status == 403
    assert job.parameters() == [("A", None, "2")]


def test_dali_10_results_are_below_the_list_and_others_are_404(target: Target) -> None:
    job = target.run()
    for result_id in job.results():
        assert job.get(f"/results/{result_id.replace('+', '%2B')}").status == 200
    for name in ("nothing", "..", "%2e%2e/%2e%2e/jobs.db", "a%00b", ".uws", "x/y"):
        answer = job.get(f"/results/{name}")
        assert (answer.status, answer.content_type) == (404, "text/plain; charset=utf-8"), name


def test_dali_11_the_error_is_a_document_and_in_the_summary(target: Target) -> None:
    job = target.fail()
    answer = job.get("/error")
    assert (answer.status, answer.text.partition(":")[0]) == (200, "UsageError")
    assert job.document().findtext(f"{UWS}errorSummary/{UWS}message") == answer.text
    assert target.create().get("/error").status == 404


@pytest.mark.parametrize("name", ["capabilities", "availability"])
def test_dali_12_capabilities_are_the_siblings_of_the_list(
    cutout: Target, name: str, check_xml: Callable[[bytes], None]
) -> None:
    answer = ask("GET", f"{cutout.base}/{name}")
    assert answer.status == 200
    check_xml(answer.body)
    assert etree.QName(etree.fromstring(answer.body)).localname == name


@pytest.mark.parametrize(
    ("wanted", "content_type"),
    [
        ("xml", "application/xml"),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml; charset=utf-8"),
        ("json", "application/json"),
        ("application/json", "application/json"),
        ("html", "text/html; charset=utf-8"),
    ],
)
def test_dali_13_t3_a_format_asked_for_is_the_one_that_comes(
    target: Target, wanted: str, content_type: str
) -> None:
    job = target.create()
    for place in ("", "/results", "/parameters"):
        answer = page_of(job.get(f"{place}?RESPONSEFORMAT={wanted}"))
        assert (answer.status, answer.content_type) == (200, content_type)
    listed = page_of(target.get_jobs(f"?responseformat={wanted}"))
    assert (listed.status, listed.content_type) == (200, content_type)


def test_dali_13_other_formats_are_refused_and_one_is_enough(target: Target) -> None:
    job = target.create()
    assert job.get("?RESPONSEFORMAT=fits").status == 400
    answer = job.get("?RESPONSEFORMAT=xml&RESPONSEFORMAT=json")
    assert (answer.status, answer.text.partition(":")[0]) == (400, "MultiValuedParamNotSupported")


def test_dali_15_tables_come_as_parts_of_their_own(cutout: Target) -> None:
    parts = [Part("POSITIONS", b"RA,DEC\n30,-20\n", "t.csv"), Part("PHASE", b"RUN")]
    assert cutout.post_parts(parts).status == 303
    cutout.made[0].wait_for("COMPLETED")
    answer = cutout.post({**AT, "UPLOAD": "positions,http://elsewhere.example/t", "PHASE": "RUN"})
    assert answer.status == 400
    assert answer.text.startswith("UsageError: UPLOAD")
    assert "external URLs are not fetched" in answer.text


def test_dali_15_whether_uploads_are_read_is_the_job_types_affair(toy: Toy) -> None:
    job = toy.create(UPLOAD="a,param:b")
    assert job.parameters() == [("UPLOAD", None, "a,param:b")]
    answer = toy.post({**toy.good, "UPLOAD": "a,param:b", "PHASE": "RUN"})
    assert (answer.status, "UPLOAD" in answer.text) == (400, True)


@pytest.mark.parametrize(("length", "status"), [(64, 303), (65, 400)])
def test_dali_17_a_run_id_has_64_characters_at_most(
    target: Target, length: int, status: int
) -> None:
    label = "é" * length
    assert target.post({"RUNID": label}).status == status
    if status == 303:
        (job,) = target.made
        assert job.text("runId") == label
        assert job.post("/parameters", RUNID=f"{label}x").status == 400


@pytest.mark.parametrize("value", ["NaN", "+Inf", "Inf", "1_0", "0x10", "1e400", "\uff11"])
def test_dali_18_numbers_are_those_of_votable(cutout: Target, value: str) -> None:
    answer = cutout.post({"RA": value, "DEC": "-20", "PHASE": "RUN"})
    assert (answer.status, answer.text.partition(" ")[0]) == (400, "UsageError:")
    assert "RA" in answer.text


@pytest.mark.parametrize("value", ["1", "true", "T", "0", "false", "F"])
def test_dali_18_booleans_are_read_in_both_ways(cutout: Target, value: str) -> None:
    job = cutout.run(MAKE_RGB_LUPTON=value)
    has_picture = any(name.endswith(".png") for name in job.results())
    assert has_picture == (value in {"1", "true", "T"})


def test_dali_19_t2_instants_have_a_z_or_none(target: Target) -> None:
    job = target.create()
    created = job.text("creationTime") or ""
    for text in (created, created.removesuffix("Z"), created.replace("T", "%20")):
        assert job.id not in target.ids(f"?AFTER={text}")
    early = [f"2020-01-31{tail}" for tail in ("", "T12:00", "T12:00:00", "T12:00:00.123Z")]
    assert [target.ids(f"?AFTER={text}&LAST=1") for text in early] == [[job.id]] * 4


def test_dali_t5_every_error_is_text_that_begins_with_its_label(target: Target) -> None:
    job, url = target.create(), target.jobs_url
    answers = [
        target.get_jobs("?LAST=0"),
        target.post({"PHASE": "GO"}),
        job.get("?WAIT=x"),
        job.get("/error"),
        job.get("/nothing"),
        job.get("/results/nothing"),
        job.get("/parameters/nothing"),
        job.post("/phase"),
        job.post("/destruction", DESTRUCTION="soon"),
        job.delete("/phase"),
        ask("GET", f"{url}/nothing"),
        ask("PATCH", url),
    ]
    for answer in answers:
        assert answer.status in {400, 404, 405}
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.text.startswith("UsageError: ")
        assert answer.text.endswith("\n")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
