"""The map of the sky: what the server draws and gives."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from soda_service.config.model import ServiceConfig
from soda_service.cutouts.job_type import uws_error
from soda_service.errors import CutoutError
from soda_service.pages.layout import create_layout
from soda_service.pages.sky import create_sky
from soda_service.sky.releases import Releases
from tests.services import services_for
from tests.unit.web.sia2app import write_releases
from uws.http import responses


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    write_releases(tmp_path)
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(create_layout(ServiceConfig(), lambda: "https://example.org/cutouts"))
    app.register_blueprint(create_sky(services_for(releases=Releases([tmp_path]))))
    app.register_error_handler(CutoutError, lambda error: responses.uws_error(uws_error(error)))
    return app.test_client()


def test_a_footprint_has_names_and_outlines(client: FlaskClient) -> None:
    found = client.get("/releases/dr1/footprint").get_json()
    outlines = found.pop("outlines")
    assert found == {
        "release": "DR1",
        "tiles": 3,
        "area_deg2": pytest.approx(3, abs=0.001),
        "is_area_shared": True,
        "names": ["A+1", "B", "C"],
    }
    assert [len(outline) for outline in outlines] == [8, 8, 8]
    assert sorted(outlines[1][::2]) == pytest.approx([19.5, 19.5, 20.5, 20.5], abs=1e-4)


def test_a_footprint_is_packed_for_who_can_unpack_it(client: FlaskClient) -> None:
    plain = client.get("/releases/DR1/footprint")
    packed = client.get("/releases/DR1/footprint", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    again = client.get("/releases/DR1/footprint", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_of_an_unknown_release_there_is_none(client: FlaskClient) -> None:
    answer = client.get("/releases/DR9/footprint")
    assert answer.status_code == 404
    assert answer.text.startswith("UsageError: there is no release 'DR9'")


@pytest.mark.parametrize(
    ("query", "chosen"), [("", "DR1"), ("?release=dr2", "DR2"), ("?release=<b>", "DR1")]
)
def test_the_page_shows_the_sky_without_scripts(
    client: FlaskClient, query: str, chosen: str
) -> None:
    page = client.get(f"/sky{query}").text
    assert f'data-release="{chosen}"' in page
    assert f"of release {chosen}," in " ".join(page.split())
    (path,) = re.findall(r'<path class="tiles" d="([^"]+)"', page)
    assert re.fullmatch(r"(M-?[\d.]+ -?[\d.]+h[\d.]+v[\d.]+h-[\d.]+z)+", path)


def test_only_the_page_of_aladin_lets_anything_else_in(client: FlaskClient) -> None:
    assert "aladin" not in client.get("/sky").headers["Content-Security-Policy"]
    policy = client.get("/sky/aladin").headers["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval' https://aladin.cds.unistra.fr;" in policy
    assert "default-src 'none'" in policy
