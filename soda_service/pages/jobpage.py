"""`/jobs/{id}`: progress, request and results of a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from soda_service.formats import picture_formats
from soda_service.pages.downloads import FILE_LISTS, file_list, log_so_far
from soda_service.pages.jobfacts import duration_s, job_facts
from soda_service.results.reading import JobResults
from soda_service.results.rows import Status
from soda_service.results.tree import log_name
from soda_service.web.access import caller
from soda_service.web.services import Services
from uws.errors import NotFoundError, UsageError
from uws.http.links import numbered_parameters
from uws.http.negotiation import JSON, document_type
from uws.http.responses import send_content
from uws.models import ABORTABLE, ACTIVE, STARTABLE, Job, Parameter, Phase
from uws.notify.links import JobSharing, Link
from uws.service import JobService

__all__ = ["Viewed", "create_jobpage", "render_job"]

PAGE_ROWS = 50
_VALUE_CHARS = 400
_DAYS = (7, 14, 30, 60, 90)

_PRIVATE = frozenset({"EMAIL", "WEBHOOK"})
"""Parameters that are not shown on shared links."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """A job as seen by its owner, or through a shared link."""

    job: Job
    page_url: str
    """URL of this page; rows, log and file lists are below it."""

    results_url: str
    """URL above the results, which have an id or a path."""

    is_owner: bool
    """Whether the viewer may change the job; shared links are read-only."""

    shares: Sequence[Link] = ()


def create_jobpage(services: Services) -> Blueprint:
    """Create the blueprint."""
    service, base_url = services.jobs, services.base_url
    blueprint = Blueprint("jobpage", __name__)
    sharing = JobSharing(service)

    def viewed(job_id: str) -> Viewed:
        who, base = caller().owner, base_url()
        job = service.get(who, job_id)
        results_url = f"{base}/async/{job_id}/results"
        shares = sharing.list(who, job_id)
        return Viewed(job, f"{base}/jobs/{job_id}", results_url, is_owner=True, shares=shares)

    @blueprint.get("/jobs/<job_id>")
    def job_page(job_id: str) -> ResponseReturnValue:
        """Show a job as a page, or as short JSON on request."""
        view = viewed(job_id)
        if document_type(request) == JSON:
            return jsonify(job_facts(view.job, view.page_url))
        return render_job(service, view)

    @blueprint.get("/jobs/<job_id>/log")
    def job_log(job_id: str) -> Response:
        """Return the log of the job; while it runs, the log so far."""
        return log_answer(service, viewed(job_id))

    @blueprint.get("/jobs/<job_id>/files.txt")
    def job_files(job_id: str) -> Response:
        """List the job's files for download programs; `format` is wget, aria2 or sha256."""
        return files_answer(service, viewed(job_id))

    @blueprint.get("/jobs/<job_id>/failed.csv")
    def job_failed(job_id: str) -> Response:
        """Return a table of the rows that failed or lack files, to submit them again."""
        lines = JobResults(service.runtime.files, viewed(job_id).job).failed_table()
        return Response(lines, content_type="text/csv; charset=utf-8")

    return blueprint


def render_job(service: JobService, view: Viewed) -> str:
    """Render the page, or with `part=live` only the part that changes."""
    job = view.job
    page, status = _page_asked()
    statuses = (Status(status),) if status else ()
    found = JobResults(service.runtime.files, job)
    rows = found.page((page - 1) * PAGE_ROWS, PAGE_ROWS, statuses)
    limit = service.runtime.limits.lifetime_max_s
    return render_template(
        "job_live.html" if request.args.get("part") == "live" else "job.html",
        here="/jobs",
        view=view,
        job=job,
        facts=job_facts(job, view.page_url),
        duration_s=duration_s(job),
        history=_history(job),
        parameters=[
            _shown(name, p)
            for name, p in numbered_parameters(job)
            if view.is_owner or p.name not in _PRIVATE
        ],
        results={result.id: result for result in service.results(job)},
        rows=rows,
        page=page,
        status=status,
        pages=max(1, -(-rows.matching // PAGE_ROWS)),
        statuses=list(Status),
        lists=list(FILE_LISTS),
        picture_suffixes=" ".join(row.suffix for row in picture_formats()),
        is_active=job.phase in ACTIVE,
        can_run=job.phase in STARTABLE,
        can_abort=job.phase in ABORTABLE,
        days=[days for days in _DAYS if days * 86400 <= limit],
        latest=job.creation_time.timestamp() + limit,
    )


def log_answer(service: JobService, view: Viewed) -> Response:
    """Return the log as plain text."""
    job, files = view.job, service.runtime.files
    key = f"{job.id}/{log_name(job.id)}"
    try:
        return send_content(files, key, "text/plain", name=f"{job.id}.log")
    except NotFoundError:  # it is not COMPLETED
        return _text([log_so_far(job, JobResults(files, job)).encode()])


def files_answer(service: JobService, view: Viewed) -> Response:
    """Return a list of files as plain text."""
    form = request.args.get("format", "wget")
    found = JobResults(service.runtime.files, view.job)
    lines = file_list(found, form=form, results_url=view.results_url)
    return _text(line.encode() for line in lines)


def _text(pieces: Any) -> Response:
    answer = Response(pieces, content_type="text/plain; charset=utf-8")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def _page_asked() -> tuple[int, str]:
    page, status = request.args.get("page", "1"), request.args.get("status", "")
    if not (page.isascii() and page.isdigit() and 0 < int(page) <= 10**6):
        raise UsageError(f"page: {page[:40]!r} found; allowed is a number from 1")
    if status and status not in set(Status):
        raise UsageError(f"status: {status[:40]!r} found; allowed are {', '.join(Status)}")
    return int(page), status


def _history(job: Job) -> list[tuple[str, datetime, float | None]]:
    """Return the events of a job: name, time, and seconds since the previous event."""
    ends = {
        Phase.COMPLETED: "done", Phase.ERROR: "failed", Phase.ABORTED: "stopped",
        Phase.ARCHIVED: "archived",
    }  # fmt: skip
    events = [("submitted", job.creation_time), ("started", job.start_time)]
    events.append((ends.get(job.phase, "ended"), job.end_time))
    known = [(word, when) for word, when in events if when is not None]
    before = [None, *(when for _, when in known)]
    return [
        (word, when, None if last is None else (when - last).total_seconds())
        for (word, when), last in zip(known, before, strict=False)
    ]


def _shown(name: str, parameter: Parameter) -> dict[str, Any]:
    short = "" if parameter.by_reference else parameter.value[:_VALUE_CHARS]
    is_whole = not parameter.by_reference and short == parameter.value
    return {"name": name, "value": short, "is_whole": is_whole}
