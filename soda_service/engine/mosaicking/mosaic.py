"""Fill the holes of one tile with valid pixels of another.

Overlapping tiles share exposures, so pixels are never summed: each hole takes the value of one
tile.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.cut import fill_value, physical
from soda_service.engine.fits.image import Image, PixelBox
from soda_service.engine.mosaicking.overlap import Relation
from soda_service.engine.wcs.footprint import Grid

__all__ = ["Patch", "fill_holes", "is_per_pixel", "valid_pixels"]

_SURFACE = re.compile(r"(?<![a-z])(?:sr|arcsec|arcmin|deg|beam)(?![a-z])|^[mu]?k$")
"""Units of surface brightness, which do not depend on the size of a pixel."""

_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Planes of a tile in a box of its pixels."""

    grid: Grid
    box: PixelBox
    """The box; it may reach beyond the tile."""

    images: tuple[Image, ...]
    """The science plane first; shape (..., *box.shape), raw numbers."""

    inner: PixelBox | None = None
    """Part from which pixels may be taken; None: all of it."""

    def part(self, box: PixelBox) -> "Patch":
        """Return a part of it, as views. `box` must lie inside its box."""
        rows = slice(box.y0 - self.box.y0, box.y1 - self.box.y0)
        columns = slice(box.x0 - self.box.x0, box.x1 - self.box.x0)
        images = (
            Image(image.data[..., rows, columns], image.header, image.role) for image in self.images
        )
        return Patch(self.grid, box, tuple(images))


def valid_pixels(images: Sequence[Image], *, no_data_bit: int) -> _Bools:
    """Return which pixels of a tile are valid, as counted for COVERAGE.

    Parameters
    ----------
    images
        Planes of one shape; a pixel of a cube is valid if it is in one of its layers.
    no_data_bit
        Mask bit of pixels without data; 0 if there is none.

    Returns
    -------
    ndarray, shape (ny, nx), bool
        True if the weight is positive, or without a weight plane if the value is finite (not
        BLANK); and, if there is a mask, its bit is not set.
    """
    weight = _of_role(images, "WGT")
    if weight is not None:
        return _flat(physical(weight) > 0)
    valid = _flat(np.isfinite(physical(images[0])))
    mask = _of_role(images, "MSK")
    if mask is not None and no_data_bit:
        flags = np.nan_to_num(physical(mask)).astype(np.int64)
        valid &= ~_flat((flags & no_data_bit) != 0)
    return valid


def is_per_pixel(unit: str) -> bool:
    """Return whether values in a unit are proportional to pixel area: counts and fluxes are."""
    return _SURFACE.search(unit.strip().lower()) is None


def fill_holes(
    target: Patch,
    holes: _Bools,
    source: Patch,
    relation: Relation,
    *,
    factor: float,
    no_data_bit: int,
) -> int:
    """Fill holes with valid pixels of another tile.

    If the grids coincide, pixels are copied, bit for bit unless values are scaled. Otherwise the
    science plane is resampled by `Resampler.sharp`, weights and other float planes bilinearly,
    which never overshoots, and masks and other integers by the nearest pixel. Resampling correlates
    the noise of neighbouring pixels, which the weights do not show.

    Parameters
    ----------
    target
        Planes with holes; its arrays are written to.
    holes : ndarray, shape target.box.shape, bool
        True where a value is wanted; set to False where one was found.
    source
        The pixels of `overlap.source_box`. Its images have the roles of the target in the same
        order, and, if needed to find valid pixels, one more of role `WGT` or `MSK`. Its `inner` box
        is used on grids that differ.
    relation
        Result of `overlap.relate` for the two grids.
    factor
        Factor for science values; weights (inverse variances) are divided by its square.
    no_data_bit
        See `valid_pixels`.

    Returns
    -------
    int
        Number of holes that were filled.
    """
    valid = valid_pixels(source.images, no_data_bit=no_data_bit)
    valid &= _flat(np.isfinite(physical(source.images[0])))
    if not valid.any():
        return 0
    if relation.shift_px is None:
        return _resample(target, holes, source, valid, relation, factor)
    (dx, dy), box = relation.shift_px, source.box
    part = target.part(PixelBox(box.y0 - dy, box.y1 - dy, box.x0 - dx, box.x1 - dx))
    top, left = part.box.y0 - target.box.y0, part.box.x0 - target.box.x0
    ny, nx = box.shape
    return _copy(part, holes[top : top + ny, left : left + nx], source, valid, factor)


def _copy(target: Patch, holes: _Bools, source: Patch, valid: _Bools, factor: float) -> int:
    """Copy pixels of a source whose pixels coincide with those of the target."""
    taken = holes & valid
    for image, other in zip(target.images, source.images, strict=False):
        scale = _factor(other, source.images[0], factor)
        if scale == 1 and _encoding(image) == _encoding(other):
            image.data[..., taken] = other.data[..., taken]
        else:
            values = physical(Image(other.data[..., taken], other.header, other.role))
            image.data[..., taken] = _raw(values.astype(np.float64) * scale, image)
    holes &= ~taken
    return int(np.count_nonzero(taken))


def _resample(
    target: Patch, holes: _Bools, source: Patch, valid: _Bools, relation: Relation, factor: float
) -> int:
    """Resample pixels of a source on another grid."""
    # Imported here: it takes a second, and grids that coincide do not need it.
    from soda_service.engine.mosaicking.resampling import Resampler

    resampler = Resampler((source.grid, source.box), (target.grid, target.box))
    is_averaged = relation.manner == "averaged"
    pairs = list(zip(target.images, source.images, strict=False))
    found: list[_Floats] = []
    for image, other in pairs:
        layers = _layers(physical(other).astype(np.float64))
        if image is not target.images[0] and not _is_smooth(image, other):
            brought = resampler.nearest(layers)  # integers up to 2**53 stay exact
        else:
            bring = resampler.sharp if image is target.images[0] else resampler.bilinear
            bring = resampler.averaged if is_averaged else bring
            brought = bring(np.where(valid, layers, np.nan))
        found.append(brought.reshape((*image.data.shape[:-2], *target.box.shape)))
    taken = holes & _flat(np.isfinite(found[0]))
    if source.inner is not None:
        taken &= resampler.nearest(_within(source.inner, source.box)[None])[0] > 0
    for (image, other), values in zip(pairs, found, strict=True):
        scale = _factor(other, source.images[0], factor)
        if image.role == "WGT" and is_averaged:
            scale *= relation.pixel_ratio  # each average contains the weights of this many pixels
        image.data[..., taken] = _raw(values[..., taken] * scale, image)
    holes &= ~taken
    return int(np.count_nonzero(taken))


def _within(inner: PixelBox, box: PixelBox) -> _Floats:
    """Return 1 for the pixels of a box that lie in another box, otherwise 0."""
    y, x = np.ogrid[box.y0 : box.y1, box.x0 : box.x1]
    inside = (y >= inner.y0) & (y < inner.y1) & (x >= inner.x0) & (x < inner.x1)
    return inside.astype(np.float64)


def _is_smooth(image: Image, other: Image) -> bool:
    """Return whether values may be interpolated: not in masks, and not in integers."""
    is_float = all(np.issubdtype(each.data.dtype, np.floating) for each in (image, other))
    return image.role == "WGT" or (is_float and image.role != "MSK")


def _raw(values: _Floats, image: Image) -> NDArray[np.generic]:
    """Convert values to the raw numbers that an image stores; the inverse of `physical`."""
    header, dtype = image.header, image.data.dtype
    raw = (values - header.number("BZERO", 0.0)) / (header.number("BSCALE", 1.0) or 1.0)
    if np.issubdtype(dtype, np.floating):
        return raw.astype(dtype)
    limits = np.iinfo(cast("np.dtype[np.integer[Any]]", dtype))  # as checked above
    nothing = fill_value(image.role, header, dtype, 0)
    whole = np.where(np.isfinite(raw), np.rint(raw), nothing)
    # 2**63 - 1 is not representable in float64: the nearest value is beyond int64.
    high = np.nextafter(2.0**63, 0) if limits.max == 2**63 - 1 else float(limits.max)
    return np.clip(whole, float(limits.min), high).astype(dtype)


def _encoding(image: Image) -> tuple[object, ...]:
    """Return the encoding: equal for two images whose raw numbers have the same meaning."""
    header, dtype = image.header, image.data.dtype
    blank = header.get("BLANK") if np.issubdtype(dtype, np.integer) else None
    scale, zero = header.number("BSCALE", 1.0), header.number("BZERO", 0.0)
    return dtype.newbyteorder("="), scale, zero, blank


def _factor(image: Image, science: Image, factor: float) -> float:
    """Return the factor for a plane's values, if science values are multiplied by `factor`."""
    if image is science:
        return factor
    if image.role == "WGT":
        return factor**-2
    unit = science.header.get("BUNIT")
    is_alike = image.role != "MSK" and unit and image.header.get("BUNIT") == unit
    return factor if is_alike else 1.0


def _of_role(images: Sequence[Image], role: str) -> Image | None:
    return next((image for image in images if image.role == role), None)


def _layers(plane: _Floats) -> _Floats:
    """Return a plane or cube as layers, shape (n, ny, nx)."""
    return plane.reshape((-1, *plane.shape[-2:]))


def _flat(layers: _Bools) -> _Bools:
    """Return where at least one layer is True, shape (ny, nx)."""
    flat: _Bools = np.logical_or.reduce(layers.reshape((-1, *layers.shape[-2:])))
    return flat
