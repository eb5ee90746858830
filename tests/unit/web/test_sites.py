"""What pages of other sites may do, and names by which the service is reached."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soda_service.config.model import WebConfig
from soda_service.web.sites import known_names
from tests.unit.web.conftest import Open

MINE = "https://mine.example"
EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("allowed", "origin", "answered"),
    [
        ("*", MINE, ("*", None)),
        ("*", None, ("*", None)),
        (f"https://other.example, {MINE}", MINE, (MINE, "Origin")),
        (MINE, "https://evil.example", (None, "Origin")),
        (MINE, None, (None, "Origin")),
        ("", MINE, (None, None)),
    ],
)
def test_only_pages_of_allowed_origins_may_read(
    open_client: Open, allowed: str, origin: str | None, answered: tuple[str | None, str | None]
) -> None:
    client = open_client(cors_origins=allowed)
    headers = {"Origin": origin} if origin else {}
    for path in ("/releases", "/tiles/TEST1/EAST/r"):
        answer = client.get(path, headers=headers).headers
        assert (answer.get("Access-Control-Allow-Origin"), answer.get("Vary")) == answered
    assert ("Access-Control-Expose-Headers" in answer) == (answered[0] is not None)


@pytest.mark.parametrize("path", ["/releases", "/tiles/TEST1/EAST/g", "/async/a/results/x.fits"])
def test_pages_may_ask_before_they_read(open_client: Open, path: str) -> None:
    headers = {
        "Origin": MINE,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
    }
    answer = open_client(cors_origins=MINE).options(path, headers=headers)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == MINE
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "Range" in answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert (
        "Access-Control-Allow-Methods" not in open_client(cors_origins=MINE).options(path).headers
    )


PUBLIC = (
    "/sync?ID=x",
    "/sia2",
    "/links",
    "/releases",
    "/releases/TEST1/footprint",
    "/capabilities",
    "/availability",
    "/tables",
    "/examples",
    "/openapi.json",
    "/async/.static/jobinfo.xsd",
    "/async/{job}/results/summary.json",
)
PRIVATE = (
    "/async",
    "/async/{job}",
    "/async/{job}/phase",
    "/async/{job}/results",
    "/async/{job}/parameters",
    "/async/{job}/parameters/EMAIL",
    "/jobs",
    "/jobs/{job}",
    "/jobs/{job}/rows",
    "/jobs/{job}/log",
    "/?from={job}",
    "/metrics",
)


def create(client: FlaskClient, **headers: str) -> TestResponse:
    data = {"EMAIL": "me@example.org", "POSITIONS": "RA,DEC\n30,-20\n"}
    return client.post("/async", data=data, headers=headers)


def job_of(client: FlaskClient) -> str:
    return create(client).headers["Location"].rpartition("/")[2]


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:3000"])
def test_pages_of_other_sites_read_nothing_of_jobs(open_client: Open, origin: str) -> None:
    client = open_client()
    job = job_of(client)
    for path in PRIVATE:
        headers = client.get(path.format(job=job), headers={"Origin": origin}).headers
        assert "Access-Control-Allow-Origin" not in headers, path
        headers = client.options(path.format(job=job), headers={"Origin": origin}).headers
        assert "Access-Control-Allow-Origin" not in headers, path


def test_pages_of_other_sites_read_what_is_public(open_client: Open) -> None:
    client = open_client()
    job = job_of(client)
    for path in PUBLIC:
        headers = client.get(path.format(job=job), headers={"Origin": EVIL}, buffered=True).headers
        assert headers["Access-Control-Allow-Origin"] == "*", path


def test_listed_origins_read_jobs_too(open_client: Open) -> None:
    client = open_client(trusted_origins=f"https://other.example, {MINE}")
    job = job_of(client)
    for path in (*PUBLIC, *PRIVATE):
        headers = client.get(path.format(job=job), headers={"Origin": MINE}, buffered=True).headers
        assert headers["Access-Control-Allow-Origin"] in {MINE, "*"}, path
    for origin in (EVIL, "null"):
        answer = client.get("/async", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.vary


CHANGES = (
    ("POST", "/async"),
    ("POST", "/async/{job}"),
    ("DELETE", "/async/{job}"),
    ("POST", "/async/{job}/phase"),
    ("POST", "/async/{job}/destruction"),
    ("POST", "/async/{job}/executionduration"),
    ("POST", "/async/{job}/parameters"),
    ("PUT", "/async/{job}/parameters/RA"),
    ("POST", "/jobs"),
    ("POST", "/jobs/{job}/delete"),
    ("POST", "/jobs/{job}/share"),
    ("POST", "/"),
    ("POST", "/validate"),
)

FOREIGN = {
    "another origin": {"Origin": EVIL},
    "no origin": {"Origin": "null"},
    "another port": {"Origin": "http://localhost:3000"},
    "a name that begins alike": {"Origin": "http://localhost.evil.example"},
    "what only looks like one": {"Origin": "http://localhost@evil.example"},
    "junk": {"Origin": "http://[::1"},
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site", "Origin": "http://x.localhost"},
    "own Origin, but fetched from elsewhere": {
        "Sec-Fetch-Site": "cross-site",
        "Origin": "http://localhost",
    },
}


@pytest.mark.parametrize("who", FOREIGN)
def test_pages_of_other_sites_change_nothing(open_client: Open, who: str) -> None:
    client = open_client()
    job = job_of(client)
    for method, path in CHANGES:
        data = {"ACTION": "DELETE", "PHASE": "RUN", "RA": "30", "DEC": "-20"}
        answer = client.open(path.format(job=job), method=method, data=data, headers=FOREIGN[who])
        assert answer.status_code == 403, (method, path)
        assert answer.text.startswith("AuthorizationError: the request comes from a page")
        assert "web.trusted_origins" in answer.text
    (only,) = client.get("/async?RESPONSEFORMAT=json").json["jobs"]
    assert (only["id"], only["phase"]) == (job, "PENDING")


OWN = {
    "a program": ({}, {}),
    "the service's own page": ({}, {"Origin": "http://localhost"}),
    "its own page, told by the browser": (
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    ),
    "its own page, behind a proxy that changes the Host": (
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://sky.example"},
    ),
    "its own page, at the configured address": (
        {"base_url": "https://sky.example:443/vo"},
        {"Origin": "https://sky.example"},
    ),
    "an address typed by hand": ({}, {"Sec-Fetch-Site": "none"}),
    "a listed origin": (
        {"trusted_origins": MINE},
        {"Sec-Fetch-Site": "cross-site", "Origin": MINE},
    ),
}


@pytest.mark.parametrize("who", OWN)
def test_programs_own_pages_and_listed_origins_make_jobs(open_client: Open, who: str) -> None:
    settings, headers = OWN[who]
    client = open_client(**settings)
    assert create(client, **headers).status_code == 303
    assert client.get("/async", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/sync", "/sia2", "/links"])
def test_pages_of_other_sites_may_post_queries(open_client: Open, path: str) -> None:
    answer = open_client().post(path, data={"POS": "CIRCLE 1 80 0.01"}, headers={"Origin": EVIL})
    assert answer.status_code != 403
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_listed_origins_may_ask_before_they_change(open_client: Open) -> None:
    client = open_client(trusted_origins=MINE)
    asked = {"Origin": MINE, "Access-Control-Request-Method": "DELETE"}
    answer = client.options("/async/a", headers=asked).headers
    assert answer["Access-Control-Allow-Origin"] == MINE
    assert answer["Access-Control-Allow-Methods"] == "GET, HEAD, POST, PUT, DELETE"
    assert "Content-Type" in answer["Access-Control-Allow-Headers"].split(", ")
    public = client.options("/releases", headers={"Origin": EVIL}).headers
    assert public["Access-Control-Allow-Methods"] == "GET, HEAD"


# ------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "localhost:8000"),
        ({}, "LOCALHOST."),
        ({}, "sky.localhost"),
        ({}, "127.0.0.1:9000"),
        ({}, "[::1]:8000"),
        ({}, "192.0.2.7:8000"),
        ({"base_url": "https://sky.example/vo"}, "sky.example"),
        ({"base_url": "https://sky.example/vo"}, "SKY.example:8443"),
        ({"base_url": "https://sky.example/vo"}, "localhost"),
        ({"base_url": "https://sky.example/vo"}, "10.1.2.3:8000"),
        ({"base_url": "https://sky.example/vo", "hosts": "web, .int.example"}, "web:8000"),
        ({"base_url": "https://sky.example/vo", "hosts": "web, .int.example"}, "a.int.example"),
        ({"hosts": "*"}, "evil.example"),
        ({"proxy_hops": 1}, "sky.example"),
        ({"host": "0.0.0.0", "allow_remote_open": True}, "sky.example"),
    ],
)
def test_known_names_are_answered(
    open_client: Open, settings: dict[str, object], host: str
) -> None:
    assert open_client(**settings).get("/releases", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "evil.example"),
        ({}, "evil.example:8000"),
        ({}, "localhost.evil.example"),
        ({}, "127.0.0.1.evil.example"),
        ({}, "localhost@evil.example"),
        ({}, "evil.example#localhost"),
        ({}, "[::1"),
        ({}, ""),
        ({"base_url": "https://sky.example/vo"}, "evil.example"),
        ({"base_url": "https://sky.example/vo", "proxy_hops": 1}, "evil.example"),
        ({"hosts": ".int.example"}, "int.example"),
        ({"hosts": ".int.example"}, "evilint.example"),
        ({"hosts": "web", "host": "0.0.0.0", "allow_remote_open": True}, "evil.example"),
    ],
)
def test_unknown_names_are_refused(
    open_client: Open, settings: dict[str, object], host: str
) -> None:
    client = open_client(**settings)
    for path in ("/", "/async", "/releases", "/nowhere"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert answer.text == (
            f"UsageError: Host: {host!r} is not a name of this service; the operator can allow it"
            " by web.hosts or web.base_url\n"
        )
    assert client.post("/async", headers={"Host": host}).status_code == 400


def test_the_host_that_counts_is_that_which_a_believed_proxy_tells(open_client: Open) -> None:
    client = open_client(base_url="https://sky.example", proxy_hops=1)
    for told, status in {"sky.example": 200, "evil.example": 400}.items():
        headers = {"Host": "backend", "X-Forwarded-Host": told, "X-Forwarded-Port": "443"}
        assert client.get("/releases", headers=headers).status_code == status


def test_a_request_without_a_host_is_no_browser_s(open_client: Open) -> None:
    environ = {"HTTP_HOST": None}
    assert open_client().get("/availability", environ_overrides=environ).status_code in {200, 503}


def test_known_names_are_lower_case() -> None:
    web = WebConfig(base_url="https://SKY.example:8443/vo", hosts="Web")
    assert known_names(web) == {"sky.example", "web", "localhost", ".localhost"}
