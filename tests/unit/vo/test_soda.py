"""What SODA takes, as parameters of descriptors (SODA-28 to SODA-30, CLIENTS: pyvo)."""

import io
import warnings
from dataclasses import replace

import pytest
from astropy.io.votable import parse

from soda_service.engine.wcs.position import Circle, Polygon
from soda_service.formats.votable import Descriptor, Field, Param, Table, write_votable
from soda_service.request.spec import Described, Kind, ParameterSpec, Scope
from soda_service.request.table import PARAMETERS, option_names
from soda_service.vo.soda import SYNC_ID, Coverage, soda_input_params
from tests.unit.vo.conftest import BARE, FULL


def by_name(params: tuple[Param, ...]) -> dict[str, Param]:
    named = {param.field.name: param for param in params}
    assert len(named) == len(params)
    return named


STANDARD = {
    "ID": ("char", "*", "", "meta.id;meta.dataset", ""),
    "CIRCLE": ("double", "3", "deg", "pos.outline;obs", "circle"),
    "POLYGON": ("double", "*", "deg", "pos.outline;obs", "polygon"),
    "POS": ("char", "*", "", "pos.outline;obs", ""),
    "BAND": ("double", "2", "m", "em.wl;stat.interval", "interval"),
    "TIME": ("double", "2", "d", "time.interval;obs.exposure", "interval"),
    "POL": ("char", "*", "", "meta.code;phys.polarization", ""),
}


@pytest.mark.parametrize("name", STANDARD)
def test_soda_28_standard_parameters(name: str) -> None:
    field = by_name(soda_input_params([FULL], id_ref="did"))[name].field
    found = (field.datatype, field.arraysize, field.unit, field.ucd, field.xtype)
    assert found == STANDARD[name]


def test_soda_28_a_generic_descriptor() -> None:
    params = by_name(soda_input_params([FULL], id_ref="did"))
    assert list(params) == [
        *STANDARD,
        *(
            "MASK",
            "PLANES",
            "MAKE_RGB_STIFF",
            "RGB_STIFF_COLORS",
            "MAKE_RGB_LUPTON",
            "RGB_LUPTON_COLORS",
        ),
        *("RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH", "RESPONSEFORMAT"),
    ]
    assert (params["ID"].field.ref, params["ID"].value) == ("did", "")
    assert all(not param.minimum and not param.maximum for param in params.values())
    assert params["POL"].options == ("I",)
    assert params["PLANES"].options == ("SCI", "MSK", "WGT")
    assert params["RESPONSEFORMAT"].options == ("fits", "png", "jpeg")


def test_soda_29_the_ranges_of_a_data_set() -> None:
    coverage = Coverage(
        Circle(21.5, -3.5, 0.75),
        Polygon(((21.0, 3.0), (22.0, 3.0), (21.5, 4.0))),
        (4e-7, 5.5e-7),
        (56500.0, 58000.5),
    )
    params = by_name(
        soda_input_params(
            [FULL], dataset="ivo://a.b/DR1?T", coverage=coverage, bands="gYx", is_async=True
        )
    )
    assert (params["ID"].field.ref, params["ID"].value) == ("", "ivo://a.b/DR1?T")
    assert params["CIRCLE"].maximum == "21.5 -3.5 0.75"
    assert params["POLYGON"].maximum == "21.0 3.0 22.0 3.0 21.5 4.0"
    assert (params["BAND"].minimum, params["BAND"].maximum) == ("4e-07", "5.5e-07")
    assert (params["TIME"].minimum, params["TIME"].maximum) == ("56500.0", "58000.5")
    assert params["COLORS_FITS"].options == ("g", "Y", "x")
    assert {"MAKE_FITS", "DISCARD_FITS_FILES"} <= params.keys()
    assert params.keys().isdisjoint({"XSIZE", "YSIZE", "XPIX", "YPIX", "EDGE", "RA", "DEC"})


def test_an_option_stands_in_descriptors_only_where_its_row_says_so() -> None:
    """vo F3: a form of a client shows what helps there, so the default is never."""
    assert ParameterSpec("NEW", Kind.WORD, Scope.OPTION, "New.").descriptor is Described.NEVER
    ways = {
        is_async: by_name(soda_input_params([FULL], bands="gYx", is_async=is_async))
        for is_async in (False, True)
    }
    for name in option_names():
        wanted = PARAMETERS[name].descriptor
        found = [is_async for is_async, params in ways.items() if name in params]
        assert found == {"never": [], "sync": [False, True], "async": [True]}[wanted], name


def test_a_scalar_number_has_its_real_default_and_texts_are_open() -> None:
    release = replace(FULL, defaults={"RGB_STRETCH": "7.5", "RGB_STIFF_COLORS": "gYx"})
    params = by_name(soda_input_params([release]))
    numbers = {name: params[name].value for name in ("RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH")}
    assert numbers == {"RGB_MINIMUM": "1.0", "RGB_STRETCH": "7.5", "RGB_ASINH": "10.0"}
    assert [name for name, param in params.items() if param.value] == list(numbers)
    assert params["RGB_STIFF_COLORS"].field.description.endswith(" Default: gyx.")
    assert params["MAKE_RGB_STIFF"].options == ("true", "false")
    assert params["MAKE_RGB_STIFF"].field.description.endswith(" Default: false.")


def test_a_number_in_which_releases_differ_is_left_out() -> None:
    other = replace(BARE, defaults={"RGB_STRETCH": "7.5"})
    params = by_name(soda_input_params([FULL, other]))
    assert "RGB_STRETCH" not in params
    assert params["RGB_ASINH"].value == "10.0"
    assert "Default" not in params["RGB_STIFF_COLORS"].field.description


@pytest.mark.parametrize("is_async", [False, True])
def test_astropy_reads_a_descriptor_without_complaint(is_async: bool) -> None:
    inputs = soda_input_params([FULL], id_ref="did", bands="gYx", is_async=is_async)
    table = Table("t", (Field("did", "char", "*", id="did"),))
    service = Descriptor("cutout", "http://h/sync", inputs, SYNC_ID)
    document = b"".join(write_votable(table, [["a"]], [service]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (group,) = parse(io.BytesIO(document)).resources[1].groups
    assert {param.name for param in group.entries} == {param.field.name for param in inputs}
