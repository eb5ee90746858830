import numpy as np
import pytest

from soda_service.formats import FORMATS, format_of, picture_formats
from soda_service.formats.format import Encoding, SkyText
from soda_service.request.parsing import InvalidText, parse_value
from soda_service.request.table import PARAMETERS
from soda_service.sky.release import Release

RELEASE = Release("R", "", (), "", "")


def test_formats_by_name() -> None:
    assert {name: (row.media_type, row.suffix) for name, row in FORMATS.items()} == {
        "fits": ("application/fits", ".fits"),
        "png": ("image/png", ".png"),
        "jpeg": ("image/jpeg", ".jpg"),
    }
    assert [row.name for row in picture_formats()] == ["png", "jpeg"]


@pytest.mark.parametrize("text", ["gif", "image/fit", "fits,png", ".png"])
def test_unknown_format(text: str) -> None:
    with pytest.raises(InvalidText, match="allowed: fits or png or jpeg or xml or json"):
        parse_value(PARAMETERS["RESPONSEFORMAT"], text, release=RELEASE)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FITS", "fits"),
        ("image/fits", "fits"),
        ("application/fits", "fits"),
        (" image/PNG ", "png"),
        ("jpeg", "jpeg"),
        ("jpg", "jpeg"),
        ("image/jpg", "jpeg"),
    ],
)
def test_words_for_formats(text: str, name: str) -> None:
    assert parse_value(PARAMETERS["RESPONSEFORMAT"], text, release=RELEASE) == name


@pytest.mark.parametrize(
    ("name", "found"),
    [("J1_g.fits", "fits"), ("J1_g.fits.jpg", "jpeg"), ("a.png", "png"), ("a.fits.fz", None)],
)
def test_format_of_a_file(name: str, found: str | None) -> None:
    row = format_of(name)
    assert (None if row is None else row.name) == found


@pytest.mark.parametrize("row", picture_formats(), ids=lambda row: row.name)
def test_pictures_have_their_place_on_the_sky_inside(row: object) -> None:
    sky = SkyText("<x:xmpmeta>π</x:xmpmeta>", "CTYPE1  = 'RA---TAN'")
    data = row.encode(np.zeros((8, 9, 3), "u1"), sky, Encoding())
    assert sky.xmp.encode() in data
    assert sky.wcs.encode() in data
