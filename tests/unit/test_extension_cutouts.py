"""A module and a line of registration bring a format, a picture method or an option: all follows.

Each fixture below is that line; the modules are those of `tests/extensions`.
"""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import parse
from flask.testing import FlaskClient
from PIL import Image

from soda_service.app import create_app
from soda_service.config import cutouts as config_cutouts
from soda_service.config.cutouts import PicturesConfig
from soda_service.config.load import load_config
from soda_service.config.validation import Source, validate
from soda_service.cutouts.pictures import PictureSettings
from soda_service.engine.colour.methods import METHODS
from soda_service.errors import ConfigError
from soda_service.formats import FORMATS, is_picture
from soda_service.request.options import complete_options, default_options
from soda_service.request.table import OPTIONS, PARAMETERS
from soda_service.results.columns import option_cells
from soda_service.results.manifest import CsvManifest
from soda_service.results.positions import PositionsWriter
from soda_service.results.rows import Outcome, PlannedRow, Row
from soda_service.results.summary import JobFacts, SummaryWriter, Tally
from soda_service.vo.joblinks import result_links
from soda_service.worker import prepare
from tests.cutout_options import changed
from tests.extensions.ppm import PPM
from tests.extensions.ramp import RAMP, RampSettings
from tests.extensions.weighting import WEIGHTING
from tests.synthetic import DEC_DEG, RA_DEG, make_survey
from tests.toyjob import new_toy
from tests.unit.cutouts.scenes import Scene, plain, scene
from uws.models import Result

TABLE = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n"


@pytest.fixture
def ppm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "ppm", PPM)


@pytest.fixture
def ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "ramp", RAMP)


@pytest.fixture
def weighting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIONS, "WEIGHTING", WEIGHTING)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survey")
    make_survey(folder)
    return folder


@pytest.fixture
def client(survey: Path) -> FlaskClient:
    queue = {"url": "redis://127.0.0.1:1/0"}  # nobody listens there
    config = load_config(None, survey, overrides={"queue": queue}, environ={})
    prepare(config)
    return create_app(config).test_client()


@pytest.fixture
def three_bands(tmp_path: Path) -> Scene:
    return scene(tmp_path, {band: plain() for band in "gri"})


def descriptors(client: FlaskClient) -> list[dict[str, Any]]:
    """Give the inputs of the service descriptors of a tile's links, by name."""
    answer = client.get("/links", query_string={"ID": "ivo://unregistered.invalid/TEST1?EAST0/g"})
    document = parse(io.BytesIO(answer.data))
    resources = [each for each in document.resources if each.utype == "adhoc:service"]
    groups = [group for each in resources for group in each.groups if group.name == "inputParams"]
    found = [{param.name: param for param in group.entries} for group in groups]
    cutouts = [params for params in found if "CIRCLE" in params]
    assert cutouts
    return cutouts


def documents(made: Scene, outcome: Outcome, **options: object) -> dict[str, Any]:
    """Give the summary's row, the manifest's records, and the processed position of a row."""
    release = made.release
    chosen = changed(default_options(release), **options)
    at = (30.0, -20.0, 30.0, -20.0)
    row = Row(PlannedRow(1, None, *at, "T1", "", "J0200-20", chosen), outcome)
    row = Row.from_line(row.to_line())
    facts = JobFacts("j1", "http://x/async/j1", "", "", release, default_options(release))
    summary, manifest, positions = io.BytesIO(), io.BytesIO(), io.BytesIO()
    tally = Tally()
    with SummaryWriter(summary, facts) as writer:
        writer.add(row)
        tally.add(row)
        writer.close(tally, 1.0, ())
    for kind, stream in ((CsvManifest, manifest), (PositionsWriter, positions)):
        document = kind(stream, facts)
        document.add(row)
        document.close()
    return {
        "cutout": json.loads(summary.getvalue())["cutouts"][0],
        "options": json.loads(summary.getvalue())["options"],
        "manifest": list(csv.DictReader(io.StringIO(manifest.getvalue().decode()))),
        "positions": next(csv.DictReader(io.StringIO(positions.getvalue().decode()))),
    }


def schema(client: FlaskClient) -> dict[str, Any]:
    """Give the parameters of a request as OpenAPI has them."""
    document: dict[str, Any] = client.get("/openapi.json").get_json()
    found: dict[str, Any] = document["components"]["schemas"]["CutoutRequest"]["properties"]
    return found


def estimated(client: FlaskClient, **options: str) -> dict[str, Any]:
    found: dict[str, Any] = client.post(
        "/validate", data={"POSITIONS": TABLE, **options}
    ).get_json()
    assert found["faults"] == []
    return found


# ------------------------------------------------------------------- a format


@pytest.mark.usefixtures("ppm")
def test_a_format_is_offered_everywhere(client: FlaskClient) -> None:
    assert PARAMETERS["RESPONSEFORMAT"].choices == ("fits", "png", "jpeg", "ppm", "xml", "json")
    assert "ppm" in schema(client)["RESPONSEFORMAT"]["enum"]
    assert "PNG or JPEG or PPM" in client.get("/help").text
    assert '<option value="ppm">pictures only, PPM</option>' in client.get("/").text
    for params in descriptors(client):
        assert (None, "ppm") in params["RESPONSEFORMAT"].values.options


@pytest.mark.usefixtures("ppm")
def test_a_format_is_made_named_and_listed(three_bands: Scene) -> None:
    outcome = three_bands.cut(response_format="ppm", make_rgb_lupton=True)
    (entry,) = outcome.files
    assert (entry.name, entry.media_type) == ("J0200-20_irg_lupton.ppm", PPM.media_type)
    three_bands.cut(response_format="png", make_rgb_lupton=True)
    found, expected = (
        np.asarray(Image.open(io.BytesIO(data))) for data in three_bands.saved.values()
    )
    np.testing.assert_array_equal(found, expected)
    told = documents(three_bands, outcome, response_format="ppm", make_rgb_lupton=True)
    assert told["cutout"]["FILES"] == [entry.name]
    assert told["manifest"][0]["content_type"] == PPM.media_type
    assert is_picture(entry.name)
    result = Result(entry.name, f"j1/{entry.path}", entry.media_type, entry.size_bytes)
    (link,) = result_links(replace(new_toy(), results=(result,)), "http://x/async/j1")
    assert link.semantics == "#preview-image"


@pytest.mark.usefixtures("ppm")
def test_a_format_is_estimated_and_cut_at_once(client: FlaskClient) -> None:
    options = {"RESPONSEFORMAT": "image/x-portable-pixmap", "XPIX": "50", "YPIX": "40"}
    found = estimated(client, **options, MAKE_RGB_STIFF="true")
    assert (found["files"], found["size_bytes"]) == (1, 3 * 50 * 40)
    query = {"RA": str(RA_DEG), "DEC": str(DEC_DEG), **options, "MAKE_RGB_STIFF": "true"}
    answer = client.get("/sync", query_string=query)
    assert (answer.status_code, answer.content_type) == (200, PPM.media_type)
    assert answer.data.startswith(b"P6\n50 40\n255\n")


# ------------------------------------------------------------------- a picture method


@pytest.mark.usefixtures("ramp")
def test_a_method_is_offered_everywhere(client: FlaskClient) -> None:
    names = ["MAKE_RGB_RAMP", "RGB_RAMP_COLORS", "RGB_WHITE"]
    assert [name for name in PARAMETERS if name in names] == names
    assert set(names) <= set(schema(client))
    page = client.get("/help").text
    assert all(f'<div class="option" id="{name}">' in page for name in names)
    assert "NAME_gry_ramp.png" in page
    form = client.get("/").text
    assert all(f'id="{name}"' in form for name in names)
    assert "Ramp scaling" in form
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', form)[1])
    assert facts[0]["triplets"]["RAMP"] == [["i", "r", "g"]]
    assert "MAKE_RGB_LUPTON=true" in client.get("/sky").text  # the one for previews stays
    for params in descriptors(client):
        assert set(names) <= set(params)
    (release,) = client.get("/releases").get_json()["releases"]
    assert release["defaults"]["RGB_WHITE"] == 100.0


@pytest.mark.usefixtures("ramp")
def test_a_method_paints_and_is_told_of(three_bands: Scene) -> None:
    options = {"make_rgb_ramp": True, "rgb_white": 50.0, "make_rgb_lupton": True}
    outcome = three_bands.cut(**options, make_fits=False, discard_fits_files=True)
    assert [entry.kind for entry in outcome.files] == ["lupton", "ramp"]
    assert outcome.files[1].name == "J0200-20_irg_ramp.png"
    picture = np.asarray(Image.open(io.BytesIO(three_bands.saved[outcome.files[1].path])))
    assert picture.any()
    told = documents(three_bands, outcome, **options)
    cutout = told["cutout"]
    assert (cutout["MAKE_RGB_RAMP"], cutout["RGB_WHITE"]) == (1.0, 50.0)
    assert cutout["RGB_RAMP_COLORS"] == "irg"
    before = list(METHODS.values())[-2]  # the one in front of it in the register
    assert list(cutout).index("RGB_RAMP_COLORS") == list(cutout).index(before.triplets) + 1
    assert told["options"]["make_rgb_ramp"] is False
    assert told["positions"]["MAKE_RGB_RAMP"] == "true"


@pytest.mark.usefixtures("ramp")
def test_a_method_is_estimated_and_cut_at_once(client: FlaskClient) -> None:
    options = {"MAKE_FITS": "false", "MAKE_RGB_RAMP": "true", "XPIX": "50", "YPIX": "40"}
    found = estimated(client, **options, DISCARD_FITS_FILES="true", RGB_RAMP_COLORS="gri;irg")
    assert (found["files"], found["size_bytes"]) == (2, 2 * int(3 * 50 * 40 * 0.65))
    query = {"RA": str(RA_DEG), "DEC": str(DEC_DEG), **options, "RESPONSEFORMAT": "png"}
    one = client.get("/sync", query_string=query | {"RGB_WHITE": "10"})
    other = client.get("/sync", query_string=query | {"RGB_WHITE": "20"})
    assert (one.status_code, one.content_type) == (200, "image/png")
    assert one.data != other.data
    assert one.headers["ETag"] != other.headers["ETag"]
    assert "_irg_ramp.png" in one.headers["Content-Disposition"]


@pytest.mark.usefixtures("ramp")
def test_what_an_operator_may_set_of_a_method_has_keys(tmp_path: Path) -> None:
    _, plain, *_ = PicturesConfig.__mro__  # keys are added when a process starts
    kind = config_cutouts._with_methods(plain)
    environment = Source(tmp_path, is_text=True)
    found = validate(kind, {"ramp_darkest": "20"}, environment, place="environment")
    assert found.of_method(RAMP) == RampSettings(20.0)
    message = "soda.toml: ramp_darkest: 300 is out of bounds; allowed: 0 to 255"
    with pytest.raises(ConfigError, match=message):
        validate(kind, {"ramp_darkest": 300}, Source(tmp_path), place="soda.toml")
    assert PictureSettings().of(RAMP) == RampSettings()


@pytest.mark.usefixtures("ramp")
def test_a_methods_settings_are_told_apart_and_its_own(three_bands: Scene) -> None:
    base = changed(default_options(three_bands.release), make_rgb_ramp=True, make_rgb_lupton=True)
    white = changed(base, rgb_white=3.0)
    assert white.pixel_key("ramp") != base.pixel_key("ramp")
    assert white.pixel_key("lupton") == base.pixel_key("lupton")
    assert white.pixel_key("fits") == base.pixel_key("fits")


# ------------------------------------------------------------------- an option


@pytest.mark.usefixtures("weighting")
def test_an_option_is_offered_everywhere(client: FlaskClient) -> None:
    assert schema(client)["WEIGHTING"]["enum"] == ["none", "inverse"]
    assert '<div class="option" id="WEIGHTING">' in client.get("/help").text
    form = client.get("/").text
    assert re.search(
        r'<select id="WEIGHTING" name="WEIGHTING".*?\n<option value="none" selected>', form
    )
    assert '<option value="inverse" selected>' in client.get("/?WEIGHTING=inverse").text
    for params in descriptors(client):
        assert (None, "inverse") in params["WEIGHTING"].values.options
    assert estimated(client, WEIGHTING="inverse")["files"] == 1
    refused = client.post("/validate", data={"POSITIONS": TABLE, "WEIGHTING": "none of these"})
    assert "allowed: none or inverse" in refused.text


@pytest.mark.usefixtures("weighting")
def test_an_option_of_a_row_is_read_kept_and_told(three_bands: Scene, client: FlaskClient) -> None:
    release = three_bands.release
    options = complete_options(release, {"WEIGHTING": "none"}, {"WEIGHTING": "INVERSE"})
    assert options.get("WEIGHTING") == "inverse"
    assert option_cells(options, release)["WEIGHTING"] == "inverse"
    told = documents(three_bands, three_bands.cut(), weighting="inverse")
    assert told["cutout"]["WEIGHTING"] == told["positions"]["WEIGHTING"] == "inverse"
    table = f"RA,DEC,weighting\n{RA_DEG},{DEC_DEG},inverse\n{RA_DEG},{DEC_DEG},bad\n"
    found = client.post("/validate", data={"POSITIONS": table}).get_json()
    (fault,) = found["faults"]
    assert (fault["row"], fault["column"]) == (2, "WEIGHTING")


@pytest.mark.usefixtures("weighting")
def test_rows_that_differ_in_an_option_share_no_file(three_bands: Scene) -> None:
    base = default_options(three_bands.release)
    for kind in ("fits", "grey", *METHODS):
        assert changed(base, weighting="inverse").pixel_key(kind) != base.pixel_key(kind)
