import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soda_service.cutouts.naming import FileNamer, position_key, sexagesimal, wanted_files
from soda_service.request.options import default_options
from soda_service.sky.release import Band, Release
from tests.cutout_options import changed


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (21.58813, 3.48611, "DESJ012621.1512+032909.9960"),
        (46.29566, -34.256, "DESJ030510.9584-341521.6000"),
        (21.57213, 3.78611, "DESJ012617.3112+034709.9960"),
        (0.0, 0.0, "DESJ000000.0000+000000.0000"),
        (0.0, -0.0, "DESJ000000.0000+000000.0000"),
        (359.9999999, -1e-7, "DESJ000000.0000+000000.0000"),
        (14.99999999, 89.9999999, "DESJ010000.0000+900000.0000"),
        (180.0, -90.0, "DESJ120000.0000-900000.0000"),
        (0.249999, -0.999999, "DESJ000059.9998-005959.9964"),
    ],
)
def test_sexagecimal(ra: float, dec: float, name: str) -> None:
    assert sexagesimal(ra, dec, "DESJ") == name


@given(st.floats(0, 360), st.floats(-90, 90))
def test_sexagecimal_is_within_half_a_unit_and_has_no_sixty(ra: float, dec: float) -> None:
    match = re.fullmatch(
        r"J(\d\d)(\d\d)(\d\d\.\d{4})([+-])(\d\d)(\d\d)(\d\d\.\d{4})", sexagesimal(ra, dec, "J")
    )
    assert match is not None
    h, m, s, sign, d, dm, ds = match.groups()
    assert float(m) < 60 > float(s)
    assert float(dm) < 60 > float(ds)
    got_ra = 15 * (float(h) + float(m) / 60 + float(s) / 3600)
    got_dec = (-1 if sign == "-" else 1) * (float(d) + float(dm) / 60 + float(ds) / 3600)
    assert abs((got_ra - ra + 180) % 360 - 180) < 8e-7
    assert abs(got_dec - dec) < 6e-7


@given(*[st.tuples(st.floats(0, 360), st.floats(-90, 90))] * 2)
def test_positions_share_a_key_exactly_when_they_share_a_name(a: tuple, b: tuple) -> None:
    same_name = sexagesimal(*a, "J") == sexagesimal(*b, "J")
    assert (position_key(*a) == position_key(*b)) == same_name
    assert 0 <= position_key(*a) < 2**63


def test_namer_shares_equal_contents_and_numbers_different_ones() -> None:
    namer = FileNamer()
    small_g, small_r, large_g = ("_g.fits", "1'"), ("_r.fits", "1'"), ("_g.fits", "2'")
    assert namer.number([small_g]) == (1, ())
    assert namer.number([small_g]) == (1, ("_g.fits",))
    assert namer.number([small_r]) == (1, ())
    assert namer.number([large_g]) == (2, ())
    assert namer.number([large_g]) == (2, ("_g.fits",))
    assert namer.number([("_g.fits", "3'"), small_r]) == (3, ())
    assert namer.number([small_g]) == (1, ("_g.fits",))


@given(st.lists(st.lists(st.tuples(st.sampled_from("gri"), st.integers(0, 3)), min_size=1)))
def test_no_file_name_ever_means_two_contents(rows: list[list[tuple[str, int]]]) -> None:
    namer = FileNamer()
    meaning: dict[tuple[int, str], int] = {}
    for row in rows:
        files = list(dict(row).items())
        number, repeats = namer.number(files)
        assert set(repeats) == {e for e, _ in files if (number, e) in meaning}
        for ending, content in files:
            assert meaning.setdefault((number, ending), content) == content


def spelled(bands: Sequence[str]) -> str:
    return "".join(bands)


@pytest.mark.parametrize(
    ("changes", "endings"),
    [
        ({}, ["_i.fits"]),
        ({"make_rgb_stiff": True}, ["_i.fits", "_r.fits", "_g.fits", "_irg_stiff.png"]),
        ({"response_format": "png"}, ["_i.png"]),
        ({"response_format": "jpeg", "colors_fits": ("g", "r")}, ["_g.jpg", "_r.jpg"]),
        (
            {"response_format": "jpeg", "make_rgb_stiff": True, "make_rgb_lupton": True},
            ["_irg_stiff.jpg", "_irg_lupton.jpg"],
        ),
        ({"response_format": "png", "make_rgb_lupton": True}, ["_irg_lupton.png"]),
        (
            {"response_format": "png", "make_rgb_lupton": True, "make_fits": False},
            ["_irg_lupton.png"],
        ),
    ],
)
def test_wanted_files(changes: dict[str, object], endings: list[str]) -> None:
    bands = tuple(Band(name) for name in "gri")
    release = Release(name="R", title="", bands=bands, root="", path_template="")
    files = wanted_files(changed(default_options(release), **changes), spelled)
    assert [file.ending for file in files] == endings
    assert all(file.ending.endswith(file.format.suffix) for file in files)
    kinds = {"fits": "fits", "stiff": "stiff", "lupton": "lupton"}
    for file in files:
        name = file.ending.rpartition(".")[0].rpartition("_")[2]
        grey = "fits" if file.ending.endswith("fits") else "grey"
        assert file.kind == kinds.get(name, grey)
