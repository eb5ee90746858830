"""DataLink 1.1 on a real service: links of data sets, and of a job's results."""

import io
import math
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable

import pytest
import pyvo
import requests
from astropy.io import fits
from astropy.io.votable import parse
from astropy.io.votable.tree import Resource, VOTableFile
from astropy.table import Table
from PIL import Image
from pyvo.dal.adhoc import DatalinkResults

from tests.cutout_client import run
from tests.synthetic import BANDS, DEC_DEG, RA_DEG, SIZE

pytestmark = pytest.mark.xdist_group("service")

RELEASE = "ivo://unregistered.invalid/TEST1"
TILE = f"{RELEASE}?EAST0"
DATASET = f"{TILE}/g"
DATALINK = "application/x-votable+xml;content=datalink"

SEMANTICS = {"#this", "#preview", "#preview-image", "#cutout", "#auxiliary", "#progenitor"}
"""Terms of the core vocabulary (DL-11) that are used; newer ones STILTS does not know yet."""


def links(url: str, *ids: str, **parameters: str) -> requests.Response:
    sent = [*(("ID", text) for text in ids), *parameters.items()]
    return requests.get(f"{url}/links", params=sent, timeout=60)


def document(answer: requests.Response) -> VOTableFile:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse(io.BytesIO(answer.content))


def table(answer: requests.Response) -> Table:
    assert answer.status_code == 200, answer.text
    return document(answer).get_first_table().to_table()


def told(answer: requests.Response) -> str:
    (resource,) = document(answer).resources
    (info,) = resource.infos
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    return str(info.content)


def services(answer: requests.Response) -> dict[str, Resource]:
    return {each.ID: each for each in document(answer).resources if each.utype == "adhoc:service"}


def inputs(service: Resource) -> dict[str, object]:
    (group,) = service.groups
    assert group.name == "inputParams"
    return {param.name: param for param in group.entries}


# The request


@pytest.mark.parametrize("way", ["GET", "urlencoded", "multipart", "lower case"])
def test_dl_1_all_ways_of_asking_are_one(service_url: str, way: str) -> None:
    address = f"{service_url}/links"
    answer = {
        "GET": lambda: requests.get(address, params={"ID": DATASET}, timeout=60),
        "urlencoded": lambda: requests.post(address, data={"ID": DATASET}, timeout=60),
        "multipart": lambda: requests.post(address, files={"ID": (None, DATASET)}, timeout=60),
        "lower case": lambda: requests.get(address, params={"id": DATASET}, timeout=60),
    }[way]()
    assert answer.content == links(service_url, DATASET).content


def test_dl_2_t6_no_id_is_an_empty_table(
    service_url: str, validate_xml: Callable[[bytes], None]
) -> None:
    answer = links(service_url)
    validate_xml(answer.content)
    assert len(table(answer)) == 0
    assert [each.utype for each in document(answer).resources] == [None, "adhoc:this"]


def test_dl_2_8_each_id_has_rows_and_they_come_together(service_url: str) -> None:
    ids = [DATASET, f"{RELEASE}?NOWHERE", TILE, DATASET]
    rows = table(links(service_url, *ids))
    order = list(dict.fromkeys(rows["ID"]))
    assert order == ids[:3]
    changes = sum(a != b for a, b in zip(rows["ID"][:-1], rows["ID"][1:], strict=True))
    assert changes == 2


def test_dl_3_beyond_a_limit_it_is_said_that_some_are_left_out(service_url: str) -> None:
    ids = [f"{RELEASE}?T{n}" for n in range(101)]
    answer = requests.post(f"{service_url}/links", data={"ID": ids}, timeout=60)
    assert len(table(answer)) == 100
    whole = requests.post(f"{service_url}/links", data={"ID": ids[:100]}, timeout=60)
    assert b'value="OVERFLOW"' in answer.content
    assert b'value="OVERFLOW"' not in whole.content
    assert answer.content.index(b"</TABLE>") < answer.content.index(b'value="OVERFLOW"')


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, DATALINK),
        ("votable", DATALINK),
        ("application/x-votable+xml", DATALINK),
        ("application/x-votable+xml;content=datalink", DATALINK),
        ("application/x-votable+xml; serialization=TABLEDATA", DATALINK),
        ("text/xml", "text/xml"),
    ],
)
def test_dl_4_5_13_t1_the_media_type(service_url: str, wanted: str | None, expected: str) -> None:
    answer = links(service_url, DATASET, **({"RESPONSEFORMAT": wanted} if wanted else {}))
    assert answer.headers["Content-Type"] == expected
    assert len(table(answer)) == 4


@pytest.mark.parametrize("accept", ["text/html", "application/json", "image/png"])
def test_dl_5_whatever_the_accept_header_says(service_url: str, accept: str) -> None:
    address = f"{service_url}/links"
    answer = requests.get(address, params={"ID": DATASET}, headers={"Accept": accept}, timeout=60)
    assert answer.headers["Content-Type"] == DATALINK


@pytest.mark.parametrize(
    ("parameters", "status", "expected"),
    [
        ({"RESPONSEFORMAT": "csv"}, 400, "UsageFault: RESPONSEFORMAT: 'csv' found; allowed: "),
        ({"IDENT": DATASET}, 400, "UsageFault: IDENT: unknown parameter; allowed: ID, JOB, RES"),
        ({"JOB": "0" * 32}, 404, "NotFoundFault: no job 0000000000"),
        ({"JOB": "../x"}, 404, "NotFoundFault: there is no job ../x"),
        ({"JOB": "0" * 32, "ID": DATASET}, 400, "UsageFault: JOB: more than one value, or ID as"),
    ],
)
def test_dl_9_10_a_wrong_request_is_a_votable(
    service_url: str,
    validate_xml: Callable[[bytes], None],
    parameters: dict[str, str],
    status: int,
    expected: str,
) -> None:
    answer = links(service_url, **parameters)
    validate_xml(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, DATALINK)
    assert told(answer).startswith(expected)


# The table


@pytest.mark.parametrize("given", [DATASET, TILE, RELEASE, "nonsense", f"{TILE}/q"])
def test_dl_6_7_11_14_17_the_table_is_as_the_standard_wants(
    service_url: str, validate_xml: Callable[[bytes], None], given: str
) -> None:
    answer = links(service_url, given)
    validate_xml(answer.content)
    found = document(answer)
    (results,) = (each for each in found.resources if each.type == "results")
    infos = {info.name: info.value for info in results.infos}
    assert infos == {
        "QUERY_STATUS": "OK",
        "standardID": "ivo://ivoa.net/std/DataLink#links-1.1",
    }
    (only,) = results.tables
    fields = {f.name: (f.datatype, f.arraysize, str(f.unit or ""), f.ucd) for f in only.fields}
    text = ("char", "*", "")
    assert fields == {
        "ID": (*text, "meta.id;meta.main"),
        "access_url": (*text, "meta.ref.url"),
        "service_def": (*text, "meta.ref"),
        "error_message": (*text, "meta.code.error"),
        "description": (*text, "meta.note"),
        "semantics": (*text, "meta.code"),
        "content_type": (*text, "meta.code.mime"),
        "content_length": ("long", None, "byte", "phys.size;meta.file"),
        "local_semantics": (*text, "meta.id.assoc"),
    }
    assert b"<TABLEDATA>" in answer.content
    for row in only.to_table():
        ways = [row["access_url"], row["service_def"], row["error_message"]]
        assert sum(bool(way) for way in ways) == 1
        assert row["semantics"] in SEMANTICS
        assert row["ID"] == given
        assert row["description"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("nonsense", "NotFoundFault: 'nonsense' is not an identifier of this service"),
        ("ivo://elsewhere/TEST1?EAST0/g", "NotFoundFault: 'ivo://elsewhere/TEST1?EAST0/g' is a"),
        (f"{RELEASE}?NOWHERE/g", "NotFoundFault: release TEST1 has no tile NOWHERE"),
        (f"{TILE}/q", "NotFoundFault: release TEST1 has no band 'q'; it has g, r, i, z, Y"),
        ("ivo://unregistered.invalid/TEST9", "NotFoundFault: there is no release 'TEST9'"),
        ("<&>", "NotFoundFault: '<&>' is not an identifier"),
    ],
)
def test_dl_8_9_t5_an_unknown_id_has_a_row_that_says_so(
    service_url: str, given: str, expected: str
) -> None:
    (row,) = table(links(service_url, given))
    assert (row["ID"], row["semantics"]) == (given, "#this")
    assert row["error_message"].startswith(expected)


def test_dl_12_a_data_set_has_itself_a_preview_and_cutouts(service_url: str) -> None:
    rows = table(links(service_url, DATASET))
    assert list(rows["semantics"]) == ["#this", "#preview", "#cutout", "#cutout"]
    whole = requests.get(rows["access_url"][0], timeout=60)
    assert whole.headers["Content-Type"] == rows["content_type"][0] == "application/fits"
    assert len(whole.content) == rows["content_length"][0]
    with fits.open(io.BytesIO(whole.content)) as file:
        assert file["SCI"].shape == (SIZE, SIZE)
    preview = requests.get(rows["access_url"][1], timeout=60)
    assert preview.headers["Content-Type"] == rows["content_type"][1] == "image/png"
    picture = Image.open(io.BytesIO(preview.content))
    assert (picture.mode, picture.size) == ("L", (SIZE, SIZE))  # smaller than previews may be
    assert list(rows["service_def"][2:]) == ["cutout-sync-1", "cutout-async-1"]


def test_dl_12_of_a_tile_all_bands_are_linked(service_url: str) -> None:
    answer = links(service_url, TILE)
    rows = table(answer)
    assert list(rows["local_semantics"]) == [*BANDS, "g", "sync", "async"]
    bands = inputs(services(answer)["cutout-sync-1"])["COLORS_FITS"]
    assert [value for _, value in bands.values.options] == list(BANDS)


def test_dl_12_of_a_release_there_are_cutouts(service_url: str) -> None:
    rows = table(links(service_url, RELEASE))
    assert list(rows["semantics"]) == ["#cutout", "#cutout"]


# Services


def test_dl_18_19_t2_t3_services_stand_beside_the_table(service_url: str) -> None:
    answer = links(service_url, DATASET, TILE)
    kinds = [(each.type, each.utype, each.ID) for each in document(answer).resources]
    assert kinds == [
        ("results", None, None),
        ("meta", "adhoc:service", "cutout-sync-1"),
        ("meta", "adhoc:service", "cutout-async-1"),
        ("meta", "adhoc:service", "cutout-sync-2"),
        ("meta", "adhoc:service", "cutout-async-2"),
        ("meta", "adhoc:this", None),
    ]
    facts = {param.name: param.value for param in services(answer)["cutout-sync-1"].params}
    assert facts == {
        "accessURL": f"{service_url}/sync",
        "standardID": "ivo://ivoa.net/std/SODA#sync-1.0",
        "contentType": "application/fits",
    }
    ids = re.findall(rb' ID="([^"]+)"', answer.content)
    assert len(set(ids)) == len(ids)


def test_dl_20_21_t7_soda_19_28_29_30_inputs_are_of_the_data_set(service_url: str) -> None:
    params = inputs(services(links(service_url, DATASET))["cutout-sync-1"])
    assert (params["ID"].value, params["ID"].ucd) == (DATASET, "meta.id;meta.dataset")
    assert params["ID"].ref is None
    circle = list(params["CIRCLE"].values.max)
    half_diagonal = SIZE / 2 * math.sqrt(2) * 0.263 / 3600
    assert circle == pytest.approx([RA_DEG, DEC_DEG, half_diagonal], abs=3e-6)
    polygon = list(params["POLYGON"].values.max)
    assert len(polygon) == 8
    assert min(polygon[1::2]) == pytest.approx(DEC_DEG - SIZE / 2 * 0.263 / 3600, abs=2e-6)
    band = params["BAND"].values
    assert (band.min, band.max) == pytest.approx((4e-7, 5e-7))
    assert params["RGB_STRETCH"].value == 50.0
    assert [value for _, value in params["RESPONSEFORMAT"].values.options] == [
        "fits", "png", "jpeg",
    ]  # fmt: skip
    empty = [name for name, param in params.items() if param.datatype == "double"
             and param.arraysize is None and param.value is None]  # fmt: skip
    assert empty == []  # pyvo fails on them


def test_dl_22_the_service_describes_itself(service_url: str) -> None:
    *_, this = document(links(service_url, DATASET)).resources
    facts = {param.name: param.value for param in this.params}
    assert facts["accessURL"] == f"{service_url}/links"
    assert facts["standardID"] == "ivo://ivoa.net/std/DataLink#links-1.1"
    assert facts["contentType"] == DATALINK
    assert set(inputs(this)) == {"ID", "JOB"}


def test_dl_t4_nothing_has_both_a_reference_and_a_value(service_url: str) -> None:
    assert b"ref=" not in links(service_url, DATASET).content


def test_dl_t8_soda_7_a_blank_is_the_plus_that_it_was(service_url: str) -> None:
    answer = requests.get(f"{service_url}/links?ID={RELEASE}%3FEAST%2B0", timeout=60)
    assert "has no tile EAST+0" in answer.text
    encoded = requests.get(
        f"{service_url}/links?ID=ivo%3A%2F%2Funregistered.invalid%2FTEST1%3FEAST0%2Fg"
    )
    assert table(encoded)["ID"][0] == DATASET


# Jobs


@pytest.fixture(scope="module")
def job(service_url: str) -> str:
    """Run a job of three rows, one of them elsewhere; give its address."""
    rows = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n10,10\n{RA_DEG},{DEC_DEG + 0.003}\n"
    return run(service_url, POSITIONS=rows, MAKE_RGB_LUPTON="true", DISCARD_FITS_FILES="true").url


def test_a_job_s_results_are_linked(
    service_url: str, validate_xml: Callable[[bytes], None], job: str
) -> None:
    answer = links(service_url, JOB=job.rpartition("/")[2])
    validate_xml(answer.content)
    rows = table(answer)
    assert list(rows["semantics"]) == [
        "#this", "#preview-image", "#this", "#this", "#preview-image",
        "#auxiliary", "#auxiliary", "#progenitor", "#auxiliary", "#auxiliary",
    ]  # fmt: skip
    missing = rows[2]
    assert missing["error_message"].startswith("NotFoundFault: ")
    assert missing["description"].startswith("row 2 (10.0 10.0), tile none")
    for row in rows:
        if not row["access_url"]:
            continue
        found = requests.get(row["access_url"], timeout=60)
        assert found.status_code == 200
        assert (
            found.headers["Content-Type"].partition(";")[0] == row["content_type"].partition(";")[0]
        )
        if row["content_type"] != "application/gzip":  # made while it is sent
            assert len(found.content) == row["content_length"]


def test_a_job_that_is_not_finished_has_no_links_yet(service_url: str) -> None:
    answer = requests.post(f"{service_url}/async", allow_redirects=False, timeout=60)
    job_id = answer.headers["Location"].rpartition("/")[2]
    found = links(service_url, JOB=job_id)
    assert found.status_code == 400
    assert (
        told(found)
        == f"UsageFault: JOB: job {job_id} is PENDING; links exist only for COMPLETED jobs"
    )


def test_an_aborted_job_has_links_of_what_was_made(service_url: str) -> None:
    table_text = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n"
    answer = requests.post(
        f"{service_url}/async", data={"POSITIONS": table_text}, allow_redirects=False, timeout=60
    )
    job_url = answer.headers["Location"]
    requests.post(f"{job_url}/phase", data={"PHASE": "ABORT"}, timeout=60)
    assert len(table(links(service_url, JOB=job_url.rpartition("/")[2]))) == 0


# Clients


def test_dl_23_t2_pyvo_goes_from_links_to_a_cutout(service_url: str) -> None:
    results = DatalinkResults.from_result_url(f"{service_url}/links?ID={DATASET}")
    cutout = results.get_adhocservice_by_ivoid("ivo://ivoa.net/std/SODA#sync-1.0")
    assert next(p.value for p in cutout.params if p.name == "accessURL") == f"{service_url}/sync"
    (record,) = pyvo.dal.SIA2Service(service_url).search(publisher_did=DATASET)
    content = record.processed(circle=(RA_DEG, DEC_DEG, 0.002)).read()
    with fits.open(io.BytesIO(content)) as file:
        assert file[0].header["PARFILE"] == "EAST0_g.fits.fz"
    (this,) = [row for row in record.getdatalink() if row.semantics == "#this"]
    assert this.content_length == len(this.getdataset().read())


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
@pytest.mark.parametrize("query", [f"ID={DATASET}&ID={TILE}&ID=x", "JOB"])
def test_stilts_finds_nothing_wrong(service_url: str, job: str, query: str) -> None:
    if query == "JOB":
        query = f"JOB={job.rpartition('/')[2]}"
    command = ["stilts", "datalinklint", f"votable={service_url}/links?{query}"]
    report = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "Totals: Errors: 0; Warnings: 0;" in report, report
