"""EDGE=mosaic: fill the holes of a row's box from neighbouring tiles."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.mosaicking.mosaic import Patch, fill_holes, is_per_pixel, valid_pixels
from soda_service.engine.mosaicking.overlap import Relation, relate, source_box
from soda_service.engine.wcs import footprint
from soda_service.errors import CutoutError, SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.pixels.reader import TileHandle
from soda_service.sky.release import Release

__all__ = ["Contribution", "Mosaic", "Mosaicker"]

_BLOCK_PX = 512
"""Side of the blocks in which holes are filled. Reading and resampling a block take about 60 MB,
whatever the size of the cutout; larger blocks are no faster."""

_RIM_PX = 3
"""Width of the rim of a tile where resampling is inaccurate. The error at the peak of a sharp star
is 10 to 20 % within a pixel of the edge, 2.5 % at 2 pixels, and 0.6 % from 3 pixels on."""

_TILES_MAX = 99
"""Most neighbours that are used: keywords of their cards have two digits."""

_Pixels = NDArray[np.generic]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contribution:
    """The pixels that a neighbouring tile provided."""

    tile: str
    manner: str
    """`copied`, `resampled` or `averaged`."""

    pixels: int
    factor: float
    """Its science values were multiplied by this, since zero points and pixel areas differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """How the holes of a box were filled."""

    contributions: tuple[Contribution, ...]
    """Tiles that provided pixels, in the order of use."""

    coverage: float
    """Fraction of the requested area with valid pixels, 0..1."""

    bare: _Bools
    """Shape of the box: pixels beyond the tile that no neighbour has; values are unchanged."""

    problems: tuple[CutoutError, ...] = ()
    """Neighbours that could not be read, and why; each text names its tile."""

    @property
    def cards(self) -> tuple[tuple[str, object, str], ...]:
        """Cards for the header of each plane: (keyword, value, comment)."""
        return tuple(
            card for n, each in enumerate(self.contributions, 1) for card in _cards(n, each)
        )

    @property
    def note(self) -> str:
        """Text for the message of the row: `filled from tiles A (copied), B (resampled)`."""
        if not self.contributions:
            return ""
        named = ", ".join(f"{each.tile} ({each.manner})" for each in self.contributions)
        return f"filled from {'tile' if len(self.contributions) == 1 else 'tiles'} {named}"


def _cards(number: int, given: Contribution) -> Iterator[tuple[str, object, str]]:
    yield f"MOSAIC{number}", given.tile, "tile that filled holes"
    yield f"MOSHOW{number}", given.manner, "how its pixels were transferred"
    yield f"MOSPIX{number}", given.pixels, "[pix] holes it filled"
    yield f"MOSFAC{number}", given.factor, "its values were multiplied by this"


class Mosaicker:
    """Fills boxes of one release from neighbouring tiles.

    Parameters
    ----------
    geometry
        Opens the tiles.
    is_last
        Whether to skip neighbours whose data are unavailable.
    """

    def __init__(self, geometry: TileGeometry, *, is_last: bool = False) -> None:
        self._geometry = geometry
        self._retry_on: tuple[type[CutoutError], ...] = () if is_last else (SourceUnavailable,)

    def fill(self, place: Place, planes: Mapping[int, _Pixels], *, tile: str, band: str) -> Mosaic:
        """Fill the holes of a box: pixels beyond its tile, and invalid pixels of the tile.

        Tiles that overlap the box are used in turn, the one with the largest overlap first (of
        equals the first of the tile table). Each provides its valid pixels for the remaining
        holes. Valid pixels of the main tile stay unchanged. Values resampled from within 3 pixels
        of a tile's edge are used only where no other tile has the position farther inside.

        Parameters
        ----------
        place
            The box in its tile.
        planes
            By number of the plane in `place.handle.planes`: arrays of shape
            (..., *place.box.shape), raw numbers of the plane's type in any byte order. They are
            changed in place. The science plane (0) and the weight plane, if any, must be among
            them. Pixels beyond the tile may hold any value.
        tile, band
            Name of the tile, and the band that `place` is in.

        Returns
        -------
        Mosaic
            Like the pixels, it depends on the tiles and the box only.

        Raises
        ------
        SourceUnavailable
            When data of a neighbour are unavailable, unless it is the last try.
        TileUnreadable
            When the main tile's mask is needed to find valid pixels and cannot be read.
        """
        release = self._geometry.release
        canvas = _Canvas(place, planes, release)
        problems: dict[str, CutoutError] = {}
        names = tuple(self._neighbours(place, tile)) if canvas.has_holes else ()
        for rim_px in (_RIM_PX, 0):
            for name in names:
                if canvas.has_holes and name not in problems:
                    problem = self._fill_from(name, band, canvas, rim_px)
                    problems.update({name: problem} if problem else {})
        given = tuple(canvas.contributions.values())
        return Mosaic(given, canvas.coverage, canvas.bare, tuple(problems.values()))

    def _fill_from(
        self, name: str, band: str, canvas: "_Canvas", rim_px: int
    ) -> CutoutError | None:
        """Fill holes from a tile; return the error that prevented it."""
        try:
            canvas.fill_from(self._geometry.open(name, band), name, rim_px)
        except UnknownTile:
            return None  # the tile was not observed in this band
        except self._retry_on:
            raise
        except (TileUnreadable, SourceUnavailable) as error:
            return type(error)(f"not filled from tile {name}: {error}")
        return None

    def _neighbours(self, place: Place, tile: str) -> Iterator[str]:
        """Yield the names of the tiles around a box, the largest overlap first."""
        index, box = self._geometry.index, place.box
        # A margin, for tile tables with corners at pixel centres, or with rough ones.
        wider = 2.5 + 0.01 * max(box.shape)
        left, right = box.x0 - wider, box.x1 - 1 + wider
        bottom, top = box.y0 - wider, box.y1 - 1 + wider
        corners = footprint.pixel_to_sky(
            place.handle.grid, [left, right, right, left], [bottom, bottom, top, top]
        )
        own = index.number(tile)
        others = [n for n in index.touching(np.column_stack(corners)) if n != own]
        for number in others[:_TILES_MAX]:
            yield index.names[number]


class _Canvas:
    """A box to fill: its planes and its holes."""

    def __init__(self, place: Place, planes: Mapping[int, _Pixels], release: Release) -> None:
        self._place = place
        self._release = release
        self._bit = release.mask_no_data_bit
        self._numbers = sorted(planes)
        handle = place.handle
        images = (
            Image(planes[n], handle.planes[n].header, handle.planes[n].role) for n in self._numbers
        )
        self._patch = Patch(handle.grid, place.box, tuple(images))
        self._holes = self._find_holes()
        self.contributions: dict[str, Contribution] = {}

    @property
    def has_holes(self) -> bool:
        return bool(self._holes.any())

    @property
    def coverage(self) -> float:
        return 1.0 - int(np.count_nonzero(self._holes)) / self._holes.size

    @property
    def bare(self) -> _Bools:
        bare = self._holes.copy()
        bare[_slices(self._place.inside, self._place.box)] = False
        return bare

    def _find_holes(self) -> _Bools:
        holes = np.ones(self._place.box.shape, dtype=bool)
        for block in _blocks(self._place.inside, _BLOCK_PX):
            images = [*self._patch.part(block).images, *self._validity_mask(block)]
            valid = valid_pixels(images, no_data_bit=self._bit)
            holes[_slices(block, self._place.box)] = ~valid
        return holes

    def _validity_mask(self, block: PixelBox) -> Iterator[Image]:
        """Read the mask if it marks valid pixels and is not among the planes."""
        handle = self._place.handle
        for number in _validity_planes(handle, self._bit):
            if number not in self._numbers:
                plane = handle.planes[number]
                yield Image(handle.read(number, block), plane.header, plane.role)

    def fill_from(self, neighbour: TileHandle, name: str, rim_px: int) -> None:
        """Fill holes from a tile, without pixels that would be resampled from its rim.

        Raises
        ------
        TileUnreadable, SourceUnavailable
            When it cannot be read, or lacks a plane; pixels filled before that stay filled.
        """
        main, box = self._place.handle, self._place.box
        numbers = _matching_planes(main, neighbour, self._numbers, self._bit)
        relation = relate(main.grid, box, neighbour.grid)
        if not rim_px and relation.shift_px is not None:
            return  # the first pass has copied all pixels
        factor = _factor(main, neighbour, relation, self._release)
        # Each block needs about the same number of the neighbour's pixels, even of small ones.
        side = max(16, round(_BLOCK_PX / math.sqrt(max(1.0, relation.pixel_ratio))))
        ny, nx = neighbour.shape
        inner = PixelBox(rim_px, ny - rim_px, rim_px, nx - rim_px) if rim_px else None
        before = self.contributions.get(name)
        filled = before.pixels if before else 0
        try:
            for part in filter(None, map(self._bounds, _blocks(box, side))):
                there = source_box(relation, (main.grid, part), neighbour.grid, neighbour.shape)
                if there.is_empty:
                    continue
                images = tuple(_read(neighbour, numbers, there))
                filled += fill_holes(
                    self._patch.part(part),
                    self._holes[_slices(part, box)],
                    Patch(neighbour.grid, there, images, inner),
                    relation,
                    factor=factor,
                    no_data_bit=self._bit,
                )
        finally:
            if filled:
                found = Contribution(name, relation.manner, filled, factor)
                self.contributions[name] = found

    def _bounds(self, block: PixelBox) -> PixelBox | None:
        """Return the part of a block around its holes; None if it has none."""
        holes = self._holes[_slices(block, self._place.box)]
        rows, columns = np.flatnonzero(holes.any(axis=1)), np.flatnonzero(holes.any(axis=0))
        if not rows.size:
            return None
        return PixelBox(
            block.y0 + int(rows[0]),
            block.y0 + int(rows[-1]) + 1,
            block.x0 + int(columns[0]),
            block.x0 + int(columns[-1]) + 1,
        )


def _blocks(box: PixelBox, side: int) -> Iterator[PixelBox]:
    for y in range(box.y0, box.y1, side):
        for x in range(box.x0, box.x1, side):
            yield PixelBox(y, min(y + side, box.y1), x, min(x + side, box.x1))


def _slices(part: PixelBox, box: PixelBox) -> tuple[slice, slice]:
    """Return the slices of a part of a box in arrays of the box."""
    return (
        slice(part.y0 - box.y0, part.y1 - box.y0),
        slice(part.x0 - box.x0, part.x1 - box.x0),
    )


def _validity_planes(handle: TileHandle, no_data_bit: int) -> tuple[int, ...]:
    """Return the planes besides the science plane that mark valid pixels."""
    roles = [plane.role for plane in handle.planes]
    if "WGT" in roles:
        return (roles.index("WGT"),)
    return (roles.index("MSK"),) if no_data_bit and "MSK" in roles else ()


def _matching_planes(
    main: TileHandle, neighbour: TileHandle, wanted: Sequence[int], no_data_bit: int
) -> list[int]:
    """Return the neighbour's planes for the wanted ones, then its plane that marks valid pixels.

    Raises
    ------
    TileUnreadable
        When it lacks a plane of the main tile, wanted or not, or a plane has other axes: weights
        and flags of pixels must not be guessed.
    """
    found: dict[int, int] = {}
    for number, plane in enumerate(main.planes):
        match = [n for n, other in enumerate(neighbour.planes) if other.role == plane.role]
        if not match:
            raise TileUnreadable(f"it lacks plane {plane.role}")
        if neighbour.planes[match[0]].shape[:-2] != plane.shape[:-2]:
            raise TileUnreadable(f"its plane {plane.role} has other axes")
        found[number] = match[0]
    numbers = [found[number] for number in wanted]
    return numbers + [n for n in _validity_planes(neighbour, no_data_bit) if n not in numbers]


def _read(handle: TileHandle, numbers: Sequence[int], box: PixelBox) -> Iterator[Image]:
    for number in numbers:
        plane = handle.planes[number]
        yield Image(handle.read(number, box), plane.header, plane.role)


def _factor(main: TileHandle, neighbour: TileHandle, relation: Relation, release: Release) -> float:
    """Return the factor from a neighbour's values to the main tile's zero point and pixel."""
    zero, other = _zero_point(main, release), _zero_point(neighbour, release)
    factor = 1.0 if zero is None or other is None else 10 ** (0.4 * (zero - other))
    unit = str(_card_value(neighbour, "BUNIT") or release.unit)
    return factor * relation.pixel_ratio if is_per_pixel(unit) else factor


def _zero_point(handle: TileHandle, release: Release) -> float | None:
    """Return a tile's zero point, mag; the release's if the tile has no finite number."""
    value = _card_value(handle, "MAGZERO")
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return release.zero_point_mag


def _card_value(handle: TileHandle, keyword: str) -> object:
    """Return the value of a card of the science plane, else of the primary header."""
    value = handle.planes[0].header.get(keyword)
    return handle.primary.get(keyword) if value is None else value
