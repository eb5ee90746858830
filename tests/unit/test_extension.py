"""A new thing is one new file and one line in a register, and all that should follow does.

The classes and functions here stand for the new files; `monkeypatch` adds the line.
"""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Blueprint, Flask, Request, Response, render_template_string
from flask.testing import FlaskClient
from typing_extensions import override

from soda_service.app import create_app
from soda_service.auth import AUTHENTICATORS, Caller
from soda_service.cli.checks import check
from soda_service.config.load import load_config
from soda_service.config.model import AuthConfig, Config
from soda_service.errors import ConfigError
from soda_service.routes import ROUTES, Route
from soda_service.vo.capabilities import Capability
from soda_service.web.access import Access, caller
from soda_service.web.services import Services
from soda_service.worker import prepare
from uws.errors import AuthenticationError, NotFoundError
from uws.files import STORES
from uws.localfiles import LocalFiles


@pytest.fixture
def config(tmp_path: Path) -> Config:
    queue = {"url": "redis://127.0.0.1:1/0"}  # nobody listens there
    config = load_config(None, tmp_path, overrides={"queue": queue}, environ={})
    prepare(config)
    return config


def client_of(app: Flask) -> FlaskClient:
    return app.test_client()


# --------------------------------------------------------------------- kinds of authentication


class ByBadge:
    """Callers name themselves in the header `X-Badge`."""

    def caller(self, request: Request) -> Caller:
        if "X-Badge" not in request.headers:
            raise AuthenticationError("show a badge")
        return Caller(request.headers["X-Badge"])


def test_an_authenticator(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUTHENTICATORS, "badge", lambda _config: ByBadge())
    client = client_of(create_app(replace(config, auth=AuthConfig("badge"))))
    ada, eve = {"X-Badge": "ada"}, {"X-Badge": "eve"}
    made = client.post("/async", data={"RA": "1", "DEC": "2"}, headers=ada)
    job = made.headers["Location"].removeprefix("http://localhost")
    page = job.replace("/async/", "/jobs/")
    for address in (job, f"{job}/phase", f"{job}/results", page, f"{page}/rows", f"{page}/log"):
        assert client.get(address).status_code == 401, address
        assert client.get(address, headers=eve).status_code == 403, address
        assert client.get(address, headers=ada).status_code in {200, 404}, address
    assert client.get(f"{job}/owner", headers=ada).text == "ada"
    for address in ("/async/capabilities", "/async/tables"):  # no ids of jobs (VOSI-T1)
        assert client.get(address).status_code == 404, address
    with client.get("/async/.static/jobinfo.xsd") as schema:
        assert schema.status_code == 200
    for address in ("/async", "/jobs", "/"):
        assert client.get(address).status_code == 401, address
    assert page.rpartition("/")[2] not in client.get("/jobs", headers=eve).text
    for address in ("/capabilities", "/releases", "/sia2", "/help", "/openapi.json"):
        assert client.get(address).status_code == 200, address


# --------------------------------------------------------------------- addresses


def create_cone(services: Services) -> Blueprint:
    """Stand for the module of a new endpoint of the Virtual Observatory."""
    blueprint = Blueprint("cone", __name__)

    @blueprint.get("/cone")
    def cone() -> Response:
        """Find images around a place."""
        return Response(f"{len(services.served.all())} releases for <{caller().owner}>")

    return blueprint


def test_an_endpoint_of_the_virtual_observatory(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    capability = Capability("ivo://ivoa.net/std/ConeSearch", "cone", description="A cone")
    route = Route(create_cone, Access.OPEN, is_public=True, capabilities=(capability,))
    monkeypatch.setattr("soda_service.routes.ROUTES", rows := [*ROUTES, route])
    monkeypatch.setattr("soda_service.app.ROUTES", rows)
    client = client_of(create_app(config))
    answer = client.get("/cone", headers={"Origin": "https://elsewhere.example"})
    assert answer.text == "0 releases for <>"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    listed = client.get("/capabilities").text
    assert 'standardID="ivo://ivoa.net/std/ConeSearch"' in listed
    assert '<accessURL use="full">http://localhost/cone</accessURL>' in listed
    paths = client.get("/openapi.json").get_json()["paths"]
    assert paths["/cone"]["get"]["summary"] == "Find images around a place."
    assert 'route="cone.cone"' in client.get("/metrics").text


def create_tour(_services: Services) -> Blueprint:
    """Stand for the module of a new page."""
    blueprint = Blueprint("tour", __name__)

    @blueprint.get("/tour")
    def tour() -> str:
        """Show the service to newcomers."""
        return render_template_string("{% extends 'base.html' %}", here="/tour")

    @blueprint.get("/tour/<stop>")
    def stop(stop: str) -> str:
        """Show one stop of the tour."""
        raise NotFoundError(f"there is no stop {stop}")

    return blueprint


def test_a_page(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route(create_tour, Access.OPEN, is_page=True, menu=("/tour", "Tour"))
    monkeypatch.setattr("soda_service.app.ROUTES", [*ROUTES, route])
    client = client_of(create_app(config))
    page = client.get("/tour")
    assert '<a href="http://localhost/tour" aria-current="page">Tour</a>' in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert '<a href="http://localhost/tour">Tour</a>' in client.get("/help").text
    refused = client.get("/tour/7", headers={"Accept": "text/html"})
    assert (refused.status_code, refused.mimetype) == (404, "text/html")
    assert "there is no stop 7" in refused.text


# --------------------------------------------------------------------- stores of job files


class Cupboard(LocalFiles):
    """Keeps files in drawers; their addresses are `cupboard://DRAWER`."""

    place = Path()

    def __init__(self, root: str) -> None:
        super().__init__(self.place / root.removeprefix("cupboard://"))

    @override
    def path(self, key: str) -> None:
        """There are no files that another program could send."""


def test_a_store_of_job_files(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STORES, "cupboard", f"{__name__}:Cupboard")
    monkeypatch.setattr(Cupboard, "place", tmp_path / "oak")
    web = replace(config.web, x_accel_prefix="/_files")
    files = replace(config.files, root="cupboard://top")
    config = replace(config, web=web, files=files)
    (found,) = [each for each in check(config) if each.subject == "job files"]
    assert (found.is_good, found.detail) == (True, f"{tmp_path}/oak/top (will be made)")
    client = client_of(create_app(config))
    assert "job files: ok" in client.get("/availability").text
    assert not (tmp_path / "oak").exists()  # looking makes nothing
    table = b"RA,DEC\n" + b"1,2\n" * 3000
    made = client.post("/async", data={"POSITIONS": (io.BytesIO(table), "positions.csv")})
    job = made.headers["Location"].removeprefix("http://localhost")
    with client.get(f"{job}/parameters/POSITIONS") as sent:
        assert (sent.data, "X-Accel-Redirect" in sent.headers) == (table, False)
    assert [path.name for path in (tmp_path / "oak" / "top").iterdir()] == [job[-32:]]
    assert client.delete(job).status_code == 303
    assert list(Cupboard("cupboard://top").keys(job[-32:])) == []
    assert not (tmp_path / "jobs").exists()


def test_a_store_of_job_files_that_nobody_has_made(config: Config) -> None:
    config = replace(config, files=replace(config.files, root="ftp://host/x"))
    text = "files.root: ftp:// found; allowed are a directory, s3://"
    with pytest.raises(ConfigError, match=text):
        create_app(config)
    assert text in [each.detail for each in check(config) if each.subject == "job files"]
