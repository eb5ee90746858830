"""Tables as operators have them: CSV (`,` `;` or tab), FITS, VOTable, ECSV, Parquet; rows as text.

Which kind a file is its first bytes tell, not its name; but CSV is not named as FITS is. All but
Parquet may be compressed by gzip. astropy reads what it reads as a whole; CSV, in which catalogues
of objects may have billions of bytes, is a stream (of 2 million rows astropy would make 2.4 GB in
four times the time), and so is Parquet.
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
"""Characters of the header that a fault quotes: a text that is no table may be one long line."""

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
"""First bytes of the kinds that astropy reads: their names, and how. Any: whatever options are."""

_NO_NAME = re.compile(r"[^a-z0-9_.+'-]")
"""What a name of a canonical tile table's column has not."""

# Cells of astropy, numpy and pyarrow, which are untyped here.
_Cells = Iterator[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """A table that is being read."""

    path: Path
    columns: tuple[str, ...]
    """As the file writes them."""

    rows: Iterator[tuple[str, ...]]
    """To be gone through once; blanks stripped, missing values empty. A row of CSV may have
    fewer or more cells than there are columns. Raises ConfigError where the file is damaged."""

    def places(
        self,
        wanted: Sequence[str],
        *,
        renamed: Mapping[str, str],
        usual: Mapping[str, str] = MappingProxyType({}),
        required: Sequence[str] = (),
    ) -> dict[str, int]:
        """Name all columns, and give the place of each.

        Parameters
        ----------
        wanted
            Names of the columns that mean something. One stands where `renamed` says, else under
            its own name, else under its `usual` one, all without regard to case.
        renamed
            Name -> the operator's name; such a column must be there.
        usual
            Name -> another name that many tables have.
        required
            Those of `wanted` that must be there.

        Returns
        -------
        dict
            Name -> place, of the wanted columns that there are, and of all others under the
            operator's name in lower case.

        Raises
        ------
        ConfigError
            With all columns that are missing or come twice.
        """
        faults: list[Fault] = []
        places: dict[str, int] = {}
        for place, column in enumerate(self.columns):
            if places.setdefault(column.lower(), place) != place:
                faults.append(Fault(f"two columns are called {column!r}"))
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
        """Return the rows, numbered from 1, by column.

        Parameters
        ----------
        places
            Which cells, see `places`.
        faults
            Gets one for each row with too few or too many cells, which is passed over.

        Raises
        ------
        ConfigError
            With all faults, once there are more than a thousand, the caller's own among them.
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
    """Open a table; its rows are read as a stream where the module says so.

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
        If the file is missing, no table, of a kind that needs a package that is not installed, or
        text under the name of a FITS file.
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
        raise ConfigError(f"{path}: is not a FITS file; if it is CSV, name it so")
    return _read_csv(path, is_packed=is_packed)


def _first_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes of a file, unpacked, and whether they had to be."""
    with path.open("rb") as stream:
        start = stream.read(512)
    if not start.startswith(b"\x1f\x8b"):
        return start, False
    with gzip.open(path) as packed:
        return packed.read(512), True


def _text(value: Any) -> str:
    """Write a cell so that a number comes back the same."""
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
        raise ConfigError(f"{path}: is no table: CSV (, ; or tab), FITS, VOTable, ECSV or Parquet")
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
    from astropy.utils.exceptions import AstropyWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # units, more tables than one
            table = Table.read(path, **options)
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
            f"{path}: Parquet needs the package pyarrow: soda-service[parquet]"
        ) from (error)
    try:
        table = ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {error}") from error

    def rows() -> _Cells:
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return OperatorTable(path, tuple(table.schema_arrow.names), _as_text(rows()))
