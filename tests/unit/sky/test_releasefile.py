from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("name = ", "not TOML: Invalid value (at end of document)"),
        (SMALL.replace('"A"', '"a/b"'), "name: 'a/b' is not a release's name"),
        (SMALL.replace('"A"', "7"), "name: expected text, found 7"),
        (
            SMALL.replace('"/data"', '"ftp://x"'),
            "root: 'ftp://x' is neither a directory nor an https://",
        ),
        (SMALL.replace("{path}", "../{path}"), "path_template: '../{path}' leads out of the root"),
        (SMALL.replace("{path}", "/{path}"), "path_template: '/{path}' leads out of the root"),
        (SMALL.replace("{path}", "{Path}"), "path_template: '{Path}' is not a path with columns"),
        (SMALL.replace("{path}", "{path"), "path_template: '{path' is not a path with columns"),
        (
            SMALL.replace('{name = "g"}', ""),
            "bands: there are no bands; a release has at least one",
        ),
        (SMALL.replace('[{name = "g"}]', '"g"'), "bands: expected a list, found 'g'"),
        (SMALL.replace('{name = "g"}', '"g"'), "bands[1]: expected a table, found 'g'"),
        (SMALL.replace('{name = "g"}', '{name = "g"}, {name = "g"}'), "bands: 'g' occurs twice"),
        (SMALL.replace('"g"}', '"g", nam = 1}'), "bands[1].nam: no such key; did you mean 'name'?"),
        (SMALL.replace('"g"}', '"g", wavelength_m = [5e-7, 4e-7]}'), "bands[1].wavelength_m: "),
        (SMALL.replace('"g"}', '"g", wavelength_m = [0, 4e-7]}'), "bands[1].wavelength_m[1]: 0 is"),
        (SMALL.replace('"g"}', '"g", wavelength_m = [4e-7]}'), "bands[1].wavelength_m[2]: is miss"),
        (SMALL + "colour = 1\n", "colour: no such key; known here: acknowledgement, bands, data"),
        (SMALL + "titel = 1\n", "titel: no such key; did you mean 'title'?"),
        (SMALL + "source = 'x'\n", "source: no such key; "),
        (SMALL + "default = 1\n", "default: expected true or false, found 1"),
        (SMALL + "default = 'yes'\n", "default: expected true or false, found 'yes'"),
        (SMALL + "zero_point_mag = '30'\n", "zero_point_mag: expected a number, found '30'"),
        (SMALL + "tile_size_px = ['10', 20]\n", "tile_size_px[1]: expected an integer, found '10'"),
        (SMALL + "tile_size_px = [10, 20, 1]\n", "tile_size_px: 3 values found; allowed: 2"),
        (
            SMALL + "pixel_scale_arcsec = -1\n",
            "pixel_scale_arcsec: -1 is out of bounds; allowed: a",
        ),
        (
            SMALL + "pixel_scale_arcsec = nan\n",
            "pixel_scale_arcsec: expected a finite number, foun",
        ),
        (SMALL + "zero_point_mag = inf\n", "zero_point_mag: expected a finite number, found inf"),
        (SMALL + "tile_size_px = [10, 0]\n", "tile_size_px[2]: 0 is out of bounds; allowed: at le"),
        (SMALL + "mask_no_data_bit = -1\n", "mask_no_data_bit: -1 is out of bounds; allowed: at l"),
        (
            SMALL + "mask_no_data_bit = 3\n",
            "mask_no_data_bit: 3 is not a single bit; expected 0, 1, 2",
        ),
        (SMALL + "[limits]\nsize_max_arcmin = 0.05\n", "limits: size_min_arcmin = 0.1 exceeds siz"),
        (
            SMALL + "[limits]\nsize = 1\n",
            "limits.size: no such key; known here: size_max_arcmin, s",
        ),
        (SMALL + "[[planes]]\nrole = 'SCI'\n", "planes[1].hdu: is missing"),
        (
            SMALL + "[[planes]]\nrole = 'S'\nhdu = -1\n",
            "planes[1].hdu: found -1; expected a name",
        ),
        (
            SMALL + "[defaults]\nxsize = 1\n",
            "defaults.xsize: 'xsize' is not an option's name ([A-Z]",
        ),
        (SMALL + "[defaults]\nXSIZE = [1]\n", "defaults.XSIZE: expected text, found [1]"),
        (SMALL + "[tile_patterns]\nx = '('\n", "tile_patterns.x: '(' is not a regular expression"),
        (SMALL + "[tile_patterns]\nx = 'a'\n", "tile_patterns.x: 'a' has no named groups"),
        (SMALL + "[object_columns]\nid = 'ID'\n", "object_columns.id: 'id' is not a catalogue's c"),
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
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: \[Errno 2\]"):
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


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "a.toml"
    release = replace(WHOLE, title=text, acknowledgement=text, defaults={"XSIZE": text})
    write_release(release, path)
    assert replace(parse_release(path), source=None) == release


def test_what_is_0_or_empty_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    release = replace(WHOLE, zero_point_mag=0.0, name_prefix="", planes=(), defaults={}, unit="")
    write_release(release, path)
    assert replace(parse_release(path), source=None) == release


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
