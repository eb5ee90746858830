"""`/`: where a visitor lands, and asks for cutouts."""

from flask import Blueprint, render_template

from soda_service.parameters.table import PARAMETERS
from soda_service.web.served import ServedReleases

__all__ = ["create_ask"]

_WITHOUT_EFFECT = frozenset({"EMAIL"})
"""Parameters that jobs take, and that change nothing about them."""


def create_ask(served: ServedReleases) -> Blueprint:
    """Make the route."""
    blueprint = Blueprint("ask", __name__)

    @blueprint.get("/")
    def ask() -> str:
        """Show what there is to cut from, and how to ask."""
        return render_template(
            "ask.html",
            here="/",
            releases=served.all(),
            default=served.default_name(),
            parameters=[p for p in PARAMETERS.values() if p.name not in _WITHOUT_EFFECT],
        )

    return blueprint
