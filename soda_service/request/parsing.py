"""Strict parsing of one parameter or cell; formatting of bands and triplets.

All functions take text without surrounding blanks and raise `InvalidText` with what was found.
`parse_value` adds what is allowed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from soda_service.errors import Fault, OptionsError
from soda_service.request.addresses import is_mail_address, is_web_address
from soda_service.request.spec import Kind, ParameterSpec, bounds, describe_allowed, plane_names
from soda_service.request.table import ID_MAX, PARAMETERS, POSITION_NAMES
from soda_service.request.values import Centre, Triplet
from soda_service.sky.release import Release

__all__ = [
    "InvalidText",
    "fault_of",
    "format_bands",
    "format_triplets",
    "is_number",
    "parse_bands",
    "parse_boolean",
    "parse_centre",
    "parse_float",
    "parse_integer",
    "parse_planes",
    "parse_triplets",
    "parse_value",
    "shorten",
    "wrap_ra",
]

# `float` alone would also accept nan, inf, 1_0 and the digits of other scripts.
_FLOAT = re.compile(r"[ \t]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")

_INTEGER = re.compile(r"([+-]?[0-9]{1,40})(\.0*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER_LENGTH_MAX = 100
_LENGTH_MAX = 4096
_FLOAT_EXACT_MAX = 2**53
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "0", "0.0"), False),
}


class InvalidText(ValueError):
    """A text that is not a valid value; the message says why."""


def shorten(text: str) -> str:
    """Return a text cut to at most 40 characters, for messages."""
    return text if len(text) <= 40 else f"{text[:37]}..."


def fault_of(name: str, text: str, error: InvalidText) -> Fault:
    """Return the fault of a text that could not be parsed."""
    return Fault(str(error), column=name, found=shorten(text))


def is_number(text: str) -> bool:
    """Return whether a text is a decimal number of at most 100 characters, blanks included."""
    return len(text) <= _NUMBER_LENGTH_MAX and _FLOAT.fullmatch(text) is not None


def parse_float(text: str) -> float:
    """Parse a finite decimal number: `1`, `-0.5`, `.5`, `1e-3`.

    Raises
    ------
    InvalidText
        For any other text, including nan, inf, `1_0` and numbers too large for a double.
    """
    if not is_number(text):
        raise InvalidText(f"{shorten(text)!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise InvalidText(f"{shorten(text)!r} is too large")
    return value


def parse_integer(text: str) -> int:
    """Parse an integer of up to 63 bits.

    `12.0` is accepted as 12, because many programs write such numbers if a column has empty cells.
    Beyond 2**53 it is refused, because digits may have been lost.

    Raises
    ------
    InvalidText
        If the text is not an integer, or too large.
    """
    match = _INTEGER.fullmatch(text)
    if not match:
        raise InvalidText(f"{shorten(text)!r} is not an integer")
    value = int(match[1])
    if abs(value) > ID_MAX:
        raise InvalidText(f"{shorten(text)!r} is out of range")
    if match[2] is not None and abs(value) > _FLOAT_EXACT_MAX:
        raise InvalidText(f"{shorten(text)!r} may have lost digits as a decimal number")
    return value


def parse_boolean(text: str) -> bool:
    """Parse true or false in any case; also t, f, yes, no, 1, 0, 1.0, 0.0.

    Raises
    ------
    InvalidText
        For any other word.
    """
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise InvalidText(f"{shorten(text)!r} is neither true nor false") from None


def parse_bands(text: str, release: Release) -> tuple[str, ...]:
    """Parse bands: `gri` if all names are single letters, `W1,W2` for any names.

    Returns
    -------
    tuple of str
        Names as the release spells them, in the order of the text.

    Raises
    ------
    InvalidText
        If a band is unknown, ambiguous or repeated, or there is none.
    """
    return _read_bands(text, release.band_names)


def parse_triplets(text: str, release: Release) -> tuple[Triplet, ...]:
    """Parse triplets separated by semicolons: `gry;riy`, `W3,W2,W1`.

    Returns
    -------
    tuple of Triplet
        Bands for red, green and blue, as the release spells them.

    Raises
    ------
    InvalidText
        If a triplet is not three different bands of the release, or is repeated.
    """
    return _read_triplets(text, release.band_names)


def parse_planes(text: str, release: Release) -> tuple[str, ...]:
    """Parse planes (`SCI,WGT`) to a tuple in a fixed order, science first; empty for `all`."""
    words = {word.upper() for word in re.split(r"[,;\s]+", text) if word}
    if words == {"ALL"}:
        return ()
    spelled = {name.upper(): name for name in plane_names(release)}
    science = next(iter(spelled))
    for word in sorted(words):
        # Of a release without a list, only the tile knows the other planes.
        is_known = word in {*spelled, "SCI"} or (not release.planes and word.isidentifier())
        if word == "ALL" or not is_known:
            raise InvalidText(f"{shorten(word)!r} is not a plane")
    others = [word for word in spelled if word in words and word != science]
    others += sorted(words - {*spelled, science, "SCI"})
    is_all = bool(release.planes) and len(others) == len(spelled) - 1
    return () if is_all else tuple(spelled.get(word, word) for word in (science, *others))


def format_bands(bands: Sequence[str], release: Release) -> str:
    """Write bands as `parse_bands` reads them: in lower case, unless bands differ by case only."""
    names = release.band_names
    text = ("" if _has_single_letters(names) else ",").join(bands)
    is_case_needed = len({name.lower() for name in names}) < len(names)
    return text if is_case_needed else text.lower()


def format_triplets(triplets: Sequence[Triplet], release: Release) -> str:
    """Write triplets as `parse_triplets` reads them."""
    return ";".join(format_bands(triplet, release) for triplet in triplets)


def parse_value(spec: ParameterSpec, text: str, *, release: Release) -> Any:
    """Parse the text of one parameter and check its limits.

    Parameters
    ----------
    spec
        The parameter; not of `Kind.TABLE`, which is read as a stream (`positions`).
    text
        Text as sent; surrounding blanks are ignored.
    release
        Release with the bands and limits.

    Returns
    -------
    Any
        float, int, bool, str, tuple of bands or tuple of triplets, depending on the kind.

    Raises
    ------
    InvalidText
        With what was found and what is allowed.
    """
    text = text.strip()
    try:
        return _parse(spec, text, release)
    except InvalidText as error:
        allowed = describe_allowed(spec, release)
        raise InvalidText(f"{error}; allowed: {allowed}") from None


def parse_centre(texts: Mapping[str, str], release: Release) -> Centre:
    """Parse a centre from the texts of RA, DEC and COADD_OBJECT_ID.

    Parameters
    ----------
    texts
        Texts by name in upper case; blank texts and other names are ignored.
    release
        Release with the limits.

    Raises
    ------
    OptionsError
        If RA and DEC and the id are all given, or none, or only one of RA and DEC, or if a text is
        invalid.
    """
    sent = {name: texts[name] for name in POSITION_NAMES if texts.get(name, "").strip()}
    faults = _centre_faults(set(sent))
    values: dict[str, Any] = {}  # a float or an integer, depending on the parameter
    for name, text in sent.items():
        try:
            values[name] = parse_value(PARAMETERS[name], text, release=release)
        except InvalidText as error:
            faults.append(fault_of(name, text, error))
    if faults:
        raise OptionsError(tuple(faults))
    if "RA" in values:
        return Centre(wrap_ra(values["RA"]), values["DEC"] + 0.0, None)
    return Centre(None, None, values["COADD_OBJECT_ID"])


def wrap_ra(ra_deg: float) -> float:
    """Wrap a right ascension into 0 <= RA < 360 degrees; -0 becomes 0."""
    wrapped = ra_deg % 360.0 + 0.0
    # For a tiny negative number the remainder is rounded to 360.
    return 0.0 if wrapped == 360.0 else wrapped


def _centre_faults(sent: set[str]) -> list[Fault]:
    """Return what is wrong with the combination of RA, DEC and COADD_OBJECT_ID."""
    if not sent:
        return [Fault("no position given; RA and DEC, or COADD_OBJECT_ID, are needed")]
    if "COADD_OBJECT_ID" in sent:
        others = " and ".join(sorted(sent - {"COADD_OBJECT_ID"}, reverse=True))
        message = f"given together with {others}; give either RA and DEC or an id"
        return [Fault(message, column="COADD_OBJECT_ID")] if others else []
    if missing := {"RA", "DEC"} - sent:
        (name,) = sent
        return [Fault(f"given without {missing.pop()}; both are needed", column=name)]
    return []


def _parse(spec: ParameterSpec, text: str, release: Release) -> Any:
    """Parse a text; the type of the value depends on `spec.kind`."""
    if len(text) > _LENGTH_MAX:
        raise InvalidText(f"{shorten(text)!r} has {len(text)} characters")
    value: Any
    match spec.kind:
        case Kind.FLOAT:
            value = parse_float(text)
            _check_range(value, text, spec, release)
        case Kind.INTEGER:
            value = parse_integer(text)
            _check_range(value, text, spec, release)
        case Kind.BOOLEAN:
            value = parse_boolean(text)
        case Kind.BANDS | Kind.TRIPLETS | Kind.PLANES:
            value = _OF_RELEASE[spec.kind](text, release)
        case Kind.WORD:
            value = _parse_word(text, spec)
        case Kind.TEXT | Kind.EMAIL | Kind.URL:
            value = _parse_text(text, spec)
        case Kind.TABLE | Kind.SHAPE | Kind.INTERVAL:
            raise InvalidText("tables, shapes and intervals are not read as single values")
    return value


_OF_RELEASE = {Kind.BANDS: parse_bands, Kind.TRIPLETS: parse_triplets, Kind.PLANES: parse_planes}


def _check_range(value: float, text: str, spec: ParameterSpec, release: Release) -> None:
    low, high = bounds(spec, release)
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidText(f"{shorten(text)!r} is out of range")


def _parse_word(text: str, spec: ParameterSpec) -> str:
    word = text.lower()
    word = spec.aliases.get(word, word)
    if word not in spec.choices:
        raise InvalidText(f"{shorten(text)!r} is unknown")
    return word


def _parse_text(text: str, spec: ParameterSpec) -> str:
    if spec.maximum is not None and len(text) > spec.maximum:
        raise InvalidText(f"{shorten(text)!r} has {len(text)} characters")
    if control := _CONTROL.search(text):
        raise InvalidText(f"{shorten(text)!r} has the control character U+{ord(control[0]):04X}")
    if spec.kind is Kind.EMAIL and not is_mail_address(text):
        raise InvalidText(f"{shorten(text)!r} is not a valid address")
    if spec.kind is Kind.URL and not is_web_address(text):
        raise InvalidText(f"{shorten(text)!r} is not a valid address")
    return text


def _has_single_letters(names: tuple[str, ...]) -> bool:
    return all(len(name) == 1 for name in names)


# Rows of a table repeat a few texts; caching them makes such rows 20 % faster.
@lru_cache(maxsize=1024)
def _read_bands(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    plain = "," not in text and _has_single_letters(known)
    names = list(text) if plain else [name.strip() for name in text.split(",")]
    bands: list[str] = []
    for name in names:
        band = _find_band(name, text, known)
        if band in bands:
            raise InvalidText(f"{shorten(text)!r} has the band {band} twice")
        bands.append(band)
    if not bands:
        raise InvalidText("no band found")
    return tuple(bands)


@lru_cache(maxsize=1024)
def _read_triplets(text: str, known: tuple[str, ...]) -> tuple[Triplet, ...]:
    triplets: dict[Triplet, None] = {}
    for part in (part.strip() for part in text.split(";")):
        if not part:
            raise InvalidText(f"{shorten(text)!r} has an empty triplet")
        bands = _read_bands(part, known)
        if len(bands) != 3:
            raise InvalidText(f"{shorten(part)!r} has {len(bands)} bands instead of three")
        triplet = (bands[0], bands[1], bands[2])
        if triplet in triplets:
            raise InvalidText(f"{shorten(text)!r} has the triplet {shorten(part)} twice")
        triplets[triplet] = None
    return tuple(triplets)


def _find_band(name: str, text: str, known: tuple[str, ...]) -> str:
    """Find a band by its exact name, or ignoring case if only one band matches."""
    if name in known:
        return name
    alike = [band for band in known if band.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    where = "" if name == text else f" in {shorten(text)!r}"
    if alike:
        raise InvalidText(f"{shorten(name)!r}{where} may be {' or '.join(alike)}: case matters")
    raise InvalidText(f"{shorten(name)!r}{where} is not a band")
