"""Estimate the results of a request: faults, matched rows, files, bytes, seconds; make nothing."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.naming import WantedFile, wanted_files
from soda_service.cutouts.planning import FAULTS_MAX
from soda_service.cutouts.tile_lookup import TileLookup
from soda_service.engine.wcs.position import Position
from soda_service.errors import Fault, OptionsError, TooManyRows
from soda_service.request.request import parse_request
from soda_service.request.rows import rows_of, warn_of_objects
from soda_service.request.shapes import parse_pos
from soda_service.request.spec import PIXELS_MAX
from soda_service.request.values import PositionRow
from soda_service.results.rows import PlannedRow
from soda_service.sky.release import Release
from uws.files import JobFiles
from uws.models import Parameter

__all__ = ["Estimate", "RowPosition", "estimate"]

_BATCH = 4096
_TILES_MAX = 100
_PLACES_MAX = 1000
_OUTLINE_POINTS = 64
_BLOCK = 2880
_HEADER_BYTES = 2 * _BLOCK
"""Header of a plane of a survey's tile: about 70 cards."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A row without a tile."""

    row: int
    message: str


@dataclass(frozen=True, slots=True)
class RowPosition:
    """The position of a row."""

    row: int
    ra_deg: float
    dec_deg: float
    tile: str
    """Empty if there is none."""


@dataclass(slots=True)
class Estimate:
    """The results that a request would have; equal rows count as if each had files of its own."""

    release: str = ""
    rows: int = 0
    matched: int = 0
    """Number of rows whose position lies in a tile."""

    unmatched: list[Unmatched] = field(default_factory=list)
    """The first rows without a tile."""

    tiles: list[str] = field(default_factory=list)
    """The first tiles that have rows, in the order of the rows."""

    total_tiles: int = 0

    places: list[RowPosition] = field(default_factory=list)
    """Positions of the first rows whose position is known."""

    files: int = 0
    size_bytes: int = 0
    seconds: float | None = None
    """At the rate of the last jobs; None if there was none yet."""

    is_complete: bool = True
    """False if there are more rows than were read."""

    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    total_faults: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `/validate`."""
        return {"valid": not self.total_faults, **asdict(self)}


def estimate(
    parameters: Sequence[Parameter],
    files: JobFiles,
    holdings: Holdings,
    settings: CutoutsConfig,
    *,
    rows_per_s: float | None,
) -> Estimate:
    """Check a request as a job would, without creating one.

    Parameters
    ----------
    rows_per_s
        Rate of the service; None if it is not known.
    """
    found = Estimate()
    try:
        request = parse_request(parameters, holdings.releases, open_content=files.open)
        found.release, found.warnings = request.release, request.warnings
        with rows_of(request, files, holdings.releases) as rows:
            found.warnings += rows.warnings
            found.warnings += warn_of_objects(request, rows, holdings.catalogue.releases)
            most = min(settings.rows_checked_at_once, settings.rows_max)
            _count(
                found,
                itertools.islice(rows, most),
                holdings.releases.get(request.release),
                holdings,
            )
            found.is_complete = next(iter(rows), None) is None
            if not found.is_complete and most == settings.rows_max:
                raise TooManyRows(most)
    except OptionsError as error:
        found.faults, found.total_faults = error.faults[:FAULTS_MAX], error.total
    if rows_per_s:
        found.seconds = found.matched / rows_per_s
    return found


def _count(
    found: Estimate, rows: Iterable[PositionRow | Fault], release: Release, holdings: Holdings
) -> None:
    lookup = TileLookup(release, holdings)
    faults: list[Fault] = []
    tiles: dict[str, None] = {}
    stream: Iterator[PositionRow | Fault] = iter(rows)
    while batch := list(itertools.islice(stream, _BATCH)):
        good = [row for row in batch if isinstance(row, PositionRow)]
        bad = [row for row in batch if isinstance(row, Fault)]
        found.total_faults += len(bad)
        faults += bad[: FAULTS_MAX - len(faults)]
        found.rows += len(good) + len({fault.row for fault in bad})
        for planned, reason in lookup.find_tiles(good):
            _note_place(found, planned)
            if reason:
                if len(found.unmatched) < FAULTS_MAX:
                    found.unmatched.append(Unmatched(planned.number, reason))
                continue
            found.matched += 1
            tiles[planned.tile] = None
            count, size_bytes = _size_of(planned, release)
            found.files += count
            found.size_bytes += size_bytes
    found.faults = tuple(faults)
    found.tiles, found.total_tiles = list(tiles)[:_TILES_MAX], len(tiles)


def _note_place(found: Estimate, row: PlannedRow) -> None:
    if row.ra_deg is not None and row.dec_deg is not None and len(found.places) < _PLACES_MAX:
        found.places.append(RowPosition(row.number, row.ra_deg, row.dec_deg, row.tile))


def _size_of(row: PlannedRow, release: Release) -> tuple[int, int]:
    """Return the estimated number of files of one row, and their size, bytes."""
    options, scale = row.options, release.pixel_scale_arcsec or 1.0
    x_arcmin, y_arcmin = options.xsize_arcmin, options.ysize_arcmin
    if row.shape:
        x_arcmin, y_arcmin = _extent_arcmin(parse_pos(row.shape))
        options = replace(options, xpix=None, ypix=None)
    nx, ny = (
        pixels or min(max(1, round(size_arcmin * 60 / scale)), PIXELS_MAX)
        for pixels, size_arcmin in ((options.xpix, x_arcmin), (options.ypix, y_arcmin))
    )
    planes = len(options.planes) or len(release.planes) or 1
    wanted = wanted_files(options, release.labels)
    return len(wanted), sum(_bytes_of(file, nx * ny, planes) for file in wanted)


def _bytes_of(file: WantedFile, pixels: int, planes: int) -> int:
    data_bytes = int(len(file.bands) * pixels * file.format.bytes_per_value)
    if file.is_picture:
        return data_bytes
    return planes * (_HEADER_BYTES + -(-data_bytes // _BLOCK) * _BLOCK)


def _extent_arcmin(shape: Position) -> tuple[float, float]:
    """Return the extent of a shape along RA and along Dec, about its centre."""
    ra, dec = shape.outline(np.linspace(0, shape.sides, _OUTLINE_POINTS, endpoint=False))
    ra0, dec0 = shape.centre
    east = ((ra - ra0 + 180) % 360 - 180) * math.cos(math.radians(dec0))
    return float(np.ptp(east)) * 60, float(np.ptp(dec)) * 60
