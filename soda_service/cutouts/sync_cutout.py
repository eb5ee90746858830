"""One cutout made at once, for `/sync`: chosen, told apart from others, and cut."""

import hashlib
import json
import math
import queue
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from soda_service import __version__
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import Place, Placer
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.naming import WantedFile, wanted_files
from soda_service.cutouts.pictures import PictureSettings
from soda_service.cutouts.tile_lookup import Matcher
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
"""Cutters kept for the next request: they hold headers and buffers of the last one."""


@dataclass(frozen=True, slots=True)
class WholeTile:
    """A data set of which no part is asked for."""

    release: str
    tile: str
    band: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The one file that a request asks for."""

    release: Release
    row: PlannedRow
    wanted: WantedFile

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.row.stem}{self.wanted.ending}"

    @property
    def media_type(self) -> str:
        """Content-Type."""
        return self.wanted.format.media_type


@dataclass(frozen=True, slots=True)
class Placed:
    """A choice whose tiles were opened, and its pixels in them found."""

    choice: Choice
    places: Mapping[str, Place]
    """By band."""

    tag: str
    """Equal for equal contents; empty where that is not known beforehand."""


class SyncCutout:
    """Makes cutouts one at a time; threads may share it.

    Parameters
    ----------
    pixels_max
        Of a cutout.
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
            When it asks for more than one cutout (SODA-14).
        NoCoverage
            When there is no tile, or no band, as asked for.
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
        ((planned, reason),) = Matcher(release, self._holdings).match([row])
        if reason:
            raise NoCoverage(reason)
        (wanted,) = wanted_files(planned.options, release.labels)
        return Choice(release, planned, wanted)

    def place(self, choice: Choice) -> Placed:
        """Find the pixels, and what tells their file from others, without making it.

        The bytes of a cutout depend on its tile's files, its box and its options alone.

        Raises
        ------
        NoCoverage, OptionsError, TileUnreadable, SourceUnavailable
            When it cannot be cut.
        """
        placer = self._placer(choice.release)
        places = {band: placer.place(choice.row, band) for band in choice.wanted.bands}
        pixels = max(math.prod(place.box.shape) for place in places.values())
        if pixels > self._pixels_max:
            message = (
                f"{pixels} pixels asked for; at most {self._pixels_max} are cut at once; larger "
                "cutouts are made by /async"
            )
            raise OptionsError((Fault(message),))
        return Placed(choice, places, self._tag(choice, places))

    def _tag(self, choice: Choice, places: Mapping[str, Place]) -> str:
        release, row = choice.release, choice.row
        if row.options.edge == "mosaic":  # depends on the neighbours as well
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
            When no pixel has a value there.
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
        """Take one that has cut from the release, as it still is, or make one."""
        with suppress(queue.Empty):
            cutter = self._idle.get_nowait()
            is_current = cutter.placer.index is self._holdings.releases.index(release)
            if is_current and cutter.release == release:
                return cutter
        placer = self._placer(release)
        return Cutter(placer, _kept_nowhere, pictures=self._pictures, is_last=True)

    def _placer(self, release: Release) -> Placer:
        return Placer(release, self._holdings.releases.index(release), self._holdings.reader)


def _kept_nowhere(path: str, data: object) -> None:
    del data
    raise AssertionError(f"{path} is not to be saved")


def _require_single(request: CutoutRequest) -> None:
    """Refuse a table, and several values of a parameter (SODA-14)."""
    where = request.where
    if isinstance(where, Table):
        message = "one cutout is made at once; send a table of positions to /async"
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
                f"{name}: {len(values)} values; one cutout is made at once, /async makes several"
            )


def _whole_tile(request: CutoutRequest, releases: Releases) -> WholeTile | None:
    """Find the tile that is asked for where no part of it is; None where one is."""
    match request.where:
        case Filters(ids=(text,), shapes=(), bands_m=(), times_mjd=()):
            dataset = find_dataset(text, releases)
        case _:
            return None
    if not dataset.tile:
        message = "a release is too much at once; give a shape by POS, CIRCLE or POLYGON"
        raise OptionsError((Fault(message, column="ID"),))
    band = dataset.band or _one_band(request.options)
    return WholeTile(dataset.release.name, dataset.tile, band)


def _one_band(options: CutoutOptions) -> str:
    if len(options.colors_fits) == 1:
        return options.colors_fits[0]
    found = ", ".join(options.colors_fits)
    message = "one file is made at once; choose one band by ID, BAND or COLORS_FITS"
    raise OptionsError((Fault(message, column="COLORS_FITS", found=found),))


def _of_one_file(request: CutoutRequest, options: CutoutOptions | None = None) -> CutoutOptions:
    """Return options that make the one file: a picture where that is the format, else FITS.

    Of pictures the first that is asked for, in the order of the methods; else the band in grey.
    """
    options = options or request.options
    wanted = request.response_format
    if wanted and wanted not in FORMATS:
        *names, last = FORMATS
        message = f"allowed of a cutout are {', '.join(names)} and {last}"
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
