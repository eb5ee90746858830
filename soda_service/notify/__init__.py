"""Messages about jobs: mail (`mail`, `smtp`, `texts`) and webhooks (`webhook`).

The content of a message is read from the job and its documents (`report`). The job server sends it,
retries, and gives up (`uws.notify.delivery`).
"""

from collections.abc import Sequence

from soda_service.config.model import Config
from soda_service.notify.mail import ended_mail, warning_mail
from soda_service.notify.webhook import WebhookTransport
from uws.notify.delivery import Transport
from uws.runtime import Runtime

__all__ = ["build_transports"]


def build_transports(config: Config, runtime: Runtime) -> Sequence[Sequence[Transport]]:
    """Return the transports that the settings enable, grouped by what they depend on.

    One mail server takes all mail. Webhooks lead anywhere, and a slow one must not delay mail.
    """
    groups: list[Sequence[Transport]] = []
    if config.mail.is_on:
        warns = config.mail.warn_days > 0
        ended = ended_mail(config, runtime)
        groups.append((ended, warning_mail(config, runtime)) if warns else (ended,))
    if config.webhooks.enabled:
        groups.append((WebhookTransport(config.webhooks, config.web.base_url, runtime.files),))
    return groups
