"""The tangent plane (TAN), which nearly all surveys use, in closed form.

FITS WCS papers I (linear part) and II (section 5.1.3). For a few positions this is ten times as
fast as wcslib, and does not import astropy, which takes most of a second. `engine.wcs.grid` uses
astropy's WCS for everything else.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soda_service.engine.wcs.vectors import (
    FK5_TO_ICRS,
    UNTURNED,
    Matrix,
    Vector,
    angles_deg,
    basis_at,
    turned,
    unit_xyz,
)

__all__ = ["Cards", "TangentGrid"]

_READ = re.compile(
    r"(?:CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA)[12]$|(?:PC|CD)[12]_[12]$|PC00[12]00[12]$"
    r"|LONPOLE$|RADEC?SYS$|EQUINOX$|EPOCH$"
)
_NOT_PLAIN = re.compile(
    r"P[VS][0-9]+_[0-9]+$"  # parameters: TAN with PV is SCAMP's TPV
    r"|[AB]P?_(?:ORDER|[0-9]+_[0-9]+)$"  # SIP, even without -SIP in CTYPE
    r"|(?:CPDIS|CQDIS|D2IMDIS|DP|DQ)[0-9]$|D2IM(?:ERR|ARR|EXT)[0-9]?$"
    r"|(?:PC|CD)(?:[12]_(?:[03-9]|[0-9]{2})|(?:[03-9]|[0-9]{2})_[12])$"  # mixed with other axes
)
_RADIANS = math.pi / 180


class Cards(Protocol):
    """The part of a header used here; astropy's headers and the engine's `TextHeader` have it."""

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keywords."""
        ...

    def __contains__(self, keyword: str, /) -> bool:
        """Return whether a card exists."""
        ...

    def get(self, keyword: str, default: Any = None, /) -> Any:
        """Return a card's value, of any type."""
        ...


@dataclass(frozen=True, slots=True)
class TangentGrid:
    """Pixels on a plane tangent to the sky.

    Direction v is at x = x0 + (v . across) / (v . centre), y = y0 + (v . up) / (v . centre). Two
    grids are equal if their pixels have the same positions, to the last bit.
    """

    x0: float
    """Pixel of the tangent point, 0-based."""

    y0: float

    to_pixel: Matrix
    """Across and up, in pixels per radian, and the unit vector of the centre; ICRS."""

    to_sky: Matrix
    """Change of the vector per pixel along x and along y; and the vector of the centre."""

    scales_arcsec: tuple[float, float]
    """Pixel scales at the centre, along x and y."""

    @classmethod
    def from_header(cls, header: Cards) -> Self | None:
        """Return the grid of an image if its WCS is a plain tangent plane.

        Returns
        -------
        TangentGrid or None
            None unless both axes are TAN in degrees of ICRS or FK5 J2000, otherwise linear, not
            mixed with further axes, and invertible. Also None if a keyword is repeated, missing, is
            not a number, or contradicts another: such headers are checked, and read by wcslib.
        """
        names = [name for name in header if _READ.match(name)]
        if len(set(names)) < len(names) or any(map(_NOT_PLAIN.match, header)):
            return None
        axes = _sky_axes(header)
        turn = _turn_to_icrs(header)
        if axes is None or turn is None:
            return None
        longitude, latitude = (_number(header, f"CRVAL{axis}", math.nan) for axis in axes)
        x0, y0 = (_number(header, f"CRPIX{axis}", 0.0) - 1 for axis in (1, 2))
        sign = _native_sign(header, latitude)
        a, b, c, d = (sign * element for element in _matrix_deg(header, *axes))
        determinant = a * d - b * c
        if not math.isfinite(determinant + longitude + x0 + y0) or determinant == 0:
            return None
        east, north, centre = (turned(turn, each) for each in basis_at(longitude, latitude))
        radian = 1 / (determinant * _RADIANS)
        return cls(
            x0=x0,
            y0=y0,
            to_pixel=(
                _combined(d * radian, east, -b * radian, north),
                _combined(-c * radian, east, a * radian, north),
                centre,
            ),
            to_sky=(
                _combined(a * _RADIANS, east, c * _RADIANS, north),
                _combined(b * _RADIANS, east, d * _RADIANS, north),
                centre,
            ),
            scales_arcsec=(math.hypot(a, c) * 3600, math.hypot(b, d) * 3600),
        )

    def sky_to_pixel(
        self, ra_deg: ArrayLike, dec_deg: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixels of positions; NaN for those behind the plane."""
        across, up, depth = turned(self.to_pixel, unit_xyz(ra_deg, dec_deg))
        depth = np.where(depth > 0, depth, np.nan)
        return np.asarray(across / depth + self.x0), np.asarray(up / depth + self.y0)

    def pixel_to_sky(
        self, x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the positions of pixels."""
        dx = np.asarray(x, np.float64) - self.x0
        dy = np.asarray(y, np.float64) - self.y0
        along_x, along_y, centre = self.to_sky
        u, v, w = (along_x[n] * dx + along_y[n] * dy + centre[n] for n in range(3))
        return angles_deg((u, v, w))


def _combined(factor: float, vector: Vector, other_factor: float, other: Vector) -> Vector:
    x, y, z = (factor * a + other_factor * b for a, b in zip(vector, other, strict=True))
    return x, y, z


def _sky_axes(header: Cards) -> tuple[int, int] | None:
    """Return the numbers of the longitude and latitude axes; None if this is not a plain TAN."""
    types = tuple(header.get(f"CTYPE{axis}") for axis in (1, 2))
    if types not in {("RA---TAN", "DEC--TAN"), ("DEC--TAN", "RA---TAN")}:
        return None
    if any(header.get(f"CUNIT{axis}", "deg") not in {"deg", ""} for axis in (1, 2)):
        return None
    return (1, 2) if types[0] == "RA---TAN" else (2, 1)


def _turn_to_icrs(header: Cards) -> Matrix | None:
    """Return the rotation from the header's reference system to ICRS; None if it is not simple.

    FITS WCS paper II, table 2: without RADESYS, an EQUINOX from 1984 on means FK5, and none ICRS.
    """
    named = {header.get(name) for name in ("RADESYS", "RADECSYS") if name in header}
    equinox = {header.get(name) for name in ("EQUINOX", "EPOCH") if name in header}
    if named == {"ICRS"} or not (named or equinox):
        return UNTURNED
    if named <= {"FK5"} and equinox <= {2000}:
        return FK5_TO_ICRS
    return None


def _native_sign(header: Cards, latitude_deg: float) -> float:
    """Return 1 if north is up on the plane, -1 if it is rotated by 180 degrees, otherwise NaN.

    The native longitude of the pole is 180 deg by default, but 0 if the pole is the centre.
    """
    if not abs(latitude_deg) <= 90:
        return math.nan
    pole_deg = _number(header, "LONPOLE", 0.0 if latitude_deg == 90 else 180.0)
    return {180.0: 1.0, 0.0: -1.0}.get(pole_deg, math.nan)


def _matrix_deg(header: Cards, longitude: int, latitude: int) -> Iterator[float]:
    """Return d(longitude, latitude)/d(x, y) on the plane, by rows; NaN if forms are mixed.

    FITS 4.0, section 8.2: CDi_j; or CDELTi with PCi_j, as written until 2002 or today; or CDELTi
    with CROTAi of the latitude.
    """
    forms = [
        form
        for form in ("CD{}_{}", "PC{}_{}", "PC00{}00{}")
        if any(form.format(i, j) in header for i in (1, 2) for j in (1, 2))
    ]
    if len(forms) > 1:
        return iter([math.nan] * 4)
    rows = _listed(header, forms[0]) if forms else _rotated(header, latitude)
    return iter(rows[longitude - 1] + rows[latitude - 1])


def _listed(header: Cards, form: str) -> list[list[float]]:
    if form.startswith("CD"):
        return [[_number(header, form.format(i, j), 0.0) for j in (1, 2)] for i in (1, 2)]
    return [
        [_step(header, i) * _number(header, form.format(i, j), float(i == j)) for j in (1, 2)]
        for i in (1, 2)
    ]


def _rotated(header: Cards, latitude: int) -> list[list[float]]:
    step_x, step_y = _step(header, 1), _step(header, 2)
    angle = math.radians(_number(header, f"CROTA{latitude}", 0.0))
    sine, cosine = math.sin(angle) * (1 if latitude == 2 else -1), math.cos(angle)
    return [[cosine * step_x, -sine * step_y], [sine * step_x, cosine * step_y]]


def _step(header: Cards, axis: int) -> float:
    return _number(header, f"CDELT{axis}", math.nan)


def _number(header: Cards, keyword: str, default: float) -> float:
    """Return a number; NaN if the card has another value."""
    value = header.get(keyword, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan
