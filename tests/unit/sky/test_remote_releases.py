"""Releases whose root is a server: what check-config and publish say of them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from soda_service.cli.main import main
from soda_service.errors import ConfigError
from soda_service.ingest.publish import publish
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.logging_state import restored_logging
from tests.objectserver import FileServer

pytestmark = pytest.mark.xdist_group("servers")

NAME = "DES0126+0335"
RELEASE = Release("SKY", "", (Band("g"), Band("r")), "", "{path}")
QUICK = "[remote]\nretries = 0\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / f"{NAME} r.fits").write_bytes(b"SIMPLE")
    with FileServer(tmp_path / "served") as listening:
        yield listening


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "releases"
    folder.mkdir(parents=True)
    # The first tile has no file at all, the second one in its second band.
    columns = {"path_g": "", "path_r": ""}
    rows = [
        TileRow("NONE", 20.0, 3.0, radius_deg=0.1, columns=columns),
        TileRow(NAME, 21.5, 3.5, radius_deg=0.1, columns={**columns, "path_r": f"{NAME} r.fits"}),
    ]
    write_tiles(table_path(folder, "SKY"), rows)
    return folder.parent


def checked(data: Path, root: str, *, template: str = "{path}") -> tuple[str, str]:
    """Give what check-config says of the release: mark and detail."""
    release = replace(RELEASE, root=root, path_template=template)
    write_release(release, data / "releases" / "sky.toml")
    settings = data / "settings.toml"
    settings.write_text(QUICK)
    arguments = ["--config", str(settings), "check-config", "--data", str(data)]
    for line in CliRunner().invoke(main, arguments).stdout.splitlines():
        mark, subject, detail = re.split(r"\s{2,}", line, maxsplit=2)
        if subject == "release sky.toml":
            return mark, detail
    raise AssertionError("check-config says nothing of the release")


def test_a_server_that_gives_a_tile_is_good(server: FileServer, data: Path) -> None:
    assert checked(data, f"{server.url}/") == ("ok", "SKY, bands g, r, 2 tiles")
    assert [asked.range for asked in server.asked] == [(0, 1)]


def test_a_server_without_the_tile(server: FileServer, data: Path) -> None:
    mark, detail = checked(data, f"{server.url}/other/")
    assert mark == "WRONG"
    start = f"SKY: below {server.url}/other/: {NAME} r.fits: no such file Object at location"
    assert detail.startswith(start)


def test_a_server_that_is_away(server: FileServer, data: Path) -> None:
    server.is_away = True
    mark, detail = checked(data, server.url)
    assert mark == "WRONG"
    expected = f"SKY: below {server.url}: {NAME} r.fits: its server cannot be reached Generic HTTP"
    assert detail.startswith(expected)


def test_the_settings_hold_for_the_check(server: FileServer, data: Path) -> None:
    server.always = "500"
    assert checked(data, server.url)[0] == "WRONG"
    assert len(server.asked) == 1  # with `retries = 0`


@pytest.mark.parametrize(
    ("root", "template", "told"),
    [
        (
            "https://me:secret@example.org",
            "{path}",
            "SKY: below https://me:***@example.org: an address of tiles must not contain",
        ),
        (
            "https://example.org",
            "{tilename}*.fits",
            "SKY: below https://example.org: SKY tile NONE, band g: its path has a * or ?, but",
        ),
    ],
    ids=["password", "wildcard"],
)
def test_roots_that_cannot_be(data: Path, root: str, template: str, told: str) -> None:
    mark, detail = checked(data, root, template=template)
    assert mark == "WRONG"
    assert detail.startswith(told)
    assert "secret" not in detail


@pytest.mark.parametrize("address", ["https://example.org/des/", "http://h/x", "s3://bucket/des"])
def test_images_on_a_server_are_not_published(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"published from a directory; .* \(import-tiles\)$"):
        publish(Path(address), folder=tmp_path, name="M")
    assert list(tmp_path.iterdir()) == []
