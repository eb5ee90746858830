from dataclasses import replace

import pytest

from soda_service.errors import ConfigError, Fault, OptionsError
from soda_service.request.options import apply_options, complete_options, default_options
from soda_service.sky.release import Release
from tests.cutout_options import changed

NOTHING = Fault(
    "no output selected; set one of MAKE_FITS, MAKE_RGB_STIFF, MAKE_RGB_LUPTON to true",
    column="MAKE_FITS",
)


def test_all_faults_of_a_level_are_told(des: Release) -> None:
    texts = {"XSIZE": "99", "MAKE_FITS": "maybe", "COLORS_FITS": "gg", "RGB_ASINH": "2"}
    with pytest.raises(OptionsError) as caught:
        apply_options(default_options(des), texts, release=des)
    assert [fault.column for fault in caught.value.faults] == ["XSIZE", "MAKE_FITS", "COLORS_FITS"]
    assert [fault.found for fault in caught.value.faults] == ["99", "maybe", "gg"]


@pytest.mark.parametrize(
    ("texts", "meant"),
    [
        ({"XSIZE": "1", "XPIX": "100"}, "XSIZE"),
        ({"XSIZE": "1", "YSIZE": "1", "XPIX": "100"}, "XSIZE and YSIZE"),
        ({"YSIZE": "1", "XPIX": "100"}, "YSIZE"),
    ],
    ids=["one axis", "both", "across"],
)
def test_sizes_in_arcmin_and_pixels_at_one_level_are_refused(
    texts: dict[str, str], meant: str, des: Release
) -> None:
    with pytest.raises(OptionsError) as caught:
        complete_options(des, texts)
    message = f"given together with {meant}; give sizes in arcmin or in pixels"
    assert caught.value.faults == (Fault(message, column="XPIX", found="100"),)


@pytest.mark.parametrize(
    ("job", "row"),
    [
        ({"MAKE_FITS": "false"}, {}),
        ({}, {"MAKE_FITS": "0"}),
        ({"MAKE_FITS": "no", "MAKE_RGB_STIFF": "yes"}, {"MAKE_RGB_STIFF": "no"}),
    ],
    ids=["job", "row", "both"],
)
def test_a_cutout_that_makes_nothing_is_refused(
    job: dict[str, str], row: dict[str, str], des: Release
) -> None:
    with pytest.raises(OptionsError) as caught:
        complete_options(des, job, row)
    assert caught.value.faults == (NOTHING,)


def test_pictures_of_two_bands_are_refused(pair: Release) -> None:
    with pytest.raises(OptionsError) as caught:
        complete_options(pair, {"MAKE_RGB_STIFF": "true", "MAKE_RGB_LUPTON": "true"})
    assert caught.value.faults == tuple(
        Fault(
            f"true, but no bands are selected: pair has no default for {colors}, so it "
            "is required (bands: b, r)",
            column=name,
            found="true",
        )
        for name, colors in (
            ("MAKE_RGB_STIFF", "RGB_STIFF_COLORS"),
            ("MAKE_RGB_LUPTON", "RGB_LUPTON_COLORS"),
        )
    )


@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        (
            {"COLORS_FIT": "g"},
            "release DR1, defaults: COLORS_FIT: not a cutout option; allowed: ",
        ),
        ({"RA": "1"}, "release DR1, defaults: RA: not a cutout option; allowed: "),
        ({"XSIZE": "99"}, "release DR1, defaults: XSIZE: '99' is out of range; allowed: "),
    ],
    ids=["misspelt", "no option", "bad value"],
)
def test_wrong_defaults_of_a_release_are_the_operators_fault(
    defaults: dict[str, str], message: str, des: Release
) -> None:
    with pytest.raises(ConfigError) as caught:
        default_options(replace(des, defaults=defaults))
    assert str(caught.value).startswith(message)


def test_the_later_level_wins(des: Release) -> None:
    release = replace(des, defaults={"colors_fits": "z", "RGB_ASINH": "5", "YSIZE": "3"})
    options = complete_options(
        release,
        {"RGB_ASINH": "6", "XSIZE": "2", "MAKE_RGB_STIFF": "t", "RGB_STIFF_COLORS": "gri"},
        {"XSIZE": "4", "RGB_ASINH": " ", "RGB_STIFF_COLORS": "gry;riy", "z": "0.3"},
    )
    assert options == changed(
        default_options(des),
        colors_fits=("z",),
        ysize_arcmin=3.0,
        rgb_asinh=6.0,
        make_rgb_stiff=True,
        xsize_arcmin=4.0,
        rgb_stiff_colors=(("g", "r", "Y"), ("r", "i", "Y")),
    )


@pytest.mark.parametrize(
    ("job", "row", "expected"),
    [
        ({"XPIX": "100"}, {}, (1.0, 1.0, 100, None)),
        ({"XPIX": "100", "YPIX": "50"}, {}, (1.0, 1.0, 100, 50)),
        ({"XSIZE": "2", "YSIZE": "3"}, {"XPIX": "7"}, (2.0, 3.0, 7, None)),
        ({"XPIX": "100", "YPIX": "50"}, {"XSIZE": "2"}, (2.0, 1.0, None, 50)),
        ({"XPIX": "100"}, {"XPIX": "20"}, (1.0, 1.0, 20, None)),
    ],
    ids=["job x", "job", "row pixels", "row arcmin", "both pixels"],
)
def test_sizes_in_arcmin_and_pixels_at_different_levels(
    job: dict[str, str], row: dict[str, str], expected: object, des: Release
) -> None:
    options = complete_options(des, job, row)
    found = (options.xsize_arcmin, options.ysize_arcmin, options.xpix, options.ypix)
    assert found == expected


def test_a_default_job_works_on_every_release(
    des: Release, wise: Release, narrow: Release, pair: Release
) -> None:
    chosen = [
        (options.colors_fits, options.get("RGB_STIFF_COLORS"), options.xsize_arcmin)
        for options in (complete_options(release, {}) for release in (des, wise, narrow, pair))
    ]
    assert chosen == [
        (("i",), (("i", "r", "g"),), 1.0),
        (("W3",), (("W4", "W3", "W1"),), 2.0),
        (("Y",), (("J", "Y", "y"),), 1.0),
        (("r",), (), 1.0),
    ]
