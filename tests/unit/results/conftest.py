"""A release and finished rows to write documents of."""

from collections.abc import Mapping
from dataclasses import replace

from soda_service.parameters.options import default_options
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.summary import JobFacts
from soda_service.tiles.release import Band, Release

WISE = Release("WISE", "Many letters", (Band("W1"), Band("W2"), Band("W3")), "", "{tilename}.fits")
ENTRY = FileEntry(
    *("J1_w3-w2-w1_lupton.png", "T/J1/J1_w3-w2-w1_lupton.png", "lupton"),
    *(("W3", "W2", "W1"), "image/png", 9, "ab"),
)
UNMATCHED = Outcome(Status.UNMATCHED, "no tile", time="2026-01-01T00:00:00Z")
