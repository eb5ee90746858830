"""The rows of a request: its one position, the records of its table, or SODA's combinations.

`rows_of` is the one place that asks which of these ways a request takes.
"""

import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

from soda_service.engine.wcs.position import Position
from soda_service.errors import Fault, OptionsError
from soda_service.request.positions import open_positions
from soda_service.request.request import FAULTS_MAX
from soda_service.request.shapes import parse_pos
from soda_service.request.values import (
    Centre,
    CutoutOptions,
    CutoutRequest,
    Filters,
    PositionRow,
    Table,
)
from soda_service.request.votabletext import csv_of
from soda_service.sky.dataset import Dataset, find_dataset
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases
from uws.files import JobFiles

__all__ = [
    "COMBINATIONS_MAX",
    "RequestRows",
    "RowsCheck",
    "check_rows",
    "rows_of",
    "warn_of_objects",
]

COMBINATIONS_MAX = 1000
"""Of the values of one request (SODA-16)."""

_Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class RequestRows:
    """The rows of a request; they can be gone through once."""

    _rows: Iterator[PositionRow | Fault]
    extra_columns: tuple[str, ...] = ()
    """The user's own columns of a table, as written."""

    warnings: tuple[str, ...] = ()
    """About columns that look like mistyped options."""

    has_objects: bool = False
    """Whether some rows may be objects, which are named by their ids."""

    open_table: Callable[[], BinaryIO] | None = None
    """Opens the table once more, as CSV; None where there is no table."""

    def __iter__(self) -> Iterator[PositionRow | Fault]:
        """Read row after row; a row that is wrong gives one or more faults in its place."""
        return self._rows

    @property
    def is_table(self) -> bool:
        """Whether the rows are those of a table."""
        return self.open_table is not None

    def has_surely_more_than(self, rows_max: int) -> bool:
        """Tell whether a table is sure to have more rows, without reading its cells."""
        if self.open_table is None:
            return False
        with self.open_table() as stream:
            # Where nothing is quoted a line that is not blank is a row; the first is the header.
            rows = -1
            for line in stream:
                rows += not line.isspace()
                if b'"' in line:
                    return False
                if rows > rows_max:
                    return True
        return False


@contextmanager
def rows_of(
    request: CutoutRequest, files: JobFiles | None, releases: Releases
) -> Iterator[RequestRows]:
    """Begin to read the rows of a request; they are read within the context.

    Parameters
    ----------
    files
        Those of the job; None where no table can lie there.

    Raises
    ------
    OptionsError
        If the header of the table is wrong, or SODA's filters, be it before the first row or
        with it. Faults of rows come in their places.
    UnknownRelease, UnknownTile
        If the release, or a data set, is not there any more.
    """
    release, options = releases.get(request.release), request.options
    match request.where:
        case Centre() as centre:
            row = PositionRow(1, *centre, options)
            yield RequestRows(iter([row]), has_objects=centre.object_id is not None)
        case Filters() as filters:
            yield RequestRows(_select_rows(filters, options, release, releases))
        case Table() as table:
            with _open_table(table, files) as stream:
                found = open_positions(stream, release, options)
                yield RequestRows(
                    iter(found),
                    extra_columns=found.extra_columns,
                    warnings=found.warnings,
                    has_objects="COADD_OBJECT_ID" in found.columns,
                    open_table=lambda: _open_table(table, files),
                )


def _open_table(table: Table, files: JobFiles | None) -> BinaryIO:
    """Open a positions table as CSV, be it CSV or a VOTable."""
    if not table.by_reference:
        return csv_of(io.BytesIO(table.content.encode()))
    if files is None:
        raise FileNotFoundError(table.content)
    return csv_of(files.open(table.content))


def warn_of_objects(
    request: CutoutRequest, rows: RequestRows, catalogues: Callable[[], Collection[str]]
) -> tuple[str, ...]:
    """Warn that ids are looked up in a release that nobody named, if others have ids as well.

    Parameters
    ----------
    catalogues
        Gives the names of the releases that have an object catalogue.
    """
    if not (request.is_default_release and rows.has_objects):
        return ()
    names = sorted(set(catalogues()))
    if len(names) < 2:
        return ()
    warning = (
        f"COADD_OBJECT_ID is looked up in the default release {request.release}; ids differ "
        f"between releases, name the one meant by RELEASE ({', '.join(names)})"
    )
    return (warning,)


@dataclass(frozen=True, slots=True)
class RowsCheck:
    """What was found in the rows of a request."""

    rows: int
    """Rows read, wrong ones included."""

    faults: tuple[Fault, ...]
    """The first ones."""

    total_faults: int
    is_complete: bool
    """False if there are more rows than were to be checked."""

    def raise_faults(self) -> None:
        """Raise `OptionsError` with the faults, if there are any."""
        if self.total_faults:
            raise OptionsError(self.faults, self.total_faults)


def check_rows(rows: Iterable[PositionRow | Fault], *, rows_max: int) -> RowsCheck:
    """Read rows only to see whether they are right.

    Parameters
    ----------
    rows_max
        Rows to read; of more the rest is left unread and unchecked.
    """
    count, total_faults, is_complete = 0, 0, True
    faults: list[Fault] = []
    for entry in rows:
        number = entry.number if isinstance(entry, PositionRow) else entry.row or 0
        if number > rows_max:
            is_complete = False
            break
        count = number
        if isinstance(entry, Fault):
            total_faults += 1
            if total_faults <= FAULTS_MAX:
                faults.append(entry)
    return RowsCheck(count, tuple(faults), total_faults, is_complete)


def _select_rows(
    filters: Filters, options: CutoutOptions, release: Release, releases: Releases
) -> Iterator[PositionRow]:
    """Give a row for each combination of values: data set, shape, band, time, in this order.

    Parameters
    ----------
    options
        Of the request; COLORS_FITS chooses the bands where neither ID nor BAND does.

    Raises
    ------
    OptionsError
        When there is no shape, too many combinations, or a filter on what the release does not
        know of its images (SODA-18).
    """
    sets = [find_dataset(text, releases) for text in filters.ids] or [Dataset(release)]
    _check(filters, release, len(sets))
    shapes = [(text, parse_pos(text)) for text in filters.shapes]
    combinations = itertools.product(
        sets, shapes, filters.bands_m or [None], filters.times_mjd or [None]
    )
    for number, (dataset, shape, band_m, time_mjd) in enumerate(combinations, start=1):
        bands = _bands(dataset, band_m, options)
        nothing = "" if bands else _no_band(dataset, band_m)
        if time_mjd and not _overlap(release.time_mjd, time_mjd):
            nothing = f"release {release.name} has no observation in TIME {_text(time_mjd)}"
        yield _row(number, dataset, shape, replace(options, colors_fits=bands), filters, nothing)


def _row(
    number: int,
    dataset: Dataset,
    shape: tuple[str, Position],
    options: CutoutOptions,
    filters: Filters,
    nothing: str,
) -> PositionRow:
    text, position = shape
    ra_deg, dec_deg = position.centre
    return PositionRow(
        number,
        ra_deg,
        dec_deg,
        None,
        options,
        tile=dataset.tile,
        shape=text,
        is_masked=filters.is_masked,
        nothing=nothing,
    )


def _check(filters: Filters, release: Release, sets: int) -> None:
    faults = []
    if not filters.shapes:
        message = "no shape is given; needed is POS, CIRCLE or POLYGON"
        faults.append(Fault(message, column="POS"))
    lengths = (sets, len(filters.shapes), len(filters.bands_m) or 1, len(filters.times_mjd) or 1)
    count = lengths[0] * lengths[1] * lengths[2] * lengths[3]
    if count > COMBINATIONS_MAX:
        message = f"{count} combinations of values; allowed are {COMBINATIONS_MAX}"
        faults.append(Fault(message, column="POS"))
    if filters.bands_m and not any(_wavelengths(band) for band in release.bands):
        message = f"release {release.name} does not tell the wavelengths of its bands"
        faults.append(Fault(f"{message}; choose them by COLORS_FITS or ID", column="BAND"))
    if filters.times_mjd and release.time_mjd is None:
        message = f"release {release.name} does not tell when it was observed"
        faults.append(Fault(message, column="TIME"))
    if filters.polarisations and "I" not in filters.polarisations:
        message = "images are of total intensity (I) alone"
        found = ", ".join(filters.polarisations)
        faults.append(Fault(message, column="POL", found=found))
    if faults:
        raise OptionsError(tuple(faults))


def _bands(dataset: Dataset, band_m: _Interval | None, options: CutoutOptions) -> tuple[str, ...]:
    """Give the bands to cut: the data set's, those that BAND overlaps, or COLORS_FITS."""
    names = [dataset.band] if dataset.band else dataset.release.band_names
    if band_m is None:
        return (dataset.band,) if dataset.band else options.colors_fits
    return tuple(
        band.name
        for band in dataset.release.bands
        if band.name in names and _overlap(_wavelengths(band), band_m)
    )


def _wavelengths(band: Band) -> _Interval | None:
    if band.wavelength_min_m is None or band.wavelength_max_m is None:
        return None
    return band.wavelength_min_m, band.wavelength_max_m


def _overlap(one: _Interval | None, other: _Interval) -> bool:
    return one is not None and one[0] <= other[1] and other[0] <= one[1]


def _no_band(dataset: Dataset, band_m: _Interval | None) -> str:
    where = f"band {dataset.band}" if dataset.band else "no band"
    does = "does not overlap" if dataset.band else "overlaps"
    return f"{where} of release {dataset.release.name} {does} BAND {_text(band_m or (0, 0))}"


def _text(interval: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in interval)
