"""What a bench found: figures beside what is demanded, as a table, with the machine they are of."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

__all__ = ["Figure", "environment", "milliseconds", "table", "with_tables"]

_PACKAGES = ("gunicorn", "flask", "sqlalchemy", "redis", "rq", "astropy", "numpy")


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured."""

    what: str
    found: str
    bar: str = ""
    """What is demanded, and after a semicolon what is aimed at; empty: nothing."""


def milliseconds(seconds: Sequence[float]) -> str:
    """Give median, 95th and 99th percentile of durations."""
    ordered = sorted(seconds)
    ranks = [ordered[min(len(ordered) - 1, int(part * len(ordered)))] for part in (0.95, 0.99)]
    return " / ".join(f"{value * 1e3:.1f}" for value in (statistics.median(ordered), *ranks))


def environment() -> str:
    """Tell on what and when the figures were found."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores,"
        f" load {os.getloadavg()[0]:.1f} at the start, Python {platform.python_version()},"
        f" {packages}"
    )


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()


def table(figures: Sequence[Figure]) -> str:
    """Draw figures as a table of Markdown."""
    lines = ["| what | found | at least; aim |", "|---|---|---|"]
    lines += [f"| {each.what} | {each.found} | {each.bar} |" for each in figures]
    return "\n".join(lines)


def with_tables(page: str, tables: dict[str, str]) -> str:
    """Put tables in their places in a page: between `<!-- bench NAME -->` and `<!-- /bench -->`.

    Raises
    ------
    ValueError
        When the page has no place for one of them.
    """
    for name, text in tables.items():
        place = re.compile(rf"(<!-- bench {name} -->\n).*?(<!-- /bench -->)", re.DOTALL)
        found = place.search(page)
        if found is None:
            raise ValueError(f"the page has no place for {name}")
        new = f"{found[1]}\n{text}\n\n{found[2]}"
        page = f"{page[: found.start()]}{new}{page[found.end() :]}"
    return page
