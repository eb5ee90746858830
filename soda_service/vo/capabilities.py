"""What the service offers, and where: VOSI 1.1's capabilities, also for registry records."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lxml import etree

from soda_service.vo.datalink import LINKS_ID
from soda_service.vo.sia import SIA_ID
from soda_service.vo.soda import ASYNC_ID, SYNC_ID

__all__ = ["NAMES", "XSI", "add_capabilities", "capabilities_document"]

_VODATASERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"

NAMES: Mapping[str, str] = MappingProxyType({"vs": _VODATASERVICE, "xsi": XSI})
"""Prefixes that clients know (VOSI-T4)."""


@dataclass(frozen=True, slots=True)
class _Capability:
    standard_id: str
    path: str
    use: str = "full"
    """Of the access URL: pyvo takes `base` as the beginning of others (VOSI-T2)."""

    version: str = ""
    description: str = ""


_OFFERED = (
    _Capability("ivo://ivoa.net/std/VOSI#capabilities", "capabilities"),
    _Capability("ivo://ivoa.net/std/VOSI#availability", "availability"),
    _Capability("ivo://ivoa.net/std/VOSI#tables-1.1", "tables"),
    _Capability("ivo://ivoa.net/std/DALI#examples", "examples"),
    _Capability(SYNC_ID, "sync", description="A cutout of an image, made at once"),
    _Capability(ASYNC_ID, "async", "base", description="Cutouts and pictures as a job"),
    _Capability("ivo://ivoa.net/std/UWS#rest-1.1", "async", "base", "1.1"),
    _Capability(SIA_ID, "sia2", description="Images of the releases"),
    _Capability(LINKS_ID, "links", description="What there is about an image"),
)


def capabilities_document(base_url: str) -> bytes:
    """Write the capabilities of the service at `base_url` (VOSI-2 to VOSI-4)."""
    root = etree.Element(f"{{{_CAPABILITIES}}}capabilities", nsmap={"vosi": _CAPABILITIES, **NAMES})
    add_capabilities(root, base_url)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def add_capabilities(parent: etree._Element, base_url: str) -> None:
    """Write a `capability` for each interface; all are open to everybody (SSO-1)."""
    for offered in _OFFERED:
        capability = etree.SubElement(parent, "capability", standardID=offered.standard_id)
        if offered.description:
            etree.SubElement(capability, "description").text = offered.description
        interface = etree.SubElement(capability, "interface", role="std")
        interface.set(f"{{{XSI}}}type", "vs:ParamHTTP")
        if offered.version:
            interface.set("version", offered.version)
        url = etree.SubElement(interface, "accessURL", use=offered.use)
        url.text = f"{base_url}/{offered.path}"
