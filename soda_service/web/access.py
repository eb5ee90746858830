"""Access control: checked once per request, before its view is called."""

from collections.abc import Mapping
from enum import StrEnum

from flask import Flask, g, request

from soda_service.auth import ANONYMOUS, Authenticator, Caller
from uws.errors import AuthenticationError

__all__ = ["Access", "caller", "guard"]


class Access(StrEnum):
    """Kinds of access to the views of a blueprint."""

    OPEN = "open"
    """Everybody. Callers without valid credentials are anonymous."""

    OWNER = "owner"
    """Callers that the authenticator accepts; they see only their own jobs."""

    LINK = "link"
    """Everybody who has the URL, which contains a secret token."""


def guard(app: Flask, authenticator: Authenticator, access: Mapping[str, Access]) -> None:
    """Check the access of every request before its view is called.

    Parameters
    ----------
    app
        The application.
    authenticator
        Called once per request, except for `Access.LINK`.
    access
        Kind of access by blueprint name. Blueprints that are not listed need an owner.
    """

    @app.before_request
    def admit() -> None:
        kind = access.get(request.blueprint or "", Access.OWNER)
        # CORS preflight requests carry no credentials, and an unknown URL is a 404.
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
    """Return the caller of the current request, as found by `guard`."""
    current: Caller = g.caller
    return current
