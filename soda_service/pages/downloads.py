"""Lists of a job's files for download programs, and the log of a running job."""

import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from urllib.parse import quote

from soda_service.results.events import EventsWriter
from soda_service.results.reading import LOOKED_AT_MAX, JobResults
from uws.errors import UsageError
from uws.models import Job

__all__ = ["FILE_LISTS", "file_list", "log_so_far"]

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
"""Formats of the list: for `wget -xi` (or curl), `aria2c -i`, and `sha256sum -c`."""


def file_list(results: JobResults, *, form: str, results_url: str) -> Iterator[str]:
    """Yield an entry for each file of a finished job.

    Raises
    ------
    UsageError
        If the format is unknown.
    WrongPhaseError
        If the job is not COMPLETED.
    """
    if form not in FILE_LISTS:
        raise UsageError(f"format: {form[:40]!r} found; allowed are {', '.join(FILE_LISTS)}")
    write = FILE_LISTS[form]
    return (
        write((f"{results_url}/{quote(each['file'])}", each["file"], each["sha256"]))
        for each in results.cutout_files()
    )


def log_so_far(job: Job, results: JobResults) -> str:
    """Return the log of a running job so far, with its first finished rows."""
    stream = io.BytesIO()
    events = EventsWriter(stream)
    events.event(job.creation_time, "INFO", f"job {job.id} created")
    if job.start_time is not None:
        events.event(job.start_time, "INFO", "started")
    for note in job.notes:
        events.event(job.start_time or job.creation_time, "WARNING", note)
    rows = itertools.islice(results.done_rows(), LOOKED_AT_MAX)
    for row in sorted(rows, key=lambda row: row.outcome.time if row.outcome else ""):
        events.add(row)
    return stream.getvalue().decode()
