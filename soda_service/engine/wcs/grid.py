"""Sky positions of an image's pixels: a tangent plane in closed form, or any WCS by wcslib.

Positions outside are ICRS degrees, and inside in the system of the image's WCS. Pixels are 0-based
with integers at pixel centres, x along NAXIS1.
"""

import re
import threading
import warnings
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.wcs.systems import system_of
from soda_service.engine.wcs.tangent import Cards, TangentGrid
from soda_service.engine.wcs.wcscards import check_numbers, spelled
from soda_service.errors import TileUnreadable

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["Grid", "WcsGrid", "celestial_wcs", "needs_lookup_table", "sky_grid"]

_SCALES_ARCSEC = 1e-9, 1e7
"""Limits of the pixel scale: beyond them, sizes in pixels are meaningless."""

_WCS_ERRORS = (
    AssertionError,
    AttributeError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
)
"""Errors of wcslib derive from ValueError; keywords of the wrong type raise the others."""

_INVERSE_TOLERANCE_PX = 1e-8
"""Tolerance of SIP's inversion in pixels; astropy's default is 1e-4."""

_LOOKUP_TABLE = re.compile(r"(CPDIS|CQDIS|D2IMDIS|DP|DQ)[12][A-Z]?$|D2IM(ERR|ARR|EXT)[12]?$")


class Grid(Protocol):
    """Sky positions of an image's pixels. Several threads may use it at once."""

    @property
    def scales_arcsec(self) -> tuple[float, float]:
        """Pixel scales at the reference point, along x and y."""
        ...

    def sky_to_pixel(
        self, ra_deg: ArrayLike, dec_deg: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixel coordinates of positions.

        Parameters
        ----------
        ra_deg, dec_deg : array_like
            ICRS, deg, of shapes that broadcast.

        Returns
        -------
        x, y : ndarray, float64
            0-based pixel coordinates; NaN where the projection does not reach the position.
        """
        ...

    def pixel_to_sky(
        self, x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the positions of pixels.

        Parameters
        ----------
        x, y : array_like
            0-based pixel coordinates, of shapes that broadcast.

        Returns
        -------
        ra_deg, dec_deg : ndarray, float64
            ICRS, deg, 0 <= RA < 360; NaN where the projection has no sky.
        """
        ...


def sky_grid(header: Cards) -> Grid:
    """Return the grid of an image, from the WCS in its header.

    Parameters
    ----------
    header
        Header of the image, as text or astropy's. Axes beyond the second (spectral, Stokes) are
        ignored.

    Returns
    -------
    Grid
        A `TangentGrid` if the WCS is a plain tangent plane, otherwise a `WcsGrid`.

    Raises
    ------
    TileUnreadable
        If the first two axes have no celestial WCS, or an invalid one, or one that needs a lookup
        table, or a reference system that cannot be converted to ICRS.
    """
    grid: Grid = TangentGrid.from_header(header) or WcsGrid(celestial_wcs(header))
    scales = grid.scales_arcsec
    if not all(_SCALES_ARCSEC[0] < scale < _SCALES_ARCSEC[1] for scale in scales):
        raise TileUnreadable(f"invalid WCS: pixels of {scales[0]:g} by {scales[1]:g} arcsec")
    return grid


def needs_lookup_table(header: Cards) -> str | None:
    """Return the card by which the WCS refers to a table in another HDU; None if there is none.

    A cutout cannot carry such a table (distortion papers' CPDIS and CQDIS, Hubble's D2IM, -TAB).
    """
    for name in header:
        is_type = name.startswith("CTYPE") and "-TAB" in str(header.get(name))
        if is_type or _LOOKUP_TABLE.match(name):
            return f"{name} = {header.get(name)}"
    return None


def celestial_wcs(header: Cards) -> "WCS":
    """Return the celestial WCS of an image, including SIP and TPV distortions.

    Returns
    -------
    astropy.wcs.WCS
        Two pixel axes, two celestial axes in either order, units of degrees.

    Raises
    ------
    TileUnreadable
        As for `sky_grid`, except for reference systems.
    """
    table = needs_lookup_table(header)
    if table:
        raise TileUnreadable(
            f"the WCS needs a lookup table ({table}); supported are projections by formula, and "
            "SIP or TPV distortions"
        )
    check_numbers(header)
    from astropy.io.fits.verify import VerifyWarning
    from astropy.wcs import WCS, FITSFixedWarning

    to_astropy = getattr(header, "to_astropy", None)
    try:
        with warnings.catch_warnings():
            # What wcslib corrects by itself (RADECSYS, dates, units) is not worth a warning.
            warnings.simplefilter("ignore", FITSFixedWarning)
            warnings.simplefilter("ignore", VerifyWarning)
            # "cdelt will be ignored since cd is present": many headers carry both.
            warnings.simplefilter("ignore", RuntimeWarning)
            wcs = WCS(spelled(to_astropy() if to_astropy else header), naxis=2)
            wcs.wcs.set()
    except _WCS_ERRORS as error:
        raise TileUnreadable(f"invalid WCS: {_reason(error)}") from error
    if wcs.naxis != 2 or not wcs.has_celestial:
        found = ", ".join(str(header.get(f"CTYPE{axis}", "none")) for axis in (1, 2))
        raise TileUnreadable(f"no celestial WCS: CTYPE1, CTYPE2 are {found}")
    return wcs


def _reason(error: Exception) -> str:
    """Return wcslib's message: its last line, without the place in its source."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


class WcsGrid:
    """Pixels as projected by wcslib, including distortions and reference system.

    Parameters
    ----------
    wcs
        From `celestial_wcs`.

    Raises
    ------
    TileUnreadable
        If its reference system cannot be converted to ICRS.
    """

    def __init__(self, wcs: "WCS") -> None:
        from astropy.wcs.utils import proj_plane_pixel_scales

        self._wcs = wcs
        # wcslib writes into the WCS while it computes, and astropy releases the GIL meanwhile.
        self._lock = threading.Lock()
        self._longitude, self._latitude = int(wcs.wcs.lng), int(wcs.wcs.lat)
        self._system = system_of(wcs)
        with np.errstate(over="ignore", invalid="ignore"):  # refused by `sky_grid`
            x_deg, y_deg = proj_plane_pixel_scales(wcs)
        self._scales_arcsec = float(x_deg) * 3600, float(y_deg) * 3600

    @property
    def scales_arcsec(self) -> tuple[float, float]:
        """Pixel scales at the reference point, along x and y."""
        return self._scales_arcsec

    def sky_to_pixel(
        self, ra_deg: ArrayLike, dec_deg: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixel coordinates of positions; see `Grid`."""
        ra, dec = np.broadcast_arrays(np.asarray(ra_deg, float), np.asarray(dec_deg, float))
        longitude, latitude = self._system.from_icrs(ra.ravel(), dec.ravel())
        world = np.empty((longitude.size, 2))
        world[:, self._longitude] = longitude
        world[:, self._latitude] = latitude
        pixels = self._pixels(world)
        return pixels[:, 0].reshape(ra.shape), pixels[:, 1].reshape(ra.shape)

    def pixel_to_sky(
        self, x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the positions of pixels; see `Grid`."""
        xs, ys = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        with self._lock:
            world = self._wcs.all_pix2world(np.column_stack([xs.ravel(), ys.ravel()]), 0)
        ra, dec = self._system.to_icrs(world[:, self._longitude], world[:, self._latitude])
        return (ra % 360 % 360).reshape(xs.shape), dec.reshape(xs.shape)

    def _pixels(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Invert the whole WCS; (n, 2) to (n, 2), NaN where that fails."""
        # A position beyond the projection's horizon is a NaN, not a warning.
        with self._lock, np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            pixels: NDArray[np.float64] = self._wcs.wcs_world2pix(world, 0)
            if self._wcs.has_distortion:
                shown = np.isfinite(pixels).all(axis=1)
                if shown.any():
                    pixels[shown] = self._undistorted(world[shown])
        return pixels

    def _undistorted(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Invert SIP too, by iteration."""
        from astropy.wcs import NoConvergence

        try:
            pixels = self._wcs.all_world2pix(world, 0, tolerance=_INVERSE_TOLERANCE_PX, maxiter=50)
        except NoConvergence as error:
            # Far outside the image, where the distortion polynomials are meaningless.
            pixels = np.array(error.best_solution, dtype=float)
            for lost in (error.divergent, error.slow_conv):
                if lost is not None:
                    pixels[lost] = np.nan
        return cast("NDArray[np.float64]", pixels)
