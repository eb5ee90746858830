"""Notification policy: whether the service may send messages about a job to an address."""

from dataclasses import dataclass

from soda_service.config.model import MailConfig, WebhooksConfig
from soda_service.errors import Fault, OptionsError
from soda_service.request.values import CutoutRequest

__all__ = ["NotificationPolicy", "may_call", "may_mail"]


@dataclass(frozen=True, slots=True)
class NotificationPolicy:
    """Which EMAIL and WEBHOOK addresses the service uses; by default none."""

    mail: MailConfig = MailConfig()  # noqa: RUF009 - frozen
    webhooks: WebhooksConfig = WebhooksConfig()  # noqa: RUF009

    def check(self, request: CutoutRequest) -> tuple[str, ...]:
        """Check the addresses of a request; return a note for each one that is not used.

        Raises
        ------
        OptionsError
            With all faults, if an address is not allowed.
        """
        faults, notes = [], []
        if request.email and not self.mail.is_on:
            notes.append(
                "EMAIL: not used, this service sends no mail; poll the job's phase instead"
            )
        elif request.email and not may_mail(self.mail, request.email):
            message = f"address not allowed; allowed domains: {self.mail.recipients}"
            faults.append(Fault(message, column="EMAIL", found=request.email))
        if request.webhook and not self.webhooks.enabled:
            notes.append(
                "WEBHOOK: not used, this service calls no webhooks; poll the job's phase instead"
            )
        elif request.webhook and not may_call(self.webhooks, request.webhook):
            message = "address not allowed; allowed are https addresses"
            faults.append(Fault(message, column="WEBHOOK", found=request.webhook))
        if faults:
            raise OptionsError(tuple(faults), len(faults))
        return tuple(notes)


def may_mail(mail: MailConfig, address: str) -> bool:
    """Return whether mail to an address is allowed: to any, or to some domains and subdomains."""
    allowed = [domain.strip().lower() for domain in mail.recipients.split(",") if domain.strip()]
    domain = address.rpartition("@")[2].lower()
    return not allowed or any(f".{domain}".endswith(f".{one}") for one in allowed)


def may_call(webhooks: WebhooksConfig, url: str) -> bool:
    """Return whether webhooks with the scheme of this address are allowed."""
    return webhooks.allow_http or url.lower().startswith("https://")
