"""Rows of a finished or working job, in the form that pages and programs get."""

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
    """Number of rows with these statuses."""

    counts: Mapping[str, int]
    """All rows by status."""

    is_whole: bool
    """False if the job is not finished: these are the rows that are known so far."""

    total_files: int | None = None
    """Number of files of the whole job; None if it is not known."""


_PAGE_KEYS = {
    "row": "ROW", "ra": "RA", "dec": "DEC", "object_id": "COADD_OBJECT_ID", "tile": "TILENAME",
    "name": "SEXAGECIMAL", "status": "STATUS", "message": "MESSAGE", "size_pix": "SIZE_PIX",
    "coverage": "COVERAGE", "folder": "FOLDER", "files": "FILES",
}  # fmt: skip
"""Name in a page -> name in the summary."""


def row_of_journal(row: Row) -> dict[str, Any]:
    """Return a row in the form of pages, without its thumbnail."""
    assert row.outcome is not None  # noqa: S101 - only finished rows are chosen
    return _page_row(row_cells(row.planned, row.outcome)) | {"user": dict(row.planned.extra)}


def row_of_summary(cells: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Return a row of the summary in the form of pages, without its thumbnail.

    Parameters
    ----------
    columns
        The user's own columns, as the positions table names them.
    """
    own = {name: cells[key] for name, key in output_names(columns).items()}
    return _page_row(cells) | {"user": own}


def _page_row(cells: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: cells[key] for name, key in _PAGE_KEYS.items()}
    return row | {name: None if row[name] == "" else row[name] for name in ("ra", "dec")}
