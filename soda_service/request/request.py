"""All parameters of a job -> `CutoutRequest`, or every fault of them at once.

The positions table itself is not opened here: see `positions`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO, Protocol

from soda_service.errors import Fault, OptionsError, UnknownRelease
from soda_service.request.csvtext import explain_bytes
from soda_service.request.filters import read_filters
from soda_service.request.hints import suggest
from soda_service.request.options import (
    apply_options,
    check_makes_something,
    default_options,
    picture_format,
)
from soda_service.request.parsing import (
    InvalidText,
    fault_of,
    parse_centre,
    parse_value,
    shorten,
)
from soda_service.request.table import (
    FILTER_NAMES,
    PARAMETERS,
    POSITION_NAMES,
    Kind,
    Scope,
)
from soda_service.request.upload import with_uploads
from soda_service.request.values import Centre, CutoutOptions, CutoutRequest, Table
from soda_service.sky.release import Release
from uws.errors import MultiValuedParamNotSupported
from uws.models import Parameter

__all__ = ["FAULTS_MAX", "Releases", "parse_request"]

FAULTS_MAX = 100
"""Faults that are told; the others are counted."""

_EXPLAINED_BYTES = 2**14
"""How much of a value kept by reference is looked at: 4096 characters of 4 bytes stay inline."""

_FORMAT = "RESPONSEFORMAT"
_FILTERS = "SODA's parameters (ID, POS, CIRCLE, POLYGON ...)"

_NO_CENTRE = Centre(None, None, None)
_WAYS = (
    "RA and DEC, or COADD_OBJECT_ID, or SODA's ID and POS, CIRCLE or POLYGON, or a table as "
    "POSITIONS"
)

_IDLE = frozenset({"REQUEST", "VERSION", "MAXREC"})
"""DALI's own parameters that libraries send to every service: here there is nothing they rule."""


class Releases(Protocol):
    """Where releases are looked up."""

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        """Find a release by its name, in any case; raises `UnknownRelease`."""
        ...

    def default(self) -> Release:
        """Give the release of requests that name none; raises `UnknownRelease`."""
        ...

    def of_dataset(self, text: str) -> Release:
        """Give the release of an ID; raises `UnknownRelease` or `UnknownTile`."""
        ...


def parse_request(
    parameters: Sequence[Parameter],
    releases: Releases,
    *,
    open_content: Callable[[str], BinaryIO] | None = None,
) -> CutoutRequest:
    """Read all parameters of a job; the one place where they become a `CutoutRequest`.

    Parameters
    ----------
    parameters
        As sent; blank values count as not given. Only POSITIONS may be by reference.
    releases
        Where RELEASE and DB are looked up.
    open_content
        Opens what a parameter by reference refers to (`JobFiles.open`); with it a fault tells why
        such a value is no short text.

    Returns
    -------
    CutoutRequest
        Of a table whether each cutout makes something is for its row to say.

    Raises
    ------
    OptionsError
        With all faults. Options are not looked at while the release is unknown, since their
        limits and bands are the release's.
    MultiValuedParamNotSupported
        If a parameter comes more than once.
    ConfigError
        If the release's own defaults are wrong.
    """
    parameters = with_uploads(parameters)
    texts, faults = _read_texts(parameters, open_content)
    table = _table_of(parameters)
    unread: list[Fault] = []
    filters = read_filters(parameters, unread)
    faults += unread
    if not unread:  # BAND=g beside RA and DEC is a slip, and not a second way
        faults += _way_faults(texts, has_table=table is not None, has_filters=filters is not None)
    release = _find_release(texts, releases, faults, ids=filters.ids if filters else ())
    if release is None:
        raise _refusal(faults)
    words = _read_words(texts, release, faults)
    options = _read_options(texts, release, faults, has_table=table is not None)
    options = replace(options, response_format=picture_format(words.get(_FORMAT, "")))
    where = table or (None if unread else filters) or _read_centre(texts, release, faults)
    if faults:
        raise _refusal(faults)
    return CutoutRequest(
        release=release.name,
        options=options,
        where=where,
        is_default_release="RELEASE" not in texts,
        job_name=words.get("JOBNAME") or words.get("RUNID", ""),
        email=words.get("EMAIL", ""),
        webhook=words.get("WEBHOOK", ""),
        response_format=words.get(_FORMAT, ""),
        warnings=_warn_of_idle(parameters),
    )


def _read_texts(
    parameters: Sequence[Parameter], open_content: Callable[[str], BinaryIO] | None
) -> tuple[dict[str, str], list[Fault]]:
    """Sort out the parameters with a value, by name in upper case, and the faults of the others."""
    counts = Counter(parameter.name.upper() for parameter in parameters)
    single = PARAMETERS.keys() - set(FILTER_NAMES) | _IDLE
    if repeated := [name for name, count in counts.items() if count > 1 and name in single]:
        raise MultiValuedParamNotSupported(f"{', '.join(repeated)}: only one value may be given")
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for parameter in parameters:
        name = parameter.name.upper()
        if name in _IDLE or (name in FILTER_NAMES and not parameter.by_reference):
            continue
        if name not in PARAMETERS:
            # A hint takes up to 0.1 ms; a request may have thousands of parameters.
            is_shown = len(faults) < FAULTS_MAX
            unknown = _unknown_fault(parameter) if is_shown else Fault("unknown", column=name)
            faults.append(unknown)
        elif PARAMETERS[name].kind is Kind.TABLE:
            continue
        elif parameter.by_reference:
            faults.append(Fault(_explain_reference(parameter, open_content), column=name))
        elif text := parameter.value.strip():
            texts[name] = text
    return texts, faults


def _explain_reference(parameter: Parameter, open_content: Callable[[str], BinaryIO] | None) -> str:
    """Say why a value was kept by reference although it should be a short text."""
    reason = ""
    if open_content is not None:
        with open_content(parameter.value) as stream:
            start = stream.read(_EXPLAINED_BYTES)
        reason = explain_bytes(start, is_whole=len(start) < _EXPLAINED_BYTES)
    return reason or "too long, or a file; a short text is needed"


def _warn_of_idle(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    sent = {parameter.name.upper() for parameter in parameters}
    return tuple(f"{name}: has no effect here" for name in sorted(_IDLE & sent))


def _refusal(faults: Sequence[Fault]) -> OptionsError:
    return OptionsError(tuple(faults[:FAULTS_MAX]), len(faults))


def _unknown_fault(parameter: Parameter) -> Fault:
    """Tell of a parameter that does not exist, with the best hint there is."""
    name = parameter.name.upper()
    found = "" if parameter.by_reference else shorten(parameter.value.strip())
    if meant := suggest(name, PARAMETERS):
        hint = f"did you mean {meant}={found}?" if found else f"did you mean {meant}?"
    else:
        hint = f"allowed: {', '.join(PARAMETERS)}"
    return Fault(f"unknown parameter; {hint}", column=shorten(name), found=found or None)


def _table_of(parameters: Sequence[Parameter]) -> Table | None:
    """Find the positions table of a request; a blank one is as good as none."""
    for parameter in parameters:
        is_given = parameter.by_reference or bool(parameter.value.strip())
        if parameter.name.upper() == "POSITIONS" and is_given:
            return Table(parameter.value, parameter.by_reference)
    return None


def _way_faults(texts: Mapping[str, str], *, has_table: bool, has_filters: bool) -> list[Fault]:
    """Tell whether the job's positions are given in no way, or in several."""
    singles = [name for name in POSITION_NAMES if name in texts]
    ways = [", ".join(singles)] if singles else []
    ways += ["POSITIONS"] if has_table else []
    ways += [_FILTERS] if has_filters else []
    if len(ways) > 1:
        message = f"given together with {' and '.join(ways[:-1])}; allowed is one of: {_WAYS}"
        return [Fault(message, column=ways[-1])]
    if not ways:
        return [Fault(f"no position is given; needed is one of: {_WAYS}")]
    return []


def _find_release(
    texts: Mapping[str, str], releases: Releases, faults: list[Fault], *, ids: Sequence[str] = ()
) -> Release | None:
    """Find the release of ID, RELEASE and DB, or the default one; adds what is wrong to `faults`.

    Raises
    ------
    UnknownRelease, UnknownTile
        For an ID of no data set.
    """
    found = {each.name: each for each in (releases.of_dataset(text) for text in ids)}
    if len(found) > 1:
        message = f"data sets of several releases ({', '.join(found)}); a request is about one"
        faults.append(Fault(message, column="ID"))
        return None
    for release in found.values():
        named = texts.get("RELEASE", release.name)
        if named.casefold() != release.name.casefold():
            message = f"{shorten(named)!r} is not the release of ID, which is {release.name}"
            faults.append(Fault(message, column="RELEASE", found=shorten(named)))
        return release
    name, database = texts.get("RELEASE"), texts.get("DB")
    try:
        release = releases.get(name, with_tiles=True) if name else releases.default()
    except UnknownRelease as error:
        faults.append(Fault(str(error), column="RELEASE", found=name and shorten(name)))
        return None
    if database is None or database.casefold() == release.database.casefold():
        return release
    try:
        # Another database may have a release of the same name.
        return releases.get(release.name, database=database, with_tiles=True)
    except UnknownRelease:
        belongs = (
            f"allowed: {release.database}" if release.database else "it has none, leave DB out"
        )
        message = f"{shorten(database)!r} is not the database of release {release.name}; {belongs}"
        faults.append(Fault(message, column="DB", found=shorten(database)))
    return release


def _read_words(texts: Mapping[str, str], release: Release, faults: list[Fault]) -> dict[str, str]:
    """Read the parameters of the job alone; adds what is wrong to `faults`."""
    words: dict[str, str] = {}
    for name, text in texts.items():
        if PARAMETERS[name].scope is Scope.JOB:
            try:
                words[name] = parse_value(PARAMETERS[name], text, release=release)
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
    return words


def _read_options(
    texts: Mapping[str, str], release: Release, faults: list[Fault], *, has_table: bool
) -> CutoutOptions:
    """Read the options of the job; adds what is wrong to `faults`."""
    options = default_options(release)
    try:
        changes = {name: text for name, text in texts.items() if name != _FORMAT}
        options = apply_options(options, changes, release=release)
    except OptionsError as error:
        faults.extend(error.faults)
    else:
        if not has_table:
            faults.extend(check_makes_something(options, release))
    return options


def _read_centre(texts: Mapping[str, str], release: Release, faults: list[Fault]) -> Centre:
    """Read the one position of a job without a table; adds what is wrong to `faults`."""
    if texts.keys().isdisjoint(POSITION_NAMES):
        return _NO_CENTRE
    try:
        return parse_centre(texts, release)
    except OptionsError as error:
        faults.extend(error.faults)
        return _NO_CENTRE
