"""Cut the rows of a chunk one by one and record them, or give them up.

Unavailable data delay only the rows that need them. These rows are tried again with the chunk.
After the last retry they are cut once more, with the files that can be made.
"""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.journal import Journal, open_journal, planned_rows
from soda_service.errors import SourceUnavailable
from soda_service.results.rows import Outcome, PlannedRow, Row, Status
from uws.jobtype import JobContext
from uws.models import Chunk, ChunkReport

__all__ = ["cut_for_the_last_time", "cut_rows", "give_up_row"]

_BATCH = 256
"""Rows that are projected together."""

_UNAVAILABLE_MAX = 3
"""Unavailable sources before the rest of a chunk is postponed: each may cost a time-out."""


def cut_rows(context: JobContext, chunk: Chunk, cutter: Cutter) -> ChunkReport:
    """Cut the rows that are not cut yet; record each as soon as it is done.

    Raises
    ------
    SourceUnavailable
        When data of some rows are unavailable. All other rows are done, or only those before too
        many sources turned out to be unavailable.
    """
    unavailable: dict[object, str] = {}
    with _journal(context, chunk) as journal:
        for row, following in _ahead(_remaining(context, chunk, journal), cutter):
            context.heartbeat()
            source = _source_of(row.planned)
            if source in unavailable:
                continue
            _mark(journal, row, is_first=not unavailable)
            # Only if it needs the same files: opening another file may kill the worker, and that
            # must count against that file's row.
            if following is not None and _source_of(following.planned) == source:
                cutter.announce(following.planned)
            try:
                outcome = cutter.cut(row.planned)
            except SourceUnavailable as error:
                unavailable[source] = str(error)
                if len(unavailable) == _UNAVAILABLE_MAX:
                    break
                continue
            journal.add(row.with_outcome(outcome))
            context.item_done()
    if unavailable:
        raise SourceUnavailable("; ".join(dict.fromkeys(unavailable.values())))
    return journal.report()


def cut_for_the_last_time(context: JobContext, chunk: Chunk, cutter: Cutter) -> ChunkReport:
    """Cut the remaining rows; files whose data are unavailable fail.

    Parameters
    ----------
    cutter
        One that makes the files that can be made (`is_last`).
    """
    unavailable: dict[object, str] = {}
    with _journal(context, chunk) as journal:
        for row in _remaining(context, chunk, journal):
            source = _source_of(row.planned)
            _mark(journal, row, is_first=True)
            try:
                outcome = (
                    _failed(unavailable[source])
                    if source in unavailable
                    else cutter.cut(row.planned)
                )
            except SourceUnavailable as error:
                unavailable[source] = str(error)
                outcome = _failed(unavailable[source])
            journal.add(row.with_outcome(outcome))
    return journal.report(unavailable=next(iter(unavailable.values()), ""))


def give_up_row(context: JobContext, chunk: Chunk, reason: str) -> ChunkReport | None:
    """Record the row at which a bug or a kill happened as failed; return None if others remain.

    It is the marked row, else the first remaining one: rows are worked in order.
    """
    with _journal(context, chunk) as journal:
        is_at = journal.marked
        left = (r for r in _remaining(context, chunk, journal) if is_at in {None, r.planned.number})
        for row in itertools.islice(left, 1):
            journal.add(row.with_outcome(_failed(reason)))
    return journal.report() if journal.count >= chunk.total else None


def _journal(context: JobContext, chunk: Chunk) -> AbstractContextManager[Journal]:
    """Open a chunk's journal; careful if an earlier attempt did not finish."""
    is_careful = chunk.attempts > 1
    return open_journal(context.files, context.job.id, chunk.number, is_careful=is_careful)


def _mark(journal: Journal, row: Row, *, is_first: bool) -> None:
    """Mark the row to be cut if `give_up_row` would otherwise take another one.

    Nothing is written while all data are available.
    """
    number = row.planned.number
    if journal.marked != number and not (is_first and journal.marked is None):
        journal.mark(number)


def _remaining(context: JobContext, chunk: Chunk, journal: Journal) -> Iterator[Row]:
    for row in planned_rows(context.files, context.job.id, chunk.number):
        context.heartbeat()
        if row.planned.number not in journal:
            yield row


def _ahead(rows: Iterator[Row], cutter: Cutter) -> Iterator[tuple[Row, Row | None]]:
    """Yield each row with the one after it; project the next rows together."""
    while batch := list(itertools.islice(rows, _BATCH)):
        cutter.expect(row.planned for row in batch)
        yield from itertools.zip_longest(batch, batch[1:])


def _source_of(row: PlannedRow) -> object:
    """Return a key that is equal for rows that need the same files of the release."""
    triplets = tuple(picture.triplets for picture in row.options.pictures)
    return row.tile, row.options.colors_fits, triplets


def _failed(reason: str) -> Outcome:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Outcome(Status.FAILED, reason, time=now)
