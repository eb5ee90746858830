"""Bad input through HTTP: refused in clear words, all faults at once, at once or at a later RUN."""

from collections.abc import Callable

import numpy as np
import pytest
import requests
from lxml import etree

from tests.cutout_client import AT, UWS, submit, wait

pytestmark = pytest.mark.xdist_group("service")

BAD = [
    pytest.param({}, ["POSITIONS", "RA", "COADD_OBJECT_ID"], id="nothing"),
    pytest.param({"POSITIONS": ""}, ["POSITIONS"], id="empty"),
    pytest.param({"POSITIONS": "30,-20\n31,-20\n"}, ["header"], id="no header"),
    pytest.param({"POSITIONS": "RA,DEC\n"}, ["POSITIONS"], id="header only"),
    pytest.param(
        {"POSITIONS": f"RA,DEC,COADD_OBJECT_ID\n{AT},7\n,,\n{AT},\n,,8\n"},
        ["row 1", "row 2"],
        id="both and neither",
    ),
    pytest.param(
        {"POSITIONS": "RA,DEC\nabc,-20\n30,inf\nnan,1_0\n"},
        ["row 1, RA", "'abc'", "row 2, DEC", "row 3, RA", "row 3, DEC", "'1_0'"],
        id="no numbers",
    ),
    pytest.param(
        {"POSITIONS": f"RA,DEC,XSIZE\n{AT},100\n", "YSIZE": "0.5"},
        ["row 1, XSIZE", "100", "0.1", "12"],
        id="size",
    ),
    pytest.param(
        {"POSITIONS": f"RA,DEC,COLORS_FITS\n{AT},gu\n{AT},gg\n"},
        ["row 1, COLORS_FITS", "g, r, i, z, Y", "row 2, COLORS_FITS"],
        id="bands",
    ),
    pytest.param({"RA": "30", "DEC": "-20", "RGB_STIFF_COLORS": "gr"}, ["three"], id="gr"),
    pytest.param({"RA": "30", "DEC": "-20", "RGB_LUPTON_COLORS": "grr"}, ["different"], id="grr"),
    pytest.param({"RA": "30", "DEC": "-20", "RELEASE": "DR9"}, ["DR9", "TEST1"], id="release"),
    pytest.param({"POSITIONS": f"RA,DEC\n{AT}\n", "RA": "30"}, ["POSITIONS", "RA"], id="two ways"),
    pytest.param({"RA": "30", "DEC": "-20", "BAND": "g"}, ["COLORS_FITS=g"], id="BAND=g"),
    pytest.param({"RA": "30", "DEC": "-20", "XSIEZ": "1"}, ["XSIEZ", "XSIZE"], id="unknown"),
    pytest.param({"POSITIONS": f"RA,DEC,RA\n{AT},3\n"}, ["RA"], id="duplicate columns"),
    pytest.param({"POSITIONS": "RA;DEC\n30;-20\n"}, ["comma"], id="semicolons"),
    pytest.param({"POSITIONS": "RA\tDEC\n30\t-20\n"}, ["comma"], id="tabs"),
    pytest.param({"POSITIONS": "RA,DEC 30,-20"}, ["line"], id="one line"),
]


@pytest.mark.parametrize(("parameters", "texts"), BAD)
def test_bad_input_is_refused_in_clear_words(
    service_url: str, parameters: dict[str, str], texts: list[str]
) -> None:
    answer = submit(service_url, **parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("UsageError: ")
    for text in texts:
        assert text in answer.text


@pytest.mark.parametrize(("parameters", "texts"), BAD)
def test_the_same_fault_at_a_later_run_is_a_job_in_error(
    service_url: str,
    parameters: dict[str, str],
    texts: list[str],
    validate_xml: Callable[[bytes], None],
) -> None:
    answer = requests.post(
        f"{service_url}/async", data=parameters, allow_redirects=False, timeout=60
    )
    assert answer.status_code == 303
    url = answer.headers["Location"]
    run_answer = requests.post(
        f"{url}/phase", data={"PHASE": "RUN"}, allow_redirects=False, timeout=60
    )
    assert run_answer.status_code == 303
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "ERROR"
    message = document.findtext("uws:errorSummary/uws:message", None, UWS)
    assert message.startswith("UsageError")
    error = requests.get(f"{url}/error", timeout=60)
    assert error.status_code == 200
    for text in texts:
        assert text in error.text
    validate_xml(etree.tostring(document))


def test_ten_megabytes_of_garbage_are_refused(service_url: str) -> None:
    garbage = np.random.default_rng(1).bytes(10_000_000)
    answer = requests.post(
        f"{service_url}/async",
        params={"PHASE": "RUN"},
        files={"POSITIONS": ("positions.csv", garbage)},
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: ")
    assert len(answer.text) < 20_000
