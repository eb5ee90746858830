"""The rows of a request: a single position, the rows of a table, or SODA combinations.

`rows_of` is the only place that distinguishes between them.
"""

import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

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
"""Largest number of combinations of the values of one request (SODA-16)."""

_WHOLE = "RANGE 0 360 -90 90"
"""The shape of data sets that are requested by ID alone."""

_Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class RequestRows:
    """The rows of a request; they can be iterated only once."""

    _rows: Iterator[PositionRow | Fault]
    extra_columns: tuple[str, ...] = ()
    """The user's own columns of a table, as written."""

    warnings: tuple[str, ...] = ()
    """About columns that look like mistyped options."""

    has_objects: bool = False
    """Whether rows may be catalogue objects, given by their ids."""

    open_table: Callable[[], BinaryIO] | None = None
    """Opens the table again, as CSV; None if there is no table."""

    def __iter__(self) -> Iterator[PositionRow | Fault]:
        """Iterate over the rows; an invalid row yields one or more faults instead."""
        return self._rows

    @property
    def is_table(self) -> bool:
        """Whether the rows come from a table."""
        return self.open_table is not None

    def has_surely_more_than(self, rows_max: int) -> bool:
        """Return whether a table certainly has more rows, without parsing its cells."""
        if self.open_table is None:
            return False
        with self.open_table() as stream:
            # Without quotes every non-blank line is a row, except for the header.
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
    """Start reading the rows of a request; they must be read inside the context.

    Parameters
    ----------
    files
        Files of the job; None if no table can be stored there.

    Raises
    ------
    OptionsError
        If the header of the table or the SODA filters are invalid, on entry or with the first row.
        Faults of rows are yielded in their places.
    UnknownRelease, UnknownTile
        If the release or a data set no longer exists.
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
    """Open a positions table, CSV or VOTable, as CSV."""
    if not table.by_reference:
        return csv_of(io.BytesIO(table.content.encode()))
    if files is None:
        raise FileNotFoundError(table.content)
    return csv_of(files.open(table.content))


def warn_of_objects(
    request: CutoutRequest, rows: RequestRows, catalogues: Callable[[], Collection[str]]
) -> tuple[str, ...]:
    """Warn that ids are looked up in the default release, if other releases have ids as well.

    Parameters
    ----------
    catalogues
        Returns the names of the releases that have an object catalogue.
    """
    if not (request.is_default_release and rows.has_objects):
        return ()
    names = sorted(set(catalogues()))
    if len(names) < 2:
        return ()
    warning = (
        f"COADD_OBJECT_ID is looked up in the default release {request.release}; ids differ "
        f"between releases, so set RELEASE to choose one ({', '.join(names)})"
    )
    return (warning,)


@dataclass(frozen=True, slots=True)
class RowsCheck:
    """Result of checking the rows of a request."""

    rows: int
    """Number of rows read, including invalid ones."""

    faults: tuple[Fault, ...]
    """The first faults."""

    total_faults: int
    is_complete: bool
    """False if some rows were not checked."""

    def raise_faults(self) -> None:
        """Raise `OptionsError` if there are faults."""
        if self.total_faults:
            raise OptionsError(self.faults, self.total_faults)


def check_rows(rows: Iterable[PositionRow | Fault], *, rows_max: int) -> RowsCheck:
    """Read rows and count their faults.

    Parameters
    ----------
    rows_max
        Largest number of rows to read; the rest is not checked.
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
    """Yield a row for each combination of data set, shape, band and time, in this order.

    Parameters
    ----------
    options
        Options of the request; COLORS_FITS selects the bands if neither ID nor BAND does.

    Raises
    ------
    OptionsError
        If there is neither a shape nor the ID of an image, or too many combinations, or a filter on
        a property that the release does not define (SODA-18).
    """
    sets = [find_dataset(text, releases) for text in filters.ids] or [Dataset(release)]
    _check(filters, release, sets)
    shapes = [(text, parse_pos(text)) for text in filters.shapes or (_WHOLE,)]
    combinations = itertools.product(
        sets, shapes, filters.bands_m or [None], filters.times_mjd or [None]
    )
    for number, (dataset, shape, band_m, time_mjd) in enumerate(combinations, start=1):
        bands = _bands(dataset, band_m, options)
        nothing = "" if bands else _no_band(dataset, band_m)
        if time_mjd and not _overlap(release.time_mjd, time_mjd):
            nothing = f"release {release.name} has no observation in TIME {_text(time_mjd)}"
        if filters.polarisations and "I" not in filters.polarisations:
            found = ", ".join(filters.polarisations)
            nothing = f"all images of release {release.name} are total intensity (I), not {found}"
        text, position = shape
        centre = position.centre if filters.shapes else _centre_of(dataset, releases)
        row_options = replace(options, colors_fits=bands)
        yield _row(number, dataset, (text, centre), row_options, filters, nothing)


def _row(
    number: int,
    dataset: Dataset,
    shape: tuple[str, tuple[float, float]],
    options: CutoutOptions,
    filters: Filters,
    nothing: str,
) -> PositionRow:
    text, (ra_deg, dec_deg) = shape
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


def _centre_of(dataset: Dataset, releases: Releases) -> tuple[float, float]:
    """Return RA and Dec of a tile, deg."""
    index = releases.index(dataset.release)
    number = index.number(dataset.tile)
    assert number is not None  # noqa: S101 - the data set was found
    tile = index.tile(number)
    return tile.ra_deg, tile.dec_deg


def _check(filters: Filters, release: Release, sets: Sequence[Dataset]) -> None:
    faults = []
    if not filters.shapes and not all(dataset.tile for dataset in sets):
        message = "no shape given; POS, CIRCLE or POLYGON is needed"
        faults.append(Fault(message, column="POS"))
    lengths = (
        len(sets),
        len(filters.shapes) or 1,
        len(filters.bands_m) or 1,
        len(filters.times_mjd) or 1,
    )
    count = lengths[0] * lengths[1] * lengths[2] * lengths[3]
    if count > COMBINATIONS_MAX:
        message = f"{count} combinations of values; allowed: at most {COMBINATIONS_MAX}"
        faults.append(Fault(message, column="POS"))
    if filters.bands_m and not any(_wavelengths(band) for band in release.bands):
        message = f"release {release.name} does not define the wavelengths of its bands"
        faults.append(Fault(f"{message}; use COLORS_FITS or ID instead", column="BAND"))
    if filters.times_mjd and release.time_mjd is None:
        message = f"release {release.name} does not define its time of observation"
        faults.append(Fault(message, column="TIME"))
    if faults:
        raise OptionsError(tuple(faults))


def _bands(dataset: Dataset, band_m: _Interval | None, options: CutoutOptions) -> tuple[str, ...]:
    """Return the bands to cut: that of the data set, those overlapping BAND, or COLORS_FITS."""
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
