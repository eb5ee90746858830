"""Two releases: one that tells what it can, with images of every kind; one that tells nothing."""

import pytest

from soda_service.sky.outlines import tan_corners
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from soda_service.vo.images import Images

AUTHORITY = "example.org"
LINKS = "https://example.org/cutouts/links"

FULL = Release(
    name="DR1",
    title="All told",
    bands=(Band("g", 4e-7, 5.5e-7), Band("Y", 9.5e-7, 1.07e-6), Band("x")),
    root="/nowhere",
    path_template="{tilename}_{band}.fits",
    time_mjd=(56500.0, 58000.5),
    tile_size_px=(10000, 9000),
)
BARE = Release(
    name="Plain-2",
    title="Nothing told",
    bands=(Band("W1"),),
    root="/nowhere",
    path_template="{tilename}_{band}.fits",
)


def tile(name: str, ra_deg: float, dec_deg: float) -> TileRow:
    corners = tan_corners(ra_deg, dec_deg, width_deg=1.0, height_deg=1.0)
    return TileRow(name, ra_deg, dec_deg, corners=tuple(map(tuple, corners.tolist())))


FULL_TILES = (
    tile("DES0126+0335", 21.5, 3.5),
    tile("ZERO", 0.0, -30.0),
    TileRow("SKY", 200.0, 40.0, radius_deg=30.0),
    TileRow("NOWHERE", 100.0, 0.0, unique=(99.5, 100.5, -0.5, 0.5)),
)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    folder = tmp_path_factory.mktemp("releases")
    for release, tiles in ((FULL, FULL_TILES), (BARE, [tile("ONE", 21.5, 4.2)])):
        write_release(release, folder / f"{release.name.lower()}.toml")
        write_tiles(table_path(folder, release.name), tiles)
    return Releases([folder], authority=AUTHORITY)


@pytest.fixture
def full(releases: Releases) -> Images:
    release = releases.get("DR1")
    return Images(release, releases.index(release), AUTHORITY, LINKS)


@pytest.fixture
def bare(releases: Releases) -> Images:
    release = releases.get("Plain-2")
    return Images(release, releases.index(release), AUTHORITY, LINKS)
