"""What stands around the routes: prefixes, proxies, pages of other origins."""

import pytest

from tests.unit.web.conftest import Open

MINE = "https://mine.example"


@pytest.mark.parametrize("path", ["/", "/releases", "/cutoutsreleases", "/async"])
def test_outside_the_prefix_there_is_nothing(open_client: Open, path: str) -> None:
    answer = open_client(path_prefix="/cutouts").get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "UsageError: there is nothing here; the service lies below /cutouts\n"


@pytest.mark.parametrize(
    ("settings", "headers", "address"),
    [
        ({}, {"X-Forwarded-Prefix": "/evil"}, "http://localhost/async"),
        ({"proxy_hops": 1}, {"X-Forwarded-Prefix": "/vo"}, "http://localhost/vo/async"),
        (
            {"proxy_hops": 1, "path_prefix": "/cutouts"},
            {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https"},
            "https://localhost/cutouts/async",
        ),
    ],
    ids=["no proxy", "prefix of the proxy", "prefix of the settings"],
)
def test_the_address_is_that_which_is_believed(
    open_client: Open, settings: dict[str, object], headers: dict[str, str], address: str
) -> None:
    client = open_client(**settings)
    path = f"{settings.get('path_prefix', '')}/capabilities"
    document = client.get(path, headers=headers).text
    assert f">{address}<" in document


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


@pytest.mark.parametrize("path", ["/releases", "/tiles/TEST1/EAST/g", "/async", "/async/a/results"])
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
