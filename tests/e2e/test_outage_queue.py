"""The queue server is frozen, or gone: requests do not wait for it, and no job is lost."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
import requests

from tests.e2e.service_process import Service, started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

pytestmark = [
    pytest.mark.xdist_group("outage"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc"),
]

FROZEN_S = 10.0
ROWS = 60
TABLE = "RA,DEC\n" + "".join(f"{RA_DEG + n * 1e-4},{DEC_DEG}\n" for n in range(ROWS))
SOON_S = 20.0
"""Less than the lease of 30 s, after which all that was sent and not begun is sent again."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Give a service with one worker; its log is in its data directory."""
    data = tmp_path_factory.mktemp("data")
    make_survey(data)
    environ = os.environ | {"SODA_SWEEP__EVERY_S": "0.5"}
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with started([*command, "--workers", "1"], data / "log", environ=environ) as service:
        yield service
        assert service.stop() == 0
        assert "Traceback" not in service.log.read_text(encoding="utf-8")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process and let it go on after the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def queue_of(service: Service) -> int:
    (queue,) = service.named("valkey-server") or service.named("redis-server")
    return queue.pid


def post(url: str, **fields: str) -> tuple[str, float]:
    """Send a form; give the Location of the 303 that must come, and how long that took."""
    begun_s = time.monotonic()
    answer = requests.post(url, data=fields, allow_redirects=False, timeout=60)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"], time.monotonic() - begun_s


def phase(url: str) -> str:
    return requests.get(f"{url}/phase", timeout=60).text


def wait_for_end(url: str, limit_s: float) -> None:
    wait_for(lambda: phase(url) not in {"QUEUED", "EXECUTING"}, "end of the job", limit_s)
    assert phase(url) == "COMPLETED"


def slowest_read_s(base: str, job: str) -> float:
    """Read what needs no queue; give the time of the slowest answer."""
    times = []
    for url in (job, f"{job}/phase", f"{base}/async?LAST=5", f"{base}/capabilities"):
        begun_s = time.monotonic()
        assert requests.get(url, timeout=60).status_code == 200
        times.append(time.monotonic() - begun_s)
    return max(times)


def test_frozen_queue(service: Service) -> None:
    """In the middle of a job, and when another one is to be started."""
    base = f"http://{service.address}"
    running, _ = post(f"{base}/async", PHASE="RUN", POSITIONS=TABLE, COLORS_FITS="gr")
    wait_for(lambda: phase(running) == "EXECUTING", "start of the job")
    pending, _ = post(f"{base}/async", RA=str(RA_DEG), DEC=str(DEC_DEG))
    with frozen(queue_of(service)):
        thaw_s = time.monotonic() + FROZEN_S
        created, create_s = post(f"{base}/async", PHASE="RUN", RA=str(RA_DEG), DEC=str(DEC_DEG))
        _, start_s = post(f"{pending}/phase", PHASE="RUN")
        # Two seconds for the task and one for the notice to those who wait.
        assert max(create_s, start_s) < 8, "a client waits for the queue"
        assert slowest_read_s(base, running) < 2, "who needs no queue waits for it"
        assert (phase(created), phase(pending)) == ("QUEUED", "QUEUED")
        wait_for(
            lambda: "work queue cannot be reached" in service.log.read_text(encoding="utf-8"),
            "the sweeper's notice",
        )
        wait_for(lambda: time.monotonic() > thaw_s, "the thaw")
        assert (phase(created), phase(pending)) == ("QUEUED", "QUEUED")
    for url in (created, pending, running):
        wait_for_end(url, SOON_S)
    summary = requests.get(f"{running}/results/summary.json", timeout=60).json()
    assert [row["STATUS"] for row in summary["cutouts"]] == ["ok"] * ROWS


def test_queue_that_is_gone_for_a_while(service: Service) -> None:
    base = f"http://{service.address}"
    with frozen(service.popen.pid):  # who would start it again
        os.kill(queue_of(service), signal.SIGKILL)
        job, elapsed_s = post(f"{base}/async", PHASE="RUN", RA=str(RA_DEG), DEC=str(DEC_DEG))
        assert elapsed_s < 5, "a client waits for the queue"
        assert phase(job) == "QUEUED"
        answer = requests.get(f"{base}/availability", timeout=60).text
        assert "queue: not reachable; jobs are accepted and queued later" in answer
        assert "<vosi:available>true" in answer
    wait_for_end(job, SOON_S)


def test_flushed_queue(service: Service) -> None:
    """The workers go on and are counted again; nothing waits for a lease."""
    base = f"http://{service.address}"
    workers = [process.pid for process in service.named("soda-worker-1")]
    note = json.loads((service.log.parent / ".serve.lock").read_text(encoding="utf-8"))
    running, _ = post(f"{base}/async", PHASE="RUN", POSITIONS=TABLE, COLORS_FITS="gr")
    queued = [
        post(f"{base}/async", PHASE="RUN", RA=str(RA_DEG), DEC=str(DEC_DEG))[0] for _ in range(3)
    ]
    with redis.Redis(unix_socket_path=f"{note['folder']}/queue.sock") as queue:
        queue.flushall()
    for url in (*queued, running):
        wait_for_end(url, SOON_S)
    wait_for(lambda: "no worker" not in service.get("/availability")[1], "count of workers")
    assert set(workers) & {process.pid for process in service.named("soda-worker-1")}
