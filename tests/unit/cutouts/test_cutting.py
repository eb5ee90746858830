"""Rows cut from small tiles that are odd in one way each, and from a real survey's frames."""

import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.pixels.paths import locate
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import PlannedRow
from tests.unit.cutouts.scenes import (
    DEC_DEG,
    EAST_DEG,
    RA_DEG,
    SHAPE,
    Scene,
    extensions,
    plain,
    scene,
)
from tests.unit.skyimages import noise, tan_header

pytestmark = pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")  # old keywords

# Sizes


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ({"xpix": 60}, "60 x 10 pixels"),
        ({"ypix": 25}, "20 x 25 pixels"),
        ({"xpix": 20_000, "ypix": 20_000}, "20000 x 20000 pixels"),
    ],
    ids=["wide", "high", "beyond-memory"],
)
def test_a_box_beyond_the_releases_largest_size_is_not_cut(
    tmp_path: Path, size: dict[str, int], found: str
) -> None:
    # 0.1' are 23 pixels of 0.263".
    made = scene(tmp_path, {"g": plain()}, size_max_arcmin=0.1)
    outcome = made.cut(edge="pad", make_rgb_stiff=False, **size)
    assert outcome.status == "failed"
    assert outcome.message == (
        f"{found} requested; at most 24 x 24 of tile T1 are allowed (0.1 arcmin, and 20000 pixels "
        "along a side)"
    )
    assert not made.saved


def test_a_box_of_the_releases_largest_size_and_a_pixel_is_cut(tmp_path: Path) -> None:
    made = scene(tmp_path, {"g": plain()}, size_max_arcmin=0.1)
    assert made.cut(xpix=24, ypix=24).size_px == (24, 24)


def test_a_size_in_arcmin_of_tiny_pixels_is_bounded_too(tmp_path: Path) -> None:
    tiny = plain(tan_header(SHAPE, scale_arcsec=0.001))
    made = scene(tmp_path, {"g": tiny})
    outcome = made.cut(xpix=None, ypix=None, xsize_arcmin=1.0, ysize_arcmin=0.1, edge="pad")
    assert outcome.status == "failed"
    assert outcome.message.startswith("60000 x 6000 pixels requested; at most 20000 x")


# Headers


def test_names_that_are_not_ascii_are_cut(tmp_path: Path) -> None:
    texts = {"unit": "\N{MICRO SIGN}Jy", "acknowledgement": "Thanks to\nMårten\x07."}
    made = scene(tmp_path, {"g": plain()}, prefix="Ränd Ω ", **texts)
    outcome = made.cut()
    assert (outcome.status, outcome.message) == ("ok", "")
    with made.opened() as file:
        header = file[0].header
        assert header["PARFILE"] == "R?nd ? T1_g.fits"
        assert (header["BUNIT"], header["ACKNOWL"]) == ("?Jy", "Thanks to M?rten?.")


@pytest.mark.parametrize(
    ("hdus", "names", "own"),
    [
        (plain(), ["SCI"], None),
        (plain(EXTNAME="SCI"), ["SCI"], None),
        (plain(EXTNAME="image"), ["SCI"], "image"),
        (extensions("DATA", "MASK", "WEIGHT"), ["SCI", "MASK", "WEIGHT"], "DATA"),
    ],
    ids=["none", "SCI", "primary", "extensions"],
)
def test_the_first_hdu_is_sci(
    tmp_path: Path, hdus: fits.HDUList, names: list[str], own: str | None
) -> None:
    made = scene(tmp_path, {"g": hdus})
    made.cut()
    with made.opened() as file:
        assert [hdu.header["EXTNAME"] for hdu in file] == names
        assert file[0].header.get("PAREXT") == own
        assert all("PAREXT" not in hdu.header for hdu in file[1:])
        assert fits.getdata(io.BytesIO(*made.saved.values()), "SCI").shape == (10, 20)


@pytest.mark.parametrize(
    ("hdus", "unit"),
    [
        (extensions("SCI", "WGT", BUNIT="adu"), "adu"),
        (extensions("SCI", "WGT"), "nmgy"),
        (plain(BUNIT="counts"), "counts"),
        (plain(), "nmgy"),
        (
            fits.HDUList(
                [
                    fits.PrimaryHDU(np.zeros((2, 2)), fits.Header([("BUNIT", "mm")])),
                    *extensions("SCI")[1:],
                ]
            ),
            "nmgy",
        ),
    ],
    ids=["bare-primary", "nowhere", "own", "none-of-its-own", "primary-of-other-pixels"],
)
def test_the_unit_is_the_planes_then_the_primarys_then_the_releases(
    tmp_path: Path, hdus: fits.HDUList, unit: str
) -> None:
    made = scene(tmp_path, {"g": hdus}, unit="nmgy")
    made.cut()
    with made.opened() as file:
        assert file[0].header["BUNIT"] == unit
        assert all("BUNIT" not in hdu.header for hdu in file[1:])


# Planes


@pytest.mark.parametrize("edge", ["trim", "pad"])
def test_a_plane_that_the_tile_lacks_is_left_out_and_the_row_says_so(
    tmp_path: Path, edge: str
) -> None:
    """vo F3."""
    made = scene(tmp_path, {"g": extensions("SCI", "MSK", "CONF")})
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, edge=edge, planes=("SCI", "CONF", "WGT"))
    with made.opened() as file:
        assert [hdu.header["EXTNAME"] for hdu in file] == ["SCI", "CONF"]
    assert outcome.status == "ok"
    assert "tile T1 has no plane WGT" in outcome.message


def test_a_plane_of_neither_release_nor_tile_is_an_error_of_the_row(tmp_path: Path) -> None:
    made = scene(tmp_path, {"g": extensions("SCI", "MSK")})
    outcome = made.cut(planes=("SCI", "FLUX"))
    assert outcome.status == "failed"
    assert outcome.message == "PLANES: 'FLUX' is not a plane of tile T1; allowed: all, or SCI, MSK"
    assert not made.saved


# Edges


@pytest.mark.parametrize(
    ("release_bit", "mask", "bit"),
    [(0, "i4", 32768), (4, "i4", 4), (0, "u1", 128), (0, "i2", 16384), (0, "u2", 32768)],
    ids=["default", "own", "bytes", "short", "unsigned-short"],
)
def test_padding_is_never_good_in_the_mask(
    tmp_path: Path, release_bit: int, mask: str, bit: int
) -> None:
    tile = extensions("SCI", "MSK", "WGT", mask=mask)
    made = scene(tmp_path, {"g": tile}, mask_no_data_bit=release_bit)
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, edge="pad")
    assert (outcome.size_px, outcome.status) == ((20, 10), "ok")
    with made.opened() as file:
        missing = np.isnan(file["SCI"].data)
        assert 0 < missing.sum() < 200
        assert np.unique(file["MSK"].data[missing]).tolist() == [bit]
        assert not file["MSK"].data[~missing].any()
        assert not file["WGT"].data[missing].any()
        assert [hdu.header.get("PADBIT") for hdu in file] == [None, bit, None]


@pytest.mark.parametrize("edge", ["trim", "pad"])
def test_no_bit_is_named_where_nothing_is_padded(tmp_path: Path, edge: str) -> None:
    made = scene(tmp_path, {"g": extensions("SCI", "MSK")})
    made.cut(edge=edge)
    with made.opened() as file:
        assert "PADBIT" not in file["MSK"].header


# Pictures

PICTURES = {
    "make_fits": False,
    "discard_fits_files": True,
    "make_rgb_lupton": True,
    "make_rgb_stiff": True,
}


def colours(folder: Path, **of_g: object) -> Scene:
    """Three bands, the last of which is on a grid of its own."""
    bands = {"i": plain(), "r": plain(), "g": plain(tan_header(SHAPE, **of_g))}
    triplets = {f"RGB_{method}_COLORS": "irg" for method in ("LUPTON", "STIFF")}
    return scene(folder, bands, defaults={"COLORS_FITS": "i", **triplets})


@pytest.mark.parametrize(
    "of_g",
    [{"angle_deg": 90.0}, {"scale_arcsec": 0.35}, {"CRPIX1": 49.8}, {"is_mirrored": True}],
    ids=["turned", "coarser", "shifted", "mirrored"],
)
def test_bands_on_different_grids_make_pictures_on_the_first_ones(
    tmp_path: Path, of_g: dict[str, object]
) -> None:
    outcome = colours(tmp_path, **of_g).cut(**PICTURES)
    assert (outcome.status, outcome.message, outcome.size_px) == ("ok", "", (20, 10))
    assert [entry.kind for entry in outcome.files] == ["stiff", "lupton"]


@pytest.mark.parametrize(
    "of_g", [{}, {"CRPIX1": 50.8}, {"CRPIX1": 53.5, "CRPIX2": 33.5}], ids=["same", "near", "whole"]
)
def test_bands_whose_sky_falls_on_the_same_pixels_make_pictures(
    tmp_path: Path, of_g: dict[str, object]
) -> None:
    outcome = colours(tmp_path, **of_g).cut(**PICTURES)
    assert (outcome.status, outcome.message) == ("ok", "")
    assert [entry.kind for entry in outcome.files] == ["stiff", "lupton"]


def test_cubes_make_no_picture(tmp_path: Path) -> None:
    cube = np.zeros((3, *SHAPE), "f4")
    bands = {band: fits.HDUList([fits.PrimaryHDU(cube, tan_header(SHAPE))]) for band in "gri"}
    outcome = scene(tmp_path, bands).cut(**PICTURES | {"make_rgb_stiff": False})
    assert outcome.status == "failed"
    assert outcome.message == "the bands are cubes, not images, so no irg lupton picture was made"


def test_bands_cut_short_differently_are_black_where_one_has_nothing(tmp_path: Path) -> None:
    made = colours(tmp_path, CRPIX1=47.5)
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, **PICTURES)
    assert (outcome.status, outcome.size_px) == ("ok", (11, 10))
    for path, data in made.saved.items():
        with Image.open(io.BytesIO(data)) as picture:
            lit = np.asarray(picture).any(axis=(0, 2))
        # The tile of g begins three pixels later.
        assert (path, lit.tolist()) == (path, [False] * 3 + [True] * 8)


def test_grids_are_compared_once_for_a_pair_of_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, reader, compared = colours(tmp_path), TileReader(), []
    handles = [reader.open(locate(made.release, made.index.tile(0), band)) for band in "ri"]

    def is_same_grid(*grids: object) -> bool:
        compared.append(grids)
        return True

    monkeypatch.setattr("soda_service.pixels.reader.is_same_grid", is_same_grid)
    assert [handles[0].shares_grid(handle) for handle in (*handles, *handles)] == [True] * 4
    assert len(compared) == 1


# Memory


def test_a_row_holds_one_plane_beside_its_file(tmp_path: Path) -> None:
    shape = (600, 800)
    plane_bytes = 4 * shape[0] * shape[1]
    bands = {}
    for band in "gri":
        images = [fits.ImageHDU(noise(shape), tan_header(shape), name=n) for n in ("SCI", "WGT")]
        bands[band] = fits.HDUList([fits.PrimaryHDU(), *images])
    made = scene(tmp_path, bands)
    options = replace(default_options(made.release), colors_fits=tuple("gri"), xpix=800, ypix=600)
    row = PlannedRow(1, None, *(RA_DEG, DEC_DEG) * 2, "T1", "", "J", options)
    reader = TileReader()
    saved: list[int] = []
    geometry = TileGeometry(made.release, made.index, reader)
    cutter = Cutter(geometry, lambda _, data: saved.append(memoryview(data).nbytes))
    for band in "gri":
        reader.open(locate(made.release, made.index.tile(0), band))
    tracemalloc.start()
    outcome = cutter.cut(row)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (outcome.status, len(saved)) == ("ok", 3)
    assert peak_bytes < max(saved) * 1.2 + 1.6 * plane_bytes
