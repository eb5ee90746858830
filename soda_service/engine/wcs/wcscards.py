"""The cards of a WCS, checked and spelled as FITS means them, before wcslib reads them.

wcslib passes over a card that it cannot read, and its default then puts the image elsewhere: at
RA 0, or with pixels of a degree. It reads `1.5D+02` (FITS 4.0, section 4.2.4) as 1.5.
"""

import math
import re
from typing import Any

from soda_service.engine.wcs.tangent import Cards
from soda_service.errors import TileUnreadable

__all__ = ["check_numbers", "spelled"]

_NUMBERS = re.compile(
    r"(?:CRPIX|CRVAL|CDELT|CROTA)[12]$|(?:PC|CD)[12]_[12]$|PC00[12]00[12]$|PV[12]_[0-9]+$"
    r"|(?:LON|LAT)POLE$|[AB]P?_(?:ORDER|[0-9]+_[0-9]+)$"
)
_EPOCHS = re.compile(r"(?:EQUINOX|EPOCH)$")
_EPOCH = re.compile(r"[JB]?([0-9]{4}(?:\.[0-9]*)?)$")
_SKY = re.compile(r"RA(?![A-Z])|DEC|[GESH]L(?:ON|AT)|[A-Z]{2}L[NT]")
_DOUBLE = re.compile(r" *[+-]?[0-9.]+[Dd]")

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
    for name in header:
        value = header.get(name)
        if _NUMBERS.match(name) and not _is_finite(value):
            raise TileUnreadable(f"invalid WCS: {name} is {value!r}, not a number")
        if _EPOCHS.match(name) and value is not None and _year(value) is None:
            raise TileUnreadable(f"invalid WCS: {name} is {value!r}, not a year")
    if "PLTRAH" in header:  # a plate solution of the Digitized Sky Survey
        return
    for axis in (1, 2):
        if not _SKY.match(str(header.get(f"CTYPE{axis}", ""))):
            continue
        if f"CRVAL{axis}" not in header:
            raise TileUnreadable(f"invalid WCS: CRVAL{axis} is missing")
        if f"CDELT{axis}" not in header and not any(f"CD{axis}_{j}" in header for j in (1, 2)):
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
    anew: dict[str, float | str | None] = {}
    for card in header.cards:
        name, value = card.keyword, card.value
        if _NUMBERS.match(name) and _DOUBLE.match(str(card)[10:]):
            anew[name] = float(value)
        elif _EPOCHS.match(name):
            anew.update(_epoch(name, value))
        elif name in {"CUNIT1", "CUNIT2"} and isinstance(value, str):
            anew.update(_replaced(name, value, _UNITS.get(value.strip().lower(), value)))
        elif name in {"RADESYS", "RADECSYS"} and isinstance(value, str):
            upper = value.strip().upper()
            anew.update(_replaced(name, value, _SYSTEMS.get(upper, upper)))
    if not anew:
        return header
    header = header.copy()
    for name, value in anew.items():
        header.remove(name, remove_all=True)
        if value is not None:
            header[name] = value
    return header


def _is_finite(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type] # checked just now


def _year(value: object) -> float | None:
    """Return an equinox as a year, also where it is written as text: `J2000.0`."""
    if _is_finite(value):
        return float(value)  # type: ignore[arg-type] # checked just now
    match = _EPOCH.match(str(value).strip().upper())
    return float(match[1]) if match else None


def _epoch(name: str, value: object) -> dict[str, float | None]:
    """Return the change of an equinox; one that is empty or 0 means none, as some writers do."""
    year = None if value is None else _year(value)
    if year is None or year <= 0:
        return {name: None}
    return {} if year == value else {name: year}


def _replaced(name: str, value: str, better: str) -> dict[str, str]:
    return {} if value == better else {name: better}
