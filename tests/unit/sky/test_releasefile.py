from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.errors import ConfigError
from soda_service.sky.release import Band, Plane, Release
from soda_service.sky.releases import parse_release, write_release

CONF = Path(__file__).resolve().parents[3] / "conf" / "releases"
SMALL = 'name = "A"\nroot = "/data"\npath_template = "{path}"\nbands = [{name = "g"}]\n'

WHOLE = Release(
    name="DR9",
    title='A "survey"\nof two lines, é',
    bands=(Band("g", 4e-7, 5.5e-7), Band("Y"), Band("F814W", 7e-7, 9.6e-7)),
    root="s3://bucket/survey",
    path_template="{archive_path}/{tilename}_{band}*.fits.fz",
    band_spelling={"Y": "y_band"},
    planes=(Plane("SCI", "SCI"), Plane("WGT", 3)),
    database="DESDR",
    name_prefix="DESJ",
    pixel_scale_arcsec=0.263,
    defaults={"COLORS_FITS": "g", "RGB_MINIMUM": "1.0"},
    size_min_arcmin=0.2,
    size_max_arcmin=20.0,
    is_default=True,
    tile_columns={"tilename": "NAME"},
    tile_patterns={"archive_path": r"/r(?P<reqnum>\d+)/"},
    tile_size_px=(10000, 9000),
    object_columns={"coadd_object_id": "ID"},
    zero_point_mag=30.0,
    unit="electrons",
    acknowledgement="Thanks.",
    serves_whole_tiles=False,
    mask_no_data_bit=1,
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name = ", "cannot be read as TOML: Invalid value (at end of document)"),
        (SMALL.replace('"A"', '"a/b"'), "name: 'a/b' is not a release's name"),
        (SMALL.replace('"A"', "7"), "name: 7 is not a text"),
        (SMALL.replace('"/data"', '"ftp://x"'), "root: 'ftp://x' is no directory and no https://"),
        (SMALL.replace("{path}", "../{path}"), "path_template: '../{path}' does not stay below"),
        (SMALL.replace("{path}", "/{path}"), "path_template: '/{path}' does not stay below"),
        (SMALL.replace("{path}", "{Path}"), "path_template: '{Path}' is no path with columns"),
        (SMALL.replace("{path}", "{path"), "path_template: '{path' is no path with columns"),
        (SMALL.replace('{name = "g"}', ""), "bands: a release has at least one band"),
        (SMALL.replace('{name = "g"}', '{name = "g"}, {name = "g"}'), "bands[2].name: 'g' comes"),
        (SMALL.replace('{name = "g"}', '{nam = "g"}'), "bands[1].nam: unknown key; there are: nam"),
        (SMALL.replace('"g"}', '"g", wavelength_m = [5e-7, 4e-7]}'), "bands[1].wavelength_m: "),
        (SMALL + "colour = 1\n", "colour: unknown key; there are: name, title, default,"),
        (SMALL + "default = 1\n", "default: 1 is neither true nor false"),
        (SMALL + "pixel_scale_arcsec = -1\n", "pixel_scale_arcsec: -1 is not above 0"),
        (SMALL + "pixel_scale_arcsec = nan\n", "pixel_scale_arcsec: nan is not a finite number"),
        (SMALL + "tile_size_px = [10, 0]\n", "tile_size_px: [10, 0] is not a width and a height"),
        (SMALL + "mask_no_data_bit = -1\n", "mask_no_data_bit: -1 is not a whole number"),
        (SMALL + "mask_no_data_bit = 3\n", "mask_no_data_bit: 3 is no single bit: 1, 2, 4, 8"),
        (SMALL + "[limits]\nsize_max_arcmin = 0.05\n", "limits.size_min_arcmin: exceeds size_max"),
        (SMALL + "[limits]\nsize = 1\n", "limits.size: unknown key; there are: size_min_arcmin,"),
        (SMALL + "[[planes]]\nrole = 'SCI'\n", "planes[1].hdu: is missing"),
        (SMALL + "[defaults]\nxsize = 1\n", "defaults: 'xsize' is not a name like [A-Z]"),
        (SMALL + "[defaults]\nXSIZE = [1]\n", "defaults: XSIZE: [1] is not a text"),
        (SMALL + "[tile_patterns]\nx = '('\n", "tile_patterns: x: '(' is no regular expression"),
        (SMALL + "[tile_patterns]\nx = 'a'\n", "tile_patterns: x: 'a' has no named groups"),
        (SMALL + "[object_columns]\nid = 'ID'\n", "object_columns: 'id' is not a name like coadd_"),
    ],
    ids=lambda value: value.partition(":")[0] if "\n" not in value else "",
)
def test_faults_name_file_and_key(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        parse_release(path)
    assert str(refusal.value).startswith(f"{path}: {fault}")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('name = 1\nbands = [{name = "a,b"}]\n[limits]\nx = 1\n')
    with pytest.raises(ConfigError) as refusal:
        parse_release(path)
    keys = [line.removeprefix(f"{path}: ").split(":")[0] for line in str(refusal.value).split("\n")]
    assert keys == ["name", "root", "path_template", "bands[1].name", "limits.x"]


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read as TOML"):
        parse_release(tmp_path / "none.toml")


def test_what_little_there_must_be(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(SMALL)
    expected = Release("A", "A", (Band("g"),), "/data", "{path}", source=path)
    assert parse_release(path) == expected


def test_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "dr9.toml"
    write_release(WHOLE, path)
    read = parse_release(path)
    assert read.source == path
    assert replace(read, source=None) == WHOLE
    assert [entry.name for entry in tmp_path.iterdir()] == ["dr9.toml"]


def test_relative_root_lies_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(SMALL.replace("/data", "tiles/deep"))
    assert parse_release(path).root == str(tmp_path / "tiles" / "deep")


def test_root_in_the_template_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(SMALL.replace("{path}", "{root}/{tilename}_{band}.fits"))
    assert parse_release(path).path_template == "{tilename}_{band}.fits"


def test_defaults_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(SMALL + "[defaults]\nMAKE_FITS = false\nXSIZE = 1.5\nXPIX = 20\nEDGE = 'pad'\n")
    expected = {"MAKE_FITS": "false", "XSIZE": "1.5", "XPIX": "20", "EDGE": "pad"}
    assert parse_release(path).defaults == expected


@pytest.mark.parametrize(
    ("file", "name", "database"),
    [("des_dr1", "DR1", "DESDR"), ("des_dr2", "DR2", "DESDR"), ("des_y6a2", "Y6A2", "DESSCI")],
)
def test_releases_that_come_with_the_service(file: str, name: str, database: str) -> None:
    release = parse_release(CONF / f"{file}.toml")
    assert (release.name, release.database, release.name_prefix) == (name, database, "DESJ")
    assert release.band_names == ("g", "r", "i", "z", "Y")
    assert [plane.role for plane in release.planes] == ["SCI", "MSK", "WGT"]
    assert (release.pixel_scale_arcsec, release.zero_point_mag) == (0.263, 30.0)
    assert release.defaults["RGB_STRETCH"] == "50.0"
    edges = [(b.wavelength_min_m or 0, b.wavelength_max_m or 0) for b in release.bands]
    assert all(3.9e-7 < low < high < 1.1e-6 for low, high in edges)
