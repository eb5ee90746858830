"""Combinations of SODA's filters (SODA-11, SODA-13, SODA-15, SODA-16, SODA-18)."""

from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.errors import Fault, OptionsError
from soda_service.request.options import default_options
from soda_service.request.rows import rows_of as rows_of_request
from soda_service.request.rows import warn_of_objects
from soda_service.request.values import Centre, CutoutRequest, Filters, PositionRow, Table
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.synthetic import RELEASE
from uws.localfiles import LocalFiles

CORNERS = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))
CIRCLE, OTHER = "CIRCLE 30 -20 0.01", "POLYGON 30 -20 30.01 -20 30 -19.99"
ID = "ivo://unregistered.invalid/TEST1?EAST"


def rows_of(folder: Path, filters: Filters, **changes: object) -> list[PositionRow]:
    release: Release = replace(RELEASE, root=str(folder), time_mjd=(58000.0, 58100.0))
    release = replace(release, **changes)
    write_release(release, folder / "test1.toml")
    write_tiles(table_path(folder, "TEST1"), [TileRow("EAST", 30.0, -20.0, corners=CORNERS)])
    releases = Releases([folder])
    request = CutoutRequest("TEST1", default_options(release), filters)
    with rows_of_request(request, None, releases) as rows:
        return [row for row in rows if isinstance(row, PositionRow)]


TABLE = "RA,DEC,COADD_OBJECT_ID,XSIZ\n30,-20,,a\nx,2,,b\n"


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    write_release(replace(RELEASE, root=str(tmp_path)), tmp_path / "test1.toml")
    return Releases([tmp_path])


@pytest.mark.parametrize("is_file", [False, True])
def test_rows_of_a_table(tmp_path: Path, releases: Releases, is_file: bool) -> None:
    files = LocalFiles(tmp_path / "jobs")
    files.write("j1/table", TABLE.encode())
    table = Table("j1/table", by_reference=True) if is_file else Table(TABLE)
    options = replace(default_options(RELEASE), xsize_arcmin=2.0)
    with rows_of_request(CutoutRequest("TEST1", options, table), files, releases) as rows:
        first, second = rows
        assert (rows.extra_columns, rows.is_table, rows.has_objects) == (("XSIZ",), True, True)
        assert rows.warnings == ("column XSIZ is kept as your own column; did you mean XSIZE?",)
        assert [rows.has_surely_more_than(most) for most in (1, 2)] == [True, False]
    assert first == PositionRow(1, 30.0, -20.0, None, options, {"XSIZ": "a"})
    assert isinstance(second, Fault)
    assert (second.row, second.column) == (2, "RA")


def test_quoted_cells_may_hold_lines_that_are_no_rows(releases: Releases) -> None:
    table = Table('RA,DEC,note\n1,2,"a\n\nb"\n')
    request = CutoutRequest("TEST1", default_options(RELEASE), table)
    with rows_of_request(request, None, releases) as rows:
        assert not rows.has_surely_more_than(1)


@pytest.mark.parametrize("centre", [Centre(1.0, 2.0, None), Centre(None, None, 7)])
def test_one_position_is_a_row(releases: Releases, centre: Centre) -> None:
    options = default_options(RELEASE)
    with rows_of_request(CutoutRequest("TEST1", options, centre), None, releases) as rows:
        assert list(rows) == [PositionRow(1, *centre, options)]
        assert (rows.extra_columns, rows.is_table) == ((), False)
        assert rows.has_objects == (centre.object_id is not None)
        assert not rows.has_surely_more_than(0)


@pytest.mark.parametrize(
    ("where", "catalogues", "is_default", "is_warned"),
    [
        (Centre(None, None, 7), ("SV1", "TEST1"), True, True),
        (Centre(None, None, 7), ("SV1", "TEST1"), False, False),
        (Centre(None, None, 7), ("TEST1", "TEST1"), True, False),
        (Centre(1.0, 2.0, None), ("SV1", "TEST1"), True, False),
        (Table("COADD_OBJECT_ID\n7\n"), ("SV1", "TEST1"), True, True),
        (Table("RA,DEC\n1,2\n"), ("SV1", "TEST1"), True, False),
    ],
)
def test_objects_of_a_release_that_nobody_named_are_warned_of(
    releases: Releases,
    where: Centre | Table,
    catalogues: tuple[str, ...],
    is_default: bool,
    is_warned: bool,
) -> None:
    request = CutoutRequest("TEST1", default_options(RELEASE), where, is_default)
    warning = (
        "COADD_OBJECT_ID is looked up in the default release TEST1; ids differ between releases, "
        "so set RELEASE to choose one (SV1, TEST1)"
    )
    with rows_of_request(request, None, releases) as rows:
        found = warn_of_objects(request, rows, lambda: catalogues)
    assert found == ((warning,) if is_warned else ())


def test_soda_15_16_t12_every_combination_is_a_row(tmp_path: Path) -> None:
    # Bands of 4e-7 to 5e-7 m, and so on: g r i z Y.
    filters = Filters(
        ids=(f"{ID}/g", ID),
        shapes=(CIRCLE, OTHER),
        bands_m=((4.1e-7, 4.2e-7), (4.5e-7, 5.5e-7)),
        times_mjd=((58050.0, 58050.0), (59000.0, 60000.0)),
    )
    rows = rows_of(tmp_path, filters)
    assert [row.number for row in rows] == [*range(1, 17)]
    told = [(row.shape, row.options.colors_fits, bool(row.nothing)) for row in rows]
    assert told == [
        (shape, bands, late)
        for both in ("g", "gr")
        for shape in (CIRCLE, OTHER)
        for bands in (("g",), tuple(both))
        for late in (False, True)
    ]
    assert {row.tile for row in rows} == {"EAST"}
    assert rows[1].nothing == "release TEST1 has no observation in TIME 59000 60000"
    assert (rows[0].ra_deg, rows[0].dec_deg, rows[0].is_masked) == (30.0, -20.0, False)


def test_soda_11_t10_bounds_are_inclusive_and_in_metres(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, Filters(shapes=(CIRCLE,), bands_m=((5e-7, 5e-7),)))
    assert row.options.colors_fits == ("g", "r")


def test_without_filter_of_bands_the_options_choose(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, Filters(shapes=(CIRCLE,), is_masked=True))
    assert (row.options.colors_fits, row.tile, row.is_masked) == (("i",), "", True)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ((f"{ID}/g",), "band g of release TEST1 does not overlap BAND 1 2"),
        ((ID,), "no band of release TEST1 overlaps BAND 1 2"),
    ],
)
def test_a_band_without_overlap_gives_nothing(
    tmp_path: Path, ids: tuple[str, ...], reason: str
) -> None:
    (row,) = rows_of(tmp_path, Filters(ids=ids, shapes=(CIRCLE,), bands_m=((1.0, 2.0),)))
    assert row.nothing == reason


@pytest.mark.parametrize(
    ("filters", "changes", "message"),
    [
        (Filters(ids=(ID.partition("?")[0],)), {}, "POS: no shape given; POS, CIRCLE or POLYGON"),
        (
            Filters(shapes=(CIRCLE,) * 1001),
            {},
            "POS: 1001 combinations of values; allowed: at most 1000",
        ),
        (
            Filters(shapes=(CIRCLE,), bands_m=((1e-7, 2e-7),)),
            {"bands": tuple(replace(b, wavelength_min_m=None) for b in RELEASE.bands)},
            "BAND: release TEST1 does not define the wavelengths of its bands",
        ),
        (
            Filters(shapes=(CIRCLE,), times_mjd=((1.0, 2.0),)),
            {"time_mjd": None},
            "TIME: release TEST1 does not define its time of observation",
        ),
    ],
    ids=["no shape", "too many", "no wavelengths", "no times"],
)
def test_soda_16_18_what_cannot_be_told_is_refused(
    tmp_path: Path, filters: Filters, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        rows_of(tmp_path, filters, **changes)
    assert message in str(caught.value)


def test_a_polarisation_that_no_image_has_is_no_pixel(tmp_path: Path) -> None:
    """vo F9: outside of the data, as a BAND is (SODA 1.0, section 5.1: 204)."""
    (row,) = rows_of(tmp_path, Filters(shapes=(CIRCLE,), polarisations=("Q", "U")))
    assert row.nothing == "all images of release TEST1 are total intensity (I), not Q, U"


def test_soda_13_any_of_several_polarisations_will_do(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, Filters(shapes=(CIRCLE,), polarisations=("Q", "I")))) == 1
