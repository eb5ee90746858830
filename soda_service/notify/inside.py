"""Which network addresses are inside: not for requests that a stranger has the service make.

A name is resolved once, all its addresses are looked at, and the connection goes to one of those
that were: a name that leads elsewhere a moment later gains nothing (DNS rebinding).
"""

import ipaddress
import socket

from uws.errors import TransientError
from uws.messages import Undeliverable

__all__ = ["is_inside", "resolve"]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that gateways turn into IPv4 ones (RFC 6052, section 2.1)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str, port: int, *, allow_private: bool) -> tuple[str, ...]:
    """Find the addresses of a host.

    Parameters
    ----------
    host
        A name, or an address without brackets.
    allow_private
        Whether addresses inside are given too.

    Raises
    ------
    Undeliverable
        When one of them is inside, so the name may lead there.
    TransientError
        When the name cannot be resolved now.
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
    """Return whether an address is of this machine, of a private network, or of no single host."""
    address: _Address = ipaddress.ip_address(text)
    carried = _carried(address)
    if carried is not None:
        address = carried
    return not address.is_global or address.is_multicast


def _carried(address: _Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address end up at, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
