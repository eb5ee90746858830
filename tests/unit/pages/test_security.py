"""Forms from elsewhere are refused; programs need no token; nothing inline runs."""

from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from soda_service.config.model import ServiceConfig
from soda_service.pages.layout import create_layout
from soda_service.pages.security import COOKIE, csrf_protected, csrf_token
from uws.errors import UWSError
from uws.http import responses

BASE = "https://example.org/cutouts"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(create_layout(ServiceConfig(), lambda: BASE))
    app.register_error_handler(UWSError, responses.uws_error)

    @app.get("/form")
    def form() -> str:
        return f'<form><input name="csrf" value="{csrf_token()}"></form>'

    @app.get("/text")
    def text() -> tuple[str, dict[str, str]]:
        return "text", {"Content-Type": "text/plain"}

    @app.get("/address")
    def address() -> str:
        return render_template_string("{{ static('base.css') }}")

    @app.post("/change")
    @csrf_protected
    def change() -> str:
        return "changed"

    return app.test_client()


def token_of(client: FlaskClient) -> str:
    client.get("/form")
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


FORGED = {
    "another site's, first visit": ({"Origin": "https://evil.example"}, {}),
    "of no origin": ({"Origin": "null"}, {"csrf": "x"}),
    "without a token": ({"Origin": BASE}, {}),
    "with a wrong token": ({"Origin": BASE}, {"csrf": "guessed"}),
    "with a token that is no ASCII": ({"Origin": BASE}, {"csrf": "é"}),
    "with an empty token": ({"Origin": BASE}, {"csrf": ""}),
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("has_cookie", [True, False])
def test_a_form_without_the_token_is_refused(
    client: FlaskClient, name: str, has_cookie: bool
) -> None:
    if has_cookie:
        token_of(client)
    headers, data = FORGED[name]
    answer = client.post("/change", headers=headers, data=data)
    assert answer.status_code == 403
    assert answer.text.startswith("AuthorizationError: the form has expired")


def test_a_cookie_alone_is_refused(client: FlaskClient) -> None:
    token_of(client)
    assert client.post("/change").status_code == 403


@pytest.mark.parametrize("way", ["field", "header"])
def test_a_page_s_own_form_is_taken(client: FlaskClient, way: str) -> None:
    token = token_of(client)
    headers = {"Origin": BASE} | ({"X-CSRF-Token": token} if way == "header" else {})
    data = {"csrf": token} if way == "field" else {}
    assert client.post("/change", headers=headers, data=data).text == "changed"


def test_a_program_needs_no_token(client: FlaskClient) -> None:
    assert client.post("/change").text == "changed"


def test_the_token_stays_the_same_in_all_tabs(client: FlaskClient) -> None:
    first = client.get("/form")
    assert first.headers["Set-Cookie"].startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(first.headers["Set-Cookie"].split("; "))
    second = client.get("/form")
    assert second.text == first.text
    assert "Set-Cookie" not in second.headers


def test_over_tls_the_cookie_stays_there(client: FlaskClient) -> None:
    answer = client.get("/form", base_url="https://example.org")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


def test_pages_have_a_policy_and_texts_their_own(client: FlaskClient) -> None:
    page = client.get("/form")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "private, no-cache"
    text = client.get("/text")
    assert "Content-Security-Policy" not in text.headers
    assert "Set-Cookie" not in text.headers


def test_styles_and_scripts_are_kept_until_they_change(client: FlaskClient) -> None:
    content = (Path(__file__).parents[3] / "soda_service/pages/static/base.css").read_bytes()
    address = client.get("/address").text
    assert address.startswith(f"{BASE}/static/")
    for path, is_kept in ((address.removeprefix(BASE), True), ("/static/0/base.css", False)):
        with client.get(path) as answer:
            assert answer.data == content
            assert ("immutable" in answer.headers["Cache-Control"]) is is_kept


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_styles_that_did_not_change_are_not_sent_again(client: FlaskClient, encoding: str) -> None:
    """Security L11: the tag of a compressed file was never compared."""
    headers = {"Accept-Encoding": encoding}
    with client.get("/static/0/base.css", headers=headers) as first:
        tag = first.headers["ETag"]
    with client.get("/static/0/base.css", headers=headers | {"If-None-Match": tag}) as again:
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("name", ["../layout.py", "nothing.css", ""])
def test_nothing_else_is_sent(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/0/{name}").status_code == 404
