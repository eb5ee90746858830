"""The picture methods: one module for each, and one entry in `METHODS`.

All code that offers, makes, names or describes pictures uses `METHODS`: parameters, options, files,
summary, settings, pages. To add a method, add a module and an entry.

Settings are read without numpy. The painting code is loaded when a picture is made.
"""

from soda_service.engine.colour.methods.lupton import LUPTON
from soda_service.engine.colour.methods.method import Method
from soda_service.engine.colour.methods.stiff import STIFF

__all__ = ["METHODS", "Method", "grey_method", "preview_method"]

METHODS: dict[str, Method] = {method.name: method for method in (STIFF, LUPTON)}
"""By name, in the order of a row's files. If only one picture can be made, the first one wins."""


def grey_method() -> Method:
    """Return the method that paints single bands."""
    return next(method for method in METHODS.values() if method.paints_grey)


def preview_method() -> Method:
    """Return the method of pictures beside a map of the sky."""
    methods = list(METHODS.values())
    return next((method for method in methods if method.suits_previews), methods[0])
