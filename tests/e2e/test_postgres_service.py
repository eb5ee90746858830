"""The whole service on PostgreSQL: web, workers and sweeper share one server's job store."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from soda_service.sky.catalogue import ObjectCatalogue
from tests.contract.phase_trail import PhaseTrail
from tests.contract.store_rows import rows_of
from tests.cutout_client import UWS, document_of, run, submit
from tests.e2e.service_process import LIMIT_S, started, wait_for
from tests.postgres import PostgresServer, empty_database
from tests.synthetic import DEC_DEG, OBJECT, RA_DEG, RELEASE, make_survey
from uws.store import JobStore, open_store

pytestmark = [
    pytest.mark.xdist_group("postgres"),
    pytest.mark.skipif(sys.platform != "linux", reason="serve runs on Linux only"),
]


def table(rows: int) -> str:
    return "RA,DEC\n" + "".join(f"{RA_DEG + n * 1e-5!r},{DEC_DEG}\n" for n in range(rows))


LONG = {"POSITIONS": table(3000), "COLORS_FITS": "grizY"}
"""Some minutes of work."""

WAIT_S = 20
LEASE_S = 5
"""Twice as long after a deletion all is removed once more."""


@pytest.fixture(scope="module")
def store(postgres_server: PostgresServer) -> Iterator[JobStore]:
    """Give the job store as another program sees it, empty, beside a catalogue of objects."""
    url = empty_database(postgres_server)
    catalogue = ObjectCatalogue(url)
    catalogue.load(RELEASE.name, [OBJECT])
    catalogue.dispose()
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_survey(folder)
    return folder


@pytest.fixture(scope="module")
def base(store: JobStore, postgres_server: PostgresServer, data: Path) -> Iterator[str]:
    """Give the address of a running service, which makes the tables of jobs itself."""
    settings = {
        "SODA_STORE__URL": postgres_server.url,
        "SODA_JOBS__LEASE_S": str(LEASE_S),
        "SODA_SWEEP__EVERY_S": "1",
    }
    log = data / "log"
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with started([*command, "--workers", "2"], log) as service:
            trail = PhaseTrail(store)
            yield f"http://{service.address}"
            assert service.stop() == 0
    steps = trail.steps()
    assert steps
    assert [step for step in steps if not step.is_legal] == []
    assert "Traceback" not in log.read_text(encoding="utf-8")


def start(base: str) -> str:
    """Start a long job and WAIT until it is being worked; gives its address."""
    answer = submit(base, **LONG)
    assert answer.status_code == 303, answer.text
    url = answer.headers["Location"]
    assert wait_while(url, "QUEUED") == "EXECUTING"
    return url


def wait_while(url: str, phase: str) -> str:
    """WAIT, again and again, until a job is in another phase than the one given."""

    def other_phase() -> str | None:
        document = document_of(f"{url}?WAIT={WAIT_S}&PHASE={phase}")
        found: str = document.findtext("uws:phase", None, UWS)
        return None if found == phase else found

    found = wait_for(other_phase, f"end of {phase}", 4 * LIMIT_S)
    assert found is not None
    return found


def test_two_workers_share_a_job(base: str) -> None:
    finished = run(base, POSITIONS=table(250), COLORS_FITS="g")
    assert [row["STATUS"] for row in finished.summary["cutouts"]] == ["ok"] * 250


def test_objects_of_the_same_database(base: str) -> None:
    finished = run(base, POSITIONS=f"COADD_OBJECT_ID\n{OBJECT.id}\n", COLORS_FITS="g")
    (row,) = finished.summary["cutouts"]
    assert (row["STATUS"], row["RA"], row["DEC"]) == ("ok", OBJECT.ra_deg, OBJECT.dec_deg)


def test_abort_is_seen_by_those_who_wait(base: str) -> None:
    url = start(base)
    answer = requests.post(f"{url}/phase", {"PHASE": "ABORT"}, timeout=60)
    assert answer.status_code == 200
    assert wait_while(url, "EXECUTING") == "ABORTED"


def test_delete_leaves_nothing(base: str, store: JobStore, data: Path) -> None:
    url = start(base)
    job_id = url.rpartition("/")[2]
    assert job_id in rows_of(store).job_ids
    answer = requests.delete(url, allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    assert requests.get(url, timeout=60).status_code == 404
    assert job_id not in rows_of(store).job_ids
    wait_for(lambda: job_id not in rows_of(store).tombstones, "the last removal", 4 * LIMIT_S)
    assert [path for path in (data / "jobs").iterdir() if job_id in path.name] == []
