"""`/metrics`: counts for operators, in Prometheus' text format.

Requests are counted over all web processes where PROMETHEUS_MULTIPROC_DIR names a directory that
they share (`serve` sees to that), else by each process for itself. prometheus_client looks at the
variable when it is imported, so this module must not be loaded before it is set. What is told of
jobs comes from the store and is the same from whichever process answers.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flask import Blueprint, Response, g, request
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
"""Told apart; a client can send any word, and each would be a series of its own for ever."""


class _Gauges(Collector):
    """Reads gauges when they are asked for."""

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
            except UWSError:  # what else there is to tell matters most now
                answers.add_metric([name], 0)
                continue
            answers.add_metric([name], 1)
            gauge = GaugeMetricFamily(f"soda_{name}", f"{name} by state", labels=["state"])
            for state, value in states.items():
                gauge.add_metric([state], value)
            yield gauge
        yield answers


def create_metrics(services: Services) -> Blueprint:
    """Make the route, and count the application's requests.

    Raises
    ------
    ConfigError
        If PROMETHEUS_MULTIPROC_DIR is no directory and cannot be made one.
    """
    own = CollectorRegistry()
    shown = _shared_registry() or own
    gauges = {"jobs": services.runtime.store.find.phase_counts, "queue": services.queue_status}
    shown.register(_Gauges(gauges))
    names = ("route", "method", "status")
    requests = Counter("soda_requests", "Requests answered", names, registry=own)
    seconds = Histogram("soda_request_seconds", "Time to answer", ["route"], registry=own)
    blueprint = Blueprint("metrics", __name__)

    @blueprint.before_app_request
    def start() -> None:
        g.started = time.perf_counter()

    @blueprint.after_app_request
    def count(answer: Response) -> Response:
        route = request.endpoint or "none"
        method = request.method if request.method in _METHODS else "other"
        requests.labels(route, method, str(answer.status_code)).inc()
        seconds.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return answer

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Give counts and gauges for monitoring."""
        return Response(generate_latest(shown), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _shared_registry() -> CollectorRegistry | None:
    """Give a registry of what all processes counted; None where each counts for itself."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not shared:
        return None
    try:
        Path(shared).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"PROMETHEUS_MULTIPROC_DIR: {shared}: {error.strerror}") from error
    registry = CollectorRegistry()
    MultiProcessCollector(registry, shared)  # type: ignore[no-untyped-call]  # the package's own
    return registry
