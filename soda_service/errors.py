"""Errors of the cutout domain; they do not depend on HTTP.

::

    CutoutError
     |- ConfigError         a setting or a release file is wrong; the text names its key
     |- OptionsError        faults of a request or of its table, all at once
     |   `- TooManyRows     the table is longer than a job may be
     |- UnknownRelease      no release of that name
     |- UnknownTile         no tile of that name, or no such band of it
     |- NoCoverage          the position lies in a tile, but no pixel of it
     |- BandMissing         a colour picture lacks a band
     |- TileUnreadable      a tile's file is missing, damaged or of an unknown kind
     `- SourceUnavailable   a root (disk, server) is temporarily unavailable
"""

from dataclasses import dataclass

from typing_extensions import override

__all__ = [
    "BandMissing",
    "ConfigError",
    "CutoutError",
    "Fault",
    "NoCoverage",
    "OptionsError",
    "SourceUnavailable",
    "TileUnreadable",
    "TooManyRows",
    "UnknownRelease",
    "UnknownTile",
]


class CutoutError(Exception):
    """Base class of the cutout domain's errors."""


class ConfigError(CutoutError):
    """A setting or a release file is wrong; the message names file and key."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a request or a table."""

    message: str
    """What was found and what is allowed."""

    row: int | None = None
    """Row of the positions table, 1 for the first after the header; None for a job option."""

    column: str | None = None
    """Column or parameter, in its canonical spelling."""

    found: str | None = None
    """The value as sent, truncated if long."""

    @override
    def __str__(self) -> str:
        """One line that names row and column first."""
        where = [f"row {self.row}"] if self.row is not None else []
        if self.column:
            where.append(self.column)
        return f"{', '.join(where)}: {self.message}" if where else self.message


class OptionsError(CutoutError):
    """The user's request is wrong.

    Parameters
    ----------
    faults
        The first faults, at most 100.
    total
        Total number of faults.
    """

    def __init__(self, faults: tuple[Fault, ...], total: int | None = None) -> None:
        self.faults = faults
        self.total = len(faults) if total is None else total
        super().__init__(faults, self.total)

    @override
    def __str__(self) -> str:
        """All faults, one per line, and the number of further ones."""
        lines = [str(fault) for fault in self.faults]
        if self.total > len(self.faults):
            lines.append(f"and {self.total - len(self.faults)} more faults")
        return "\n".join(lines)


class TooManyRows(OptionsError):
    """The table has more rows than a job may have.

    Parameters
    ----------
    rows_max
        The limit.
    """

    def __init__(self, rows_max: int) -> None:
        super().__init__((Fault(f"the table has more than {rows_max} rows, the limit of a job"),))


class UnknownRelease(CutoutError):
    """No release has this name."""


class UnknownTile(CutoutError):
    """No tile has this name, or the tile has no such band."""


class NoCoverage(CutoutError):
    """The position lies in a tile, but has no pixel there."""


class BandMissing(CutoutError):
    """A colour picture lacks a band."""


class TileUnreadable(CutoutError):
    """A tile's file is missing, damaged or of an unknown kind."""


class SourceUnavailable(CutoutError):
    """A root (disk, server) is temporarily unavailable; trying again helps."""
