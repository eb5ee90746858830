"""Links that keep a job: whoever has one may put the job's destruction off, a few times.

A link is a random token, of which the store has the SHA-256 alone; it puts off one destruction
time, once, so following it twice does no more than once.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from uws.errors import NotFoundError
from uws.models import Job, Phase
from uws.runtime import Runtime

__all__ = ["KeepRules", "Keepable", "find_keepable", "keep_job", "make_keep"]

_log = logging.getLogger(__name__)

_TOKEN_BYTES = 32
_GONE = "this link has expired: there is no such job any more"


@dataclass(frozen=True, slots=True)
class KeepRules:
    """How far links put a job's destruction off."""

    days: int = 14
    times: int = 3
    """How often for each job; 0: there are no links."""


@dataclass(frozen=True, slots=True)
class Keepable:
    """What a link finds."""

    job: Job
    until: datetime | None
    """Until when the job would be kept, None where it cannot be kept for longer."""

    is_kept: bool
    """Whether the destruction that the link tells of was put off already."""


def make_keep(runtime: Runtime, job: Job, rules: KeepRules) -> tuple[str, datetime | None]:
    """Make a link for a job's present destruction time.

    Returns
    -------
    str, datetime or None
        Its token, and until when it keeps the job; empty and None where that cannot be.
    """
    until = _later(runtime, job, job.destruction, rules)
    if until is None:
        return "", None
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    if not runtime.store.add_keep(_digest(token), job.id, job.destruction):
        return "", None
    return token, until


def find_keepable(runtime: Runtime, token: str, rules: KeepRules) -> Keepable:
    """Find what a link is about; changes nothing.

    Raises
    ------
    NotFoundError
        When there is no such link, or its job is gone.
    """
    found = runtime.store.find_keep(_digest(token))
    if found is None:
        raise NotFoundError(_GONE)
    job_id, about = found
    job = runtime.store.get(job_id)
    if job.phase is Phase.ARCHIVED:
        raise NotFoundError(_GONE)
    is_kept = job.destruction > about
    until = None if is_kept else _later(runtime, job, about, rules)
    return Keepable(job, until, is_kept)


def keep_job(runtime: Runtime, token: str, rules: KeepRules) -> Keepable:
    """Put a job's destruction off by a link, where it was not yet; raises as `find_keepable`."""
    found = find_keepable(runtime, token, rules)
    if found.until is not None:
        is_kept = runtime.store.use_keep(
            _digest(token), until=found.until, times_max=rules.times, now=datetime.now(UTC)
        )
        if is_kept:
            extra = {"job_id": found.job.id, "owner": found.job.owner}
            _log.info("job kept by its link until %s", found.until.isoformat(), extra=extra)
    return find_keepable(runtime, token, rules)


def _later(runtime: Runtime, job: Job, about: datetime, rules: KeepRules) -> datetime | None:
    """Give the destruction time that a link would set, None where it would gain nothing."""
    longest = timedelta(seconds=runtime.limits.lifetime_max_s)
    until = min(about + timedelta(days=rules.days), job.creation_time + longest)
    if until <= job.destruction or runtime.store.count_kept(job.id) >= rules.times:
        return None
    return until


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
