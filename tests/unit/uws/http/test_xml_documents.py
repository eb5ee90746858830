"""The documents, whole, and valid against the schema of the standard."""

import json as stdlib_json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from uws.http import json_documents, xml_documents
from uws.http.links import find_parameter
from uws.models import ErrorKind, ErrorSummary, Job, Parameter, Phase, Progress, Result

JOBS_URL = "https://sky.example/async"
JOB_URL = f"{JOBS_URL}/a1"
CREATED = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)

PENDING = Job(
    id="a1",
    job_type="toy",
    owner="",
    phase=Phase.PENDING,
    creation_time=CREATED,
    destruction=datetime(2026, 1, 15, tzinfo=UTC),
    execution_duration_s=0,
)
FULL = replace(
    PENDING,
    owner="vera",
    phase=Phase.ERROR,
    run_id="night <7> & on",
    quote=datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC),
    start_time=datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC),
    end_time=datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC),
    execution_duration_s=3600,
    parameters=(
        Parameter("POS", "CIRCLE 1 2 3"),
        Parameter("POS", "a1/.uws/parameters/POS", by_reference=True),
        Parameter("TABLE", "a1/.uws/parameters/TABLE", by_reference=True),
    ),
    results=(
        Result("x+y/z 1.fits", "a1/x", "application/fits", 2880),
        Result("result", "a1/result", "application/json"),
    ),
    error=ErrorSummary("Error: it \x1b[1mbroke", ErrorKind.TRANSIENT),
    progress=Progress(total=10, done=4, failed=1, size_bytes=1000),
    chunk_count=2,
    notes=("did you mean COLORS?", "did you mean COLORS?", "second"),
)

HEAD = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
INFO = 'xmlns="urn:uws-server:jobinfo:1"'

PENDING_XML = f"""<uws:job {HEAD} version="1.1">
<uws:jobId>a1</uws:jobId>
<uws:ownerId xsi:nil="true"/>
<uws:phase>PENDING</uws:phase>
<uws:quote xsi:nil="true"/>
<uws:creationTime>2026-01-01T00:00:00.123456Z</uws:creationTime>
<uws:startTime xsi:nil="true"/>
<uws:endTime xsi:nil="true"/>
<uws:executionDuration>0</uws:executionDuration>
<uws:destruction>2026-01-15T00:00:00Z</uws:destruction>
<uws:parameters/>
<uws:results/>
</uws:job>"""

PARAMETERS_XML = f"""<uws:parameters{{head}}>
<uws:parameter id="POS">CIRCLE 1 2 3</uws:parameter>
<uws:parameter byReference="true" id="POS">{JOB_URL}/parameters/POS.2</uws:parameter>
<uws:parameter byReference="true" id="TABLE">{JOB_URL}/parameters/TABLE</uws:parameter>
</uws:parameters>"""

RESULTS_XML = f"""<uws:results{{head}}>
<uws:result id="x+y/z 1.fits" xlink:type="simple" \
xlink:href="{JOB_URL}/results/x%2By/z%201.fits" mime-type="application/fits" size="2880"/>
<uws:result id="result" xlink:type="simple" \
xlink:href="{JOB_URL}/results/result" mime-type="application/json"/>
</uws:results>"""

FULL_XML = f"""<uws:job {HEAD} version="1.1">
<uws:jobId>a1</uws:jobId>
<uws:runId>night &lt;7&gt; &amp; on</uws:runId>
<uws:ownerId>vera</uws:ownerId>
<uws:phase>ERROR</uws:phase>
<uws:quote>2026-01-01T00:00:30Z</uws:quote>
<uws:creationTime>2026-01-01T00:00:00.123456Z</uws:creationTime>
<uws:startTime>2026-01-01T00:00:10Z</uws:startTime>
<uws:endTime>2026-01-01T00:00:20Z</uws:endTime>
<uws:executionDuration>3600</uws:executionDuration>
<uws:destruction>2026-01-15T00:00:00Z</uws:destruction>
{PARAMETERS_XML.format(head="")}
{RESULTS_XML.format(head="")}
<uws:errorSummary type="transient" hasDetail="true">
<uws:message>Error: it \N{REPLACEMENT CHARACTER}[1mbroke</uws:message>
</uws:errorSummary>
<uws:jobInfo>
<total {INFO}>10</total>
<done {INFO}>4</done>
<failed {INFO}>1</failed>
<sizeBytes {INFO}>1000</sizeBytes>
<ratePerSecond {INFO}>0.5</ratePerSecond>
<note {INFO}>did you mean COLORS?</note>
<note {INFO}>second</note>
</uws:jobInfo>
</uws:job>"""

JOBS_XML = f"""<uws:jobs {HEAD} version="1.1">
<uws:jobref id="a1" xlink:type="simple" xlink:href="{JOB_URL}">
<uws:phase>ERROR</uws:phase>
<uws:runId>night &lt;7&gt; &amp; on</uws:runId>
<uws:ownerId>vera</uws:ownerId>
<uws:creationTime>2026-01-01T00:00:00.123456Z</uws:creationTime>
</uws:jobref>
<uws:jobref id="a1" xlink:type="simple" xlink:href="{JOB_URL}">
<uws:phase>PENDING</uws:phase>
<uws:ownerId xsi:nil="true"></uws:ownerId>
<uws:creationTime>2026-01-01T00:00:00.123456Z</uws:creationTime>
</uws:jobref>
</uws:jobs>"""

Validate = Callable[[bytes], None]


def _flat(document: bytes | str) -> str:
    """Drop declaration and indentation, in which no meaning lies."""
    text = document.decode() if isinstance(document, bytes) else document
    text = text.removeprefix("<?xml version='1.0' encoding='UTF-8'?>").strip()
    return re.sub(r">\s+<", "><", text)


def test_uws_20_a_new_job_is_nil_where_nothing_is_known() -> None:
    assert _flat(xml_documents.job_xml(PENDING, JOB_URL, now=NOW)) == _flat(PENDING_XML)


def test_uws_18_a_full_job_has_its_children_in_the_order_of_the_schema() -> None:
    assert _flat(xml_documents.job_xml(FULL, JOB_URL, now=NOW)) == _flat(FULL_XML)


def test_uws_27_the_parameters_document() -> None:
    document = xml_documents.parameters_xml(FULL, JOB_URL)
    assert _flat(document) == _flat(PARAMETERS_XML.format(head=f" {HEAD}"))


def test_uws_28_the_results_document() -> None:
    document = xml_documents.results_xml(FULL, JOB_URL)
    assert _flat(document) == _flat(RESULTS_XML.format(head=f" {HEAD}"))


def test_uws_10_the_job_list() -> None:
    document = b"".join(xml_documents.jobs_xml([FULL, PENDING], JOBS_URL))
    assert _flat(document) == _flat(JOBS_XML)


def test_uws_9_an_empty_job_list() -> None:
    document = b"".join(xml_documents.jobs_xml([], JOBS_URL))
    assert _flat(document) == f'<uws:jobs {HEAD} version="1.1"></uws:jobs>'


EXECUTING = replace(
    FULL, phase=Phase.EXECUTING, end_time=None, error=None, notes=(), results=(), parameters=()
)


@pytest.mark.parametrize(
    "job",
    [PENDING, FULL, EXECUTING, *(replace(PENDING, phase=phase) for phase in Phase)],
    ids=lambda job: job.phase,
)
def test_every_job_is_valid_against_the_schema(job: Job, validate_xml: Validate) -> None:
    validate_xml(xml_documents.job_xml(job, JOB_URL, now=NOW))
    validate_xml(xml_documents.parameters_xml(job, JOB_URL))
    validate_xml(xml_documents.results_xml(job, JOB_URL))
    validate_xml(b"".join(xml_documents.jobs_xml([job, job], JOBS_URL)))
    validate_xml(b"".join(xml_documents.jobs_xml([], JOBS_URL)))


def test_the_schema_check_can_fail(validate_xml: Validate) -> None:
    document = xml_documents.job_xml(PENDING, JOB_URL, now=NOW)
    with pytest.raises(AssertionError):
        validate_xml(document.replace(b"PENDING", b"RUNNING"))


def test_the_expected_end_is_told_while_executing() -> None:
    root = etree.fromstring(xml_documents.job_xml(EXECUTING, JOB_URL, now=NOW))
    info = {child.tag.partition("}")[2]: child.text for child in root[-1]}
    assert info == {
        "total": "10",
        "done": "4",
        "failed": "1",
        "sizeBytes": "1000",
        "ratePerSecond": "0.1",
        "expectedEnd": "2026-01-01T00:00:30Z",
    }


def test_a_long_list_comes_in_pieces_and_in_order() -> None:
    jobs = [
        replace(PENDING, id=f"job-{number}", creation_time=CREATED - timedelta(seconds=number))
        for number in range(1000)
    ]
    taken = 0

    def feed() -> Iterator[Job]:
        nonlocal taken
        for job in jobs:
            taken += 1
            yield job

    pieces = xml_documents.jobs_xml(feed(), JOBS_URL)
    first = next(pieces)
    assert 0 < taken < 200
    root = etree.fromstring(first + b"".join(pieces))
    assert [child.get("id") for child in root] == [job.id for job in jobs]


# ------------------------------------------------------------------- JSON


def test_the_json_of_a_job_says_what_its_xml_says() -> None:
    assert stdlib_json.loads(json_documents.job_json(FULL, JOB_URL, now=NOW)) == {
        "version": "1.1",
        "jobId": "a1",
        "runId": "night <7> & on",
        "ownerId": "vera",
        "phase": "ERROR",
        "quote": "2026-01-01T00:00:30Z",
        "creationTime": "2026-01-01T00:00:00.123456Z",
        "startTime": "2026-01-01T00:00:10Z",
        "endTime": "2026-01-01T00:00:20Z",
        "executionDuration": 3600,
        "destruction": "2026-01-15T00:00:00Z",
        "parameters": [
            {"id": "POS", "byReference": False, "value": "CIRCLE 1 2 3"},
            {"id": "POS", "byReference": True, "value": f"{JOB_URL}/parameters/POS.2"},
            {"id": "TABLE", "byReference": True, "value": f"{JOB_URL}/parameters/TABLE"},
        ],
        "results": [
            {
                "id": "x+y/z 1.fits",
                "href": f"{JOB_URL}/results/x%2By/z%201.fits",
                "mime-type": "application/fits",
                "size": 2880,
            },
            {
                "id": "result",
                "href": f"{JOB_URL}/results/result",
                "mime-type": "application/json",
                "size": None,
            },
        ],
        "errorSummary": {
            "type": "transient",
            "hasDetail": True,
            "message": "Error: it \x1b[1mbroke",
        },
        "jobInfo": {
            "total": 10,
            "done": 4,
            "failed": 1,
            "sizeBytes": 1000,
            "ratePerSecond": 0.5,
            "expectedEnd": None,
            "notes": ["did you mean COLORS?", "second"],
        },
    }


def test_the_json_of_a_new_job_has_every_name() -> None:
    found = stdlib_json.loads(json_documents.job_json(PENDING, JOB_URL, now=NOW))
    full = stdlib_json.loads(json_documents.job_json(FULL, JOB_URL, now=NOW))
    assert list(found) == list(full)
    assert found["jobInfo"] is None
    assert found["startTime"] is None


def test_the_json_lists() -> None:
    full = stdlib_json.loads(json_documents.job_json(FULL, JOB_URL, now=NOW))
    assert stdlib_json.loads(json_documents.parameters_json(FULL, JOB_URL)) == full["parameters"]
    assert stdlib_json.loads(json_documents.results_json(FULL, JOB_URL)) == full["results"]


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_the_json_job_list_comes_in_pieces(count: int) -> None:
    pieces = [*json_documents.jobs_json([PENDING] * count, JOBS_URL)]
    assert (len(pieces) > 1) == (count == 1000)
    entry = {
        "id": "a1",
        "href": JOB_URL,
        "phase": "PENDING",
        "runId": None,
        "ownerId": None,
        "creationTime": "2026-01-01T00:00:00.123456Z",
    }
    assert stdlib_json.loads(b"".join(pieces)) == {"version": "1.1", "jobs": [entry] * count}


# ------------------------------------------------------------------ links


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("POS", FULL.parameters[0]),
        ("pos.2", FULL.parameters[1]),
        ("POS.3", None),
        ("POS.1", None),
        ("NONE", None),
    ],
)
def test_a_parameter_is_found_by_its_numbered_name(name: str, parameter: Parameter | None) -> None:
    assert find_parameter(FULL, name) == parameter
