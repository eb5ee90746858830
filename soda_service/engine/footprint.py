"""Where on an image a position lies, and how large an angle is there: sky to pixels and back.

Positions are ICRS degrees outside and whatever system the image's WCS speaks inside; pixels are
0-based with integers at pixel centres, x along NAXIS1. Imports numpy, astropy and errors.
"""

import math
import warnings
from typing import Any, cast

import numpy as np
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord, Supergalactic
from astropy.io.fits import Header
from astropy.io.fits.verify import VerifyWarning
from astropy.wcs import WCS, FITSFixedWarning, NoConvergence
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.image import PixelBox
from soda_service.errors import NoCoverage, TileUnreadable

__all__ = [
    "box_at",
    "celestial_wcs",
    "offset_px",
    "outline",
    "pixel_scales",
    "pixel_to_sky",
    "size_in_pixels",
    "sky_to_pixel",
]

_INVERSE_TOLERANCE_PX = 1e-8
"""How exactly distortions (SIP, lookup tables) are inverted; astropy's default is 1e-4."""


def celestial_wcs(header: Header, fobj: Any = None) -> WCS:
    """Read the celestial WCS of an image, distortions included.

    Parameters
    ----------
    header
        Header of the image. Axes beyond the second (spectral, Stokes) are left out.
    fobj : astropy.io.fits.HDUList, optional
        The open file, needed where the header refers to lookup tables. (Any: astropy is untyped.)

    Returns
    -------
    astropy.wcs.WCS
        Two pixel axes, two celestial axes in either order, units of degrees.

    Raises
    ------
    TileUnreadable
        When the first two axes have no celestial WCS, or an invalid one, or one in a reference
        system that cannot be turned into ICRS.
    """
    try:
        with warnings.catch_warnings():
            # What wcslib puts right by itself (RADECSYS, dates, units) is no news to anybody.
            warnings.simplefilter("ignore", FITSFixedWarning)
            warnings.simplefilter("ignore", VerifyWarning)
            # "cdelt will be ignored since cd is present": many headers carry both.
            warnings.simplefilter("ignore", RuntimeWarning)
            wcs = WCS(header, fobj=fobj, naxis=2)
            wcs.wcs.set()
    except (ValueError, TypeError, KeyError, AssertionError, OSError, MemoryError) as error:
        # wcslib's own errors derive from ValueError; broken lookup tables give the others.
        raise TileUnreadable(f"invalid WCS: {_reason(error)}") from error
    if wcs.naxis != 2 or not wcs.has_celestial:
        found = ", ".join(str(header.get(f"CTYPE{axis}", "none")) for axis in (1, 2))
        raise TileUnreadable(f"no celestial WCS: CTYPE1, CTYPE2 are {found}")
    _frame(wcs)
    return wcs


def _reason(error: Exception) -> str:
    """Say what wcslib found: the last line of its message, without the place in its source."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _is_icrs(wcs: WCS) -> bool:
    """Whether no conversion is needed: nearly always, and 100 times faster (FITS 4.0, 8.3)."""
    radesys = wcs.wcs.radesys or ("ICRS" if math.isnan(wcs.wcs.equinox) else "")
    return _longitude_name(wcs) == "RA--" and radesys == "ICRS"


def _longitude_name(wcs: WCS) -> str:
    return str(wcs.wcs.ctype[wcs.wcs.lng][:4])


def _frame(wcs: WCS) -> Any:  # Any: astropy is untyped
    """Give the astropy frame of a WCS.

    Raises
    ------
    TileUnreadable
        For systems that are not fixed to the sky (apparent places, planets) or unknown.
    """
    name = _longitude_name(wcs)
    if name == "ELON":
        equinox = 2000.0 if math.isnan(wcs.wcs.equinox) else wcs.wcs.equinox
        return BarycentricMeanEcliptic(equinox=f"J{equinox}")
    if name == "SLON":
        return Supergalactic()
    try:
        if name in {"RA--", "GLON"}:
            return wcs_to_celestial_frame(wcs)
    except ValueError:
        name = wcs.wcs.radesys
    raise TileUnreadable(
        f"reference system {name} of the WCS is not supported; supported are ICRS, FK5, FK4, "
        "galactic, supergalactic and ecliptic"
    )


def sky_to_pixel(
    wcs: WCS, ra_deg: ArrayLike, dec_deg: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the pixels of positions.

    Parameters
    ----------
    wcs
        As `celestial_wcs` gives it.
    ra_deg, dec_deg : array_like
        ICRS, deg, of one shape.

    Returns
    -------
    x, y : ndarray, float64
        0-based pixel coordinates; NaN where the projection does not reach the position.
    """
    ra, dec = np.broadcast_arrays(np.asarray(ra_deg, float), np.asarray(dec_deg, float))
    longitude, latitude = ra.ravel(), dec.ravel()
    if not _is_icrs(wcs):
        there = SkyCoord(longitude, latitude, unit="deg", frame="icrs").transform_to(_frame(wcs))
        longitude, latitude = there.spherical.lon.deg, there.spherical.lat.deg
    world = np.empty((longitude.size, 2))
    world[:, wcs.wcs.lng] = longitude
    world[:, wcs.wcs.lat] = latitude
    pixels = _world_to_pixel(wcs, world)
    return pixels[:, 0].reshape(ra.shape), pixels[:, 1].reshape(ra.shape)


def _world_to_pixel(wcs: WCS, world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert the whole WCS; (n, 2) to (n, 2), NaN where that fails."""
    if not world.size:
        return world
    # A position beyond the projection's horizon is a NaN, not a warning.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        try:
            pixels = wcs.all_world2pix(world, 0, tolerance=_INVERSE_TOLERANCE_PX, maxiter=50)
        except NoConvergence as error:
            # Far outside the image, where the polynomials of the distortion mean nothing.
            pixels = np.array(error.best_solution, dtype=float)
            for lost in (error.divergent, error.slow_conv):
                if lost is not None:
                    pixels[lost] = np.nan
    return cast("NDArray[np.float64]", pixels)


def pixel_to_sky(
    wcs: WCS, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the positions of pixels.

    Parameters
    ----------
    wcs
        As `celestial_wcs` gives it.
    x, y : array_like
        0-based pixel coordinates, of one shape.

    Returns
    -------
    ra_deg, dec_deg : ndarray, float64
        ICRS, deg, RA in 0..360; NaN where the projection has no sky.
    """
    xs, ys = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    world = wcs.all_pix2world(np.column_stack([xs.ravel(), ys.ravel()]), 0)
    longitude, latitude = world[:, wcs.wcs.lng], world[:, wcs.wcs.lat]
    if not _is_icrs(wcs):
        here = SkyCoord(longitude, latitude, unit="deg", frame=_frame(wcs)).icrs
        longitude, latitude = here.ra.deg, here.dec.deg
    return (longitude % 360).reshape(xs.shape), latitude.reshape(xs.shape)


def pixel_scales(wcs: WCS) -> tuple[float, float]:
    """Give the pixel scales along x and y at the reference point, arcsec per pixel."""
    x_deg, y_deg = proj_plane_pixel_scales(wcs)
    return float(x_deg) * 3600, float(y_deg) * 3600


def size_in_pixels(wcs: WCS, xsize_arcmin: float, ysize_arcmin: float) -> tuple[int, int]:
    """Give the size of a cutout in pixels.

    Parameters
    ----------
    wcs
        As `celestial_wcs` gives it.
    xsize_arcmin, ysize_arcmin
        Width along the image's x, height along its y, arcmin.

    Returns
    -------
    nx, ny : int
        Rounded, halves to even, at least 1.
    """
    x_arcsec, y_arcsec = pixel_scales(wcs)
    return _pixels(xsize_arcmin * 60 / x_arcsec), _pixels(ysize_arcmin * 60 / y_arcsec)


def _pixels(count: float) -> int:
    # 1e-6 px first: a half that arithmetic left at 24.499999999999996 is still a half.
    return max(1, round(round(count, 6)))


def box_at(x: float, y: float, nx: int, ny: int) -> PixelBox:
    """Lay a box of `nx` times `ny` pixels around a point.

    The same as `astropy.nddata.Cutout2D` lays it, before trimming.

    Parameters
    ----------
    x, y
        0-based pixel coordinates of the centre.

    Raises
    ------
    NoCoverage
        When the point is no place on the projection (NaN).
    """
    if not (math.isfinite(x) and math.isfinite(y)):
        raise NoCoverage("the position lies outside what the tile's projection can show")
    x0, y0 = math.ceil(x - nx / 2), math.ceil(y - ny / 2)
    return PixelBox(y0, y0 + ny, x0, x0 + nx)


def offset_px(wcs: WCS, box: PixelBox, other_wcs: WCS, other_box: PixelBox) -> float:
    """Tell how far apart the same sky lies in two boxes.

    Parameters
    ----------
    wcs, other_wcs
        As `celestial_wcs` gives them.
    box, other_box
        Of one shape; each in the pixels of its own WCS.

    Returns
    -------
    float
        Pixels of the first: the largest distance of the other's four corner pixels from where
        they should be. Infinite where one of them has no place in the first.
    """
    columns, rows = (0, other_box.shape[1] - 1), (0, other_box.shape[0] - 1)
    xs, ys = (side.ravel() for side in np.meshgrid(columns, rows))
    sky = pixel_to_sky(other_wcs, xs + other_box.x0, ys + other_box.y0)
    x, y = sky_to_pixel(wcs, *sky)
    largest = float(np.hypot(x - box.x0 - xs, y - box.y0 - ys).max())
    return largest if math.isfinite(largest) else math.inf


def outline(wcs: WCS, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give the sky corners of an image, at the outer edges of its pixels.

    Parameters
    ----------
    shape
        (ny, nx), pixels.

    Returns
    -------
    corners : ndarray, shape (4, 2), float64
        (RA, Dec), ICRS deg, of the corners (left, bottom), (right, bottom), (right, top),
        (left, top) of the pixel grid; NaN where the projection has no sky there.
    """
    ny, nx = shape
    left, bottom, right, top = -0.5, -0.5, nx - 0.5, ny - 0.5
    return np.column_stack(
        pixel_to_sky(wcs, [left, right, right, left], [bottom, bottom, top, top])
    )
