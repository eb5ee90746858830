"""VOSI 1.1: `/capabilities` and `/availability`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response
from lxml import etree

from soda_service import __version__

__all__ = ["Check", "availability_document", "capabilities_document", "create_vosi"]

Check = Callable[[], str]
"""Looks at one thing the service needs; gives what is wrong with it, or nothing."""

_CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
_AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
_VODATASERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"

# standardID, path, use of the access URL (VOSI-T2: pyvo takes `base` as a prefix), version
_INTERFACES = (
    ("ivo://ivoa.net/std/VOSI#capabilities", "capabilities", "full", ""),
    ("ivo://ivoa.net/std/VOSI#availability", "availability", "full", ""),
    ("ivo://ivoa.net/std/UWS#rest-1.1", "async", "base", "1.1"),
)


def capabilities_document(base_url: str) -> bytes:
    """Write the capabilities of the service at `base_url` (VOSI-2 to VOSI-4)."""
    names = {"vosi": _CAPABILITIES, "vs": _VODATASERVICE, "xsi": _XSI}
    root = etree.Element(f"{{{_CAPABILITIES}}}capabilities", nsmap=names)
    for standard_id, path, use, version in _INTERFACES:
        capability = etree.SubElement(root, "capability", standardID=standard_id)
        interface = etree.SubElement(capability, "interface", role="std")
        interface.set(f"{{{_XSI}}}type", "vs:ParamHTTP")
        if version:
            interface.set("version", version)
        url = etree.SubElement(interface, "accessURL", use=use)
        url.text = f"{base_url}/{path}"
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def availability_document(
    up_since: datetime, needed: Mapping[str, str], helpful: Mapping[str, str]
) -> bytes:
    """Write the availability (VOSI-7).

    Parameters
    ----------
    needed, helpful
        What was looked at, and what is wrong with it (empty: nothing). The service is available
        while all that is needed is well.
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


def create_vosi(
    base_url: Callable[[], str],
    needed: Mapping[str, Check],
    helpful: Mapping[str, Check],
    faults: Callable[[], Mapping[str, str]],
) -> Blueprint:
    """Make the VOSI routes.

    Parameters
    ----------
    needed, helpful
        Checks by the name of what they look at.
    faults
        Gives what else is wrong, by name; the service goes on without it.
    """
    blueprint = Blueprint("vosi", __name__)
    up_since = datetime.now(UTC)

    @blueprint.get("/capabilities")
    def capabilities() -> Response:
        """Tell what the service offers, and where."""
        answer = Response(capabilities_document(base_url()), content_type="application/xml")
        answer.last_modified = up_since
        return answer

    @blueprint.get("/availability")
    def availability() -> Response:
        """Tell whether the service works."""
        content = availability_document(
            up_since,
            {name: check() for name, check in needed.items()},
            {name: check() for name, check in helpful.items()} | dict(faults()),
        )
        answer = Response(content, content_type="application/xml")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return blueprint
