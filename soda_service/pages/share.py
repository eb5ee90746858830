"""`/shared/{token}`: read-only view of a job through a shared link."""

from flask import Blueprint, Response

from soda_service.pages.jobpage import Viewed, files_answer, log_answer, render_job
from soda_service.pages.jobrows import rows_answer
from soda_service.pages.security import keep_secret
from soda_service.web.services import Services
from uws.errors import NotFoundError
from uws.http.responses import send_result
from uws.models import Phase
from uws.notify.links import JobSharing
from uws.results import find_result

__all__ = ["create_share"]


def create_share(services: Services) -> Blueprint:
    """Make the routes."""
    service, base_url = services.jobs, services.base_url
    accel_prefix = services.config.web.x_accel_prefix
    blueprint = Blueprint("share", __name__, url_prefix="/shared/<token>")
    sharing = JobSharing(service)

    def viewed(token: str) -> Viewed:
        job, page_url = sharing.open(token), f"{base_url()}/shared/{token}"
        if job.phase is Phase.ARCHIVED:
            raise NotFoundError("the results of this job were removed")
        return Viewed(job, page_url, f"{page_url}/results", is_owner=False)

    keep_secret(blueprint, referrer="no-referrer")

    @blueprint.get("")
    def shared_job(token: str) -> str:
        """Show the job read-only."""
        return render_job(service, viewed(token))

    @blueprint.get("/rows")
    def shared_rows(token: str) -> Response:
        """Return rows of the job, like `/jobs/{id}/rows`."""
        return rows_answer(viewed(token).job, service.runtime.files)

    @blueprint.get("/log")
    def shared_log(token: str) -> Response:
        """Return the log of the job."""
        return log_answer(service, viewed(token))

    @blueprint.get("/files.txt")
    def shared_files(token: str) -> Response:
        """List the job's files for download programs."""
        return files_answer(service, viewed(token))

    @blueprint.get("/results/<path:path>")
    def shared_result(token: str, path: str) -> Response:
        """Return the content of a result."""
        job = viewed(token).job
        result = find_result(service.runtime, job, path)
        return send_result(service.runtime, job, result, accel_prefix=accel_prefix)

    return blueprint
