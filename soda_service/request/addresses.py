"""Addresses that come with a job: of mail, and of the web."""

import re
from urllib.parse import urlsplit

__all__ = ["is_mail_address", "is_web_address"]

_LOCAL_MAX = 64
_DOMAIN_MAX = 255
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
# No user name, no fragment, and nothing that parsers could read as different hosts (RFC 3986).
_URL = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?:[A-Za-z0-9/._~!$&'()*+,;=:@?-]|%[0-9A-Fa-f]{2})*)?",
    re.IGNORECASE,
)


def is_mail_address(text: str) -> bool:
    """Return whether a text is a mail address that any mail server accepts (RFC 5321, 4.1.2).

    Dots stand between characters. The part before the @ has at most 64 octets, the domain 255 and
    its labels 63 (RFC 5321, 4.5.3.1; RFC 1035, 2.3.4).
    """
    local, _, domain = text.rpartition("@")
    is_short = len(local) <= _LOCAL_MAX and len(domain) <= _DOMAIN_MAX
    return is_short and bool(_EMAIL.fullmatch(text))


def is_web_address(text: str) -> bool:
    """Return whether a text is an http or https URL of one host, without user or fragment."""
    try:
        return bool(_URL.fullmatch(text)) and urlsplit(text).port != 0
    except ValueError:  # a port beyond 65535, or brackets without an IPv6 address
        return False
