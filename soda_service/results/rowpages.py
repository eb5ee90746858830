"""Rows of a job as pages and programs are told of them, be the job finished or working."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soda_service.results.columns import output_names
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


def row_of_journal(row: Row) -> dict[str, Any]:
    """Give a row as pages have it, without its thumbnail."""
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


def row_of_summary(told: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Give what the summary says of a row as pages have it, without its thumbnail.

    Parameters
    ----------
    columns
        The user's own, as the positions table has them.
    """
    row = {name: told[key] for name, key in _KNOWN.items()}
    for name in ("ra", "dec"):
        row[name] = None if row[name] == "" else row[name]
    return row | {"user": {name: told[key] for name, key in output_names(columns).items()}}
