import pytest

from soda_service.formats import FORMATS, find_format


def test_formats_by_name() -> None:
    assert {name: (row.media_type, row.suffix) for name, row in FORMATS.items()} == {
        "fits": ("application/fits", ".fits"),
        "png": ("image/png", ".png"),
        "jpeg": ("image/jpeg", ".jpg"),
    }


@pytest.mark.parametrize("text", ["", "gif", "image/fit", "fits,png", ".png"])
def test_unknown_format(text: str) -> None:
    assert find_format(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FITS", "fits"),
        ("image/fits", "fits"),
        ("application/fits", "fits"),
        (" image/PNG ; q=1", "png"),
        ("jpeg", "jpeg"),
        ("image/jpg", "jpeg"),
    ],
)
def test_find_format(text: str, name: str) -> None:
    assert find_format(text) is FORMATS[name]
