"""Combinations of SODA's filters (SODA-11, SODA-13, SODA-15, SODA-16, SODA-18)."""

from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.errors import OptionsError
from soda_service.request.options import default_options
from soda_service.request.rows import select_rows
from soda_service.request.values import Filters, PositionRow
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.synthetic import RELEASE

CORNERS = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))
CIRCLE, OTHER = "CIRCLE 30 -20 0.01", "POLYGON 30 -20 30.01 -20 30 -19.99"
ID = "ivo://unregistered.invalid/TEST1?EAST"


def rows_of(folder: Path, filters: Filters, **changes: object) -> list[PositionRow]:
    release: Release = replace(RELEASE, root=str(folder), time_mjd=(58000.0, 58100.0))
    release = replace(release, **changes)
    write_release(release, folder / "test1.toml")
    write_tiles(table_path(folder, "TEST1"), [TileRow("EAST", 30.0, -20.0, corners=CORNERS)])
    releases = Releases([folder])
    return [*select_rows(filters, default_options(release), releases.get("TEST1"), releases)]


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
        (Filters(ids=(ID,)), {}, "POS: no shape is given; needed is POS, CIRCLE or POLYGON"),
        (
            Filters(shapes=(CIRCLE,) * 1001),
            {},
            "POS: 1001 combinations of values; allowed are 1000",
        ),
        (
            Filters(shapes=(CIRCLE,), bands_m=((1e-7, 2e-7),)),
            {"bands": tuple(replace(b, wavelength_min_m=None) for b in RELEASE.bands)},
            "BAND: release TEST1 does not tell the wavelengths of its bands",
        ),
        (
            Filters(shapes=(CIRCLE,), times_mjd=((1.0, 2.0),)),
            {"time_mjd": None},
            "TIME: release TEST1 does not tell when it was observed",
        ),
        (
            Filters(shapes=(CIRCLE,), polarisations=("Q", "U")),
            {},
            "POL: images are of total intensity (I) alone",
        ),
    ],
    ids=["no shape", "too many", "no wavelengths", "no times", "no polarisation"],
)
def test_soda_16_18_what_cannot_be_told_is_refused(
    tmp_path: Path, filters: Filters, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        rows_of(tmp_path, filters, **changes)
    assert message in str(caught.value)


def test_soda_13_any_of_several_polarisations_will_do(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, Filters(shapes=(CIRCLE,), polarisations=("Q", "I")))) == 1
