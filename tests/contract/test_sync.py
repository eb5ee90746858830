"""SODA at once and as jobs, on a real service: `/sync`, and combinations in `/async`."""

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
import requests
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from tests.cutout_client import UWS, wait
from tests.synthetic import DEC_DEG, RA_DEG, SCALE_ARCSEC

pytestmark = pytest.mark.xdist_group("service")

RADIUS_DEG = 30 * SCALE_ARCSEC / 3600
CIRCLE = f"{RA_DEG} {DEC_DEG} {RADIUS_DEG}"
TILE = "ivo://unregistered.invalid/TEST1?EAST0"


def sync(url: str, *pairs: tuple[str, str], **parameters: str) -> requests.Response:
    sent = [*pairs, *parameters.items()]
    return requests.get(f"{url}/sync", params=sent, timeout=60, allow_redirects=False)


def opened(answer: requests.Response) -> fits.HDUList:
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/fits")
    return fits.open(io.BytesIO(answer.content), checksum=True)


# The cutout


@pytest.mark.parametrize(
    "parameters",
    [
        {"POS": f"CIRCLE {CIRCLE}"},
        {"CIRCLE": CIRCLE},
        {"ID": f"{TILE}/i", "circle": CIRCLE},
        {"ID": TILE, "CIRCLE": CIRCLE},
        {"ID": "ivo://unregistered.invalid/TEST1", "CIRCLE": CIRCLE},
    ],
    ids=["POS", "CIRCLE", "ID of a band", "ID of a tile", "ID of a release"],
)
def test_soda_8_10_28_a_circle_is_cut_to_its_box(
    service_url: str, parameters: dict[str, str]
) -> None:
    with opened(sync(service_url, **parameters)) as file:
        assert [hdu.header["EXTNAME"] for hdu in file] == ["SCI", "MSK", "WGT"]
        assert file[0].header["PARFILE"] == "EAST0_i.fits.fz"
        ny, nx = file[0].data.shape
        # Every pixel that the circle touches: 60 pixels across, begun on either side.
        assert (ny, nx) in {(60, 60), (60, 61), (61, 60), (61, 61), (60, 62), (62, 60), (62, 62)}
        centre = WCS(file[0].header).all_world2pix(RA_DEG, DEC_DEG, 0)
        assert np.hypot(centre[0] - (nx - 1) / 2, centre[1] - (ny - 1) / 2) < 1


@pytest.mark.parametrize("method", ["get", "form", "multipart"])
def test_soda_6_dali_2_by_get_and_by_post(service_url: str, method: str) -> None:
    url, sent = f"{service_url}/sync", {"CIRCLE": CIRCLE, "COLORS_FITS": "g"}
    if method == "get":
        answer = requests.get(url, params=sent, timeout=60)
    elif method == "form":
        answer = requests.post(url, data=sent, timeout=60)
    else:
        parts = {name: (None, value) for name, value in sent.items()}
        answer = requests.post(url, files=parts, timeout=60)
    with opened(answer) as file:
        assert file[0].header["PARFILE"] == "EAST0_g.fits.fz"


def test_soda_9_12_a_range_beyond_the_data_is_clipped_to_them(service_url: str) -> None:
    with opened(sync(service_url, ID=TILE, POS="RANGE 29 31 -20 +Inf")) as file:
        # From the tile's middle, which lies between two rows, to its upper edge.
        assert file[0].data.shape in {(210, 420), (211, 420), (212, 420)}


def test_soda_11_a_wavelength_chooses_the_band(service_url: str) -> None:
    with opened(sync(service_url, CIRCLE=CIRCLE, BAND="4.5e-7 4.6e-7")) as file:
        assert file[0].header["PARFILE"] == "EAST0_g.fits.fz"


def test_mask_blanks_what_is_outside_of_the_shape(service_url: str) -> None:
    corners = ((-20, -10), (25, -5), (0, 30))
    scale = SCALE_ARCSEC / 3600
    polygon = " ".join(
        f"{RA_DEG + x * scale / np.cos(np.radians(DEC_DEG))} {DEC_DEG + y * scale}"
        for x, y in corners
    )
    whole, masked = (
        opened(sync(service_url, POLYGON=polygon, MASK=mask)) for mask in ("false", "true")
    )
    inside = np.isfinite(masked["SCI"].data)
    # A triangle fills half of its box.
    assert 0.4 < inside.mean() < 0.6
    np.testing.assert_array_equal(masked["SCI"].data[inside], whole["SCI"].data[inside])
    assert not masked["WGT"].data[~inside].any()
    assert np.unique(masked["MSK"].data[~inside]).tolist() == [masked["MSK"].header["PADBIT"]]


def test_our_own_parameters_are_taken(service_url: str) -> None:
    answer = sync(service_url, RA=str(RA_DEG), DEC=str(DEC_DEG), XPIX="40", YPIX="30")
    with opened(answer) as file:
        assert file[0].data.shape == (30, 40)
    name = answer.headers["Content-Disposition"]
    # vo F5: `curl -OJ` saved every cutout as `sync`; it knows the plain form only.
    plain = "TESTJ020000.0000-200000.0000_i.fits"
    assert name == f"inline; filename=\"{plain}\"; filename*=UTF-8''{plain}"


# Pictures


@pytest.mark.parametrize(
    ("parameters", "media_type", "mode", "name"),
    [
        ({"RESPONSEFORMAT": "image/png"}, "image/png", "L", "_i.png"),
        ({"RESPONSEFORMAT": "png", "ID": f"{TILE}/g"}, "image/png", "L", "_g.png"),
        ({"RESPONSEFORMAT": "jpeg"}, "image/jpeg", "L", "_i.jpg"),
        (
            {"RESPONSEFORMAT": "png", "MAKE_RGB_STIFF": "1", "MAKE_RGB_LUPTON": "1"},
            "image/png",
            "RGB",
            "_irg_stiff.png",
        ),
        (
            {"RESPONSEFORMAT": "jpeg", "MAKE_RGB_LUPTON": "1", "RGB_LUPTON_COLORS": "zig;irg"},
            "image/jpeg",
            "RGB",
            "_zig_lupton.jpg",
        ),
        ({"MAKE_FITS": "f", "MAKE_RGB_LUPTON": "1"}, "image/png", "RGB", "_irg_lupton.png"),
    ],
    ids=["grey", "grey of a band", "grey jpeg", "stiff first", "first triplet", "no fits"],
)
def test_soda_21_pictures(
    service_url: str, parameters: dict[str, str], media_type: str, mode: str, name: str
) -> None:
    answer = sync(service_url, CIRCLE=CIRCLE, **parameters)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
    assert answer.headers["Content-Disposition"].endswith(name)
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.mode == mode


# Nothing, and errors


@pytest.mark.parametrize(
    "parameters",
    [
        {"CIRCLE": "200 45 0.1"},
        {"ID": TILE, "CIRCLE": "200 45 0.1"},
        {"CIRCLE": CIRCLE, "BAND": "1 2"},
        {"ID": f"{TILE}/g", "CIRCLE": CIRCLE, "BAND": "8e-7 9e-7"},
        {"RA": "200", "DEC": "45"},
    ],
    ids=["no tile", "not in the tile", "no band", "another band", "RA, DEC"],
)
def test_soda_22_no_pixel_is_204_without_body(service_url: str, parameters: dict[str, str]) -> None:
    answer = sync(service_url, **parameters)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("parameters", "status", "text"),
    [
        ({}, 400, "UsageError: no position given"),
        ({"CIRCLE": "1 2"}, 400, "UsageError: CIRCLE: 2 numbers found; a circle has three"),
        ({"POS": "BOX 1 2 3 4"}, 400, "UsageError: POS: 'BOX' is not a shape"),
        ({"CIRCLE": CIRCLE, "COLORS_FITS": "gr"}, 400, "UsageError: COLORS_FITS: g, r selected"),
        ({"CIRCLE": CIRCLE, "BAND": "4e-7 9e-7"}, 400, "UsageError: COLORS_FITS: g, r"),
        ({"CIRCLE": CIRCLE, "RESPONSEFORMAT": "json"}, 400, "UsageError: RESPONSEFORMAT: not a"),
        ({"CIRCLE": CIRCLE, "RESPONSEFORMAT": "gif"}, 400, "UsageError: RESPONSEFORMAT: 'gif'"),
        ({"CIRCLE": CIRCLE, "TIME": "1 2"}, 400, "UsageError: TIME: release TEST1 does not define"),
        ({"POSITIONS": "RA,DEC\n1,2\n"}, 400, "UsageError: POSITIONS: a table was sent"),
        ({"CIRCEL": CIRCLE}, 400, "UsageError: CIRCEL: unknown parameter; did you mean CIRCLE"),
        ({"ID": "ivo://x/y?z", "CIRCLE": CIRCLE}, 404, "UsageError: 'ivo://x/y?z' is a data set"),
        ({"ID": f"{TILE}/q", "CIRCLE": CIRCLE}, 404, "UsageError: release TEST1 has no band 'q'"),
        ({"ID": "ivo://unregistered.invalid/TEST1"}, 400, "UsageError: ID: a whole release was"),
    ],
    ids=str,
)
def test_soda_23_t4_dali_26_errors_are_text_with_a_label(
    service_url: str, parameters: dict[str, str], status: int, text: str
) -> None:
    answer = sync(service_url, **parameters)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)


@pytest.mark.parametrize("name", ["CIRCLE", "BAND", "ID", "XSIZE"])
def test_soda_14_t6_more_than_one_is_not_supported(service_url: str, name: str) -> None:
    good = {"CIRCLE": CIRCLE, "BAND": "4.5e-7", "ID": TILE, "XSIZE": "1"}
    answer = sync(service_url, (name, good[name]), **good)
    assert answer.status_code == 400
    assert answer.text.startswith("MultiValuedParamNotSupported: ")


def test_soda_13_pol_is_one_filter(service_url: str) -> None:
    assert sync(service_url, ("POL", "I"), ("POL", "Q"), CIRCLE=CIRCLE).status_code == 200


def test_soda_17_a_data_set_alone_is_the_whole_tile(service_url: str) -> None:
    answer = sync(service_url, ID=f"{TILE}/g")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{service_url}/tiles/TEST1/EAST0/g"
    assert requests.get(answer.headers["Location"], timeout=60).content[:6] == b"SIMPLE"


# The same again


def test_a_repeated_request_costs_nothing(service_url: str) -> None:
    first = sync(service_url, CIRCLE=CIRCLE)
    tag = {"If-None-Match": first.headers["ETag"]}
    url = f"{service_url}/sync"
    again = requests.get(url, params={"CIRCLE": CIRCLE}, headers=tag, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    other = {"CIRCLE": CIRCLE, "MASK": "true"}
    assert requests.get(url, params=other, headers=tag, timeout=60).status_code == 200
    part = requests.get(url, params={"CIRCLE": CIRCLE}, headers={"Range": "bytes=0-5"}, timeout=60)
    assert (part.status_code, part.content) == (206, first.content[:6])


# Planes, formats and spellings


def planes_of(answer: requests.Response) -> list[str]:
    with opened(answer) as file:
        return [hdu.header["EXTNAME"] for hdu in file]


@pytest.mark.parametrize(
    ("values", "planes"),
    [
        (["SCI"], ["SCI"]),
        (["sci,wgt"], ["SCI", "WGT"]),
        (["WGT", "MSK"], ["SCI", "MSK", "WGT"]),
        (["MSK"], ["SCI", "MSK"]),
        (["all"], ["SCI", "MSK", "WGT"]),
    ],
    ids=str,
)
def test_planes_are_chosen(service_url: str, values: list[str], planes: list[str]) -> None:
    """vo F3: Aladin Lite 3.8.2 draws the last plane on top, a flat weight map."""
    pairs = [("PLANES", value) for value in values]
    assert planes_of(sync(service_url, *pairs, CIRCLE=CIRCLE)) == planes
    assert planes_of(sync(service_url, *pairs, CIRCLE=CIRCLE, MASK="true")) == planes
    small = {"RA": str(RA_DEG), "DEC": str(DEC_DEG), "XPIX": "20", "EDGE": "mosaic"}
    assert planes_of(sync(service_url, *pairs, **small)) == planes


def test_a_plane_has_the_same_pixels_alone(service_url: str) -> None:
    alone, all_planes = (
        opened(sync(service_url, CIRCLE=CIRCLE, PLANES=planes)) for planes in ("SCI", "all")
    )
    np.testing.assert_array_equal(alone["SCI"].data, all_planes["SCI"].data)


def test_an_unknown_plane_is_a_usage_error(service_url: str) -> None:
    answer = sync(service_url, CIRCLE=CIRCLE, PLANES="SCI,PSFX")
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: PLANES: ")
    assert "SCI, MSK, WGT" in answer.text


@pytest.mark.parametrize(
    "sent",
    [{"PLANES": "all"}, {"RGB_STRETCH": "50.0"}, {"MAKE_RGB_STIFF": "false", "MASK": "false"}],
    ids=str,
)
def test_a_default_that_is_sent_is_the_default(service_url: str, sent: dict[str, str]) -> None:
    """vo F3: pyvo sends the default of every number in a descriptor."""
    bare, explicit = sync(service_url, CIRCLE=CIRCLE), sync(service_url, CIRCLE=CIRCLE, **sent)
    assert explicit.headers["ETag"] == bare.headers["ETag"]
    assert explicit.content == bare.content


@pytest.mark.parametrize("name", ["image/fits", "application/fits", "image/png", "image/jpeg"])
def test_dali_13_the_type_that_was_asked_for_is_named(service_url: str, name: str) -> None:
    """vo F9: DALI 1.1, section 3.4.3."""
    answer = sync(service_url, CIRCLE=CIRCLE, RESPONSEFORMAT=name)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, name)


@pytest.mark.parametrize("blank", ["\t", "\n", "  ", " \r\n "])
def test_soda_10_any_white_space_parts_a_shape(service_url: str, blank: str) -> None:
    """vo F9: numbers are as in a VOTable array (DALI 1.1, section 3.3)."""
    answer = sync(service_url, POS=blank.join(["CIRCLE", *CIRCLE.split()]))
    assert answer.content == sync(service_url, CIRCLE=CIRCLE).content


def test_soda_22_a_polarisation_outside_is_no_pixel(service_url: str) -> None:
    """vo F9: as a BAND outside is (SODA 1.0, section 5.1)."""
    assert sync(service_url, CIRCLE=CIRCLE, POL="Q").status_code == 204


@pytest.mark.parametrize(
    "place", ["sync", "links", "sia2", "capabilities", "availability", "tables", "examples"]
)
def test_a_slash_at_the_end_changes_nothing(service_url: str, place: str) -> None:
    query = {"CIRCLE": CIRCLE} if place == "sync" else {}
    plain, slash = (
        requests.get(f"{service_url}/{path}", params=query, timeout=60, allow_redirects=False)
        for path in (place, f"{place}/")
    )
    assert (plain.status_code, slash.status_code) == (200, 200)
    assert requests.get(f"{service_url}/{place}/capabilities", timeout=60).status_code == 404


# As a job


def test_soda_15_24_25_27_t8_t9_each_combination_is_a_result(
    service_url: str, validate_xml: Callable[[bytes], None]
) -> None:
    sent = [("PHASE", "RUN"), ("ID", TILE), ("CIRCLE", CIRCLE), ("CIRCLE", "200 45 0.1")]
    sent += [("BAND", "4.5e-7 4.6e-7"), ("BAND", "6.5e-7 6.6e-7")]
    created = requests.post(f"{service_url}/async", data=sent, timeout=60, allow_redirects=False)
    assert created.status_code == 303
    url = created.headers["Location"]
    names = [result.get("id") for result in wait(url).iterfind(".//uws:result", UWS)]
    validate_xml(requests.get(url, timeout=60).content)
    assert names[:4] == [
        "TESTJ020000.0000-200000.0000_g.fits",
        "TESTJ020000.0000-200000.0000_i.fits",
        "no-overlap-0003.txt",
        "no-overlap-0004.txt",
    ]
    nothing = requests.get(f"{url}/results/no-overlap-0003.txt", timeout=60)
    assert nothing.headers["Content-Type"].startswith("text/plain")
    assert nothing.text.startswith("UsageError: no pixel of tile EAST0 in CIRCLE 200 45 0.1")
    summary = json.loads(requests.get(f"{url}/results/summary.json", timeout=60).content)
    assert [row["STATUS"] for row in summary["cutouts"]] == ["ok", "ok", *["no_coverage"] * 2]


def results_of(url: str, sent: list[tuple[str, str]]) -> tuple[str, list[str]]:
    form = [("PHASE", "RUN"), *sent]
    created = requests.post(f"{url}/async", data=form, timeout=60, allow_redirects=False)
    assert created.status_code == 303, created.text
    job = created.headers["Location"]
    return job, [str(result.get("id")) for result in wait(job).iterfind(".//uws:result", UWS)]


def test_soda_15_two_combinations_of_one_file_are_two_results(service_url: str) -> None:
    """vo F9: 2 x 2 x 2 values gave 7 results; SODA 1.0, section 6: one for each."""
    sent = [("ID", TILE), ("ID", f"{TILE}/i"), ("CIRCLE", CIRCLE), ("CIRCLE", f"{CIRCLE}1")]
    sent += [("BAND", "4.5e-7 4.6e-7"), ("BAND", "6.5e-7 6.6e-7")]
    job, names = results_of(service_url, sent)
    cutouts = names[: names.index("summary.json")]
    assert len(cutouts) == len(set(cutouts)) == 8
    answers = [requests.get(f"{job}/results/{name}", timeout=60) for name in cutouts]
    assert [answer.status_code for answer in answers] == [200] * 8
    # The tile in i, and the tile's image in i: one file.
    (first, again) = (answers[n].content for n in (1, 5))
    assert first == again
    assert cutouts[5].endswith("-0006.fits")


def test_soda_17_an_id_alone_is_the_whole_image_in_a_job_too(service_url: str) -> None:
    """vo F7: astroquery.casda's `stage_data` sends just this."""
    job, names = results_of(service_url, [("ID", f"{TILE}/i"), ("ID", f"{TILE}/g")])
    assert names[2] == "summary.json"
    for name, band in zip(names, "ig", strict=False):
        with opened(requests.get(f"{job}/results/{name}", timeout=60)) as file:
            assert file[0].data.shape == (420, 420)
            assert file[0].header["PARFILE"] == f"EAST0_{band}.fits.fz"


def test_soda_1_what_a_job_makes_is_what_is_made_at_once(service_url: str) -> None:
    created = requests.post(
        f"{service_url}/async",
        data={"PHASE": "RUN", "CIRCLE": CIRCLE, "MASK": "true"},
        timeout=60,
        allow_redirects=False,
    )
    url = created.headers["Location"]
    wait(url)
    made = requests.get(f"{url}/results/result", timeout=60).content
    assert made == sync(service_url, CIRCLE=CIRCLE, MASK="true").content
