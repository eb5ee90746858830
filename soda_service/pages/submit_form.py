"""The form for new cutouts as values: what stands in its fields, and what a sent form asks for."""

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
"""Fields of the form that are no parameters of the job."""

_LINES = tuple(name for name in FILTER_NAMES if PARAMETERS[name].kind is not Kind.BOOLEAN)
"""Parameters that may come several times: the form has a line for each."""

_BETWEEN: Mapping[Kind, str] = MappingProxyType({Kind.BANDS: ",", Kind.TRIPLETS: ";"})
"""What stands between the values of a parameter that boxes of the form give one by one."""

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
"""Options with a place of their own in the form; those of picture methods have theirs as well."""

TEXT_MAX_BYTES = 2**20
"""Longest table that is shown in the form again."""

_BESIDE_DEG = 0.01
"""Distance of the two positions of the example."""


@dataclass(frozen=True, slots=True)
class FormState:
    """What the form shows."""

    release: Release | None
    """The one whose bands, defaults and limits hold; None where there is none at all."""

    texts: Mapping[str, str]
    """Of every field by its parameter; options complete, of the release where nothing was said."""

    bands: frozenset[str] = frozenset()
    """Chosen for FITS files."""

    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def of_row(self) -> list[Fault]:
        """Return the faults of rows of the table."""
        return [fault for fault in self.faults if fault.row is not None]

    def of_field(self, name: str) -> str:
        """Say what is wrong with a field; empty if nothing is."""
        return "; ".join(f.message for f in self.faults if f.row is None and f.column == name)

    def is_on(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return self.texts.get(name) == "true"

    def uses(self, names: Iterable[str]) -> bool:
        """Return whether one of these fields holds something that is no default, or is wrong."""
        if self.release is None:
            return False
        idle = _defaults(self.release)
        return any(
            self.texts.get(name, "") not in ("", "false", idle.get(name)) or self.of_field(name)
            for name in names
        )

    def allowed(self, name: str) -> str:
        """Say which values a field may have."""
        return describe_allowed(PARAMETERS[name], self.release) if self.release else ""


@dataclass
class _Collected:
    """Texts by parameter; a second value goes below the first, or takes its place."""

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
    """Return what parameters put into the fields of the form, and remarks about what they cannot.

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
    """Make a table of one row of a position that was given by itself."""
    given = {name: texts.pop(name) for name in POSITION_NAMES if texts.get(name)}
    if given and not texts.get("POSITIONS"):
        texts["POSITIONS"] = f"{','.join(given)}\n{','.join(given.values())}\n"
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
    shown = _defaults(release) | texts | {"RELEASE": release.name}
    fixed = [spec.name for spec in PARAMETERS.values() if _has_few_values(spec)]
    shown |= {name: _canonical(name, shown[name], release) for name in fixed if shown.get(name)}
    bands = _bands(shown["COLORS_FITS"], release)
    return FormState(release, shown, bands, faults, notes)


def _defaults(release: Release) -> dict[str, str]:
    options = default_options(release)
    return {name: option_text(name, options, release) for name in option_names()}


def _has_few_values(spec: ParameterSpec) -> bool:
    """Return whether the form offers all values of a parameter."""
    return spec.kind is Kind.BOOLEAN or (spec.kind is Kind.WORD and spec.name not in _LINES)


def other_options() -> list[ParameterSpec]:
    """Return the options that have no place of their own in the form."""
    placed = {*_PLACED, *(name for method in METHODS.values() for name in method.option_names)}
    return [PARAMETERS[name] for name in option_names() if name not in placed]


def _canonical(name: str, text: str, release: Release) -> str:
    """Write a word as the form offers it; what is none of its words stays, and is refused later."""
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
    """Return whether an option says what holds without it."""
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
    """Return what the scripts of the form know of a release, as JSON has it."""
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
