"""`/sia2` as pyvo and STILTS see it, and on a survey of 50,845 images."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvo
import requests
from astropy import units as u
from flask import Response
from flask.testing import FlaskClient
from pyvo.dal.adhoc import SodaQuery
from pyvo.dal.sia2 import SIA2Results
from werkzeug.serving import make_server

from soda_service.ingest.importing import import_tiles
from soda_service.sky.releases import Releases, write_release
from tests.unit.skyimages import REALSKY
from tests.unit.web.sia2app import A2, A, B, app_on, images, read, write_releases


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    write_releases(folder)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Give the address of a server with the route, and capabilities that name it."""
    where: list[str] = []
    app = app_on(folder, "http://unused.invalid")
    capabilities = (
        '<v:capabilities xmlns:v="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<capability standardID="ivo://ivoa.net/std/SIA#query-2.0">'
        '<interface xsi:type="vs:ParamHTTP" role="std"><accessURL use="base">{}/sia2</accessURL>'
        "</interface></capability></v:capabilities>"
    )
    app.add_url_rule(
        "/capabilities",
        view_func=lambda: Response(capabilities.format(where[0]), content_type="application/xml"),
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    where.append(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield where[0]
    server.shutdown()
    thread.join()
    server.server_close()


def circle(ra: float, dec: float, radius: float) -> tuple[u.Quantity, ...]:
    return ra * u.deg, dec * u.deg, radius * u.deg


def test_pyvo_finds_records(address: str) -> None:
    service = pyvo.dal.SIA2Service(address)
    records = service.search(
        pos=[circle(10, 0, 0.01), circle(20, 0, 0.01)],
        band=(4.1e-7 * u.m, 4.4e-7 * u.m),
        pol="I",
        data_type="image",
        calib_level=3,
        collection="DR1",
        field_of_view=(1 * u.deg, 2 * u.deg),
    )
    assert [record.obs_id for record in records] == ["A+1", "B"]
    first = records[0]
    assert first.obs_publisher_did == "ivo://example.org/DR1?A+1/g"
    assert first.s_region.startswith("POLYGON ICRS 9.")
    assert (first.em_min, first.em_max) == (4e-7 * u.m, 5e-7 * u.m)
    assert first.s_fov.to_value(u.deg) == pytest.approx(1.41414177)
    assert first.t_min is None
    assert first.access_format == "application/x-votable+xml;content=datalink"


def test_pyvo_cuts_by_the_descriptor(address: str) -> None:
    (record,) = pyvo.dal.SIA2Service(address).search(publisher_did="ivo://example.org/DR1?A+1/g")
    query = SodaQuery.from_resource(
        record, record._get_soda_resource(), circle=(10.1, 0.1, 0.01) * u.deg, RESPONSEFORMAT="png"
    )
    assert query.queryurl == "http://unused.invalid/sync"
    assert dict(query) == {
        "ID": "ivo://example.org/DR1?A+1/g",
        "CIRCLE": "10.1 0.1 0.01",
        "RESPONSEFORMAT": "png",
        "RGB_MINIMUM": 1.0,
        "RGB_STRETCH": 50.0,
        "RGB_ASINH": 10.0,
    }


def test_pyvo_tells_of_overflow_and_faults(address: str) -> None:
    service = pyvo.dal.SIA2Service(address)
    with pytest.warns(pyvo.dal.DALOverflowWarning):
        assert len(service.search()) == 10
    assert len(service.search(maxrec=3)) == 3  # cut as wanted: no warning
    with pytest.raises(pyvo.dal.DALQueryError, match=r"^UsageFault: NONSENSE: unknown parameter"):
        service.search(nonsense="x")


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
def test_stilts_finds_rows_and_nothing_wrong(address: str, tmp_path: Path) -> None:
    def stilts(*arguments: str) -> str:
        run = subprocess.run(
            ["stilts", *arguments], check=True, capture_output=True, text=True, timeout=60
        )
        return run.stdout

    (tmp_path / "in.csv").write_text("ra,dec\n10,0\n20,0\n")
    service = [f"serviceurl={address}/sia2", "servicetype=sia2", "sr=0.01"]
    table = [f"in={tmp_path}/in.csv", "ifmt=csv", "ra=ra", "dec=dec", "find=all"]
    answer = ["ocmd=keepcols obs_publisher_did", "ofmt=csv-noheader"]
    found = stilts("coneskymatch", *service, *table, *answer).split()
    assert found == [f"ivo://example.org/{row}" for row in [*A, *A2, *B]]
    for name, query in (("rows", "MAXREC=3"), ("fault", "POS=x")):
        (tmp_path / f"{name}.vot").write_bytes(
            requests.get(f"{address}/sia2?{query}", timeout=60).content
        )
        assert stilts("votlint", f"{tmp_path}/{name}.vot") == ""


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Give the route on the 10,169 tiles of DES in five bands."""
    tiles = REALSKY / "des_tables" / "des_tiles.csv"
    if not tiles.is_file():
        pytest.skip("the table of the DES tiles is not beside the repository")
    folder = tmp_path_factory.mktemp("des")
    conf = Path(__file__).resolve().parents[3] / "conf" / "releases"
    dr2 = Releases([folder, conf]).get("DR2")
    assert import_tiles(dr2, tiles, folder) == 10_169
    write_release(dr2, folder / "dr2.toml")
    return app_on(folder, rows_max=60_000).test_client()


def test_all_of_a_survey(survey: FlaskClient) -> None:
    answer = survey.get("/sia2?MAXREC=60000&RESPONSEFORMAT=csv")
    assert answer.data.count(b"\n") == 1 + 50_845
    assert b",Y\r" not in answer.data


def test_a_place_of_a_survey(survey: FlaskClient) -> None:
    found = images(survey.get("/sia2?POS=CIRCLE+21.58813+3.48611+0.01"))
    assert found == [f"DR2?DES0126+0335/{band}" for band in "grizY"]


def test_records_are_obscore(survey: FlaskClient) -> None:
    answer = survey.get("/sia2?POS=CIRCLE+21.58813+3.48611+0.01&BAND=6e-7")
    (record,) = SIA2Results(read(answer))
    assert record.s_ra == 21.578133 * u.deg
    np.testing.assert_array_equal(
        record.s_region.split()[2:],
        ["21.212034", "3.951267", "21.944232", "3.951267", "21.943939", "3.220809", "21.212326",
         "3.220809"],
    )  # fmt: skip
