"""Access control: checked once per request, before its view is called."""

from collections.abc import Mapping
from enum import StrEnum

from flask import Flask, current_app, g, request

from soda_service.auth import ANONYMOUS, Authenticator, Caller
from uws.errors import AuthenticationError

__all__ = ["Access", "caller", "guard"]

_EXTENSION = "soda-authenticator"


class Access(StrEnum):
    """Kinds of access to the views of a blueprint."""

    OPEN = "open"
    """Everybody. Callers without valid credentials are anonymous."""

    OWNER = "owner"
    """Callers that the authenticator accepts; they see only their own jobs."""

    LINK = "link"
    """Everybody who has the URL, which contains a secret token."""

    DEFERRED = "deferred"
    """Like `OWNER`, but checked when the view calls `caller()`. An impossible job id is a 404 for
    everybody (VOSI-T1), and schemas and styles of the job list are open."""


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
    app.extensions[_EXTENSION] = authenticator

    @app.before_request
    def admit() -> None:
        kind = access.get(request.blueprint or "", Access.OWNER)
        # CORS preflight requests carry no credentials, and an unknown URL is a 404.
        if kind is Access.LINK or request.endpoint is None or request.method == "OPTIONS":
            g.caller = ANONYMOUS
            return
        if kind is Access.DEFERRED:
            return
        try:
            g.caller = authenticator.caller(request)
        except AuthenticationError:
            if kind is not Access.OPEN:
                raise
            g.caller = ANONYMOUS


def caller() -> Caller:
    """Return the caller of the current request.

    Raises
    ------
    AuthenticationError
        Where the check was deferred, and the authenticator does not accept the caller.
    """
    if "caller" not in g:
        authenticator: Authenticator = current_app.extensions[_EXTENSION]
        g.caller = authenticator.caller(request)
    current: Caller = g.caller
    return current
