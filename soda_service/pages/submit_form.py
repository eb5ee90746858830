"""The form for new cutouts as values: the contents of its fields, and the parameters it sends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from soda_service.engine.colour.methods import METHODS
from soda_service.errors import Fault, OptionsError
from soda_service.request.options import apply_options, default_options, option_text
from soda_service.request.parsing import InvalidText, parse_bands, parse_value
from soda_service.request.spec import Kind, ParameterSpec, describe_allowed
from soda_service.request.table import (
    FILTER_NAMES,
    PARAMETERS,
    POSITION_NAMES,
    option_names,
    parameter_specs,
)
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases
from soda_service.vo.examples import place_in
from uws.files import JobFiles
from uws.models import Parameter

__all__ = [
    "TEXT_MAX_BYTES",
    "FormState",
    "fill",
    "form_parameters",
    "other_options",
    "read_texts",
    "release_facts",
]

_OWN = frozenset({"CSRF", "PHASE", "VALIDATE"})
"""Fields of the form that are not parameters of the job."""

_LINES = tuple(name for name in FILTER_NAMES if PARAMETERS[name].kind is not Kind.BOOLEAN)
"""Parameters that may be repeated: the form has one line per value."""

_BETWEEN: Mapping[Kind, str] = MappingProxyType({Kind.BANDS: ",", Kind.TRIPLETS: ";"})
"""Separators of parameters whose values come from several check boxes."""

_PLACED = (
    "XSIZE",
    "YSIZE",
    "XPIX",
    "YPIX",
    "EDGE",
    "MAKE_FITS",
    "COLORS_FITS",
    "DISCARD_FITS_FILES",
)
"""Options with their own place in the form, besides those of picture methods."""

TEXT_MAX_BYTES = 2**20
"""Largest table that the form shows again."""

_BESIDE_DEG = 0.01
"""Distance between the two positions of the example."""


@dataclass(frozen=True, slots=True)
class FormState:
    """The contents of the form."""

    release: Release | None
    """Release with the bands, defaults and limits; None if there is no release."""

    texts: Mapping[str, str]
    """Text of every field by parameter; missing options have the default of the release."""

    bands: frozenset[str] = frozenset()
    """Chosen for FITS files."""

    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def of_row(self) -> list[Fault]:
        """Return the faults of rows of the table."""
        return [fault for fault in self.faults if fault.row is not None]

    def of_field(self, name: str) -> str:
        """Return what is wrong with a field; empty if it is valid."""
        return "; ".join(f.message for f in self.faults if f.row is None and f.column == name)

    def is_on(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return self.texts.get(name) == "true"

    def uses(self, names: Iterable[str]) -> bool:
        """Return whether one of these fields differs from its default, or is invalid."""
        if self.release is None:
            return False
        idle = _defaults(self.release)
        return any(
            self.texts.get(name, "") not in ("", "false", idle.get(name)) or self.of_field(name)
            for name in names
        )

    def allowed(self, name: str) -> str:
        """Return a description of the allowed values of a field."""
        return describe_allowed(PARAMETERS[name], self.release) if self.release else ""


@dataclass
class _Collected:
    """Texts by parameter; a second value is appended to the first, or replaces it."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        before = self.texts.get(name, "")
        kind = PARAMETERS[name].kind
        if kind is Kind.BOOLEAN or not before:
            self.texts[name] = text
        elif text:
            between = "\n" if name in _LINES else _BETWEEN.get(kind)
            self.texts[name] = text if between is None else f"{before}{between}{text}"


def read_texts(
    parameters: Iterable[Parameter], files: JobFiles | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the texts of the form fields, and notes about values that cannot be shown.

    Parameters
    ----------
    parameters
        Of a query, a form that was sent, or a job.
    files
        Where values by reference lie.
    """
    collected = _Collected()
    notes: list[str] = []
    for parameter in parameters:
        if parameter.name not in PARAMETERS:
            continue
        text: str | None = parameter.value
        if parameter.by_reference:
            text = None if files is None else _read_text(parameter.value, files)
        if text is None:
            notes.append(f"{parameter.name} is a file that cannot be shown here; choose it again.")
        else:
            collected.add(parameter.name, text.strip() if parameter.name != "POSITIONS" else text)
    return _with_table(collected.texts), tuple(notes)


def _read_text(key: str, files: JobFiles) -> str | None:
    """Read a table that is short enough to stand in the form, and a text."""
    if files.stat(key).size_bytes > TEXT_MAX_BYTES:
        return None
    with files.open(key) as stream:
        data = stream.read(TEXT_MAX_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _with_table(texts: dict[str, str]) -> dict[str, str]:
    """Turn a single position into a table of one row."""
    cells = {name: texts.pop(name) for name in POSITION_NAMES if texts.get(name)}
    if cells and not texts.get("POSITIONS"):
        texts["POSITIONS"] = f"{','.join(cells)}\n{','.join(cells.values())}\n"
    return texts


def fill(
    sent: Mapping[str, str],
    releases: Sequence[Release],
    default: str | None,
    *,
    faults: tuple[Fault, ...] = (),
    notes: tuple[str, ...] = (),
) -> FormState:
    """Fill in the form.

    Parameters
    ----------
    sent
        Texts by parameter; blank ones count as not given.
    releases
        That can be chosen.
    default
        Name of the one that is chosen where `sent` names none of them; None: the first.
    """
    named = sent.get("RELEASE", "").strip().casefold()
    release = next((r for r in releases if r.name.casefold() == named), None)
    release = release or next(
        (r for r in releases if r.name == default), next(iter(releases), None)
    )
    texts = {name: text for name, text in sent.items() if text.strip()}
    if release is None:
        return FormState(None, texts, faults=faults, notes=notes)
    values = _defaults(release) | texts | {"RELEASE": release.name}
    fixed = [spec.name for spec in PARAMETERS.values() if _has_few_values(spec)]
    values |= {name: _canonical(name, values[name], release) for name in fixed if values.get(name)}
    bands = _bands(values["COLORS_FITS"], release)
    return FormState(release, values, bands, faults, notes)


def _defaults(release: Release) -> dict[str, str]:
    options = default_options(release)
    return {name: option_text(name, options, release) for name in option_names()}


def _has_few_values(spec: ParameterSpec) -> bool:
    """Return whether the form offers all values of a parameter."""
    return spec.kind is Kind.BOOLEAN or (spec.kind is Kind.WORD and spec.name not in _LINES)


def other_options() -> list[ParameterSpec]:
    """Return the options without their own place in the form."""
    placed = {*_PLACED, *(name for method in METHODS.values() for name in method.option_names)}
    return [PARAMETERS[name] for name in option_names() if name not in placed]


def _canonical(name: str, text: str, release: Release) -> str:
    """Return a word as the form offers it; an unknown word is unchanged and refused later."""
    try:
        value = parse_value(PARAMETERS[name], text, release=release)
    except InvalidText:
        return text
    return str(value).lower()


def _bands(text: str, release: Release) -> frozenset[str]:
    try:
        return frozenset(parse_bands(text, release))
    except InvalidText:
        return frozenset(default_options(release).colors_fits)


def form_parameters(fields: Sequence[Parameter], release: Release | None) -> list[Parameter]:
    """Return the parameters that a sent form asks for.

    Left out are blank fields and options that the release has anyhow; boxes of one parameter
    become one value, and lines of a parameter that may be repeated one each.

    Parameters
    ----------
    fields
        As they were taken in.
    release
        Whose defaults count; None if it is not known.
    """
    collected, specs = _Collected(), parameter_specs()
    found: list[Parameter] = []
    for each in fields:
        if each.by_reference:
            found.append(each)
        elif each.name in specs and specs[each.name].kind in {Kind.BOOLEAN, *_BETWEEN}:
            collected.add(each.name, each.value.strip())
        elif each.name in _LINES:
            lines = (line.strip() for line in each.value.splitlines())
            found += [Parameter(each.name, line) for line in lines if line]
        elif each.name not in _OWN and each.value.strip():
            found.append(each)
    found += [Parameter(name, text) for name, text in collected.texts.items() if text]
    return [each for each in found if not _is_idle(each, release)]


def _is_idle(parameter: Parameter, release: Release | None) -> bool:
    """Return whether an option equals its default."""
    if parameter.name == "MASK":
        return parameter.value == "false"
    if release is None or parameter.by_reference or parameter.name not in option_names():
        return False
    options = default_options(release)
    try:
        return apply_options(options, {parameter.name: parameter.value}, release=release) == options
    except OptionsError:
        return False


def release_facts(release: Release, releases: Releases) -> dict[str, Any]:
    """Return the facts about a release for the scripts of the form, as plain JSON."""
    defaults = _defaults(release)
    options = default_options(release)
    names = release.band_names
    place = place_in(release, releases)
    example = ""
    if place is not None:
        second = round(place.dec_deg + _BESIDE_DEG, 5)
        example = f"RA,DEC\n{place.ra_deg},{place.dec_deg}\n{place.ra_deg},{second}\n"
    return {
        "name": release.name,
        "bands": names,
        "chosen": options.colors_fits,
        "triplets": {each.method.upper(): each.triplets for each in options.pictures},
        "isCaseNeeded": len({name.lower() for name in names}) < len(names),
        "defaults": defaults,
        "allowed": {
            name: describe_allowed(PARAMETERS[name], release) for name in ("XSIZE", "XPIX")
        },
        "example": example,
    }
