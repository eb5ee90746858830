"""positions_{job}.csv: the processed table, with every option of every row filled in."""

import csv
import io
from typing import BinaryIO

from soda_service.request.spec import Kind
from soda_service.request.table import parameter_specs
from soda_service.results.columns import option_cells, option_reader
from soda_service.results.rows import Row
from soda_service.results.summary import JobFacts

__all__ = ["PositionsWriter"]

_HEAD = ("RA", "DEC", "COADD_OBJECT_ID")


class PositionsWriter:
    """Writes the processed positions table as a stream; it can be submitted again unchanged."""

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        self._facts = facts
        self._cells = option_reader(facts.release)
        names = [n for n in option_cells(facts.options, facts.release) if n[1:] != "PIX"]
        self._options = ["XPIX", "YPIX", *names]
        specs = parameter_specs()
        self._flags = [name for name in names if specs[name].kind is Kind.BOOLEAN]
        self._csv = csv.writer(self._text)
        self._csv.writerow([*_HEAD, *self._options, *facts.extra_columns])

    def add(self, row: Row) -> None:
        """Write one row; options come from the row, else from the job, else from the defaults."""
        p = row.planned
        options = dict(self._cells(p.options))
        for pixels, size in (("XPIX", "XSIZE"), ("YPIX", "YSIZE")):
            if pixels in options:
                options[size] = ""
        for name in self._flags:
            options[name] = str(bool(options[name])).lower()
        # With RA and DEC beside the id, the row would give two positions.
        place = [p.ra_deg, p.dec_deg, ""] if p.object_id is None else ["", "", p.object_id]
        own = [p.extra.get(name, "") for name in self._facts.extra_columns]
        self._csv.writerow([*place, *(options.get(n, "") for n in self._options), *own])

    def close(self) -> None:
        """Detach from the stream, which stays open."""
        self._text.detach()
