"""What pages of other sites may do, and the names by which the service is reached.

A browser sends requests for any page that it shows, and reaches what only its user can reach, so
where everybody may use everything a page of another site must not: it makes, changes and deletes
nothing, and reads public documents only. Programs send no `Origin`, and are not meant.
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
_ASKED_HEADERS = (
    "Accept, Cache-Control, If-Match, If-Modified-Since, If-None-Match, If-Range,"
    " If-Unmodified-Since, Pragma, Range"
)


def guard_sites(app: Flask, web: WebConfig, public: Container[str]) -> None:
    """Have an application refuse what other sites may not do, and let them read what they may.

    Refused are requests with an unknown Host (400), and requests that change something and come
    from a page of another site (403).

    Parameters
    ----------
    public
        Names of blueprints and endpoints that change nothing and that every page may read.
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
    """Return the names that requests may have as their Host; empty where any will do.

    Any will do where nothing tells the names: neither `web.base_url` nor `web.hosts`, and the
    service is reached through a proxy or from other machines.
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
    """Raise UsageError where a request has a Host that is none of the service's names.

    Addresses in digits always pass: a page can have such a Host only if it came from there. A
    name may lead anywhere, also here, in the name of another site's page (DNS rebinding).
    """
    host = request.environ.get("HTTP_HOST")
    if not names or host is None:
        return
    name = name_of(host)
    if not is_address(name) and not is_named(name, names):
        raise UsageError(
            f"Host: {host[:100]!r} is no name of this service; if it should be, its operator lists"
            " it in web.hosts, or sets web.base_url"
        )


def _check_site(trusted: frozenset[str], own: str) -> None:
    """Raise AuthorizationError where a page of another site made the browser send a request."""
    origin = request.headers.get("Origin")
    if origin in trusted:
        return
    # No page can set it; it stays right behind a proxy that changes the Host.
    site = request.headers.get("Sec-Fetch-Site")
    if site in {"same-origin", "none"} or (site is None and origin is None):
        return
    if site is None and _is_own(origin or "", own):
        return
    raise AuthorizationError(
        f"a page of another site ({(origin or site or '')[:100]}) may change nothing here; if it"
        " should, the operator lists its origin in web.trusted_origins"
    )


def _is_own(origin: str, own: str) -> bool:
    """Whether a page's origin is this service, as it was addressed or at its set address."""
    host = origin.partition("://")[2]  # none in `null`
    return bool(host) and host in {request.host, own}


def _cors(
    readers: frozenset[str], trusted: frozenset[str], is_public: Callable[[], bool]
) -> Callable[[Response], Response]:
    """Let pages of other origins read answers, and ask beforehand whether they may."""

    def add(answer: Response) -> Response:
        allowed = trusted | readers if is_public() else trusted
        if not allowed:
            return answer
        origin = request.headers.get("Origin")
        is_any = "*" in allowed
        if not is_any:
            # Also where no origin is named: a cache must not give that answer to one that is.
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
    """Return what a page may send without asking each time."""
    more_methods, more_headers = (
        (", POST, PUT, DELETE", ", Content-Type") if may_change else ("", "")
    )
    return {
        "Access-Control-Allow-Methods": f"GET, HEAD{more_methods}",
        "Access-Control-Allow-Headers": f"{_ASKED_HEADERS}{more_headers}",
        "Access-Control-Max-Age": "3600",
    }


def _listed(text: str) -> frozenset[str]:
    """Return the entries of a setting that has several, separated by commas."""
    return frozenset(entry.strip().lower() for entry in text.split(",") if entry.strip())


def _own_host(base_url: str) -> str:
    """Return the host of the service's address as browsers write it: without a usual port."""
    place = urlsplit(base_url)
    usual = {"http": ":80", "https": ":443"}.get(place.scheme, "")
    return place.netloc.lower().removesuffix(usual)
