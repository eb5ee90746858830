"""Links to a job with a secret token: to see the job, or to postpone its destruction.

The store keeps only the SHA-256 of the token.
"""

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uws.errors import NotFoundError
from uws.models import Job, Phase
from uws.runtime import Runtime
from uws.service import JobService
from uws.store import JobStore
from uws.store.links import Link, Purpose

__all__ = [
    "SHARES_MAX",
    "Extension",
    "ExtensionRules",
    "JobExtensions",
    "JobSharing",
    "Link",
]

_log = logging.getLogger(__name__)

SHARES_MAX = 100
"""Maximum number of links of a job by which others see it."""

_TOKEN_BYTES = 24
_TOKEN_CHARS_MAX = 64

_REVOKED = "there is nothing under this link; it may have been revoked"
_EXPIRED = "this link has expired: there is no such job any more"


class JobSharing:
    """Links by which others see a job: made, listed and revoked by its owner.

    Parameters
    ----------
    service
        Reads jobs for their owner.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._store = service.runtime.store

    def create(self, owner: str, job_id: str) -> str:
        """Make a link; return its token, which is shown only now.

        Raises
        ------
        NotFoundError
            When there is no such job.
        TooManyError
            When the job has `SHARES_MAX` links.
        """
        job, token = self._service.get(owner, job_id), _new_token()
        self._store.links.add(job.id, Purpose.SHARE, _digest(token), most=SHARES_MAX)
        return token

    def list(self, owner: str, job_id: str) -> Sequence[Link]:
        """List the links of a job, the oldest first."""
        return self._store.links.list(self._service.get(owner, job_id).id, Purpose.SHARE)

    def revoke(self, owner: str, job_id: str, link_id: str) -> None:
        """Revoke a link.

        Raises
        ------
        NotFoundError
            When the job has no such link.
        """
        job = self._service.get(owner, job_id)
        if not self._store.links.remove(job.id, Purpose.SHARE, link_id):
            raise NotFoundError(f"job {job_id} has no link {link_id[:40]}")

    def open(self, token: str) -> Job:
        """Return the job of a link; anyone with the token may ask.

        Raises
        ------
        NotFoundError
            When there is no such link, or no such job any more.
        """
        return self._store.get(_find(self._store, token, Purpose.SHARE).job_id)


@dataclass(frozen=True, slots=True)
class ExtensionRules:
    """How far links postpone a job's destruction."""

    days: int = 14
    times: int = 3
    """How often for each job; 0: there are no links."""


@dataclass(frozen=True, slots=True)
class Extension:
    """What a link offers."""

    job: Job
    until: datetime | None
    """Until when the job would be kept; None if it cannot be kept longer."""

    is_used: bool
    """Whether the destruction that the link is about was postponed already."""


class JobExtensions:
    """Links that postpone a job's destruction, a few times.

    A link postpones one destruction time once: following it again changes nothing.

    Parameters
    ----------
    runtime
        Store and limits.
    rules
        How far, how often.
    """

    def __init__(self, runtime: Runtime, rules: ExtensionRules) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._rules = rules

    def create(self, job: Job) -> tuple[str, datetime | None]:
        """Make a link for a job's present destruction time.

        Returns
        -------
        str, datetime or None
            Its token, and until when it keeps the job; empty and None where that cannot be.
        """
        until = self._later(job, job.destruction)
        if until is None:
            return "", None
        token = _new_token()
        try:
            self._store.links.add(job.id, Purpose.EXTEND, _digest(token), about=job.destruction)
        except NotFoundError:
            return "", None
        return token, until

    def find(self, token: str) -> Extension:
        """Find what a link offers; changes nothing.

        Raises
        ------
        NotFoundError
            When there is no such link, or its job is gone.
        """
        link = _find(self._store, token, Purpose.EXTEND)
        job = self._store.get(link.job_id)
        if link.about is None or job.phase is Phase.ARCHIVED:
            raise NotFoundError(_EXPIRED)
        is_used = job.destruction > link.about
        return Extension(job, None if is_used else self._later(job, link.about), is_used)

    def use(self, token: str) -> Extension:
        """Postpone a job's destruction by a link, unless that was done; raise as `find`."""
        found = self.find(token)
        if found.until is not None and self._store.links.extend(
            _digest(token), until=found.until, times_max=self._rules.times
        ):
            extra = {"job_id": found.job.id, "owner": found.job.owner}
            _log.info("job kept by its link until %s", found.until.isoformat(), extra=extra)
        return self.find(token)

    def _later(self, job: Job, about: datetime) -> datetime | None:
        """Return the destruction time that a link would set, None where it would gain nothing."""
        longest = timedelta(seconds=self._runtime.limits.lifetime_max_s)
        until = min(about + timedelta(days=self._rules.days), job.creation_time + longest)
        if until <= job.destruction:
            return None
        return until if self._store.links.count_extensions(job.id) < self._rules.times else None


def _find(store: JobStore, token: str, purpose: Purpose) -> Link:
    link = None
    if len(token) <= _TOKEN_CHARS_MAX:
        link = store.links.find(_digest(token), purpose)
    if link is None:
        raise NotFoundError(_REVOKED if purpose is Purpose.SHARE else _EXPIRED)
    return link


def _new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
