"""Identifiers of data sets: written and found again (SODA-7, DL-T8)."""

from pathlib import Path

import pytest

from soda_service.errors import UnknownRelease, UnknownTile
from soda_service.sky.dataset import Dataset, dataset_id, find_dataset
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles

TILES = ("DES0126+0335", "odd_=@~.1", "plain")
CORNERS = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    bands = (Band("g"), Band("Y"), Band("y"), Band("W1"))
    release = Release(name="DR1", title="", bands=bands, root="/x", path_template="{tilename}")
    write_release(release, tmp_path / "dr1.toml")
    rows = [TileRow(name, 30.0, -20.0, corners=CORNERS) for name in TILES]
    write_tiles(table_path(tmp_path, "DR1"), rows)
    return Releases([tmp_path], authority="example.org")


@pytest.mark.parametrize("tile", ["", *TILES])
@pytest.mark.parametrize("band", ["", "g", "Y", "y", "W1"])
def test_an_identifier_is_found_again(releases: Releases, tile: str, band: str) -> None:
    text = dataset_id("example.org", "DR1", tile, band if tile else "")
    expected = Dataset(releases.get("DR1"), tile, band if tile else "")
    assert find_dataset(text, releases) == expected


def test_how_it_is_written() -> None:
    assert dataset_id("example.org", "DR1", "DES0126+0335", "g") == (
        "ivo://example.org/DR1?DES0126+0335/g"
    )
    assert dataset_id("example.org", "DR1", "a@b") == "ivo://example.org/DR1?a%40b"


@pytest.mark.parametrize(
    "text",
    [
        "ivo://example.org/DR1?DES0126 0335/g",
        "ivo://example.org/DR1?DES0126%2B0335/g",
        " IVO://EXAMPLE.ORG/dr1?des0126+0335/G ",
    ],
    ids=["blank", "encoded", "case"],
)
def test_other_spellings(releases: Releases, text: str) -> None:
    assert find_dataset(text, releases) == Dataset(releases.get("DR1"), "DES0126+0335", "g")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UnknownTile, "'' is not an identifier of this service"),
        ("DES0126+0335", UnknownTile, "expected ivo://example.org/RELEASE?TILE/BAND"),
        ("ivo://example.org", UnknownTile, "is not an identifier of this service"),
        ("ivo://other.org/DR1?plain/g", UnknownTile, "is a data set of other.org; identifiers"),
        ("ivo://example.org/DR9?plain/g", UnknownRelease, "there is no release 'DR9' with tiles"),
        ("ivo://example.org/DR1?nowhere", UnknownTile, "release DR1 has no tile nowhere"),
        ("ivo://example.org/DR1?nowhere/g", UnknownTile, "release DR1 has no tile nowhere"),
        ("ivo://example.org/DR1?plain/z", UnknownTile, "has no band 'z'; it has g, Y, y, W1"),
        ("ivo://example.org/DR1?plain/", UnknownTile, "has no band ''"),
        ("ivo://example.org/DR1?plain/g#x", UnknownTile, "is not an identifier of this service"),
    ],
)
def test_what_is_no_data_set(
    releases: Releases, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        find_dataset(text, releases)
    assert message in str(caught.value)
