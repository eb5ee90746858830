"""Files that show one image in several products: `x-image-r.fits`, `x-invvar-r.fits`."""

import re
from collections import defaultdict
from collections.abc import Iterable

from soda_service.ingest.filenames import SUFFIX
from soda_service.pixels.products import MAPS, SCIENCE, role_of

__all__ = ["without_maps"]

_TOKEN = re.compile(r"[A-Za-z0-9]+")
_AMBIGUOUS = """
n exp cov con cnt std err error sigma noise var model depth area det seg sky bkg background residual
tt1
"""
_MAY_BE_NAMES = frozenset(_AMBIGUOUS.split())
"""Words for maps that may be part of an image's name as well: then they count beside an image only,
as `n` in `ngc1_n_r.fits` beside `ngc1_r.fits`."""


def without_maps(paths: Iterable[str], warnings: list[str]) -> list[str]:
    """Return the files of images, without the files of their weights, masks and other maps.

    Files are siblings if their names differ in one word, which names a product, or if one has such
    a word more than the other.

    Parameters
    ----------
    paths
        Relative POSIX paths.
    warnings
        Receives a line for each file that is omitted.

    Returns
    -------
    list of str
        In the same order.
    """
    paths = list(paths)
    groups: defaultdict[str, list[tuple[str, str | None, str]]] = defaultdict(list)
    for path in paths:
        key, role, word = _product(path)
        groups[key].append((path, role, word))
    omitted = {}
    for members in groups.values():
        image = _image(members)
        for path, role, word in members:
            if path != image and role is not None:
                omitted[path] = _reason(role, word, image)
    warnings += [f"{path} is omitted: {reason}" for path, reason in omitted.items()]
    return [path for path in paths if path not in omitted]


def _product(path: str) -> tuple[str, str | None, str]:
    """Return the name without its product, the product's role, and its word."""
    folder, _, name = SUFFIX.sub("", path).lower().rpartition("/")
    tokens = _TOKEN.findall(name)
    words = {token: role for token in tokens if (role := role_of(token)) is not None}
    key = "/".join([folder, *(token for token in tokens if token not in words)])
    if not words:
        return key, None, ""
    # A word for a map says more than one for an image: `image.rms`.
    word = min(words, key=lambda word: words[word] == SCIENCE)
    return key, words[word], word


def _image(members: list[tuple[str, str | None, str]]) -> str | None:
    """Return the science image of siblings; None if all are maps.

    It is the first without a word for a product in its name, otherwise the first that is named as
    an image.
    """
    for wanted in (None, SCIENCE):
        for path, role, _ in members:
            if role == wanted:
                return path
    if len(members) == 1 and members[0][2] in _MAY_BE_NAMES:
        return members[0][0]
    return None


def _reason(role: str, word: str, image: str | None) -> str:
    if role == SCIENCE:
        return f"{image} is the image"
    what = f"{word!r} is a {MAPS[role]}"
    if image is None:
        return f"{what}, and there is no image beside it"
    return f"{what} of {image}; maps in files of their own are not used"
