"""The rows of a chunk, cut one after the other and noted, or given up.

What is away keeps back only the rows that need it. They are tried again with the chunk, and when
that was done long enough they are cut for the last time, with the files that can be made.
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
"""Rows whose places are found together."""

_AWAY_MAX = 3
"""Things found away before the rest of a chunk is left: each may cost the time-out of a server."""


def cut_rows(context: JobContext, chunk: Chunk, cutter: Cutter) -> ChunkReport:
    """Cut the rows that are not cut yet; each is noted as soon as it is done.

    Raises
    ------
    SourceUnavailable
        When data of some rows are away; all others, or those before too much was away, are done.
    """
    away: dict[object, str] = {}
    with _journal(context, chunk) as journal:
        for row, following in _ahead(_left(context, chunk, journal), cutter):
            context.heartbeat()
            source = _source_of(row.planned)
            if source in away:
                continue
            _mark(journal, row, is_first=not away)
            # Of the same files only: a file that kills who opens it is to be its own row's fault.
            if following is not None and _source_of(following.planned) == source:
                cutter.announce(following.planned)
            try:
                outcome = cutter.cut(row.planned)
            except SourceUnavailable as error:
                away[source] = str(error)
                if len(away) == _AWAY_MAX:
                    break
                continue
            journal.add(row.with_outcome(outcome))
            context.item_done()
    if away:
        raise SourceUnavailable("; ".join(dict.fromkeys(away.values())))
    return journal.report()


def cut_for_the_last_time(context: JobContext, chunk: Chunk, cutter: Cutter) -> ChunkReport:
    """Cut the rows that are left; what is away now fails the files that need it.

    Parameters
    ----------
    cutter
        One that makes the files that can be made.
    """
    away: dict[object, str] = {}
    with _journal(context, chunk) as journal:
        for row in _left(context, chunk, journal):
            source = _source_of(row.planned)
            _mark(journal, row, is_first=True)
            try:
                outcome = _failed(away[source]) if source in away else cutter.cut(row.planned)
            except SourceUnavailable as error:
                away[source] = str(error)
                outcome = _failed(away[source])
            journal.add(row.with_outcome(outcome))
    return journal.report(away=next(iter(away.values()), ""))


def give_up_row(context: JobContext, chunk: Chunk, reason: str) -> ChunkReport | None:
    """Note the row that a bug or a kill happened at as failed; None when others are left then.

    It is the one that was marked, or else the first that is left: rows are worked in order.
    """
    with _journal(context, chunk) as journal:
        is_at = journal.marked
        left = (r for r in _left(context, chunk, journal) if is_at in {None, r.planned.number})
        for row in itertools.islice(left, 1):
            journal.add(row.with_outcome(_failed(reason)))
    return journal.report() if journal.count >= chunk.total else None


def _journal(context: JobContext, chunk: Chunk) -> AbstractContextManager[Journal]:
    """Open a chunk's journal, careful where an earlier try of it did not come to its end."""
    is_careful = chunk.attempts > 1
    return open_journal(context.files, context.job.id, chunk.number, is_careful=is_careful)


def _mark(journal: Journal, row: Row, *, is_first: bool) -> None:
    """Mark the row to be cut, where `give_up_row` would take another for it.

    So where all are in reach nothing is written.
    """
    number = row.planned.number
    if journal.marked != number and not (is_first and journal.marked is None):
        journal.mark(number)


def _left(context: JobContext, chunk: Chunk, journal: Journal) -> Iterator[Row]:
    for row in planned_rows(context.files, context.job.id, chunk.number):
        context.heartbeat()
        if row.planned.number not in journal:
            yield row


def _ahead(rows: Iterator[Row], cutter: Cutter) -> Iterator[tuple[Row, Row | None]]:
    """Give each row with the one after it; those that come next are placed together."""
    while batch := list(itertools.islice(rows, _BATCH)):
        cutter.expect(row.planned for row in batch)
        yield from itertools.zip_longest(batch, batch[1:])


def _source_of(row: PlannedRow) -> object:
    """Give what is equal for rows that need the same files of the release."""
    triplets = tuple(picture.triplets for picture in row.options.pictures)
    return row.tile, row.options.colors_fits, triplets


def _failed(reason: str) -> Outcome:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Outcome(Status.FAILED, reason, time=now)
