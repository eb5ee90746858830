"""Combinations of SODA's filters as rows: which shape of which data set in which bands."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from soda_service.engine.wcs.position import Position
from soda_service.errors import Fault, OptionsError
from soda_service.request.shapes import parse_pos
from soda_service.request.values import CutoutOptions, Filters, PositionRow
from soda_service.sky.dataset import Dataset, find_dataset
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases

__all__ = ["COMBINATIONS_MAX", "select_rows"]

COMBINATIONS_MAX = 1000
"""Of the values of one request (SODA-16)."""

_Interval = tuple[float, float]


def select_rows(
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
