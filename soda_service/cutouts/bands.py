"""One band of one row: its planes cut, as a FITS file and as pixels for a picture."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.cutouts.mosaic import Mosaic, Mosaicker
from soda_service.engine.fits import cut
from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.wcs.touched import inside_pixels
from soda_service.errors import Fault, OptionsError
from soda_service.formats.fits import FitsBuffer
from soda_service.pixels.reader import TileHandle
from soda_service.request.shapes import parse_pos
from soda_service.request.spec import plane_names
from soda_service.results.rows import PlannedRow
from soda_service.sky.release import Release

__all__ = ["BandCut", "BandCutter"]

_Card = tuple[str, object, str]
_Pixels = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class BandCut:
    """The cutout of a band."""

    coverage: float
    """Fraction of the requested area with valid pixels, 0..1."""

    file: memoryview | None = None
    """The FITS file, valid until the next band is cut; None if none was requested."""

    science: NDArray[np.floating] | None = None
    """Values of the science plane, own memory, shape (..., ny, nx), NaN where the survey has no
    data; None if not requested."""

    note: str = ""
    """Text for the message of the row; empty if there is nothing to report."""


class BandCutter:
    """Cuts bands of rows of one release, each file in the same buffer."""

    def __init__(self, geometry: TileGeometry, *, is_last: bool = False) -> None:
        self._release = geometry.release
        self._mosaicker = Mosaicker(geometry, is_last=is_last)
        self._buffer = FitsBuffer()
        self._templates: WeakKeyDictionary[TileHandle, tuple[HeaderTemplate, ...]] = (
            WeakKeyDictionary()
        )

    def cut(self, row: PlannedRow, place: Place, *, with_file: bool, with_science: bool) -> BandCut:
        """Cut a band of a row.

        Parameters
        ----------
        with_file
            Whether to make a FITS file of the planes of PLANES; else only science and weight are
            read.
        with_science
            Whether to return the science plane's values.

        Raises
        ------
        TileUnreadable, SourceUnavailable
            When the tile cannot be read there.
        """
        edge = row.options.edge
        has_all = edge == "trim" or (edge == "pad" and place.is_whole) or bool(row.shape)
        if has_all and not row.is_masked:
            return self._cut_inside(row, place, with_file=with_file, with_science=with_science)
        return self._cut_beyond(row, place, with_file=with_file, with_science=with_science)

    def _cut_inside(
        self, row: PlannedRow, place: Place, *, with_file: bool, with_science: bool
    ) -> BandCut:
        """Cut a box inside the tile: pixels are decoded straight into the file."""
        handle, box = place.handle, place.inside
        buffer = self._buffer
        buffer.begin()
        templates = self._templates_of(row.tile, handle) if with_file else ()
        cards = [*_row_cards(row, box)]
        found: dict[int, _Pixels] = {}
        kept = _file_planes(row, handle) if with_file else frozenset()
        for number, plane in enumerate(handle.planes):
            if number in kept:
                header = templates[number].render(box, cards)
                shape = (*plane.shape[:-2], *box.shape)
                found[number] = buffer.add(header, shape, plane.dtype)
                handle.read_into(number, box, found[number])
            elif number in {0, _validity_plane(handle)}:
                found[number] = handle.read(number, box)
        images = {n: Image(found[n], handle.planes[n].header, handle.planes[n].role) for n in found}
        most = math.prod(place.inside.shape) / math.prod(place.box.shape)
        coverage = _coverage(place, images, most)
        science = _science(place, images, coverage) if with_science else None
        note = _lacking(row, handle, self._release) if with_file else ""
        return BandCut(coverage, buffer.finish() if with_file else None, science, note)

    def _cut_beyond(
        self, row: PlannedRow, place: Place, *, with_file: bool, with_science: bool
    ) -> BandCut:
        """Cut a box that may have holes: pad it, fill it from neighbouring tiles, or mask it."""
        handle, box = place.handle, place.box
        kept = _file_planes(row, handle) if with_file else frozenset()
        wanted = sorted({*kept, 0, _validity_plane(handle)})
        found = {
            n: cut.pad(handle.read(n, place.inside), place.inside, box, fill=0) for n in wanted
        }
        bare = _beyond(place)
        mosaic = None
        if row.is_masked:
            bare |= ~inside_pixels(parse_pos(row.shape), handle.grid, box)
        elif row.options.edge == "mosaic":
            mosaic = self._mosaicker.fill(place, found, tile=row.tile, band=place.band)
            bare = mosaic.bare
        cards = [*_row_cards(row, box), *(mosaic.cards if mosaic else ())]
        images = {}
        headers = {}
        for number, data in found.items():
            template = self._templates_of(row.tile, handle)[number]
            marked = [*_marked_bare(handle, number, data, bare, self._release)]
            headers[number] = template.render(box, [*cards, *marked])
            header = TextHeader.from_bytes(headers[number])
            images[number] = Image(data, header, handle.planes[number].role)
        most = 1 - np.count_nonzero(bare) / bare.size
        coverage = mosaic.coverage if mosaic else _coverage(place, images, most)
        order = sorted(kept)
        file = self._join([headers[n] for n in order], (found[n] for n in order)) if order else None
        science = _science(place, images, coverage) if with_science else None
        notes = (
            _note(mosaic) if mosaic else "",
            _lacking(row, handle, self._release) if with_file else "",
        )
        return BandCut(coverage, file, science, "; ".join(filter(None, notes)))

    def _join(self, headers: Sequence[bytes], planes: Iterable[_Pixels]) -> memoryview:
        buffer = self._buffer
        buffer.begin()
        for header, data in zip(headers, planes, strict=True):
            buffer.add(header, data.shape, data.dtype)[...] = data
        return buffer.finish()

    def _templates_of(self, tile: str, handle: TileHandle) -> tuple[HeaderTemplate, ...]:
        """Return templates of the headers of a tile's planes; cutouts differ in a few cards."""
        if handle not in self._templates:
            self._templates[handle] = tuple(
                HeaderTemplate(
                    plane.header,
                    primary=handle.primary,
                    is_primary=number == 0,
                    role=plane.role,
                    cards=[*_tile_cards(self._release, tile, handle, number)],
                )
                for number, plane in enumerate(handle.planes)
            )
        return self._templates[handle]


def _file_planes(row: PlannedRow, handle: TileHandle) -> frozenset[int]:
    """Return the numbers of the planes of a row's FITS files; the science plane is among them."""
    wanted = row.options.planes
    if not wanted:
        return frozenset(range(len(handle.planes)))
    return frozenset({0, *(n for n, plane in enumerate(handle.planes) if plane.role in wanted)})


def _lacking(row: PlannedRow, handle: TileHandle, release: Release) -> str:
    """Return which of the wanted planes a tile lacks, as a text; empty if it has all.

    Raises
    ------
    OptionsError
        If one is a plane of neither the release nor the tile.
    """
    roles = [plane.role for plane in handle.planes]
    # The first is the science plane, whatever its name.
    missing = [name for name in row.options.planes[1:] if name not in roles]
    if unknown := [name for name in missing if name not in plane_names(release)]:
        message = (
            f"{unknown[0]!r} is not a plane of tile {row.tile}; allowed: all, or {', '.join(roles)}"
        )
        raise OptionsError((Fault(message, column="PLANES", found=",".join(unknown)),))
    return f"tile {row.tile} has no plane {' and '.join(missing)}" if missing else ""


def _row_cards(row: PlannedRow, box: PixelBox) -> Iterator[_Card]:
    # -0.0 is written as 0.0.
    yield "RA_CUTOUT", (row.centre_ra_deg or 0.0) + 0.0, "[deg] requested RA, ICRS"
    yield "DEC_CUTOUT", (row.centre_dec_deg or 0.0) + 0.0, "[deg] requested Dec, ICRS"
    section = f"[{box.x0 + 1}:{box.x1},{box.y0 + 1}:{box.y1}]"
    yield "PARBOX", section, "pixels of the tile, first pixel 1, inclusive"


def _tile_cards(release: Release, tile: str, handle: TileHandle, number: int) -> Iterator[_Card]:
    """Yield cards of a plane's origin, and those of the release that the tile lacks."""
    yield "PARTILE", tile, "tile this was cut from"
    yield "PARFILE", handle.label, "file this was cut from"
    plane, primary = handle.planes[number].header, handle.primary
    if number == 0:
        # The unit in a primary HDU with pixels applies to those pixels only.
        has_unit = "BUNIT" in plane or ("BUNIT" in primary and not primary.get("NAXIS"))
        if release.unit and not has_unit:
            yield "BUNIT", release.unit, "unit of the pixels"
        has_zero_point = "MAGZERO" in plane or "MAGZERO" in primary
        if release.zero_point_mag is not None and not has_zero_point:
            yield "MAGZERO", release.zero_point_mag, "[mag] zero point"
    if release.acknowledgement and "ACKNOWL" not in plane and "ACKNOWL" not in primary:
        yield "ACKNOWL", release.acknowledgement, ""


def _marked_bare(
    handle: TileHandle, number: int, data: _Pixels, bare: NDArray[np.bool_], release: Release
) -> Iterator[_Card]:
    """Fill the pixels without data with the blank value; yield the card that states it."""
    if not bare.any():
        return
    plane = handle.planes[number]
    bit = cut.mask_bit(plane.header, data.dtype, release.mask_no_data_bit or cut.NO_DATA_BIT)
    fill = cut.fill_value(plane.role, plane.header, data.dtype, bit)
    if plane.role not in {"MSK", "WGT"}:
        blank = cut.blank_for(data[..., ~bare], plane.header)
        if blank is not None:
            fill = blank
            yield "BLANK", blank, "where the tile has no pixel"
    elif plane.role == "MSK":
        yield "PADBIT", bit, "bit of this mask where the tile has no pixel"
    data[..., bare] = fill


def _beyond(place: Place) -> NDArray[np.bool_]:
    """Return which pixels of a box lie beyond its tile."""
    box, inside = place.box, place.inside
    beyond = np.ones(box.shape, bool)
    beyond[inside.y0 - box.y0 : inside.y1 - box.y0, inside.x0 - box.x0 : inside.x1 - box.x0] = False
    return beyond


def _note(mosaic: Mosaic) -> str:
    left = np.count_nonzero(mosaic.bare)
    missing = f"{left} of {mosaic.bare.size} pixels are on no tile" if left else ""
    return "; ".join(filter(None, [mosaic.note, missing, *map(str, mosaic.problems)]))


def _validity_plane(handle: TileHandle) -> int:
    """Return the plane that marks valid pixels: the weight, else the science plane."""
    return next((n for n, plane in enumerate(handle.planes) if plane.role == "WGT"), 0)


def _coverage(place: Place, images: dict[int, Image], most: float) -> float:
    """Return the fraction of the requested area with valid pixels.

    Parameters
    ----------
    most
        The fraction with any pixels: integers without BLANK cannot mark missing ones.
    """
    number = _validity_plane(place.handle)
    weight = images[number] if number else None
    return min(cut.coverage(images[0], weight, requested_px=math.prod(place.box.shape)), most)


def _science(place: Place, images: dict[int, Image], coverage: float) -> NDArray[np.floating]:
    """Return the science values in memory of their own, since pixels lie in the file's buffer.

    Surveys write 0 with a weight of 0 where there is no exposure: such a pixel becomes NaN. A pixel
    of weight 0 with another value, as in the core of a saturated star, keeps it.
    """
    values = cut.physical(images[0])
    if np.may_share_memory(values, images[0].data):
        values = values.astype(values.dtype.newbyteorder("="))
    number = _validity_plane(place.handle)
    if number and coverage < 1:
        values[(values == 0) & (cut.physical(images[number]) == 0)] = np.nan
    return values
