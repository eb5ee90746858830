"""The UWS 1.1 resource tree as a Flask blueprint: rules, methods, errors."""

from collections.abc import Callable
from functools import partial, update_wrapper
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Request, Response, request, send_from_directory
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from uws.errors import UWSError
from uws.http import responses
from uws.http.resources import JobResources, View
from uws.service import JobService

__all__ = ["create_blueprint"]

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def create_blueprint(  # noqa: PLR0913 - the parts that an application joins
    service: JobService,
    *,
    job_type: str,
    name: str = "async",
    authenticate: Callable[[Request], str],
    base_url: Callable[[], str],
    job_page: Callable[[str], str] | None = None,
    accel_prefix: str = "",
) -> Blueprint:
    """Make the blueprint of one job list, with everything below it.

    Bodies count against the application's MAX_CONTENT_LENGTH. None of Flask's other limits
    matters here, since bodies are read as they arrive and never held in memory.

    Parameters
    ----------
    service
        The verbs.
    job_type
        Kind of the jobs that are created here, a key of `service.runtime.job_types`.
    name
        Path segment of the job list below the base URL, and name of the blueprint.
    authenticate
        Gives the owner who sends a request, empty for the anonymous one; raises
        `AuthenticationError` or `AuthorizationError` to refuse. Neither it nor anything else
        before these views may touch `request.form`, `request.files` or `request.data`.
    base_url
        Gives the absolute address of the application as its clients see it, during a request.
    job_page
        Gives the address of a richer page of a job (of the job list for an empty id), to which
        requests for HTML are then led instead of being answered here.
    accel_prefix
        See `uws.http.responses.send_content`.
    """
    resources = JobResources(
        service=service,
        job_type=job_type,
        name=name,
        authenticate=authenticate,
        base_url=base_url,
        job_page=job_page,
        accel_prefix=accel_prefix,
    )
    blueprint = Blueprint(
        name,
        __name__,
        url_prefix=f"/{name}",
        template_folder="templates",
        static_folder="static",
        static_url_path="/.static",  # no job id begins with a dot
    )
    blueprint.add_url_rule("/.static/jobinfo.xsd", "jobinfo-schema", _send_schema)
    for endpoint, rule, views in resources.table():
        view = update_wrapper(partial(_dispatch, views), _dispatch)
        view.views = views  # type: ignore[attr-defined]  # by method, for who describes the routes
        # Both spellings are answered: a redirect to the other would be a 308, which TOPCAT
        # takes for a failure (UWS-T4).
        for spelling in (rule, f"{rule}/"):
            blueprint.add_url_rule(
                spelling,
                endpoint=endpoint,
                view_func=view,
                methods=_METHODS,
                provide_automatic_options=False,
                merge_slashes=False,
            )
    blueprint.register_error_handler(UWSError, responses.uws_error)
    blueprint.register_error_handler(HTTPException, responses.protocol_error)
    blueprint.register_error_handler(OSError, responses.system_error)
    blueprint.register_error_handler(Exception, responses.internal_error)
    return blueprint


def _send_schema() -> Response:
    """Send the schema of jobInfo; by its name alone few systems know it for XML."""
    folder = Path(__file__).parent / "static"
    return send_from_directory(folder, "jobinfo.xsd", mimetype="application/xml")


def _dispatch(views: dict[str, View], **segments: str) -> Response:
    """Call the view of the request's method; the segments of the path are its arguments.

    Rules take every method, so that a wrong one is answered here, as text and with `Allow`.
    """
    allowed = [method for method in _METHODS if _is_allowed(method, views)]
    if request.method not in allowed:
        raise MethodNotAllowed(
            valid_methods=allowed,
            description=f"{request.method} is not allowed here, only {' '.join(allowed)}",
        )
    if request.method == "OPTIONS":
        return Response(status=HTTPStatus.NO_CONTENT, headers={"Allow": ", ".join(allowed)})
    return views["GET" if request.method == "HEAD" else request.method](**segments)


def _is_allowed(method: str, views: dict[str, View]) -> bool:
    return method in views or method == "OPTIONS" or (method == "HEAD" and "GET" in views)
