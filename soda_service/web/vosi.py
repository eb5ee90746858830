"""VOSI 1.1 and DALI 1.1: `/capabilities`, `/availability`, `/tables` and `/examples`."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, request
from lxml import etree

from soda_service import __version__
from soda_service.vo.capabilities import capabilities_document
from soda_service.vo.examples import examples_document, place_in
from soda_service.vo.tables import TABLE_NAME, table_document, tables_document
from soda_service.web.health import helpful_checks, needed_checks
from soda_service.web.services import Services
from uws.errors import NotFoundError, UsageError

__all__ = ["availability_document", "create_descriptions", "create_vosi"]

_AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"


def availability_document(
    up_since: datetime, needed: Mapping[str, str], helpful: Mapping[str, str]
) -> bytes:
    """Write the availability (VOSI-7).

    Parameters
    ----------
    needed, helpful
        Checks by name, with a description of the problem or an empty text. The service is available
        if all needed checks pass.
    """
    root = etree.Element(f"{{{_AVAILABILITY}}}availability", nsmap={"vosi": _AVAILABILITY})

    def child(name: str, text: str) -> None:
        etree.SubElement(root, f"{{{_AVAILABILITY}}}{name}").text = text

    child("available", "false" if any(needed.values()) else "true")
    child("upSince", up_since.strftime("%Y-%m-%dT%H:%M:%SZ"))
    child("note", f"soda-service {__version__}")
    for name, fault in (*needed.items(), *helpful.items()):
        child("note", f"{name}: {fault or 'ok'}")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def create_vosi(services: Services) -> Blueprint:
    """Create the blueprint of the VOSI routes."""
    base_url = services.base_url
    needed, helpful = needed_checks(services), helpful_checks(services)
    blueprint = Blueprint("vosi", __name__)
    up_since = datetime.now(UTC)

    @blueprint.get("/capabilities")
    def capabilities() -> Response:
        """Return the VOSI capabilities: the interfaces of the service and their URLs."""
        answer = _xml(capabilities_document(base_url(), services.capabilities))
        answer.last_modified = up_since
        return answer

    @blueprint.get("/availability")
    def availability() -> Response:
        """Return the VOSI availability: whether the service works."""
        content = availability_document(
            up_since,
            {name: check() for name, check in needed.items()},
            {name: check() for name, check in helpful.items()} | dict(services.served.faults()),
        )
        answer = _xml(content)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return blueprint


def create_descriptions(services: Services) -> Blueprint:
    """Create the blueprint of the VOSI tables and DALI examples."""
    blueprint = Blueprint("descriptions", __name__)
    releases, served, base_url = services.holdings.releases, services.served, services.base_url
    title = services.config.service.title

    @blueprint.get("/tables")
    def tables() -> Response:
        """Describe the table of images; `detail=min` omits its columns."""
        texts = {name.lower(): text for name, text in request.args.items()}
        detail = texts.get("detail", "max").lower()
        if detail not in ("min", "max"):
            raise UsageError(f"detail: {detail[:80]!r} found; allowed: min or max")
        return _xml(tables_document(with_columns=detail == "max"))

    @blueprint.get("/tables/<name>")
    def table(name: str) -> Response:
        """Describe one table."""
        if name.lower() not in (TABLE_NAME, f"default.{TABLE_NAME}"):
            raise NotFoundError(f"table {name[:80]!r} not found; the only table is {TABLE_NAME}")
        return _xml(table_document())

    @blueprint.get("/examples")
    def examples() -> Response:
        """Return examples of requests that work on this service (DALI)."""
        default = served.default_name()
        place = None if default is None else place_in(releases.get(default), releases)
        content = examples_document(base_url(), title, place)
        return Response(content, content_type="application/xhtml+xml")

    return blueprint


def _xml(content: bytes) -> Response:
    return Response(content, content_type="application/xml")
