"""Lists of a job's files for download programs, its log while it works, and its failed rows."""

import csv
import io
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import quote

from soda_service.pages.jobrows import journal_rows
from soda_service.results.events import EventsWriter
from soda_service.results.rowindex import RowIndex
from soda_service.results.rowpages import LOOKED_AT_MAX
from soda_service.results.rows import Status
from soda_service.results.tree import MANIFEST_CSV, positions_name
from uws.errors import UsageError, WrongPhaseError
from uws.files import JobFiles
from uws.models import Job

__all__ = ["FILE_LISTS", "failed_rows", "file_list", "log_so_far"]

_File = tuple[str, str, str]
"""Address, path in the job's tree, SHA-256."""


def _plain(file: _File) -> str:
    return f"{file[0]}\n"


def _aria2(file: _File) -> str:
    url, path, sha256 = file
    return f"{url}\n  out={path}\n  checksum=sha-256={sha256}\n"


def _sums(file: _File) -> str:
    return f"{file[2]}  {file[1]}\n"


FILE_LISTS: Mapping[str, Callable[[_File], str]] = MappingProxyType(
    {"wget": _plain, "aria2": _aria2, "sha256": _sums}
)
"""Forms of a list: for `wget -xi` (or curl), `aria2c -i`, and `sha256sum -c` below the tree."""


def file_list(job: Job, files: JobFiles, *, form: str, results_url: str) -> Iterator[str]:
    """Write the files of a finished job, one after the other.

    Raises
    ------
    UsageError
        When there is no such form.
    WrongPhaseError
        When the job has no manifest, since it is not COMPLETED.
    """
    if form not in FILE_LISTS:
        raise UsageError(f"format: {form[:40]!r} found; allowed are {', '.join(FILE_LISTS)}")
    try:
        stream = files.open(f"{job.id}/{MANIFEST_CSV}")
    except FileNotFoundError as error:
        message = f"job {job.id} is {job.phase}; its files are listed once it is COMPLETED"
        raise WrongPhaseError(message) from error
    return _listed(stream, FILE_LISTS[form], results_url)


def _listed(stream: BinaryIO, write: Callable[[_File], str], results_url: str) -> Iterator[str]:
    seen: set[int] = set()
    with stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        for row in csv.DictReader(text):
            path = row["file"]
            if path and hash(path) not in seen:  # equal rows share their files
                seen.add(hash(path))
                yield write((f"{results_url}/{quote(path)}", path, row["sha256"]))


def log_so_far(job: Job, files: JobFiles) -> str:
    """Write what is known of a job that works: its first finished rows, as the log has them."""
    stream = io.BytesIO()
    events = EventsWriter(stream)
    events.event(job.creation_time, "INFO", f"job {job.id} created")
    if job.start_time is not None:
        events.event(job.start_time, "INFO", "started")
    for note in job.notes:
        events.event(job.start_time or job.creation_time, "WARNING", note)
    rows = list(itertools.islice(journal_rows(files, job.id), LOOKED_AT_MAX))
    for row in sorted(rows, key=lambda row: row.outcome.time if row.outcome else ""):
        events.add(row)
    return stream.getvalue().decode()


def failed_rows(job: Job, files: JobFiles) -> Iterator[str]:
    """Write the rows that failed, or of which files are missing, as a table to be sent again.

    Raises
    ------
    WrongPhaseError
        When the job is not COMPLETED.
    """
    try:
        index = RowIndex.read(files, job.id)
        stream = files.open(f"{job.id}/{positions_name(job.id)}")
    except FileNotFoundError as error:
        message = f"job {job.id} is {job.phase}; its failed rows are told once it is COMPLETED"
        raise WrongPhaseError(message) from error
    wanted = set(index.numbers((Status.FAILED, Status.PARTIAL)).tolist())
    return _chosen(stream, wanted)


def _chosen(stream: BinaryIO, numbers: Collection[int]) -> Iterator[str]:
    """Give the header and the records of these numbers (0-based)."""
    with stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        reader = csv.reader(text)
        yield _record(next(reader))
        for number, cells in enumerate(reader):
            if number in numbers:
                yield _record(cells)


def _record(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
