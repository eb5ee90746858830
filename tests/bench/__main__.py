"""Measures the service and writes what it found: `python -m tests.bench [PART ...] [--write]`."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from tests.bench.figures import environment, table, with_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

PARTS = (
    "small_jobs",
    "documents",
    "waiters",
    "overhead",
    "planning",
    "cutting",
    "pictures",
    "sync",
    "pages",
    "whole",
)
"""Modules with a function `measure`, in the order of the page."""

SLOW = ("million",)
"""Parts that are measured only when asked for."""


def main() -> None:
    """Measure the parts asked for, or all that do not take long."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join((*PARTS, *SLOW)))
    parser.add_argument("--write", action="store_true", help=f"write to {PAGE.name}")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - {*PARTS, *SLOW}:
        parser.error(
            f"no part {', '.join(sorted(unknown))}; there are {', '.join((*PARTS, *SLOW))}"
        )
    tables = {}
    for part in asked.parts or PARTS:
        where, started = environment(), time.monotonic()
        figures = importlib.import_module(f"tests.bench.{part}").measure()
        tables[part] = f"{table(figures)}\n\n{where}."
        sys.stdout.write(f"\n{tables[part]}\n({part}: {time.monotonic() - started:.0f} s)\n")
        sys.stdout.flush()
    if asked.write:
        page = with_tables(PAGE.read_text(encoding="utf-8"), tables)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
