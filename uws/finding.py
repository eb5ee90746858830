"""Queries of the list of jobs: part of a name, phases, order, page.

Values only; the job store finds them.
"""

from dataclasses import dataclass
from enum import StrEnum

from uws.models import Job, Phase

__all__ = ["JobColumn", "JobPage", "JobQuery"]


class JobColumn(StrEnum):
    """Columns by which jobs can be sorted."""

    CREATED = "created"
    NAME = "name"
    """The run id, in any case of letters."""

    PHASE = "phase"
    DURATION = "duration"
    """From start to end, or to now; jobs that have not started come last."""

    ITEMS = "items"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A selection of an owner's jobs, and their order."""

    text: str = ""
    """Part of the run id or of the job's id, in any case of letters; every sign means itself."""

    phases: tuple[Phase, ...] = ()
    """Only jobs in one of these; ARCHIVED ones are found only if named here."""

    order: tuple[tuple[JobColumn, bool], ...] = ((JobColumn.CREATED, True),)
    """Columns and whether each is descending; jobs that are equal in all come newest first."""

    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs found, without parameters and results."""

    jobs: tuple[Job, ...]
    total: int
    """On all pages."""
