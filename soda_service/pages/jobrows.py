"""`/jobs/{id}/rows`: what became of each row, page by page, for gallery, table and programs."""

import itertools
from collections.abc import Callable, Iterator

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from soda_service.cutouts.journal import read_lines
from soda_service.results.rowpages import LOOKED_AT_MAX, RowPage, page_of_journal, page_of_rows
from soda_service.results.rows import Row, Status
from soda_service.results.tree import lines_prefix
from uws.dali import parse_integer
from uws.errors import UsageError
from uws.files import JobFiles
from uws.models import Job
from uws.service import JobService

__all__ = ["ROWS_MAX", "RowsAsked", "create_jobrows", "journal_rows", "rows_answer", "rows_of_job"]

ROWS_MAX = 5000
"""Of one answer."""

_ROWS = 200

RowsAsked = tuple[int, int, tuple[Status, ...]]
"""First row (0-based), count, statuses."""


def create_jobrows(service: JobService, *, owner: Callable[[Request], str]) -> Blueprint:
    """Make the route."""
    blueprint = Blueprint("jobrows", __name__)

    @blueprint.get("/jobs/<job_id>/rows")
    def job_rows(job_id: str) -> Response:
        """Give rows of a job: `from` (0 is the first), `count` and any number of `status`."""
        job = service.get(owner(request), job_id)
        return rows_answer(job, service.runtime.files)

    return blueprint


def rows_answer(job: Job, files: JobFiles) -> Response:
    """Answer the rows that the request asks for, as JSON."""
    asked = read_asked(request.args)
    found = rows_of_job(job, files, asked)
    return jsonify(
        rows=found.rows,
        start=asked[0],
        total=found.matching,
        counts=found.counts,
        is_whole=found.is_whole,
    )


def read_asked(args: MultiDict[str, str]) -> RowsAsked:
    """Read `from`, `count` and `status`.

    Raises
    ------
    UsageError
        When one is out of range, or no status.
    """
    start = parse_integer("from", args.get("from", "0"))
    count = parse_integer("count", args.get("count", str(_ROWS)))
    if start < 0:
        raise UsageError(f"from: {start} found; allowed is 0 and more")
    if not 0 < count <= ROWS_MAX:
        raise UsageError(f"count: {count} found; allowed is 1 to {ROWS_MAX}")
    statuses = []
    for text in filter(None, args.getlist("status")):
        if text not in set(Status):
            raise UsageError(f"status: {text[:40]!r} found; allowed are {', '.join(Status)}")
        statuses.append(Status(text))
    return start, count, tuple(dict.fromkeys(statuses))


def rows_of_job(job: Job, files: JobFiles, asked: RowsAsked) -> RowPage:
    """Give rows of a job, finished or not."""
    start, count, statuses = asked
    try:
        return page_of_rows(files, job.id, start=start, count=count, statuses=statuses)
    except FileNotFoundError:
        rows = itertools.islice(journal_rows(files, job.id), LOOKED_AT_MAX)
        return page_of_journal(files, job.id, rows, start=start, count=count, statuses=statuses)


def journal_rows(files: JobFiles, job_id: str) -> Iterator[Row]:
    """Give the rows that a job which is not finished tells of."""
    seen: set[int] = set()
    for key in files.keys(lines_prefix(job_id)):
        try:
            with files.open(key) as stream:
                for row, _ in read_lines(stream):
                    if row.outcome is not None and row.planned.number not in seen:
                        seen.add(row.planned.number)
                        yield row
        except FileNotFoundError:  # the job ended meanwhile
            continue
