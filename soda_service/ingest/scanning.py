"""The images in a FITS file: their sky areas and filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.grid import Grid, WcsGrid, celestial_wcs, sky_grid
from soda_service.engine.wcs.tangent import TangentGrid
from soda_service.engine.wcs.vectors import arc_distances, positions, separations, unit_vectors
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import FitsFile, ImageHDU, open_fits
from soda_service.pixels.planes import plane_roles, science_of
from soda_service.pixels.products import SCIENCE, role_of
from soda_service.sky.filters import band_of_header, wavelength_of_header
from soda_service.sky.release import Plane
from soda_service.sky.table import Corners

__all__ = ["ImageFootprint", "Layer", "scan_file"]

_SAME_GRID_PX = 0.01
_STRAIGHT = 0.005
"""Largest deviation of an edge from a great circle, relative to its length, for an outline."""

_WIDEST_DEG = 60.0
_CAP_SAMPLES = 65
_CAP_MARGIN = 1.05
"""Factor on the radius, since samples miss what lies between them."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFootprint:
    """Size of an image, and its area on the sky."""

    shape: tuple[int, int]
    """(ny, nx), pixels."""

    scale_arcsec: tuple[float, float]
    """Pixel scale along x and y."""

    ra_deg: float
    """Centre, ICRS."""

    dec_deg: float
    corners: Corners | None
    """None if the image is not bounded by four great circles, or is too wide."""

    radius_deg: float | None
    """Radius of a circle around the centre that contains an image without corners."""

    samples: NDArray[np.float64]
    """Unit vectors, shape (3, 3, 3): corners, middles of the edges and centre; NaN off the sky."""

    @property
    def size_arcmin(self) -> tuple[float, float]:
        """Width and height."""
        (ny, nx), (x, y) = self.shape, self.scale_arcsec
        return nx * x / 60, ny * y / 60

    def is_same_grid(self, other: "ImageFootprint") -> bool:
        """Return whether two images have the same pixels on the sky, to 0.01 pixel."""
        tolerance = np.radians(_SAME_GRID_PX * min(self.scale_arcsec) / 3600)
        return self.shape == other.shape and np.allclose(
            self.samples, other.samples, rtol=0, atol=tolerance, equal_nan=True
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """Image HDUs of a file with the same grid and filter."""

    planes: tuple[Plane, ...]
    """The science plane first, then by HDU number."""

    footprint: ImageFootprint
    band: str | None
    """From the headers; None if they have none."""

    wavelength_m: tuple[float, float] | None


def scan_file(path: Path, warnings: list[str] | None = None) -> tuple[Layer, ...]:
    """Return the images of a file that have a celestial WCS.

    Parameters
    ----------
    path
        FITS file, compressed or not.
    warnings
        Receives a line for each image HDU that is omitted.

    Returns
    -------
    tuple of Layer
        In the order of their first HDUs; at least one.

    Raises
    ------
    TileUnreadable
        If the file is damaged, or no image in it has a celestial WCS.
    SourceUnavailable
        If the disk is unavailable.
    """
    file = open_fits(str(path))
    try:
        images: list[tuple[ImageHDU, ImageFootprint]] = []
        omitted: list[tuple[ImageHDU, str]] = []
        for hdu in file.images:
            try:
                images.append((hdu, _shared(hdu, images) or _own_footprint(hdu)))
            except TileUnreadable as error:
                omitted.append((hdu, str(error)))
        groups = []
        for hdus, footprint in _grouped(images):
            if science_of(hdus) is None:
                omitted += [(hdu, f"a {hdu.name} without its science image") for hdu in hdus]
            else:
                groups.append((hdus, footprint))
        if not groups:
            raise TileUnreadable(f"{path.name}: {_main_reason(omitted)}")
        if warnings is not None:
            for hdu, reason in omitted:
                name = f" ({hdu.name})" if hdu.name else ""
                warnings.append(f"{path.name}: HDU {hdu.number}{name} is omitted: {reason}")
        return tuple(_layer(file, *group) for group in groups)
    finally:
        file.close()


def _shared(
    hdu: ImageHDU, images: Sequence[tuple[ImageHDU, ImageFootprint]]
) -> ImageFootprint | None:
    """Return the area of the previous image if this HDU has its size and no WCS of its own."""
    if "CTYPE1" in hdu.header or not images:
        return None
    before, footprint = images[-1]
    return footprint if before.shape[-2:] == hdu.shape[-2:] else None


def _own_footprint(hdu: ImageHDU) -> ImageFootprint:
    grid = sky_grid(hdu.header)
    footprint = _footprint(grid, (hdu.shape[-2], hdu.shape[-1]))
    if isinstance(grid, TangentGrid):
        other = _footprint(WcsGrid(celestial_wcs(hdu.header)), footprint.shape)
        if not footprint.is_same_grid(other):
            raise TileUnreadable("invalid WCS: astropy reads it as another part of the sky")
    return footprint


def _main_reason(omitted: Sequence[tuple[ImageHDU, str]]) -> str:
    """Return why a file has no image: the reason of its science image, otherwise of its first."""
    science = [reason for hdu, reason in omitted if role_of(hdu.name) == SCIENCE]
    return next(iter([*science, *(reason for _, reason in omitted)]), "no image")


def _grouped(
    images: Sequence[tuple[ImageHDU, ImageFootprint]],
) -> list[tuple[list[ImageHDU], ImageFootprint]]:
    """Group images that share their grid, and their filter if they name one.

    A weight map that names no filter belongs to the image before it.
    """
    several = len({band for hdu, _ in images if (band := band_of_header(hdu.header))}) > 1
    groups: list[tuple[list[ImageHDU], ImageFootprint]] = []
    for hdu, footprint in images:
        band = band_of_header(hdu.header) if several else None
        for members, grid in reversed(groups):
            is_same_band = band is None or band == band_of_header(members[0].header)
            if is_same_band and footprint.is_same_grid(grid):
                members.append(hdu)
                break
        else:
            groups.append(([hdu], footprint))
    return groups


def _layer(file: FitsFile, hdus: Sequence[ImageHDU], footprint: ImageFootprint) -> Layer:
    headers = [*(hdu.header for hdu in hdus), file.primary]
    roles = zip(plane_roles(hdus), hdus, strict=True)
    planes = [Plane(role, hdu.number) for role, hdu in roles]
    planes.sort(key=lambda plane: plane.role != "SCI")
    return Layer(tuple(planes), footprint, band_of_header(*headers), wavelength_of_header(*headers))


def _footprint(grid: Grid, shape: tuple[int, int]) -> ImageFootprint:
    """Measure the sky area of an image; raises TileUnreadable if its centre has no sky."""
    samples = _sampled(grid, shape, 3)
    outline = samples[[0, 0, 2, 2], [0, 2, 2, 0]]
    centre = samples[1, 1]
    corners = radius = None
    if _is_outline(samples):
        corners = tuple((float(ra), float(dec)) for ra, dec in np.stack(positions(outline), -1))
    else:
        many = _sampled(grid, shape, _CAP_SAMPLES).reshape(-1, 3)
        many = many[np.isfinite(many).all(axis=1)]
        if not len(many):
            raise TileUnreadable("no pixel of the image lies on the sky")
        if not np.isfinite(centre).all():
            centre = many[len(many) // 2]
        farthest = float(np.degrees(separations(many, centre).max()))
        radius = min(180.0, farthest * _CAP_MARGIN + 1e-6)
    ra, dec = positions(centre)
    return ImageFootprint(
        shape, grid.scales_arcsec, float(ra), float(dec), corners, radius, samples
    )


def _sampled(grid: Grid, shape: tuple[int, int], count: int) -> NDArray[np.float64]:
    """Return unit vectors of `count` times `count` points from edge to edge of an image."""
    ny, nx = shape
    y, x = np.meshgrid(
        np.linspace(-0.5, ny - 0.5, count), np.linspace(-0.5, nx - 0.5, count), indexing="ij"
    )
    return unit_vectors(*grid.pixel_to_sky(x, y))


def _is_outline(samples: NDArray[np.float64]) -> bool:
    """Return whether four great circles through the corners bound the image."""
    if not np.isfinite(samples).all():
        return False
    corners = samples[[0, 0, 2, 2], [0, 2, 2, 0]]
    middles = samples[[0, 1, 2, 1], [1, 2, 1, 0]]
    if separations(corners, samples[1, 1]).max() > np.radians(_WIDEST_DEG):
        return False
    # The middle pixel need not be half-way, but must be on the great circle.
    following = np.roll(corners, -1, axis=0)
    bend = arc_distances(middles, corners, following)
    return bool(np.all(bend < _STRAIGHT * separations(corners, following)))
