"""The header row of a positions table: the meaning of each column."""

from collections import Counter
from dataclasses import dataclass

from soda_service.errors import Fault, OptionsError
from soda_service.request.csvtext import BadLine, split_cells
from soda_service.request.hints import suggest
from soda_service.request.parsing import is_number, shorten
from soda_service.request.spec import Scope
from soda_service.request.table import PARAMETERS, POSITION_NAMES, option_names

__all__ = ["COLUMNS_MAX", "TABLE", "Header", "parse_header"]

TABLE = "POSITIONS"
"""Column name in faults of the whole table."""

COLUMNS_MAX = 1000
"""Largest number of columns; the search for a mistyped name takes up to 0.1 ms for each."""

_SEPARATORS = {"commas": ",", "semicolons": ";", "tabs": "\t", "vertical bars": "|", "blanks": None}
_EXAMPLE = "it needs a header such as RA,DEC or COADD_OBJECT_ID, then one line per position"


@dataclass(frozen=True, slots=True)
class Header:
    """Columns of a table by their meaning; indices are 0-based."""

    columns: tuple[str, ...]
    """All names: options in upper case, the user's columns as written, unnamed ones empty."""

    ra: int | None
    dec: int | None
    object_id: int | None
    options: tuple[tuple[int, str], ...]
    """Index and name of each option."""

    extra: tuple[tuple[int, str], ...]
    """Index and name of each of the user's columns."""

    warnings: tuple[str, ...] = ()


def parse_header(line: str | BadLine | None) -> Header:
    """Read the header row.

    Parameters
    ----------
    line
        First non-blank record of the table; None if there is none.

    Raises
    ------
    OptionsError
        If there is no header, a column is repeated, there is no position column, or the table is
        not CSV with commas and line endings.
    """
    if line is None:
        raise _refusal(f"the table is empty; {_EXAMPLE}")
    if isinstance(line, BadLine):
        raise _refusal(f"header: {line.message}")
    if line.lstrip().startswith("<"):
        raise _refusal("the table is XML (a VOTable?); CSV is needed here", found=shorten(line))
    _check_lines(line)
    _check_separators(line)
    try:
        # A line break in a name would break log lines, and no results format allows it.
        names = [" ".join(cell.split("\n")).strip() for cell in split_cells(line)]
    except ValueError as error:
        raise _refusal(f"header: {error}") from error
    if len(names) > COLUMNS_MAX:
        raise _refusal(f"the header has {len(names)} columns; at most {COLUMNS_MAX} are allowed")
    known = _row_names()
    columns = tuple(name.upper() if name.upper() in known else name for name in names)
    _check_repeats(columns)
    _check_position(line, columns)
    places = {name: place for place, name in enumerate(columns)}
    return Header(
        columns=columns,
        ra=places.get("RA"),
        dec=places.get("DEC"),
        object_id=places.get("COADD_OBJECT_ID"),
        options=tuple((at, name) for at, name in enumerate(columns) if name in option_names()),
        extra=tuple((at, name) for at, name in enumerate(columns) if _is_own(name)),
        warnings=_warnings(columns),
    )


def _refusal(message: str, *, column: str = TABLE, found: str | None = None) -> OptionsError:
    return OptionsError((Fault(message, column=column, found=found),))


def _row_names() -> frozenset[str]:
    """Return the names of columns with a meaning to the service."""
    return frozenset(POSITION_NAMES + option_names())


def _is_own(name: str) -> bool:
    return bool(name) and name not in _row_names()


def _check_separators(line: str) -> None:
    """Refuse a header that is separated by something other than commas."""
    known = _row_names()
    for word, separator in _SEPARATORS.items():
        names = {name.strip(' \t"').upper() for name in line.split(separator)}
        if not known.isdisjoint(names):
            if separator == ",":
                return
            message = f"the columns are separated by {word}; separate them by commas"
            raise _refusal(message, found=shorten(line))


def _check_lines(line: str) -> None:
    """Refuse a table whose rows are on the header's line, separated by blanks."""
    known = _row_names()
    for cell in line.split(","):
        first, *rest = cell.split() or [""]
        if first.upper() in known and rest and is_number(rest[0]):
            message = (
                f"a value follows the column name {first} on one line ({shorten(cell.strip())!r}); "
                "put the header and each row on a separate line"
            )
            raise _refusal(message, found=shorten(line))


def _check_repeats(columns: tuple[str, ...]) -> None:
    counts = Counter(name for name in columns if name)
    if repeated := [name for name, count in counts.items() if count > 1]:
        faults = (
            Fault("the table has this column more than once", column=shorten(name))
            for name in repeated
        )
        raise OptionsError(tuple(faults))


def _check_position(line: str, columns: tuple[str, ...]) -> None:
    """Refuse a table without position columns."""
    if "COADD_OBJECT_ID" in columns or {"RA", "DEC"} <= set(columns):
        return
    found = shorten(line)
    for name, other in (("RA", "DEC"), ("DEC", "RA")):
        if name in columns:
            raise _refusal(f"column found without a column {other}", column=name)
    if any(is_number(name) for name in columns):
        message = f"the table has no header row, its first line is {found!r}; {_EXAMPLE}"
        raise _refusal(message, found=found)
    message = f"the table has no position columns, its header is {found!r}; {_EXAMPLE}"
    raise _refusal(message, found=found)


def _warnings(columns: tuple[str, ...]) -> tuple[str, ...]:
    warnings = []
    for place, name in enumerate(columns, start=1):
        spec = PARAMETERS.get(name.upper())
        if not name:
            warnings.append(f"column {place} has no name and is ignored")
        elif spec is not None and spec.scope is Scope.JOB:
            warnings.append(
                f"column {name} is kept as your own column: {spec.name} is set for the whole job"
            )
        elif _is_own(name) and (meant := suggest(name, option_names())):
            warnings.append(f"column {name} is kept as your own column; did you mean {meant}?")
    return tuple(warnings)
