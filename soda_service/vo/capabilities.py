"""The interfaces of the service (VOSI 1.1 capabilities), also for registry records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lxml import etree

__all__ = ["NAMES", "XSI", "Capability", "add_capabilities", "capabilities_document"]

_VODATASERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"

NAMES: Mapping[str, str] = MappingProxyType({"vs": _VODATASERVICE, "xsi": XSI})
"""Prefixes that clients expect (VOSI-T4)."""


@dataclass(frozen=True, slots=True)
class Capability:
    """An interface of the service, as `/capabilities` and registry records list it."""

    standard_id: str
    """Identifier of its standard."""

    path: str
    """Its address relative to the service's."""

    use: str = "full"
    """`use` of the access URL: pyvo takes `base` as a prefix of other URLs (VOSI-T2)."""

    version: str = ""
    description: str = ""


def capabilities_document(base_url: str, offered: Iterable[Capability]) -> bytes:
    """Return the capabilities of the service at `base_url` (VOSI-2 to VOSI-4)."""
    root = etree.Element(f"{{{_CAPABILITIES}}}capabilities", nsmap={"vosi": _CAPABILITIES, **NAMES})
    add_capabilities(root, base_url, offered)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def add_capabilities(parent: etree._Element, base_url: str, offered: Iterable[Capability]) -> None:
    """Add a `capability` for each interface; all are open to everybody (SSO-1)."""
    for each in offered:
        capability = etree.SubElement(parent, "capability", standardID=each.standard_id)
        if each.description:
            etree.SubElement(capability, "description").text = each.description
        interface = etree.SubElement(capability, "interface", role="std")
        interface.set(f"{{{XSI}}}type", "vs:ParamHTTP")
        if each.version:
            interface.set("version", each.version)
        url = etree.SubElement(interface, "accessURL", use=each.use)
        url.text = f"{base_url}/{each.path}"
