"""Rows of a job as pages and programs are told of them, be the job finished or working."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soda_service.results.columns import output_names, row_cells
from soda_service.results.rows import Row

__all__ = ["RowPage", "row_of_journal", "row_of_summary"]


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a job."""

    rows: Sequence[Mapping[str, Any]]
    """Plain JSON: `row` (1-based), `ra`, `dec`, `object_id`, `tile`, `name`, `status`, `message`,
    `size_pix`, `coverage`, `folder`, `files` (names), `user` (the user's own columns, as the
    positions table names them) and `thumbnail` (path below the job's results of a small picture
    that stands for the row, or null).
    """

    matching: int
    """Rows of these statuses."""

    counts: Mapping[str, int]
    """All rows by status."""

    is_whole: bool
    """False where the job is not finished: then these are rows that have been found so far."""

    total_files: int | None = None
    """Files of the whole job; None where that is not known."""


_PAGE_KEYS = {
    "row": "ROW", "ra": "RA", "dec": "DEC", "object_id": "COADD_OBJECT_ID", "tile": "TILENAME",
    "name": "SEXAGECIMAL", "status": "STATUS", "message": "MESSAGE", "size_pix": "SIZE_PIX",
    "coverage": "COVERAGE", "folder": "FOLDER", "files": "FILES",
}  # fmt: skip
"""Name in a page -> name in the summary."""


def row_of_journal(row: Row) -> dict[str, Any]:
    """Give a row as pages have it, without its thumbnail."""
    assert row.outcome is not None  # noqa: S101 - chosen by it
    return _told(row_cells(row.planned, row.outcome)) | {"user": dict(row.planned.extra)}


def row_of_summary(cells: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Give what the summary says of a row as pages have it, without its thumbnail.

    Parameters
    ----------
    columns
        The user's own, as the positions table has them.
    """
    own = {name: cells[key] for name, key in output_names(columns).items()}
    return _told(cells) | {"user": own}


def _told(cells: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: cells[key] for name, key in _PAGE_KEYS.items()}
    return row | {name: None if row[name] == "" else row[name] for name in ("ra", "dec")}
