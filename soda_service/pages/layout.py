"""Shared by all pages: templates, styles, scripts and the page frame."""

import gzip
import hashlib
from collections.abc import Callable, Container, Sequence
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template, request, send_from_directory

from soda_service import __version__
from soda_service.config.model import ServiceConfig
from soda_service.pages.formatting import FILTERS
from soda_service.pages.security import csrf_token, protect
from uws.http.negotiation import HTML, document_type

__all__ = ["create_layout"]

_STATIC = Path(__file__).parent / "static"
_YEAR_S = 365 * 86400
_TEXTS = frozenset({".js", ".css", ".svg"})
"""Suffixes of files that are compressed, to a third of their size."""

_WORDS: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable",
}


def create_layout(
    service: ServiceConfig,
    base_url: Callable[[], str],
    *,
    menu: Sequence[tuple[str, str]] = (),
    pages: Container[str] = (),
) -> Blueprint:
    """Make what serves the styles and scripts, and what every template knows.

    Templates know `service`, `base` (address of the service, without a slash), `version`, `menu`,
    `csrf_token()` and `static(NAME)`.

    Parameters
    ----------
    menu
        Addresses of the main pages, below `base`, and their words.
    pages
        Names of the blueprints whose errors readers get as pages.
    """
    blueprint = Blueprint("pages", __name__, template_folder="templates")
    # All files share a folder that is named after their content, so that modules find each other
    # by relative names, and a browser keeps them until one of them changes.
    stamp = _stamp()

    @blueprint.get("/static/<version>/<path:name>")
    def static_file(version: str, name: str) -> Response:
        """Send a style, script or picture of the pages."""
        answer = send_from_directory(_STATIC, name, max_age=_YEAR_S if version == stamp else 0)
        answer.cache_control.public = True
        answer.cache_control.immutable = version == stamp
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.vary.add("Accept-Encoding")
        is_whole = answer.status_code == HTTPStatus.OK and Path(name).suffix in _TEXTS
        return _packed(answer, name) if is_whole else answer

    @blueprint.app_context_processor
    def _shared() -> dict[str, Any]:
        base = base_url()
        return {
            "service": service,
            "base": base,
            "version": __version__,
            "menu": menu,
            "csrf_token": csrf_token,
            "static": lambda name: f"{base}/static/{stamp}/{name}",
        }

    # What is registered first is called last: the page of an error is protected as well.
    blueprint.after_app_request(protect)
    blueprint.after_app_request(partial(_as_page, pages))
    for name, function in FILTERS.items():
        blueprint.add_app_template_filter(function, name)
    return blueprint


def _as_page(pages: Container[str], answer: Response) -> Response:
    """Show the text of an error as a page, if a browser asked for HTML."""
    is_page = (request.blueprint or "") in pages and answer.mimetype == "text/plain"
    if answer.status_code < HTTPStatus.BAD_REQUEST or not is_page:
        return answer
    if not request.accept_mimetypes.provided or document_type(request) != HTML:
        return answer
    message = answer.get_data(as_text=True).strip().partition(": ")[2]
    words = _WORDS.get(answer.status_code, "Request failed")
    answer.set_data(render_template("error.html", here="", words=words, message=message))
    answer.content_type = "text/html; charset=utf-8"
    return answer


def _packed(answer: Response, name: str) -> Response:
    """Compress a response if the client accepts gzip."""
    if request.accept_encodings.quality("gzip") > 0:
        answer.direct_passthrough = False
        answer.close()
        answer.set_data(_gzip(name))
        answer.content_encoding = "gzip"
        tag, _ = answer.get_etag()
        answer.set_etag(f"{tag}-gzip")
        answer.make_conditional(request)  # the file's own tag was compared before
    return answer


@lru_cache
def _gzip(name: str) -> bytes:
    return gzip.compress((_STATIC / name).read_bytes(), mtime=0)


def _stamp() -> str:
    digest = hashlib.sha256()
    for path in sorted(_STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
