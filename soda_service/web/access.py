"""Who may use a route: decided once, before the request reaches its view."""

from collections.abc import Mapping
from enum import StrEnum

from flask import Flask, g, request

from soda_service.auth import ANONYMOUS, Authenticator, Caller
from uws.errors import AuthenticationError

__all__ = ["Access", "caller", "guard"]


class Access(StrEnum):
    """Kinds of access to the routes of a blueprint."""

    OPEN = "open"
    """Everybody. A caller who says who they are is known, one who does not is anonymous."""

    OWNER = "owner"
    """Callers whom the authenticator accepts; jobs are then their own alone."""

    LINK = "link"
    """Whoever has the address: a token in it is the right."""


def guard(app: Flask, authenticator: Authenticator, access: Mapping[str, Access]) -> None:
    """Have every request of an application admitted before its view is called.

    Parameters
    ----------
    app
        The application.
    authenticator
        Asked once a request, never for links.
    access
        By name of the blueprint. Routes of a blueprint that is not named need an owner.
    """

    @app.before_request
    def admit() -> None:
        kind = access.get(request.blueprint or "", Access.OWNER)
        # A browser asks beforehand (CORS) without credentials; an unknown address is a 404.
        if kind is Access.LINK or request.endpoint is None or request.method == "OPTIONS":
            g.caller = ANONYMOUS
            return
        try:
            g.caller = authenticator.caller(request)
        except AuthenticationError:
            if kind is not Access.OPEN:
                raise
            g.caller = ANONYMOUS


def caller() -> Caller:
    """Return the sender of the current request, whom `guard` admitted."""
    found: Caller = g.caller
    return found
