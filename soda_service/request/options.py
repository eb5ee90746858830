"""Options of a cutout in three levels: release defaults, job, row; the later level wins.

Each level is a mapping of option names to texts, which changes a `CutoutOptions`.
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
from soda_service.request.spec import Kind, Limits, Scope
from soda_service.request.table import PARAMETERS, option_names, parameter_specs
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
    """Merge release defaults, job options and row options into the options of one cutout.

    Parameters
    ----------
    release
        Release with the defaults, bands and limits.
    job, row
        Texts by option name in upper case; blank texts are ignored.

    Raises
    ------
    OptionsError
        With all faults of the job options, or of the row options, or if no file would be made.
    ConfigError
        If the defaults of the release are invalid.
    """
    options = apply_options(default_options(release), job, release=release)
    options = apply_options(options, row, release=release)
    if faults := check_makes_something(options, release):
        raise OptionsError(faults)
    return options


def default_options(release: Release) -> CutoutOptions:
    """Return the default options of a release.

    The release's own defaults come first, then those of `PARAMETERS`. If the release lacks the
    default bands, its middle band replaces them; for pictures its last, middle and first band
    (the reddest is last), if it has at least three.

    Raises
    ------
    ConfigError
        If a default of the release is not an option, or has an invalid value.
    """
    defaults = {name.upper(): text for name, text in release.defaults.items()}
    where = f"release {release.name}, defaults"
    if unknown := sorted(set(defaults) - set(option_names())):
        names = ", ".join(option_names())
        raise ConfigError(f"{where}: {', '.join(unknown)}: not a cutout option; allowed: {names}")
    try:
        return apply_options(_system_options(release), defaults, release=release)
    except OptionsError as error:
        raise ConfigError(f"{where}: {error}") from error


def apply_options(
    options: CutoutOptions, texts: Mapping[str, str], *, release: Release
) -> CutoutOptions:
    """Apply the texts of one level to options.

    Parameters
    ----------
    options
        Options of the lower levels.
    texts
        Texts by option name in upper case; other names and blank texts are ignored. The
        RESPONSEFORMAT of a job may be included, if it is valid.

    Raises
    ------
    OptionsError
        With all faults of this level.
    """
    faults: list[Fault] = []
    changes: dict[str, Any] = {}  # values by option, of the types returned by `parse_value`
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
    # A size in arcmin overrides a size in pixels of a lower level.
    for size, pixels in zip(_SIZES, _PIXELS, strict=True):
        if size in changes:
            changes[pixels] = None
    options = options.changed(changes) if changes else options
    if text := texts.get(_FORMAT, "").strip():
        word = parse_value(specs[_FORMAT], text, release=release)
        options = replace(options, response_format=picture_format(word))
    return options


def picture_format(word: str) -> str:
    """Return the picture format named by RESPONSEFORMAT; empty if it is not a picture format."""
    return word if word in FORMATS and FORMATS[word].is_picture else ""


def check_makes_something(options: CutoutOptions, release: Release) -> tuple[Fault, ...]:
    """Check that a cutout with these options has a file of each kind that is switched on.

    Returns
    -------
    tuple of Fault
        Empty if the options are valid.
    """
    kinds = [("MAKE_FITS", "COLORS_FITS")]
    kinds += [(method.switch, method.triplets) for method in METHODS.values()]
    if not any(options.get(switch) for switch, _ in kinds):
        names = ", ".join(switch for switch, _ in kinds)
        return (Fault(f"no output selected; set one of {names} to true", column="MAKE_FITS"),)
    return tuple(
        Fault(
            f"true, but no bands are selected: {release.name} has no default for {colors}, so it "
            f"is required (bands: {', '.join(release.band_names)})",
            column=switch,
            found="true",
        )
        for switch, colors in kinds
        if options.get(switch) and not options.get(colors)
    )


def _size_faults(texts: Mapping[str, str]) -> list[Fault]:
    """Report sizes given in arcmin and in pixels at the same level."""
    pixels = [name for name in _PIXELS if texts.get(name, "").strip()]
    sizes = [name for name in _SIZES if pixels and texts.get(name, "").strip()]
    if not sizes:
        return []
    message = f"given together with {' and '.join(sizes)}; give sizes in arcmin or in pixels"
    return [Fault(message, column=pixels[0], found=texts[pixels[0]])]


def _system_options(release: Release) -> CutoutOptions:
    """Return the defaults of `PARAMETERS`, adapted to the bands and size limits of the release."""
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
    """Return the value of an option as a user would write it; empty if it has none.

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
        case Kind.PLANES:
            return ",".join(value) or "all"
        case Kind.BOOLEAN:
            return str(value).lower()
        case _:
            return "" if value is None else str(value)
