"""`soda-service index-tiles` on the small survey: what is made, kept, removed and told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from soda_service.cli.main import main
from soda_service.config.model import RemoteConfig
from soda_service.engine import compiled
from soda_service.engine.fits.image import PixelBox
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.reader import TileFile, TileReader
from soda_service.restart.indexfolder import IndexFolder
from tests.logging_state import restored_logging
from tests.objectserver import FileServer

needs_decoder = pytest.mark.skipif(
    compiled.native is None, reason="restart indexes need the compiled decoder"
)

MISSING = "TEST1 EAST1 Y: EAST1_Y.fits.fz: no such file\n"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of indexes."""
    for name in ("SODA_DATA", "SODA_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SODA_CUTOUTS__INDEX_FOLDER", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def moved(survey: Path, tmp_path: Path) -> Path:
    """Give a data directory whose tiles may be removed."""
    data = Path(shutil.copytree(survey, tmp_path / "data"))
    release = data / "releases" / "test1.toml"
    release.write_text(release.read_text().replace(str(survey), str(data)))
    return data


def run(data: Path, *arguments: str) -> Result:
    command = ["index-tiles", "--data", str(data), "--jobs", "1", *arguments]
    return CliRunner().invoke(main, command)


def indexes(folder: Path) -> dict[Path, int]:
    """Give the files of indexes, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}


def told(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DR9"], "there is no release 'DR9'; there are: TEST1"),
        (["TEST1", "--tile", "WEST"], "release TEST1 has no tile WEST"),
        (["TEST1", "--band", "q"], "release TEST1 has no band q; it has: g, r, i, z, Y"),
        (["TEST1", "--remove", "--tile", "WEST"], "release TEST1 has no tile WEST"),
    ],
    ids=["release", "tile", "band", "tile to remove"],
)
def test_what_is_not_known_is_told(
    survey: Path, folder: Path, arguments: list[str], message: str
) -> None:
    result = run(survey, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {message}")
    assert not folder.exists()


@pytest.mark.parametrize("option", ["--tile", "--band"])
def test_tiles_and_bands_are_those_of_a_release(survey: Path, folder: Path, option: str) -> None:
    result = run(survey, option, "g")
    assert result.exit_code == 2
    assert "--tile and --band need a RELEASE" in result.stderr
    assert not folder.exists()


@needs_decoder
def test_a_root_that_is_away_is_told_once(moved: Path, folder: Path) -> None:
    shutil.rmtree(moved / "tiles")
    result = run(moved)
    expected = f"Error: TEST1: its root {moved / 'tiles'} does not exist\n"
    assert told(result) == (2, "", expected)
    assert not folder.exists()


def test_without_compiled_decoder_there_is_nothing_to_be_made(
    survey: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "native", None)
    result = run(survey, "TEST1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "Error: restart indexes need the compiled decoder, which is not in use: "
    )
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
def test_indexes_need_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SODA_CUTOUTS__INDEX_FOLDER")
    result = CliRunner().invoke(main, ["index-tiles"])
    message = "no folder of restart indexes is set; use --data DIR, or cutouts.index_folder"
    assert told(result) == (2, "", f"Error: {message}\n")


# What is made


@needs_decoder
def test_indexes_are_made_once(survey: Path, folder: Path) -> None:
    result = run(survey)
    size_kb = sum(path.stat().st_size for path in indexes(folder)) / 1024
    made = f"TEST1: 9 restart indexes made, {size_kb:.2f} KB; 1 failed\n"
    assert told(result) == (1, made, MISSING)
    before = indexes(folder)
    assert len(before) == 9
    again = "TEST1: 0 restart indexes made, 0.00 Bytes; 9 were there; 1 failed\n"
    assert told(run(survey, "test1")) == (1, again, MISSING)
    assert indexes(folder) == before


@needs_decoder
def test_an_index_that_was_made_is_used(survey: Path, folder: Path) -> None:
    run(survey, "TEST1", "--tile", "EAST0", "--band", "g")
    tile = TileFile(str(survey / "tiles" / "EAST0" / "p01" / "EAST0_g.fits.fz"))
    without, handle = TileReader().open(tile), TileReader(indexes=IndexFolder(folder)).open(tile)
    index = IndexFolder(folder).find(tile.path, handle.file)
    assert index is not None
    assert index.marks(1, 0, 420, 1) is not None
    box = PixelBox(10, 60, 300, 390)
    for number in range(3):
        assert handle.read(number, box).tobytes() == without.read(number, box).tobytes()


@needs_decoder
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--tile", "EAST0"], 5),
        (["--tile", "east0", "--tile", "EAST1", "--band", "g"], 2),
        (["--band", "g", "--band", "Y", "--tile", "EAST0"], 2),
    ],
)
def test_tiles_and_bands_are_chosen(
    survey: Path, folder: Path, arguments: list[str], count: int
) -> None:
    result = run(survey, "TEST1", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"TEST1: {count} restart indexes made, ")
    assert len(indexes(folder)) == count


@needs_decoder
def test_all_can_be_made_again(survey: Path, folder: Path) -> None:
    run(survey, "TEST1", "--tile", "EAST0")
    before = indexes(folder)
    result = run(survey, "TEST1", "--tile", "EAST0", "--force")
    assert result.stdout.startswith("TEST1: 5 restart indexes made, ")
    assert {path: indexes(folder)[path] > before[path] for path in before} == dict.fromkeys(
        before, True
    )


@needs_decoder
def test_a_tile_that_changed_has_its_index_made_again(moved: Path, folder: Path) -> None:
    run(moved, "TEST1", "--tile", "EAST0")
    before = indexes(folder)
    tiles = moved / "tiles" / "EAST0" / "p01"
    (tiles / "EAST0_g.fits.fz").touch()
    (tiles / "EAST0_r.fits.fz").write_bytes(b"")
    result = run(moved, "TEST1", "--tile", "EAST0")
    assert result.exit_code == 1
    assert result.stdout.startswith("TEST1: 1 restart indexes made, ")
    assert result.stdout.endswith("; 3 were there; 1 failed\n")
    problem = "TEST1 EAST0 r: EAST0_r.fits.fz: Empty or corrupt FITS file\n"
    assert result.stderr == problem
    after = indexes(folder)
    assert sum(after[path] != time for path, time in before.items()) == 1


@needs_decoder
def test_several_processes_make_the_same_indexes(
    survey: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(survey)
    monkeypatch.setenv("SODA_CUTOUTS__INDEX_FOLDER", str(tmp_path / "other"))
    result = run(survey, "--jobs", "2")
    assert (result.exit_code, result.stderr) == (1, MISSING)
    assert result.stdout.startswith("TEST1: 9 restart indexes made, ")
    contents = [
        {path.relative_to(place): path.read_bytes() for path in indexes(place)}
        for place in (folder, tmp_path / "other")
    ]
    assert contents[0] == contents[1]


@needs_decoder
def test_tiles_on_a_server_are_indexed(moved: Path, folder: Path) -> None:
    release = moved / "releases" / "test1.toml"
    root = str(moved / "tiles")
    with FileServer(moved / "tiles") as server:
        release.write_text(release.read_text().replace(root, server.url))
        chosen = ("TEST1", "--tile", "EAST0", "--band", "g")
        assert run(moved, *chosen).stdout.startswith("TEST1: 1 restart indexes made, ")
        assert run(moved, *chosen).stdout.endswith("; 1 were there\n")
        assert told(run(moved, "--remove")) == (0, "0 restart indexes removed\n", "")
        path = "EAST0/p01/EAST0_g.fits.fz"
        reader = TileReader(indexes=IndexFolder(folder), servers=Servers(RemoteConfig()))
        handle = reader.open(TileFile(f"{server.url}/{path}"))
        assert IndexFolder(folder).find(f"{server.url}/{path}", handle.file) is not None
        box = PixelBox(10, 60, 300, 390)
        expected = TileReader().open(TileFile(f"{root}/{path}")).read(0, box)
        assert handle.read(0, box).tobytes() == expected.tobytes()
    problem = "TEST1 EAST0 g: EAST0_g.fits.fz: its server cannot be reached\n"
    assert run(moved, *chosen, "--force").stderr.endswith(problem)


@needs_decoder
def test_only_the_first_problems_are_told_one_by_one(
    survey: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("no folder")
    monkeypatch.setattr("soda_service.cli.index._TOLD_MAX", 2)
    result = run(survey)
    assert (result.exit_code, result.stdout) == (
        1,
        "TEST1: 0 restart indexes made, 0.00 Bytes; 10 failed\n",
    )
    first, second, more = result.stderr.splitlines()
    assert first.startswith("TEST1 EAST0 g: [Errno 20] Not a directory: ")
    assert second.startswith("TEST1 EAST0 r: [Errno 20] Not a directory: ")
    assert more == "and 8 more"


# What is removed


@needs_decoder
def test_the_indexes_of_a_release_are_removed(survey: Path, folder: Path) -> None:
    run(survey)
    removed = run(survey, "TEST1", "--tile", "EAST1", "--remove")
    assert told(removed) == (0, "TEST1: 4 restart indexes removed\n", "")
    assert len(indexes(folder)) == 5
    assert told(run(survey, "TEST1", "--remove")) == (0, "TEST1: 5 restart indexes removed\n", "")
    assert indexes(folder) == {}


@needs_decoder
def test_the_indexes_of_tiles_that_are_gone_are_removed(moved: Path, folder: Path) -> None:
    run(moved)
    assert told(run(moved, "--remove")) == (0, "0 restart indexes removed\n", "")
    (moved / "tiles" / "EAST0" / "p01" / "EAST0_g.fits.fz").unlink()
    assert told(run(moved, "--remove")) == (0, "1 restart indexes removed\n", "")
    (moved / "tiles").rename(moved / "away")
    assert told(run(moved, "--remove")) == (0, "0 restart indexes removed\n", "")
    (moved / "releases" / "test1.toml").unlink()
    assert told(run(moved, "--remove")) == (0, "8 restart indexes removed\n", "")
    assert indexes(folder) == {}


@needs_decoder
def test_nothing_is_removed_while_a_release_cannot_be_read(moved: Path, folder: Path) -> None:
    run(moved)
    (moved / "releases" / "test1.toml").write_text("name =")
    result = run(moved, "--remove")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: tiles that no longer exist cannot be found: " in result.stderr
    assert len(indexes(folder)) == 9
