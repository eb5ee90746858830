import pytest

from soda_service.ingest.filenames import FileName, match_names, tell_names
from soda_service.sky.filters import (
    band_of_header,
    band_of_token,
    by_wavelength,
    colour_triplet,
    wavelength_m,
    wavelength_of_header,
)


@pytest.mark.parametrize(
    ("token", "band"),
    [
        ("g", "g"), ("G", "g"), ("i", "i"), ("I", "I"), ("r", "r"), ("R", "R"), ("y", "y"),
        ("Y", "Y"), ("h", "H"), ("k", "K"), ("KS", "Ks"), ("w1", "W1"), ("f814w", "F814W"),
        ("vis", "VIS"), ("sdss", None), ("", None), ("r2624", None), ("1", None),
    ],
)  # fmt: skip
def test_band_of_token(token: str, band: str | None) -> None:
    assert band_of_token(token) == band


@pytest.mark.parametrize(
    ("headers", "band"),
    [
        ([{}], None),
        ([{"FILTER": ""}], None),
        ([{"FILTER": "CLEAR"}], None),
        ([{"FILTER": "N/A"}], None),
        ([{"FILTER": "g DECam SDSS c0001 4720.0 1520.0"}], "g"),
        ([{"FILTER": "r_SDSS"}], "r"),
        ([{"FILTER": "SDSS-z"}], "z"),
        ([{"FILTER1": "CLEAR1L", "FILTER2": "F814W"}], "F814W"),
        ([{"FPA.FILTERID": "g.00000"}], "g"),
        ([{"BAND": "H", "FILTER": "r"}], "H"),
        ([{"FILTER": "Halpha"}], "Halpha"),
        ([{"FILTER": "N708,x"}], "N708"),
        ([{}, {"FILTER": "z"}], "z"),
        ([{"BAND": 1}], "1"),
    ],
)
def test_band_of_header(headers: list[dict[str, object]], band: str | None) -> None:
    assert band_of_header(*headers) == band


def test_wavelengths() -> None:
    header = {"FILTER": "g DECam SDSS c0001 4720.0 1520.0"}
    assert wavelength_of_header({}, header) == (3.96e-7, 5.48e-7)
    assert wavelength_of_header({"FILTER": "g"}) is None
    assert wavelength_m("W1") == (2.75e-6, 3.9e-6)
    assert wavelength_m("F814W") == pytest.approx((7.326e-7, 8.954e-7))
    assert wavelength_m("F160W") == pytest.approx((1.44e-6, 1.76e-6))
    assert wavelength_m("Halpha") is None


def test_order_is_from_blue_to_red() -> None:
    bands = ["x", "W1", "K", "H", "J", "Y", "Halpha", "z", "i", "r", "g", "u", "F160W", "F606W"]
    assert sorted(bands, key=by_wavelength) == [
        "u", "g", "F606W", "r", "i", "z", "Y", "J", "F160W", "H", "K", "W1", "Halpha", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bands", "triplet"),
    [
        ("", None),
        ("g", None),
        ("gr", None),
        ("gri", ("i", "r", "g")),
        ("grizY", ("i", "r", "g")),
        ("grz", ("z", "r", "g")),
        ("JHK", ("K", "H", "J")),
        ("ugY", ("Y", "g", "u")),
        ("BVRIJ", ("J", "R", "B")),
    ],
)
def test_colour_triplet(bands: str, triplet: tuple[str, str, str] | None) -> None:
    assert colour_triplet(list(bands)) == triplet


DES = "Y6A1/r4907/DES0001-0541/p01/coadd/DES0001-0541_r4907p01"


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a.fits"], [(None, "a", False)]),
        (["M31_r.fits"], [("r", "M31", False)]),
        (["a_g.fits", "a_r.fits"], [("g", "a", True), ("r", "a", True)]),
        (["gc_h.fits", "gc_j.fits"], [("H", "gc", True), ("J", "gc", True)]),
        (["frame-g-01.fits.bz2", "frame-r-01.fits.bz2"],
         [("g", "frame-01", True), ("r", "frame-01", True)]),
        (["g.fits", "r.fits"], [("g", "", True), ("r", "", True)]),
        (["M31/g.fits", "M31/r.fits"], [("g", "M31", True), ("r", "M31", True)]),
        (["g/a.fits", "r/a.fits"], [("g", "a", True), ("r", "a", True)]),
        (["g/a.fits", "r/b.fits"], [("g", "g/a", False), ("r", "r/b", False)]),
        (["a_i_g.fits", "a_i_r.fits"], [("g", "a_i", True), ("r", "a_i", True)]),
        (["a1.fits", "a2.fits"], [(None, "a1", False), (None, "a2", False)]),
        ([f"{DES}_g.fits.fz", f"{DES}_Y.fits.fz"], [("g", DES, True), ("Y", DES, True)]),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)  # fmt: skip
def test_names(paths: list[str], found: list[tuple[str | None, str, bool]]) -> None:
    names = tell_names(paths)
    assert [(names[p].band, names[p].tile, names[p].is_certain) for p in paths] == found


def test_names_by_pattern() -> None:
    pattern = __import__("re").compile(r"^img(?P<band>[a-z]+)\d")
    paths = ["deep/imgha1.fits", "deep/imgg1.fits", "deep/weight.fits"]
    assert match_names(paths, pattern) == {
        "deep/imgha1.fits": FileName("ha", "deep/img1", "deep/imgha1", is_certain=True),
        "deep/imgg1.fits": FileName("g", "deep/img1", "deep/imgg1", is_certain=True),
    }
