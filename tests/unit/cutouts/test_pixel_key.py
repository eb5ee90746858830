"""Which options make files of equal names differ: those, and no others, tell rows apart."""

from dataclasses import fields, replace

import pytest

from soda_service.cutouts.naming import FileNamer
from soda_service.cutouts.planning import file_contents
from soda_service.engine.colour.methods import METHODS
from soda_service.request.options import complete_options, default_options
from soda_service.request.table import option_names
from soda_service.request.values import OPTION_FIELDS, CutoutOptions
from soda_service.results.rows import PlannedRow
from soda_service.sky.release import Band, Release

RELEASE = Release("R", "", tuple(Band(name) for name in "gri"), "", "{tilename}.fits")

ALL_MADE = default_options(RELEASE).changed({method.switch: True for method in METHODS.values()})
"""Makes FITS files, and pictures by every method."""

OTHER = {
    "XSIZE": 2.5,
    "YSIZE": 2.5,
    "XPIX": 77,
    "YPIX": 77,
    "EDGE": "pad",
    "MAKE_FITS": False,
    "COLORS_FITS": ("g", "i"),
    "PLANES": ("SCI", "WGT"),
    "DISCARD_FITS_FILES": True,
}
OF_METHODS = {
    name: value
    for method in METHODS.values()
    for name, value in (
        (method.switch, False),
        (method.triplets, (("g", "r", "i"), ("i", "r", "g"))),
        *((setting.name, setting.default + 1) for setting in method.settings),
    )
}
"""Option -> a value that `ALL_MADE` has not."""

SETTINGS = {setting.name for method in METHODS.values() for setting in method.settings}
ON_PIXELS = {"XSIZE", "YSIZE", "XPIX", "YPIX", "EDGE", "PLANES", *SETTINGS}


def planned(options: CutoutOptions) -> PlannedRow:
    return PlannedRow(1, None, 1.5, -2.5, 1.5, -2.5, "T1", "", "J1", options)


def share(one: CutoutOptions, other: CutoutOptions) -> bool:
    """Tell whether rows of one position with these options are given files under one number."""
    namer = FileNamer()
    first, _ = namer.number(file_contents(planned(one), RELEASE))
    second, _ = namer.number(file_contents(planned(other), RELEASE))
    return first == second


def test_every_field_says_whether_files_of_equal_names_may_differ_by_it() -> None:
    unknown = [each.name for each in fields(CutoutOptions) if "affects_pixels" not in each.metadata]
    assert unknown == [], "declare the field by `option`"
    by_name = {each.name: each.metadata["affects_pixels"] for each in fields(CutoutOptions)}
    assert {name for name, field in OPTION_FIELDS.items() if by_name[field]} == ON_PIXELS - SETTINGS


def test_every_option_is_tried_below() -> None:
    assert {*OTHER, *OF_METHODS} == set(option_names())


@pytest.mark.parametrize(("name", "value"), [*OTHER.items(), *OF_METHODS.items()])
def test_rows_share_files_unless_an_option_changes_their_pixels(name: str, value: object) -> None:
    other = ALL_MADE.changed({name: value})
    assert other != ALL_MADE
    assert share(ALL_MADE, other) == (name not in ON_PIXELS)
    assert share(other, ALL_MADE) == (name not in ON_PIXELS)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_methods_settings_touch_its_own_pictures_alone(method: object) -> None:
    changes = {setting.name: setting.default + 1 for setting in method.settings}
    other = ALL_MADE.changed(changes)
    for kind in ("fits", "grey", *METHODS):
        is_touched = kind == method.name and bool(changes)
        assert (other.pixel_key(kind) != ALL_MADE.pixel_key(kind)) == is_touched


def test_formats_of_pictures_have_names_of_their_own() -> None:
    one, other = (replace(ALL_MADE, response_format=name) for name in ("png", "jpeg"))
    assert share(one, other)
    names, others = (dict(file_contents(planned(each), RELEASE)) for each in (one, other))
    assert names
    assert not names.keys() & others.keys()


def test_a_size_in_pixels_puts_that_in_arcmin_out_of_effect_along_its_axis_alone() -> None:
    job = {"XPIX": "100"}
    plain, wide, high = (
        complete_options(RELEASE, job, row)
        for row in ({"XPIX": "100"}, {"YSIZE": "1", "XPIX": ""}, {"YSIZE": "2"})
    )
    assert share(plain, wide)
    assert share(plain, replace(plain, xsize_arcmin=3.0))
    assert not share(plain, high), "a job's XPIX beside a row's YSIZE"
