"""Detection of internal network addresses, which strangers must not reach through the service.

A name is resolved once, all its addresses are checked, and the connection uses one of these. So a
name that resolves differently a moment later gains nothing (DNS rebinding).
"""

import ipaddress
import socket

from uws.errors import TransientError
from uws.messages import Undeliverable

__all__ = ["is_inside", "resolve"]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that gateways translate to IPv4 addresses (RFC 6052, section 2.1)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str, port: int, *, allow_private: bool) -> tuple[str, ...]:
    """Return the addresses of a host.

    Parameters
    ----------
    host
        A name, or an address without brackets.
    allow_private
        Whether internal addresses are allowed.

    Raises
    ------
    Undeliverable
        If an address is internal, so that the name may lead there.
    TransientError
        If the name cannot be resolved now.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host}: {error}") from error
    # A scope (fe80::1%eth0) names an interface of this machine.
    addresses = tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not allow_private:
        for address in addresses:
            if is_inside(address):
                raise Undeliverable(f"{host} has the address {address}, which is not public")
    return addresses


def is_inside(text: str) -> bool:
    """Return whether an address belongs to this machine or a private network, or is not unicast."""
    address: _Address = ipaddress.ip_address(text)
    carried = _carried(address)
    if carried is not None:
        address = carried
    return not address.is_global or address.is_multicast


def _carried(address: _Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address to which packets for an IPv6 address are translated, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
