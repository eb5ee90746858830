"""VOSI 1.1, DALI's examples, and what pyvo makes of them, on a real service."""

import io
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from astropy.io import fits
from lxml import etree
from pyvo.io.vosi import parse_capabilities, parse_tables

from soda_service.vo.obscore import COLUMNS

pytestmark = pytest.mark.xdist_group("service")

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
XHTML = {"h": "http://www.w3.org/1999/xhtml"}

INTERFACES = {
    "ivo://ivoa.net/std/VOSI#capabilities": ("capabilities", "full"),
    "ivo://ivoa.net/std/VOSI#availability": ("availability", "full"),
    "ivo://ivoa.net/std/VOSI#tables-1.1": ("tables", "full"),
    "ivo://ivoa.net/std/DALI#examples": ("examples", "full"),
    "ivo://ivoa.net/std/SODA#sync-1.0": ("sync", "full"),
    "ivo://ivoa.net/std/SODA#async-1.0": ("async", "base"),
    "ivo://ivoa.net/std/UWS#rest-1.1": ("async", "base"),
    "ivo://ivoa.net/std/SIA#query-2.0": ("sia2", "full"),
    "ivo://ivoa.net/std/DataLink#links-1.1": ("links", "full"),
}


def get(url: str, **parameters: str) -> requests.Response:
    return requests.get(url, params=parameters, timeout=60)


def tree(answer: requests.Response) -> etree._Element:
    assert answer.status_code == 200, answer.text
    return etree.fromstring(answer.content)


# Capabilities and availability


def test_vosi_2_3_4_5_t2_soda_2_3_4_sia_1_t2_dl_16_all_interfaces_are_named(
    service_url: str, validate_xml: Callable[[bytes], None]
) -> None:
    answer = get(f"{service_url}/capabilities")
    assert answer.headers["Content-Type"] == "application/xml"
    validate_xml(answer.content)
    root = tree(answer)
    assert root.tag == "{http://www.ivoa.net/xml/VOSICapabilities/v1.0}capabilities"
    found = {}
    for capability in root:
        assert capability.tag == "capability"
        (interface,) = capability.iterfind("interface")
        assert interface.get("role") == "std"
        assert interface.get(f"{XSI}type") == "vs:ParamHTTP"
        (url,) = interface.iterfind("accessURL")
        found[capability.get("standardID")] = url.text, url.get("use")
    assert found == {
        name: (f"{service_url}/{path}", use) for name, (path, use) in INTERFACES.items()
    }


def test_sso_1_2_vosi_t3_anonymous_use_has_no_security_method(service_url: str) -> None:
    root = tree(get(f"{service_url}/capabilities"))
    assert list(root.iter("securityMethod")) == []
    assert list(root.iter("queryType")) == []


def test_vosi_t4_prefixes_are_those_that_clients_know(service_url: str) -> None:
    assert tree(get(f"{service_url}/capabilities")).nsmap == {
        "vosi": "http://www.ivoa.net/xml/VOSICapabilities/v1.0",
        "vs": "http://www.ivoa.net/xml/VODataService/v1.1",
        "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    }


@pytest.mark.parametrize("path", sorted({path for path, _ in INTERFACES.values()}))
def test_vosi_1_every_interface_answers(service_url: str, path: str) -> None:
    status = {"sync": 400}.get(path, 200)  # nothing is asked for
    assert get(f"{service_url}/{path}").status_code == status


@pytest.mark.parametrize("path", ["capabilities", "availability", "tables", "examples"])
def test_vosi_1_only_reading_is_allowed(service_url: str, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, f"{service_url}/{path}", timeout=60).status_code == 405
    assert requests.head(f"{service_url}/{path}", timeout=60).status_code == 200


@pytest.mark.parametrize("path", ["sync", "async", "sia2", "links"])
def test_vosi_t1_there_are_none_below_the_interfaces(service_url: str, path: str) -> None:
    assert get(f"{service_url}/{path}/capabilities").status_code == 404


def test_vosi_6_capabilities_tell_since_when(service_url: str) -> None:
    for ask in (requests.get, requests.head):
        answer = ask(f"{service_url}/capabilities", timeout=60)
        assert answer.headers["Last-Modified"].endswith(" GMT")


def test_vosi_t5_t6_pyvo_finds_each_interface(service_url: str) -> None:
    content = get(f"{service_url}/capabilities").content
    urls = {
        capability.standardid: capability.interfaces[0].accessurls[0].content
        for capability in parse_capabilities(io.BytesIO(content).read)
    }
    assert urls == {name: f"{service_url}/{path}" for name, (path, _) in INTERFACES.items()}


def test_vosi_7_8_10_availability_is_the_true_state(
    service_url: str, validate_xml: Callable[[bytes], None]
) -> None:
    answer = get(f"{service_url}/availability")
    validate_xml(answer.content)
    root = tree(answer)
    name = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
    assert root.tag == f"{name}availability"
    assert root.findtext(f"{name}available") == "true"
    notes = [note.text for note in root.iterfind(f"{name}note")]
    assert {"job store: ok", "job files: ok", "queue: ok", "releases: ok"} <= set(notes)


# Tables


@pytest.mark.parametrize("query", ["", "?detail=max", "?DETAIL=MAX"])
def test_vosi_9_tables_has_the_columns_of_sia2(
    service_url: str, validate_xml: Callable[[bytes], None], query: str
) -> None:
    answer = get(f"{service_url}/tables{query}")
    validate_xml(answer.content)
    assert tree(answer).get("version") is None
    (table,) = parse_tables(io.BytesIO(answer.content).read).iter_tables()
    assert table.name == "images"
    assert [column.name for column in table.columns] == [column.name for column in COLUMNS]


def test_vosi_9_detail_is_a_hint(service_url: str, validate_xml: Callable[[bytes], None]) -> None:
    answer = get(f"{service_url}/tables", detail="min")
    validate_xml(answer.content)
    assert list(tree(answer).iter("column")) == []
    assert get(f"{service_url}/tables", detail="all").status_code == 400


@pytest.mark.parametrize("name", ["images", "IMAGES", "default.images"])
def test_vosi_9_a_table_by_its_name(
    service_url: str, validate_xml: Callable[[bytes], None], name: str
) -> None:
    answer = get(f"{service_url}/tables/{name}")
    validate_xml(answer.content)
    root = tree(answer)
    assert root.tag == "{http://www.ivoa.net/xml/VOSITables/v1.0}table"
    assert len(list(root.iterfind("column"))) == len(COLUMNS)


def test_vosi_9_an_unknown_table_is_not_found(service_url: str) -> None:
    answer = get(f"{service_url}/tables/nothing")
    assert answer.status_code == 404
    assert answer.text.startswith("UsageError: table 'nothing' not found; the only table is images")


# Examples


def examples(service_url: str) -> dict[str, tuple[str, list[tuple[str, str]], str]]:
    """Read the page as a client does that knows DALI's markup: capability, pairs, command."""
    answer = get(f"{service_url}/examples")
    assert answer.headers["Content-Type"] == "application/xhtml+xml"
    root = tree(answer)
    (top,) = root.xpath("//*[@vocab]")
    assert top.get("vocab") == "http://www.ivoa.net/rdf/examples#"
    found = {}
    for example in top.xpath(".//*[@typeof='example']"):
        assert example.get("resource") == f"#{example.get('id')}"
        (name,) = example.xpath(".//*[@property='name']")
        assert name.text
        (capability,) = example.xpath(".//*[@property='capability']")
        pairs = [
            (pair.findtext("*[@property='key']"), pair.findtext("*[@property='value']"))
            for pair in example.xpath(".//*[@property='generic-parameter'][@typeof='keyval']")
        ]
        (command,) = example.xpath(".//h:pre", namespaces=XHTML)
        found[example.get("id")] = capability.text, pairs, command.text
    return found


def test_soda_5_dali_31_the_sync_example_gives_a_cutout(service_url: str) -> None:
    capability, pairs, _ = examples(service_url)["sync"]
    assert capability == "ivo://ivoa.net/std/SODA#sync-1.0"
    answer = requests.get(f"{service_url}/sync", params=pairs, timeout=60)
    with fits.open(io.BytesIO(answer.content)) as file:
        assert file["SCI"].data.size > 1000


def test_dali_31_the_async_example_makes_a_job(service_url: str) -> None:
    capability, pairs, _ = examples(service_url)["async"]
    assert capability == "ivo://ivoa.net/std/SODA#async-1.0"
    job = requests.post(f"{service_url}/async", data=pairs, timeout=60).url
    while get(f"{job}/phase").text in ("QUEUED", "EXECUTING"):
        get(job, WAIT="30")
    document = get(job).text
    assert "COMPLETED" in document
    assert document.count('_i.fits"') >= 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_of_the_examples_run(service_url: str, tmp_path: Path) -> None:
    for _, _, command in examples(service_url).values():
        subprocess.run(shlex.split(command), check=True, cwd=tmp_path, timeout=60)
    with fits.open(tmp_path / "a.fits") as file:
        assert file["SCI"].data.size > 1000
