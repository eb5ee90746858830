"""What was perhaps meant by the name of an unknown parameter or column."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

__all__ = ["suggest"]

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "BAND": "COLORS_FITS",
        "BANDS": "COLORS_FITS",
        "FILTER": "COLORS_FITS",
        "FILTERS": "COLORS_FITS",
        "OBJECT_ID": "COADD_OBJECT_ID",
        "SIZE": "XSIZE",
        "NAME": "JOBNAME",
        "FORMAT": "RESPONSEFORMAT",
        "MAIL": "EMAIL",
        "CALLBACK": "WEBHOOK",
    }
)

_NAME_LENGTH_MAX = 40

_LIKENESS_MIN = 0.7
"""COLORS is like COLORS_FITS (0.706), PIXEL not like XPIX (0.667)."""

_LIKENESS_OF_WORDS_MIN = 0.85
"""When the order of the words counts for nothing: FITS_COLOR is like COLORS_FITS (0.95)."""


def suggest(name: str, among: Collection[str]) -> str | None:
    """Find the parameter that was perhaps meant by an unknown name.

    Parameters
    ----------
    name
        What was found, in any case.
    among
        Names that may be meant. Those of two or three letters are never guessed: too many
        names of other things are like RA and DEC.

    Returns
    -------
    str or None
        One of `among`, or None where nothing is like it.
    """
    if len(name) > _NAME_LENGTH_MAX:
        return None
    wanted = name.upper().replace(" ", "_").replace("-", "_")
    if (synonym := _SYNONYMS.get(wanted)) in among:
        return synonym
    candidates = [other for other in among if len(other) > 3]
    by_words = {_sort_words(other): other for other in candidates}
    if near := get_close_matches(_sort_words(wanted), by_words, 1, _LIKENESS_OF_WORDS_MIN):
        return by_words[near[0]]
    return next(iter(get_close_matches(wanted, candidates, 1, _LIKENESS_MIN)), None)


def _sort_words(name: str) -> str:
    return "_".join(sorted(name.split("_")))
