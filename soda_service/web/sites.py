"""Protection against other sites: which requests their pages may send, and which Host is valid.

A browser sends requests on behalf of any page that it shows, and it can reach servers that only
its user can reach. Pages of other sites may therefore create, change and delete nothing, and may
read only public documents, even if the service is open to everybody. Programs send no `Origin`
and are not affected.
"""

from collections.abc import Callable, Container
from urllib.parse import urlsplit

from flask import Flask, Response, request

from soda_service.config.hosts import is_address, is_loopback, is_named, name_of
from soda_service.config.model import WebConfig
from uws.errors import AuthorizationError, UsageError

__all__ = ["guard_sites", "known_names"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

_EXPOSED = "Location, Content-Disposition, Content-Length, Content-Range, ETag, Retry-After"
_ALLOWED_HEADERS = (
    "Accept, Cache-Control, If-Match, If-Modified-Since, If-None-Match, If-Range,"
    " If-Unmodified-Since, Pragma, Range"
)


def guard_sites(app: Flask, web: WebConfig, public: Container[str]) -> None:
    """Refuse requests that other sites must not send, and let them read public documents.

    A request with an unknown Host is refused (400). So is a request that changes something and
    comes from a page of another site (403).

    Parameters
    ----------
    public
        Names of blueprints and endpoints that change nothing and that any page may read.
    """
    names = known_names(web)
    trusted = _listed(web.trusted_origins)
    own = _own_host(web.base_url)

    def is_public() -> bool:
        return (request.blueprint or "") in public or (request.endpoint or "") in public

    @app.before_request
    def _check() -> None:
        _check_host(names)
        if request.method not in _READING and not is_public():
            _check_site(trusted, own)

    app.after_request(_cors(_listed(web.cors_origins), trusted, is_public))


def known_names(web: WebConfig) -> frozenset[str]:
    """Return the names allowed as Host of a request; empty if any name is allowed.

    Any name is allowed if neither `web.base_url` nor `web.hosts` is set and the service is reached
    through a proxy or from other machines.
    """
    listed = _listed(web.hosts)
    if "*" in listed:
        return frozenset()
    if web.base_url:
        listed |= {urlsplit(web.base_url).hostname or ""}
    if not listed and (web.proxy_hops or not is_loopback(web.host)):
        return frozenset()
    return listed | {"localhost", ".localhost"}


def _check_host(names: frozenset[str]) -> None:
    """Raise UsageError if the Host of a request is not a name of the service.

    IP addresses are always allowed: a page has such an origin only if it was loaded from there. A
    name can be made to resolve to this machine by another site (DNS rebinding).
    """
    host = request.environ.get("HTTP_HOST")
    if not names or host is None:
        return
    name = name_of(host)
    if not is_address(name) and not is_named(name, names):
        raise UsageError(
            f"Host: {host[:100]!r} is not a name of this service; the operator can allow it by"
            " web.hosts or web.base_url"
        )


def _check_site(trusted: frozenset[str], own: str) -> None:
    """Raise AuthorizationError if a page of another site sent the request."""
    origin = request.headers.get("Origin")
    if origin in trusted:
        return
    # No page can set this header, and it stays correct behind a proxy that changes the Host.
    site = request.headers.get("Sec-Fetch-Site")
    if site in {"same-origin", "none"} or (site is None and origin is None):
        return
    if site is None and _is_own(origin or "", own):
        return
    raise AuthorizationError(
        f"the request comes from a page of another site ({(origin or site or '')[:100]}), which may"
        " not change anything here; the operator can allow its origin by web.trusted_origins"
    )


def _is_own(origin: str, own: str) -> bool:
    """Return whether an origin is this service, by the request's Host or by `web.base_url`."""
    host = origin.partition("://")[2]  # empty for the origin `null`
    return bool(host) and host in {request.host, own}


def _cors(
    readers: frozenset[str], trusted: frozenset[str], is_public: Callable[[], bool]
) -> Callable[[Response], Response]:
    """Return a function that adds the CORS headers to a response."""

    def add(answer: Response) -> Response:
        allowed = trusted | readers if is_public() else trusted
        if not allowed:
            return answer
        origin = request.headers.get("Origin")
        is_any = "*" in allowed
        if not is_any:
            # Needed without an Origin too: a cache must not reuse that response for another site.
            answer.vary.add("Origin")
            if origin not in allowed:
                return answer
        answer.headers["Access-Control-Allow-Origin"] = "*" if is_any else origin or ""
        if request.method == "OPTIONS":
            answer.headers.update(_preflight(may_change=origin in trusted))
        else:
            answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
        return answer

    return add


def _preflight(*, may_change: bool) -> dict[str, str]:
    """Return the headers of a preflight response."""
    more_methods, more_headers = (
        (", POST, PUT, DELETE", ", Content-Type") if may_change else ("", "")
    )
    return {
        "Access-Control-Allow-Methods": f"GET, HEAD{more_methods}",
        "Access-Control-Allow-Headers": f"{_ALLOWED_HEADERS}{more_headers}",
        "Access-Control-Max-Age": "3600",
    }


def _listed(text: str) -> frozenset[str]:
    """Return the entries of a comma-separated setting."""
    return frozenset(entry.strip().lower() for entry in text.split(",") if entry.strip())


def _own_host(base_url: str) -> str:
    """Return the host of the base URL as browsers write it, without a default port."""
    place = urlsplit(base_url)
    usual = {"http": ":80", "https": ":443"}.get(place.scheme, "")
    return place.netloc.lower().removesuffix(usual)
