"""Filters of well-known surveys: names, wavelengths, order, and spellings in FITS headers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = [
    "NO_BAND",
    "band_of_header",
    "band_of_token",
    "by_wavelength",
    "colour_triplet",
    "wavelength_m",
    "wavelength_of_header",
]

NO_BAND = "x"
"""Band of images whose headers and names do not tell one."""

_NANOMETRES: Mapping[str, tuple[float, float]] = {
    "FUV": (134, 179), "NUV": (177, 283), "u": (320, 400), "U": (320, 400), "B": (390, 490),
    "g": (395, 550), "V": (500, 595), "r": (550, 700), "R": (560, 730), "VIS": (550, 900),
    "i": (690, 850), "I": (700, 900), "z": (820, 1000), "y": (920, 1080), "Y": (950, 1070),
    "J": (1100, 1400), "H": (1480, 1800), "Ks": (1990, 2310), "K": (1950, 2400),
    "W1": (2750, 3900), "W2": (3950, 5350), "W3": (7500, 16500), "W4": (19500, 28000),
}  # fmt: skip
"""Half-power wavelengths, rounded: precise enough for sorting, and used if headers have none."""

_SPELLINGS = {name.lower(): name for name in reversed(tuple(_NANOMETRES)) if name not in ("B", "V")}
"""Usual spelling by lower-case name. Files `a` and `b`, or version `v`, are not Johnson filters."""

_HUBBLE = re.compile(r"F(\d{3,4})(W|M|N|LP|X|W2)", re.IGNORECASE)
_KEYWORDS = ("BAND", "FILTER", "FILTNAM", "FILTNAM1", "FPA.FILTERID", "FILTER1", "FILTER2")
_NOTHING = {"", "none", "n", "a", "unknown", "clear", "clear1l", "clear2l", "open", "empty"}
_CENTRE_AND_WIDTH = re.compile(r"\s(\d{4,5}(?:\.\d+)?)\s+(\d{3,4}(?:\.\d+)?)\s*$")
_CLASSICAL: Sequence[tuple[str, str, str]] = (
    ("i", "r", "g"), ("z", "r", "g"), ("Ks", "H", "J"), ("K", "H", "J"), ("W3", "W2", "W1"),
)  # fmt: skip
"""Triplets, red first, in order of preference if all three bands exist."""


class Values(Protocol):
    """The part of a FITS header that is used here."""

    def get(self, keyword: str, default: Any = None, /) -> Any:
        """Return the value of a card, of any type."""
        ...


def band_of_token(token: str) -> str | None:
    """Return the filter named by a token of a file name, in its usual spelling; None if none."""
    if token in _NANOMETRES:
        return token
    if _HUBBLE.fullmatch(token):
        return token.upper()
    return _SPELLINGS.get(token.lower())


def band_of_header(*headers: Values) -> str | None:
    """Return the filter that headers name.

    Parameters
    ----------
    headers
        Headers, the most specific one first.

    Returns
    -------
    str or None
        The usual spelling if it is known (`g DECam SDSS c0001 ..`, `r_SDSS`), otherwise the
        first word of the card.
    """
    for header in headers:
        for keyword in _KEYWORDS:
            words = re.split(r"[\s_.,;:/-]+", str(header.get(keyword, "")).strip())
            known = next((band for word in words if (band := band_of_token(word))), None)
            if known is not None:
                return known
            if words[0].lower() not in _NOTHING and re.fullmatch(r"[A-Za-z0-9]{1,16}", words[0]):
                return words[0]
    return None


def wavelength_of_header(*headers: Values) -> tuple[float, float] | None:
    """Return shortest and longest wavelength, m, from `FILTER = 'g .. 4720. 1520.'` (angstrom)."""
    for header in headers:
        found = _CENTRE_AND_WIDTH.search(str(header.get("FILTER", "")))
        if found:
            centre, width = float(found[1]), float(found[2])
            return round((centre - width / 2) * 1e-10, 12), round((centre + width / 2) * 1e-10, 12)
    return None


def wavelength_m(band: str) -> tuple[float, float] | None:
    """Return shortest and longest wavelength, m, of a known filter."""
    hubble = _HUBBLE.fullmatch(band)
    if hubble:
        # F814W is at 814 nm, F160W of the infrared cameras at 1.60 um. No optical one is below 200.
        centre = float(hubble[1]) * (10 if int(hubble[1]) < 200 else 1)
        low, high = 0.9 * centre, 1.1 * centre
    elif band in _NANOMETRES:
        low, high = _NANOMETRES[band]
    else:
        return None
    return round(low * 1e-9, 12), round(high * 1e-9, 12)


def by_wavelength(band: str) -> tuple[float, str]:
    """Return a sort key: bands from blue to red, then those of unknown wavelength by name."""
    known = wavelength_m(band)
    return (sum(known) / 2 if known else 1.0, band)


def colour_triplet(bands: Sequence[str]) -> tuple[str, str, str] | None:
    """Choose the bands for red, green and blue; return None if there are fewer than three.

    Parameters
    ----------
    bands
        Ordered from blue to red.
    """
    if len(bands) < 3:
        return None
    for triplet in _CLASSICAL:
        if set(triplet) <= set(bands):
            return triplet
    return bands[-1], bands[len(bands) // 2], bands[0]
