"""Band and tile in file names: `reprojected_sdss_r.fits` is band r of `reprojected_sdss`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soda_service.sky.filters import band_of_token

__all__ = ["SUFFIX", "FileName", "match_names", "tell_names"]

SUFFIX = re.compile(r"\.(fits|fit|fts)(\.(fz|gz|bz2))?$", re.IGNORECASE)
"""Suffixes of FITS images."""

_TOKEN = re.compile(r"[A-Za-z0-9]+")
_SEPARATORS = "-_. /"


@dataclass(frozen=True, slots=True)
class FileName:
    """Band and tile in a file's path."""

    band: str | None
    tile: str
    """The path without band and suffix, which the files of one tile share."""

    whole: str
    """The path without suffix."""

    is_certain: bool
    """Whether other files' names differ only in the band, or a pattern found the band. The name is
    then trusted more than the header."""


def match_names(paths: Iterable[str], pattern: re.Pattern[str]) -> dict[str, FileName]:
    """Return the bands of files, found by an operator's pattern.

    Parameters
    ----------
    paths
        Relative POSIX paths.
    Searched in the file name; its group `band` is the band.
        Searched in the file's name; its group `band` is the band.

    Returns
    -------
    dict
        By path, without the files that do not match.
    """
    names = {}
    for path in paths:
        folder, _, file = path.rpartition("/")
        found = pattern.search(file)
        if found and found["band"]:
            start = len(path) - len(file)
            whole = SUFFIX.sub("", path)
            tile = _without(whole, start + found.start("band"), start + found.end("band"))
            band = band_of_token(found["band"]) or found["band"]
            names[path] = FileName(band, tile or folder, whole, is_certain=True)
    return names


def tell_names(paths: Iterable[str]) -> dict[str, FileName]:
    """Return bands and tiles of files, found by comparing their names.

    The parts of a path are separated by characters that are neither letters nor digits. A part that
    is a known filter is the band if other files differ only in this part. Of several such parts, it
    is the one with the most variants, and of these the last.

    Parameters
    ----------
    paths
        Relative POSIX paths.

    Returns
    -------
    dict
        By path, in the order of `paths`.
    """
    wholes = {path: SUFFIX.sub("", path) for path in paths}
    variants: Mapping[tuple[str, str], set[str]] = defaultdict(set)
    for whole in wholes.values():
        for token, band in _band_tokens(whole):
            variants[whole[: token.start()], whole[token.end() :]].add(band)

    def rank(whole: str, token: re.Match[str]) -> tuple[int, int]:
        return len(variants[whole[: token.start()], whole[token.end() :]]), token.start()

    names = {}
    for path, whole in wholes.items():
        tokens = _band_tokens(whole)
        if not tokens:
            names[path] = FileName(None, whole, whole, is_certain=False)
            continue
        token, band = max(tokens, key=lambda entry: rank(whole, entry[0]))
        is_certain = rank(whole, token)[0] > 1
        in_file = token.start() > whole.rfind("/")
        if is_certain or in_file:
            tile = _without(whole, token.start(), token.end())
            names[path] = FileName(band, tile, whole, is_certain=is_certain)
        else:  # one folder per band, with other files in each
            names[path] = FileName(band, whole, whole, is_certain=False)
    return names


def _band_tokens(whole: str) -> list[tuple[re.Match[str], str]]:
    tokens = ((token, band_of_token(token[0])) for token in _TOKEN.finditer(whole))
    return [(token, band) for token, band in tokens if band is not None]


def _without(whole: str, start: int, end: int) -> str:
    """Remove a part of a path, with the separator before it (at a name's start, after it)."""
    before, after = whole[:start], whole[end:]
    folder, slash, file = before.rpartition("/")
    if file.strip(_SEPARATORS):
        return folder + slash + file.rstrip(_SEPARATORS) + after
    if slash and not after.lstrip(_SEPARATORS).strip():
        return folder  # the name is only the band: the folder names the tile
    return str(PurePosixPath(folder) / after.lstrip(_SEPARATORS)) if after else folder
