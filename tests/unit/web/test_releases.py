import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soda_service.sky.releases import write_release
from tests.synthetic import RELEASE
from tests.unit.web.conftest import Open


def write_twin(data: Path, name: str, **changes: Any) -> None:
    """Add a release with a tile table of its own."""
    folder = data / "releases"
    release = replace(RELEASE, name=name, root=str(data / "tiles"), **changes)
    write_release(release, folder / f"{name.lower()}.toml")
    table = folder / f"{name.lower()}.tiles.csv"
    table.write_bytes((folder / "test1.tiles.csv").read_bytes())


def test_a_release_at_fault_is_left_out_and_told_of(
    data: Path, open_client: Open, caplog: pytest.LogCaptureFixture
) -> None:
    write_twin(data, "BAD", is_default=True, defaults={"XSIZE": "99"})
    write_twin(data, "TORN", is_default=False)
    (data / "releases/torn.tiles.csv").write_text("nothing of use\n")
    client = open_client()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            found = client.get("/releases").json
            assert [release["name"] for release in found["releases"]] == ["TEST1"]
            assert found["default"] is None
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "release BAD is left out, its defaults are invalid",
        "release TORN is left out, its tile table cannot be read",
    ]
    notes = client.get("/availability").text
    assert "<vosi:available>true<" in notes
    assert "<vosi:note>release BAD: its defaults are invalid<" in notes
    assert "<vosi:note>release TORN: its tile table cannot be read<" in notes
    assert str(data) not in notes
    assert re.findall(r'<option value="(\w+)"[^>]* title=', client.get("/").text) == ["TEST1"]


@pytest.mark.parametrize("template", [RELEASE.path_template, "{tilename}/*/*_{band}.fits.fz"])
@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("EAST/g", 200, "SIMPLE"),
        ("EAST/G", 200, "SIMPLE"),
        ("EAST/r", 404, "UsageError: "),
        ("EAST/u", 404, "UsageError: release TEST1 has no band u; it has g, r, i, z, Y\n"),
        ("WEST/g", 404, "UsageError: release TEST1 has no tile WEST\n"),
    ],
)
def test_a_whole_tile_is_there_or_not(
    data: Path, open_client: Open, template: str, path: str, status: int, text: str
) -> None:
    write_twin(data, "TEST1", path_template=template)
    answer = open_client().get(f"/tiles/test1/{path}", buffered=True)
    answer.close()
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert str(data) not in answer.text


@pytest.mark.parametrize("template", [RELEASE.path_template, "{tilename}/*/*_{band}.fits.fz"])
def test_tiles_that_are_away_are_the_moments_trouble(
    data: Path, open_client: Open, template: str
) -> None:
    write_twin(data, "TEST1", path_template=template)
    (data / "tiles").rename(data / "unmounted")
    answer = open_client().get("/tiles/TEST1/EAST/g")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert answer.text.startswith("ServiceUnavailable: ")
    assert str(data) not in answer.text


def test_the_front_page_lists_what_has_an_effect(open_client: Open) -> None:
    page = open_client().get("/").text
    assert 'name="XSIZE"' in page
    assert 'name="EMAIL"' not in page
    assert 'name="RESPONSEFORMAT"' in page
