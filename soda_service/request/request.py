"""All parameters of a job -> `CutoutRequest`, or all their faults at once.

The positions table is not opened here: see `positions`.
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
from soda_service.request.spec import Kind, Scope
from soda_service.request.table import FILTER_NAMES, PARAMETERS, POSITION_NAMES
from soda_service.request.upload import with_uploads
from soda_service.request.values import Centre, CutoutOptions, CutoutRequest, Table
from soda_service.sky.release import Release
from uws.errors import MultiValuedParamNotSupported
from uws.models import Parameter

__all__ = ["FAULTS_MAX", "Releases", "parse_request"]

FAULTS_MAX = 100
"""Largest number of faults that are listed; the others are only counted."""

_EXPLAINED_BYTES = 2**14
"""Bytes examined of a value kept by reference; up to 4096 characters of 4 bytes stay inline."""

_FORMAT = "RESPONSEFORMAT"
_FILTERS = "SODA's parameters (ID, POS, CIRCLE, POLYGON ...)"

_NO_CENTRE = Centre(None, None, None)
_WAYS = (
    "RA and DEC, or COADD_OBJECT_ID, or SODA's ID and POS, CIRCLE or POLYGON, or a table as "
    "POSITIONS"
)

_IGNORED = frozenset({"REQUEST", "VERSION", "MAXREC"})
"""DALI parameters that libraries send to every service; they have no effect here."""


class Releases(Protocol):
    """Looks up releases."""

    def get(self, name: str, *, database: str | None = None, with_tiles: bool = False) -> Release:
        """Find a release by its name, in any case; raises `UnknownRelease`."""
        ...

    def default(self) -> Release:
        """Return the release of requests that name none; raises `UnknownRelease`."""
        ...

    def of_dataset(self, text: str) -> Release:
        """Return the release of an ID; raises `UnknownRelease` or `UnknownTile`."""
        ...


def parse_request(
    parameters: Sequence[Parameter],
    releases: Releases,
    *,
    open_content: Callable[[str], BinaryIO] | None = None,
) -> CutoutRequest:
    """Parse all parameters of a job into a `CutoutRequest`.

    Parameters
    ----------
    parameters
        Parameters as sent; blank values are ignored. Only POSITIONS may be by reference.
    releases
        Looks up RELEASE and DB.
    open_content
        Opens the content of a parameter by reference (`JobFiles.open`). If given, faults explain
        why such a value is not a short text.

    Returns
    -------
    CutoutRequest
        For a table, whether a row makes any file is checked when the row is read.

    Raises
    ------
    OptionsError
        With all faults. Options are not checked if the release is unknown, because it defines
        their limits and bands.
    MultiValuedParamNotSupported
        If a parameter is repeated.
    ConfigError
        If the defaults of the release are invalid.
    """
    parameters = with_uploads(parameters)
    texts, faults = _read_texts(parameters, open_content)
    table = _table_of(parameters)
    unread: list[Fault] = []
    filters = read_filters(parameters, unread)
    faults += unread
    if not unread:  # BAND=g together with RA and DEC is a slip, not a second way
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
        warnings=_ignored_warnings(parameters),
    )


def _read_texts(
    parameters: Sequence[Parameter], open_content: Callable[[str], BinaryIO] | None
) -> tuple[dict[str, str], list[Fault]]:
    """Return the texts of valid parameters by name in upper case, and the faults of the others."""
    counts = Counter(parameter.name.upper() for parameter in parameters)
    single = PARAMETERS.keys() - set(FILTER_NAMES) | _IGNORED
    single -= {name for name, spec in PARAMETERS.items() if spec.kind is Kind.PLANES}
    if repeated := [name for name, count in counts.items() if count > 1 and name in single]:
        raise MultiValuedParamNotSupported(f"{', '.join(repeated)}: only one value may be given")
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for parameter in parameters:
        name = parameter.name.upper()
        if name in _IGNORED or (name in FILTER_NAMES and not parameter.by_reference):
            continue
        if name not in PARAMETERS:
            # A hint takes up to 0.1 ms; a request may have thousands of parameters.
            is_listed = len(faults) < FAULTS_MAX
            unknown = _unknown_fault(parameter) if is_listed else Fault("unknown", column=name)
            faults.append(unknown)
        elif PARAMETERS[name].kind is Kind.TABLE:
            continue
        elif parameter.by_reference:
            faults.append(Fault(_explain_reference(parameter, open_content), column=name))
        elif text := parameter.value.strip():
            texts[name] = f"{texts[name]},{text}" if name in texts else text
    return texts, faults


def _explain_reference(parameter: Parameter, open_content: Callable[[str], BinaryIO] | None) -> str:
    """Explain why a value was kept by reference although it should be a short text."""
    reason = ""
    if open_content is not None:
        with open_content(parameter.value) as stream:
            start = stream.read(_EXPLAINED_BYTES)
        reason = explain_bytes(start, is_whole=len(start) < _EXPLAINED_BYTES)
    return reason or "too long, or a file; a short text is needed"


def _ignored_warnings(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    sent = {parameter.name.upper() for parameter in parameters}
    return tuple(f"{name}: has no effect here" for name in sorted(_IGNORED & sent))


def _refusal(faults: Sequence[Fault]) -> OptionsError:
    return OptionsError(tuple(faults[:FAULTS_MAX]), len(faults))


def _unknown_fault(parameter: Parameter) -> Fault:
    """Return the fault of an unknown parameter, with a suggestion if there is one."""
    name = parameter.name.upper()
    found = "" if parameter.by_reference else shorten(parameter.value.strip())
    if meant := suggest(name, PARAMETERS):
        hint = f"did you mean {meant}={found}?" if found else f"did you mean {meant}?"
    else:
        hint = f"allowed: {', '.join(PARAMETERS)}"
    return Fault(f"unknown parameter; {hint}", column=shorten(name), found=found or None)


def _table_of(parameters: Sequence[Parameter]) -> Table | None:
    """Return the positions table of a request, if there is one that is not blank."""
    for parameter in parameters:
        has_value = parameter.by_reference or bool(parameter.value.strip())
        if parameter.name.upper() == "POSITIONS" and has_value:
            return Table(parameter.value, parameter.by_reference)
    return None


def _way_faults(texts: Mapping[str, str], *, has_table: bool, has_filters: bool) -> list[Fault]:
    """Report positions that are missing, or given in more than one way."""
    singles = [name for name in POSITION_NAMES if name in texts]
    ways = [", ".join(singles)] if singles else []
    ways += ["POSITIONS"] if has_table else []
    ways += [_FILTERS] if has_filters else []
    if len(ways) > 1:
        message = f"given together with {' and '.join(ways[:-1])}; allowed is only one of: {_WAYS}"
        return [Fault(message, column=ways[-1])]
    if not ways:
        return [Fault(f"no position given; needed is one of: {_WAYS}")]
    return []


def _find_release(
    texts: Mapping[str, str], releases: Releases, faults: list[Fault], *, ids: Sequence[str] = ()
) -> Release | None:
    """Find the release of ID, RELEASE and DB, or the default one; append faults to `faults`.

    Raises
    ------
    UnknownRelease, UnknownTile
        If an ID is unknown.
    """
    found = {each.name: each for each in (releases.of_dataset(text) for text in ids)}
    if len(found) > 1:
        message = f"data sets of several releases ({', '.join(found)}); allowed is one release"
        faults.append(Fault(message, column="ID"))
        return None
    for release in found.values():
        named = texts.get("RELEASE", release.name)
        if named.casefold() != release.name.casefold():
            message = f"{shorten(named)!r} is not the release of ID; allowed: {release.name}"
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
        belongs = f"allowed: {release.database}" if release.database else "it has none, so omit DB"
        message = f"{shorten(database)!r} is not the database of release {release.name}; {belongs}"
        faults.append(Fault(message, column="DB", found=shorten(database)))
    return release


def _read_words(texts: Mapping[str, str], release: Release, faults: list[Fault]) -> dict[str, str]:
    """Parse the job-level parameters; append what is wrong to `faults`."""
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
    """Parse the options of the job; append what is wrong to `faults`."""
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
    """Parse the single position of a job without a table; append faults to `faults`."""
    if texts.keys().isdisjoint(POSITION_NAMES):
        return _NO_CENTRE
    try:
        return parse_centre(texts, release)
    except OptionsError as error:
        faults.extend(error.faults)
        return _NO_CENTRE
