"""What stands around the routes: prefixes and proxies."""

import pytest

from tests.unit.web.conftest import Open


@pytest.mark.parametrize("path", ["/", "/releases", "/cutoutsreleases", "/async"])
def test_outside_the_prefix_there_is_nothing(open_client: Open, path: str) -> None:
    answer = open_client(path_prefix="/cutouts").get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "UsageError: not found; this service is served below /cutouts\n"


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


@pytest.mark.parametrize("path", ["/examples", "/capabilities", "/sync", "/links?ID=x", "/nothing"])
def test_no_browser_runs_what_is_no_page(open_client: Open, path: str) -> None:
    """Security L10: /examples (XHTML) and VOTables had neither header."""
    answer = open_client().get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
