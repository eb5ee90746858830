"""Webhooks: the address that a job gives is called, with a signed account, when it has ended."""

import hashlib
import hmac
import json
import time
from typing import Any

from soda_service import __version__
from soda_service.config.model import WebhooksConfig
from soda_service.cutouts.notification_policy import may_call
from soda_service.notify.account import Account, parameter_of, read_account
from soda_service.notify.call import Call, post
from soda_service.request.parsing import is_web_address
from uws.dali import format_instant
from uws.errors import TransientError
from uws.files import JobFiles
from uws.messages import Message, Policy, Trigger, Undeliverable
from uws.models import Job

__all__ = ["WebhookTransport", "payload", "sign"]

_WEBHOOK = "WEBHOOK"
_LATER = frozenset({408, 425, 429})
"""Statuses below 500 that ask to come again (RFC 9110, RFC 8470, RFC 6585)."""


class WebhookTransport:
    """Calls the addresses of jobs.

    Parameters
    ----------
    settings
        Which addresses, and how long.
    base_url
        Address of the service as its users see it; empty: as the job's client did.
    files
        Those of jobs.
    """

    def __init__(self, settings: WebhooksConfig, base_url: str, files: JobFiles) -> None:
        self._settings = settings
        self._base_url = base_url.rstrip("/")
        self._files = files

    @property
    def policy(self) -> Policy:
        """Which messages: every end of a job, also one by its client."""
        return Policy(
            "webhook-ended",
            _WEBHOOK,
            Trigger.ENDED,
            retry_pause_s=self._settings.retry_pause_s,
            retry_for_s=self._settings.retry_for_s,
        )

    def wants(self, job: Job) -> bool:
        """Return whether there is something to tell of this job: always."""
        del job
        return True

    def send(self, job: Job, message: Message) -> None:
        """Call the address; raises as `uws.notify.delivery.Transport` says."""
        url = parameter_of(job, _WEBHOOK)
        # A job that was never checked may have anything as its address.
        if not is_web_address(url) or not may_call(self._settings, url):
            raise Undeliverable("the address of the job may not be called")
        try:
            content = payload(job, read_account(job, self._files), self._base_url)
        except OSError as error:
            raise TransientError(f"files of the job: {error.strerror or error}") from error
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"soda-service/{__version__}",
            "X-Soda-Delivery": message.id,
            "X-Soda-Signature": sign(body, self._settings.secret, int(time.time())),
        }
        settings = self._settings
        status = post(
            Call(url, body, headers),
            timeout_s=settings.timeout_s,
            allow_private=settings.allow_private,
        )
        if status in _LATER or status >= 500:
            raise TransientError(f"the address answers {status}")
        if not 200 <= status < 300:
            raise Undeliverable(f"the address answers {status}; only 2xx counts as taken")


def sign(body: bytes, secret: str, unix_s: int) -> str:
    """Return the signature of a body: `t=<unix time>,v1=<HMAC-SHA-256 of "<t>.<body>", hex>`.

    The time is within what is signed, so that nobody can send an old call once more.
    """
    signed = f"{unix_s}.".encode() + body
    return f"t={unix_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def payload(job: Job, account: Account, base_url: str) -> dict[str, Any]:
    """Return what is told of a job, of JSON's types."""
    base = base_url or job.url.rpartition("/async/")[0]
    address = f"{base}/async/{job.id}" if base else None
    counts = {"rows": account.rows, **account.counts}
    return {
        "event": "ended",
        "job": job.id,
        "phase": job.phase.value,
        "name": account.name or None,
        "counts": counts | {"files": account.files, "bytes": account.size_bytes},
        "error": job.error.message if job.error else None,
        "urls": {
            "job": address,
            "page": f"{base}/jobs/{job.id}" if base else None,
            "results": f"{address}/results" if base else None,
        },
        "time": None if job.end_time is None else format_instant(job.end_time),
        "destruction": format_instant(job.destruction),
    }
