"""`/`: where a visitor lands; says what the service is and where everything lies."""

from collections.abc import Callable

from flask import Blueprint, render_template

from soda_service import __version__
from soda_service.config import ServiceConfig
from soda_service.parameters.table import PARAMETERS
from soda_service.web.served import ServedReleases

__all__ = ["create_front"]

_WITHOUT_EFFECT = frozenset({"EMAIL"})
"""Parameters that jobs take, and that change nothing about them."""


def create_front(
    service: ServiceConfig, served: ServedReleases, base_url: Callable[[], str]
) -> Blueprint:
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
        return render_template(
            "front.html",
            service=service,
            base=base_url(),
            releases=served.all(),
            default=served.default_name(),
            parameters=[p for p in PARAMETERS.values() if p.name not in _WITHOUT_EFFECT],
            version=__version__,
        )

    return blueprint
