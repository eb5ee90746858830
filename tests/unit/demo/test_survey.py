import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from soda_service.demo import survey
from soda_service.demo.planes import BrightStar
from soda_service.demo.survey import RELEASE, TILES, is_made, make_survey
from soda_service.pixels.paths import locate, logical_dir
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases

REAL_TILES = Path(__file__).resolve().parents[4] / "shared/realsky/des_tables/des_tiles.csv"
MAIN, SMALL = TILES
STAR = BrightStar(80, 250, bleed_px=60)
TINY = tuple(replace(tile, size_px=320, bright_star=STAR) for tile in TILES)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILES", TINY)
        make_survey(
            folder,
            catalogue_url=f"sqlite:///{folder / 'soda.db'}",
            progress=lambda done, total: seen.append((done, total)),
        )
    assert seen == [(done, 10) for done in range(1, 11)]
    return folder


def made_file(data: Path, band: str = "g") -> Path:
    return data / "survey" / MAIN.file(band)


def test_tiles_are_those_of_the_real_survey() -> None:
    if not REAL_TILES.exists():
        pytest.skip("the table of real DES tiles is not beside the repository")
    with REAL_TILES.open() as stream:
        rows = {row["TILENAME"]: row for row in csv.DictReader(stream)}
    for tile in TILES:
        row = rows[tile.name]
        centre = tuple(float(row[name]) for name in ("RA_CENT", "DEC_CENT"))
        unique = tuple(float(row[n]) for n in ("URAMIN", "URAMAX", "UDECMIN", "UDECMAX"))
        assert ((tile.ra_deg, tile.dec_deg), tile.unique) == (centre, unique)


def test_files_are_named_as_in_the_real_release() -> None:
    folder = "Y3A1/r2624/DES0126+0335/p01/coadd"
    assert MAIN.file("Y") == f"{folder}/DES0126+0335_r2624p01_Y.fits.fz"
    assert SMALL.folder == "Y3A1/r2674/DES0305-3415/p01/coadd"


@pytest.mark.parametrize(
    ("tile", "ra_deg", "dec_deg"),
    [
        pytest.param(MAIN, 21.58813, 3.48611, id="first"),
        pytest.param(MAIN, 21.57213, 3.78611, id="second"),
        pytest.param(SMALL, 46.29566, -34.256, id="third"),
        pytest.param(SMALL, 46.275669, -34.256, id="fourth"),
    ],
)
def test_the_example_lies_whole_on_the_tiles(
    tile: survey._Tile, ra_deg: float, dec_deg: float
) -> None:
    x, y = WCS(survey._wcs_header(tile)).all_world2pix(ra_deg, dec_deg, 0)
    half = 1.5 * 60 / 0.263 / 2
    assert half < x < tile.size_px - half
    assert half < y < tile.size_px - half
    assert any((p.ra_deg, p.dec_deg) == (ra_deg, dec_deg) for p in tile.showpieces)


def test_the_main_tile_is_as_large_as_promised() -> None:
    assert MAIN.size_px >= 6000


def test_a_file_is_laid_out_as_in_des(data: Path) -> None:
    with fits.open(made_file(data), disable_image_compression=True) as hdus:
        assert hdus[0].data is None
        assert [hdu.name for hdu in hdus[1:]] == ["SCI", "MSK", "WGT"]
        names = ("ZCMPTYPE", "ZTILE1", "ZTILE2", "ZBITPIX")
        assert [tuple(hdu.header[name] for name in names) for hdu in hdus[1:]] == [
            ("RICE_1", 320, 1, -32),
            ("RICE_1", 320, 1, 32),
            ("RICE_1", 320, 1, -32),
        ]
        for role in ("SCI", "WGT"):
            assert hdus[role].header["ZQUANTIZ"] == "SUBTRACTIVE_DITHER_2"
            # Every row was quantised: none fell back to gzip.
            assert min(len(row) for row in hdus[role].data["COMPRESSED_DATA"]) > 0


@pytest.mark.parametrize("role", ["SCI", "MSK", "WGT"])
def test_every_plane_says_where_and_what_it_is(data: Path, role: str) -> None:
    with fits.open(made_file(data, "Y")) as hdus:
        header = hdus[role].header
        wcs = WCS(header)
    assert wcs.wcs.has_cd()
    np.testing.assert_allclose(wcs.wcs.cd * 3600, [[-0.263, 0], [0, 0.263]], atol=1e-12)
    assert wcs.wcs.crpix.tolist() == [160.5, 160.5]
    assert wcs.wcs.crval.tolist() == [MAIN.ra_deg, MAIN.dec_deg]
    names = ("TILENAME", "BAND", "MAGZERO", "BUNIT", "RA_CENT", "DEC_CENT", "CROSSRA0")
    assert [header[name] for name in names] == [
        "DES0126+0335", "Y", 30.0, "electrons", 21.578133, 3.586111, "N",
    ]  # fmt: skip
    corners = [(header[f"RAC{n}"], header[f"DECC{n}"]) for n in range(1, 5)]
    outline = wcs.calc_footprint(center=False)
    np.testing.assert_allclose(corners, outline[[0, 3, 2, 1]], atol=1e-9)


def test_compression_loses_a_small_part_of_the_noise(data: Path) -> None:
    made = survey.make_planes(
        (320, 320),
        "r",
        MAIN.seed,
        sources=survey._sources(TINY[0]),
        bright_star=STAR,
    )
    with fits.open(made_file(data, "r")) as hdus:
        off = hdus["SCI"].data - made["SCI"]
        np.testing.assert_array_equal(hdus["MSK"].data, made["MSK"])
    assert np.median(np.abs(off)) < 4.0 / 16


def test_the_same_file_has_the_same_bytes(data: Path, tmp_path: Path) -> None:
    survey._write_file(tmp_path, TINY[0], "g")
    assert (tmp_path / MAIN.file("g")).read_bytes() == made_file(data).read_bytes()


def test_no_part_of_a_file_is_left(data: Path) -> None:
    files = sorted(path for path in (data / "survey").rglob("*") if path.is_file())
    wanted = {data / "survey" / tile.file(band) for tile in TILES for band in "grizY"}
    assert set(files) == wanted


def test_the_release_serves_these_files(data: Path) -> None:
    releases = Releases([data / "releases"])
    release = releases.default()
    assert (release.name, release.database, release.title) == (
        "DR1", "DESDR", "Synthetic sky in DES DR1 geometry",
    )  # fmt: skip
    index = releases.index(release)
    numbers = index.find(np.array([21.58813, 46.29566]), np.array([3.48611, -34.256]))
    found = [index.tile(int(number)) for number in numbers]
    assert [tile.name for tile in found] == ["DES0126+0335", "DES0305-3415"]
    assert Path(locate(release, found[0], "Y").path).samefile(made_file(data, "Y"))
    assert logical_dir(release, found[0]) == "Y3A1/r2624/DES0126+0335/p01/coadd/"


def test_the_catalogue_knows_the_objects_of_the_example(data: Path) -> None:
    catalogue = ObjectCatalogue(f"sqlite:///{data / 'soda.db'}")
    found = catalogue.find("DR1", [61407409, 61407435, 1])
    catalogue.dispose()
    assert {number: entry.tilename for number, entry in found.items()} == {
        61407409: "DES0126+0335",
        61407435: "DES0305-3415",
    }
    entry = found[61407409]
    assert (entry.alphawin_deg, entry.deltawin_deg) == pytest.approx(
        (21.6304127, 3.5712304), abs=1e-9
    )
    off_arcsec = 3600 * np.hypot(entry.ra_deg - 21.6304127, entry.dec_deg - 3.5712304)
    assert 0.01 < off_arcsec < 0.5


@pytest.mark.parametrize("tile", TILES, ids=[tile.name for tile in TILES])
def test_catalogue_objects_are_made_objects_inside_the_tile(tile: survey._Tile) -> None:
    entries = list(survey._objects(tile))
    assert len({entry.id for entry in entries}) == len(entries) == 200 + len(tile.showpieces)
    places = {(source.x, source.y) for source in survey._sources(tile)}
    wcs = WCS(survey._wcs_header(tile))
    sky = [(entry.alphawin_deg, entry.deltawin_deg) for entry in entries]
    pixels = wcs.all_world2pix(np.array(sky), 0)
    nearest = np.array(sorted(places))
    off = [np.hypot(*(nearest - pixel).T).min() for pixel in pixels]
    assert max(off) < 1e-5
    assert pixels.min() > -0.5
    assert pixels.max() < tile.size_px - 0.5
    assert [round(entry.ra_deg, 6) for entry in entries] == [entry.ra_deg for entry in entries]


def test_numbers_of_the_two_tiles_differ() -> None:
    ids = [entry.id for tile in TILES for entry in survey._objects(tile)]
    assert len(set(ids)) == len(ids)


def test_a_survey_is_made_when_release_and_all_files_are_there(tmp_path: Path) -> None:
    assert not is_made(tmp_path)
    wanted = [tmp_path / "releases/dr1.toml"]
    wanted += [tmp_path / "survey" / tile.file(band) for tile in TILES for band in "grizY"]
    for path in wanted:
        assert not is_made(tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert is_made(tmp_path)


def test_a_survey_that_failed_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "TILES", TINY)
    monkeypatch.setattr(survey, "_write_files", lambda *_: (_ for _ in ()).throw(OSError("full")))
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "dr1.toml").touch()
    with pytest.raises(OSError, match="full"):
        make_survey(tmp_path, catalogue_url=f"sqlite:///{tmp_path / 'soda.db'}")
    assert not (tmp_path / "releases" / "dr1.toml").exists()


def test_the_release_has_the_bands_and_planes_of_des() -> None:
    assert RELEASE.band_names == ("g", "r", "i", "z", "Y")
    assert [plane.role for plane in RELEASE.planes] == ["SCI", "MSK", "WGT"]
    assert (RELEASE.name_prefix, RELEASE.is_default) == ("DESJ", True)
