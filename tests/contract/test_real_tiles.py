"""The real tables of the Dark Energy Survey, and real images of five surveys."""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.errors import TileUnreadable
from soda_service.ingest.importing import import_objects, import_tiles
from soda_service.ingest.publish import publish
from soda_service.pixels.paths import locate, logical_dir
from soda_service.pixels.reader import TileReader
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases, parse_release
from soda_service.sky.table import read_tiles

ROOT = Path(__file__).resolve().parents[2]
REALSKY = ROOT / ".." / "shared" / "realsky"
TABLES = REALSKY / "des_tables"

pytestmark = pytest.mark.skipif(
    not TABLES.is_dir(), reason="the folder of real sky data beside the repository is not there"
)


def columns(file: str) -> dict[str, list[str]]:
    with (TABLES / file).open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def positions(file: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = columns(file)
    return np.array(table["RA"], dtype=float), np.array(table["DEC"], dtype=float)


@pytest.fixture(scope="module")
def dr2() -> Release:
    return parse_release(ROOT / "conf" / "releases" / "des_dr2.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dr2: Release) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    assert import_tiles(dr2, TABLES / "des_tiles.csv", folder) == 10_169
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> TileIndex:
    return TileIndex.load(folder / "dr2.tiles.csv")


@pytest.fixture(scope="module")
def without_areas(folder: Path) -> TileIndex:
    table = read_tiles(folder / "dr2.tiles.csv")
    return TileIndex(replace(table, unique_deg=np.full_like(table.unique_deg, math.nan)))


@pytest.mark.parametrize(
    ("file", "count"), [("des_positions_4499.csv", 4499), ("des_dr1_object_coords.csv", 1000)]
)
def test_every_real_position_is_in_one_unique_area(
    index: TileIndex, without_areas: TileIndex, file: str, count: int
) -> None:
    ra, dec = positions(file)
    found = index.find(ra, dec)
    assert len(found) == count
    assert found.min() >= 0
    table = columns("des_tiles.csv")
    limits = np.array([table[name] for name in ("URAMIN", "URAMAX", "UDECMIN", "UDECMAX")], float)
    ra_min, ra_max, dec_min, dec_max = limits[:, found]
    in_ra = np.where(
        ra_min < ra_max, (ra_min <= ra) & (ra < ra_max), (ra >= ra_min) | (ra < ra_max)
    )
    # 2e-6 deg is the rounding of the table itself.
    assert np.all(in_ra)
    assert np.all((dec_min - 2e-6 <= dec) & (dec < dec_max + 2e-6))
    # The farthest edge says the same, but where tiles overlap most their halves are no boxes.
    assert np.mean(without_areas.find(ra, dec) == found) > 0.99


def test_objects_are_in_the_tiles_that_hold_them(index: TileIndex) -> None:
    found = index.find(*positions("des_dr1_object_coords.csv"))
    names, counts = np.unique([index.names[number] for number in found], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "DES0120-2706": 835,
        "DES0133-4914": 165,
    }


def test_every_centre_is_in_its_own_tile(index: TileIndex, without_areas: TileIndex) -> None:
    table = columns("des_tiles.csv")
    centres = np.array(table["RA_CENT"], float), np.array(table["DEC_CENT"], float)
    assert index.find(*centres).tolist() == list(range(10_169))
    assert without_areas.find(*centres).tolist() == list(range(10_169))


def test_corners_are_where_neighbours_begin(index: TileIndex) -> None:
    """The corners of unique areas, where rounding leaves gaps: never two tiles, never none."""
    table = columns("des_tiles.csv")
    inner = [n for n, name in enumerate(table["TILENAME"]) if name.startswith("DES02")]
    ra = np.array(table["URAMAX"], float)[inner]
    dec = np.array(table["UDECMIN"], float)[inner]
    middle = np.array(table["DEC_CENT"], float)[inner]
    for offset in (-1e-6, 0.0, 1e-6):
        found = index.find(ra + offset, middle)
        covered = [bool(index.covering(r + offset, d)) for r, d in zip(ra, middle, strict=True)]
        assert ((found >= 0) | ~np.array(covered)).all()
        assert (index.find(ra - 0.1, dec + offset) >= 0).mean() > 0.95


def test_the_two_real_rows_across_ra_zero(dr2: Release, tmp_path: Path) -> None:
    source = TABLES / "des_tiles_y3a2_geom_2rows.csv"
    bare = replace(dr2, tile_patterns={}, path_template="{tilename}_{band}.fits.fz")
    assert import_tiles(bare, source, tmp_path) == 2
    table = read_tiles(tmp_path / "dr2.tiles.csv")
    assert table.unique_deg[1].tolist() == [358.9136, 0.156764, -55.309722, -54.595833]
    index = TileIndex(table)
    ra, dec = [359.9, 0.0, 0.1567, 0.1568, 358.92, 358.91], [-54.9] * 6
    names = [index.names[n] if n >= 0 else None for n in index.find(ra, dec)]
    assert names == ["DES2358-5457"] * 3 + ["DES0003-5457"] + ["DES2358-5457"] * 2
    derived = columns("des_tiles.csv")
    place = derived["TILENAME"].index("DES2358-5457")
    for n in range(1, 5):
        corner = float(derived[f"RAC{n}"][place]), float(derived[f"DECC{n}"][place])
        # DES gives the centres of the corner pixels: half a pixel, 6.4e-5 deg of RA, from edges.
        assert np.abs(table.corners_deg[1] - corner).max(axis=1).min() < 7e-5


def test_all_tiles_across_ra_zero(index: TileIndex) -> None:
    table = columns("des_tiles.csv")
    crossing = [n for n, value in enumerate(table["CROSSRA0"]) if value == "Y"]
    assert len(crossing) == 60
    dec = np.array(table["DEC_CENT"], float)[crossing]
    assert index.find(np.zeros(60), dec).tolist() == crossing
    assert index.find(np.full(60, 360.0 - 1e-9), dec).tolist() == crossing


def test_the_table_as_it_was_found(dr2: Release, tmp_path: Path, index: TileIndex) -> None:
    """Semicolons, RA beyond 360, and of the geometry two corners only."""
    assert import_tiles(dr2, TABLES / "des_dr2_tiles_source.csv", tmp_path) == 10_169
    ours, theirs = read_tiles(tmp_path / "dr2.tiles.csv"), index
    derived = columns("des_tiles.csv")
    ra = np.array(derived["RA_CENT"], float)
    assert np.abs((ours.ra_deg - ra + 180) % 360 - 180).max() < 2e-6
    assert np.abs(ours.dec_deg - np.array(derived["DEC_CENT"], float)).max() < 2e-6
    where = positions("des_positions_4499.csv")
    assert np.mean(TileIndex(ours).find(*where) == theirs.find(*where)) > 0.99


def test_paths_of_the_survey(folder: Path, index: TileIndex) -> None:
    releases = Releases([folder, ROOT / "conf" / "releases"])
    release = releases.default()
    assert release.name == "DR2"
    number = index.number("des0001-0541")
    assert number is not None
    tile = releases.index(release).tile(number)
    below = "Y6A1/r4907/DES0001-0541/p01/coadd/"
    expected = f"/data/des/multiepoch/{below}DES0001-0541_r4907p01_Y.fits.fz"
    assert locate(release, tile, "Y").path == expected
    assert logical_dir(release, tile) == below


def test_a_hundred_thousand_positions_in_a_second(index: TileIndex) -> None:
    ra, dec = (np.resize(values, 100_000) for values in positions("des_positions_4499.csv"))
    index.find(ra[:10], dec[:10])
    start = time.perf_counter()
    found = index.find(ra, dec)
    elapsed_s = time.perf_counter() - start
    assert found.min() >= 0
    assert elapsed_s < 1.0


def test_catalogue_rows(dr2: Release, tmp_path: Path, index: TileIndex) -> None:
    catalogue = ObjectCatalogue(f"sqlite:///{tmp_path / 'objects.db'}")
    assert import_objects(dr2, TABLES / "des_catalog_rows.csv", catalogue) == 3
    found = catalogue.find("DR2", [61407330, 61407322, 61407318])
    catalogue.dispose()
    assert found[61407318].alphawin_deg == 30.5728072563486
    ra = [thing.ra_deg for thing in found.values()]
    tiles = index.find(ra, [thing.dec_deg for thing in found.values()])
    assert [index.names[n] for n in tiles] == [thing.tilename for thing in found.values()]


# --- images of surveys, published with one call --------------------------------------------------

SETS = {
    "des_sn2006bh": ("DES", "griz", "irg", (27.95199, 0.26348), ("SCI", "WGT")),
    "legacy_0860m305": (
        "J054358.0-303449.5_legacysurvey-0860m305-image",
        "grz",
        "zrg",
        (85.99184, -30.58041),
        ("SCI",),
    ),
    "sdss_ngc6976": ("reprojected_sdss", "gri", "irg", (313.17019, -5.69335), ("SCI",)),
    "ps1_sn2006bh": ("PS1", "griz", "irg", (27.95199, 0.26348), ("SCI",)),
    "twomass_gc": ("gc_2mass", "JHK", "KHJ", (266.39999, -28.93334), ("SCI",)),
    "sdss_m2": ("frame-002583-2-0136", "ugriz", "irg", (323.34158, -0.73439), ("SCI",)),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[TileReader]:
    opened = TileReader()
    yield opened
    opened.close()


@pytest.mark.parametrize("name", SETS)
def test_a_survey_is_published_by_one_call(name: str, tmp_path: Path, reader: TileReader) -> None:
    tilename, bands, triplet, centre, roles = SETS[name]
    report = publish(REALSKY / name, name=name, folder=tmp_path)
    release = report.release
    assert (report.tiles, report.files, report.warnings) == (1, len(bands), ())
    assert release.band_names == tuple(bands)
    assert release.defaults["RGB_LUPTON_COLORS"] == triplet
    assert float(release.defaults["RGB_STRETCH"]) > 0
    index = Releases([tmp_path]).index(release)
    assert index.names == (tilename,)
    assert index.find(*centre).tolist() == [0]
    for band in bands:
        handle = reader.open(locate(release, index.tile(0), band))
        assert tuple(plane.role for plane in handle.planes) == roles
        x, y = handle.grid.sky_to_pixel(*centre)
        # SDSS frames of other bands lie up to 11 pixels away.
        assert np.hypot(x - (handle.shape[1] - 1) / 2, y - (handle.shape[0] - 1) / 2) < 15


def test_all_sets_in_one_directory(tmp_path: Path, reader: TileReader) -> None:
    """One release of five surveys, other scales and bands in each; stamps without WCS are told."""
    report = publish(REALSKY, name="everything", folder=tmp_path)
    assert report.tiles == len(SETS)
    assert report.release.band_names == tuple("ugrizJHK")
    assert len(report.warnings) == 5
    assert all("no celestial WCS" in line for line in report.warnings)
    index = Releases([tmp_path]).index(report.release)
    assert set(index.names) == {entry[0] for entry in SETS.values()}
    # Two surveys cover the supernova's field: both are told, the larger image first.
    names = [index.names[number] for number in index.covering(27.95199, 0.26348)]
    assert sorted(names) == ["DES", "PS1"]
    tile = index.tile(index.names.index("gc_2mass"))
    with pytest.raises(TileUnreadable):
        reader.open(locate(replace(report.release, root=str(tmp_path)), tile, "J"))
