"""What jobInfo says, in XML by our own schema and in JSON, of jobs in every phase (UWS-26)."""

import importlib.util
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

from tests.cutout_client import document_of, submit, wait
from tests.synthetic import DEC_DEG, RA_DEG
from tests.toyjob import new_toy
from tests.uws_web import UWS, Web, open_web
from uws.http.jobinfo import JOBINFO_NAMESPACE
from uws.models import FINISHED, Job, Phase, Progress

ROOT = Path(__file__).resolve().parents[2]
XSD = ROOT / "uws" / "http" / "static" / "jobinfo.xsd"
VALIDATE = ROOT.parent / "shared" / "schemas" / "validate.py"
OURS = f"{{{JOBINFO_NAMESPACE}}}"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)

NAMES = {
    "total": "total",
    "done": "done",
    "failed": "failed",
    "sizeBytes": "sizeBytes",
    "ratePerSecond": "ratePerSecond",
    "expectedEnd": "expectedEnd",
    "note": "notes",
}
"""Elements, and the names that they have in JSON."""

Check = Callable[[etree._Element], dict[str, list[str]]]


@pytest.fixture(scope="module")
def alone() -> etree.XMLSchema:
    """Give our schema by itself."""
    return etree.XMLSchema(etree.parse(XSD))


@pytest.fixture(scope="module")
def check(alone: etree.XMLSchema) -> Check:
    """Give a function that validates a job document's jobInfo, and reads it."""
    together = schema_with_uws() if VALIDATE.is_file() else None

    def read(document: etree._Element) -> dict[str, list[str]]:
        if together is not None:
            together.assertValid(document.getroottree())
        info = document.find(f"{UWS}jobInfo")
        if info is None:
            return {}
        content = etree.Element(f"{OURS}jobInfo")
        content.extend(etree.fromstring(etree.tostring(child)) for child in info)
        alone.assertValid(content.getroottree())
        found: dict[str, list[str]] = {}
        for child in content:
            found.setdefault(child.tag.removeprefix(OURS), []).append(child.text)
        return found

    return read


def schema_with_uws() -> etree.XMLSchema:
    """Load the official schemas with ours among them, by a loader of their own."""
    spec = importlib.util.spec_from_file_location("validate_with_jobinfo", VALIDATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.CATALOG["namespaces"][JOBINFO_NAMESPACE] = str(XSD)
    return module.load_schema()


# ----------------------------------------------------------------------- the schema itself


def content(*children: str) -> etree._ElementTree:
    text = "".join(f"<{child}</{child.partition('>')[0]}>" for child in children)
    return etree.ElementTree(
        etree.fromstring(f'<jobInfo xmlns="{JOBINFO_NAMESPACE}">{text}</jobInfo>')
    )


COUNTS = ("total>4", "done>2", "failed>1", "sizeBytes>7")


@pytest.mark.parametrize(
    "children",
    [
        (),
        COUNTS[1:],
        (*reversed(COUNTS),),
        (*COUNTS, "total>4"),
        ("total>-1", *COUNTS[1:]),
        ("total>many", *COUNTS[1:]),
        (*COUNTS, "ratePerSecond>0"),
        (*COUNTS, "ratePerSecond>INF"),
        (*COUNTS, "expectedEnd>2026-03-01T12:00:00+00:00"),
        (*COUNTS, "expectedEnd>soon"),
        (*COUNTS, "note>a", "expectedEnd>2026-03-01T12:00:00Z"),
        (*COUNTS, "note>"),
        (*COUNTS, "more>1"),
    ],
    ids=[
        *("nothing", "no total", "order", "twice", "negative", "word", "no rate", "endless rate"),
        *("offset", "no instant", "note first", "empty note", "unknown"),
    ],
)
def test_schema_refuses(alone: etree.XMLSchema, children: tuple[str, ...]) -> None:
    assert not alone.validate(content(*children))


@pytest.mark.parametrize(
    "more",
    [(), ("ratePerSecond>1e-05", "expectedEnd>2026-03-01T12:00:00.5Z", "note>a", "note>b")],
    ids=["least", "most"],
)
def test_schema_takes(alone: etree.XMLSchema, more: tuple[str, ...]) -> None:
    alone.assertValid(content(*COUNTS, *more))


def test_documentation_has_a_row_for_each_element_in_order() -> None:
    found = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    schema = etree.parse(XSD)
    group = schema.find("{*}group[@name='jobInfo']/{*}sequence")
    elements = [element.get("ref") for element in group]
    assert elements == list(NAMES)
    assert [name for name in found if name in elements] == elements


def test_schema_is_served(web: Web) -> None:
    answer = web.client.get("/async/.static/jobinfo.xsd")
    assert (answer.status_code, answer.data) == (200, XSD.read_bytes())
    assert answer.headers["Content-Type"].partition(";")[0] == "application/xml"


# ------------------------------------------------------------------------------- toy jobs


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = open_web(tmp_path, works=False)
    yield web
    web.runtime.store.close()


def show(web: Web, job: Job, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the service give this job, however it stands; gives its path."""
    monkeypatch.setattr(web.service, "get", lambda _owner, _id: job)
    return f"/async/{job.id}"


def both_forms(web: Web, path: str, check: Check) -> dict[str, list[str]]:
    """Read jobInfo from the XML, and see that JSON says the same."""
    found = check(web.document(path))
    told = json.loads(web.client.get(f"{path}?RESPONSEFORMAT=json").data)["jobInfo"]
    assert_same(found, told)
    return found


def assert_same(found: dict[str, list[str]], told: dict[str, Any] | None) -> None:
    if told is None:
        assert found == {}
        return
    assert list(told) == list(NAMES.values())
    for name, key in NAMES.items():
        values = told[key] if isinstance(told[key], list) else [told[key]]
        assert found.get(name, []) == [str(value) for value in values if value is not None]


@pytest.mark.parametrize("phase", list(Phase), ids=str)
def test_toy_job_in_every_phase(
    web: Web, check: Check, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    """Half of 20 items are done after 8 s: 10 less the 2 that planning finished."""
    started = phase not in {Phase.PENDING, Phase.HELD, Phase.QUEUED}
    planned = phase is not Phase.PENDING
    job = replace(
        new_toy("0" * 32, created=START, WORD="sky"),
        phase=phase,
        start_time=START if started else None,
        end_time=START + timedelta(seconds=8) if phase in FINISHED else None,
        quote=START + timedelta(seconds=20) if planned else None,
        progress=Progress(20, 9, 1, 700, by_plan=2) if planned else Progress(),
        chunk_count=4 if planned else None,
        notes=("a note & <more>", "a note & <more>", "another"),
    )
    monkeypatch.setattr("uws.http.documents.datetime", Clock)
    found = both_forms(web, show(web, job, monkeypatch), check)
    rate = ["1.0"] if phase in FINISHED else ["0.8"]
    assert found == {
        "total": ["20"] if planned else ["0"],
        "done": ["9"] if planned else ["0"],
        "failed": ["1"] if planned else ["0"],
        "sizeBytes": ["700"] if planned else ["0"],
        **({"ratePerSecond": rate} if started else {}),
        **({"expectedEnd": ["2026-03-01T12:00:20Z"]} if phase is Phase.EXECUTING else {}),
        "note": ["a note & <more>", "another"],
    }


class Clock:
    """Ten seconds after the start."""

    @staticmethod
    def now(_zone: object) -> datetime:
        return START + timedelta(seconds=10)


def test_nothing_is_said_before_there_is_anything(web: Web, check: Check) -> None:
    assert both_forms(web, web.create(WORD="sky"), check) == {}
    assert both_forms(web, web.create(WORD="sky", PHASE="RUN"), check) == {}


@pytest.mark.parametrize(
    ("worked", "seconds", "expected"),
    [(1, 36000, 2.778e-05), (123456, 3, 41150.0), (0, 10, None), (5, 0, None)],
    ids=["slow", "fast", "none", "no time"],
)
def test_rate_is_never_rounded_away(
    web: Web,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    worked: int,
    seconds: int,
    expected: float | None,
) -> None:
    job = replace(
        new_toy("0" * 32, created=START),
        phase=Phase.COMPLETED,
        start_time=START,
        end_time=START + timedelta(seconds=seconds),
        progress=Progress(200_000, worked),
        chunk_count=1,
    )
    found = both_forms(web, show(web, job, monkeypatch), check)
    assert found.get("ratePerSecond") == (None if expected is None else [str(expected)])


def test_progress_of_a_whole_job(tmp_path: Path, check: Check) -> None:
    web = open_web(tmp_path)
    found = both_forms(web, web.create(PHASE="RUN", WORD="sky", TIMES="3", CHUNKS="2"), check)
    assert float(found.pop("ratePerSecond")[0]) > 0
    assert found == {"total": ["3"], "done": ["3"], "failed": ["0"], "sizeBytes": ["18"]}


# ---------------------------------------------------------------------------- cutout jobs

service = pytest.mark.xdist_group("service")
ROWS = 120


def table_of(rows: int) -> str:
    return "RA,DEC\n" + "".join(f"{RA_DEG + n * 1e-5},{DEC_DEG}\n" for n in range(rows))


def both_of(url: str, check: Check) -> tuple[str, dict[str, list[str]]]:
    """Read phase and jobInfo of a job that has ended, or not begun, in both forms."""
    document = document_of(url)
    found = check(document)
    told = requests.get(f"{url}?RESPONSEFORMAT=json", timeout=60).json()
    assert_same(found, told["jobInfo"])
    return document.findtext(f"{UWS}phase"), found


@service
def test_cutout_job_tells_how_far_it_is_all_the_while(service_url: str, check: Check) -> None:
    url = submit(service_url, POSITIONS=table_of(ROWS), COLORS_FITS="gr").headers["Location"]
    seen: list[dict[str, list[str]]] = []
    phase = ""
    while phase not in FINISHED:
        document = document_of(url)
        phase = document.findtext(f"{UWS}phase")
        if phase == "EXECUTING" and (info := check(document)) not in seen[-1:]:
            seen.append(info)
        time.sleep(0.05)  # leaves the machine to the workers
    assert phase == "COMPLETED"
    phase, last = both_of(url, check)
    seen.append(last)
    done = [int(info["done"][0]) for info in seen]
    size = [int(info["sizeBytes"][0]) for info in seen]
    assert {info["total"][0] for info in seen} == {str(ROWS)}
    assert done == sorted(done)
    assert size == sorted(size)
    assert len(set(done)) >= 3
    assert done[-1] == ROWS
    assert size[-1] == sum_of_files(url)
    assert all("ratePerSecond" in info for info, count in zip(seen, done, strict=True) if count)


def sum_of_files(url: str) -> int:
    results = document_of(url).iterfind(f"{UWS}results/{UWS}result")
    return sum(int(entry.get("size")) for entry in results if entry.get("id").endswith(".fits"))


@service
def test_cutout_job_aborted_while_executing(service_url: str, check: Check) -> None:
    url = submit(service_url, POSITIONS=table_of(3000), COLORS_FITS="gr").headers["Location"]
    while int(check(document_of(url)).get("done", ["0"])[0]) == 0:
        assert document_of(url).findtext(f"{UWS}phase") in {"QUEUED", "EXECUTING"}
    requests.post(f"{url}/phase", data={"PHASE": "ABORT"}, timeout=60)
    phase, found = both_of(url, check)
    assert phase == "ABORTED"
    assert 0 < int(found["done"][0]) < 3000
    assert "expectedEnd" not in found


@service
def test_cutout_job_that_never_ran(service_url: str, check: Check) -> None:
    form = {"POSITIONS": table_of(1), "NONSENSE": "1"}
    answer = requests.post(f"{service_url}/async", data=form, allow_redirects=False, timeout=60)
    url = answer.headers["Location"]
    assert both_of(url, check) == ("PENDING", {})
    requests.post(f"{url}/phase", data={"PHASE": "RUN"}, timeout=60)
    assert both_of(url, check) == ("ERROR", {})


@service
def test_rows_without_a_tile_are_done_but_no_measure_of_speed(
    service_url: str, check: Check
) -> None:
    table = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n" + "200,50\n" * 5000
    url = submit(service_url, POSITIONS=table).headers["Location"]
    wait(url)
    phase, found = both_of(url, check)
    assert phase == "COMPLETED"
    assert (found["total"], found["done"], found["failed"]) == (["5001"], ["5001"], ["0"])
    assert float(found["ratePerSecond"][0]) < 1000
