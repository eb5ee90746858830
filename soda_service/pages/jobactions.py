"""Actions on one job: rename, run, stop, delete, keep longer, share.

Each URL accepts a form of the page or a request of a program, and returns JSON on request.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Blueprint, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from soda_service.pages.jobfacts import job_facts
from soda_service.pages.security import csrf_protected
from soda_service.web.access import caller
from soda_service.web.services import Services
from uws.dali import parse_integer
from uws.errors import UsageError
from uws.http.negotiation import JSON, document_type
from uws.models import Job
from uws.notify.links import JobSharing
from uws.service import JobService

__all__ = ["create_jobactions"]

_DAYS_MAX = 3650


def create_jobactions(services: Services) -> Blueprint:
    """Create the blueprint."""
    service, base_url = services.jobs, services.base_url
    blueprint = Blueprint("jobactions", __name__)

    def done(job: Job, place: str = "") -> ResponseReturnValue:
        return _done(job, base_url(), place)

    @blueprint.post("/jobs/<job_id>/name")
    @csrf_protected
    def rename(job_id: str) -> ResponseReturnValue:
        """Rename the job to `NAME`."""
        return done(service.rename(caller().owner, job_id, request.form.get("NAME", "")))

    @blueprint.post("/jobs/<job_id>/run")
    @csrf_protected
    def run(job_id: str) -> ResponseReturnValue:
        """Start a pending job."""
        return done(service.start(caller().owner, job_id))

    @blueprint.post("/jobs/<job_id>/abort")
    @csrf_protected
    def abort(job_id: str) -> ResponseReturnValue:
        """Stop the job; files that were already made are kept."""
        return done(service.abort(caller().owner, job_id))

    @blueprint.post("/jobs/<job_id>/delete")
    @csrf_protected
    def delete(job_id: str) -> ResponseReturnValue:
        """Delete the job; without `confirmed`, a page asks for confirmation first."""
        job = service.get(caller().owner, job_id)
        is_json = document_type(request) == JSON
        if not is_json and "confirmed" not in request.form:
            return render_template("confirm.html", here="/jobs", jobs=[job], back="")
        service.delete(caller().owner, job_id)
        return jsonify(id=job_id, gone=True) if is_json else redirect(f"{base_url()}/jobs", 303)

    @blueprint.post("/jobs/<job_id>/keep")
    @csrf_protected
    def keep(job_id: str) -> ResponseReturnValue:
        """Keep the results for at least `DAYS` days from now, up to the limit."""
        days = parse_integer("DAYS", request.form.get("DAYS", ""))
        if not 0 < days <= _DAYS_MAX:
            raise UsageError(f"DAYS: {days} found; allowed is 1 to {_DAYS_MAX}")
        until = datetime.now(UTC) + timedelta(days=days)
        job = service.get(caller().owner, job_id)
        if until > job.destruction:
            job = service.set_destruction(caller().owner, job_id, until)
        return done(job, "#keep")

    _add_sharing(blueprint, service, base_url)
    return blueprint


def _add_sharing(
    blueprint: Blueprint,
    service: JobService,
    base_url: Callable[[], str],
) -> None:
    sharing = JobSharing(service)

    @blueprint.post("/jobs/<job_id>/share")
    @csrf_protected
    def share(job_id: str) -> ResponseReturnValue:
        """Create a link that gives read access to the job; it is shown only once."""
        token = sharing.create(caller().owner, job_id)
        url = f"{base_url()}/shared/{token}"
        if document_type(request) == JSON:
            return jsonify(url=url), 201
        job = service.get(caller().owner, job_id)
        return render_template("shared_link.html", here="/jobs", job=job, url=url)

    @blueprint.post("/jobs/<job_id>/share/<share_id>/revoke")
    @csrf_protected
    def revoke(job_id: str, share_id: str) -> ResponseReturnValue:
        """Revoke a link."""
        sharing.revoke(caller().owner, job_id, share_id)
        return _done(service.get(caller().owner, job_id), base_url(), "#share")


def _done(job: Job, base: str, place: str) -> ResponseReturnValue:
    url = f"{base}/jobs/{job.id}"
    if document_type(request) == JSON:
        return jsonify(job_facts(job, url))
    return redirect(f"{url}{place}", 303)
