"""Links by which others see a job: made, listed and revoked by its owner, opened by who has them.

A link holds a token that nobody guesses; the store knows only its hash.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from uws.errors import NotFoundError, TooManyError
from uws.models import Job
from uws.service import JobService

__all__ = ["SHARES_MAX", "JobSharing", "Share"]

SHARES_MAX = 100
"""Links of one job."""

_TOKEN_BYTES = 24
_TOKEN_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Share:
    """A link to a job; its token is told once, when it is made."""

    id: str
    created_time: datetime


class JobSharing:
    """What an owner does with the links of a job, and what a link opens.

    Parameters
    ----------
    service
        By which jobs are read for their owner.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._store = service.runtime.store

    def create(self, owner: str, job_id: str) -> str:
        """Make a link; give its token, which is told only now.

        Raises
        ------
        TooManyError
            When the job has `SHARES_MAX` links.
        """
        job = self._service.get(owner, job_id)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        row = (secrets.token_hex(8), _hashed(token), datetime.now(UTC))
        if not self._store.add_share(job.id, row, most=SHARES_MAX):
            raise TooManyError(f"job {job_id} has {SHARES_MAX} links; revoke one first")
        return token

    def list(self, owner: str, job_id: str) -> list[Share]:
        """List the links of a job, the oldest first."""
        job = self._service.get(owner, job_id)
        return [Share(*row) for row in self._store.shares(job.id)]

    def revoke(self, owner: str, job_id: str, share_id: str) -> None:
        """Take a link back: it opens nothing from now on.

        Raises
        ------
        NotFoundError
            When the job has no such link.
        """
        job = self._service.get(owner, job_id)
        if not self._store.remove_share(job.id, share_id):
            raise NotFoundError(f"job {job_id} has no link {share_id[:40]}")

    def open(self, token: str) -> Job:
        """Give the job of a link, whoever asks.

        Raises
        ------
        NotFoundError
            When there is no such link, or no such job any more.
        """
        job_id = None
        if len(token) <= _TOKEN_CHARS_MAX:
            job_id = self._store.shared_job(_hashed(token))
        if job_id is None:
            raise NotFoundError("there is nothing under this link; it may have been revoked")
        return self._store.get(job_id)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
