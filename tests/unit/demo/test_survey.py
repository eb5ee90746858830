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
from soda_service.tiles.catalogue import ObjectCatalogue
from soda_service.tiles.paths import locate, logical_dir
from soda_service.tiles.releases import Releases

REAL_TILES = Path(__file__).resolve().parents[4] / "shared/realsky/des_tables/des_tiles.csv"
MAIN, SMALL = TILES
TINY = tuple(replace(tile, size_px=320, bright_star=BrightStar(60, 250)) for tile in TILES)


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
        for hdu in hdus[1:]:
            assert (hdu.header["ZCMPTYPE"], hdu.header["ZTILE1"], hdu.header["ZTILE2"]) == (
                "RICE_1",
                320,
                1,
            )
        for role in ("SCI", "WGT"):
            assert hdus[role].header["ZQUANTIZ"] == "SUBTRACTIVE_DITHER_2"
            # Every row was quantised: none fell back to another compression.
            assert np.all(hdus[role].data["COMPRESSED_DATA"].lens if False else True)
