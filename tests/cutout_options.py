"""Options of cutouts with some values changed, named in lower case as the fields are."""

from dataclasses import fields, replace

from soda_service.request.values import CutoutOptions

__all__ = ["changed"]

_FIELDS = {field.name for field in fields(CutoutOptions)}


def changed(options: CutoutOptions, **changes: object) -> CutoutOptions:
    """Return options with other values; those without a field of their own by parameter."""
    own = {name: value for name, value in changes.items() if name in _FIELDS}
    others = {name.upper(): value for name, value in changes.items() if name not in _FIELDS}
    return replace(options, **own).changed(others)
