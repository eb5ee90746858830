"""cutout_{job}.log: one line per event, in UTC."""

from datetime import datetime
from typing import BinaryIO

from soda_service.results.rows import Row, Status

__all__ = ["EventsWriter"]


class EventsWriter:
    """Writes the log of a job as a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def event(self, time: datetime | str, level: str, text: str) -> None:
        """Write one event."""
        when = time if isinstance(time, str) else time.strftime("%Y-%m-%dT%H:%M:%SZ")
        line = " ".join(text.split())
        self._stream.write(f"{when} {level} {line}\n".encode())

    def add(self, row: Row) -> None:
        """Write the outcome of one row."""
        p, outcome = row.planned, row.outcome
        assert outcome is not None  # noqa: S101 - only finished rows are written
        level = "INFO" if outcome.status == Status.OK else "WARNING"
        what = p.name if p.object_id is None else f"object {p.object_id}"
        where = f" in {p.tile}" if p.tile else ""
        message = f": {outcome.message}" if outcome.message else ""
        text = (
            f"row {p.number} {what}{where}: {outcome.status}, {len(outcome.files)} files{message}"
        )
        self.event(outcome.time, level, text)
