"""Settings of mail and webhooks; sections of `soda_service.config`."""

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Annotated, Literal

from annotated_types import Interval

from soda_service.config.hosts import is_loopback
from soda_service.config.validation import ANY_CASE, Flag, Integer, Number
from soda_service.errors import ConfigError

__all__ = ["MailConfig", "WebhooksConfig", "check_notify"]

_SECRET_LENGTH_MIN = 16
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class MailConfig:
    """Mail to users who give an address (EMAIL).

    It is sent when a job has ended, and some days before its results are destroyed.
    """

    host: str = ""
    """Mail server (SMTP) for the service's mail; empty: no mail."""

    port: Annotated[Integer, Interval(ge=1, le=65535)] = 587
    """Its port: usually 587 for `starttls`, 465 for `ssl`, 25 for `none`."""

    tls: Annotated[Literal["none", "starttls", "ssl"], ANY_CASE] = "starttls"
    """`starttls`: encrypted after a greeting; `ssl`: encrypted from the start; `none`: not
    encrypted, for servers on this machine or its network. Certificates are verified."""

    user: str = ""
    """User name for the mail server; empty: no login."""

    password: str = field(default="", repr=False)
    """Password for the mail server; better as SODA_MAIL__PASSWORD than in a file."""

    sender: str = ""
    """Sender of the mail, e.g. `Sky cutouts <cutouts@example.org>`; required for mail."""

    recipients: str = ""
    """Permitted domains of recipients, separated by commas, e.g. `example.org, example.edu`; empty:
    all. If everybody may create jobs, this prevents strangers from having mail sent to
    strangers."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=300)] = 20.0
    """Time limit for each response of the mail server, seconds."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 60.0
    """First pause before a temporarily refused mail is sent again, seconds; each further pause is
    twice as long, up to an hour."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 2 * 86400.0
    """Time limit for sending a mail, seconds; also the maximum age of an ended job for which a mail
    is still sent."""

    warn_days: Annotated[Number, Interval(ge=0, le=365)] = 3.0
    """Number of days before the destruction of results at which a warning is sent; 0: none."""

    keep_days: Annotated[Integer, Interval(ge=1, le=3650)] = 14
    """Number of days by which the link in a warning postpones it, within `jobs.lifetime_max_s`;
    must exceed `warn_days`."""

    keep_times: Annotated[Integer, Interval(ge=0, le=1000)] = 3
    """Maximum number of such postponements per job; 0: warnings have no link."""

    @property
    def is_on(self) -> bool:
        """Whether mail is sent."""
        return bool(self.host)


@dataclass(frozen=True, slots=True)
class WebhooksConfig:
    """Calls of an address that a job gives (WEBHOOK), when the job has ended."""

    enabled: Flag = False
    """Whether addresses are called."""

    secret: str = field(default="", repr=False)
    """Key for signatures, at least 16 characters; better as SODA_WEBHOOKS__SECRET than in a file.
    Receivers need it to verify calls."""

    allow_http: Flag = False
    """Allow `http://` addresses, whose calls anybody on the network path can read."""

    allow_private: Flag = False
    """Allow addresses of this machine and of private networks, which are otherwise refused. Whoever
    creates jobs can then have requests sent to internal services."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=120)] = 10.0
    """Time limit for one call, seconds."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 30.0
    """First pause before a call without a response, or with response 429 or 5xx, is repeated,
    seconds; each further pause is twice as long, up to an hour."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 86400.0
    """Time limit for repeating a call, seconds."""


def check_notify(mail: MailConfig, webhooks: WebhooksConfig, *, base_url: str) -> None:
    """Raise an error for settings of mail and webhooks that do not fit together.

    Raises
    ------
    ConfigError
        Names the setting to change.
    """
    if mail.is_on and not _ADDRESS.fullmatch(parseaddr(mail.sender)[1]):
        raise ConfigError(
            f"mail.sender: {mail.sender!r} is not a valid sender address, which mail.host"
            " needs; for example Sky cutouts <cutouts@example.org>"
        )
    if mail.is_on and not base_url:
        # Otherwise whoever creates a job could choose the target of links by its Host header.
        raise ConfigError("web.base_url: is not set; mail.host needs it for links in mails")
    if mail.user and mail.tls == "none" and not is_loopback(mail.host):
        raise ConfigError("mail.tls: is none, so mail.password would be sent unencrypted")
    if mail.keep_times and mail.keep_days <= mail.warn_days:
        raise ConfigError(
            f"mail.keep_days: {mail.keep_days} does not exceed mail.warn_days = {mail.warn_days}"
        )
    if webhooks.enabled and len(webhooks.secret) < _SECRET_LENGTH_MIN:
        raise ConfigError(
            f"webhooks.secret: has {len(webhooks.secret)} characters; webhooks.enabled needs"
            f" {_SECRET_LENGTH_MIN} or more; use SODA_WEBHOOKS__SECRET"
        )
