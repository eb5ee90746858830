"""The web application: `create_app` joins the routes; gunicorn and tests call it."""

import os
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from soda_service.assembly import Parts, build_parts, picture_settings
from soda_service.auth import open_authenticator
from soda_service.config.model import Config, WebConfig
from soda_service.cutouts.estimate import Estimate, estimate
from soda_service.cutouts.job_type import uws_error
from soda_service.cutouts.sync_cutout import Immediate
from soda_service.errors import CutoutError
from soda_service.notify.mail import keep_rules
from soda_service.pages.help import create_help
from soda_service.pages.jobactions import create_jobactions
from soda_service.pages.joblist import create_joblist
from soda_service.pages.jobpage import create_jobpage
from soda_service.pages.jobrows import create_jobrows
from soda_service.pages.keep import create_keep
from soda_service.pages.layout import create_layout
from soda_service.pages.live import create_live
from soda_service.pages.share import create_share
from soda_service.pages.sky import create_sky
from soda_service.pages.submit import AskSettings, create_ask
from soda_service.web.links import create_links
from soda_service.web.openapi import create_openapi
from soda_service.web.releases import create_releases
from soda_service.web.served import ServedReleases
from soda_service.web.sia2 import create_sia2
from soda_service.web.sites import guard_sites
from soda_service.web.sync import create_sync
from soda_service.web.validate import create_validate
from soda_service.web.vosi import create_describing, create_vosi
from uws.errors import UWSError
from uws.http import responses
from uws.http.blueprint import create_blueprint
from uws.models import Parameter
from uws.service import JobService

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["create_app"]


def create_app(config: Config) -> Flask:
    """Build the application.

    Raises
    ------
    ConfigError
        When settings are missing that the service cannot do without.
    """
    parts = build_parts(config)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.web.body_max_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of flask's default provider
    base_url = _base_url(config.web)
    _add_routes(app, parts, base_url)
    app.register_error_handler(CutoutError, lambda error: responses.uws_error(uws_error(error)))
    app.register_error_handler(UWSError, responses.uws_error)
    app.register_error_handler(HTTPException, responses.protocol_error)
    app.register_error_handler(Exception, responses.internal_error)
    guard_sites(app, config.web)
    app.wsgi_app = _behind(app.wsgi_app, config.web)  # type: ignore[method-assign,assignment]  # as flask documents
    return app


def _add_routes(app: Flask, parts: Parts, base_url: Callable[[], str]) -> None:
    # Not before the processes are forked: see that module.
    from soda_service.web.metrics import create_metrics

    config, sky, runtime = parts.config, parts.sky, parts.runtime
    served = ServedReleases(sky.releases)
    authenticator = open_authenticator(config.auth)
    service = JobService(runtime)
    jobs = create_blueprint(
        service,
        job_type="cutout",
        authenticate=authenticator.owner,
        base_url=base_url,
        job_page=lambda job_id: f"{base_url()}/jobs/{job_id}".rstrip("/"),
        accel_prefix=config.web.x_accel_prefix,
    )
    app.register_blueprint(jobs)
    app.register_blueprint(create_layout(config.service, base_url))
    app.register_blueprint(create_help(sky.releases, served))
    app.register_blueprint(create_sky(sky.releases, served))
    owner = authenticator.owner
    app.register_blueprint(_ask(parts, served, service, base_url, owner=owner))
    app.register_blueprint(create_keep(runtime, keep_rules(config.mail)))
    for create in (create_joblist, create_live, create_jobactions, create_jobpage):
        app.register_blueprint(create(service, base_url, owner=owner))
    app.register_blueprint(create_jobrows(service, owner=owner))
    app.register_blueprint(create_share(service, base_url, accel_prefix=config.web.x_accel_prefix))
    app.register_blueprint(create_releases(sky, served))
    immediate = Immediate(sky, picture_settings(config.pictures), pixels_max=config.sync.pixels_max)
    cores = os.cpu_count() or 1
    at_once = max(1, config.sync.at_once_per_core * cores // config.web.workers)
    app.register_blueprint(create_sync(immediate, base_url, at_once=at_once))
    rows = {"rows_default": config.sia2.rows_default, "rows_max": config.sia2.rows_max}
    app.register_blueprint(create_sia2(sky.releases, served, base_url, **rows))
    app.register_blueprint(create_links(sky.releases, service, base_url, owner=owner))
    app.register_blueprint(
        create_validate(
            sky,
            config.cutouts,
            runtime.files,
            inline_max=runtime.limits.inline_value_max,
            rows_per_s=runtime.store.recent_rate_per_s,
        )
    )
    needed = {"job store": _store_check(parts), "job files": _folder_check(config.files_root())}
    helpful = {"queue": _queue_check(parts), "releases": _releases_check(served)}
    app.register_blueprint(create_vosi(base_url, needed, helpful, served.faults))
    title = config.service.title
    app.register_blueprint(create_describing(title, sky.releases, served, base_url))
    app.register_blueprint(create_openapi(title, base_url))
    gauges = {"jobs": runtime.store.phase_counts, "queue": parts.executor.status}
    app.register_blueprint(create_metrics(app, gauges))


def _ask(
    parts: Parts,
    served: ServedReleases,
    service: JobService,
    base_url: Callable[[], str],
    *,
    owner: Callable[[Request], str],
) -> Blueprint:
    """Make the page of the form."""
    sky, runtime = parts.sky, parts.runtime

    def look(parameters: Sequence[Parameter]) -> Estimate:
        rate = runtime.store.recent_rate_per_s()
        return estimate(parameters, runtime.files, sky, parts.config.cutouts, rows_per_s=rate)

    settings = AskSettings(
        owner=owner,
        job_url=lambda job_id: f"{base_url()}/async/{job_id}",
        job_page=lambda job_id: f"{base_url()}/jobs/{job_id}",
        look=look,
        sends_mail=parts.config.mail.is_on,
    )
    return create_ask(sky.releases, served, service, settings)


def _base_url(web: WebConfig) -> Callable[[], str]:
    """Give what finds the address of the service as the client sees it, without a slash."""
    fixed = web.base_url.rstrip("/")
    return lambda: fixed or request.root_url.rstrip("/")


def _store_check(parts: Parts) -> Callable[[], str]:
    def check() -> str:
        try:
            parts.runtime.store.phase_counts()
        except UWSError as error:
            return str(error)
        return ""

    return check


def _queue_check(parts: Parts) -> Callable[[], str]:
    def check() -> str:
        try:
            status = parts.executor.status()
        except UWSError:
            return "not reachable; jobs are accepted and sent later"
        return "" if status["workers"] else "no worker is running; jobs wait"

    return check


def _folder_check(root: Path) -> Callable[[], str]:
    def check() -> str:
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return error.strerror or "not reachable"
        return ""

    return check


def _releases_check(served: ServedReleases) -> Callable[[], str]:
    def check() -> str:
        usable = served.all()
        away = [r.name for r in usable if "://" not in r.root and not Path(r.root).is_dir()]
        if away:
            return f"data of {', '.join(away)} not reachable"
        return "" if usable else "none can be cut from"

    return check


def _behind(application: "WSGIApplication", web: WebConfig) -> "WSGIApplication":
    """Put what stands between the network and the application around it."""
    if web.path_prefix:
        application = _below(application, web.path_prefix)
    if web.proxy_hops:
        hops = web.proxy_hops
        # One that is configured stands; a second one in front of it would only be a client's word.
        prefix_hops = 0 if web.path_prefix else hops
        application = ProxyFix(
            application, x_for=hops, x_proto=hops, x_host=hops, x_port=hops, x_prefix=prefix_hops
        )
    return application


def _below(application: "WSGIApplication", prefix: str) -> "WSGIApplication":
    outside = Response(
        f"UsageError: there is nothing here; the service lies below {prefix}\n",
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
