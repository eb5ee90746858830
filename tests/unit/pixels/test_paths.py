from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.pixels.paths import (
    format_planes,
    is_remote_root,
    locate,
    logical_dir,
    parse_planes,
)
from soda_service.pixels.reader import TileFile
from soda_service.sky.index import Tile
from soda_service.sky.release import Band, Plane, Release

PLANES = (Plane("SCI", "SCI"), Plane("WGT", "WGT"))
RELEASE = Release(
    "DR1",
    "",
    (Band("g"), Band("Y")),
    "/data/des/",
    "{archive_path}/{tilename}_{reqatt}_{band}.fits.fz",
    planes=PLANES,
)
PUBLISHED = replace(RELEASE, path_template="{path}", planes=())


def tile(**columns: str) -> Tile:
    return Tile("DES0001-0541", 0.37, -5.69, {"tilename": "DES0001-0541", **columns})


DES = tile(archive_path="Y6A1/r4907/DES0001-0541/p01/coadd", reqatt="r4907p01")


@pytest.mark.parametrize(
    "path",
    ["../secret_g.fits", "a/../../b.fits", "/etc/passwd", "https://elsewhere/x.fits", "a\0b"],
)
def test_a_path_column_never_leads_out_of_the_root(path: str) -> None:
    with pytest.raises(TileUnreadable) as refusal:
        locate(PUBLISHED, tile(path_g=path), "g")
    assert "not below the release's root" in str(refusal.value)
    assert path not in str(refusal.value)
    assert "/data" not in str(refusal.value)


def test_unknown_bands_and_columns() -> None:
    with pytest.raises(UnknownTile, match="release DR1 has no band 'i'; it has: g, Y"):
        locate(RELEASE, DES, "i")
    with pytest.raises(UnknownTile, match="no column 'reqatt', which the path of band g needs"):
        locate(RELEASE, tile(archive_path="a"), "g")
    with pytest.raises(UnknownTile, match="release DR1 has no band Y of tile DES0001-0541"):
        locate(PUBLISHED, tile(path_g="a.fits", path_Y=""), "Y")


def test_template_with_columns() -> None:
    folder = "Y6A1/r4907/DES0001-0541/p01/coadd/"
    file = TileFile(f"/data/des/{folder}DES0001-0541_r4907p01_Y.fits.fz", PLANES, "/data/des/")
    assert locate(RELEASE, DES, "Y") == file
    assert logical_dir(RELEASE, DES) == folder


def test_spelling_of_a_band() -> None:
    release = replace(RELEASE, band_spelling={"Y": "y1"}, path_template="{band}/{tilename}.fits")
    assert locate(release, DES, "Y").path == "/data/des/y1/DES0001-0541.fits"
    assert logical_dir(release, DES) == "g/"


@pytest.mark.parametrize("column", ["path_Y", "path_y", "path"])
def test_path_columns(column: str) -> None:
    found = locate(PUBLISHED, tile(**{column: "in/a.fits"}), "Y")
    assert (found.path, found.planes) == ("/data/des/in/a.fits", ())


def test_planes_of_a_published_tile() -> None:
    found = locate(PUBLISHED, tile(path_g="a.fits", hdus_g="SCI:1;MSK:DQ"), "g")
    assert found.planes == (Plane("SCI", 1), Plane("MSK", "DQ"))


@pytest.mark.parametrize("cell", ["SCI", "SCI:", ":1", "SCI:1;;WGT:2"])
def test_planes_written_wrongly(cell: str) -> None:
    with pytest.raises(TileUnreadable, match="is not a list of planes like SCI:1;WGT:2"):
        parse_planes(cell)


def test_planes_written_and_read_again() -> None:
    planes = (Plane("SCI", 0), Plane("ERR", "ERR"))
    assert parse_planes(format_planes(planes)) == planes


@pytest.mark.parametrize(
    ("columns", "folder"),
    [
        ({"path_g": "a.fits"}, "./"),
        ({"path_g": "", "path_Y": "deep/er/a.fits"}, "deep/er/"),
        ({"path_g": "", "path_Y": ""}, ""),
    ],
    ids=["root", "second-band", "none"],
)
def test_logical_folder(columns: dict[str, str], folder: str) -> None:
    assert logical_dir(PUBLISHED, tile(**columns)) == folder


ODD = tile(archive_path="a b#1", reqatt="r1%20")


@pytest.mark.parametrize(
    ("root", "path"),
    [
        (
            "https://example.org/des%20y6/",
            "https://example.org/des%20y6/a%20b%231/DES0126%2B0335_r1%2520_g.fits.fz",
        ),
        ("http://localhost:81", "http://localhost:81/a%20b%231/DES0126%2B0335_r1%2520_g.fits.fz"),
        ("s3://bucket/des y6", "s3://bucket/des y6/a b#1/DES0126+0335_r1%20_g.fits.fz"),
    ],
    ids=["https", "http", "s3"],
)
def test_remote_root(root: str, path: str) -> None:
    there = replace(ODD, columns={**ODD.columns, "tilename": "DES0126+0335"})
    release = replace(RELEASE, root=root)
    assert locate(release, there, "g") == TileFile(path, PLANES, root)
    assert logical_dir(release, there) == "a b#1/"


def test_remote_root_that_cannot_be_listed() -> None:
    release = replace(RELEASE, root="https://example.org/des", path_template="*_{band}.fits")
    with pytest.raises(TileUnreadable) as refusal:
        locate(release, DES, "g")
    assert str(refusal.value) == (
        "DR1 tile DES0001-0541, band g: its path has a * or ?, "
        "but files on an HTTP server cannot be listed"
    )


@pytest.mark.parametrize(
    ("root", "is_remote"),
    [("/data/des", False), ("https://h/x", True), ("http://h", True), ("s3://b/x", True)],
)
def test_roots(root: str, is_remote: bool) -> None:
    assert is_remote_root(root) is is_remote


def test_wildcards(tmp_path: Path) -> None:
    release = replace(RELEASE, root=str(tmp_path), path_template="{tilename}/*_{band}.fits*")
    with pytest.raises(TileUnreadable, match="DR1 tile DES0001-0541, band g: no file matches"):
        locate(release, DES, "g")
    folder = tmp_path / "DES0001-0541"
    folder.mkdir()
    for name in ("r1p01_g.fits.fz", "r1p02_g.fits.fz", "r1p03_Y.fits.fz"):
        (folder / name).touch()
    assert locate(release, DES, "g").path == str(folder / "r1p02_g.fits.fz")
    assert logical_dir(release, DES) == "DES0001-0541/"
    gone = replace(release, root=str(tmp_path / "gone"))
    with pytest.raises(SourceUnavailable, match="root directory is not there"):
        locate(gone, DES, "g")


def test_wildcard_signs_in_columns_are_themselves(tmp_path: Path) -> None:
    release = replace(RELEASE, root=str(tmp_path), path_template="{field}_?.fits")
    (tmp_path / "a1_g.fits").touch()
    with pytest.raises(TileUnreadable, match="no file matches"):
        locate(release, tile(field="a[12]"), "g")
    (tmp_path / "a[12]_g.fits").touch()
    assert locate(release, tile(field="a[12]"), "g").path == str(tmp_path / "a[12]_g.fits")
