"""Webhooks: when a job has ended, its address is called with a signed report."""

import hashlib
import hmac
import json
import time
from typing import Any

from soda_service import __version__
from soda_service.config.model import WebhooksConfig
from soda_service.cutouts.notification_policy import may_call
from soda_service.notify.call import Call, post
from soda_service.notify.report import JobReport, parameter_of, read_report
from soda_service.request.addresses import is_web_address
from uws.dali import format_instant
from uws.errors import TransientError
from uws.files import JobFiles
from uws.messages import Message, Policy, Trigger, Undeliverable
from uws.models import Job

__all__ = ["WebhookTransport", "payload", "sign"]

_WEBHOOK = "WEBHOOK"
_LATER = frozenset({408, 425, 429})
"""Statuses below 500 that mean: try again later (RFC 9110, RFC 8470, RFC 6585)."""


class WebhookTransport:
    """Calls the addresses of jobs.

    Parameters
    ----------
    settings
        Permitted addresses, and time limit.
    base_url
        Address of the service for users; empty: as used by the job's client.
    files
        Those of jobs.
    """

    def __init__(self, settings: WebhooksConfig, base_url: str, files: JobFiles) -> None:
        self._settings = settings
        self._base_url = base_url.rstrip("/")
        self._files = files

    @property
    def policy(self) -> Policy:
        """Which messages to send: every end of a job, also by its client."""
        return Policy(
            "webhook-ended",
            _WEBHOOK,
            Trigger.ENDED,
            retry_pause_s=self._settings.retry_pause_s,
            retry_for_s=self._settings.retry_for_s,
        )

    def wants(self, job: Job) -> bool:
        """Return whether a call about this job is needed: always."""
        del job
        return True

    def send(self, job: Job, message: Message) -> None:
        """Call the address; raises the errors of `uws.notify.delivery.Transport`."""
        url = parameter_of(job, _WEBHOOK)
        # A job that was never validated may have any text as its address.
        if not is_web_address(url) or not may_call(self._settings, url):
            raise Undeliverable("the address of the job is not permitted for webhooks")
        try:
            content = payload(job, read_report(job, self._files), self._base_url)
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
            raise TransientError(f"the address responded with {status}")
        if not 200 <= status < 300:
            raise Undeliverable(
                f"the address responded with {status}; only 2xx counts as delivered"
            )


def sign(body: bytes, secret: str, unix_s: int) -> str:
    """Return the signature of a body: `t=<unix time>,v1=<HMAC-SHA-256 of "<t>.<body>", hex>`.

    The time is part of what is signed, so that nobody can send an old call again.
    """
    signed = f"{unix_s}.".encode() + body
    return f"t={unix_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def payload(job: Job, report: JobReport, base_url: str) -> dict[str, Any]:
    """Return the body of the call, as JSON types."""
    base = base_url or job.url.rpartition("/async/")[0]
    address = f"{base}/async/{job.id}" if base else None
    counts = {"rows": report.rows, **report.counts}
    return {
        "event": "ended",
        "job": job.id,
        "phase": job.phase.value,
        "name": report.name or None,
        "counts": counts | {"files": report.files, "bytes": report.size_bytes},
        "error": job.error.message if job.error else None,
        "urls": {
            "job": address,
            "page": f"{base}/jobs/{job.id}" if base else None,
            "results": f"{address}/results" if base else None,
        },
        "time": None if job.end_time is None else format_instant(job.end_time),
        "destruction": format_instant(job.destruction),
    }
