"""`/metrics`: counts for operators, in the text format of Prometheus.

If PROMETHEUS_MULTIPROC_DIR names a directory shared by all web processes, requests are counted
over all of them (`serve` sets it); otherwise each process counts only its own. prometheus_client
reads the variable when it is imported, so this module must be loaded after it is set. The numbers
about jobs come from the store and are the same in every process.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flask import Blueprint, Flask, Response, g, request, request_started
from flask.sansio.blueprints import BlueprintSetupState
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from typing_extensions import override

from soda_service import __version__
from soda_service.errors import ConfigError
from soda_service.web.services import Services
from uws.errors import UWSError

__all__ = ["create_metrics"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""Methods that are counted by name. A client can send any word, and each would become a series of
its own that never goes away."""


class _Gauges(Collector):
    """Reads the gauges at the time of each scrape."""

    def __init__(self, sources: Mapping[str, Callable[[], Mapping[str, float]]]) -> None:
        self._sources = sources

    @override
    def collect(self) -> Iterable[Metric]:
        info = GaugeMetricFamily("soda_info", "Version of the service", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        answers = GaugeMetricFamily("soda_answers", "Whether a part answers", labels=["part"])
        for name, source in self._sources.items():
            try:
                states = source()
            except UWSError:  # the other metrics matter most now
                answers.add_metric([name], 0)
                continue
            answers.add_metric([name], 1)
            gauge = GaugeMetricFamily(f"soda_{name}", f"{name} by state", labels=["state"])
            for state, value in states.items():
                gauge.add_metric([state], value)
            yield gauge
        yield answers


def create_metrics(services: Services) -> Blueprint:
    """Create the blueprint, and count the requests of the application.

    Raises
    ------
    ConfigError
        If PROMETHEUS_MULTIPROC_DIR is not a directory and cannot be created.
    """
    own = CollectorRegistry()
    exported = _shared_registry() or own
    gauges = {"jobs": services.runtime.store.find.phase_counts, "queue": services.queue_status}
    exported.register(_Gauges(gauges))
    names = ("route", "method", "status")
    requests = Counter("soda_requests", "Requests answered", names, registry=own)
    seconds = Histogram("soda_request_seconds", "Time to answer", ["route"], registry=own)
    blueprint = Blueprint("metrics", __name__)

    def start(_app: Flask, **_: object) -> None:
        g.started = time.perf_counter()

    @blueprint.record_once
    def listen(state: BlueprintSetupState) -> None:
        # A signal, since it comes before all functions that are called before a request, such as
        # those that refuse it.
        request_started.connect(start, state.app, weak=False)

    @blueprint.after_app_request
    def count(answer: Response) -> Response:
        route = request.endpoint or "none"
        method = request.method if request.method in _METHODS else "other"
        requests.labels(route, method, str(answer.status_code)).inc()
        seconds.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return answer

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Return counts and gauges for monitoring."""
        return Response(generate_latest(exported), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _shared_registry() -> CollectorRegistry | None:
    """Return a registry with the counts of all processes, or None if each counts its own."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not shared:
        return None
    try:
        Path(shared).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"PROMETHEUS_MULTIPROC_DIR: {shared}: {error.strerror}") from error
    registry = CollectorRegistry()
    MultiProcessCollector(registry, shared)  # type: ignore[no-untyped-call]  # untyped package
    return registry
