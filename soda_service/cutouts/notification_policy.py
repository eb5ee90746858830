"""Notification policy: whether the service may tell this address about a job."""

from dataclasses import dataclass

from soda_service.config.model import MailConfig, WebhooksConfig
from soda_service.errors import Fault, OptionsError
from soda_service.request.values import CutoutRequest

__all__ = ["Wishes", "may_call", "may_mail"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a service does about EMAIL and WEBHOOK; by default nothing."""

    mail: MailConfig = MailConfig()  # noqa: RUF009 - frozen
    webhooks: WebhooksConfig = WebhooksConfig()  # noqa: RUF009

    def check(self, request: CutoutRequest) -> tuple[str, ...]:
        """Look at the addresses of a request; give a note for each that is not used.

        Raises
        ------
        OptionsError
            For an address that this service may not use, with all faults.
        """
        faults, notes = [], []
        if request.email and not self.mail.is_on:
            notes.append("EMAIL: this service sends no mail; ask for the job's phase instead")
        elif request.email and not may_mail(self.mail, request.email):
            told = f"this service sends mail to {self.mail.recipients} only"
            faults.append(Fault(told, column="EMAIL", found=request.email))
        if request.webhook and not self.webhooks.enabled:
            notes.append("WEBHOOK: this service calls nobody; ask for the job's phase instead")
        elif request.webhook and not may_call(self.webhooks, request.webhook):
            told = "this service calls https addresses only"
            faults.append(Fault(told, column="WEBHOOK", found=request.webhook))
        if faults:
            raise OptionsError(tuple(faults), len(faults))
        return tuple(notes)


def may_mail(mail: MailConfig, address: str) -> bool:
    """Tell whether mail may go to an address: all, or those of some domains and below."""
    allowed = [domain.strip().lower() for domain in mail.recipients.split(",") if domain.strip()]
    domain = address.rpartition("@")[2].lower()
    return not allowed or any(f".{domain}".endswith(f".{one}") for one in allowed)


def may_call(webhooks: WebhooksConfig, url: str) -> bool:
    """Tell whether calls may go to addresses of this scheme."""
    return webhooks.allow_http or url.lower().startswith("https://")
