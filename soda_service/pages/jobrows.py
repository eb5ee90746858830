"""`/jobs/{id}/rows`: the rows of a job with their status, for gallery, table and programs."""

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from soda_service.results.reading import JobResults
from soda_service.results.rows import Status
from soda_service.web.access import caller
from soda_service.web.services import Services
from uws.dali import parse_integer
from uws.errors import UsageError
from uws.files import JobFiles
from uws.models import Job

__all__ = ["ROWS_MAX", "create_jobrows", "rows_answer"]

ROWS_MAX = 5000
"""Largest number of rows in one response."""

_ROWS = 200


def create_jobrows(services: Services) -> Blueprint:
    """Create the blueprint."""
    blueprint = Blueprint("jobrows", __name__)

    @blueprint.get("/jobs/<job_id>/rows")
    def job_rows(job_id: str) -> Response:
        """Return rows of a job: `from` (0 is the first), `count`, and one or more `status`."""
        job = services.jobs.get(caller().owner, job_id)
        return rows_answer(job, services.runtime.files)

    return blueprint


def rows_answer(job: Job, files: JobFiles) -> Response:
    """Return the requested rows as JSON."""
    start, count, statuses = _read_asked(request.args)
    found = JobResults(files, job).page(start, count, statuses)
    return jsonify(
        rows=found.rows,
        start=start,
        total=found.matching,
        counts=found.counts,
        is_whole=found.is_whole,
    )


def _read_asked(args: MultiDict[str, str]) -> tuple[int, int, tuple[Status, ...]]:
    """Read `from` (0-based), `count` and `status`.

    Raises
    ------
    UsageError
        If a number is out of range, or a status is unknown.
    """
    start = parse_integer("from", args.get("from", "0"))
    count = parse_integer("count", args.get("count", str(_ROWS)))
    if start < 0:
        raise UsageError(f"from: {start} found; allowed is 0 and more")
    if not 0 < count <= ROWS_MAX:
        raise UsageError(f"count: {count} found; allowed is 1 to {ROWS_MAX}")
    statuses = []
    for text in filter(None, args.getlist("status")):
        if text not in set(Status):
            raise UsageError(f"status: {text[:40]!r} found; allowed are {', '.join(Status)}")
        statuses.append(Status(text))
    return start, count, tuple(dict.fromkeys(statuses))
