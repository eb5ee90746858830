"""Suggestions for unknown names of parameters and columns."""

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
"""COLORS is similar to COLORS_FITS (0.706); PIXEL is not similar to XPIX (0.667)."""

_LIKENESS_OF_WORDS_MIN = 0.85
"""Threshold if the order of words is ignored: FITS_COLOR is similar to COLORS_FITS (0.95)."""


def suggest(name: str, among: Collection[str]) -> str | None:
    """Return the known name that an unknown name most likely means.

    Parameters
    ----------
    name
        The unknown name, in any case.
    among
        Known names. Names of two or three letters are never suggested, because too many other
        names are similar to RA and DEC.

    Returns
    -------
    str or None
        One of `among`, or None if none is similar.
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
