"""Pictures that rows make: painted, turned, placed on the sky, small ones for galleries."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from PIL import Image
from pyavm import AVM

from soda_service.cutouts.pictures import Painter, PictureSettings
from soda_service.engine.colour.stiff import StiffSettings, stiff
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

BOTH = {
    "make_fits": False,
    "discard_fits_files": True,
    "make_rgb_lupton": True,
    "make_rgb_stiff": True,
}
STIFF = BOTH | {"make_rgb_lupton": False}
TRIPLETS = {"RGB_LUPTON_COLORS": "irg", "RGB_STIFF_COLORS": "irg"}


def three_bands(folder: Path, **cards: object) -> Scene:
    bands = {band: plain(tan_header(SHAPE, **cards)) for band in "irg"}
    return scene(folder, bands, defaults={"COLORS_FITS": "i", **TRIPLETS})


def picture_of(made: Scene, ending: str) -> NDArray[np.uint8]:
    (data,) = (data for path, data in made.saved.items() if path.endswith(ending))
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    "cards",
    [{}, {"is_mirrored": True}, {"angle_deg": 90.0}, {"angle_deg": 98.0, "is_mirrored": True}],
    ids=["upright", "mirrored", "turned", "turned-and-mirrored"],
)
@pytest.mark.parametrize("ending", ["stiff.png", "lupton.png", "stiff.jpg"])
def test_a_star_is_at_its_place_on_the_sky(
    tmp_path: Path, cards: dict[str, float], ending: str
) -> None:
    made = three_bands(tmp_path, **cards)
    star = 47, 38
    for band in "irg":
        with fits.open(tmp_path / f"T1_{band}.fits", mode="update") as file:
            file[0].data[star[1], star[0]] = 1e5
    wcs = WCS(tan_header(SHAPE, **cards))
    ra, dec = (float(angle) for angle in wcs.all_pix2world(*star, 0))
    outcome = made.cut(
        xpix=30, ypix=20, **BOTH, response_format="jpeg" if ending.endswith("jpg") else ""
    )
    assert (outcome.status, outcome.message) == ("ok", "")
    picture = picture_of(made, ending)
    row, column = np.unravel_index(picture.sum(axis=2).argmax(), picture.shape[:2])
    (path,) = (path for path in made.saved if path.endswith(ending) and "thumb" not in path)
    file = tmp_path / f"picture{Path(path).suffix}"
    file.write_bytes(made.saved[path])
    avm = AVM.from_image(str(file))
    # AVM counts rows from the bottom, from 1, as FITS does.
    x, y = avm.to_wcs().all_world2pix(ra, dec, 1)
    assert (x, y) == pytest.approx((column + 1, picture.shape[0] - row), abs=0.1)
    height, width = picture.shape[:2]
    assert tuple(avm.Spatial.ReferenceDimension) == (width, height)


def test_a_picture_says_what_it_is(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    made.release = replace(made.release, acknowledgement="Thanks to A & B.")
    made.cut(**STIFF)
    (data,) = made.saved.values()
    (tmp_path / "picture.png").write_bytes(data)
    avm = AVM.from_image(str(tmp_path / "picture.png"))
    assert (avm.Title, avm.Credit) == ("J0200-20", "Thanks to A & B.")
    assert list(avm.Spectral.ColorAssignment) == ["Red", "Green", "Blue"]
    assert list(avm.Spectral.Bandpass) == ["i", "r", "g"]


def test_pictures_use_the_settings(tmp_path: Path) -> None:
    settings = StiffSettings(gamma=1.0, saturation=2.0)
    made = three_bands(tmp_path)
    made.pictures = PictureSettings({"stiff": settings})
    made.cut(**STIFF)
    planes = []
    for band in "irg":
        with fits.open(tmp_path / f"T1_{band}.fits") as file:
            planes.append(file[0].data[35:45, 40:60].astype("f4"))
    np.testing.assert_array_equal(picture_of(made, "stiff.png"), stiff(planes, settings)[::-1])


# Empty pixels


def test_what_no_exposure_reached_is_black_and_does_not_count(tmp_path: Path) -> None:
    bands = {}
    for band in "irg":
        tile = extensions("SCI", "WGT")
        tile["WGT"].data = np.ones(SHAPE, "f4")
        for name in ("SCI", "WGT"):
            tile[name].data[:, :50] = 0
        tile["WGT"].data[40, 55] = 0  # the core of a star
        tile["SCI"].data[40, 55] = 1e4
        bands[band] = tile
    made = scene(tmp_path, bands, defaults={"COLORS_FITS": "i", **TRIPLETS})
    outcome = made.cut(**BOTH)
    assert outcome.status == "ok"
    for ending in ("stiff.png", "lupton.png"):
        picture = picture_of(made, ending)[::-1]
        assert not picture[:, :10].any()
        assert (picture[5, 15] > 200).all()
    planes = [np.array(bands[band]["SCI"].data[35:45, 40:60], "f4") for band in "irg"]
    for plane in planes:
        plane[:, :10] = np.nan
    np.testing.assert_array_equal(picture_of(made, "stiff.png")[::-1], stiff(planes))


@pytest.mark.parametrize("edge", ["trim", "pad"])
def test_at_the_edge_of_the_tile(tmp_path: Path, edge: str) -> None:
    made = three_bands(tmp_path)
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, edge=edge, **BOTH)
    assert outcome.status == "ok"
    assert outcome.size_px is not None
    picture = picture_of(made, "stiff.png")
    assert picture.shape[1::-1] == outcome.size_px
    if edge == "pad":
        assert not picture[:, :8].any()
    assert picture[:, -8:].any()


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "has no valid pixel"), (7.0, "is constant")]
)
def test_a_black_picture_is_told_of(tmp_path: Path, value: float, reason: str) -> None:
    made = three_bands(tmp_path)
    with fits.open(tmp_path / "T1_r.fits", mode="update") as file:
        file[0].data[:] = value
    outcome = made.cut(**STIFF)
    assert not picture_of(made, "stiff.png").any()
    assert outcome.message == f"the irg stiff picture is black: band r {reason}"


def test_a_mask_blanks_bands_on_other_grids_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = {band: plain(tan_header(SHAPE)) for band in "ir"}
    bands["g"] = plain(tan_header(SHAPE, angle_deg=30.0))
    made = scene(tmp_path, bands, defaults={"COLORS_FITS": "i", **TRIPLETS})
    seen: list[list[NDArray[np.floating]]] = []
    paint = Painter.painted

    def look(self: Painter, *given: object) -> NDArray[np.uint8]:
        seen.append(given[1])
        return paint(self, *given)

    monkeypatch.setattr(Painter, "painted", look)
    circle = f"CIRCLE {RA_DEG} {DEC_DEG} {12 * 0.263 / 3600}"
    assert made.cut(**STIFF, shape=circle, is_masked=True).status == "ok"
    red, _, green = (np.isfinite(plane) for plane in seen[0])
    assert 0.6 < red.mean() < 0.9
    np.testing.assert_array_equal(green, red)


# Missing bands


def test_a_missing_band_is_named(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    (tmp_path / "T1_r.fits").unlink()
    outcome = made.cut(**BOTH | {"make_fits": True, "discard_fits_files": True})
    assert outcome.status == "partial"
    assert "band r is missing, so no irg stiff picture was made: " in outcome.message
    assert "band r is missing, so no irg lupton picture was made: " in outcome.message
    assert [entry.kind for entry in outcome.files] == ["fits"]


# Formats


def test_grey_pictures_of_single_bands(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    outcome = made.cut(colors_fits=("i", "g"), response_format="png")
    assert [(entry.name, entry.kind, entry.media_type) for entry in outcome.files] == [
        ("J0200-20_i.png", "grey", "image/png"),
        ("J0200-20_g.png", "grey", "image/png"),
    ]
    with fits.open(tmp_path / "T1_g.fits") as file:
        expected = stiff([file[0].data[35:45, 40:60].astype("f4")])
    np.testing.assert_array_equal(picture_of(made, "20_g.png"), expected[::-1])


def test_jpeg_instead_of_png(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    outcome = made.cut(**BOTH | {"make_fits": True}, response_format="jpeg")
    assert [(entry.name, entry.media_type) for entry in outcome.files] == [
        ("J0200-20_irg_stiff.jpg", "image/jpeg"),
        ("J0200-20_irg_lupton.jpg", "image/jpeg"),
    ]


# Thumbnails


def test_each_picture_has_a_thumbnail(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    made.pictures = PictureSettings(thumbnails_rows_max=1)
    made.cut(xpix=90, ypix=45, **BOTH)
    small = {path: data for path, data in made.saved.items() if path.startswith("thumbnails/")}
    assert sorted(small) == [
        "thumbnails/J0200-20_irg_lupton.png.jpg",
        "thumbnails/J0200-20_irg_stiff.png.jpg",
    ]
    for path, data in small.items():
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", (64, 32))
            full = picture_of(made, f"T1/J0200-20/{Path(path).name.removesuffix('.jpg')}")
            assert abs(np.asarray(image).mean() - full.mean()) < 4


def test_a_row_without_picture_has_one_grey_thumbnail(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    made.pictures = PictureSettings(thumbnails_rows_max=1)
    made.cut(colors_fits=("g", "r"))
    (path,) = (path for path in made.saved if path.startswith("thumbnails/"))
    assert path == "thumbnails/J0200-20_g.fits.jpg"
    with Image.open(io.BytesIO(made.saved[path])) as image:
        assert (image.mode, image.size) == ("L", (20, 10))


def test_rows_beyond_the_limit_have_none(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    assert made.pictures.thumbnails_rows_max == 0
    made.cut(**BOTH | {"make_fits": True})
    assert made.saved
    assert not [path for path in made.saved if path.startswith("thumbnails/")]


def test_cubes_have_no_thumbnail(tmp_path: Path) -> None:
    cube = fits.HDUList([fits.PrimaryHDU(np.stack([noise(SHAPE)] * 3), tan_header(SHAPE))])
    made = scene(tmp_path, {"i": cube})
    made.pictures = PictureSettings(thumbnails_rows_max=1)
    assert made.cut().status == "ok"
    assert [Path(path).suffix for path in made.saved] == [".fits"]


def test_the_same_row_makes_the_same_bytes(tmp_path: Path) -> None:
    made = three_bands(tmp_path)
    made.cut(**BOTH)
    first = dict(made.saved)
    made.saved.clear()
    made.cut(dec_deg=DEC_DEG + 1e-4, **BOTH)
    made.saved.clear()
    made.cut(**BOTH)
    assert made.saved == first
