"""The form for new cutouts without a browser: filled in, sent, given back, and light."""

import csv
import gzip
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soda_service.app import create_app
from soda_service.assembly import build_parts
from soda_service.auth import AUTHENTICATORS, Caller
from soda_service.config.load import load_config
from soda_service.config.model import AuthConfig, Config
from soda_service.pages.security import COOKIE
from soda_service.results.rows import Row, Status
from soda_service.sky.release import Band
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from soda_service.worker import prepare
from tests.finished_job import finish, made_row
from tests.synthetic import RELEASE
from uws.errors import TooManyError
from uws.models import Parameter
from uws.service import JobService

TABLE = "RA,DEC\n30.0,-20.0\n30.0,-20.01\n"
FULL = {"Origin": "http://localhost"}
WISE = replace(
    RELEASE,
    name="WISE",
    title="Names of several letters",
    bands=tuple(Band(name) for name in ("W1", "W2", "W3", "W4")),
    defaults={"XSIZE": "3", "COLORS_FITS": "W2,W3"},
    is_default=False,
)


class ByHeader:
    """Owners are who the header `X-User` says."""

    def caller(self, request: Request) -> Caller:
        return Caller(request.headers.get("X-User", ""))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = tmp_path / "releases"
    folder.mkdir()
    corners = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))
    for release in (RELEASE, WISE):
        write_release(replace(release, root=str(tmp_path)), folder / f"{release.name.lower()}.toml")
        row = TileRow("EAST", 30.0, -20.0, corners=corners)
        write_tiles(table_path(folder, release.name), [row])
    queue = {"url": "redis://127.0.0.1:1/0"}  # nobody listens there
    config = load_config(None, tmp_path, overrides={"queue": queue}, environ={})
    prepare(config)
    return config


@pytest.fixture
def client(config: Config, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setitem(AUTHENTICATORS, "x-user", lambda _config: ByHeader())
    return create_app(replace(config, auth=AuthConfig("x-user"))).test_client()


def action(client: FlaskClient) -> str:
    """Give where the form of a fresh page is sent."""
    found = re.search(r'action="([^"]+)"', client.get("/").text)
    assert found is not None
    return html.unescape(found[1]).removeprefix("http://localhost")


def send(client: FlaskClient, fields: dict[str, object], **headers: str) -> TestResponse:
    address = action(client)
    return client.post(
        address, data=fields, headers=FULL | headers, content_type="multipart/form-data"
    )


def parameters(client: FlaskClient, answer: TestResponse) -> list[tuple[str, str]]:
    assert answer.status_code == 303, answer.text
    path = answer.headers["Location"].removeprefix("http://localhost").replace("/jobs/", "/async/")
    job = client.get(path, headers={"Accept": "application/json"}).get_json()
    return sorted((each["id"], each["value"]) for each in job["parameters"])


def field(page: str, name: str) -> str:
    """Give what stands in a field."""
    area = re.search(rf'<textarea id="{name}"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    if area is not None:
        return html.unescape(area[1])
    tag = re.search(rf'<input id="{name}"[^>]*value="([^"]*)"', page)
    assert tag is not None
    return html.unescape(tag[1])


def checked(page: str) -> list[str]:
    """Give name and value of every ticked box."""
    tags = re.findall(r'<input type="checkbox"[^>]*>', page)
    pairs = [re.search(r'name="(\w+)" value="(\w+)"', tag) for tag in tags if " checked" in tag]
    return [f"{pair[1]}={pair[2]}" for pair in pairs if pair is not None]


# ------------------------------------------------------------------- sending


@pytest.mark.parametrize("token", ["", "?csrf=", "?csrf=guessed", "?csrf=%C3%A9"])
def test_a_form_of_another_site_is_refused_unread(client: FlaskClient, token: str) -> None:
    client.get("/")
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    # The token in the body is not looked for: nothing of the body has been read.
    data = {"POSITIONS": TABLE, "csrf": cookie.value}
    answer = client.post(f"/{token}", data=data, headers=FULL)
    assert answer.status_code == 403
    assert answer.text.startswith("AuthorizationError: the form has expired")
    assert client.get("/async", headers={"Accept": "application/json"}).get_json()["jobs"] == []


def test_a_form_makes_a_job_of_what_differs_from_the_release(client: FlaskClient) -> None:
    boxes = {"MAKE_FITS": ["false", "true"], "COLORS_FITS": ["g", "r"], "MASK": "false"}
    idle = {"XSIZE": "1.0", "YSIZE": "1", "EDGE": "trim", "JOBNAME": "", "POS": "", "EMAIL": " "}
    answer = send(client, {"RELEASE": "TEST1", "POSITIONS": TABLE, "XPIX": "40", **boxes, **idle})
    path = answer.headers["Location"]
    assert re.fullmatch("http://localhost/jobs/[0-9a-f]{32}", path)
    assert parameters(client, answer) == [
        ("COLORS_FITS", "g,r"),
        ("POSITIONS", TABLE),
        ("RELEASE", "TEST1"),
        ("XPIX", "40"),
    ]


def test_lines_of_a_soda_parameter_are_its_values(client: FlaskClient) -> None:
    lines = "30 -20 0.01\r\n\r\n30 -20.01 0.01\r\n"
    answer = send(client, {"POSITIONS": "", "CIRCLE": lines, "MASK": ["false", "true"]})
    assert parameters(client, answer) == [
        ("CIRCLE", "30 -20 0.01"),
        ("CIRCLE", "30 -20.01 0.01"),
        ("MASK", "true"),
    ]


def test_a_long_table_is_a_file(client: FlaskClient) -> None:
    table = "RA,DEC,my_name\n" + "".join(f"30.0,-20.0,row {n}\n" for n in range(2000))
    ((name, address),) = parameters(client, send(client, {"POSITIONS": table}))
    assert name == "POSITIONS"
    with client.get(address.removeprefix("http://localhost")) as content:
        assert content.text == table


def test_a_fault_gives_the_form_back_as_it_was_sent(client: FlaskClient, config: Config) -> None:
    table = "RA,DEC,XSIZE\n" + "30.0,-20.0,\n" * 500 + "30.0,-120,99\n"
    sent = {"RELEASE": "WISE", "POSITIONS": table, "YSIZE": "0.001", "JOBNAME": '<b>"mine"'}
    answer = send(client, {**sent, "COLORS_FITS": ["W1", "W4"], "MAKE_RGB_STIFF": "true"})
    assert answer.status_code == 400
    page = answer.text
    assert field(page, "POSITIONS") == table
    assert (field(page, "YSIZE"), field(page, "JOBNAME")) == ("0.001", '<b>"mine"')
    assert '<option value="WISE" selected' in page
    boxes = ["MAKE_FITS=true", "COLORS_FITS=W1", "COLORS_FITS=W4", "MAKE_RGB_STIFF=true"]
    assert checked(page) == boxes
    summary = page[page.index('id="faults"') : page.index("<form")]
    assert '<a href="#YSIZE">YSIZE: ' in summary
    assert list(Path(config.files_root()).glob("*")) == []  # nothing is left of the long table


def test_rows_at_fault_are_listed(client: FlaskClient) -> None:
    answer = send(client, {"POSITIONS": "RA,DEC\n30,-20\nx,-120\n"})
    assert answer.status_code == 400
    listed = re.findall(r'<li><a href="#POSITIONS">(.*?)</a></li>', answer.text)
    assert [text[:9] for text in listed] == ["row 2, RA", "row 2, DE"]


def test_without_positions_the_form_comes_back(client: FlaskClient) -> None:
    answer = send(client, {"POSITIONS": "\r\n"})
    assert answer.status_code == 400
    assert "POSITIONS" in answer.text[answer.text.index('id="faults"') :]


def test_a_body_that_is_no_form_is_told_of(client: FlaskClient) -> None:
    answer = client.post(action(client), data=b"{}", headers=FULL, content_type="text/json")
    assert answer.status_code == 400
    assert "the body is text/json" in answer.text


def test_who_has_too_many_jobs_keeps_the_form(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise TooManyError("100 jobs are at work")

    monkeypatch.setattr("soda_service.pages.submit.create_new", refuse)
    answer = send(client, {"POSITIONS": TABLE})
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers
    assert "100 jobs are at work" in answer.text
    assert field(answer.text, "POSITIONS") == TABLE


def test_looking_makes_no_job(client: FlaskClient, config: Config) -> None:
    table = "RA,DEC\n" + "30.0,-20.0\n" * 900 + "1,1\n"
    answer = send(client, {"POSITIONS": table, "VALIDATE": "true"})
    assert answer.status_code == 200
    sums = re.findall(r"<dt>([\w ]+)</dt><dd>(.*?)</dd>", answer.text)
    assert sums[:3] == [("Rows", "901"), ("In tiles", "900"), ("Files", "900")]
    assert "Row 901: no tile of release TEST1" in answer.text
    assert client.get("/async", headers={"Accept": "application/json"}).get_json()["jobs"] == []
    assert list(Path(config.files_root()).glob("*")) == []


def test_validate_tells_where_rows_lie(client: FlaskClient) -> None:
    table = "RA,DEC\n30,-20\n1,2\nx,3\n" + "30,-20.05\n" * 1000
    found = client.post("/validate", data={"POSITIONS": table}).get_json()
    assert found["places"][:3] == [
        {"row": 1, "ra_deg": 30.0, "dec_deg": -20.0, "tile": "EAST"},
        {"row": 2, "ra_deg": 1.0, "dec_deg": 2.0, "tile": ""},
        {"row": 4, "ra_deg": 30.0, "dec_deg": -20.05, "tile": "EAST"},
    ]
    assert len(found["places"]) == 1000


# ----------------------------------------------------------------- filling in


def test_every_parameter_of_the_query_fills_its_field(client: FlaskClient) -> None:
    page = client.get(
        "/?release=wise&Ra=30&DEC=-20&XSIZE=2&COLORS_FITS=W4,W1&MAKE_RGB_LUPTON=yes"
        "&RGB_LUPTON_COLORS=W3,W2,W1;W4,W2,W1&RGB_STRETCH=7&POS=CIRCLE+1+2+3&POS=RANGE+1+2+3+4"
        "&EDGE=PAD&RUNID=mine&RESPONSEFORMAT=image/jpeg&other=x"
    ).text
    assert field(page, "POSITIONS") == "RA,DEC\n30,-20\n"
    assert (field(page, "XSIZE"), field(page, "YSIZE")) == ("2", "1.0")
    assert field(page, "RGB_LUPTON_COLORS") == "W3,W2,W1;W4,W2,W1"
    assert (field(page, "RGB_STRETCH"), field(page, "RUNID")) == ("7", "mine")
    assert field(page, "POS") == "CIRCLE 1 2 3\nRANGE 1 2 3 4"
    boxes = ["MAKE_FITS=true", "COLORS_FITS=W1", "COLORS_FITS=W4", "MAKE_RGB_LUPTON=true"]
    assert checked(page) == boxes
    for word in ("WISE", "pad", "jpeg"):
        assert f'<option value="{word}" selected' in page
    assert '<details class="panel more" open>' in page


def test_defaults_are_those_of_the_release(client: FlaskClient) -> None:
    page = client.get("/?RELEASE=WISE&COLORS_FITS=g").text
    assert field(page, "XSIZE") == "3.0"
    assert checked(page) == ["MAKE_FITS=true", "COLORS_FITS=W2", "COLORS_FITS=W3"]
    assert '<details class="panel more">' in page


@pytest.mark.parametrize("evil", ["</textarea><script>", '"><script>alert(1)</script>'])
def test_what_a_link_brings_is_text(client: FlaskClient, evil: str) -> None:
    page = client.get("/", query_string={"POSITIONS": evil, "JOBNAME": evil, "XSIZE": evil}).text
    assert field(page, "POSITIONS") == evil
    assert evil not in page


def test_a_job_fills_the_form_again(client: FlaskClient) -> None:
    table = "RA,DEC,my_name\n" + "".join(f"30.0,-20.0,row {n}\n" for n in range(2000))
    fields = {"POSITIONS": table, "XSIZE": "0.5", "COLORS_FITS": "gY", "RUNID": "label"}
    answer = send(client, fields)
    job_id = answer.headers["Location"].rsplit("/", 1)[1]
    page = client.get(f"/?from={job_id}").text
    assert field(page, "POSITIONS") == table
    assert (field(page, "XSIZE"), field(page, "JOBNAME")) == ("0.5", "label")
    assert checked(page) == ["MAKE_FITS=true", "COLORS_FITS=g", "COLORS_FITS=Y"]
    assert client.get(f"/?from={job_id}&rows=failed").status_code == 403  # it is not done


def test_a_table_that_is_no_text_is_asked_for_again(client: FlaskClient) -> None:
    job = client.post("/async", data={"POSITIONS": b"RA,DEC\n\xff\xfe,1\n"})
    job_id = job.headers["Location"].rsplit("/", 1)[1]
    page = client.get(f"/?from={job_id}").text
    assert field(page, "POSITIONS") == ""
    assert "POSITIONS is a file that cannot be shown here" in page


def test_another_owner_s_job_is_not_shown(client: FlaskClient) -> None:
    answer = send(client, {"POSITIONS": TABLE}, **{"X-User": "ada"})
    job_id = answer.headers["Location"].rsplit("/", 1)[1]
    assert client.get(f"/?from={job_id}", headers={"X-User": "eve"}).status_code == 403
    page = client.get(f"/?from={job_id}", headers={"X-User": "ada"}).text
    assert field(page, "POSITIONS") == TABLE
    assert client.get("/?from=nothing").status_code == 404


@pytest.fixture
def finished(config: Config) -> Callable[..., tuple[str, FlaskClient]]:
    """Give what makes a finished job, and a client of the page without users."""
    runtime = build_parts(config).runtime

    def _finished(parameters: dict[str, str], *rows: Row) -> tuple[str, FlaskClient]:
        sent = [Parameter(name, text) for name, text in parameters.items()]
        job = JobService(runtime).create("", sent, job_type="cutout")
        finish(runtime.files, rows, ["note"], job=job)
        return job.id, create_app(config).test_client()

    return _finished


def test_only_the_rows_that_failed_are_repeated(
    finished: Callable[..., tuple[str, FlaskClient]],
) -> None:
    rows = (
        made_row(1),
        made_row(2, Status.FAILED, extra={"note": "é <b>"}),
        made_row(3, Status.PARTIAL),
    )
    job_id, client = finished({"POSITIONS": TABLE, "XSIZE": "0.5"}, *rows)
    page = client.get(f"/?from={job_id}&rows=failed").text
    table = list(csv.DictReader(io.StringIO(field(page, "POSITIONS"))))
    assert [(row["RA"], row["note"]) for row in table] == [("1.5", "é <b>"), ("1.5", "")]
    assert field(page, "XSIZE") == "0.5"
    assert field(client.get(f"/?from={job_id}").text, "POSITIONS") == TABLE


def test_failed_rows_that_are_too_many_for_the_form_are_led_to(
    finished: Callable[..., tuple[str, FlaskClient]],
) -> None:
    rows = [made_row(n, Status.FAILED, extra={"note": "x" * 300_000}) for n in range(1, 5)]
    job_id, client = finished({"POSITIONS": TABLE, "XSIZE": "0.5"}, *rows)
    answer = client.get(f"/?from={job_id}&rows=failed")
    assert len(answer.data) < 100_000
    assert (field(answer.text, "POSITIONS"), field(answer.text, "XSIZE")) == ("", "0.5")
    address = f"/jobs/{job_id}/failed.csv"
    assert f'<a href="http://localhost{address}">their table</a>' in answer.text
    assert client.get(address).text.count("x" * 300_000) == 4


def test_rows_that_are_shapes_are_repeated_all(
    finished: Callable[..., tuple[str, FlaskClient]],
) -> None:
    job_id, client = finished({"CIRCLE": "30 -20 0.01"}, made_row(1, Status.FAILED))
    page = client.get(f"/?from={job_id}&rows=failed").text
    assert "all of them are shown" in page
    assert field(page, "POSITIONS") == ""


# --------------------------------------------------------------------- the page


def test_scripts_know_the_releases(client: FlaskClient) -> None:
    page = client.get("/").text
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page)
    assert found is not None
    test1, wise = json.loads(found[1])
    assert test1["example"] == "RA,DEC\n30.0,-20.0\n30.0,-19.99\n"
    assert (wise["bands"], wise["chosen"]) == (["W1", "W2", "W3", "W4"], ["W2", "W3"])
    assert wise["triplets"]["STIFF"] == [["W4", "W3", "W1"]]
    assert wise["defaults"]["COLORS_FITS"] == "w2,w3"


def test_styles_and_scripts_are_packed_for_who_can_unpack_them(client: FlaskClient) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:src|href)="http://localhost(/static/[^"]+)"', page)
    names = [*(path.rsplit("/", 1)[1] for path in addresses), "dom.js", "latest.js"]
    names += ["positions.js", "sphere.js", "submitbands.js", "submitestimate.js"]
    names += ["submitpreview.js", "submitsheet.js", "text.js"]
    folder = addresses[0].rsplit("/", 1)[0]
    total = len(page.encode())
    for name in set(names):
        packed = client.get(f"{folder}/{name}", headers={"Accept-Encoding": "br, gzip"})
        with client.get(f"{folder}/{name}") as plain:
            assert gzip.decompress(packed.data) == plain.data
            assert packed.headers["ETag"] != plain.headers["ETag"]
            assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
        total += len(packed.data)
    assert total < 50_000


def test_a_slow_body_is_not_read_before_the_token_is_checked(client: FlaskClient) -> None:
    client.get("/")
    body = _Untouched(b"--x")
    answer = client.post(
        "/?csrf=wrong",
        input_stream=body,
        headers=FULL,
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 403
    assert not body.was_read


class _Untouched(io.BytesIO):
    """A body that remembers whether somebody read it."""

    was_read = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.was_read = True
        return super().read(size)
