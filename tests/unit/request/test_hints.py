import pytest

from soda_service.request.hints import suggest
from soda_service.request.table import PARAMETERS, option_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FITS_COLORS", "COLORS_FITS"),
        ("fits_color", "COLORS_FITS"),
        ("colours fits", "COLORS_FITS"),
        ("COLORS", "COLORS_FITS"),
        ("BAND", "COLORS_FITS"),
        ("size", "XSIZE"),
        ("x_size", "XSIZE"),
        ("MAKE_LUPTON", "MAKE_RGB_LUPTON"),
        ("redshift", None),
        ("z", None),
        ("ra_err", None),
        ("dec2", None),
        ("name", None),
        ("PIXEL", None),
        ("", None),
        ("X" * 1000, None),
    ],
    ids=lambda value: str(value)[:20] or "empty",
)
def test_suggest_an_option_for_a_column(name: str, expected: object) -> None:
    assert suggest(name, option_names()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NAME", "JOBNAME"),
        ("FORMAT", "RESPONSEFORMAT"),
        ("POSITION", "POSITIONS"),
        ("RELASE", "RELEASE"),
        ("OBJECT_ID", "COADD_OBJECT_ID"),
        ("MAXREC", None),
    ],
    ids=str,
)
def test_suggest_a_parameter_of_a_job(name: str, expected: object) -> None:
    assert suggest(name, PARAMETERS) == expected
