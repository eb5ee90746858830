"""Which document format a request asks for (UWS-4)."""

from werkzeug.datastructures import MIMEAccept
from werkzeug.wrappers import Request

from uws.dali import only_value, shown
from uws.errors import UsageError
from uws.http.reading import DOCUMENT_FORMATS

__all__ = ["HTML", "JSON", "XML", "document_type"]

XML = "application/xml"
JSON = "application/json"
HTML = "text/html"


def document_type(request: Request) -> str:
    """Choose the media type of a document: RESPONSEFORMAT if given, else by the Accept header.

    XML wins unless another format is named and preferred. HTML must be named alone, or together
    with XHTML as browsers do: TOPCAT sends Java's default header, which puts `text/html` first, but
    cannot read HTML.

    Returns
    -------
    str
        `application/xml`, `text/xml` (only if asked for), `application/json` or `text/html`.

    Raises
    ------
    UsageError
        When RESPONSEFORMAT names another format.
    """
    wanted = only_value(request.args.items(multi=True), "RESPONSEFORMAT")
    if wanted is not None:
        found = DOCUMENT_FORMATS.get(wanted.strip().lower())
        if found is None:
            allowed = " ".join(DOCUMENT_FORMATS)
            raise UsageError(f"RESPONSEFORMAT: {shown(wanted)} is not one of {allowed}")
        return found
    accept = request.accept_mimetypes
    xml = max(_preference(accept, XML), _preference(accept, "text/xml"))
    best = max(xml, _preference(accept, JSON))
    if _preference(accept, HTML) > best and _is_readers_html(accept):
        return HTML
    if best > xml:
        return JSON
    return XML if _preference(accept, XML) == xml else "text/xml"


def _preference(accept: MIMEAccept, media_type: str) -> tuple[float, int]:
    """Rank a media type by quality, then by how exactly it is named; (0, 0) if not wanted."""
    ranges = {media_type: 2, f"{media_type.partition('/')[0]}/*": 1, "*/*": 0}
    found = [(ranges[name], quality) for name, quality in accept if name in ranges]
    exactness, quality = max(found, default=(0, 0.0))
    return (quality, exactness) if quality else (0.0, 0)


def _is_readers_html(accept: MIMEAccept) -> bool:
    return "application/xhtml+xml" in accept.values() or set(accept.values()) == {HTML}
