"""The help page says of every parameter what it means, and its examples are of this service."""

import re
from dataclasses import replace
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from soda_service.config.model import ServiceConfig
from soda_service.pages.help import create_help
from soda_service.pages.layout import create_layout
from soda_service.request.spec import Scope
from soda_service.request.table import PARAMETERS
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.services import services_for
from tests.synthetic import RELEASE

BASE = "https://example.org/cutouts"


def client_on(folder: Path) -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(create_layout(ServiceConfig(contact="me@example.org"), lambda: BASE))
    app.register_blueprint(create_help(services_for(releases=Releases([folder]))))
    return app.test_client()


def add_release(folder: Path, name: str, **defaults: str) -> None:
    release = replace(RELEASE, name=name, root=str(folder), defaults=RELEASE.defaults | defaults)
    write_release(release, folder / f"{name.lower()}.toml")
    corners = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))
    write_tiles(table_path(folder, name), [TileRow("EAST", 30.0, -20.0, corners=corners)])


def text_of(page: str, option: str) -> str:
    (found,) = re.findall(rf'<div class="option" id="{option}">(.*?)</div>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_every_parameter_is_explained_once(tmp_path: Path) -> None:
    add_release(tmp_path, "A")
    page = client_on(tmp_path).get("/help").text
    assert sorted(re.findall(r'class="option" id="(\w+)"', page)) == sorted(PARAMETERS)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids


def test_what_differs_between_releases_is_told_of_each(tmp_path: Path) -> None:
    add_release(tmp_path, "A", RGB_STRETCH="3", MAKE_RGB_STIFF="yes")
    add_release(tmp_path, "B", MAKE_RGB_STIFF="true")
    page = client_on(tmp_path).get("/help").text
    assert "Default A : 3.0; B : 50.0" in text_of(page, "RGB_STRETCH")
    assert "Default true Allowed" in text_of(page, "MAKE_RGB_STIFF")
    assert "arcmin" in text_of(page, "XSIZE")


def test_examples_are_of_this_service(tmp_path: Path) -> None:
    add_release(tmp_path, "A")
    page = client_on(tmp_path).get("/help").text
    assert f"{BASE}/sync?POS=CIRCLE+30.0+-20.0+0.01" in page
    assert "me@example.org" in page


def test_without_releases_there_are_no_examples(tmp_path: Path) -> None:
    page = client_on(tmp_path).get("/help")
    assert page.status_code == 200
    assert "/sync?" not in page.text
    soda = [name for name, spec in PARAMETERS.items() if spec.scope is Scope.FILTER]
    assert all(f'id="{name}"' in page.text for name in soda)
