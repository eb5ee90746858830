"""One row at a time: from the tile's pixels to the row's files and its account."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from soda_service.engine import colour, cut, footprint
from soda_service.engine.image import Image, PixelBox
from soda_service.engine.orientation import orientation
from soda_service.errors import (
    BandMissing,
    CutoutError,
    Fault,
    NoCoverage,
    OptionsError,
    SourceUnavailable,
)
from soda_service.formats.fits import to_fits
from soda_service.formats.raster import to_png
from soda_service.naming import WantedFile, wanted_files
from soda_service.parameters.table import PIXELS_MAX
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Status
from soda_service.results.tree import media_type_of
from soda_service.tiles.index import TileIndex
from soda_service.tiles.paths import locate
from soda_service.tiles.reader import TileHandle, TileReader
from soda_service.tiles.release import Release

__all__ = ["Cutter", "Save"]

Save = Callable[[str, bytes], None]
"""Puts a file at a path below the job's folder."""

_APART_PX = 0.5
"""Bands whose sky lies farther apart than this make no colour picture."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row's box lies in one band of its tile."""

    handle: TileHandle
    box: PixelBox
    """As asked; may reach beyond the tile."""

    inside: PixelBox
    """The part on the tile; never empty."""

    file_name: str

    def output_box(self, edge: str) -> PixelBox:
        """Give the box that the cutout covers."""
        return self.box if edge == "pad" else self.inside


class Cutter:
    """Cuts rows from one release; remembers what it made for the last position.

    Parameters
    ----------
    save
        Where the files go.
    is_last
        Whether to make what files can be made where data of others are away.
    """

    def __init__(
        self,
        release: Release,
        index: TileIndex,
        reader: TileReader,
        save: Save,
        *,
        is_last: bool = False,
    ) -> None:
        self.awaited: tuple[type[CutoutError], ...] = () if is_last else (SourceUnavailable,)
        """What keeps a row from being done now."""
        self._release = release
        self._index = index
        self._reader = reader
        self._save = save
        self._last_name = ""
        self._made: dict[str, Outcome] = {}

    def cut(self, row: PlannedRow) -> Outcome:
        """Make the files of one row; whatever is wrong with it becomes its status.

        Raises
        ------
        SourceUnavailable
            When data are away for the moment; where `is_last`, when all are.
        """
        if row.name != self._last_name:
            self._last_name, self._made = row.name, {}
        wanted = wanted_files(row.options, self._release.labels)
        paths = [f"{row.folder}/{row.stem}{file.ending}" for file in wanted]
        made = "\n".join(paths)
        if made not in self._made:
            self._made[made] = _RowCut(self, row, wanted).outcome()
        return self._made[made]

    def place(self, row: PlannedRow, band: str) -> _Place:
        """Find the row's box in a band of its tile.

        Raises
        ------
        NoCoverage
            When no pixel of the tile lies in it.
        OptionsError
            When it has more pixels than the release allows with the tile's own pixel scale.
        """
        number = self._index.number(row.tile)
        if number is None or row.centre_ra_deg is None or row.centre_dec_deg is None:
            raise NoCoverage(f"tile {row.tile} is not in release {self._release.name} any more")
        file = locate(self._release, self._index.tile(number), band)
        handle = self._reader.open(file)
        x, y = footprint.sky_to_pixel(
            handle.wcs, np.array([row.centre_ra_deg]), np.array([row.centre_dec_deg])
        )
        nx, ny = _size_px(handle, row, self._release)
        box = footprint.box_at(float(x[0]), float(y[0]), nx, ny)
        inside = box.clipped(handle.shape)
        if inside.is_empty:
            raise NoCoverage(f"no pixel of tile {row.tile} at this position")
        return _Place(handle, box, inside, PurePosixPath(file.path).name)

    def planes(self, row: PlannedRow, place: _Place, *, shown_only: bool) -> Iterator[Image]:
        """Cut every plane of a band, one by one, or only what a picture needs.

        A picture needs science and weight.
        """
        for number, plane in enumerate(place.handle.planes):
            if number == 0 or plane.role == "WGT" or not shown_only:
                yield self._plane(row, place, number)

    def _plane(self, row: PlannedRow, place: _Place, number: int) -> Image:
        plane = place.handle.planes[number]
        box = place.output_box(row.options.edge)
        data = place.handle.read(number, place.inside)
        cards = [*self._cards(row, place, box, number)]
        if box != place.inside:
            wanted = self._release.mask_no_data_bit or cut.NO_DATA_BIT
            bit = cut.mask_bit(plane.header, data.dtype, wanted)
            fill = cut.fill_value(plane.role, plane.header, data.dtype, bit)
            blank = cut.blank_for(data, plane.header) if plane.role not in {"MSK", "WGT"} else None
            if blank is not None:
                fill = blank
                cards.append(("BLANK", blank, "where the tile has no pixel"))
            data = cut.pad(data, place.inside, box, fill=fill)
            if plane.role == "MSK":
                cards.append(("PADBIT", bit, "bit of this mask where the tile has no pixel"))
        header = cut.cut_header(
            plane.header,
            primary=place.handle.primary,
            box=box,
            is_primary=number == 0,
            cards=cards,
        )
        return Image(data, header, plane.role)

    def _cards(
        self, row: PlannedRow, place: _Place, box: PixelBox, number: int
    ) -> Iterator[tuple[str, object, str]]:
        yield "RA_CUTOUT", row.centre_ra_deg, "[deg] RA asked for, ICRS"
        yield "DEC_CUTOUT", row.centre_dec_deg, "[deg] Dec asked for, ICRS"
        yield "PARTILE", row.tile, "tile this was cut from"
        yield "PARFILE", place.file_name, "file this was cut from"
        section = f"[{box.x0 + 1}:{box.x1},{box.y0 + 1}:{box.y1}]"
        yield "PARBOX", section, "pixels of the tile, first pixel 1, inclusive"
        yield from _release_cards(self._release, place.handle, number)

    @property
    def release(self) -> Release:
        """The release that is cut from."""
        return self._release

    def save(self, path: str, data: bytes) -> None:
        """Put a file where it belongs."""
        self._save(path, data)


def _release_cards(
    release: Release, handle: TileHandle, number: int
) -> Iterator[tuple[str, object, str]]:
    """Give what the release says of a plane where its tile says nothing."""
    plane, primary = handle.planes[number].header, handle.primary
    if number == 0:
        # The unit in a primary HDU with pixels is that of those pixels alone.
        has_unit = "BUNIT" in plane or ("BUNIT" in primary and not primary.get("NAXIS"))
        if release.unit and not has_unit:
            yield "BUNIT", release.unit, "unit of the pixels"
        has_zero_point = "MAGZERO" in plane or "MAGZERO" in primary
        if release.zero_point_mag is not None and not has_zero_point:
            yield "MAGZERO", release.zero_point_mag, "[mag] zero point"
    if release.acknowledgement and "ACKNOWL" not in plane and "ACKNOWL" not in primary:
        yield "ACKNOWL", release.acknowledgement, ""


def _size_px(handle: TileHandle, row: PlannedRow, release: Release) -> tuple[int, int]:
    """Give the width and height of a row's box, pixels of the tile.

    Raises
    ------
    OptionsError
        When that is more than the release's largest size and a pixel, or than `PIXELS_MAX`: a
        size in pixels was checked with the scale that the release states, if it states one.
    """
    options = row.options
    nx, ny = footprint.size_in_pixels(handle.wcs, options.xsize_arcmin, options.ysize_arcmin)
    nx, ny = options.xpix or nx, options.ypix or ny
    largest_arcmin = release.size_max_arcmin
    x_most = y_most = PIXELS_MAX
    if options.xpix or options.ypix:
        most = footprint.size_in_pixels(handle.wcs, largest_arcmin, largest_arcmin)
        x_most, y_most = (min(n + 1, PIXELS_MAX) for n in most)
    if nx > x_most or ny > y_most:
        message = (
            f"{nx} x {ny} pixels asked for, of tile {row.tile} at most {x_most} x {y_most} are "
            f"allowed ({largest_arcmin:g} arcmin, and never more than {PIXELS_MAX} pixels)"
        )
        raise OptionsError((Fault(message),))
    return nx, ny


def _offset_px(red: _Place, other: _Place, edge: str) -> float:
    """Tell how far apart the same sky lies in the boxes of two bands, pixels."""
    box, other_box = red.output_box(edge), other.output_box(edge)
    if box == other_box and red.handle.shares_grid(other.handle):
        return 0.0
    return footprint.offset_px(red.handle.wcs, box, other.handle.wcs, other_box)


class _RowCut:
    """The work on one row: bands placed and read once, problems collected."""

    def __init__(self, cutter: Cutter, row: PlannedRow, wanted: Sequence[WantedFile]) -> None:
        self._cutter = cutter
        self._row = row
        self._wanted = wanted
        self._places: dict[str, _Place | CutoutError] = {}
        self._shown = {band for file in wanted if file.kind != "fits" for band in file.bands}
        self._science: dict[str, Image] = {}
        """Science planes of the bands in `_shown`, which the row's pictures are made of."""
        self._coverages: list[float] = []

    def outcome(self) -> Outcome:
        """Make the files and tell what became of the row."""
        files: list[FileEntry] = []
        problems: dict[str, CutoutError] = {}
        for wanted in self._wanted:
            try:
                # Not kept in a name, which would hold it while the next file is made.
                files.append(self._saved(wanted, self._content(wanted)))
            except self._cutter.awaited:
                raise
            except CutoutError as error:
                problems[str(error)] = error
        is_away = all(isinstance(error, SourceUnavailable) for error in problems.values())
        if problems and is_away and not files:
            raise SourceUnavailable("; ".join(problems))
        return self._told(files, problems)

    def _told(self, files: list[FileEntry], problems: dict[str, CutoutError]) -> Outcome:
        errors = [*problems.values()]
        if not errors and not any(self._coverages):
            status = Status.NO_COVERAGE
            problems = {"no valid pixel": NoCoverage("no valid pixel")}
        elif not errors:
            status = Status.OK
        elif files:
            status = Status.PARTIAL
        elif all(isinstance(error, NoCoverage) for error in errors):
            status = Status.NO_COVERAGE
        else:
            status = Status.FAILED
        placed = [place for place in self._places.values() if isinstance(place, _Place)]
        messages = [*problems, *self._edge_note(placed[:1])]
        size = placed[0].output_box(self._row.options.edge).shape[::-1] if placed else None
        return Outcome(
            status,
            "; ".join(messages),
            tuple(files),
            size,
            min(self._coverages, default=None),
            datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _edge_note(self, placed: Sequence[_Place]) -> Iterator[str]:
        for place in placed:
            if place.inside != place.box:
                done = "padded" if self._row.options.edge == "pad" else "cut short"
                (ny, nx), (asked_y, asked_x) = place.inside.shape, place.box.shape
                yield (
                    f"{done} at the edge of tile {self._row.tile}: "
                    f"{nx} x {ny} of {asked_x} x {asked_y} pixels"
                )

    def _place(self, band: str) -> _Place:
        """Find a band's place once, and fail again in the same words."""
        if band not in self._places:
            try:
                self._places[band] = self._cutter.place(self._row, band)
            except self._cutter.awaited:
                raise
            except CutoutError as error:
                self._places[band] = error
        place = self._places[band]
        if isinstance(place, CutoutError):
            raise place
        return place

    def _content(self, wanted: WantedFile) -> bytes:
        if wanted.kind == "fits":
            return to_fits(self._read(wanted.bands[0], shown_only=False))
        return self._picture(wanted)

    def _read(self, band: str, *, shown_only: bool) -> Iterator[Image]:
        """Cut a band's planes one by one; at the end keep what the row still needs of them."""
        place = self._place(band)
        telling = next((p for p in place.handle.planes if p.role == "WGT"), place.handle.planes[0])
        asked, there = math.prod(place.box.shape), math.prod(place.inside.shape)
        science, covered = None, 0.0
        for image in self._cutter.planes(self._row, place, shown_only=shown_only):
            if science is None and band in self._shown:
                science = image
            if image.role == telling.role:
                weight = image if image.role == "WGT" else None
                covered = min(cut.coverage(image, weight, asked=asked), there / asked)
            yield image
            del image  # before the next one is cut
        self._coverages.append(covered)
        if science is not None:
            self._science[band] = science

    def _picture(self, wanted: WantedFile) -> bytes:
        planes = [self._science_of(band, wanted) for band in wanted.bands]
        if len({plane.shape for plane in planes}) > 1:
            sizes = ", ".join(f"{p.shape[1]} x {p.shape[0]}" for p in planes)
            raise BandMissing(f"no {self._name(wanted)} picture: bands differ in size ({sizes})")
        if planes[0].ndim > 2:
            raise BandMissing(f"no {self._name(wanted)} picture: the bands are cubes, not images")
        self._require_one_grid(wanted)
        options = self._row.options
        if wanted.kind == "lupton":
            rgb = colour.lupton(
                *planes,
                minimum=options.rgb_minimum,
                stretch=options.rgb_stretch,
                q=options.rgb_asinh,
            )
        else:
            rgb = colour.stiff(*planes)
        place = self._place(wanted.bands[0])
        return to_png(orientation(place.handle.wcs, place.inside).applied(rgb))

    def _require_one_grid(self, wanted: WantedFile) -> None:
        """Refuse a picture whose bands show the same sky in different pixels."""
        red, *others = wanted.bands
        label, edge = self._cutter.release.label, self._row.options.edge
        for band in others:
            off_px = _offset_px(self._place(red), self._place(band), edge)
            if off_px > _APART_PX:
                raise BandMissing(
                    f"no {self._name(wanted)} picture: bands are on different grids "
                    f"({label(band)} is {off_px:.1f} pixels off {label(red)})"
                )

    def _science_of(self, band: str, wanted: WantedFile) -> NDArray[np.float32]:
        if band not in self._science:
            try:
                for _ in self._read(band, shown_only=True):
                    pass  # only what the reading leaves in `_science` is wanted
            except (NoCoverage, OptionsError, SourceUnavailable):
                raise
            except CutoutError as error:
                label = self._cutter.release.label(band)
                text = f"no {self._name(wanted)} picture, band {label} is missing: {error}"
                raise BandMissing(text) from error
        return cut.physical(self._science[band])

    def _name(self, wanted: WantedFile) -> str:
        return f"{self._cutter.release.labels(wanted.bands)} {wanted.kind}"

    def _saved(self, wanted: WantedFile, data: bytes) -> FileEntry:
        name = f"{self._row.stem}{wanted.ending}"
        path = f"{self._row.folder}/{name}"
        self._cutter.save(path, data)
        digest = hashlib.sha256(data).hexdigest()
        return FileEntry(
            name, path, wanted.kind, wanted.bands, media_type_of(name), len(data), digest
        )
