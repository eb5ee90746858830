"""What protects the pages: the policy that browsers hold them to, and tokens against forgery.

The token is the value of a cookie that no script and no other site can read; a form gives it back
(double submit), so nothing is kept on the server, and any host can answer.
"""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue

from uws.errors import AuthorizationError
from uws.http.formdata import whole_body

__all__ = [
    "COOKIE",
    "POLICY",
    "csrf_protected",
    "csrf_protected_unread",
    "csrf_token",
    "keep_secret",
    "protect",
]

COOKIE = "soda_csrf"
_FIELD, _HEADER = "csrf", "X-CSRF-Token"
_TOKEN_BYTES = 24

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    # 21012 is where SAMP hubs listen to pages (SAMP 1.3, section 5.2).
    "connect-src 'self' http://localhost:21012 http://127.0.0.1:21012; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content-Security-Policy of every page: nothing inline, nothing from elsewhere."""

_Arguments = ParamSpec("_Arguments")
_View = Callable[_Arguments, ResponseReturnValue]


def keep_secret(blueprint: Blueprint, *, referrer: str) -> None:
    """Hide the addresses of a blueprint, which hold a secret, from search engines and other sites.

    Parameters
    ----------
    referrer
        Its Referrer-Policy. Pages with a form need `same-origin`, since browsers send no origin
        with `no-referrer`.
    """

    @blueprint.after_request
    def hide(answer: Response) -> Response:
        answer.headers["X-Robots-Tag"] = "noindex, nofollow"
        answer.headers["Referrer-Policy"] = referrer
        return answer


def csrf_token() -> str:
    """Return the token for the forms of this response; `protect` sets the cookie."""
    if "csrf" not in g:
        known = request.cookies.get(COOKIE, "")
        g.csrf = known or secrets.token_urlsafe(_TOKEN_BYTES)
    token: str = g.csrf
    return token


def csrf_protected(view: _View[_Arguments]) -> _View[_Arguments]:
    """Make a view refuse POST requests that are forged by other sites, or incomplete.

    Browsers name the origin of every POST and send cookies along; programs do neither, carry no
    one's rights but their own, and need no token.

    Raises
    ------
    AuthorizationError
        By the view, when the token is missing or another than the cookie's.
    UsageError
        By the view, when the body is shorter than announced.
    """

    @wraps(view)
    def checked(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
        request.stream = whole_body(request)
        if _needs_token():
            _check(request.headers.get(_HEADER) or request.form.get(_FIELD, ""))
        return view(*args, **kwargs)

    return checked


def csrf_protected_unread(view: _View[_Arguments]) -> _View[_Arguments]:
    """Do as `csrf_protected`, with the token in the query of the form's action (`?csrf=...`).

    For views that read the body as it arrives: nothing of it has been read when the view begins.
    """

    @wraps(view)
    def checked(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
        if _needs_token():
            _check(request.headers.get(_HEADER) or request.args.get(_FIELD, ""))
        return view(*args, **kwargs)

    return checked


def _needs_token() -> bool:
    return request.method == "POST" and ("Origin" in request.headers or bool(request.cookies))


def _check(given: str) -> None:
    known = request.cookies.get(COOKIE, "")
    if not known or not secrets.compare_digest(known.encode(), given.encode()):
        raise AuthorizationError(
            "the form has expired, or was not sent from a page of this service; load the page again"
        )


def protect(answer: Response) -> Response:
    """Put policy and cookie on an answer; on pages only, documents have their own."""
    if answer.mimetype == "text/html":
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        answer.headers.setdefault("Cache-Control", "private, no-cache")
    if "csrf" in g and request.cookies.get(COOKIE) != g.csrf:
        # Lax: a page that is reached by a link elsewhere keeps the token of the other tabs.
        path = request.script_root or "/"
        answer.set_cookie(
            COOKIE, g.csrf, httponly=True, samesite="Lax", secure=request.is_secure, path=path
        )
    return answer
