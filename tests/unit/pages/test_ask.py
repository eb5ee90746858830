"""The form of new cutouts, without a browser: filled in from links, refused, never forged."""

import io
import re

import pytest
from flask.testing import FlaskClient

from soda_service.pages.security import COOKIE
from tests.unit.web.conftest import Open


@pytest.fixture
def client(open_client: Open) -> FlaskClient:
    return open_client()


def token_of(client: FlaskClient) -> str:
    """Give the token in the address to which the form is sent."""
    found = re.search(r'action="[^"]*\?csrf=([^"]+)"', client.get("/").text)
    assert found
    return found[1]


def value_of(page: str, name: str) -> str:
    """Give what the form has for a parameter."""
    text = re.search(rf'<textarea[^>]*name="{name}"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    found = text or re.search(rf'<input[^>]*name="{name}"[^>]*?value="([^"]*)"', page)
    assert found, name
    return found[1]


def is_ticked(page: str, name: str) -> bool:
    return bool(re.search(rf'<input type="checkbox" name="{name}" value="true" checked>', page))


def send(client: FlaskClient, **fields: str) -> tuple[int, str, str]:
    """Send the form as a browser does; give status, page and where it leads."""
    answer = client.post(f"/?csrf={token_of(client)}", data=fields,
                         content_type="multipart/form-data")  # fmt: skip
    return answer.status_code, answer.text, answer.headers.get("Location", "")


def test_the_form_has_the_releases_defaults(client: FlaskClient) -> None:
    page = client.get("/").text
    assert [value_of(page, name) for name in ("XSIZE", "YSIZE", "COLORS_FITS")] == [
        "1.0", "1.0", "i",
    ]  # fmt: skip
    assert value_of(page, "RGB_LUPTON_COLORS") == "irg"
    assert not is_ticked(page, "MAKE_RGB_LUPTON")
    assert value_of(page, "POSITIONS") == ""
    assert "number from 0.1 to 12.0 arcmin" in page
    assert 'data-table="RA,DEC,NAME\n30.0,-20.0,first' in page


def test_a_link_fills_the_form(client: FlaskClient) -> None:
    page = client.get(
        "/?POSITIONS=RA,DEC%0A30,-20&xsize=2.5&MAKE_RGB_STIFF=true&JOBNAME=%3Cb%3E&NONSENSE=1"
    ).text
    assert value_of(page, "POSITIONS") == "RA,DEC\n30,-20"
    assert value_of(page, "XSIZE") == "2.5"
    assert is_ticked(page, "MAKE_RGB_STIFF")
    assert value_of(page, "JOBNAME") == "&lt;b&gt;"
    assert "<b>" not in page


def test_a_good_form_makes_a_job_and_leads_to_it(client: FlaskClient) -> None:
    status, _, place = send(
        client, RELEASE="TEST1", POSITIONS="RA,DEC\r\n30,-20\r\n", XSIZE="", JOBNAME="Mine",
        MAKE_RGB_LUPTON="true", RGB_MINIMUM="1.0",
    )  # fmt: skip
    assert status == 303
    found = re.fullmatch(r"http://localhost/jobs/([0-9a-f]{32})", place)
    assert found
    job = client.get(f"/async/{found[1]}?RESPONSEFORMAT=json").json
    assert job is not None
    assert job["runId"] == "Mine"
    assert job["phase"] == "QUEUED"
    sent = {each["id"]: each["value"] for each in job["parameters"]}
    assert sent == {
        "RELEASE": "TEST1", "POSITIONS": "RA,DEC\r\n30,-20\r\n", "JOBNAME": "Mine",
        "MAKE_RGB_LUPTON": "true", "RGB_MINIMUM": "1.0", "MAKE_RGB_STIFF": "false",
        "DISCARD_FITS_FILES": "false",
    }  # fmt: skip


def test_a_file_is_a_table_too(client: FlaskClient) -> None:
    token = token_of(client)
    fields = {"POSITIONS": (io.BytesIO(b"RA,DEC\n30,-20\n"), "mine.csv"), "RELEASE": "TEST1"}
    answer = client.post(f"/?csrf={token}", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 303


def test_what_is_wrong_comes_back_with_the_form(client: FlaskClient) -> None:
    status, page, _ = send(
        client, POSITIONS="RA,DEC,XSIZE\n30,-20,99\n30,x,1\n", YSIZE="77", JOBNAME="<i>"
    )
    assert status == 400
    assert 'role="alert"' in page
    assert "out of range" in page
    assert value_of(page, "POSITIONS") == "RA,DEC,XSIZE\n30,-20,99\n30,x,1\n"
    assert (value_of(page, "YSIZE"), value_of(page, "JOBNAME")) == ("77", "&lt;i&gt;")
    assert client.get("/async?RESPONSEFORMAT=json").json == {"version": "1.1", "jobs": []}


def test_an_empty_form_is_told_what_is_needed(client: FlaskClient) -> None:
    status, page, _ = send(client, POSITIONS="", RELEASE="TEST1")
    assert status == 400
    assert "no position is given" in page


@pytest.mark.parametrize("query", ["", "?csrf=", "?csrf=wrong"])
def test_a_forged_form_makes_no_job(client: FlaskClient, query: str) -> None:
    client.get("/")
    assert client.get_cookie(COOKIE) is not None
    answer = client.post(f"/{query}", data={"RA": "30", "DEC": "-20"})
    assert answer.status_code == 403
    assert client.get("/async?RESPONSEFORMAT=json").json == {"version": "1.1", "jobs": []}


def test_a_job_is_repeated_with_changes(client: FlaskClient) -> None:
    _, _, place = send(client, RA="30", DEC="-20", XSIZE="2", MAKE_RGB_STIFF="true", JOBNAME="A")
    page = client.get(f"/?from={place.rpartition('/')[2]}&YSIZE=3").text
    assert value_of(page, "POSITIONS") == "RA,DEC\n30,-20\n"
    assert [value_of(page, name) for name in ("XSIZE", "YSIZE", "JOBNAME")] == ["2", "3", "A"]
    assert is_ticked(page, "MAKE_RGB_STIFF")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=nonsense", "there is no job nonsense"),
        (f"from={'0' * 32}", f"no job {'0' * 32}"),
    ],
)
def test_a_job_that_is_not_there_is_told(client: FlaskClient, query: str, told: str) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 200
    assert told in answer.text


def test_only_the_failed_rows_of_a_job_that_works_are_told_not_yet(client: FlaskClient) -> None:
    _, _, place = send(client, RA="30", DEC="-20")
    page = client.get(f"/?from={place.rpartition('/')[2]}&rows=failed").text
    assert "its failed rows are told once it is COMPLETED" in page
