"""Options of a cutout, level over level: release defaults, job, row; the later one wins.

Each level is texts by option name that change a `CutoutOptions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from soda_service.engine.colour.methods import METHODS
from soda_service.errors import ConfigError, Fault, OptionsError
from soda_service.formats import FORMATS
from soda_service.request.parsing import (
    InvalidText,
    fault_of,
    format_bands,
    format_triplets,
    parse_bands,
    parse_triplets,
    parse_value,
)
from soda_service.request.table import (
    PARAMETERS,
    Kind,
    Limits,
    Scope,
    option_names,
    parameter_specs,
)
from soda_service.request.values import OPTION_FIELDS, CutoutOptions, Triplet
from soda_service.sky.release import Release

__all__ = [
    "apply_options",
    "check_makes_something",
    "complete_options",
    "default_options",
    "option_text",
    "picture_format",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})

_FORMAT = "RESPONSEFORMAT"

_SIZES = ("XSIZE", "YSIZE")
_PIXELS = ("XPIX", "YPIX")


def complete_options(
    release: Release, job: Mapping[str, str], row: Mapping[str, str] = _NOTHING
) -> CutoutOptions:
    """Join release defaults, job options and row options into those of one cutout.

    Parameters
    ----------
    release
        Whose defaults, bands and limits hold.
    job, row
        Texts by option name in upper case; a blank text is as good as none.

    Raises
    ------
    OptionsError
        With every fault of the job's options, or of the row's, or if nothing would be made.
    ConfigError
        If the release's own defaults are wrong.
    """
    options = apply_options(default_options(release), job, release=release)
    options = apply_options(options, row, release=release)
    if faults := check_makes_something(options, release):
        raise OptionsError(faults)
    return options


def default_options(release: Release) -> CutoutOptions:
    """Return the options of a release in effect where neither job nor row says anything.

    They are the release's own, then the system's of `PARAMETERS`. Where the system's bands are
    not the release's, its middle band and, of three or more, its last, middle and first (the
    reddest is last) take their place.

    Raises
    ------
    ConfigError
        If a default of the release is no option or has a wrong value.
    """
    defaults = {name.upper(): text for name, text in release.defaults.items()}
    where = f"release {release.name}, defaults"
    if unknown := sorted(set(defaults) - set(option_names())):
        names = ", ".join(option_names())
        raise ConfigError(f"{where}: {', '.join(unknown)}: no option of a cutout; allowed: {names}")
    try:
        return apply_options(_system_options(release), defaults, release=release)
    except OptionsError as error:
        raise ConfigError(f"{where}: {error}") from error


def apply_options(
    options: CutoutOptions, texts: Mapping[str, str], *, release: Release
) -> CutoutOptions:
    """Change options by the texts of one level.

    Parameters
    ----------
    options
        Of the levels below.
    texts
        By option name in upper case; names that are no options and blank texts are passed over.
        With a job's RESPONSEFORMAT, if that is a valid one.

    Raises
    ------
    OptionsError
        With every fault of this level.
    """
    faults: list[Fault] = []
    changes: dict[str, Any] = {}  # values by option, of the types that `parse_value` gives
    specs = parameter_specs()
    for name, text in texts.items():
        spec = specs.get(name)
        if spec is not None and spec.scope is Scope.OPTION and text.strip():
            try:
                changes[name] = parse_value(spec, text, release=release)
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
    faults.extend(_size_faults(texts))
    if faults:
        raise OptionsError(tuple(faults))
    # A size in arcmin puts the size in pixels of a lower level out of effect.
    for size, pixels in zip(_SIZES, _PIXELS, strict=True):
        if size in changes:
            changes[pixels] = None
    options = options.changed(changes) if changes else options
    if text := texts.get(_FORMAT, "").strip():
        word = parse_value(specs[_FORMAT], text, release=release)
        options = replace(options, response_format=picture_format(word))
    return options


def picture_format(word: str) -> str:
    """Return the format of pictures that RESPONSEFORMAT asks for; empty where that is none."""
    return word if word in FORMATS and FORMATS[word].is_picture else ""


def check_makes_something(options: CutoutOptions, release: Release) -> tuple[Fault, ...]:
    """Find out whether a cutout with these options has any file, and each kind asked for.

    Returns
    -------
    tuple of Fault
        Empty if all is well.
    """
    asked = [("MAKE_FITS", "COLORS_FITS")]
    asked += [(method.switch, method.triplets) for method in METHODS.values()]
    if not any(options.get(switch) for switch, _ in asked):
        names = ", ".join(switch for switch, _ in asked)
        return (Fault(f"nothing would be made; one of {names} must be true", column="MAKE_FITS"),)
    return tuple(
        Fault(
            f"true, but there is nothing to make: {release.name} has no default for {colors}, "
            f"which must be given (bands: {', '.join(release.band_names)})",
            column=switch,
            found="true",
        )
        for switch, colors in asked
        if options.get(switch) and not options.get(colors)
    )


def _size_faults(texts: Mapping[str, str]) -> list[Fault]:
    """Report sizes both in arcmin and in pixels at one level."""
    pixels = [name for name in _PIXELS if texts.get(name, "").strip()]
    sizes = [name for name in _SIZES if pixels and texts.get(name, "").strip()]
    if not sizes:
        return []
    message = f"given together with {' and '.join(sizes)}; a size is either in arcmin or in pixels"
    return [Fault(message, column=pixels[0], found=texts[pixels[0]])]


def _system_options(release: Release) -> CutoutOptions:
    """Return the system's defaults, fitted to the release's bands and size limits."""
    values: dict[str, Any] = {}
    for name in option_names():
        spec = PARAMETERS[name]
        if spec.kind is Kind.BANDS:
            values[name] = _system_bands(spec.default, release)
        elif spec.kind is Kind.TRIPLETS:
            values[name] = _system_triplets(spec.default, release)
        elif spec.limits is Limits.SIZE:
            low, high = release.size_min_arcmin, release.size_max_arcmin
            values[name] = min(max(float(spec.default), low), high)
        else:
            text = spec.default
            values[name] = parse_value(spec, text, release=release) if text else None
    fixed = {attribute: values.pop(name) for name, attribute in OPTION_FIELDS.items()}
    return CutoutOptions(**fixed, values=tuple(values.items()))


def _system_bands(default: str, release: Release) -> tuple[str, ...]:
    try:
        return parse_bands(default, release)
    except InvalidText:
        middle = len(release.bands) // 2
        return release.band_names[middle : middle + 1]


def _system_triplets(default: str, release: Release) -> tuple[Triplet, ...]:
    try:
        return parse_triplets(default, release)
    except InvalidText:
        names = release.band_names
        return ((names[-1], names[len(names) // 2], names[0]),) if len(names) >= 3 else ()


def option_text(name: str, options: CutoutOptions, release: Release) -> str:
    """Write an option's value as a user would; empty where it has none.

    Parameters
    ----------
    name
        One of `option_names`.
    """
    value = options.get(name)
    match PARAMETERS[name].kind:
        case Kind.BANDS:
            return format_bands(value, release)
        case Kind.TRIPLETS:
            return format_triplets(value, release)
        case Kind.BOOLEAN:
            return str(value).lower()
        case _:
            return "" if value is None else str(value)
