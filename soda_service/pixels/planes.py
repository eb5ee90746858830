"""Choice of the images in a file that are planes of a tile."""

from collections.abc import Iterator, Sequence

import numpy as np

from soda_service.engine.wcs.footprint import Grid, pixel_to_sky, sky_grid, sky_to_pixel
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import FitsFile, ImageHDU
from soda_service.pixels.products import SCIENCE, role_of
from soda_service.sky.release import Plane

__all__ = ["is_same_grid", "named", "on_one_grid", "plane_roles", "science_of"]

_SAME_GRID_PX = 0.01
"""Tolerance of corners on one grid, in pixels: headers written in float32 stay within it."""


def named(file: FitsFile, planes: Sequence[Plane]) -> list[ImageHDU]:
    """Return the HDUs that a release names, in its order.

    Raises
    ------
    TileUnreadable
        If one does not exist, or they differ in size.
    """
    hdus = []
    for plane in planes:
        found = [hdu for hdu in file.images if _is_meant(hdu, plane.hdu)]
        if not found:
            has = ", ".join(hdu.name or str(hdu.number) for hdu in file.images) or "none"
            raise TileUnreadable(f"no image HDU {plane.hdu} ({plane.role}); there are: {has}")
        hdus.append(found[0])
    for hdu, plane in zip(hdus, planes, strict=True):
        if hdu.shape[-2:] != hdus[0].shape[-2:]:
            raise TileUnreadable(
                f"plane {plane.role} is {_size(hdu)} pixels, but {planes[0].role} {_size(hdus[0])}"
            )
    return hdus


def _is_meant(hdu: ImageHDU, wanted: str | int) -> bool:
    return hdu.number == wanted if isinstance(wanted, int) else hdu.name == wanted.strip().upper()


def _size(hdu: ImageHDU) -> str:
    return f"{hdu.shape[-1]} x {hdu.shape[-2]}"


def on_one_grid(file: FitsFile) -> Iterator[ImageHDU]:
    """Return the first image with a celestial WCS, and the images on the same grid.

    Raises
    ------
    TileUnreadable
        If there is none.
    """
    first: Grid | None = None
    shape: tuple[int, ...] = ()
    problem = "no image HDU"
    for hdu in file.images:
        if first is not None and hdu.shape[-2:] != shape:
            continue
        try:
            grid = sky_grid(hdu.header)
        except TileUnreadable as error:
            problem = str(error)
            continue
        if first is None:
            first, shape = grid, hdu.shape[-2:]
            yield hdu
        elif is_same_grid(first, grid, shape):
            yield hdu
    if first is None:
        raise TileUnreadable(problem)


def is_same_grid(first: Grid, second: Grid, shape: tuple[int, ...]) -> bool:
    """Return whether images of one shape (ny, nx) have the same pixels on the sky to 0.01 pixel."""
    ys, xs = (side.ravel() for side in np.meshgrid(*((0, (n - 1) / 2, n - 1) for n in shape)))
    x, y = sky_to_pixel(first, *pixel_to_sky(second, xs, ys))
    distances = np.hypot(x - xs, y - ys)
    return not bool(np.any(distances > _SAME_GRID_PX))


def plane_roles(hdus: Sequence[ImageHDU]) -> Iterator[str]:
    """Return the roles of planes by EXTNAME.

    The science plane is the first that is named as one, otherwise the first whose name says nothing
    else, otherwise the first.
    """
    science = science_of(hdus) or 0
    used = {SCIENCE}
    for position, hdu in enumerate(hdus):
        role = role_of(hdu.name) or hdu.name or str(hdu.number)
        if position == science:
            role = SCIENCE
        elif role in used:
            role = f"{role}{hdu.number}"
        used.add(role)
        yield role


def science_of(hdus: Sequence[ImageHDU]) -> int | None:
    """Return the place of the science plane; None if all names are those of maps."""
    roles = [role_of(hdu.name) for hdu in hdus]
    for wanted in (SCIENCE, None):
        if wanted in roles:
            return roles.index(wanted)
    return None
