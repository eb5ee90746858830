"""SODA filters: select data sets, and regions of the sky, of the spectrum and of time.

Parses the repeated parameters into `Filters`, or reports all faults.
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
    """Read the SODA parameters; append what is wrong to `faults`.

    Parameters
    ----------
    parameters
        All parameters of the request, with names in any case; blank values are ignored.

    Returns
    -------
    Filters or None
        None if no filter was sent. The shapes of CIRCLE, POLYGON and POS form one list, in request
        order (SODA-16).

    Raises
    ------
    MultiValuedParamNotSupported
        If MASK is repeated.
    """
    texts = [
        (parameter.name.upper(), parameter.value.strip())
        for parameter in parameters
        if not parameter.by_reference and parameter.value.strip()
    ]
    sent = [(name, text) for name, text in texts if name in FILTER_NAMES]
    if not sent:
        return None

    def read(wanted: str, parse: Callable[[str], _Value]) -> list[_Value]:
        values = []
        for name, text in sent:
            if name == wanted:
                try:
                    values.append(parse(text))
                except InvalidText as error:
                    faults.append(fault_of(name, text, _hinted(name, text, error)))
        return values

    masks = read("MASK", parse_boolean)
    if len(masks) > 1:
        raise MultiValuedParamNotSupported("MASK: only one value may be given")
    filters = Filters(
        ids=tuple(read("ID", _id)),
        shapes=tuple(_shapes(sent, faults)),
        bands_m=tuple(read("BAND", parse_interval)),
        times_mjd=tuple(read("TIME", parse_interval)),
        polarisations=tuple(dict.fromkeys(read("POL", parse_polarisation))),
        is_masked=any(masks),
    )
    if filters.is_masked and not filters.shapes and not faults:
        message = "true, but no shape was sent; MASK needs POS, CIRCLE or POLYGON"
        faults.append(Fault(message, column="MASK", found="true"))
    return filters


def _id(text: str) -> str:
    longest = PARAMETERS["ID"].maximum
    if longest is not None and len(text) > longest:
        raise InvalidText(
            f"{shorten(text)!r} has {len(text)} characters; allowed: at most {longest}"
        )
    return text


def _hinted(name: str, text: str, error: InvalidText) -> InvalidText:
    """Add a suggestion to a fault of BAND, which is the name of the filter in other services."""
    if name != "BAND" or not text.replace(",", "").isalnum() or text.isdigit():
        return error
    return InvalidText(f"{error}; did you mean COLORS_FITS={shorten(text)}?")


def _shapes(sent: Sequence[tuple[str, str]], faults: list[Fault]) -> list[str]:
    """Return the shapes in the form of POS."""
    parsers = {"POS": ("", parse_pos), "CIRCLE": ("CIRCLE ", parse_circle),
               "POLYGON": ("POLYGON ", parse_polygon)}  # fmt: skip
    shapes = []
    for name, text in sent:
        if name in parsers:
            prefix, parse = parsers[name]
            try:
                parse(text)
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
            else:
                shapes.append(prefix + " ".join(text.split()))
    return shapes
