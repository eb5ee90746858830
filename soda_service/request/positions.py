"""The positions table: CSV with a header row -> stream of `PositionRow`s or faults.

Memory use does not grow with the table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import BinaryIO, TypeVar

from soda_service.errors import Fault, OptionsError
from soda_service.request.csvtext import BadLine, read_records, split_cells
from soda_service.request.header import TABLE, Header, parse_header
from soda_service.request.options import apply_options, check_makes_something
from soda_service.request.parsing import is_number, parse_centre, shorten
from soda_service.request.spec import Kind
from soda_service.request.table import PARAMETERS
from soda_service.request.values import Centre, CutoutOptions, PositionRow
from soda_service.sky.release import Release

__all__ = ["PositionsTable", "open_positions"]

_Cells = tuple[str, ...]
_Options = CutoutOptions | tuple[Fault, ...]
_Key = TypeVar("_Key")

_OPTIONS_KEPT = 4096
"""Largest number of combinations of option cells in the cache; most tables have a handful."""

_CELLS_LENGTH_MAX = 500
"""Longest combination that is cached, in characters, to limit memory use."""


@dataclass(frozen=True, slots=True, eq=False)
class PositionsTable:
    """A positions table that is being read; its rows can be iterated only once."""

    columns: tuple[str, ...]
    """All columns in order: options in upper case, others as written."""

    extra_columns: tuple[str, ...]
    """The user's own columns, as written."""

    warnings: tuple[str, ...]
    """About columns that look like mistyped options."""

    _rows: Iterator[PositionRow | Fault]

    def __iter__(self) -> Iterator[PositionRow | Fault]:
        """Iterate over the rows; an invalid row yields one or more faults instead."""
        return self._rows


def open_positions(stream: BinaryIO, release: Release, options: CutoutOptions) -> PositionsTable:
    """Start reading a positions table.

    Parameters
    ----------
    stream
        Bytes of the table; the caller closes it after reading the rows.
    release
        Release with the bands, limits and defaults.
    options
        Options for empty cells.

    Returns
    -------
    PositionsTable
        Rows in input order, numbered from 1 by record, since a quoted cell may span several lines;
        blank lines are not counted.

    Raises
    ------
    OptionsError
        If the header is invalid, or no file would be made for any row.
    """
    records = read_records(stream)
    header = parse_header(next(records, None))
    if not header.options and (faults := check_makes_something(options, release)):
        raise OptionsError(faults)
    return PositionsTable(
        columns=header.columns,
        extra_columns=tuple(name for _, name in header.extra),
        warnings=header.warnings,
        _rows=_read_rows(records, _RowReader(header, options, release)),
    )


def _read_rows(
    records: Iterator[str | BadLine], reader: "_RowReader"
) -> Iterator[PositionRow | Fault]:
    number = 0
    for number, record in enumerate(records, start=1):
        if isinstance(record, BadLine):
            yield Fault(record.message, row=number)
            continue
        entry = reader.read(number, record)
        if isinstance(entry, PositionRow):
            yield entry
        else:
            yield from (replace(fault, row=number) for fault in entry)
    if not number:
        yield Fault(
            "the table has a header but no rows; one line per position is needed", column=TABLE
        )


class _RowReader:
    """Reads records of one table."""

    def __init__(self, header: Header, base: CutoutOptions, release: Release) -> None:
        self._width = width = len(header.columns)
        # A missing column points to the empty cell that is appended to each row.
        self._ra = width if header.ra is None else header.ra
        self._dec = width if header.dec is None else header.dec
        self._object_id = width if header.object_id is None else header.object_id
        self._extra_names = tuple(name for _, name in header.extra)
        self._pick_extra = _picker(tuple(place for place, _ in header.extra))
        self._options = _OptionsReader(header, base, release)
        self._release = release

    def read(self, number: int, record: str) -> PositionRow | tuple[Fault, ...]:
        """Read one row; faults do not have their row number yet."""
        try:
            cells = split_cells(record)
        except ValueError as error:
            return (Fault(str(error), found=shorten(record)),)
        if len(cells) != self._width:
            if any(cell.strip() for cell in cells[self._width :]):
                return (self._too_many(cells),)
            cells = cells[: self._width] + [""] * (self._width - len(cells))
        cells.append("")
        centre = self._centre(cells)
        options = self._options.read(cells)
        if isinstance(centre, Centre) and isinstance(options, CutoutOptions):
            extra = dict(zip(self._extra_names, self._pick_extra(cells), strict=True))
            return PositionRow(number, *centre, options, extra)
        faults = () if isinstance(centre, Centre) else centre
        return faults if isinstance(options, CutoutOptions) else faults + options

    def _too_many(self, cells: list[str]) -> Fault:
        surplus = ",".join(cells[self._width :])
        return Fault(
            f"{len(cells)} cells, but the header has {self._width} columns; a value with a comma "
            "must be quoted",
            found=shorten(surplus),
        )

    def _centre(self, cells: list[str]) -> Centre | tuple[Fault, ...]:
        ra, dec, object_id = cells[self._ra], cells[self._dec], cells[self._object_id]
        # Fast path for nearly all rows; the slow one below reports what is wrong.
        if not object_id and is_number(ra) and is_number(dec):
            ra_deg, dec_deg = float(ra), float(dec)
            if 0 <= ra_deg < 360 and -90 <= dec_deg <= 90:
                return Centre(ra_deg + 0.0, dec_deg + 0.0, None)
        try:
            texts = {"RA": ra, "DEC": dec, "COADD_OBJECT_ID": object_id}
            return parse_centre(texts, self._release)
        except OptionsError as error:
            return error.faults


class _OptionsReader:
    """Reads the option cells of rows and caches the results.

    Words (bands, flags) repeat in nearly every table, while numbers (sizes) may differ in every
    row. Words therefore have a cache of their own, which saves a fifth of the time if numbers never
    repeat.
    """

    def __init__(self, header: Header, base: CutoutOptions, release: Release) -> None:
        numbers = tuple(column for column in header.options if _is_number(column[1]))
        words = tuple(column for column in header.options if not _is_number(column[1]))
        self._number_names = tuple(name for _, name in numbers)
        self._pick_numbers = _picker(tuple(place for place, _ in numbers))
        self._word_names = tuple(name for _, name in words)
        self._pick_words = _picker(tuple(place for place, _ in words))
        self._base = base
        self._release = release
        self._by_words: dict[_Cells, _Options] = {}
        self._by_all: dict[tuple[_Cells, _Cells], _Options] = {}

    def read(self, cells: list[str]) -> _Options:
        """Return the options of a row, or its faults without the row number."""
        words, numbers = self._pick_words(cells), self._pick_numbers(cells)
        if (options := self._by_all.get((words, numbers))) is not None:
            return options
        if (base := self._by_words.get(words)) is None:
            base = self._apply(self._word_names, words, self._base)
            if isinstance(base, CutoutOptions):
                base = check_makes_something(base, self._release) or base
            _remember(self._by_words, words, base, length=sum(map(len, words)))
        options = self._add_numbers(numbers, base)
        length = sum(map(len, words + numbers))
        _remember(self._by_all, (words, numbers), options, length=length)
        return options

    def _add_numbers(self, cells: _Cells, base: _Options) -> _Options:
        if isinstance(base, CutoutOptions):
            return self._apply(self._number_names, cells, base)
        options = self._apply(self._number_names, cells, self._base)
        return base if isinstance(options, CutoutOptions) else options + base

    def _apply(self, names: _Cells, cells: _Cells, base: CutoutOptions) -> _Options:
        texts = {name: text for name, text in zip(names, cells, strict=True) if text}
        try:
            return apply_options(base, texts, release=self._release)
        except OptionsError as error:
            return error.faults


def _is_number(name: str) -> bool:
    return PARAMETERS[name].kind in {Kind.FLOAT, Kind.INTEGER}


def _remember(known: dict[_Key, _Options], key: _Key, options: _Options, *, length: int) -> None:
    """Cache options, in bounded memory."""
    if length <= _CELLS_LENGTH_MAX:
        if len(known) >= _OPTIONS_KEPT:
            known.clear()
        known[key] = options


def _picker(places: tuple[int, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return a function that picks the cells at these indices from a row."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda cells: tuple(cells[place] for place in places)
