"""When jobs will end: the quote of UWS 1.1 (2.1.6), from measured rates.

The end of a job that has worked for a while is estimated from its own rate. Before that it is
estimated from the rate of the jobs completed last and from the other work: the jobs share the
workers evenly, a chunk of each in turn, so until a job is done, each other job has as many items
done, or all that it had left. A quote is a courtesy: no error in it may stop other work.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Self

from uws.errors import TransientError
from uws.models import Job, Load
from uws.runtime import Runtime

__all__ = ["Backlog", "foretell_end", "foretell_pace", "quote_job", "quote_jobs", "requote"]

_log = logging.getLogger(__name__)

_PACE_AFTER = timedelta(seconds=5)
"""A job's own rate is not known earlier; a quote that would change by less is left alone."""

_AFTER_CHUNK = 0.05
_BETWEEN_CHUNKS = 0.25
"""Fraction of the remaining time by which a quote must change to be published. Progress is known
when a chunk ends, so between two ends a job seems to become slower. With the same bound for both,
quotes of a job of 16 chunks varied by half of the remaining time."""


_LONGEST_S = 10 * 365 * 86400.0
"""Longest quote: dates are limited, and a job that slow makes no progress."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Remaining items of all jobs at work."""

    lefts: Sequence[int]
    """Of each job, in rising order."""

    sums: Sequence[int]
    """Of none of these, of the first, of the first two, ..."""

    @classmethod
    def of(cls, loads: Sequence[Load]) -> Self:
        """Sort the remaining work of the jobs."""
        lefts = sorted(load.left for load in loads)
        return cls(lefts, [0, *accumulate(lefts)])

    def items_until(self, left: int) -> int:
        """Count the items that are worked until one of the jobs, which has `left`, is done."""
        smaller = bisect_right(self.lefts, left)  # itself among them
        return self.sums[smaller] + left * (len(self.lefts) - smaller)


def quote_jobs(runtime: Runtime, now: datetime) -> None:
    """Estimate the end of every planned job at work; store what has changed."""
    with _as_courtesy():
        loads = runtime.store.find.loads()
        _quote(runtime, loads, loads, now)


def quote_job(runtime: Runtime, job_id: str) -> None:
    """Estimate the end of a job that was just planned."""
    with _as_courtesy():
        loads = runtime.store.find.loads()
        _quote(runtime, [load for load in loads if load.job_id == job_id], loads, datetime.now(UTC))


def requote(runtime: Runtime, job: Job) -> None:
    """Estimate the end of a job from its own rate alone, when work on a chunk begins.

    The chunk before has just been reported: `job` must have been read since.
    """
    now = datetime.now(UTC)
    progress = job.progress
    load = Load(job.id, progress.left, progress.worked, job.start_time, job.quote)
    quote = foretell_pace(load, now)
    if quote is not None and _is_news(quote, job.quote, now, bound=_AFTER_CHUNK):
        with _as_courtesy():
            runtime.store.set_quote(job.id, quote)


@contextmanager
def _as_courtesy() -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        _log.debug("no quote is available: %s", error)


def foretell_pace(load: Load, now: datetime) -> datetime | None:
    """Estimate the end of a job from its own rate; return None while that is not known."""
    if load.start_time is None or load.worked <= 0:
        return None
    elapsed = now - load.start_time
    if elapsed < _PACE_AFTER:
        return None
    return _after(now, elapsed.total_seconds() * (load.left / load.worked))


def _after(begin: datetime, seconds: float) -> datetime:
    return begin + timedelta(seconds=min(seconds, _LONGEST_S))


def foretell_end(
    load: Load, backlog: Backlog, *, rate_per_s: float | None, now: datetime
) -> datetime | None:
    """Estimate the end of a job from its own rate, or else from that of the server.

    Parameters
    ----------
    load
        Remaining work of the job.
    backlog
        That of all jobs at work, this one included.
    rate_per_s
        Items that the server works per second; None where that is not known.
    now
        The present time.

    Returns
    -------
    datetime or None
        None if nothing is known, or the estimate has passed.
    """
    quote = foretell_pace(load, now)
    if quote is not None or not rate_per_s:
        return quote
    begin = load.start_time or now
    quote = _after(begin, backlog.items_until(load.left) / rate_per_s)
    return quote if quote > now or load.start_time is None else None


def _quote(
    runtime: Runtime, loads: Sequence[Load], all_loads: Sequence[Load], now: datetime
) -> None:
    """Estimate the ends of some jobs among all at work."""
    if not loads:
        return
    rate_per_s, backlog = runtime.store.find.recent_rate_per_s(), Backlog.of(all_loads)
    for load in loads:
        quote = foretell_end(load, backlog, rate_per_s=rate_per_s, now=now)
        if _is_news(quote, load.quote, now, bound=_BETWEEN_CHUNKS):
            runtime.store.set_quote(load.job_id, quote)


def _is_news(quote: datetime | None, old: datetime | None, now: datetime, *, bound: float) -> bool:
    """Check whether a quote differs from the old one by more than its uncertainty."""
    if quote is None or old is None:
        # An older quote stays while there is no better one, until its time has passed.
        return quote is not None or (old is not None and old <= now)
    return abs(quote - old) > max(_PACE_AFTER, (quote - now) * bound)
