"""`/sia2` over HTTP: ways of sending, formats, overflow, faults."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Response
from flask.testing import FlaskClient

from soda_service.sky.releases import write_release
from soda_service.sky.table import table_path, write_tiles
from soda_service.vo.obscore import COLUMNS
from tests.unit.web.sia2app import (
    A2,
    BASE,
    RELEASE,
    TILES,
    XML,
    A,
    B,
    app_on,
    images,
    read,
    write_releases,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    write_releases(folder)
    return folder


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return app_on(folder).test_client()


def told(answer: Response) -> str:
    """Give the text of an error document."""
    document = read(answer)
    assert len(document.resources) == 1
    assert not document.resources[0].tables
    (info,) = document.resources[0].infos
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    return str(info.content)


def statuses(answer: Response) -> list[str]:
    (resource,) = (each for each in read(answer).resources if each.type == "results")
    infos = [*resource.infos, *(info for table in resource.tables for info in table.infos)]
    return [info.value for info in infos if info.name == "QUERY_STATUS"]


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("POS=CIRCLE", 400, "UsageFault: POS: 0 numbers found"),
        ("POS=CIRCLE+1+2+3&BAND=x&q=1", 400, "UsageFault: Q: unknown parameter; allowed: "),
        ("RESPONSEFORMAT=%3Cx%3E", 400, "UsageFault: RESPONSEFORMAT: '<x>' is not offered"),
        ("RESPONSEFORMAT=votable&RESPONSEFORMAT=votable", 400, "UsageFault: RESPONSEFORMAT: 2 "),
        ("%26=1", 400, "UsageFault: parameter name '&'"),
        ("ID=" + "x" * 100_001, 413, "UsageFault: ID: must be a text of at most 100000"),
    ],
    ids=["value", "unknown", "format", "format-twice", "name", "too-long"],
)
def test_sia_14_faults_are_votables(
    client: FlaskClient, query: str, status: int, expected: str
) -> None:
    answer = client.get(f"/sia2?{query}")
    assert (answer.status_code, answer.content_type) == (status, XML)
    assert told(answer).startswith(expected)


@pytest.mark.parametrize("wanted", ["csv", "text/tab-separated-values"])
def test_sia_14_faults_are_text_where_text_is_wanted(client: FlaskClient, wanted: str) -> None:
    answer = client.get("/sia2", query_string={"RESPONSEFORMAT": wanted, "BAND": "x"})
    assert (answer.status_code, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text == "UsageFault: BAND: 'x' is not a number\n"


def test_dali_t3_faults_come_as_the_media_type_asked_for(client: FlaskClient) -> None:
    answer = client.get("/sia2?RESPONSEFORMAT=text/xml&BAND=x")
    assert (answer.status_code, answer.content_type) == (400, "text/xml")
    assert told(answer) == "UsageFault: BAND: 'x' is not a number"


def test_a_body_in_no_form_encoding(client: FlaskClient) -> None:
    answer = client.post("/sia2", data=b"{}", content_type="application/json")
    assert answer.status_code == 400
    assert told(answer).startswith("UsageFault: the body is application/json; parameters are sent")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_other_methods(client: FlaskClient, method: str) -> None:
    assert client.open("/sia2", method=method).status_code == 405


HERE, THERE = "CIRCLE 10 0 0.01", "CIRCLE 20 0 0.01"


@pytest.mark.parametrize("encoding", ["query", "form", "multipart", "both"])
def test_sia_1_dali_2_all_ways_of_sending(client: FlaskClient, encoding: str) -> None:
    sent = {"POS": [HERE, THERE], "BAND": "4.5e-7"}
    match encoding:
        case "query":
            answer = client.get("/sia2", query_string=sent)
        case "form":
            answer = client.post("/sia2", data=sent)
        case "multipart":
            answer = client.post("/sia2", data=sent, content_type="multipart/form-data")
        case _:  # DALI-4
            answer = client.post("/sia2?BAND=4.5e-7&POS=CIRCLE%2010%200%200.01", data={
                "pos": THERE})  # fmt: skip
    assert images(answer) == [A[0], B[0], A2[0]]


def test_dali_1_names_in_any_case_and_blank_values(client: FlaskClient) -> None:
    answer = client.get(f"/sia2?pos={HERE}&Pos={THERE}&collection=DR1&Band=&MAXREC=")
    assert images(answer) == [*A, *B]


def test_sia_t1_several_positions_are_alternatives(client: FlaskClient) -> None:
    given = f"POS={HERE}&POS={THERE}&BAND=4.5e-7&BAND=5.5e-7&COLLECTION=DR1"
    assert images(client.get(f"/sia2?{given}")) == [*A[:2], *B[:2]]


def test_nothing_found_is_an_empty_table(client: FlaskClient) -> None:
    answer = client.get("/sia2?POS=CIRCLE+0+80+0.1")
    assert (images(answer), statuses(answer)) == ([], ["OK"])


C = [f"DR1?C/{band}" for band in "griz"]


@pytest.mark.parametrize(
    ("query", "rows", "is_cut"),
    [
        ("", 10, True),
        ("MAXREC=12", 12, True),
        ("MAXREC=9999999999", 14, True),
        ("MAXREC=1", 1, True),
        ("MAXREC=0", 0, True),
        ("MAXREC=0&POS=CIRCLE+0+80+0.1", 0, True),
        ("COLLECTION=DR2", 4, False),
        ("COLLECTION=DR2&MAXREC=4", 4, False),
        ("COLLECTION=DR2&MAXREC=3", 3, True),
        ("COLLECTION=DR1&MAXREC=12", 12, False),
    ],
)
def test_dali_14_27_28_maxrec_and_overflow(
    client: FlaskClient, query: str, rows: int, is_cut: bool
) -> None:
    answer = client.get(f"/sia2?{query}")
    found = images(answer)
    assert len(found) == rows
    assert found == ([*A, *B, *C, *A2] if "DR2" not in query else A2)[:rows]
    assert statuses(answer) == (["OK", "OVERFLOW"] if is_cut else ["OK"])
    content = answer.text
    assert (content.find("OVERFLOW") > content.find("</TABLE>")) == is_cut


def test_sia_11_maxrec_0_tells_all_columns(client: FlaskClient) -> None:
    fields = read(client.get("/sia2?MAXREC=0")).get_first_table().fields
    assert [field.name for field in fields] == [column.name for column in COLUMNS]


@pytest.mark.parametrize(
    ("wanted", "content_type", "delimiter"),
    [
        ("csv", "text/csv;charset=utf-8", ","),
        ("text/csv", "text/csv;charset=utf-8", ","),
        ("tsv", "text/tab-separated-values;charset=utf-8", "\t"),
    ],
)
def test_dali_13_text_formats(
    client: FlaskClient, wanted: str, content_type: str, delimiter: str
) -> None:
    answer = client.get(f"/sia2?RESPONSEFORMAT={wanted}&POS={HERE}&COLLECTION=DR1")
    assert (answer.status_code, answer.content_type) == (200, content_type)
    # vo F5: `curl -OJ` saves the table under a name of its own.
    name = "images.tsv" if delimiter == "\t" else "images.csv"
    assert f'filename="{name}"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))
    assert [row["obs_publisher_did"] for row in rows] == [f"ivo://example.org/{row}" for row in A]


@pytest.mark.parametrize("wanted", ["votable", XML, XML.replace("+", "%2B"), "text/xml"])
def test_dali_13_t3_votable_formats(client: FlaskClient, wanted: str) -> None:
    answer = client.get(f"/sia2?RESPONSEFORMAT={wanted}&POS={HERE}&COLLECTION=DR1")
    assert answer.content_type == ("text/xml" if wanted == "text/xml" else XML)
    assert images(answer) == A


@pytest.mark.parametrize(
    "query", ["", "MAXREC=0", f"POS={HERE}", "POS=x"], ids=["all", "none", "some", "fault"]
)
def test_answers_are_valid(
    client: FlaskClient, validate_xml: Callable[[bytes], None], query: str
) -> None:
    validate_xml(client.get(f"/sia2?{query}").data)


def test_sia_13_descriptors(client: FlaskClient) -> None:
    resources = read(client.get(f"/sia2?POS={HERE}")).resources
    assert [(each.type, each.utype) for each in resources] == [
        ("results", None),
        # DL-T2: the one for cutouts before the others.
        *[("meta", "adhoc:service")] * 2,
        ("meta", "adhoc:this"),
    ]
    facts = [{param.name: param.value for param in each.params} for each in resources[1:]]
    assert [(each["accessURL"], each["standardID"]) for each in facts] == [
        (f"{BASE}/sync", "ivo://ivoa.net/std/SODA#sync-1.0"),
        (f"{BASE}/links", "ivo://ivoa.net/std/DataLink#links-1.1"),
        (f"{BASE}/sia2", "ivo://ivoa.net/std/SIA#query-2.0"),
    ]
    # DL-T3: ID refers to a column of the results that has this XML ID.
    fields = {field.ID: field.name for field in resources[0].tables[0].fields}
    for resource in resources[1:3]:
        (ref,) = (each.ref for each in resource.groups[0].entries if each.name == "ID")
        assert fields[ref] == "obs_publisher_did"


def test_dali_30_standard_id(client: FlaskClient) -> None:
    infos = read(client.get("/sia2?MAXREC=0")).resources[0].infos
    assert ("standardID", "ivo://ivoa.net/std/SIA") in [(info.name, info.value) for info in infos]


def test_without_releases_there_is_nothing_to_cut(
    tmp_path: Path, validate_xml: Callable[[bytes], None]
) -> None:
    answer = app_on(tmp_path).test_client().get("/sia2")
    assert images(answer) == []
    assert [each.utype for each in read(answer).resources[1:]] == ["adhoc:service", "adhoc:this"]
    validate_xml(answer.data)


def test_a_release_published_meanwhile_is_found(tmp_path: Path) -> None:
    client = app_on(tmp_path).test_client()
    assert images(client.get("/sia2")) == []
    write_release(RELEASE, tmp_path / "dr1.toml")
    write_tiles(table_path(tmp_path, "DR1"), TILES["DR1"][:1])
    again = app_on(tmp_path).test_client()
    assert images(again.get("/sia2")) == A
