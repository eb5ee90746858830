"""Cut one row: from the tile's pixels to the row's files and its outcome."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from soda_service.cutouts.aligning import Aligner, is_aligned
from soda_service.cutouts.bands import BandCut, BandCutter
from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.cutouts.naming import WantedFile, wanted_files
from soda_service.cutouts.pictures import Painter, PictureSettings
from soda_service.engine.wcs.touched import inside_pixels
from soda_service.errors import (
    BandMissing,
    CutoutError,
    NoCoverage,
    OptionsError,
    SourceUnavailable,
)
from soda_service.request.shapes import parse_pos
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Status
from soda_service.results.tree import thumbnail_path

__all__ = ["Cutter", "Save"]

Save = Callable[[str, Buffer], None]
"""Writes a file to a path below the job's folder."""

_NO_PLACES: Mapping[str, Place] = MappingProxyType({})


class Cutter:
    """Cuts rows from one release; caches the outcomes of the last position.

    Parameters
    ----------
    geometry
        Finds the boxes of rows in the release's tiles.
    save
        Writes the files; its data are valid until it returns.
    pictures
        How pictures are made.
    is_last
        Whether to make the files that can be made when data of others are unavailable.
    """

    def __init__(
        self,
        geometry: TileGeometry,
        save: Save,
        *,
        pictures: PictureSettings | None = None,
        is_last: bool = False,
    ) -> None:
        self.retry_on: tuple[type[CutoutError], ...] = () if is_last else (SourceUnavailable,)
        """Errors for which the row is tried again later."""
        self.release = geometry.release
        """The release of the tiles."""
        self.geometry = geometry
        """Finds the boxes of rows in their tiles."""
        self.bands = BandCutter(geometry, is_last=is_last)
        """Cuts one band of a row."""
        self.aligner = Aligner(geometry, self.bands)
        """Resamples a band to the grid of another."""
        self.painter = Painter(geometry.release, pictures or PictureSettings())
        """Makes pictures of bands."""
        self.save = save
        """Writes a file."""
        self._last_name = ""
        self._made: dict[str, Outcome] = {}

    def expect(self, rows: Iterable[PlannedRow]) -> None:
        """Announce the next rows; those of one tile are projected together."""
        self.geometry.expect(rows)

    def announce(self, row: PlannedRow) -> None:
        """Announce the row after the next, so that its pixels are read from disk in advance."""
        wanted = wanted_files(row.options, self.release.labels)
        self.geometry.announce(row, dict.fromkeys(band for file in wanted for band in file.bands))

    def cut(self, row: PlannedRow) -> Outcome:
        """Make the files of one row; its errors become its status.

        Raises
        ------
        SourceUnavailable
            When data are temporarily unavailable; with `is_last`, when all are.
        """
        if row.name != self._last_name:
            self._last_name, self._made = row.name, {}
        wanted = wanted_files(row.options, self.release.labels)
        paths = [f"{row.folder}/{row.stem}{file.ending}" for file in wanted]
        made = "\n".join(paths)
        if made not in self._made:
            self._made[made] = _RowCut(self, row, wanted).outcome()
        return self._made[made]

    def content(self, row: PlannedRow, wanted: WantedFile, places: Mapping[str, Place]) -> bytes:
        """Return one file of a row, without saving it.

        Parameters
        ----------
        places
            By band, those that are known.

        Raises
        ------
        NoCoverage
            When there is no pixel, or none with a value.
        CutoutError
            When the file cannot be made.
        """
        return _RowCut(self, row, (wanted,), places).content(wanted)


class _RowCut:
    """The work on one row: each band is located and read once, and errors are collected."""

    def __init__(
        self,
        cutter: Cutter,
        row: PlannedRow,
        wanted: Sequence[WantedFile],
        places: Mapping[str, Place] = _NO_PLACES,
    ) -> None:
        self._cutter = cutter
        self._row = row
        self._wanted = wanted
        self._places: dict[str, Place | CutoutError] = dict(places)
        self._shown = {band for file in wanted if file.is_picture for band in file.bands}
        needs_grey = not self._shown and cutter.painter.has_thumbnails(row)
        self._thumbnail_file = wanted[0] if needs_grey and wanted else None
        """File whose band is the thumbnail of a row without picture."""
        if self._thumbnail_file:
            self._shown.update(self._thumbnail_file.bands)
        self._science: dict[str, NDArray[np.floating]] = {}
        """Science planes of the bands in `_shown`, for pictures and thumbnails."""
        self._aligned: dict[tuple[str, str], NDArray[np.floating]] = {}
        """Science planes of bands on the grids of other bands, by (red band, band)."""
        self._coverages: list[float] = []
        self._notes: dict[str, None] = {}

    def content(self, wanted: WantedFile) -> bytes:
        """Return the content of one file."""
        made = bytes(self._content(wanted))
        if not any(self._coverages):
            raise NoCoverage("no valid pixel")
        return made

    def outcome(self) -> Outcome:
        """Make the files and return the outcome."""
        files: list[FileEntry] = []
        problems: dict[str, CutoutError] = {}
        for wanted in self._wanted:
            try:
                files.append(self._saved(wanted, self._content(wanted)))
            except self._cutter.retry_on:
                raise
            except CutoutError as error:
                problems[str(error)] = error
        self._save_grey_thumbnail()
        is_unavailable = all(isinstance(error, SourceUnavailable) for error in problems.values())
        if problems and is_unavailable and not files:
            raise SourceUnavailable("; ".join(problems))
        return self._outcome_of(files, problems)

    def _outcome_of(self, files: list[FileEntry], problems: dict[str, CutoutError]) -> Outcome:
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
        placed = [place for place in self._places.values() if isinstance(place, Place)]
        size = placed[0].output_box(self._row.options.edge).shape[::-1] if placed else None
        return Outcome(
            status,
            "; ".join([*problems, *self._edge_note(placed[:1]), *self._notes]),
            tuple(files),
            size,
            min(self._coverages, default=None),
            datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _edge_note(self, placed: Sequence[Place]) -> Iterator[str]:
        edge = self._row.options.edge
        for place in placed:
            if not place.is_whole and edge != "mosaic":
                done = "padded" if edge == "pad" else "cut short"
                (ny, nx), (full_y, full_x) = place.inside.shape, place.box.shape
                yield (
                    f"{done} at the edge of tile {self._row.tile}: "
                    f"{nx} x {ny} of {full_x} x {full_y} pixels"
                )

    def _place(self, band: str) -> Place:
        """Return a band's place; it is found once, and an error is raised again."""
        if band not in self._places:
            try:
                self._places[band] = self._cutter.geometry.place(self._row, band)
            except self._cutter.retry_on:
                raise
            except CutoutError as error:
                self._places[band] = error
        place = self._places[band]
        if isinstance(place, CutoutError):
            raise place
        return place

    def _content(self, wanted: WantedFile) -> Buffer:
        if wanted.is_picture:
            return self._picture(wanted)
        file = self._cut(wanted.bands[0], with_file=True).file
        assert file is not None  # noqa: S101 - it was requested
        return file

    def _cut(self, band: str, *, with_file: bool) -> BandCut:
        """Cut a band; keep the parts that the row needs later."""
        found = self._cutter.bands.cut(
            self._row,
            self._place(band),
            with_file=with_file,
            with_science=band in self._shown,
        )
        self._coverages.append(found.coverage)
        if found.note:
            self._notes[found.note] = None
        if found.science is not None:
            self._science[band] = found.science
        return found

    def _picture(self, wanted: WantedFile) -> bytes:
        planes = [self._picture_band(band, wanted) for band in wanted.bands]
        painter, red = self._cutter.painter, self._place(wanted.bands[0])
        picture = painter.painted(wanted, planes, red, self._row)
        if not picture.any():
            self._note_black(wanted, planes)
        if painter.has_thumbnails(self._row):
            self._save_thumbnail(wanted, painter.thumbnail(picture))
        return painter.encoded(picture, wanted, red, self._row)

    def _note_black(self, wanted: WantedFile, planes: Sequence[NDArray[np.floating]]) -> None:
        """Add a note why a picture is black, if its bands show the reason."""
        for band, plane in zip(wanted.bands, planes, strict=True):
            values = plane[np.isfinite(plane)]
            label = self._cutter.release.label(band)
            black = f"the {self._name(wanted)} picture is black"
            if not values.size:
                self._notes[f"{black}: band {label} has no valid pixel"] = None
            elif values.min() == values.max():
                self._notes[f"{black}: band {label} is constant"] = None

    def _picture_band(self, band: str, wanted: WantedFile) -> NDArray[np.floating]:
        """Return the values of a picture's band on the grid of its first band."""
        try:
            place = self._place(band)
            if len(place.handle.planes[0].shape) == 2:
                return self._science_of(place, self._place(wanted.bands[0]))
        except (NoCoverage, OptionsError, SourceUnavailable):
            raise
        except CutoutError as error:
            label = self._cutter.release.label(band)
            text = f"band {label} is missing, so no {self._name(wanted)} picture was made: {error}"
            raise BandMissing(text) from error
        raise BandMissing(
            f"the bands are cubes, not images, so no {self._name(wanted)} picture was made"
        )

    def _science_of(self, place: Place, red: Place) -> NDArray[np.floating]:
        """Return the values of a band on the grid of another one."""
        band = place.band
        if not is_aligned(red, place, self._row.options.edge):
            if (red.band, band) not in self._aligned:
                found = self._cutter.aligner.science(self._row, red, band)
                if self._row.is_masked:
                    box = red.output_box(self._row.options.edge)
                    shape = parse_pos(self._row.shape)
                    found[~inside_pixels(shape, red.handle.grid, box)] = np.nan
                self._coverages.append(float(np.isfinite(found).mean()))
                self._aligned[red.band, band] = found
            return self._aligned[red.band, band]
        if band not in self._science:
            self._cut(band, with_file=False)
        return self._science[band]

    def _name(self, wanted: WantedFile) -> str:
        return f"{self._cutter.release.labels(wanted.bands)} {wanted.kind}"

    def _saved(self, wanted: WantedFile, data: Buffer) -> FileEntry:
        name = f"{self._row.stem}{wanted.ending}"
        path = f"{self._row.folder}/{name}"
        self._cutter.save(path, data)
        digest = hashlib.sha256(data).hexdigest()
        size_bytes, media_type = memoryview(data).nbytes, wanted.format.media_type
        return FileEntry(name, path, wanted.kind, wanted.bands, media_type, size_bytes, digest)

    def _save_grey_thumbnail(self) -> None:
        """Make the thumbnail of a row without picture."""
        plane = self._science.get(self._thumbnail_file.bands[0]) if self._thumbnail_file else None
        if self._thumbnail_file is not None and plane is not None and plane.ndim == 2:
            place = self._place(self._thumbnail_file.bands[0])
            small = self._cutter.painter.grey_thumbnail(plane, place, self._row)
            self._save_thumbnail(self._thumbnail_file, small)

    def _save_thumbnail(self, wanted: WantedFile, data: bytes) -> None:
        self._cutter.save(thumbnail_path(f"{self._row.stem}{wanted.ending}"), data)
