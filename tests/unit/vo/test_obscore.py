"""ObsCore's columns (SIA-11) and the images of releases as rows of them."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from soda_service.sky.release import Band
from soda_service.vo.images import (
    DATALINK_TYPE,
    Images,
    fields_of_view_deg,
    resolving_power,
    rows_of,
)
from soda_service.vo.obscore import COLUMNS, ID_COLUMN

TEXT, DOUBLE, INT, LONG = ("char", "*"), ("double", ""), ("int", ""), ("long", "")
SPACE, TIME, SPECTRUM = "Char.SpatialAxis", "Char.TimeAxis", "Char.SpectralAxis"
POINT = f"{SPACE}.Coverage.Location.Coord.Position2D.Value2"

EXPECTED = {
    "dataproduct_type": (TEXT, "", "meta.code.class", "ObsDataset.dataProductType"),
    "calib_level": (INT, "", "meta.code;obs.calib", "ObsDataset.calibLevel"),
    "obs_collection": (TEXT, "", "meta.id", "DataID.collection"),
    "obs_id": (TEXT, "", "meta.id", "DataID.observationID"),
    "obs_publisher_did": (TEXT, "", "meta.ref.ivoid", "Curation.publisherDID"),
    "access_url": (TEXT, "", "meta.ref.url", "Access.reference"),
    "access_format": (TEXT, "", "meta.code.mime", "Access.format"),
    "access_estsize": (LONG, "kbyte", "phys.size;meta.file", "Access.size"),
    "target_name": (TEXT, "", "meta.id;src", "Target.name"),
    "s_ra": (DOUBLE, "deg", "pos.eq.ra", f"{POINT}.C1"),
    "s_dec": (DOUBLE, "deg", "pos.eq.dec", f"{POINT}.C2"),
    "s_fov": (DOUBLE, "deg", "phys.angSize;instr.fov",
              f"{SPACE}.Coverage.Bounds.Extent.diameter"),
    "s_region": (TEXT, "", "pos.outline;obs.field", f"{SPACE}.Coverage.Support.Area"),
    "s_resolution": (DOUBLE, "arcsec", "pos.angResolution", f"{SPACE}.Resolution.Refval.value"),
    "s_xel1": (LONG, "", "meta.number", f"{SPACE}.numBins1"),
    "s_xel2": (LONG, "", "meta.number", f"{SPACE}.numBins2"),
    "t_min": (DOUBLE, "d", "time.start;obs.exposure", f"{TIME}.Coverage.Bounds.Limits.StartTime"),
    "t_max": (DOUBLE, "d", "time.end;obs.exposure", f"{TIME}.Coverage.Bounds.Limits.StopTime"),
    "t_exptime": (DOUBLE, "s", "time.duration;obs.exposure", f"{TIME}.Coverage.Support.Extent"),
    "t_resolution": (DOUBLE, "s", "time.resolution", f"{TIME}.Resolution.Refval.value"),
    "t_xel": (LONG, "", "meta.number", f"{TIME}.numBins"),
    "em_min": (DOUBLE, "m", "em.wl;stat.min", f"{SPECTRUM}.Coverage.Bounds.Limits.LoLimit"),
    "em_max": (DOUBLE, "m", "em.wl;stat.max", f"{SPECTRUM}.Coverage.Bounds.Limits.HiLimit"),
    "em_res_power": (DOUBLE, "", "spect.resolution", f"{SPECTRUM}.Resolution.ResolPower.refVal"),
    "em_xel": (LONG, "", "meta.number", f"{SPECTRUM}.numBins"),
    "o_ucd": (TEXT, "", "meta.ucd", "Char.ObservableAxis.ucd"),
    "pol_states": (TEXT, "", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
    "pol_xel": (LONG, "", "meta.number", "Char.PolarizationAxis.numBins"),
    "facility_name": (TEXT, "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    "instrument_name": (TEXT, "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
}  # fmt: skip


def rows(images: Images, *numbers: int) -> list[dict[str, str]]:
    names = [column.name for column in COLUMNS]
    return [dict(zip(names, row, strict=True)) for row in rows_of(images, numbers)]


@pytest.mark.parametrize("name", EXPECTED)
def test_sia_11_t3_mandatory_columns(name: str) -> None:
    (column,) = (column for column in COLUMNS if column.name == name)
    types, unit, ucd, utype = EXPECTED[name]
    assert (column.datatype, column.arraysize) == types
    assert (column.unit, column.ucd, column.utype) == (unit, ucd, f"obscore:{utype}")


def test_columns_come_once_and_the_identifier_has_an_id() -> None:
    names = [column.name for column in COLUMNS]
    assert sorted({*EXPECTED, "obs_title"}) == sorted(names)
    assert [column.id for column in COLUMNS if column.id] == [ID_COLUMN]


def test_sia_12_a_row_of_a_release_that_tells_what_it_can(full: Images) -> None:
    (row,) = rows(full, 0)
    region = row.pop("s_region")
    assert {name: text for name, text in row.items() if text} == {
        "dataproduct_type": "image",
        "calib_level": "3",
        "obs_collection": "DR1",
        "obs_id": "DES0126+0335",
        "obs_title": "DR1 DES0126+0335 g",
        "obs_publisher_did": "ivo://example.org/DR1?DES0126+0335/g",
        "access_url": "https://example.org/cutouts/links"
        "?ID=ivo%3A%2F%2Fexample.org%2FDR1%3FDES0126%2B0335%2Fg",
        "access_format": "application/x-votable+xml;content=datalink",
        "s_ra": "21.5",
        "s_dec": "3.5",
        "s_fov": "1.41414177",
        "s_xel1": "10000",
        "s_xel2": "9000",
        "t_min": "56500.0",
        "t_max": "58000.5",
        "t_xel": "1",
        "em_min": "4e-07",
        "em_max": "5.5e-07",
        "em_res_power": "3.166667",
        "em_xel": "1",
        "o_ucd": "phot.flux;em.opt.B",
        "pol_states": "/I/",
        "pol_xel": "1",
    }
    assert region.startswith("POLYGON ICRS ")


def test_what_a_release_does_not_tell_is_null(bare: Images) -> None:
    (row,) = rows(bare, 0)
    unknown = {name for name, text in row.items() if not text}
    assert unknown == {
        *("access_estsize", "target_name", "s_resolution", "s_xel1", "s_xel2", "t_min", "t_max"),
        *("t_exptime", "t_resolution", "em_min", "em_max", "em_res_power", "facility_name"),
        "instrument_name",
    }
    assert row["o_ucd"] == "phot.flux"


def test_rows_run_through_the_bands_of_each_tile(full: Images) -> None:
    told = [(row["obs_id"], row["obs_publisher_did"][-1]) for row in rows(full, *range(len(full)))]
    tiles = ("DES0126+0335", "ZERO", "SKY", "NOWHERE")
    assert told == [(tile, band) for tile in tiles for band in "gYx"]
    assert rows(full, 11, 1) == [*rows(full, 11), *rows(full, 1)]


def test_images_without_corners(full: Images) -> None:
    sky, nowhere = rows(full, 6, 9)
    assert (sky["s_region"], sky["s_fov"]) == ("CIRCLE ICRS 200.0 40.0 30.0", "60.0")
    assert (nowhere["s_region"], nowhere["s_fov"]) == ("", "")
    np.testing.assert_array_equal(
        fields_of_view_deg(full.index), [1.41414177, 1.41414177, 60.0, np.nan]
    )


@pytest.mark.parametrize("number", [0, 3], ids=["plain", "across-ra-0"])
def test_dali_23_outlines_run_counter_clockwise_as_seen_from_inside(
    full: Images, number: int
) -> None:
    (row,) = rows(full, number)
    word, frame, *numbers = row["s_region"].split()
    assert (word, frame) == ("POLYGON", "ICRS")
    angles = np.array(numbers, dtype=float).reshape(-1, 2)
    assert np.all((angles >= [0, -90]) & (angles < [360, 90]))
    centre = SkyCoord(float(row["s_ra"]), float(row["s_dec"]), unit="deg")
    corners = SkyCoord(angles, unit="deg")
    np.testing.assert_allclose(centre.separation(corners).deg, float(row["s_fov"]) / 2, rtol=1e-7)
    # Position angles run from north through east: counter-clockwise on the sky.
    turns = np.diff(centre.position_angle(corners).deg, append=np.nan)[:-1] % 360
    np.testing.assert_allclose(turns, 90, atol=0.1)


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        (Band("a", 1e-9, 2e-9), "em.X-ray"),
        (Band("NUV", 1.77e-7, 2.83e-7), "em.UV"),
        (Band("u", 3.2e-7, 4e-7), "em.opt.U"),
        (Band("g", 3.98e-7, 5.48e-7), "em.opt.B"),
        (Band("V", 5e-7, 5.95e-7), "em.opt.V"),
        (Band("r", 5.68e-7, 7.16e-7), "em.opt.R"),
        (Band("z", 8.5e-7, 1.002e-6), "em.opt.I"),
        (Band("J", 1.1e-6, 1.4e-6), "em.IR.J"),
        (Band("H", 1.48e-6, 1.8e-6), "em.IR.H"),
        (Band("K", 2e-6, 2.3e-6), "em.IR.K"),
        (Band("W1", 2.75e-6, 3.9e-6), "em.IR.3-4um"),
        (Band("W2", 3.95e-6, 5.35e-6), "em.IR.4-8um"),
        (Band("W3", 7.5e-6, 1.65e-5), "em.IR.8-15um"),
        (Band("W4", 1.95e-5, 2.8e-5), "em.IR.15-30um"),
        (Band("b6", 1e-3, 1.4e-3), "em.mm"),
        (Band("L", 0.15, 0.3), "em.radio"),
        (Band("w", 4e-7, None), ""),
    ],
    ids=lambda value: value.name if isinstance(value, Band) else value,
)
def test_o_ucd_tells_the_waveband(full: Images, band: Band, expected: str) -> None:
    images = Images(replace(full.release, bands=(band,)), full.index, "a.b", "http://h/links")
    (row,) = rows(images, 0)
    assert row["o_ucd"] == (f"phot.flux;{expected}" if expected else "phot.flux")


def test_no_resolving_power_of_a_line() -> None:
    assert resolving_power(Band("line", 5e-7, 5e-7)) is None
    assert resolving_power(Band("g", 4e-7, 6e-7)) == pytest.approx(2.5)


def test_dl_t1_spelling() -> None:
    assert DATALINK_TYPE == "application/x-votable+xml;content=datalink"
