"""A job of a million positions: how it is taken in, planned and begun. It is not run to its end."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tests.bench.figures import Figure
from tests.bench.running import Client, Running, cpu_s, private_mb, running
from tests.synthetic import DEC_DEG, RA_DEG, STEP_DEG

__all__ = ["measure"]

_ROWS = 1_000_000
_BOUNDARY = "a-million-rows"
_LOOK_S = 0.2


def measure() -> list[Figure]:
    """Post the table, wait until the first rows are cut, abort, delete."""
    body = _form()
    with running() as service:
        with _watched(service) as peaks, service.client() as client:
            begun = time.perf_counter()
            headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
            job = client.send("POST", "/async", body, headers).path
            posted_s = time.perf_counter() - begun
            read_s = _until(client, job, total=_ROWS)
            first_s = _until(client, job, done=1)
            aborted_s = _timed(client, "POST", f"{job}/phase", {"PHASE": "ABORT"})
            deleted_s = _timed(client, "DELETE", job)
        worker_cpu_s = cpu_s(service.service.named("soda-worker-1")) + cpu_s(
            service.service.named("soda-worker-2")
        )
    return [
        Figure(
            f"table of {_ROWS:,} rows, {len(body) / 1e6:.0f} MB: POST answered", f"{posted_s:.1f} s"
        ),
        Figure("... rows read and matched to tiles", f"{read_s:.0f} s"),
        Figure("... then chunks written, first rows cut", f"{first_s:.0f} s"),
        Figure("... CPU time of all workers until then", f"{worker_cpu_s:.0f} s"),
        Figure("... ABORT; DELETE", f"{aborted_s:.1f} s; {deleted_s:.1f} s"),
        Figure(
            "memory of one's own, at most: a web process, a worker",
            f"{peaks['soda-web']:.0f} MB; {peaks['soda-worker']:.0f} MB",
            "150 MiB; 100 MiB a worker",
        ),
    ]


def _form() -> bytes:
    random = np.random.default_rng(5)
    ra = RA_DEG + random.uniform(-0.012, STEP_DEG + 0.012, _ROWS)
    dec = DEC_DEG + random.uniform(-0.012, 0.012, _ROWS)
    lines = (f"{a:.6f},{d:.6f},0.3" for a, d in zip(ra, dec, strict=True))
    table = "\n".join(["RA,DEC,XSIZE", *lines])
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'
    file = 'POSITIONS"; filename="positions.csv"\r\nContent-Type: text/csv'
    return (
        f'{part}PHASE"\r\n\r\nRUN\r\n{part}{file}\r\n\r\n{table}\r\n--{_BOUNDARY}--\r\n'
    ).encode()


def _until(client: Client, job: str, **least: int) -> float:
    """Wait until the job's progress has reached something; give the time from now."""
    begun = time.perf_counter()
    while True:
        document = json.loads(client.call("GET", f"{job}?RESPONSEFORMAT=json").body)
        assert document["phase"] in {"QUEUED", "EXECUTING"}, document
        info = document["jobInfo"] or {}
        if all(info.get(name, 0) >= value for name, value in least.items()):
            return time.perf_counter() - begun
        time.sleep(_LOOK_S)


def _timed(client: Client, method: str, path: str, fields: dict[str, str] | None = None) -> float:
    begun = time.perf_counter()
    client.call(method, path, fields)
    return time.perf_counter() - begun


@contextmanager
def _watched(service: Running) -> Iterator[dict[str, float]]:
    """Note the most memory that a process of each kind has had."""
    peaks: dict[str, float] = defaultdict(float)
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_LOOK_S):
            for process in service.all():
                kind = process.name.rstrip("-0123456789")
                peaks[kind] = max(peaks[kind], private_mb([process]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        is_over.set()
        thread.join()
