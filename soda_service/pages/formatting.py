"""How pages write numbers, sizes, times and phases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from uws.models import Phase

__all__ = ["FILTERS", "duration", "instant", "moment", "number", "phase_word", "size"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")

_WORDS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.PENDING: "not started",
        Phase.QUEUED: "waiting",
        Phase.EXECUTING: "running",
        Phase.COMPLETED: "done",
        Phase.ERROR: "failed",
        Phase.ABORTED: "stopped",
        Phase.HELD: "held",
        Phase.SUSPENDED: "paused",
        Phase.UNKNOWN: "unknown",
        Phase.ARCHIVED: "archived",
    }
)


def phase_word(phase: str) -> str:
    """Return a phase in everyday words: `running`."""
    return _WORDS[Phase(phase)]


def number(value: int) -> str:
    """Write a count with a thin space between thousands: `1 234`."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(size_bytes: int | None) -> str:
    """Write a size with three digits, base 1000: `6.08 MB`; empty if unknown."""
    if size_bytes is None:
        return ""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    text = f"{value:.0f}" if unit == 0 or value >= 100 else f"{value:.3g}"
    return f"{text}\N{NO-BREAK SPACE}{_UNITS[unit]}"


def duration(seconds: float | None) -> str:
    """Write a time span in its two largest units: `2 h 5 min`; empty if unknown."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    whole = round(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next(place for place, (_, length) in enumerate(units) if whole >= length)
    texts = []
    for name, length in units[first : first + 2]:
        many, whole = divmod(whole, length)
        if many:
            texts.append(f"{many}\N{NO-BREAK SPACE}{name}")
    return " ".join(texts)


def moment(when: datetime | None) -> str:
    """Write an instant for readers, in UTC: `2026-11-23 06:51:07 UTC`."""
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def instant(when: datetime | None) -> str:
    """Write an instant for programs (`<time datetime=...>`)."""
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


FILTERS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "number": number,
        "duration": duration,
        "instant": instant,
        "moment": moment,
        "phase_word": phase_word,
        "size": size,
    }
)
"""For templates, by name."""
