"""Options of a cutout, level over level: release defaults, job, row; the later one wins.

Each level is texts by option name that change a `CutoutOptions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from soda_service.errors import ConfigError, Fault, OptionsError
from soda_service.request.parsing import (
    InvalidText,
    fault_of,
    format_bands,
    format_triplets,
    parse_bands,
    parse_triplets,
    parse_value,
)
from soda_service.request.table import OPTION_NAMES, PARAMETERS, Kind, Limits
from soda_service.request.values import CutoutOptions, Triplet
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

_FIELDS: Mapping[str, str] = MappingProxyType(
    {name: name.lower() for name in OPTION_NAMES}
    | {"XSIZE": "xsize_arcmin", "YSIZE": "ysize_arcmin"}
)
"""Option -> field of `CutoutOptions`."""

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
    """Give the options of a release in effect where neither job nor row says anything.

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
    if unknown := sorted(set(defaults) - set(OPTION_NAMES)):
        names = ", ".join(OPTION_NAMES)
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
    changes: dict[str, Any] = {}  # values of the types that the fields of CutoutOptions have
    for name, text in texts.items():
        if (field := _FIELDS.get(name)) and text.strip():
            try:
                changes[field] = parse_value(PARAMETERS[name], text, release=release)
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
    faults.extend(_size_faults(texts))
    if faults:
        raise OptionsError(tuple(faults))
    if text := texts.get(_FORMAT, "").strip():
        word = parse_value(PARAMETERS[_FORMAT], text, release=release)
        changes["response_format"] = picture_format(word)
    # A size in arcmin puts the size in pixels of a lower level out of effect.
    for size, pixels in (("xsize_arcmin", "xpix"), ("ysize_arcmin", "ypix")):
        if size in changes:
            changes[pixels] = None
    return replace(options, **changes) if changes else options


def picture_format(word: str) -> str:
    """Give the format of pictures that RESPONSEFORMAT asks for; empty where that is none."""
    return word if word in {"png", "jpeg"} else ""


def check_makes_something(options: CutoutOptions, release: Release) -> tuple[Fault, ...]:
    """Find out whether a cutout with these options has any file, and each kind asked for.

    Returns
    -------
    tuple of Fault
        Empty if all is well.
    """
    asked = (
        ("MAKE_FITS", options.make_fits, "COLORS_FITS", options.colors_fits),
        ("MAKE_RGB_STIFF", options.make_rgb_stiff, "RGB_STIFF_COLORS", options.rgb_stiff_colors),
        (
            "MAKE_RGB_LUPTON",
            options.make_rgb_lupton,
            "RGB_LUPTON_COLORS",
            options.rgb_lupton_colors,
        ),
    )
    if not any(wanted for _, wanted, _, _ in asked):
        names = ", ".join(name for name, _, _, _ in asked)
        return (Fault(f"nothing would be made; one of {names} must be true", column="MAKE_FITS"),)
    return tuple(
        Fault(
            f"true, but there is nothing to make: {release.name} has no default for {colors}, "
            f"which must be given (bands: {', '.join(release.band_names)})",
            column=name,
            found="true",
        )
        for name, wanted, colors, bands in asked
        if wanted and not bands
    )


def _size_faults(texts: Mapping[str, str]) -> list[Fault]:
    """Tell of sizes both in arcmin and in pixels at one level."""
    pixels = [name for name in _PIXELS if texts.get(name, "").strip()]
    sizes = [name for name in _SIZES if pixels and texts.get(name, "").strip()]
    if not sizes:
        return []
    message = f"given together with {' and '.join(sizes)}; a size is either in arcmin or in pixels"
    return [Fault(message, column=pixels[0], found=texts[pixels[0]])]


def _system_options(release: Release) -> CutoutOptions:
    """Give the system's defaults, fitted to the release's bands and size limits."""
    values: dict[str, Any] = {"xpix": None, "ypix": None}
    for name, field in _FIELDS.items():
        spec = PARAMETERS[name]
        if spec.kind is Kind.BANDS:
            values[field] = _system_bands(spec.default, release)
        elif spec.kind is Kind.TRIPLETS:
            values[field] = _system_triplets(spec.default, release)
        elif spec.limits is Limits.SIZE:
            low, high = release.size_min_arcmin, release.size_max_arcmin
            values[field] = min(max(float(spec.default), low), high)
        elif spec.default:
            values[field] = parse_value(spec, spec.default, release=release)
    return CutoutOptions(**values)


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
        One of `OPTION_NAMES`.
    """
    value = getattr(options, _FIELDS[name])
    match PARAMETERS[name].kind:
        case Kind.BANDS:
            return format_bands(value, release)
        case Kind.TRIPLETS:
            return format_triplets(value, release)
        case Kind.BOOLEAN:
            return str(value).lower()
        case _:
            return "" if value is None else str(value)
