"""The web application, built by `create_app` for gunicorn and tests."""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from soda_service.assembly import build_parts, picture_settings
from soda_service.auth import open_authenticator
from soda_service.config.model import Config, WebConfig
from soda_service.cutouts.job_type import uws_error
from soda_service.cutouts.sync_cutout import SyncCutout
from soda_service.errors import CutoutError
from soda_service.pages.layout import create_layout
from soda_service.routes import ROUTES, Route, offered_capabilities
from soda_service.web.access import Access, guard
from soda_service.web.served import ServedReleases
from soda_service.web.services import Services
from soda_service.web.sites import guard_sites
from uws.errors import UWSError
from uws.http import responses
from uws.service import JobService

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["create_app"]


_DATA_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""Content-Security-Policy of responses that are no pages; browsers show pictures with it."""


def create_app(config: Config) -> Flask:
    """Build the application.

    Raises
    ------
    ConfigError
        If a required setting is missing.
    """
    services = _services(config)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.web.body_max_bytes
    app.after_request(_as_data)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of flask's default provider
    app.url_map.strict_slashes = False  # both spellings are answered, without a redirect
    _add_routes(app, services, ROUTES)
    app.register_error_handler(CutoutError, lambda error: responses.uws_error(uws_error(error)))
    app.register_error_handler(UWSError, responses.uws_error)
    app.register_error_handler(HTTPException, responses.protocol_error)
    app.register_error_handler(Exception, responses.internal_error)
    app.wsgi_app = _behind(app.wsgi_app, config.web)  # type: ignore[method-assign,assignment]  # as flask documents
    return app


def _as_data(answer: Response) -> Response:
    """Keep browsers from taking responses for something else, and from running what is in them.

    Pages, and what clients sent, have a policy of their own by now.
    """
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    if answer.mimetype != "text/html":
        answer.headers.setdefault("Content-Security-Policy", _DATA_POLICY)
    return answer


def _services(config: Config) -> Services:
    parts = build_parts(config)
    pictures, pixels_max = picture_settings(config.pictures), config.sync.pixels_max
    return Services(
        config=config,
        holdings=parts.holdings,
        served=ServedReleases(parts.holdings.releases),
        runtime=parts.runtime,
        jobs=JobService(parts.runtime),
        base_url=_base_url(config.web),
        queue_status=parts.executor.status,
        sync_cutout=SyncCutout(parts.holdings, pictures, pixels_max=pixels_max),
        capabilities=offered_capabilities(),
    )


def _add_routes(app: Flask, services: Services, routes: Sequence[Route]) -> None:
    made = [(route, route.create(services)) for route in routes]
    menu = [route.menu for route in routes if route.menu]
    pages = frozenset(blueprint.name for route, blueprint in made if route.is_page)
    access = {blueprint.name: route.access for route, blueprint in made}
    layout = create_layout(services.config.service, services.base_url, menu=menu, pages=pages)
    public = {blueprint.name for route, blueprint in made if route.is_public}
    public |= {
        f"{blueprint.name}.{view}" for route, blueprint in made for view in route.public_views
    }
    guard_sites(app, services.config.web, public)
    guard(app, open_authenticator(services.config.auth), {**access, layout.name: Access.OPEN})
    for blueprint in (layout, *(blueprint for _, blueprint in made)):
        app.register_blueprint(blueprint)


def _base_url(web: WebConfig) -> Callable[[], str]:
    """Return a function that returns the public base URL, without a trailing slash."""
    fixed = web.base_url.rstrip("/")
    return lambda: fixed or request.root_url.rstrip("/")


def _behind(application: "WSGIApplication", web: WebConfig) -> "WSGIApplication":
    """Wrap the application in the middleware for path prefix and reverse proxies."""
    if web.path_prefix:
        application = _below(application, web.path_prefix)
    if web.proxy_hops:
        hops = web.proxy_hops
        # A configured prefix is final. X-Forwarded-Prefix would let a client add another one.
        prefix_hops = 0 if web.path_prefix else hops
        application = ProxyFix(
            application, x_for=hops, x_proto=hops, x_host=hops, x_port=hops, x_prefix=prefix_hops
        )
    return application


def _below(application: "WSGIApplication", prefix: str) -> "WSGIApplication":
    outside = Response(
        f"UsageError: not found; this service is served below {prefix}\n",
        HTTPStatus.NOT_FOUND,
        content_type="text/plain; charset=utf-8",
    )

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != prefix and not path.startswith(f"{prefix}/"):
            return outside(environ, start_response)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
        environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return application(environ, start_response)

    return serve
