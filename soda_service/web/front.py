"""`/`: where a visitor lands; says what the service is and where everything lies."""

from collections.abc import Callable

from flask import Blueprint, render_template

from soda_service import __version__
from soda_service.config import ServiceConfig
from soda_service.jobs.sky import Sky
from soda_service.parameters.table import PARAMETERS

__all__ = ["create_front"]


def create_front(service: ServiceConfig, sky: Sky, base_url: Callable[[], str]) -> Blueprint:
    """Make the route."""
    blueprint = Blueprint(
        "front",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )

    @blueprint.get("/")
    def front() -> str:
        """Show what there is to cut from, and how to ask."""
        usable = [release for release in sky.releases.all() if sky.releases.has_tiles(release)]
        return render_template(
            "front.html",
            service=service,
            base=base_url(),
            releases=usable,
            default=sky.releases.default().name if usable else None,
            parameters=PARAMETERS.values(),
            version=__version__,
        )

    return blueprint
