"""SODA's filters: which data sets, which part of the sky, of the spectrum, of time.

The text of repeated parameters -> `Filters`, or every fault.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from soda_service.errors import Fault
from soda_service.request.parsing import InvalidText, fault_of, parse_boolean, shorten
from soda_service.request.shapes import (
    parse_circle,
    parse_interval,
    parse_polarisation,
    parse_polygon,
    parse_pos,
)
from soda_service.request.table import FILTER_NAMES, PARAMETERS
from soda_service.request.values import Filters
from uws.errors import MultiValuedParamNotSupported
from uws.models import Parameter

__all__ = ["read_filters"]

_Value = TypeVar("_Value")


def read_filters(parameters: Sequence[Parameter], faults: list[Fault]) -> Filters | None:
    """Read SODA's own parameters; adds what is wrong to `faults`.

    Parameters
    ----------
    parameters
        Of the whole request, in any case of letters; blank values count as not given.

    Returns
    -------
    Filters or None
        None where there are none. Shapes of CIRCLE, POLYGON and POS are one list, in the order in
        which they came (SODA-16).

    Raises
    ------
    MultiValuedParamNotSupported
        For a second MASK.
    """
    texts = [
        (parameter.name.upper(), parameter.value.strip())
        for parameter in parameters
        if not parameter.by_reference and parameter.value.strip()
    ]
    given = [(name, text) for name, text in texts if name in FILTER_NAMES]
    if not given:
        return None

    def read(wanted: str, parse: Callable[[str], _Value]) -> list[_Value]:
        found = []
        for name, text in given:
            if name == wanted:
                try:
                    found.append(parse(text))
                except InvalidText as error:
                    faults.append(fault_of(name, text, _hinted(name, text, error)))
        return found

    masks = read("MASK", parse_boolean)
    if len(masks) > 1:
        raise MultiValuedParamNotSupported("MASK: only one value may be given")
    filters = Filters(
        ids=tuple(read("ID", _id)),
        shapes=tuple(_shapes(given, faults)),
        bands_m=tuple(read("BAND", parse_interval)),
        times_mjd=tuple(read("TIME", parse_interval)),
        polarisations=tuple(dict.fromkeys(read("POL", parse_polarisation))),
        is_masked=any(masks),
    )
    if filters.is_masked and not filters.shapes and not faults:
        message = "true, but there is no shape outside of which pixels could be blanked"
        faults.append(Fault(message, column="MASK", found="true"))
    return filters


def _id(text: str) -> str:
    longest = PARAMETERS["ID"].maximum
    if longest is not None and len(text) > longest:
        raise InvalidText(f"{shorten(text)!r} has {len(text)} characters; allowed are {longest}")
    return text


def _hinted(name: str, text: str, error: InvalidText) -> InvalidText:
    """Add what was meant to a fault: filters are named BAND elsewhere."""
    if name != "BAND" or not text.replace(",", "").isalnum() or text.isdigit():
        return error
    return InvalidText(f"{error}; did you mean COLORS_FITS={shorten(text)}?")


def _shapes(given: Sequence[tuple[str, str]], faults: list[Fault]) -> list[str]:
    """Give the shapes as POS writes them."""
    ways = {"POS": ("", parse_pos), "CIRCLE": ("CIRCLE ", parse_circle),
            "POLYGON": ("POLYGON ", parse_polygon)}  # fmt: skip
    found = []
    for name, text in given:
        if name in ways:
            prefix, parse = ways[name]
            try:
                parse(text)
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
            else:
                found.append(prefix + " ".join(text.split()))
    return found
