"""Rows of a job, page by page, for those who look at them: also while the job is working."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soda_service.results.rowindex import RowIndex
from soda_service.results.rows import Row, Status
from soda_service.results.tree import thumbnail_path
from uws.files import JobFiles

__all__ = ["LOOKED_AT_MAX", "RowPage", "page_of_journal", "page_of_rows"]

LOOKED_AT_MAX = 5000
"""Rows that are looked at of a job that is not finished: each takes 10 to 25 microseconds."""


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a job."""

    rows: Sequence[Mapping[str, Any]]
    """Plain JSON: `row` (1-based), `ra`, `dec`, `object_id`, `tile`, `name`, `status`, `message`,
    `size_pix`, `coverage`, `folder`, `files` (names), `user` (the user's own columns) and
    `thumbnail` (path below the job's results of a small picture that stands for the row, or null).
    """

    matching: int
    """Rows of these statuses."""

    counts: Mapping[str, int]
    """All rows by status."""

    is_whole: bool
    """False where the job is not finished: then these are rows that have been found so far."""


def page_of_rows(
    files: JobFiles, job_id: str, *, start: int, count: int, statuses: Sequence[Status] = ()
) -> RowPage:
    """Read a page of a finished job's rows.

    Raises
    ------
    FileNotFoundError
        When the job is not finished.
    """
    index = RowIndex.read(files, job_id)
    numbers = index.numbers(statuses)
    found = index.load(files, job_id, numbers[start : start + count])
    counts = {str(status): n for status, n in index.counts().items()}
    rows = [_with_thumbnail(files, job_id, _of_summary(row)) for row in found]
    return RowPage(rows, len(numbers), counts, is_whole=True)


def page_of_journal(
    files: JobFiles,
    job_id: str,
    rows: Iterable[Row],
    *,
    start: int,
    count: int,
    statuses: Sequence[Status] = (),
) -> RowPage:
    """Give a page of the rows that a working job has finished, in input order."""
    done = sorted(
        ((row, row.outcome) for row in rows if row.outcome), key=lambda pair: pair[0].planned.number
    )
    counts = {str(s): sum(outcome.status is s for _, outcome in done) for s in Status}
    chosen = [row for row, outcome in done if not statuses or outcome.status in statuses]
    page = chosen[start : start + count]
    told = [_with_thumbnail(files, job_id, _of_row(row)) for row in page]
    return RowPage(told, len(chosen), counts, is_whole=False)


def _of_row(row: Row) -> dict[str, Any]:
    planned, outcome = row.planned, row.outcome
    assert outcome is not None  # noqa: S101 - chosen by it
    names = [entry.name for entry in outcome.files]
    return {
        "row": planned.number,
        "ra": planned.ra_deg,
        "dec": planned.dec_deg,
        "object_id": None if planned.object_id is None else str(planned.object_id),
        "tile": planned.tile,
        "name": planned.name if planned.tile else "",
        "status": str(outcome.status),
        "message": outcome.message,
        "size_pix": None if outcome.size_px is None else list(outcome.size_px),
        "coverage": outcome.coverage,
        "folder": planned.folder if names else "",
        "files": names,
        "user": dict(planned.extra),
    }


_KNOWN = {
    "row": "ROW", "ra": "RA", "dec": "DEC", "object_id": "COADD_OBJECT_ID", "tile": "TILENAME",
    "name": "SEXAGECIMAL", "status": "STATUS", "message": "MESSAGE", "size_pix": "SIZE_PIX",
    "coverage": "COVERAGE", "folder": "FOLDER", "files": "FILES",
}  # fmt: skip


def _of_summary(told: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: told[key] for name, key in _KNOWN.items()}
    for name in ("ra", "dec"):
        row[name] = None if row[name] == "" else row[name]
    names = list(told)
    own = names[names.index("COVERAGE") + 1 :]
    return row | {"user": {name: told[name] for name in own}}


def _with_thumbnail(files: JobFiles, job_id: str, row: dict[str, Any]) -> dict[str, Any]:
    """Add the small picture that stands for a row: of its first picture, or of a band."""
    names = sorted(row["files"], key=lambda name: name.endswith(".fits"))
    paths = [thumbnail_path(name) for name in names]
    return row | {"thumbnail": next((p for p in paths if _exists(files, f"{job_id}/{p}")), None)}


def _exists(files: JobFiles, key: str) -> bool:
    try:
        files.stat(key)
    except FileNotFoundError:
        return False
    return True
