from pathlib import Path

import numpy as np
import pytest

from soda_service.errors import ConfigError
from soda_service.sky.table import CANONICAL, TileRow, read_tiles, table_path, write_tiles

SQUARE = ((10.5, -0.5), (9.5, -0.5), (9.5, 0.5), (10.5, 0.5))
PLAIN = TileRow("A1", 10.0, 0.0, corners=SQUARE)
HEADER = ",".join(CANONICAL)


@pytest.mark.parametrize(
    ("tile", "fault"),
    [
        (
            TileRow("a b", 10.0, 0.0, corners=SQUARE),
            (
                "row 1, tilename: 'a b' is not a valid tile name: a name has 1 to 128 letters, "
                "digits or _+.=@~- and does not begin with . or -"
            ),
        ),
        (
            TileRow("A", 10.0, 90.5, corners=SQUARE),
            "row 1, dec: 90.5 is not a declination from -90 to 90 deg",
        ),
        (
            TileRow("A", 10.0, 0.0, corners=(*SQUARE[:3], (float("nan"), 0.5))),
            "row 1, ra4: nan is not a right ascension in degrees",
        ),
        (
            TileRow("A", 10.0, 0.0, unique=(1.0, 1.0, 0.0, 1.0)),
            "row 1, ura_min: 1.0 to 1.0 is not a range of right ascension",
        ),
        (
            TileRow("A", 10.0, 0.0, unique=(1.0, 2.0, 1.0, 0.0)),
            "row 1, udec_min: 1.0 to 0.0 is not a range of declination from -90 to 90 deg",
        ),
        (
            TileRow("A", 10.0, 0.0, radius_deg=181.0),
            "row 1, radius_deg: 181.0 is not above 0 and at most 180 deg",
        ),
        (
            TileRow("A", 10.0, 0.0),
            "row 1: no area: expected four corners, a unique area or a radius",
        ),
        (
            TileRow("A", 10.0, 0.0, corners=SQUARE, columns={"note": "two\nlines"}),
            "row 1, note: the cell contains a line break; none is allowed",
        ),
        (
            TileRow("A", 10.0, 0.0, corners=SQUARE, columns={"ra": "1"}),
            "ra: this column cannot be added to the canonical ones",
        ),
    ],
    ids=["name", "dec", "corner", "empty-ra", "dec-turned", "radius", "nothing", "break", "column"],
)
def test_write_refuses(tmp_path: Path, tile: TileRow, fault: str) -> None:
    path = tmp_path / "t.tiles.csv"
    with pytest.raises(ConfigError) as refusal:
        write_tiles(path, [tile])
    assert str(refusal.value) == f"{path}: {fault}"
    assert not path.exists()


def test_write_refuses_names_that_differ_in_case_only(tmp_path: Path) -> None:
    path = tmp_path / "t.tiles.csv"
    with pytest.raises(ConfigError) as refusal:
        write_tiles(path, [PLAIN, TileRow("a1", 11.0, 0.0, corners=SQUARE)])
    assert str(refusal.value) == f"{path}: row 2, tilename: 'a1' is also the name of row 1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no column tilename; it has: "),
        ("tilename,ra\nA,1\n", "no column dec; it has: tilename, ra"),
        (f"{HEADER}\nA,1,2\n", "row 1: 3 cells; the header has 16"),
        ("tilename,ra,dec,radius_deg\nA,1,x,1\n", "row 1, dec: 'x' is not a number"),
        (
            "tilename,ra,dec,radius_deg\nA,1,2,1\nA,1,2,1\n",
            "row 2, tilename: 'A' is also the name of row 1",
        ),
        (
            'tilename,ra,dec,radius_deg\n"A\nB",1,2,1\n',
            "a cell contains a line break; each tile has one line",
        ),
        (
            "tilename,ra,dec,radius_deg\nA,1,2,0\n",
            "row 1, radius_deg: 0.0 is not above 0 and at most 180 deg",
        ),
        (
            "tilename,ra,dec,ura_min,ura_max,udec_min,udec_max\nA,1,2,1,2,3,\n",
            "row 1, udec_min: 3.0 to nan is not a range of declination from -90 to 90 deg",
        ),
    ],
    ids=["empty", "column", "cells", "number", "twice", "break", "radius", "unique"],
)
def test_read_refuses(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "t.tiles.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_tiles(path)
    assert str(refusal.value) == f"{path}: {fault}"


def test_read_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as a tile table"):
        read_tiles(tmp_path / "none.csv")


def test_a_hundred_faults_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.tiles.csv"
    path.write_text("tilename,ra,dec\n" + "".join(f"T{n},x,0\n" for n in range(150)))
    with pytest.raises(ConfigError) as refusal:
        read_tiles(path)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 101
    assert lines[-1] == f"{path}: and 50 more faults"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = table_path(tmp_path / "releases", "DR1")
    tiles = [
        TileRow("A1", 10.0, 0.0, SQUARE, (9.6, 10.4, -0.4, 0.4), columns={"path_Y": 'a,"b".fits'}),
        TileRow("B+1", 0.123456789012, -89.0, radius_deg=2.5, columns={"note": "x"}),
    ]
    assert write_tiles(path, tiles) == 2
    assert path.name == "dr1.tiles.csv"
    table = read_tiles(path)
    assert table.names == ("A1", "B+1")
    assert table.ra_deg.tolist() == [10.0, 0.123456789]
    assert table.corners_deg[0].tolist() == [list(corner) for corner in SQUARE]
    assert table.unique_deg[0].tolist() == [9.6, 10.4, -0.4, 0.4]
    assert np.isnan(table.corners_deg[1]).all()
    assert table.radius_deg[1] == 2.5
    cells = table.cells(0)
    assert (cells["path_Y"], cells["note"]) == ('a,"b".fits', "")


def test_writing_leaves_nothing_else_in_the_folder(tmp_path: Path) -> None:
    write_tiles(tmp_path / "t.tiles.csv", [PLAIN])
    write_tiles(tmp_path / "t.tiles.csv", [PLAIN, TileRow("B", 1.0, 2.0, radius_deg=1.0)])
    assert [path.name for path in tmp_path.iterdir()] == ["t.tiles.csv"]
    assert len(read_tiles(tmp_path / "t.tiles.csv").names) == 2
