"""The CSV documents of a job, read back."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from soda_service.request.csvtext import LINE_MAX_BYTES

__all__ = ["read_records"]

_CELL_MAX = 4 * LINE_MAX_BYTES
"""Characters of a cell. The user's own are as long as a line of a table may be; the csv module
allows 131,072 unless it is told."""


def read_records(stream: BinaryIO) -> Iterator[list[str]]:
    """Yield the records of a CSV document, its header first; closes the stream at the end."""
    csv.field_size_limit(_CELL_MAX)  # of the whole process, which reads no other CSV by this module
    with stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        yield from csv.reader(text)
