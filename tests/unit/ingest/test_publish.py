import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.pixels.paths import locate
from soda_service.pixels.reader import TileReader
from soda_service.sky.release import Band, Plane
from soda_service.sky.releases import Releases, parse_release
from tests.unit.ingest.publishing import image, paths_of, published, tiles_of
from tests.unit.skyimages import tan_header


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "releases"


def test_files_that_differ_in_the_band_are_one_tile(source: Path, folder: Path) -> None:
    for band in "zgri":
        image(source / f"field1_{band}.fits", FILTER="g")  # the header is wrong, the name is right
    image(source / "field2_r.fits", ra_deg=31.0, FILTER="r")
    report = published(source, folder)
    assert report.release.band_names == ("g", "r", "i", "z")
    assert (report.tiles, report.files, report.warnings) == (2, 5, ())
    assert paths_of(folder) == {
        "field1": {band: f"field1_{band}.fits" for band in "griz"},
        "field2": {"r": "field2_r.fits"},
    }


def test_band_of_the_header(source: Path, folder: Path) -> None:
    image(source / "a1.fits", FILTER="g DECam SDSS c0001 4720.0 1520.0")
    image(source / "a2.fits", FILTER="r DECam", ra_deg=31.0)
    report = published(source, folder)
    assert report.release.bands == (Band("g", 3.96e-7, 5.48e-7), Band("r", 5.5e-7, 7e-7))
    assert paths_of(folder) == {"a1": {"g": "a1.fits"}, "a2": {"r": "a2.fits"}}


def test_no_band_is_x_with_a_warning(source: Path, folder: Path) -> None:
    image(source / "a.fits")
    report = published(source, folder)
    assert report.release.bands == (Band("x"),)
    assert report.warnings == ("a.fits: no band found; it is named x",)
    assert report.release.defaults == {"COLORS_FITS": "x"}


def test_band_by_option(source: Path, folder: Path) -> None:
    image(source / "a_g.fits", FILTER="r")
    assert published(source, folder, band="Ha").release.bands == (Band("Ha"),)
    assert paths_of(folder) == {"a_g": {"Ha": "a_g.fits"}}


def test_band_by_pattern(source: Path, folder: Path) -> None:
    for name in ("m51-img1-v.fits", "m51-img2-v.fits", "m51-wht1-v.fits"):
        image(source / name)
    report = published(source, folder, pattern=r"img(?P<band>\d)")
    assert report.warnings == ("1 files do not match the pattern and are omitted",)
    assert paths_of(folder) == {"m51-img-v": {"1": "m51-img1-v.fits", "2": "m51-img2-v.fits"}}


def test_spellings_of_one_band_are_united(source: Path, folder: Path) -> None:
    for number, band in enumerate(["Y", "Y", "y"]):
        image(source / f"t{number}.fits", ra_deg=30.0 + number, BAND=band)
    assert published(source, folder).release.band_names == ("Y",)


def test_same_name_other_sky_is_another_tile(source: Path, folder: Path) -> None:
    image(source / "obs_g.fits")
    image(source / "obs_r.fits", ra_deg=99.0)
    report = published(source, folder)
    assert paths_of(folder) == {"obs": {"g": "obs_g.fits"}, "obs_r": {"r": "obs_r.fits"}}
    assert report.warnings == ("obs_r.fits is a separate tile: it does not belong to obs_g.fits",)


def test_same_tile_and_band_twice(source: Path, folder: Path) -> None:
    image(source / "a_g.fits")
    image(source / "a_r.fits")
    (source / "a_r.fits.gz").write_bytes(gzip.compress((source / "a_r.fits").read_bytes()))
    report = published(source, folder)
    assert paths_of(folder) == {
        "a": {"g": "a_g.fits", "r": "a_r.fits"},
        "a_r": {"r": "a_r.fits.gz"},
    }
    assert report.files == 3
    assert report.warnings == (
        "a_r.fits.gz is a separate tile: it does not belong to a_g.fits, a_r.fits",
        "2 tiles show the same sky in band r, one is used: a, a_r",
    )


def test_the_same_file_packed_is_left_out(source: Path, folder: Path) -> None:
    image(source / "a.fits", BAND="g")
    (source / "a.fits.gz").write_bytes(gzip.compress((source / "a.fits").read_bytes()))
    assert published(source, folder).warnings == ("a.fits.gz is omitted: its tile has a.fits",)


def test_names_of_tiles_that_are_bands_only(source: Path, folder: Path) -> None:
    for band in "gr":
        image(source / f"{band}.fits")
    published(source, folder)
    assert paths_of(folder) == {"images": {"g": "g.fits", "r": "r.fits"}}


def test_names_of_tiles_in_folders(source: Path, folder: Path) -> None:
    image(source / "north" / "one.fits", BAND="g")
    image(source / "south" / "one.fits", BAND="g", ra_deg=31.0)
    image(source / "south" / "two words.fits", BAND="g", ra_deg=32.0)
    image(source / ".hidden" / "three.fits", BAND="g")
    for band in "gr":
        image(source / "M31" / f"{band}.fits", ra_deg=33.0)
    published(source, folder)
    assert paths_of(folder) == {
        "M31": {"g": "M31/g.fits", "r": "M31/r.fits"},
        "north_one": {"g": "north/one.fits"},
        "south_one": {"g": "south/one.fits"},
        "two_words": {"g": "south/two words.fits"},
    }


def test_linked_folders_are_followed_once(source: Path, folder: Path, tmp_path: Path) -> None:
    image(tmp_path / "elsewhere" / "a.fits", BAND="g")
    source.mkdir()
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(source)
    published(source, folder)
    assert paths_of(folder) == {"a": {"g": "link/a.fits"}}


# --- HDUs ----------------------------------------------------------------------------------------


def hdu(name: str, *, ra_deg: float = 30.0, **cards: object) -> fits.ImageHDU:
    header = tan_header((40, 50), ra_deg=ra_deg)
    header.update(cards)
    return fits.ImageHDU(np.ones((40, 50), np.float32), header, name=name)


def test_hdus_on_one_grid_are_planes(source: Path, folder: Path) -> None:
    source.mkdir()
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])])
    hdus = [fits.PrimaryHDU(), hdu("MSK"), table, hdu("SCI"), hdu("WGT")]
    fits.HDUList(hdus).writeto(source / "a_g.fits")
    published(source, folder)
    (tile,) = tiles_of(folder).values()
    assert tile.columns["hdus_g"] == "SCI:3;MSK:1;WGT:4"
    release = parse_release(folder / "mine.toml")
    file = locate(release, tile, "g")
    assert file.planes == (Plane("SCI", 3), Plane("MSK", 1), Plane("WGT", 4))
    assert [plane.role for plane in TileReader().open(file).planes] == ["SCI", "MSK", "WGT"]


def test_hdus_on_other_grids_are_tiles(source: Path, folder: Path) -> None:
    source.mkdir()
    hdus = [fits.PrimaryHDU(), hdu("CCD1"), hdu("CCD2", ra_deg=30.5), hdu("WGT", ra_deg=30.5)]
    hdus[0].header["FILTER"] = "z"
    fits.HDUList(hdus).writeto(source / "exposure.fits")
    published(source, folder)
    tiles = tiles_of(folder)
    assert {name: tile.columns["hdus_z"] for name, tile in tiles.items()} == {
        "exposure": "SCI:1",
        "exposure_hdu2": "SCI:2;WGT:3",
    }


def test_hdus_of_several_bands(source: Path, folder: Path) -> None:
    source.mkdir()
    hdus = [hdu("A", FILTER="g"), hdu("W"), hdu("B", FILTER="r")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(source / "cube.fits")
    published(source, folder)
    (tile,) = tiles_of(folder).values()
    assert (tile.columns["hdus_g"], tile.columns["hdus_r"]) == ("SCI:1;W:2", "SCI:3")


@pytest.mark.parametrize("suffix", [".fits", ".fit", ".fits.fz", ".fits.gz", ".fits.bz2", ".FTS"])
def test_kinds_of_files(source: Path, folder: Path, suffix: str) -> None:
    path = source / f"a_g{suffix}"
    source.mkdir()
    if suffix.endswith("fz"):
        data = np.random.default_rng(1).normal(5.0, 1.0, (40, 50)).astype(np.float32)
        packed = fits.CompImageHDU(data, tan_header((40, 50)), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path)
    else:
        image(source / "plain.fits")
        content = (source / "plain.fits").read_bytes()
        (source / "plain.fits").unlink()
        if suffix.endswith("gz"):
            content = gzip.compress(content)
        elif suffix.endswith("bz2"):
            content = bz2.compress(content)
        path.write_bytes(content)
    assert published(source, folder).tiles == 1
    assert paths_of(folder) == {"a": {"g": path.name}}


# --- where tiles are -----------------------------------------------------------------------------


def test_a_published_tile_is_found(source: Path, folder: Path) -> None:
    image(source / "a_g.fits", ra_deg=0.0)
    published(source, folder)
    index = Releases([folder]).index(Releases([folder]).get("mine"))
    dec = -20.0
    half = 25 * 0.263 / 3600 / np.cos(np.radians(dec))
    assert index.find([0.0, half * 0.98, -half * 0.98, half * 1.02], [dec] * 4).tolist() == [
        0,
        0,
        0,
        -1,
    ]


@pytest.mark.parametrize("projection", ["CAR", "AIT", "MOL", "ZEA"])
def test_an_image_of_the_whole_sky(source: Path, folder: Path, projection: str) -> None:
    source.mkdir()
    header = fits.Header({"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}"})
    for key, value in {"CRVAL1": 0, "CRVAL2": 0, "CRPIX1": 90.5, "CRPIX2": 45.5}.items():
        header[key] = float(value)
    header["CDELT1"], header["CDELT2"] = -2.0, 2.0
    fits.PrimaryHDU(np.ones((90, 180), np.float32), header).writeto(source / "sky_r.fits")
    report = published(source, folder)
    index = Releases([folder]).index(Releases([folder]).get("mine"))
    assert index.find([0.0, 123.0, 266.0, 0.0], [0.0, -40.0, 89.0, -90.0]).tolist() == [0] * 4
    assert report.release.pixel_scale_arcsec == 7200.0
    assert report.release.size_max_arcmin == 360 * 60
