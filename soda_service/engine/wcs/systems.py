"""Celestial reference systems of FITS headers: conversion to ICRS and back, by astropy.

FITS WCS paper II, sections 2 and 3.1.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.vectors import Matrix, Vector, angles_deg, turned, unit_xyz
from soda_service.errors import TileUnreadable

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["System", "system_of"]

_Floats = NDArray[np.float64]


class System(Protocol):
    """A reference system. All angles are in degrees, in 1-d arrays."""

    def from_icrs(self, ra: _Floats, dec: _Floats) -> tuple[_Floats, _Floats]:
        """Return longitude and latitude of ICRS positions."""
        ...

    def to_icrs(self, longitude: _Floats, latitude: _Floats) -> tuple[_Floats, _Floats]:
        """Return ICRS positions of longitude and latitude."""
        ...


class _Icrs:
    def from_icrs(self, ra: _Floats, dec: _Floats) -> tuple[_Floats, _Floats]:
        return ra, dec

    def to_icrs(self, longitude: _Floats, latitude: _Floats) -> tuple[_Floats, _Floats]:
        return longitude, latitude


@dataclass(frozen=True, slots=True)
class _Turned:
    """A system that differs from ICRS by a rotation: 20 times as fast as astropy's conversion."""

    to_system: Matrix
    to_equatorial: Matrix

    def from_icrs(self, ra: _Floats, dec: _Floats) -> tuple[_Floats, _Floats]:
        return angles_deg(turned(self.to_system, unit_xyz(ra, dec)))

    def to_icrs(self, longitude: _Floats, latitude: _Floats) -> tuple[_Floats, _Floats]:
        return angles_deg(turned(self.to_equatorial, unit_xyz(longitude, latitude)))


@dataclass(frozen=True, slots=True)
class _Converted:
    """A system that needs astropy's conversion: FK4 with its E-terms of aberration."""

    frame: Any
    """An astropy frame (Any: astropy is untyped)."""

    def from_icrs(self, ra: _Floats, dec: _Floats) -> tuple[_Floats, _Floats]:
        from astropy.coordinates import SkyCoord

        there = SkyCoord(ra, dec, unit="deg", frame="icrs").transform_to(self.frame)
        return there.spherical.lon.deg, there.spherical.lat.deg

    def to_icrs(self, longitude: _Floats, latitude: _Floats) -> tuple[_Floats, _Floats]:
        from astropy.coordinates import SkyCoord

        here = SkyCoord(longitude, latitude, unit="deg", frame=self.frame).icrs
        return here.ra.deg, here.dec.deg


def system_of(wcs: "WCS") -> System:
    """Return the reference system of a celestial WCS.

    Raises
    ------
    TileUnreadable
        For systems that are not fixed to the sky (apparent places, planets) or unknown.
    """
    name = str(wcs.wcs.ctype[wcs.wcs.lng][:4])
    radesys = wcs.wcs.radesys or ("ICRS" if math.isnan(wcs.wcs.equinox) else "")
    if name == "RA--" and radesys == "ICRS":
        return _Icrs()
    frame = _frame(wcs, name)
    if "fk4" in frame.name:
        return _Converted(frame)
    return _Turned(*_rotations(frame))


def _frame(wcs: "WCS", name: str) -> Any:  # Any: astropy is untyped
    """Return the astropy frame for the name of a WCS's longitude."""
    from astropy.coordinates import BarycentricMeanEcliptic, Supergalactic
    from astropy.wcs.utils import wcs_to_celestial_frame

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
        f"the WCS has reference system {name}; supported are ICRS, FK5, FK4, "
        "galactic, supergalactic and ecliptic"
    )


def _rotations(frame: Any) -> tuple[Matrix, Matrix]:
    """Return the rotations from ICRS to a frame, and back (Any: astropy is untyped)."""
    from astropy.coordinates import SkyCoord

    axes = SkyCoord([0, 90, 0], [0, 0, 90], unit="deg", frame="icrs")
    there = axes.transform_to(frame).cartesian.xyz.value
    return _rows(there), _rows(there.T)


def _rows(matrix: NDArray[np.float64]) -> Matrix:
    rows: list[Vector] = [(float(a), float(b), float(c)) for a, b, c in matrix]
    return rows[0], rows[1], rows[2]
