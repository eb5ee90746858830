import logging
from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.errors import ConfigError, UnknownRelease
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles


def put(
    folder: Path,
    name: str,
    *,
    tiles: int = 0,
    file: str = "",
    title: str = "",
    database: str = "",
    is_default: bool = False,
) -> Release:
    plain = Release(name, name, (Band("g"),), "/data", "{path}")
    release = replace(plain, title=title or name, database=database, is_default=is_default)
    folder.mkdir(exist_ok=True)
    write_release(release, folder / f"{file or name.lower()}.toml")
    put_tiles(folder, name, tiles)
    return release


def put_tiles(folder: Path, name: str, tiles: int) -> None:
    if tiles:
        rows = [TileRow(f"T{n}", float(n), 0.0, radius_deg=1.0) for n in range(tiles)]
        write_tiles(table_path(folder, name), rows)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "data", tmp_path / "conf"


@pytest.fixture
def releases(folders: tuple[Path, Path]) -> Releases:
    return Releases(folders, check_every_s=0.0)


def test_no_folders_no_releases(releases: Releases) -> None:
    assert releases.all() == ()
    with pytest.raises(UnknownRelease, match="no release has tiles yet"):
        releases.default()
    with pytest.raises(UnknownRelease) as refusal:
        releases.get("DR1")
    assert str(refusal.value) == "there is no release 'DR1'; there are: none"


def test_unknown_release_lists_those_there_are(
    folders: tuple[Path, Path], releases: Releases
) -> None:
    put(folders[1], "DR1", database="DESDR")
    put(folders[1], "DR2", tiles=1)
    with pytest.raises(UnknownRelease) as refusal:
        releases.get("DR3")
    assert str(refusal.value) == "there is no release 'DR3'; there are: DR1, DR2"
    with pytest.raises(UnknownRelease) as refusal:
        releases.get("DR1", with_tiles=True)
    assert str(refusal.value) == "there is no release 'DR1' with tiles; there are: DR2"
    with pytest.raises(UnknownRelease) as refusal:
        releases.get("DR1", database="DESSCI")
    assert str(refusal.value) == "release DR1 belongs to DB DESDR, not 'DESSCI'"
    with pytest.raises(UnknownRelease) as refusal:
        releases.get("DR2", database="DESDR")
    assert str(refusal.value) == "release DR2 has no DB, not 'DESDR'"


def test_names_and_databases_know_no_case(folders: tuple[Path, Path], releases: Releases) -> None:
    put(folders[1], "DR1", database="DESDR", tiles=1)
    assert releases.get(" dr1", database="desdr", with_tiles=True).name == "DR1"
    assert releases.get("Dr1", database="").name == "DR1"


def test_data_directory_comes_first(folders: tuple[Path, Path], releases: Releases) -> None:
    put(folders[1], "DR1", title="theirs")
    put(folders[0], "Dr1", title="ours", file="z")
    put(folders[1], "A")
    assert [(r.name, r.title, r.is_local) for r in releases.all()] == [
        ("Dr1", "ours", True),
        ("A", "A", False),
    ]


def test_default_is_the_marked_one_with_tiles(
    folders: tuple[Path, Path], releases: Releases
) -> None:
    put(folders[1], "A", tiles=1)
    put(folders[0], "M", is_default=True)
    assert releases.default().name == "A"
    put(folders[0], "N", tiles=1)
    assert releases.default().name == "N"
    put(folders[1], "Z", tiles=1, is_default=True)
    assert releases.default().name == "Z"
    put_tiles(folders[0], "M", 1)
    assert releases.default().name == "M"


def test_tiles_in_the_data_directory_serve_a_release_of_conf(
    folders: tuple[Path, Path], releases: Releases
) -> None:
    release = put(folders[1], "DR2")
    assert not releases.has_tiles(release)
    with pytest.raises(UnknownRelease, match="release DR2 has no tiles yet"):
        releases.index(release)
    folders[0].mkdir()
    put_tiles(folders[0], "DR2", 3)
    assert releases.has_tiles(release)
    assert len(releases.index(release)) == 3


def test_changes_are_picked_up(folders: tuple[Path, Path], releases: Releases) -> None:
    put(folders[0], "A", tiles=1, title="old")
    release = releases.get("A")
    index = releases.index(release)
    assert releases.get("A") is release
    assert releases.index(release) is index
    put(folders[0], "A", tiles=2, title="new")
    put(folders[0], "B")
    assert [r.title for r in releases.all()] == ["new", "B"]
    assert len(releases.index(release)) == 2
    (folders[0] / "a.toml").unlink()
    assert [r.title for r in releases.all()] == ["B"]


def test_folders_are_looked_at_once_a_second(folders: tuple[Path, Path]) -> None:
    put(folders[0], "A")
    releases = Releases(folders, check_every_s=3600)
    assert len(releases.all()) == 1
    put(folders[0], "B")
    assert len(releases.all()) == 1


def test_broken_file_is_passed_over_and_told_once(
    folders: tuple[Path, Path], releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    put(folders[0], "A")
    broken = folders[0] / "broken.toml"
    broken.write_text("name = 1\n")
    with caplog.at_level(logging.ERROR):
        assert [r.name for r in releases.all()] == ["A"]
        assert [r.name for r in releases.all()] == ["A"]
    assert len(caplog.records) == 1
    (fault,) = releases.faults()
    assert isinstance(fault, ConfigError)
    assert str(fault).startswith(f"{broken}: name: expected text, found 1")
    broken.unlink()
    assert releases.faults() == ()


def test_broken_table_is_told_and_the_earlier_one_stays(
    folders: tuple[Path, Path], releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    release = put(folders[0], "A", tiles=2)
    table = table_path(folders[0], "A")
    assert len(releases.index(release)) == 2
    table.write_text("tilename,ra,dec\nT,x,y\n")
    with caplog.at_level(logging.ERROR):
        assert len(releases.index(release)) == 2
        assert len(releases.index(release)) == 2
    assert len(caplog.records) == 1
    with pytest.raises(ConfigError, match="'x' is not a number"):
        Releases(folders).index(release)


def test_what_is_no_release_is_not_looked_at(
    folders: tuple[Path, Path], releases: Releases
) -> None:
    put(folders[0], "A")
    (folders[0] / ".part-x.toml").write_text("junk")
    (folders[0] / "notes.txt").write_text("junk")
    (folders[0] / "dangling.toml").symlink_to(folders[0] / "gone")
    assert [r.name for r in releases.all()] == ["A"]
    assert releases.faults() == ()
