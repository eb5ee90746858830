"""When jobs will end: the quote of UWS 1.1 (2.1.6), from measured rates.

A job that has worked for a while is foretold from its own pace. Before that it is foretold from
the pace of the jobs that were completed last, and from what else is to be worked: the jobs that
are at work share the workers evenly, a chunk of each in turn, so that until a job's own items are
done each other job has had as many of its items done, or all that were left.
Imports runtime and models.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from uws.models import Job, Load
from uws.runtime import Runtime

__all__ = ["foretell_end", "foretell_pace", "items_before", "quote_job", "quote_jobs", "requote"]

_PACE_AFTER = timedelta(seconds=5)
"""A job's own pace is not known earlier; a quote that would change by less stays as it is."""

_AFTER_CHUNK = 0.05
_BETWEEN_CHUNKS = 0.25
"""By how much of the time that is left a quote must change to be told. What is done is known when
a chunk ends. Looked at between two ends, a job seems to be slower and slower until the next: with
the same bound for both, quotes of a job of 16 chunks went to and fro by half of what was left."""


def quote_jobs(runtime: Runtime, now: datetime) -> None:
    """Foretell the end of every job that is planned and at work, and store what has changed.

    Raises
    ------
    TransientError
        When the job store cannot be reached.
    """
    loads = runtime.store.loads()
    if loads:
        rate_per_s = runtime.store.recent_rate_per_s()
        for load in loads:
            _quote(runtime, load, loads, rate_per_s=rate_per_s, now=now)


def quote_job(runtime: Runtime, job_id: str) -> None:
    """Foretell the end of one job, which was just planned; raises as `quote_jobs`."""
    loads = runtime.store.loads()
    load = next((load for load in loads if load.job_id == job_id), None)
    if load is not None:
        rate_per_s = runtime.store.recent_rate_per_s()
        _quote(runtime, load, loads, rate_per_s=rate_per_s, now=datetime.now(UTC))


def requote(runtime: Runtime, job: Job) -> None:
    """Foretell the end of a job by its own pace alone, at the end of one of its chunks."""
    now = datetime.now(UTC)
    progress = job.progress
    load = Load(job.id, progress.left, progress.worked, job.start_time, job.quote)
    quote = foretell_pace(load, now)
    if quote is not None and _is_news(quote, job.quote, now, bound=_AFTER_CHUNK):
        runtime.store.set_quote(job.id, quote)


def foretell_pace(load: Load, now: datetime) -> datetime | None:
    """Foretell when a job ends that goes on as it went so far; None while that is not known."""
    if load.start_time is None or load.worked <= 0:
        return None
    elapsed = now - load.start_time
    if elapsed < _PACE_AFTER:
        return None
    return now + elapsed * (load.left / load.worked)


def foretell_end(
    load: Load, loads: Sequence[Load], *, rate_per_s: float | None, now: datetime
) -> datetime | None:
    """Foretell when a job ends, by its own pace or else by that of the server.

    Parameters
    ----------
    load
        What is to be done for the job.
    loads
        That of all jobs at work, this one included.
    rate_per_s
        Items that the server works per second; None where that is not known.
    now
        The present time.

    Returns
    -------
    datetime or None
        None where nothing is known, or the job has outlasted what was foretold.
    """
    quote = foretell_pace(load, now)
    if quote is not None or not rate_per_s:
        return quote
    needed = timedelta(seconds=(load.left + items_before(load, loads)) / rate_per_s)
    if load.start_time is None:
        return now + needed
    quote = load.start_time + needed
    return quote if quote > now else None


def items_before(load: Load, loads: Sequence[Load]) -> int:
    """Count the items of other jobs that are worked until the last one of this job."""
    lefts = sorted(other.left for other in loads if other.job_id != load.job_id)
    sums = [0, *accumulate(lefts)]
    smaller = bisect_right(lefts, load.left)
    return sums[smaller] + load.left * (len(lefts) - smaller)


def _quote(
    runtime: Runtime,
    load: Load,
    loads: Sequence[Load],
    *,
    rate_per_s: float | None,
    now: datetime,
) -> None:
    quote = foretell_end(load, loads, rate_per_s=rate_per_s, now=now)
    if _is_news(quote, load.quote, now, bound=_BETWEEN_CHUNKS):
        runtime.store.set_quote(load.job_id, quote)


def _is_news(quote: datetime | None, old: datetime | None, now: datetime, *, bound: float) -> bool:
    """Tell whether a quote differs from the old one by more than what is uncertain anyway."""
    if quote is None or old is None:
        # An older word stands while there is no better one, but not when its time is over.
        return quote is not None or (old is not None and old <= now)
    return abs(quote - old) > max(_PACE_AFTER, (quote - now) * bound)
