"""The example table gives what the old service's help page shows for it."""

from io import BytesIO

from soda_service.cutouts.naming import sexagesimal, wanted_files
from soda_service.demo.run import EXAMPLE_OPTIONS, EXAMPLE_TABLE
from soda_service.demo.survey import RELEASE
from soda_service.request.options import complete_options
from soda_service.request.positions import PositionsTable, open_positions
from soda_service.request.values import PositionRow

JOB_LEVEL_ONLY = {"RELEASE", "DB", "JOBNAME"}


def read_example() -> PositionsTable:
    options = {name: text for name, text in EXAMPLE_OPTIONS.items() if name not in JOB_LEVEL_ONLY}
    return open_positions(
        BytesIO(EXAMPLE_TABLE.encode()), RELEASE, complete_options(RELEASE, options)
    )


def names(row: PositionRow) -> list[str]:
    assert row.ra_deg is not None
    assert row.dec_deg is not None
    name = sexagesimal(row.ra_deg, row.dec_deg, RELEASE.name_prefix)
    wanted = wanted_files(row.options, lambda bands: "".join(bands).lower())
    return [f"{name}{file.ending}" for file in wanted]


def test_rows_make_the_files_of_the_old_service() -> None:
    rows = [row for row in read_example() if isinstance(row, PositionRow)]
    assert [names(row) for row in rows[:3]] == [
        [
            "DESJ012621.1512+032909.9960_y.fits",
            "DESJ012621.1512+032909.9960_g.fits",
            "DESJ012621.1512+032909.9960_r.fits",
            "DESJ012621.1512+032909.9960_i.fits",
            "DESJ012621.1512+032909.9960_gry_stiff.png",
            "DESJ012621.1512+032909.9960_riy_stiff.png",
            "DESJ012621.1512+032909.9960_gry_lupton.png",
        ],
        [
            "DESJ012617.3112+034709.9960_y.fits",
            "DESJ012617.3112+034709.9960_g.fits",
            "DESJ012617.3112+034709.9960_r.fits",
            "DESJ012617.3112+034709.9960_i.fits",
            "DESJ012617.3112+034709.9960_gry_stiff.png",
            "DESJ012617.3112+034709.9960_riy_stiff.png",
        ],
        ["DESJ030510.9584-341521.6000_y.fits"],
    ]


def test_no_row_is_at_fault() -> None:
    rows = list(read_example())
    assert [type(row) for row in rows] == [PositionRow] * 5
    assert [row.object_id for row in rows if isinstance(row, PositionRow)][3:] == [None, 61407409]


def test_sizes_are_those_of_the_example() -> None:
    rows = [row for row in read_example() if isinstance(row, PositionRow)]
    assert [(row.options.xsize_arcmin, row.options.ysize_arcmin) for row in rows] == [
        (1.5, 0.5),
        (0.9, 1.3),
        (0.9, 1.3),
        (0.9, 1.3),
        (1.1, 0.8),
    ]


def test_the_users_own_column_is_kept_with_a_warning() -> None:
    table = read_example()
    assert table.extra_columns == ("FITS_COLORS",)
    assert [warning for warning in table.warnings if "did you mean COLORS_FITS?" in warning]
    extras = [row.extra["FITS_COLORS"] for row in table if isinstance(row, PositionRow)]
    assert extras == ["g", "rg", "iz", "", ""]
