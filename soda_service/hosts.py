"""Who can reach what listens at an address. Imports the standard library only."""

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens at `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name; others than this one may lead anywhere
        return host == "localhost"
