"""Parsing of DALI values: shapes on the sky, intervals, polarisation states.

The rules are in DALI 1.1, section 3.3, and SODA 1.0, section 3.3. As in `parsing`, errors are
`InvalidText` with what was found.
"""

import math
import re

from soda_service.engine.wcs.position import Circle, Polygon, Position, Range
from soda_service.request.parsing import InvalidText, parse_float, shorten, wrap_ra
from soda_service.request.sodaspecs import POLARISATIONS
from soda_service.request.table import RA_MAX_DEG

__all__ = [
    "parse_circle",
    "parse_interval",
    "parse_polarisation",
    "parse_polygon",
    "parse_pos",
]

_INFINITE = re.compile(r"([+-]?)Inf(?:inity)?", re.IGNORECASE)

_VERTICES_MAX = 1000
"""Largest number of vertices of a polygon; each of them is tested for every pixel."""


def parse_pos(text: str) -> Position:
    """Parse a value of POS: `CIRCLE ra dec radius`, `RANGE ra1 ra2 dec1 dec2`, `POLYGON ...`.

    The keyword may be in any case: SODA uses upper case, DALI 1.2 lower case.
    """
    word, numbers = [*text.split(None, 1), "", ""][:2]
    match word.upper():
        case "CIRCLE":
            return parse_circle(numbers)
        case "RANGE":
            return _parse_range(numbers)
        case "POLYGON":
            return parse_polygon(numbers)
        case _:
            found = shorten(word)
            raise InvalidText(f"{found!r} is not a shape; allowed: CIRCLE, RANGE or POLYGON")


def parse_circle(text: str) -> Circle:
    """Parse `ra dec radius`, degrees."""
    numbers = _finite(text)
    if len(numbers) != 3:
        raise InvalidText(f"{len(numbers)} numbers found; a circle has three: RA, Dec, radius")
    ra, dec, radius = numbers
    _require_latitude(dec)
    if not 0 < radius <= 180:
        raise InvalidText(f"radius {radius:g} found; allowed: more than 0, at most 180 deg")
    return Circle(_wrapped(ra), dec, radius)


def parse_polygon(text: str) -> Polygon:
    """Parse `ra1 dec1 ra2 dec2 ra3 dec3 ...`, degrees; the first vertex may be repeated as last."""
    numbers = _finite(text)
    if len(numbers) % 2:
        raise InvalidText(f"{len(numbers)} numbers found; a polygon has pairs of RA and Dec")
    if len(numbers) > 2 * _VERTICES_MAX:
        raise InvalidText(f"{len(numbers) // 2} vertices found; allowed: at most {_VERTICES_MAX}")
    for dec in numbers[1::2]:
        _require_latitude(dec)
    vertices = list(zip(map(_wrapped, numbers[::2]), numbers[1::2], strict=True))
    # Remove vertices that equal the next one, also the last if it equals the first.
    around = zip(vertices, [*vertices[1:], *vertices[:1]], strict=True)
    distinct = [vertex for vertex, following in around if vertex != following]
    try:
        return Polygon(tuple(distinct))
    except ValueError as error:
        raise InvalidText(str(error)) from error


def _parse_range(text: str) -> Range:
    numbers = _numbers(text)
    if len(numbers) != 4:
        found = f"{len(numbers)} numbers found"
        raise InvalidText(
            f"{found}; a range has four: lowest and highest RA, lowest and highest Dec"
        )
    ra_min, ra_max, dec_min, dec_max = numbers
    if math.isinf(ra_min) or math.isinf(ra_max):
        ra_min, ra_max = max(ra_min, 0.0), min(ra_max, 360.0)
    for ra in (ra_min, ra_max):
        _require_longitude(ra)
    dec_min, dec_max = (
        math.copysign(90.0, dec) if math.isinf(dec) else dec for dec in (dec_min, dec_max)
    )
    for dec in (dec_min, dec_max):
        _require_latitude(dec)
    if dec_min > dec_max:
        raise InvalidText(f"Dec from {dec_min:g} to {dec_max:g} found; the lower one comes first")
    if ra_max < ra_min:  # across RA 0 (DALI 1.2)
        ra_max += 360 * math.ceil((ra_min - ra_max) / 360)
    if ra_max - ra_min >= 360:
        return Range(0.0, 360.0, dec_min, dec_max)
    start = _wrapped(ra_min)
    return Range(start, start + (ra_max - ra_min), dec_min, dec_max)


def parse_interval(text: str) -> tuple[float, float]:
    """Parse `low high`, or one number for both; `-Inf` and `+Inf` leave an end open."""
    numbers = _numbers(text)
    if len(numbers) not in {1, 2}:
        raise InvalidText(f"{len(numbers)} numbers found; an interval has two")
    low, high = numbers[0], numbers[-1]
    if low > high:
        raise InvalidText(f"{low:g} to {high:g} found; the lower bound comes first")
    if low == math.inf or high == -math.inf:
        raise InvalidText(f"{low:g} to {high:g} found; this interval is empty")
    return low, high


def parse_polarisation(text: str) -> str:
    """Parse a polarisation state: `I`."""
    state = text.strip()
    if state not in POLARISATIONS:
        raise InvalidText(
            f"{shorten(state)!r} is not a polarisation state; allowed: {', '.join(POLARISATIONS)}"
        )
    return state


def _numbers(text: str) -> list[float]:
    """Parse numbers separated by blanks, including `Inf` (`+` may have turned into a blank)."""
    return [_number(word) for word in text.split()]


def _number(word: str) -> float:
    infinite = _INFINITE.fullmatch(word)
    if infinite:
        return -math.inf if infinite[1] == "-" else math.inf
    return parse_float(word)


def _finite(text: str) -> list[float]:
    numbers = _numbers(text)
    if any(map(math.isinf, numbers)):
        raise InvalidText("Inf found; the numbers of this shape must be finite")
    return numbers


def _wrapped(ra_deg: float) -> float:
    _require_longitude(ra_deg)
    return wrap_ra(ra_deg)


def _require_longitude(ra_deg: float) -> None:
    if abs(ra_deg) > RA_MAX_DEG:
        raise InvalidText(f"RA {ra_deg:g} found; allowed: -{RA_MAX_DEG} to {RA_MAX_DEG} deg")


def _require_latitude(dec_deg: float) -> None:
    if not abs(dec_deg) <= 90:
        raise InvalidText(f"Dec {dec_deg:g} found; allowed: -90 to 90 deg")
