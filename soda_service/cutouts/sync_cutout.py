"""One cutout made immediately, for `/sync`: choose, tag and cut it."""

import hashlib
import json
import math
import queue
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from soda_service import __version__
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.naming import WantedFile, wanted_files
from soda_service.cutouts.pictures import PictureSettings
from soda_service.cutouts.tile_lookup import TileLookup
from soda_service.engine.colour.methods import METHODS
from soda_service.errors import Fault, NoCoverage, OptionsError
from soda_service.formats import FORMATS, picture_formats
from soda_service.request.request import parse_request
from soda_service.request.rows import rows_of
from soda_service.request.values import (
    CutoutOptions,
    CutoutRequest,
    Filters,
    PositionRow,
    Table,
)
from soda_service.results.rows import PlannedRow
from soda_service.sky.dataset import find_dataset
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases
from uws.errors import MultiValuedParamNotSupported
from uws.models import Parameter

__all__ = ["Choice", "Placed", "SyncCutout", "WholeTile"]

_IDLE_CUTTERS = 16
"""Cutters kept for the next requests, since they cache headers and buffers."""


@dataclass(frozen=True, slots=True)
class WholeTile:
    """A data set that is requested as a whole."""

    release: str
    tile: str
    band: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The one file that a request selects."""

    release: Release
    row: PlannedRow
    wanted: WantedFile
    requested_type: str = ""
    """Media type by which the client named the format; empty if it did not (DALI-13)."""

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.row.stem}{self.wanted.ending}"

    @property
    def media_type(self) -> str:
        """Content-Type."""
        return self.requested_type or self.wanted.format.media_type


@dataclass(frozen=True, slots=True)
class Placed:
    """A choice whose tiles are open and whose pixels were found."""

    choice: Choice
    places: Mapping[str, Place]
    """By band."""

    tag: str
    """Equal for equal contents; empty if it is not known in advance."""


class SyncCutout:
    """Makes cutouts one at a time; threads may share it.

    Parameters
    ----------
    pixels_max
        Most pixels of a cutout.
    """

    def __init__(self, holdings: Holdings, pictures: PictureSettings, *, pixels_max: int) -> None:
        self._holdings = holdings
        self._pictures = replace(pictures, thumbnails_rows_max=0)
        self._pixels_max = pixels_max
        self._idle: queue.LifoQueue[Cutter] = queue.LifoQueue(_IDLE_CUTTERS)

    def choose(self, parameters: Sequence[Parameter]) -> Choice | WholeTile:
        """Read a request.

        Raises
        ------
        OptionsError, UnknownRelease, UnknownTile
            When it is wrong.
        MultiValuedParamNotSupported
            When it requests more than one cutout (SODA-14).
        NoCoverage
            When the requested tile or band does not exist.
        """
        releases = self._holdings.releases
        request = parse_request(parameters, releases)
        _require_single(request)
        if (whole := _whole_tile(request, releases)) is not None:
            return whole
        with rows_of(request, None, releases) as rows:
            (row,) = rows
        assert isinstance(row, PositionRow)  # noqa: S101 - only rows of a table are faults
        if not row.nothing:
            row = replace(row, options=_of_one_file(request, row.options))
        release = releases.get(request.release)
        ((planned, reason),) = TileLookup(release, self._holdings).find_tiles([row])
        if reason:
            raise NoCoverage(reason)
        (wanted,) = wanted_files(planned.options, release.labels)
        return Choice(release, planned, wanted, _requested_type(parameters))

    def place(self, choice: Choice) -> Placed:
        """Find the pixels and the tag of a file, without making it.

        The bytes of a cutout depend only on its tile's files, its box and its options.

        Raises
        ------
        NoCoverage, OptionsError, TileUnreadable, SourceUnavailable
            When it cannot be cut.
        """
        geometry = self._geometry(choice.release)
        places = {band: geometry.place(choice.row, band) for band in choice.wanted.bands}
        pixels = max(math.prod(place.box.shape) for place in places.values())
        if pixels > self._pixels_max:
            message = (
                f"{pixels} pixels requested; at most {self._pixels_max} are allowed here; "
                "use /async for larger cutouts"
            )
            raise OptionsError((Fault(message),))
        return Placed(choice, places, self._tag(choice, places))

    def _tag(self, choice: Choice, places: Mapping[str, Place]) -> str:
        release, row = choice.release, choice.row
        if row.options.edge == "mosaic":  # the bytes depend on the neighbours too
            return ""
        handles = [place.handle for place in places.values()]
        files = [(handle.label, handle.file.source.identity) for handle in handles]
        content = [__version__, files, choice.wanted.ending, row.name, row.shape, row.is_masked]
        content += [row.centre_ra_deg, row.centre_dec_deg, release.unit, release.zero_point_mag]
        content += [release.acknowledgement, self._pictures.key()]
        content += [row.options.pixel_key(choice.wanted.kind)]
        return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:32]

    def cut(self, placed: Placed) -> bytes:
        """Make the file.

        Raises
        ------
        NoCoverage
            When no pixel there has a value.
        OptionsError, BandMissing, TileUnreadable, SourceUnavailable
            When it cannot be cut.
        """
        choice = placed.choice
        cutter = self._cutter(choice.release)
        try:
            return cutter.content(choice.row, choice.wanted, placed.places)
        finally:
            with suppress(queue.Full):
                self._idle.put_nowait(cutter)

    def _cutter(self, release: Release) -> Cutter:
        """Return an idle cutter of the release, if it is unchanged, or a new one."""
        with suppress(queue.Empty):
            cutter = self._idle.get_nowait()
            is_current = cutter.geometry.index is self._holdings.releases.index(release)
            if is_current and cutter.release == release:
                return cutter
        geometry = self._geometry(release)
        return Cutter(geometry, _save_nothing, pictures=self._pictures, is_last=True)

    def _geometry(self, release: Release) -> TileGeometry:
        return TileGeometry(release, self._holdings.releases.index(release), self._holdings.reader)


def _requested_type(parameters: Sequence[Parameter]) -> str:
    """Return the media type in RESPONSEFORMAT; empty if there is a word, or nothing."""
    for parameter in parameters:
        word = parameter.value.strip().lower()
        if parameter.name.upper() == "RESPONSEFORMAT" and "/" in word:
            return word
    return ""


def _save_nothing(path: str, data: object) -> None:
    del data
    raise AssertionError(f"{path} is not to be saved")


def _require_single(request: CutoutRequest) -> None:
    """Refuse a table, and several values of a parameter (SODA-14)."""
    where = request.where
    if isinstance(where, Table):
        message = "a table was sent; allowed here is one cutout, use /async for tables"
        raise OptionsError((Fault(message, column="POSITIONS"),))
    if not isinstance(where, Filters):
        return
    several = {
        "ID": where.ids,
        "POS, CIRCLE, POLYGON": where.shapes,
        "BAND": where.bands_m,
        "TIME": where.times_mjd,
    }
    for name, values in several.items():
        if len(values) > 1:
            raise MultiValuedParamNotSupported(
                f"{name}: {len(values)} values; allowed here is one cutout, use /async for several"
            )


def _whole_tile(request: CutoutRequest, releases: Releases) -> WholeTile | None:
    """Return the tile that is requested as a whole; None if a part is requested."""
    match request.where:
        case Filters(ids=(text,), shapes=(), bands_m=(), times_mjd=()):
            dataset = find_dataset(text, releases)
        case _:
            return None
    if not dataset.tile:
        message = "a whole release was requested; add a shape by POS, CIRCLE or POLYGON"
        raise OptionsError((Fault(message, column="ID"),))
    band = dataset.band or _one_band(request.options)
    return WholeTile(dataset.release.name, dataset.tile, band)


def _one_band(options: CutoutOptions) -> str:
    if len(options.colors_fits) == 1:
        return options.colors_fits[0]
    found = ", ".join(options.colors_fits)
    message = f"{found or 'no band'} selected; allowed here is one band, by ID, BAND or COLORS_FITS"
    raise OptionsError((Fault(message, column="COLORS_FITS", found=found),))


def _of_one_file(request: CutoutRequest, options: CutoutOptions | None = None) -> CutoutOptions:
    """Return options that make one file: a picture if that is the format, else FITS.

    The picture is the first that is requested, in the order of the methods; else the band in grey.
    """
    options = options or request.options
    wanted = request.response_format
    if wanted and wanted not in FORMATS:
        *names, last = FORMATS
        message = f"not a format of a cutout; allowed: {', '.join(names)} and {last}"
        raise OptionsError((Fault(message, column="RESPONSEFORMAT", found=wanted),))
    first = next((picture for picture in options.pictures if picture.is_made), None)
    if not wanted and first and not options.make_fits:
        wanted = picture_formats()[0].name
    is_picture = bool(wanted) and FORMATS[wanted].is_picture
    in_colour = METHODS[first.method] if first and is_picture else None
    changes = {method.switch: method is in_colour for method in METHODS.values()}
    options = options.changed(changes | {"MAKE_FITS": in_colour is None})
    if in_colour and first:
        options = options.changed({in_colour.triplets: first.triplets[:1]})
    else:
        options = replace(options, colors_fits=(_one_band(options),))
    return replace(options, response_format=wanted) if is_picture else options
