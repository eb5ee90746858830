"""What surveys call their images, and the maps beside them: words in names of HDUs and files.

The words are those of HST (HAP, HLA), JWST, the DECam Community Pipeline, Legacy Surveys, AllWISE,
Spitzer, Pan-STARRS, KiDS, Euclid, ZTF, VLASS, GALEX, DES and SExtractor.
"""

__all__ = ["MAPS", "SCIENCE", "role_of"]

SCIENCE = "SCI"

MAPS = {
    "WGT": "weight map",
    "MSK": "mask",
    "ERR": "error map",
    "VAR": "variance map",
    "": "map",
}
"""Roles of images that are never the science image, in words."""

_WORDS = {
    SCIENCE: "sci science image img data flux drz drc i2d ooi int intbgsub bgsub refimg maic stk",
    "WGT": "wht wgt weight weights wt ivar invvar wei oow",
    "MSK": "msk mask masks maskbits bitmask flag flags dq ood",
    "ERR": "err error rms unc uncert std stdev sigma noise munc mnois refunc",
    "VAR": "var variance",
    "": "exp nexp n cov mcov cvg coverage refcov ctx con chi2 model blobmodel depth galdepth"
    " psfdepth psfsize psf bgmod bkg background sky skybg cnt rrhr det seg segm segmap area resid"
    " residual tt1",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}


def role_of(word: str) -> str | None:
    """Return the role of an image by a word in the name of its HDU or file.

    Returns
    -------
    str or None
        `SCI`, a key of `MAPS`, or None for other words.
    """
    return _ROLES.get(word.lower())
