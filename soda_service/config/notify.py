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
    """Mail to those who gave an address (EMAIL).

    It is sent when their job has ended, and some days before its results are destroyed.
    """

    host: str = ""
    """Mail server (SMTP) that takes the service's mail; empty: no mail."""

    port: Annotated[Integer, Interval(ge=1, le=65535)] = 587
    """Its port: as a rule 587 for `starttls`, 465 for `ssl`, 25 for `none`."""

    tls: Annotated[Literal["none", "starttls", "ssl"], ANY_CASE] = "starttls"
    """`starttls`: encrypted after a greeting; `ssl`: encrypted from the start; `none`: not
    encrypted, for servers on this machine or in its network. Certificates are checked."""

    user: str = ""
    """Name to log in by; empty: without."""

    password: str = field(default="", repr=False)
    """Its password; as SODA_MAIL__PASSWORD, rather than in a file."""

    sender: str = ""
    """Address that mail comes from, e.g. `Sky cutouts <cutouts@example.org>`; needed for mail."""

    recipients: str = ""
    """Domains that mail may go to, separated by commas, e.g. `example.org, example.edu`; empty:
    all. Where everybody may make jobs, this keeps strangers from having mail sent to strangers."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=300)] = 20.0
    """Longest time for each answer of the mail server, seconds."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 60.0
    """Pause before a mail is tried again that the server would not take for the moment, seconds;
    each further one is twice as long, up to an hour."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 2 * 86400.0
    """For how long a mail is tried, seconds; also, how long ago a job may have ended for which
    none was sent yet."""

    warn_days: Annotated[Number, Interval(ge=0, le=365)] = 3.0
    """How many days before results are destroyed a warning is sent; 0: none."""

    keep_days: Annotated[Integer, Interval(ge=1, le=3650)] = 14
    """For how many days the link in a warning puts that off, within `jobs.lifetime_max_s`; more
    than `warn_days`."""

    keep_times: Annotated[Integer, Interval(ge=0, le=1000)] = 3
    """How often links put it off for one job; 0: warnings have no link."""

    @property
    def is_on(self) -> bool:
        """Whether mail is sent."""
        return bool(self.host)


@dataclass(frozen=True, slots=True)
class WebhooksConfig:
    """Calls of an address that a job gives (WEBHOOK) when it has ended."""

    enabled: Flag = False
    """Whether addresses are called."""

    secret: str = field(default="", repr=False)
    """Key of the calls' signatures, at least 16 characters; as SODA_WEBHOOKS__SECRET, rather than
    in a file. Those who are called need it."""

    allow_http: Flag = False
    """Allow `http://` addresses, whose calls anybody on the way can read."""

    allow_private: Flag = False
    """Allow addresses of this machine and of private networks, which others do not reach: then
    whoever makes jobs can have requests sent to what listens there."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=120)] = 10.0
    """Longest time for one call, seconds."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 30.0
    """Pause before a call is made again that was not answered, or by 429 or 5xx, seconds; each
    further one is twice as long, up to an hour."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 86400.0
    """For how long a call is tried, seconds."""


def check_notify(mail: MailConfig, webhooks: WebhooksConfig, *, base_url: str) -> None:
    """Refuse settings of mail and webhooks that do not go together.

    Raises
    ------
    ConfigError
        Names the setting to change.
    """
    if mail.is_on and not _ADDRESS.fullmatch(parseaddr(mail.sender)[1]):
        raise ConfigError(
            f"mail.sender: {mail.sender!r} is no address that mail can come from, which mail.host"
            " needs; say for example Sky cutouts <cutouts@example.org>"
        )
    if mail.is_on and not base_url:
        # Otherwise whoever makes a job would choose, by its Host header, where links lead to.
        raise ConfigError("web.base_url: must be set where mail.host is: links in mails need it")
    if mail.user and mail.tls == "none" and not is_loopback(mail.host):
        raise ConfigError("mail.tls: is none, so mail.password would go unencrypted")
    if mail.keep_times and mail.keep_days <= mail.warn_days:
        raise ConfigError(
            f"mail.keep_days: {mail.keep_days} must be more than mail.warn_days = {mail.warn_days}"
        )
    if webhooks.enabled and len(webhooks.secret) < _SECRET_LENGTH_MIN:
        raise ConfigError(
            f"webhooks.secret: has {len(webhooks.secret)} characters, webhooks.enabled needs"
            f" {_SECRET_LENGTH_MIN} or more; say SODA_WEBHOOKS__SECRET"
        )
