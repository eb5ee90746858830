"""Clients blocked in WAIT: what others notice of them, and how soon all are told."""

import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle

from tests.bench.figures import Figure, milliseconds
from tests.bench.running import POSITION, Running, cpu_s, private_mb, running
from tests.e2e.service_process import Process

__all__ = ["measure"]

_CLIENTS = 4
_SECONDS = 5.0
_MANY = "[web]\nthreads = 2500\n[jobs]\nwaiters_max = 2200\n"
_FEW = "[web]\nthreads = 300\n[jobs]\nwaiters_max = 100\n"


def measure() -> list[Figure]:
    """Measure with none, 1,000 and 4,000 who wait, and with 200 who are answered at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = []
    with running(workers=1) as service:
        figures.append(_others(service, "none", ""))
        figures += _blocked(service, 1000, "50 ms p95")
    with running(_MANY, workers=1) as service:
        figures += _blocked(service, 4000, "; 20 ms p95")
    with running(_FEW, workers=1) as service:
        figures += _spinning(service)
    return figures


class _Crowd:
    """Many clients, each with a connection of its own, that wait for one job."""

    def __init__(self, address: str, job: str, count: int) -> None:
        self._address = address
        self._job = job
        self._selector = selectors.DefaultSelector()
        host, _, port = address.rpartition(":")
        for _ in range(count):
            connection = socket.create_connection((host, int(port)), timeout=60)
            self._selector.register(connection, selectors.EVENT_READ)
            self.ask(connection)

    def ask(self, connection: socket.socket) -> None:
        text = f"GET {self._job}?WAIT=30&PHASE=PENDING HTTP/1.1\r\nHost: {self._address}\r\n\r\n"
        connection.sendall(text.encode())

    def answered(self, timeout_s: float) -> list[socket.socket]:
        """Give the connections with an answer, read; those that the server closed are dropped."""
        found = []
        for key, _ in self._selector.select(timeout_s):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection.recv(1 << 16):
                found.append(connection)
            else:
                self.drop(connection)
        return found

    def drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()

    @property
    def count(self) -> int:
        return len(self._selector.get_map())

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            self.drop(key.fileobj)
        self._selector.close()


def _blocked(service: Running, count: int, bar: str) -> list[Figure]:
    """Have so many wait, measure others, then end the wait of all at once."""
    web = service.web()
    with service.client() as client:
        job = client.create(POSITION)
    before_mb = private_mb(web)
    with closing(_Crowd(service.address, job, count)) as crowd:
        _settle(web)
        assert not crowd.answered(0), "some were answered at once"
        grown_mb = private_mb(web) - before_mb
        idle_s = cpu_s(web)
        time.sleep(_SECONDS)
        idle = (cpu_s(web) - idle_s) / _SECONDS
        figures = [
            _others(service, f"{count:,}", bar),
            Figure(
                f"{count:,} who wait take",
                f"{idle * 100:.1f} % of a core, {grown_mb / count * 1e3:.0f} kB each",
            ),
        ]
        with service.client() as client:
            begun = time.perf_counter()
            client.call("POST", f"{job}/phase", {"PHASE": "ABORT"})
            aborted_s = time.perf_counter() - begun
            told = []
            while crowd.count and time.perf_counter() - begun < 60:
                for connection in crowd.answered(1):
                    told.append(time.perf_counter() - begun)
                    crowd.drop(connection)
    figures.append(
        Figure(
            f"one job ends for which {count:,} wait: ABORT answered; all told",
            f"{aborted_s * 1e3:.0f} ms; {told[-1]:.2f} s",
        )
    )
    assert len(told) == count, f"{count - len(told)} were never told"
    return figures


def _settle(web: list[Process]) -> None:
    """Wait until all who came have found their place."""
    used_s, idle = cpu_s(web), 0
    for _ in range(60):
        time.sleep(0.5)
        before_s, used_s = used_s, cpu_s(web)
        idle = idle + 1 if used_s - before_s < 0.03 else 0
        if idle == 2:
            return


def _others(service: Running, waiting: str, bar: str) -> Figure:
    """Have four clients ask for this and that, back to back."""
    with service.client() as client:
        job = client.create({**POSITION, "PHASE": "RUN"})
        client.finish(job)
    end = time.monotonic() + _SECONDS

    def work(_: int) -> list[float]:
        took: list[float] = []
        with service.client() as client:
            for method, path, fields in cycle(_requests(job)):
                if time.monotonic() > end:
                    return took
                begun = time.perf_counter()
                client.call(method, path, fields)
                took.append(time.perf_counter() - begun)
        raise AssertionError

    with ThreadPoolExecutor(_CLIENTS) as pool:
        took = [each for part in pool.map(work, range(_CLIENTS)) for each in part]
    rate = len(took) / _SECONDS
    return Figure(
        f"{waiting} wait; {_CLIENTS} clients back to back (job, phase, result, new job),"
        " p50 / p95 / p99",
        f"{milliseconds(took)} ms, {rate:.0f}/s",
        bar,
    )


def _requests(job: str) -> list[tuple[str, str, dict[str, str] | None]]:
    return [
        ("GET", job, None),
        ("GET", f"{job}/phase", None),
        ("HEAD", f"{job}/results/summary.json", None),
        ("POST", "/async", POSITION),
    ]


@contextmanager
def _asking_again(crowd: _Crowd) -> Iterator[list[int]]:
    """Answer every answer by the same question, as some clients do (UWS-T3); counts them."""
    is_over, counts = threading.Event(), [0]

    def spin() -> None:
        while not is_over.is_set():
            for connection in crowd.answered(0.1):
                crowd.ask(connection)
                counts[0] += 1

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield counts
    finally:
        is_over.set()
        thread.join()


def _spinning(service: Running) -> list[Figure]:
    """Have 200 more wait than may, who ask again at once."""
    with service.client() as client:
        job = client.create(POSITION)
    with closing(_Crowd(service.address, job, 400)) as crowd, _asking_again(crowd) as counts:
        time.sleep(2)
        before = counts[0]
        figure = _others(service, "400, where 200 may,", "")
        rate = (counts[0] - before) / _SECONDS
        with service.client() as client:
            client.call("DELETE", job)
    return [figure, Figure("... meanwhile those beyond the cap are answered", f"{rate:.0f}/s")]
