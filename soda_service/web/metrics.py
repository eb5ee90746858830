"""`/metrics`: counts for operators, in Prometheus' text format.

Each web process counts its own requests; what is told of jobs comes from the store and is the
same from whichever process answers.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from typing_extensions import override

from soda_service import __version__

__all__ = ["create_metrics"]


class _Gauges(Collector):
    """Reads gauges when they are asked for."""

    def __init__(self, sources: Mapping[str, Callable[[], Mapping[str, float]]]) -> None:
        self._sources = sources

    @override
    def collect(self) -> Iterable[Metric]:
        info = GaugeMetricFamily("soda_info", "Version of the service", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        for name, source in self._sources.items():
            gauge = GaugeMetricFamily(f"soda_{name}", f"{name} by state", labels=["state"])
            for state, value in source().items():
                gauge.add_metric([state], value)
            yield gauge


def create_metrics(
    app: Flask, gauges: Mapping[str, Callable[[], Mapping[str, float]]]
) -> Blueprint:
    """Make the route, and count the application's requests.

    Parameters
    ----------
    gauges
        By name (`jobs`), what gives a value for each state when asked.
    """
    registry = CollectorRegistry()
    registry.register(_Gauges(gauges))
    names = ("route", "method", "status")
    requests = Counter("soda_requests", "Requests answered", names, registry=registry)
    seconds = Histogram("soda_request_seconds", "Time to answer", ["route"], registry=registry)
    blueprint = Blueprint("metrics", __name__)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(answer: Response) -> Response:
        route = request.endpoint or "none"
        requests.labels(route, request.method, str(answer.status_code)).inc()
        seconds.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return answer

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Give counts and gauges for monitoring."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
