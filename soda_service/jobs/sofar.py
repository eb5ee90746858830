"""What a job that is not done has made so far: the files that its journals tell of."""

import itertools
from collections.abc import Iterator
from contextlib import suppress

from soda_service.jobs.joining import read_lines
from soda_service.results.rows import FileEntry
from soda_service.results.tree import lines_prefix
from uws.files import JobFiles
from uws.models import Result

__all__ = ["files_so_far"]


def files_so_far(files: JobFiles, job_id: str, *, most: int) -> list[Result]:
    """List finished cutout files, under the ids and in the order that they have at the end.

    Reading a row takes 10 to 25 microseconds.

    Parameters
    ----------
    most
        Of more files than this the first that are found.
    """
    found = list(itertools.islice(_entries(files, job_id), most))
    found.sort(key=lambda entry: entry[0])  # rows come by chunks: those of one tile together
    entries: dict[str, FileEntry] = {}
    for _, entry in found:
        entries.setdefault(entry.name, entry)  # equal rows share files, which are the first one's
    return [
        Result(name, f"{job_id}/{entry.path}", entry.media_type, entry.size_bytes)
        for name, entry in entries.items()
    ]


def _entries(files: JobFiles, job_id: str) -> Iterator[tuple[int, FileEntry]]:
    """Yield each file with the number of its row."""
    for key in files.keys(lines_prefix(job_id)):
        with suppress(FileNotFoundError), files.open(key) as stream:  # deleted meanwhile
            for row, _ in read_lines(stream):
                if row.outcome is not None:
                    for entry in row.outcome.files:
                        yield row.planned.number, entry
