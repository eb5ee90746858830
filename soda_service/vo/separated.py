"""Tables as text with separators: `text/csv` and `text/tab-separated-values` (DALI 1.1, 3.4.3)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from soda_service.formats.votable import Field

__all__ = ["write_separated"]

_ROWS_AT_ONCE = 200


def write_separated(
    fields: Sequence[Field], rows: Iterable[Sequence[str]], *, delimiter: str
) -> Iterator[bytes]:
    """Write a line of the columns' names, then one for each row (RFC 4180).

    Parameters
    ----------
    rows
        Texts in the order of the fields; empty is null.
    delimiter
        Comma or tab.

    Yields
    ------
    bytes
        Pieces of many lines.
    """
    lines = iter(rows)
    block: list[Sequence[str]] = [[field.name for field in fields]]
    while block:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(block)
        yield text.getvalue().encode()
        block = list(islice(lines, _ROWS_AT_ONCE))
