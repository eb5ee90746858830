"""SPEC sections 1 and 3, EDGE=mosaic: whole cutouts from several tiles, and what they say of it."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.mosaicking.mosaic import Patch, fill_holes
from soda_service.engine.mosaicking.overlap import relate
from soda_service.engine.wcs.footprint import sky_grid
from soda_service.pixels.reader import TileReader
from soda_service.results.rows import Outcome
from tests.unit.analytic import PEAK, AnalyticSky
from tests.unit.cutouts.mosaics import (
    Survey,
    box_sky,
    common_header,
    four_tiles,
    own_header,
    survey,
)
from tests.unit.skyimages import REALSKY

RA, DEC = 30.0, -60.0
CORNERS = [(-90, -110), (-10, -110), (-90, -10), (-10, -10)]
ERROR = 0.008 * PEAK


@dataclass
class Cut:
    outcome: Outcome
    data: bytes

    def opened(self) -> fits.HDUList:
        file = fits.open(io.BytesIO(self.data), checksum=True)
        file.verify("exception")
        return file


@pytest.fixture(scope="module")
def sky() -> AnalyticSky:
    return AnalyticSky(RA, DEC, radius_arcsec=25)


@pytest.fixture
def four(tmp_path: Path, sky: AnalyticSky) -> Survey:
    """Four tiles that touch the sky at their own centres and meet around the position."""
    headers = [
        own_header(x + 0.37 * n, y - 0.21 * n, angle_deg=0.4 * n)
        for n, (x, y) in enumerate(CORNERS)
    ]
    return survey(tmp_path, four_tiles(sky, headers))


def cut(made: Survey, *, tile: str = "A", **options: object) -> Cut:
    """Cut 80 x 70 pixels across the corner, as a job does."""
    saved: dict[str, bytes] = {}

    def save(path: str, data: object) -> None:
        saved[path] = bytes(memoryview(data))

    row = made.row(RA, DEC, tile, 80, 70)
    row = replace(row, options=replace(row.options, **options))
    cutter = Cutter(TileGeometry(made.release, made.geometry.index, TileReader()), save)
    outcome = cutter.cut(row)
    (data,) = saved.values()
    return Cut(outcome, data)


def test_the_other_edges_stay_what_they_are(four: Survey) -> None:
    trimmed, padded = cut(four, edge="trim"), cut(four, edge="pad")
    assert padded.outcome.size_px == (80, 70)
    assert trimmed.outcome.size_px != (80, 70)
    for found in (trimmed, padded):
        assert found.outcome.coverage is not None
        assert found.outcome.coverage < 0.5
        with found.opened() as file:
            assert not [keyword for keyword in file[0].header if keyword.startswith("MOS")]


def test_a_cutout_across_the_corner_of_four_tiles_is_whole(four: Survey, sky: AnalyticSky) -> None:
    found = cut(four, edge="mosaic")
    assert (found.outcome.status, found.outcome.coverage) == ("ok", 1.0)
    assert found.outcome.size_px == (80, 70)
    assert found.outcome.message.startswith("filled from tiles ")
    filled = four.fill(RA, DEC, size=(80, 70))
    with found.opened() as file:
        assert [hdu.name for hdu in file] == ["SCI", "MSK", "WGT"]
        assert np.abs(file[0].data - box_sky(filled, sky)).max() < ERROR
        assert np.unique(file[1].data).tolist() == [1, 2, 4, 8]
        assert file[2].data == pytest.approx(0.25, rel=1e-6)
        for hdu in file:
            header = hdu.header
            assert header["PARTILE"] == "A"
            tiles = [header[f"MOSAIC{n}"] for n in (1, 2, 3)]
            assert sorted(tiles) == ["B", "C", "D"]
            assert "MOSAIC4" not in header
            assert {header[f"MOSHOW{n}"] for n in (1, 2, 3)} == {"resampled"}
            assert [header[f"MOSFAC{n}"] for n in (1, 2, 3)] == pytest.approx([1.0] * 3, abs=1e-6)
            # Each filled as many pixels as have its mask.
            for n, tile in enumerate(tiles, 1):
                mask = 1 << "ABCD".index(tile)
                assert header[f"MOSPIX{n}"] == np.count_nonzero(file[1].data == mask)


def test_the_same_row_gives_the_same_bytes(four: Survey) -> None:
    assert cut(four, edge="mosaic").data == cut(four, edge="mosaic").data


def test_what_no_tile_has_is_padded(tmp_path: Path, sky: AnalyticSky) -> None:
    headers = [common_header(*first) for first in CORNERS[:3]]
    three = survey(
        tmp_path, four_tiles(sky, [*headers, common_header(500, 500)]), mask_no_data_bit=64
    )
    found = cut(three, edge="mosaic")
    assert found.outcome.coverage is not None
    with found.opened() as file:
        nowhere = np.isnan(file[0].data)
        assert nowhere.sum() == 30 * 25
        assert found.outcome.coverage == pytest.approx(1 - nowhere.mean())
        assert np.unique(file[1].data[nowhere]).tolist() == [64]
        assert np.unique(file[2].data[nowhere]).tolist() == [0.0]
        assert not (file[1].data[~nowhere] & 64).any()


def test_a_missing_neighbour_is_told(four: Survey, tmp_path: Path) -> None:
    (tmp_path / "D_g.fits").unlink()
    found = cut(four, edge="mosaic")
    assert "not filled from tile D: " in found.outcome.message
    assert str(tmp_path) not in found.outcome.message
    assert found.outcome.coverage is not None
    assert 0.7 < found.outcome.coverage < 0.9
    assert len(found.outcome.files) == 1


def test_real_stars_of_another_survey_come_to_their_places() -> None:
    """DES and Pan-STARRS show the same field with opposite parity and another scale."""
    paths = [REALSKY / "des_sn2006bh" / "DES_r.fits", REALSKY / "ps1_sn2006bh" / "PS1_r.fits"]
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path.name} of the real sky images is not beside the repository")
    (des, des_header), (ps1, ps1_header) = (fits.getdata(path, header=True) for path in paths)
    box, other_box = PixelBox(0, 241, 0, 241), PixelBox(0, 240, 0, 240)
    result, plain = np.full(des.shape, np.nan, "f4"), TextHeader(())
    target = Patch(sky_grid(des_header), box, (Image(result, plain),))
    source = Patch(sky_grid(ps1_header), other_box, (Image(ps1, plain),))
    relation = relate(target.grid, box, source.grid)
    assert relation.manner == "resampled"
    assert relation.pixel_ratio == pytest.approx((0.263 / 0.25) ** 2, rel=5e-3)
    holes = np.ones(des.shape, bool)
    fill_holes(target, holes, source, relation, factor=1.0, no_data_bit=0)
    there = np.isfinite(result)
    assert there.mean() > 0.85
    bright = there & (des > np.quantile(des, 0.98))
    assert np.median(result[bright]) > np.quantile(result[there], 0.95)
    # The two surveys' own headers are a pixel apart (README of the images); a wrong parity, scale
    # or centre would be off by dozens.
    assert _shift_px(des, np.where(there, result, np.median(result[there]))) <= 1


def _shift_px(first: np.ndarray, second: np.ndarray) -> float:
    """Give by how many pixels two images of the same stars are apart: their correlation's peak."""
    planes = [np.clip(each - np.median(each), 0, 20 * np.std(each)) for each in (first, second)]
    spectra = [np.fft.fft2(each) for each in planes]
    correlation = np.fft.ifft2(spectra[0] * np.conj(spectra[1])).real
    peak = np.unravel_index(correlation.argmax(), correlation.shape)
    return max(min(n, size - n) for n, size in zip(peak, correlation.shape, strict=True))
