"""Names and addresses of hosts, and which of them only this machine can reach."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["is_address", "is_loopback", "is_named", "name_of"]


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens at `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name; any but localhost may lead anywhere
        return host == "localhost"


def is_address(name: str) -> bool:
    """Return whether a host is a numeric address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def name_of(host: str) -> str:
    """Return the name in a Host header, in lower case and without port; empty if there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:  # brackets around something that is not an IPv6 address
        return ""


def is_named(name: str, known: Iterable[str]) -> bool:
    """Return whether a name is known; `.example.org` matches all names that end in it."""
    return any(name.endswith(one) if one.startswith(".") else name == one for one in known)
