from dataclasses import fields, replace

import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.units import Unit

from soda_service.engine.colour.methods import METHODS
from soda_service.request.options import default_options
from soda_service.request.spec import Kind, ParameterSpec, Scope, bounds, describe_allowed
from soda_service.request.table import PARAMETERS, POSITION_NAMES, option_names
from soda_service.request.values import OPTION_FIELDS, CutoutOptions
from soda_service.sky.release import Release

_BANDS = "bands of DR1 (g, r, i, z, Y)"


def test_every_parameter_is_there() -> None:
    names = (
        "RELEASE DB POSITIONS RA DEC COADD_OBJECT_ID "
        "ID POS CIRCLE POLYGON BAND TIME POL MASK XSIZE YSIZE XPIX YPIX EDGE MAKE_FITS "
        "COLORS_FITS PLANES DISCARD_FITS_FILES MAKE_RGB_STIFF RGB_STIFF_COLORS MAKE_RGB_LUPTON "
        "RGB_LUPTON_COLORS RGB_MINIMUM RGB_STRETCH RGB_ASINH JOBNAME RUNID EMAIL WEBHOOK "
        "RESPONSEFORMAT"
    )
    assert tuple(PARAMETERS) == tuple(names.split())


def test_options_are_the_fields_of_cutout_options(des: Release) -> None:
    own = {name for method in METHODS.values() for name in method.option_names}
    assert set(OPTION_FIELDS) | own == set(option_names())
    others = {"response_format", "values"}
    assert {*OPTION_FIELDS.values(), *others} == {field.name for field in fields(CutoutOptions)}
    assert [name for name, _ in default_options(des).values] == [
        name for name in option_names() if name in own
    ]


def test_positions_are_given_in_three_parameters() -> None:
    assert POSITION_NAMES == ("RA", "DEC", "COADD_OBJECT_ID")


@pytest.mark.parametrize("spec", PARAMETERS.values(), ids=PARAMETERS)
def test_spec_is_fit_for_descriptors(spec: ParameterSpec, des: Release) -> None:
    assert spec.description.endswith(".")
    assert describe_allowed(spec, des)
    if spec.ucd:
        parse_ucd(spec.ucd, check_controlled_vocabulary=True)
    if spec.unit:
        Unit(spec.unit, format="vounit")
    if spec.kind is Kind.WORD:
        assert spec.choices
        assert set(spec.aliases.values()) <= set(spec.choices)
    assert bool(spec.default) <= (spec.scope is Scope.OPTION)


def test_defaults_of_the_system_are_those_of_the_specification(des: Release) -> None:
    assert default_options(des) == CutoutOptions(
        xsize_arcmin=1.0,
        ysize_arcmin=1.0,
        xpix=None,
        ypix=None,
        edge="trim",
        make_fits=True,
        colors_fits=("i",),
        discard_fits_files=False,
        planes=(),
        values=(
            *(("MAKE_RGB_STIFF", False), ("RGB_STIFF_COLORS", (("i", "r", "g"),))),
            *(("MAKE_RGB_LUPTON", False), ("RGB_LUPTON_COLORS", (("i", "r", "g"),))),
            *(("RGB_MINIMUM", 1.0), ("RGB_STRETCH", 50.0), ("RGB_ASINH", 10.0)),
        ),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XSIZE", (0.1, 12.0)),
        ("YPIX", (1, 2738)),
        ("DEC", (-90, 90)),
        ("RA", (-1_000_000, 1_000_000)),
        ("RGB_MINIMUM", (-1e30, 1e30)),
        ("RGB_STRETCH", (1e-36, 1e30)),
        ("COADD_OBJECT_ID", (0, 9223372036854775807)),
    ],
    ids=str,
)
def test_bounds(name: str, expected: object, des: Release) -> None:
    assert bounds(PARAMETERS[name], des) == expected


def test_size_in_pixels_has_a_bound_even_where_the_scale_is_unknown(wise: Release) -> None:
    assert bounds(PARAMETERS["XPIX"], wise) == (1, 20_000)


def test_size_in_pixels_has_a_bound_however_fine_the_pixels(wise: Release) -> None:
    assert bounds(PARAMETERS["XPIX"], replace(wise, pixel_scale_arcsec=0.001)) == (1, 20_000)


def test_size_in_pixels_is_at_least_one(wise: Release) -> None:
    coarse = replace(wise, pixel_scale_arcsec=1e6)
    assert bounds(PARAMETERS["XPIX"], coarse) == (1, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XSIZE", "number from 0.1 to 12.0 arcmin"),
        ("XPIX", "integer from 1 to 2738 pixel"),
        ("RA", "number from -1000000 to 1000000 deg"),
        ("RGB_MINIMUM", "number from -1e+30 to 1e+30"),
        ("RGB_ASINH", "number from 1e-36 to 1e+30"),
        ("MAKE_FITS", "true, false, t, f, yes, no, 1 or 0"),
        ("EDGE", "trim or pad or mosaic"),
        ("COLORS_FITS", f"{_BANDS}, each at most once"),
        (
            "RGB_STIFF_COLORS",
            f"three different {_BANDS} per picture; separate pictures by ; without repeats",
        ),
        ("RUNID", "at most 64 characters"),
        ("EMAIL", "an address like name@example.org, at most 254 characters"),
        ("POSITIONS", "CSV with a header row, or a VOTable"),
    ],
    ids=str,
)
def test_describe_allowed(name: str, expected: object, des: Release) -> None:
    assert describe_allowed(PARAMETERS[name], des) == expected
