"""The interface of a job type: check parameters, plan, work in chunks, finish with results.

A job type knows what is computed; everything about HTTP, phases, queues and retries is the
server's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from uws.files import JobFiles
from uws.models import Chunk, ChunkReport, ErrorSummary, Job, Parameter, Result

__all__ = ["ChunkPlan", "JobContext", "JobType", "Outcome", "Plan"]


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """One chunk as planned."""

    spec: Mapping[str, Any]
    """Plain JSON, small: large plans go to the job's files and are named here."""

    total: int
    """Items in the chunk."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job's work is divided. The same parameters give the same plan."""

    chunks: Sequence[ChunkPlan]
    done: int = 0
    """Items that needed no chunk and are finished by planning."""

    failed: int = 0
    notes: tuple[str, ...] = ()
    """Warnings and remarks for the client."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: results, or an error."""

    results: tuple[Result, ...] = ()
    error: ErrorSummary | None = None
    notes: tuple[str, ...] = ()
    """Remarks added at the end to those of the plan."""

    failed: int | None = None
    """Number of failed items of the whole job, if it is known now; all others are done. It corrects
    the reports of chunks that could not be accounted for, which count all their items as failed."""


class JobContext(Protocol):
    """The interface of a step to the one job that it works on."""

    @property
    def job(self) -> Job:
        """The job as it was when the step began."""
        ...

    @property
    def files(self) -> JobFiles:
        """The job's files; keys begin with `job.id`."""
        ...

    def heartbeat(self) -> None:
        """Report that the step is alive. Call it often: it costs little.

        Raises
        ------
        JobStopped
            When the job was aborted or deleted, or its work was given to another worker.
        """
        ...

    def report_total(self, items: int) -> None:
        """Report, while planning, the number of items so far. Clients see it.

        Call it often: it costs nothing. Planning a million items takes a minute, during which
        clients see no other progress.
        """
        ...

    def item_done(self) -> None:
        """Report that an item of a chunk is finished for good: tries are counted anew from here.

        So only an item that fails again and again uses up the tries, not a chunk whose workers
        were killed at one item after the other.
        """
        ...


class JobType(Protocol):
    """A kind of job. `name` is stored with each job.

    When data, or space for results, are unavailable for a time, `plan`, `run_chunk`,
    `give_up_chunk` and `finish` raise `TransientError`, or let the `OSError` of a disk or a file
    server through. They are called again after growing pauses.
    """

    name: str

    def check(self, parameters: Sequence[Parameter], files: JobFiles) -> tuple[str, ...]:
        """Check all parameters before a job is run; returns notes (warnings) for the client.

        Raises
        ------
        UsageError
            Naming every fault found: unknown, missing, repeated or malformed parameters.
        """
        ...

    def plan(self, context: JobContext) -> Plan:
        """Divide the job's work into chunks. May write to the job's files."""
        ...

    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        """Work on one chunk. Safe to run again: names follow from the plan."""
        ...

    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        """Record items that cannot be worked, after all attempts.

        Parameters
        ----------
        reason
            Why, in words.
        is_whole
            True if a resource that all items need is unavailable; False if a worker failed or
            was killed at an item: then that item alone may be given up, if it is known.

        Returns
        -------
        ChunkReport or None
            None when items are left that should be tried on.
        """
        ...

    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> Outcome:
        """Make the results from the files that the chunks left. Safe to run again."""
        ...

    def partial_results(self, job: Job, files: JobFiles) -> Sequence[Result]:
        """List the results so far of a job that is not finished, in one or two milliseconds.

        Called once for an ABORTED job, whose final list this is, and for an EXECUTING job at each
        request for it: return nothing if the list would take long. `find_result` must find each
        listed result by its id.
        """
        del job, files
        return ()

    def find_result(self, job: Job, path: str, files: JobFiles) -> Result | None:
        """Find a result that is not in the job's list (`{job}/results/{path}`), or None."""
        ...

    def stream_result(self, job: Job, result: Result, files: JobFiles) -> Iterator[bytes] | None:
        """Yield a result that is not a file piece by piece; None if `result.key` is a file.

        For a COMPLETED job the bytes must be the same each time, so that a download can be resumed.
        """
        ...
