from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soda_service.errors import ConfigError
from soda_service.ingest.importing import import_objects, import_tiles
from soda_service.sky.catalogue import CatalogueObject, ObjectCatalogue
from soda_service.sky.release import Band, Release
from soda_service.sky.table import TileTable, read_tiles

RELEASE = Release("DR1", "", (Band("g"), Band("Y")), "/data", "{tilename}_{band}.fits")
SIZED = replace(RELEASE, pixel_scale_arcsec=3.6, tile_size_px=(1000, 500))
CORNERS = "RAC1,DECC1,RAC2,DECC2,RAC3,DECC3,RAC4,DECC4"
SQUARE = "10.5,-0.5,9.5,-0.5,9.5,0.5,10.5,0.5"


def imported(folder: Path, text: str, release: Release = RELEASE) -> TileTable:
    source = folder / "source.csv"
    source.write_text(text)
    import_tiles(release, source, folder / "releases")
    return read_tiles(folder / "releases" / "dr1.tiles.csv")


def faults(folder: Path, text: str, release: Release = RELEASE) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        imported(folder, text, release)
    assert not (folder / "releases").exists()
    prefix = f"{folder / 'source.csv'}: "
    return [line.removeprefix(prefix) for line in str(refusal.value).splitlines()]


# --- tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["not a table: CSV (, ; or tab), FITS, VOTable, ECSV or Parquet"]),
        ("RA,DEC\n1,2\n", ["no column TILENAME; it has: RA, DEC"]),
        ("TILENAME,tilename\nA,B\n", ["'tilename' is the name of two columns"]),
        (f"TILENAME,{CORNERS}\n", ["the table has no tiles"]),
        (
            f"TILENAME,{CORNERS}\nA,1\nB,{SQUARE},3\n",
            ["row 1: 2 cells; the header has 9", "row 2: 10 cells; the header has 9"],
        ),
        (
            "RA,RAC1,DECC1,ra\nA,1\nB,2\n",
            [
                "'ra' is the name of two columns",
                "no column TILENAME; it has: RA, RAC1, DECC1, ra",
            ],
        ),
        (
            "TILENAME,RA,RAC1,DECC1\nA,1\nB,2\n",
            [
                "dec: this column is missing; the table has ra",
                "ra2: this column is missing; the table has ra1, dec1",
                "ra: no position: expected columns of a centre (ra, dec) or of corners",
            ],
        ),
        ("x" * 600, [f"no column TILENAME; it has: {'x' * 500}..."]),
        (
            f"TILENAME,RA_CENT,DEC_CENT,{CORNERS}\nA,x,0,{SQUARE}\nB,1,95,{SQUARE}\n",
            [
                "row 1, ra: 'x' is not a number",
                "row 2, dec: 95.0 is not a declination from -90 to 90 deg",
            ],
        ),
        (
            f"TILENAME,{CORNERS}\nA,10.5,-0.5,,-0.5,9.5,0.5,10.5,0.5\n",
            ["row 1, ra2: is empty although there are ra1, dec1, dec2, ra3, dec3, ra4, dec4"],
        ),
        (
            f"TILENAME,{CORNERS}\nA,,,,,,,,\n",
            ["row 1, ra: no position: expected a centre (ra, dec) or corners"],
        ),
        (
            "TILENAME,RA_CENT,DEC_CENT\nA,1,2\n",
            ["no area: expected columns of four corners, a unique area or a radius"],
        ),
        (
            f"TILENAME,RA_CENT,DEC_CENT,{CORNERS}\nA,1,2,,,,,,,,\n",
            ["row 1: no area: expected four corners, a unique area or a radius"],
        ),
        (
            f"TILENAME,{CORNERS}\nA,{SQUARE}\nA,{SQUARE}\n",
            ["row 2, tilename: 'A' is also the name of row 1"],
        ),
        (
            ("TILENAME,RA_CENT,DEC_CENT,URAMIN,URAMAX,UDECMIN,UDECMAX,CROSSRA0\n"
            "A,1,2,1.5,0.5,1,3,N\n"),
            ["row 1, ura_min: 1.5 exceeds ura_max, 0.5, but CROSSRA0 is 'N'"],
        ),
        (
            f"TILENAME,{CORNERS}\n../A,{SQUARE}\n",
            [
                ("row 1, tilename: '../A' is not a valid tile name: a name has 1 to 128 letters, "
                "digits or _+.=@~- and does not begin with . or -")
            ],
        ),
    ],
    ids=[
        "empty", "no-name", "column-twice", "no-rows", "cells", "columns", "geometry", "no-table",
        "numbers", "corner", "no-centre", "no-outlines", "no-outline", "name-twice", "crossing",
        "name",
    ],
)  # fmt: skip
def test_faults_of_a_tile_table(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert faults(tmp_path, text) == expected


def test_faults_of_paths(tmp_path: Path) -> None:
    text = f"TILENAME,{CORNERS},FOLDER,PATH\nA,{SQUARE},x,../a.fits\n"
    release = replace(RELEASE, path_template="{path}")
    told = faults(tmp_path, text, release)
    assert told == [
        f"row 1: DR1 tile A, band {band}: its path in the tile table is not below the release's "
        "root"
        for band in ("g", "Y")
    ]
    release = replace(RELEASE, path_template="{directory}/{tilename}.fits")
    assert faults(tmp_path, text, release) == [
        ("the tile table of release DR1 has no column 'directory', which the path of band g needs")
    ]


def test_faults_of_patterns(tmp_path: Path) -> None:
    text = f"TILENAME,{CORNERS},FOLDER\nA,{SQUARE},r12/p1\nB,{SQUARE},p1\n"
    release = replace(RELEASE, tile_patterns={"folder": r"r(?P<reqnum>\d+)", "no": "(?P<x>.)"})
    assert faults(tmp_path, text, release) == [
        "no: this column is missing; tile_patterns needs it",
    ]
    release = replace(RELEASE, tile_patterns={"folder": r"r(?P<reqnum>\d+)"})
    assert faults(tmp_path, text, release) == [
        r"row 2, folder: 'p1' does not match 'r(?P<reqnum>\\d+)' of tile_patterns",
    ]
    text = f"TILENAME,BAND,{CORNERS},FOLDER\nA,g,{SQUARE},r1\nA,Y,{SQUARE},r2\n"
    assert faults(tmp_path, text, release) == [
        "row 1, folder: differs between the bands of a tile; tile_patterns needs one value",
    ]


def test_renamed_column_must_be_there(tmp_path: Path) -> None:
    release = replace(RELEASE, tile_columns={"tilename": "BRICK"})
    told = faults(tmp_path, "TILENAME,RA_CENT,DEC_CENT\nA,1,2\n", release)
    assert told == ["no column BRICK; it has: TILENAME, RA_CENT, DEC_CENT"]


def test_columns_of_the_survey(tmp_path: Path) -> None:
    release = replace(
        RELEASE,
        tile_columns={"tilename": "Brick", "ra": "x", "dec": "y", "archive_path": "Where At"},
        tile_patterns={"archive_path": r"r(?P<reqnum>\d+)/p(?P<attnum>\d+)"},
    )
    text = f"BRICK;X;Y;{CORNERS};Where At;Note 1\nA;370;0.1;{SQUARE};r12/p01; two words \n"
    table = imported(tmp_path, text.replace(",", ";"), release)
    assert (table.names, table.ra_deg.tolist(), table.dec_deg.tolist()) == (("A",), [10.0], [0.1])
    extra = {k: v for k, v in table.cells(0).items() if k in table.columns[16:]}
    assert extra == {
        "archive_path": "r12/p01",
        "note_1": "two words",
        "reqnum": "12",
        "attnum": "01",
    }


def test_corners_from_the_size_of_tiles(tmp_path: Path) -> None:
    table = imported(tmp_path, "TILENAME,RA_CENT,DEC_CENT\nA,0,0\n", SIZED)
    half_x, half_y = np.degrees(np.arctan(np.radians(0.5))), 0.25
    east = (table.corners_deg[0, :, 0] + 180) % 360 - 180
    assert sorted(east) == pytest.approx([-half_x, -half_x, half_x, half_x])
    assert sorted(table.corners_deg[0, :, 1]) == pytest.approx(
        [-half_y, -half_y, half_y, half_y], abs=1e-4
    )


def test_corners_from_the_unique_area(tmp_path: Path) -> None:
    text = (
        "TILENAME,CROSSRA0,RA_CENT,DEC_CENT,URAMIN,URAMAX,UDECMIN,UDECMAX\n"
        "A,Y,0,-55,359.5,0.5,-55.5,-54.5\nB,Y,0,-50,0.5,359.5,-50.5,-49.5\n"
    )
    table = imported(tmp_path, text)
    assert table.unique_deg.tolist() == [[359.5, 0.5, -55.5, -54.5], [359.5, 0.5, -50.5, -49.5]]
    assert table.corners_deg[0].tolist() == [
        [359.5, -55.5],
        [359.5, -54.5],
        [0.5, -55.5],
        [0.5, -54.5],
    ]


def test_two_corners_of_a_box(tmp_path: Path) -> None:
    text = "TILENAME,RALL,DECLL,RAUR,DECUR\nA,359.5,-0.5,360.5,0.5\n"
    table = imported(tmp_path, text)
    assert (table.ra_deg.tolist(), table.dec_deg.tolist()) == ([0.0], [0.0])
    assert table.corners_deg[0, :, 0].tolist() == [359.5, 359.5, 0.5, 0.5]


def test_a_row_for_each_band(tmp_path: Path) -> None:
    text = (
        f"TILENAME,BAND,FILE,RUN,{CORNERS}\n"
        f"A,g,a1.fits,7,{SQUARE}\nA,y,a2.fits,7,{SQUARE}\nB,Y,b2.fits,8,{SQUARE}\n"
    )
    table = imported(tmp_path, text, replace(RELEASE, path_template="{run}/{file}"))
    assert table.columns[16:] == ("file_g", "file_Y", "run")
    assert [list(table.cells(n).values())[16:] for n in (0, 1)] == [
        ["a1.fits", "a2.fits", "7"],
        ["", "b2.fits", "8"],
    ]


def test_path_columns_get_the_spelling_of_the_bands(tmp_path: Path) -> None:
    text = f"TILENAME,PATH_G,PATH_Y,{CORNERS}\nA,g.fits,,{SQUARE}\n"
    table = imported(tmp_path, text, replace(RELEASE, path_template="{path}"))
    assert table.columns[16:] == ("path_g", "path_Y")


def test_importing_again_replaces(tmp_path: Path) -> None:
    imported(tmp_path, f"TILENAME,{CORNERS}\nA,{SQUARE}\nB,{SQUARE}\n")
    assert imported(tmp_path, f"TILENAME,{CORNERS}\nC,{SQUARE}\n").names == ("C",)


# --- objects -------------------------------------------------------------------------------------


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[ObjectCatalogue]:
    opened = ObjectCatalogue(f"sqlite:///{tmp_path / 'objects.db'}")
    yield opened
    opened.dispose()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RA,DEC\n1,2\n", ["no column COADD_OBJECT_ID; it has: RA, DEC"]),
        (
            (
                "COADD_OBJECT_ID,RA,DEC,ALPHAWIN_J2000,DELTAWIN_J2000\n"
                "1,1,2,,\n-1,1,2,,\n9223372036854775808,1,2,,\n1_0,1,2,,\n5,nan,91,x,\n6\n"
            ),
            [
                "row 2, coadd_object_id: '-1' is not a 63-bit integer",
                "row 3, coadd_object_id: '9223372036854775808' is not a 63-bit integer",
                "row 4, coadd_object_id: '1_0' is not a 63-bit integer",
                "row 5, ra: 'nan' is not in degrees: a number",
                "row 5, dec: '91' is not in degrees: -90 to 90",
                "row 5, alphawin_j2000: 'x' is not in degrees: a number",
                "row 6: 1 cells; the header has 5",
            ],
        ),
    ],
    ids=["column", "cells"],
)
def test_faults_of_a_catalogue(
    tmp_path: Path, catalogue: ObjectCatalogue, text: str, expected: list[str]
) -> None:
    source = tmp_path / "objects.csv"
    source.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        import_objects(RELEASE, source, catalogue)
    assert str(refusal.value).splitlines() == [f"{source}: {fault}" for fault in expected]
    assert catalogue.releases() == ()


def test_an_endless_table_of_faults_is_given_up(tmp_path: Path, catalogue: ObjectCatalogue) -> None:
    source = tmp_path / "objects.csv"
    source.write_text("COADD_OBJECT_ID,RA,DEC\n" + "x,1,2\n" * 5000)
    with pytest.raises(ConfigError) as refusal:
        import_objects(RELEASE, source, catalogue)
    assert str(refusal.value).splitlines()[-1] == f"{source}: and 901 more faults"


def test_objects(tmp_path: Path, catalogue: ObjectCatalogue) -> None:
    source = tmp_path / "objects.csv"
    source.write_text(
        "TILENAME,ID,RA,DEC,ALPHAWIN_J2000,DELTAWIN_J2000\n"
        "T,9223372036854775807,359.9,-5,360.125,-5.25\n,1,-1,2,,\n"
    )
    release = replace(RELEASE, object_columns={"coadd_object_id": "ID"})
    assert import_objects(release, source, catalogue) == 2
    largest = 2**63 - 1
    assert catalogue.find("DR1", [1, largest]) == {
        1: CatalogueObject(1, 359.0, 2.0, 359.0, 2.0, ""),
        largest: CatalogueObject(largest, 360.125 - 360, -5.25, 359.9, -5.0, "T"),
    }
    source.write_text("ID,RA,DEC\n2,1,2\n")
    assert import_objects(release, source, catalogue, replace=True) == 1
    assert sorted(catalogue.find("DR1", [1, 2])) == [2]


# --- kinds of files ------------------------------------------------------------------------------
