"""Who may use a route is decided once, before its view: by owner, by link, or by everybody."""

from dataclasses import dataclass

import pytest
from flask import Blueprint, Flask, Request
from flask.testing import FlaskClient

from soda_service.auth import AUTHENTICATORS, Caller, open_authenticator
from soda_service.config.model import AuthConfig
from soda_service.errors import ConfigError
from soda_service.routes import ROUTES
from soda_service.web.access import Access, caller, guard
from uws.errors import AuthenticationError, UWSError
from uws.http import responses


@dataclass
class Strict:
    """Callers name themselves in `X-User`, or are refused."""

    asked: int = 0

    def caller(self, request: Request) -> Caller:
        self.asked += 1
        if "X-User" not in request.headers:
            raise AuthenticationError("say who you are")
        return Caller(request.headers["X-User"])


@pytest.fixture
def strict() -> Strict:
    return Strict()


@pytest.fixture
def client(strict: Strict) -> FlaskClient:
    app = Flask(__name__)
    guard(app, strict, {access.value: access for access in Access})
    for name in (*Access, "unnamed"):
        blueprint = Blueprint(str(name), __name__)
        blueprint.add_url_rule(f"/{name}", endpoint="who", view_func=lambda: f"<{caller().owner}>")
        app.register_blueprint(blueprint)
    app.register_error_handler(UWSError, responses.uws_error)
    return app.test_client()


@pytest.mark.parametrize("place", ["owner", "unnamed", "deferred"])
def test_an_owner_s_route_refuses_those_who_do_not_say_who_they_are(
    client: FlaskClient, place: str
) -> None:
    assert client.get(f"/{place}").status_code == 401
    assert client.get(f"/{place}", headers={"X-User": "ada"}).text == "<ada>"


def test_an_open_route_knows_callers_and_takes_everybody(client: FlaskClient) -> None:
    assert client.get("/open").text == "<>"
    assert client.get("/open", headers={"X-User": "ada"}).text == "<ada>"


def test_behind_a_link_nobody_is_asked(client: FlaskClient, strict: Strict) -> None:
    assert client.get("/link", headers={"X-User": "ada"}).text == "<>"
    assert strict.asked == 0


def test_preflights_and_unknown_addresses_are_not_refused(client: FlaskClient) -> None:
    assert client.options("/owner").status_code == 200
    assert client.get("/nothing").status_code == 404


def test_each_request_is_asked_about_once(client: FlaskClient, strict: Strict) -> None:
    client.get("/owner", headers={"X-User": "ada"})
    assert strict.asked == 1


def test_jobs_belong_to_owners_and_shares_to_links() -> None:
    access = {getattr(route.create, "__name__", ""): route.access for route in ROUTES}
    owned = {name for name, kind in access.items() if kind is Access.OWNER}
    assert owned == {
        "create_submit",
        "create_joblist",
        "create_jobpage",
        "create_jobactions",
        "create_jobrows",
        "create_live",
    }
    assert [name for name, kind in access.items() if kind is Access.DEFERRED] == ["_create_jobs"]
    assert {name for name, kind in access.items() if kind is Access.LINK} == {
        "create_share",
        "create_keep",
    }


def test_an_unknown_kind_of_authentication_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        open_authenticator(AuthConfig("shibboleth"))
    allowed = ", ".join(AUTHENTICATORS)
    assert str(refused.value) == f"auth.mode: 'shibboleth' found; allowed: {allowed}"
