"""The register of routes: one row per blueprint, with the access it requires.

To add a page or a VO endpoint, write a module with a factory and add a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint

from soda_service.pages.help import create_help
from soda_service.pages.jobactions import create_jobactions
from soda_service.pages.joblist import create_joblist
from soda_service.pages.jobpage import create_jobpage
from soda_service.pages.jobrows import create_jobrows
from soda_service.pages.keep import create_keep
from soda_service.pages.live import create_live
from soda_service.pages.share import create_share
from soda_service.pages.sky import create_sky
from soda_service.pages.submit import create_submit
from soda_service.vo.capabilities import Capability
from soda_service.vo.datalink import LINKS_ID
from soda_service.vo.sia import SIA_ID
from soda_service.vo.soda import ASYNC_ID, SYNC_ID
from soda_service.web.access import Access, caller
from soda_service.web.links import create_links
from soda_service.web.openapi import create_openapi
from soda_service.web.releases import create_releases
from soda_service.web.services import Services
from soda_service.web.sia2 import create_sia2
from soda_service.web.sync import create_sync, create_validate
from soda_service.web.vosi import create_descriptions, create_vosi
from uws.http.blueprint import create_blueprint

__all__ = ["ROUTES", "Route", "offered_capabilities"]


@dataclass(frozen=True, slots=True)
class Route:
    """A blueprint and its properties."""

    create: Callable[[Services], Blueprint]
    access: Access
    is_page: bool = False
    """Whether errors are shown to browsers as HTML pages."""

    is_public: bool = False
    """Whether pages of other sites may read all of its views (CORS); such a blueprint changes
    nothing."""

    public_views: tuple[str, ...] = ()
    """Single views that other sites may read, where `is_public` is false."""

    capabilities: tuple[Capability, ...] = ()
    """VO interfaces that the blueprint offers."""

    menu: tuple[str, str] | None = None
    """Path and label of its entry in the menu."""


def _create_jobs(services: Services) -> Blueprint:
    def page_of(job_id: str) -> str:
        return f"{services.base_url()}/jobs/{job_id}".rstrip("/")

    return create_blueprint(
        services.jobs,
        job_type="cutout",
        authenticate=lambda _request: caller().owner,
        base_url=services.base_url,
        job_page=page_of,
        accel_prefix=services.config.web.x_accel_prefix,
    )


def _create_metrics(services: Services) -> Blueprint:
    # Imported late: the module must not be loaded before the processes are forked.
    from soda_service.web.metrics import create_metrics

    return create_metrics(services)


ROUTES: list[Route] = [
    # Result files are public: they are read by a job id or a token of at least 128 bits, which
    # nobody can guess. Job lists are not, because they contain ids, nor are job documents, because
    # they contain the owners' addresses.
    Route(
        _create_jobs,
        Access.DEFERRED,
        public_views=("jobinfo-schema", "result"),
        capabilities=(
            Capability(
                ASYNC_ID, "async", "base", description="Cutouts and pictures, made by a job"
            ),
            Capability("ivo://ivoa.net/std/UWS#rest-1.1", "async", "base", "1.1"),
        ),
    ),
    Route(create_submit, Access.OWNER, is_page=True, menu=("/", "New cutouts")),
    Route(create_joblist, Access.OWNER, is_page=True, menu=("/jobs", "Jobs")),
    Route(create_jobpage, Access.OWNER, is_page=True),
    Route(create_jobactions, Access.OWNER, is_page=True),
    Route(create_jobrows, Access.OWNER, is_page=True),
    Route(create_live, Access.OWNER),
    Route(create_share, Access.LINK, is_page=True, public_views=("shared_result",)),
    Route(create_keep, Access.LINK, is_page=True),
    Route(create_sky, Access.OPEN, is_page=True, public_views=("footprint",), menu=("/sky", "Sky")),
    Route(create_help, Access.OPEN, is_page=True, menu=("/help", "Help")),
    Route(create_releases, Access.OPEN, is_public=True),
    Route(
        create_sync,
        Access.OPEN,
        is_public=True,
        capabilities=(
            Capability(SYNC_ID, "sync", description="A single cutout, made immediately"),
        ),
    ),
    Route(
        create_sia2,
        Access.OPEN,
        is_public=True,
        capabilities=(Capability(SIA_ID, "sia2", description="Images of the releases"),),
    ),
    Route(
        create_links,
        Access.OPEN,
        is_public=True,
        capabilities=(
            Capability(LINKS_ID, "links", description="Files and services for an image"),
        ),
    ),
    Route(create_validate, Access.OPEN),
    Route(
        create_vosi,
        Access.OPEN,
        is_public=True,
        capabilities=(
            Capability("ivo://ivoa.net/std/VOSI#capabilities", "capabilities"),
            Capability("ivo://ivoa.net/std/VOSI#availability", "availability"),
        ),
    ),
    Route(
        create_descriptions,
        Access.OPEN,
        is_public=True,
        capabilities=(
            Capability("ivo://ivoa.net/std/VOSI#tables-1.1", "tables"),
            Capability("ivo://ivoa.net/std/DALI#examples", "examples"),
        ),
    ),
    Route(create_openapi, Access.OPEN, is_public=True),
    Route(_create_metrics, Access.OPEN),
]
"""In registration order."""


def offered_capabilities() -> tuple[Capability, ...]:
    """Return the VO interfaces of all routes."""
    return tuple(each for route in ROUTES for each in route.capabilities)
