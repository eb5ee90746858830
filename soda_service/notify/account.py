"""What is told of a job: its name, counts and first failures, read from its documents."""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soda_service.results.rows import Status
from soda_service.results.tree import MANIFEST_CSV, SUMMARY
from uws.files import JobFiles
from uws.models import Job

__all__ = ["Account", "FailedRow", "job_name", "parameter_of", "read_account"]

_FAILURES_MAX = 5
_TAIL_BYTES = 1 << 18
"""Of the summary: what stands after the rows has a few kB, but for the user's warnings."""

_TAIL_START = b'\n "processing_time": '
"""Where that begins; no line break stands inside a text of JSON."""

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NAME_MAX = 128


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row of which something, or all, is missing."""

    number: int
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Account:
    """How a job went."""

    name: str
    """As the user called it; empty where he did not."""

    rows: int
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows by `Status`; empty where the job left no summary."""

    files: int | None = None
    size_bytes: int = 0
    failures: tuple[FailedRow, ...] = ()
    """The first few."""

    @property
    def good(self) -> int:
        """Rows of which everything asked for was made."""
        return self.counts.get(Status.OK, 0)


def parameter_of(job: Job, name: str) -> str:
    """Give a short parameter of a job, without blanks around it; empty where it has none."""
    values = (p.value for p in job.parameters if p.name == name and not p.by_reference)
    return next(values, "").strip()


def job_name(job: Job) -> str:
    """Give the name of a job, fit for one line; empty where it has none.

    A job that was never checked may have any characters in it.
    """
    name = parameter_of(job, "JOBNAME") or job.run_id
    return " ".join(_NOT_PRINTED.sub(" ", name).split())[:_NAME_MAX]


def read_account(job: Job, files: JobFiles) -> Account:
    """Read how a job went, as far as it left documents; OSError where they are away."""
    progress, name = job.progress, job_name(job)
    try:
        end = _read_end(job.id, files)
    except FileNotFoundError:
        return Account(name, progress.total, size_bytes=progress.size_bytes)
    counts = {str(status): int(end["status"].get(status, 0)) for status in Status}
    rows = sum(counts.values())
    failures = _read_failures(job.id, files) if counts[Status.OK] < rows else ()
    return Account(name, rows, counts, int(end["number_of_files"]), progress.size_bytes, failures)


def _read_end(job_id: str, files: JobFiles) -> dict[str, Any]:
    """Read what stands in the summary after the rows, of which there may be a million."""
    with files.open(f"{job_id}/{SUMMARY}") as stream:
        length = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, length - _TAIL_BYTES))
        tail = stream.read()
    # Any: of JSON's types.
    end: dict[str, Any] = json.loads(b"{" + tail[tail.rindex(_TAIL_START) :])
    return end


def _read_failures(job_id: str, files: JobFiles) -> tuple[FailedRow, ...]:
    """Find the first rows that are not all there; the manifest has a line for each file."""
    found: dict[int, FailedRow] = {}
    with files.open(f"{job_id}/{MANIFEST_CSV}") as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="")
        try:
            for record in csv.DictReader(text):
                if record["status"] == Status.OK:
                    continue
                number = int(record["row"])
                failed = FailedRow(number, record["status"].replace("_", " "), record["message"])
                found.setdefault(number, failed)
                if len(found) == _FAILURES_MAX:
                    break
        except csv.Error:  # a cell of the user's own that is too long to be read here
            pass
    return tuple(found.values())
