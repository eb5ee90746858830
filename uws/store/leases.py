"""Rules of leases: when work may be taken from its holder; the time that a step has used."""

from datetime import datetime, timedelta
from typing import Any

from uws.lease_owner import is_dead, is_killable

__all__ = ["has_let_go", "time_used"]


def has_let_go(holder: str, lease_until: datetime, now: datetime) -> bool:
    """Check whether work may be taken from its holder: it is dead, or lost the lease.

    A task that can be killed from here must be dead, so that the same work does not take a second
    worker of the same host.
    """
    return is_dead(holder) or (lease_until <= now and not is_killable(holder))


def time_used(row: Any, now: datetime) -> timedelta:
    """Return how long holders that lost the step worked on it, without the waiting.

    Parameters
    ----------
    row
        Of the table of steps. Nobody's `begun_time` is so long before its `sent_time`.
    now
        The present time, aware.
    """
    # Any: SQLAlchemy types no rows of mixed tables
    if row.begun_time is None:
        return timedelta(0)
    end: datetime = row.sent_time if row.holder is None else min(now, row.lease_until)
    begun: datetime = row.begun_time
    return max(timedelta(0), end - begun)
