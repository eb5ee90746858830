"""`/jobs/events`: a stream of server-sent events with the changes of jobs."""

import json
import threading
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_with_context

from soda_service.pages.jobfacts import job_facts
from soda_service.web.access import caller
from soda_service.web.services import Services
from uws.errors import TransientError, UsageError
from uws.service import JobService

__all__ = ["create_live"]

_IDS_MAX = 50
_STREAMS_MAX = 200
"""Of a process: each takes one of its threads, which mostly sleeps."""

_LOOK_S = 1.0
_HEARTBEAT_S = 15.0
_STREAM_S = 300.0
"""Then the browser asks again by itself: streams of pages that nobody closed come to an end."""


def create_live(services: Services) -> Blueprint:
    """Create the blueprint."""
    service, base_url = services.jobs, services.base_url
    blueprint = Blueprint("live", __name__)
    places = threading.BoundedSemaphore(_STREAMS_MAX)

    @blueprint.get("/jobs/events")
    def events() -> Response:
        """Stream the changes of the jobs named by `id`, for at most five minutes."""
        job_ids = list(dict.fromkeys(request.args.getlist("id")))
        if not 0 < len(job_ids) <= _IDS_MAX:
            raise UsageError(f"id: {len(job_ids)} jobs; allowed are 1 to {_IDS_MAX}")
        if not places.acquire(blocking=False):
            raise TransientError("too many pages are followed live; ask for /jobs instead")
        stream = _stream(service, caller().owner, job_ids, base_url())
        answer = Response(stream_with_context(stream), content_type="text/event-stream")
        answer.call_on_close(places.release)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
        return answer

    return blueprint


def _stream(service: JobService, who: str, job_ids: list[str], base: str) -> Iterator[str]:
    """Check the jobs once a second, and send those that changed or are gone."""
    sent: dict[str, str] = {}
    started = spoken = time.monotonic()
    yield "retry: 3000\n\n"
    while time.monotonic() - started < _STREAM_S:
        found = service.get_many(who, job_ids)
        for job_id in job_ids:
            job = found.get(job_id)
            facts = job_facts(job, f"{base}/jobs/{job_id}") if job else {"id": job_id, "gone": True}
            now = time.monotonic()
            if sent.get(job_id) != _state(facts):
                sent[job_id] = _state(facts)
                spoken = now
                yield f"data: {json.dumps(facts)}\n\n"
            elif now - spoken > _HEARTBEAT_S:
                spoken = now
                yield ": still here\n\n"
        time.sleep(_LOOK_S)


def _state(facts: dict[str, object]) -> str:
    """Return the facts that count as a change, without those that change all the time."""
    moving = {"duration_s", "rate_per_s", "expected_end"}
    return json.dumps({name: value for name, value in facts.items() if name not in moving})
