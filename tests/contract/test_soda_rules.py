"""Rules of SODA that hold between its interfaces, and the traps of real clients, on a service."""

import io
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from lxml import etree
from PIL import Image
from pyavm import AVM
from pyvo.dal import DALServiceError
from pyvo.dal.adhoc import SodaQuery

from tests.cutout_client import UWS, submit, wait
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("service")

CIRCLE = f"{RA_DEG} {DEC_DEG} 0.002"
NOWHERE = "ivo://unregistered.invalid/TEST1?NOWHERE"


def get(url: str, **parameters: str) -> requests.Response:
    return requests.get(url, params=parameters, timeout=60)


# Requests


@pytest.mark.parametrize("end", ["+Inf", "%2BInf", "Inf", "%20%2BInf"])
def test_soda_t1_a_plus_may_have_become_a_blank(service_url: str, end: str) -> None:
    ra, dec, radius = CIRCLE.split()
    query = f"CIRCLE={ra}+{dec}+{radius}&COLORS_FITS=g&ID=ivo://unregistered.invalid/TEST1?EAST0/Y"
    answer = requests.get(f"{service_url}/sync?{query}&BAND=8.1e-7+{end}", timeout=60)
    assert (answer.status_code, answer.content[:6]) == (200, b"SIMPLE")


@pytest.mark.parametrize("number", ["1_0", "nan", "infinity", "+Inf", "\uff11", "1e400", "0x1"])
def test_soda_t2_only_what_all_languages_read_is_a_number(service_url: str, number: str) -> None:
    answer = get(f"{service_url}/sync", CIRCLE=f"{RA_DEG} {DEC_DEG} {number}")
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: CIRCLE: ")


def test_soda_t7_names_are_one_in_query_form_and_parts(service_url: str) -> None:
    url = f"{service_url}/sync"
    parts = {"circle": (None, CIRCLE)}
    mixed = requests.post(f"{url}?ResponseFormat=png", files=parts, timeout=60)
    assert (mixed.status_code, mixed.headers["Content-Type"]) == (200, "image/png")
    twice = requests.post(f"{url}?Band=1+2", data={"CIRCLE": CIRCLE, "bAND": "1 2"}, timeout=60)
    assert twice.text.startswith("MultiValuedParamNotSupported: ")


def test_soda_20_a_run_id_is_taken(service_url: str) -> None:
    assert get(f"{service_url}/sync", CIRCLE=CIRCLE, RUNID="night-7").status_code == 200
    answer = get(f"{service_url}/sync", CIRCLE=CIRCLE, RUNID="x" * 65)
    assert answer.text.startswith("UsageError: RUNID: ")
    document = etree.fromstring(get(submit(service_url, CIRCLE=CIRCLE, RUNID="n7").url).content)
    assert document.findtext(".//uws:runId", None, UWS) == "n7"


# Answers


def test_soda_t5_words_are_those_of_the_interface(service_url: str) -> None:
    assert get(f"{service_url}/sync", CIRCLE="1").text.startswith("UsageError: ")
    assert ">UsageFault: " in get(f"{service_url}/sia2", POS="CIRCLE 1").text
    assert ">UsageFault: " in get(f"{service_url}/links", RESPONSEFORMAT="gif").text
    assert ">NotFoundFault: " in get(f"{service_url}/links", ID=NOWHERE).text


@pytest.mark.parametrize("parameters", [{"CIRCLE": "1 2"}, {"ID": NOWHERE, "CIRCLE": CIRCLE}])
def test_soda_26_a_job_fails_by_the_words_of_sync(
    service_url: str, parameters: dict[str, str]
) -> None:
    at_once = get(f"{service_url}/sync", **parameters)
    url = requests.post(
        f"{service_url}/async", data=parameters, timeout=60, allow_redirects=False
    ).headers["Location"]
    requests.post(f"{url}/phase", data={"PHASE": "RUN"}, timeout=60)
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "ERROR"
    (error,) = document.iterfind("uws:errorSummary", UWS)
    assert error.get("type") == "fatal"
    assert error.findtext("uws:message", "", UWS).strip() in at_once.text
    told = get(f"{url}/error")
    assert told.headers["Content-Type"].startswith("text/plain")
    assert told.text.strip() == at_once.text.strip()


def test_dali_25_answers_tell_what_they_are(service_url: str) -> None:
    answer = get(f"{service_url}/sync", CIRCLE=CIRCLE)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Content-Type"] == "application/fits"
    assert "Content-Encoding" not in answer.headers
    url = submit(service_url, CIRCLE=CIRCLE).headers["Location"]
    wait(url)
    result = get(f"{url}/results/result")
    assert parsedate_to_datetime(result.headers["Last-Modified"]).tzinfo is not None
    assert int(result.headers["Content-Length"]) == len(result.content)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_colour_picture_lies_at_its_place(service_url: str, tmp_path: Path, kind: str) -> None:
    answer = get(f"{service_url}/sync", CIRCLE=CIRCLE, MAKE_RGB_LUPTON="true", RESPONSEFORMAT=kind)
    (tmp_path / f"it.{kind}").write_bytes(answer.content)
    placed = AVM.from_image(str(tmp_path / f"it.{kind}")).to_wcs()
    width, height = Image.open(io.BytesIO(answer.content)).size
    x, y = placed.all_world2pix(RA_DEG, DEC_DEG, 0)
    assert abs(x - (width - 1) / 2) < 1
    assert abs(y - (height - 1) / 2) < 1


# pyvo


def test_soda_t3_nothing_is_an_empty_stream_to_pyvo(service_url: str) -> None:
    query = SodaQuery(f"{service_url}/sync", circle=(200.0, 45.0, 0.01))
    assert query.execute_stream().read() == b""
    query.raise_if_error()  # nothing to tell


def test_soda_t4_pyvo_shows_the_text_of_an_error(service_url: str) -> None:
    query = SodaQuery(f"{service_url}/sync", circle=(RA_DEG, DEC_DEG, 0.002), BAND="g")
    assert query.execute_stream().read() == b""
    with pytest.raises(DALServiceError, match=r"BAND: 'g' is not a number.*COLORS_FITS=g"):
        query.raise_if_error()
