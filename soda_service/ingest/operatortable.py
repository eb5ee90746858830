"""Operators' tables: CSV (`,` `;` or tab), FITS, VOTable, ECSV, Parquet; cells as text.

The first bytes of a file determine its format, not its name, except that CSV must not be named like
FITS. All formats but Parquet may be compressed by gzip. astropy reads whole files. CSV is read as a
stream, since object catalogues may have billions of bytes (for 2 million rows astropy would need
2.4 GB and four times the time); so is Parquet.
"""

import csv
import gzip
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from soda_service.errors import ConfigError, Fault
from soda_service.sky.table import refuse_faults

__all__ = ["OperatorTable", "read_table"]

_FITS_NAME = re.compile(r"\.(fits?|fts|fz)(\.gz)?$", re.IGNORECASE)
_ROWS_AT_ONCE = 50_000
_FAULTS_KEPT = 1_000
_COLUMNS_TOLD = 500
"""Characters of the header quoted in an error: a text that is not a table may be one long line."""

_ASTROPYS: Mapping[bytes, tuple[str, Mapping[str, Any]]] = {
    b"SIMPLE  =": ("FITS", {"format": "fits", "memmap": True, "mask_invalid": False}),
    b"# %ECSV": ("ECSV", {"format": "ascii.ecsv"}),
    **dict.fromkeys(
        (b"<?xml", b"<VOTABLE"),
        (
            "a VOTable",
            {"format": "votable", "table_id": 0, "use_names_over_ids": True, "verify": "ignore"},
        ),
    ),
}
"""First bytes of the formats that astropy reads: name and options. Any: options have many types."""

_NO_NAME = re.compile(r"[^a-z0-9_.+'-]")
"""Characters that do not occur in the column names of a canonical tile table."""

# Any: cells of astropy, numpy and pyarrow, which are untyped here.
_Cells = Iterator[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """A table that is being read."""

    path: Path
    columns: tuple[str, ...]
    """Column names as in the file."""

    rows: Iterator[tuple[str, ...]]
    """Rows, for one iteration; spaces are stripped, missing values are empty. A row of CSV may have
    fewer or more cells than there are columns. Raises ConfigError if the file is damaged."""

    def places(
        self,
        wanted: Sequence[str],
        *,
        renamed: Mapping[str, str],
        usual: Mapping[str, str] = MappingProxyType({}),
        required: Sequence[str] = (),
    ) -> dict[str, int]:
        """Return the name and position of each column.

        Parameters
        ----------
        wanted
            Names of known columns. Each is looked up by its `renamed` name, otherwise by its own
            name, otherwise by its `usual` name; not case-sensitive.
        renamed
            Name -> the operator's name; such a column must exist.
        usual
            Name -> another name, common in tables.
        required
            Names in `wanted` that must exist.

        Returns
        -------
        dict
            Name -> position, of the wanted columns that exist, and of all others under the
            operator's name in lower case.

        Raises
        ------
        ConfigError
            With all columns that are missing or repeated.
        """
        faults: list[Fault] = []
        places: dict[str, int] = {}
        for place, column in enumerate(self.columns):
            if places.setdefault(column.lower(), place) != place:
                faults.append(Fault(f"{column!r} is the name of two columns"))
        names: dict[str, int] = {}
        missing: list[str] = []
        for name in dict.fromkeys((*renamed, *wanted)):
            theirs = (renamed[name],) if name in renamed else (name, usual.get(name, name))
            found = next((their.lower() for their in theirs if their.lower() in places), None)
            if found is not None:
                names[name] = places.pop(found)
            elif name in renamed or name in required:
                missing.append(theirs[0].upper())
        has = ", ".join(self.columns)
        has = has if len(has) <= _COLUMNS_TOLD else f"{has[:_COLUMNS_TOLD]}..."
        faults += [Fault(f"no column {name}; it has: {has}") for name in missing]
        refuse_faults(self.path, faults)
        return {**names, **{_NO_NAME.sub("_", c): place for c, place in places.items()}}

    def records(
        self, places: Mapping[str, int], faults: list[Fault]
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows, numbered from 1, by column.

        Parameters
        ----------
        places
            Positions of the cells, from `places`.
        faults
            Receives an error for each row with too few or too many cells, which is skipped.

        Raises
        ------
        ConfigError
            With all errors, including the caller's, once there are more than a thousand.
        """
        for row, cells in enumerate(self.rows, 1):
            if len(cells) == len(self.columns):
                yield row, {name: cells[place] for name, place in places.items()}
            else:
                found = f"{len(cells)} cells; the header has {len(self.columns)}"
                faults.append(Fault(found, row))
            if len(faults) > _FAULTS_KEPT:
                refuse_faults(self.path, faults)


def read_table(path: Path) -> OperatorTable:
    """Open a table. The rows of some formats are read as a stream (see the module).

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    OperatorTable

    Raises
    ------
    ConfigError
        If the file is missing, is not a table, needs a package that is not installed, or is text
        with the name of a FITS file.
    """
    try:
        start, is_packed = _first_bytes(path)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    if start.startswith(b"PAR1"):
        return _read_parquet(path)
    start = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for first, (kind, options) in _ASTROPYS.items():
        if start.startswith(first):
            return _read_by_astropy(path, kind, options)
    if _FITS_NAME.search(path.name):
        raise ConfigError(f"{path}: not a FITS file; if it is CSV, rename it")
    return _read_csv(path, is_packed=is_packed)


def _first_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes of a file, unpacked, and whether it was packed."""
    with path.open("rb") as stream:
        start = stream.read(512)
    if not start.startswith(b"\x1f\x8b"):
        return start, False
    with gzip.open(path) as packed:
        return packed.read(512), True


def _text(value: Any) -> str:
    """Return a cell as text from which a number can be read back exactly."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()


def _as_text(rows: _Cells) -> Iterator[tuple[str, ...]]:
    return (tuple(map(_text, row)) for row in rows)


def _read_csv(path: Path, *, is_packed: bool) -> OperatorTable:
    rows = _csv_rows(path, gzip.open if is_packed else open)
    columns = next(rows, ())
    if not columns:
        raise ConfigError(f"{path}: not a table: CSV (, ; or tab), FITS, VOTable, ECSV or Parquet")
    return OperatorTable(path, columns, rows)


def _csv_rows(path: Path, opener: Callable[..., IO[str]]) -> Iterator[tuple[str, ...]]:
    row = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            delimiter = max(",;\t", key=header.count)
            stream.seek(0)
            for cells in csv.reader(stream, delimiter=delimiter, strict=True):
                if any(cells):
                    yield tuple(cell.strip() for cell in cells)
                    row += 1
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: damaged after row {max(row - 1, 0)}: {error}") from error


def _read_by_astropy(path: Path, kind: str, options: Mapping[str, Any]) -> OperatorTable:
    from astropy.table import Table
    from astropy.table.serialize import represent_mixins_as_columns
    from astropy.time import Time
    from astropy.utils.exceptions import AstropyWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # about units, or further tables
            table = Table.read(path, **options)
            for name, column in list(table.columns.items()):
                if isinstance(column, Time):
                    table[name] = column.isot
            # Sky coordinates and the like become plain columns, such as `where.ra`.
            table = represent_mixins_as_columns(table)
    except (OSError, ValueError, IndexError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read as {kind}: {error}") from error

    def rows() -> _Cells:
        for start in range(0, len(table), _ROWS_AT_ONCE):
            piece = table[start : start + _ROWS_AT_ONCE]
            # A masked cell is None in the list of a masked column.
            yield from zip(*(column.tolist() for column in piece.columns.values()), strict=True)

    return OperatorTable(path, tuple(table.colnames), _as_text(rows()))


def _read_parquet(path: Path) -> OperatorTable:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConfigError(
            f"{path}: Parquet needs the package pyarrow; install soda-service[parquet]"
        ) from (error)
    try:
        table = ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {error}") from error

    def rows() -> _Cells:
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return OperatorTable(path, tuple(table.schema_arrow.names), _as_text(rows()))
