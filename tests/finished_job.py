"""Jobs whose rows are given, finished as a worker finishes them, without a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from soda_service.cutouts.finalize import finalize_results
from soda_service.request.options import default_options
from soda_service.request.values import CutoutRequest, Table
from soda_service.results.plan import JobPlan
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.summary import JobFacts
from soda_service.results.tree import lines_key
from tests.joblogs import add_lines
from tests.synthetic import RELEASE
from uws.files import JobFiles
from uws.models import Job, Phase

__all__ = ["JOB", "entry", "finish", "made_row", "write_row"]

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_OPTIONS = default_options(RELEASE)

JOB = Job("0" * 32, "cutout", "", Phase.COMPLETED, _NOW, _NOW, 0)


@dataclass(frozen=True)
class _Context:
    files: JobFiles
    job: Job

    def heartbeat(self) -> None:
        """Nobody takes the job away."""

    def report_total(self, items: int) -> None:
        """Nobody looks."""

    def item_done(self) -> None:
        """Nobody counts."""


def entry(name: str) -> FileEntry:
    """Give a FITS file of band g."""
    return FileEntry(name, f"T+1/J1/{name}", "fits", ("g",), "application/fits", 10, "ab")


def made_row(number: int, status: Status = Status.OK, *files: FileEntry, **changes: object) -> Row:
    """Give a row that is done."""
    place = (1.5, -2.5, 1.5, -2.5)
    fields = {"tile": "T+1", "tile_dir": "a/", "name": "J1", "options": _OPTIONS} | changes
    planned = PlannedRow(number, None, *place, **fields)  # type: ignore[arg-type]
    message = "" if status is Status.OK else f"why {number}"
    return Row(planned, Outcome(status, message, files, (10, 20), 0.5, "2026-01-01T00:00:00Z"))


def write_row(files: JobFiles, row: Row, chunk: int = 0, *, job_id: str = JOB.id) -> None:
    """Note a row as done."""
    add_lines(files, lines_key(job_id, chunk), row.to_line())


def finish(
    files: JobFiles, rows: Sequence[Row], columns: Sequence[str] = (), *, job: Job = JOB
) -> None:
    """Write rows, the plan, and the documents about them."""
    request = CutoutRequest(RELEASE.name, _OPTIONS, Table("given by the test"))
    JobPlan(request, tuple(columns), is_table=True).write(files, job.id)
    add_lines(files, lines_key(job.id, 0), *(row.to_line() for row in rows))
    facts = JobFacts(job.id, "http://x/async/1", "", "", RELEASE, _OPTIONS, tuple(columns))
    finalize_results(_Context(files, job), facts, results_listed_max=10, has_table=True)
