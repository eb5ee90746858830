"""What a client asks for of a job's lifetime, brought within the limits.

Imports runtime, errors and reading only.
"""

from datetime import UTC, datetime, timedelta

from uws.errors import UsageError
from uws.reading import format_instant
from uws.runtime import JobLimits

__all__ = ["bounded_destruction", "bounded_duration"]


def bounded_destruction(
    asked: datetime | None, *, created: datetime, limits: JobLimits
) -> tuple[datetime, tuple[str, ...]]:
    """Bring a destruction time within the limits.

    Parameters
    ----------
    asked
        None stands for the default lifetime.
    created
        When the job was created; its longest lifetime counts from there.

    Returns
    -------
    datetime, tuple of str
        The time that holds, and a note for the client where it is not the one asked for.

    Raises
    ------
    UsageError
        When the time is past.
    """
    if asked is None:
        return created + timedelta(seconds=limits.lifetime_default_s), ()
    if asked <= datetime.now(UTC):
        raise UsageError(f"DESTRUCTION: {format_instant(asked)} is past; to end a job, delete it")
    latest = created + timedelta(seconds=limits.lifetime_max_s)
    if asked <= latest:
        return asked, ()
    days = limits.lifetime_max_s / 86400
    note = f"DESTRUCTION was limited to {days:g} days after creation, {format_instant(latest)}"
    return latest, (note,)


def bounded_duration(asked_s: int | None, limits: JobLimits) -> tuple[int, tuple[str, ...]]:
    """Bring an execution duration within the limits.

    Parameters
    ----------
    asked_s
        Seconds, 0 is unlimited; None stands for the default.

    Returns
    -------
    int, tuple of str
        The duration that holds, and a note for the client where it is not the one asked for.
    """
    if asked_s is None:
        return limits.execution_default_s, ()
    limit_s = limits.execution_max_s
    if limit_s == 0 or 0 < asked_s <= limit_s:
        return asked_s, ()
    return limit_s, (f"EXECUTIONDURATION was limited to {limit_s} s",)
