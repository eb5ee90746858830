"""The cards of a WCS, checked and spelled as FITS means them, before wcslib reads them.

wcslib passes over a card that it cannot read, and its default then puts the image elsewhere: at
RA 0, or with pixels of a degree. It reads `1.5D+02` (FITS 4.0, section 4.2.4) as 1.5.
"""

import math
import re
from typing import Any, TypeGuard

from soda_service.engine.fits.header import WCS_NUMBER
from soda_service.engine.wcs.tangent import Cards
from soda_service.errors import TileUnreadable

__all__ = ["check_numbers", "spelled"]

_YEAR = re.compile(r"[JB]?([0-9]{4}(?:\.[0-9]*)?)$")
_SKY = re.compile(r"RA(?![A-Z])|DEC|[GESH]L(?:ON|AT)|[A-Z]{2}L[NT]")
_DOUBLE = re.compile(r" *[+-]?[0-9.]+[Dd]")
_WORDS = frozenset({"CUNIT1", "CUNIT2", "RADESYS", "RADECSYS", "EQUINOX", "EPOCH"})

_UNITS = dict.fromkeys(("deg", "degs", "degree", "degrees"), "deg")
_SYSTEMS = {"J2000": "FK5", "GSC": "FK5", "GSC1": "FK5", "B1950": "FK4"}
"""Names of systems outside the standard: those of IRAF, and of the Guide Star Catalog 1."""


def check_numbers(header: Cards) -> None:
    """Check that the numbers of a celestial WCS are there, and are numbers.

    Parameters
    ----------
    header
        Header of the image.

    Raises
    ------
    TileUnreadable
        If a card that is there has no finite number, or a reference value or the pixel scale of a
        celestial axis is missing. The message has the card and its value.
    """
    for name in filter(WCS_NUMBER.match, header):
        if not _is_finite(value := header.get(name)):
            raise TileUnreadable(f"invalid WCS: {name} is {value!r}, not a number")
    equinox = header.get("EQUINOX")
    if equinox is not None and _year(equinox) is None:
        raise TileUnreadable(f"invalid WCS: EQUINOX is {equinox!r}, not a year")
    if "PLTRAH" in header:  # a plate solution of the Digitized Sky Survey
        return
    for axis in (1, 2):
        if not _SKY.match(str(header.get(f"CTYPE{axis}", ""))):
            continue
        if f"CRVAL{axis}" not in header:
            raise TileUnreadable(f"invalid WCS: CRVAL{axis} is missing")
        forms = f"CDELT{axis}", f"CD{axis}_1", f"CD{axis}_2", f"PC{axis}_1", f"PC{axis}_2"
        if not any(form in header for form in forms):
            raise TileUnreadable(f"invalid WCS: there is no pixel scale (CDELT{axis}, CD{axis}_*)")


def spelled(header: Any) -> Any:  # Any: astropy is untyped
    """Return an astropy header with the WCS cards spelled so that wcslib reads what FITS means.

    Parameters
    ----------
    header : astropy.io.fits.Header
        With numbers that `check_numbers` accepts.

    Returns
    -------
    astropy.io.fits.Header
        The same one if nothing was to be spelled anew.
    """
    anew: dict[str, Any] = {}
    for name in header:
        if WCS_NUMBER.match(name):
            if _DOUBLE.match(str(header.cards[name])[10:]):
                anew[name] = float(header[name])
        elif name in _WORDS:
            found = header[name]
            if (better := _reworded(name, found)) != found:
                anew[name] = better
    if not anew:
        return header
    header = header.copy()
    for name, value in anew.items():
        header.remove(name, remove_all=True)
        if value is not None:
            header[name] = value
    return header


def _is_finite(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _year(value: object) -> float | None:
    """Return an equinox as a year, also where it is written as text: `J2000.0`."""
    if _is_finite(value):
        return float(value)
    match = _YEAR.match(str(value).strip().upper())
    return float(match[1]) if match else None


def _reworded(name: str, value: Any) -> Any:  # Any: values of cards
    """Return the value of a unit, system or equinox as FITS spells it; None leaves it out."""
    if name in {"EQUINOX", "EPOCH"}:
        # Some writers put 0, or nothing, where there is none; EPOCH may be a date of observation.
        return _year(value) or None
    if not isinstance(value, str):
        return value
    word = value.strip()
    if name.startswith("CUNIT"):
        return _UNITS.get(word.lower(), word)
    return _SYSTEMS.get(word.upper(), word.upper())
