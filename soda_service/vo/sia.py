"""SIA 2.0 queries: parameters -> conditions -> numbers of the rows that match.

Values of one parameter are alternatives, different parameters must all match, and an unknown
property of an image matches nothing (SIA-3).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.wcs.position import Polygon, Position
from soda_service.errors import Fault, OptionsError, UnknownRelease, UnknownTile
from soda_service.formats.votable import MEDIA_TYPE, Field, Param
from soda_service.request.hints import suggest
from soda_service.request.parsing import InvalidText, fault_of, shorten
from soda_service.request.shapes import parse_interval, parse_polarisation, parse_pos
from soda_service.sky.dataset import ReleaseLookup, find_dataset
from soda_service.sky.release import Band, Release
from soda_service.sky.skyindex import tiles_meeting
from soda_service.vo.images import (
    CALIB_LEVEL,
    DATALINK_TYPE,
    POLARISATIONS,
    PRODUCT_TYPE,
    Images,
    fields_of_view_deg,
    resolving_power,
    wavelengths_m,
)

__all__ = [
    "SIA_ID",
    "ResponseFormat",
    "SiaQuery",
    "input_params",
    "parse_query",
    "read_format",
    "select",
]

Bools = NDArray[np.bool_]
Interval = tuple[float, float]
_Value = TypeVar("_Value")

SIA_ID = "ivo://ivoa.net/std/SIA#query-2.0"

_OUTLINES_MAX = 2000
"""Limit for circles, ranges and polygon vertices in one query: about 0.5 s for 10,000 tiles."""

_FAULTS_MAX = 100
_COUNT = re.compile(r"[0-9]{1,18}")

_IDLE = frozenset({"REQUEST", "VERSION", "RUNID"})
"""DALI's own parameters, which libraries send to every service; they have no effect here."""

_SINGLE = ("MAXREC", "RESPONSEFORMAT")


def _interval(name: str, unit: str, ucd: str, description: str) -> Field:
    text = f"{description}: a number, or the lowest and the highest"
    return Field(name, "double", "2", unit, ucd, xtype="interval", description=text)


def _text(name: str, ucd: str, description: str) -> Field:
    return Field(name, "char", "*", ucd=ucd, description=description)


_INTERVALS = (
    _interval("BAND", "m", "em.wl;stat.interval", "Wavelength that the image covers"),
    _interval("TIME", "d", "time.interval;obs.exposure", "Time of observation, MJD, UTC"),
    _interval("FOV", "deg", "phys.angSize;instr.fov", "Diameter of the image"),
    _interval("SPATRES", "arcsec", "pos.angResolution", "Resolution on the sky"),
    _interval("SPECRP", "", "spect.resolution", "Wavelength over bandwidth"),
    _interval("EXPTIME", "s", "time.duration;obs.exposure", "Exposure time"),
    _interval("TIMERES", "s", "time.resolution", "Resolution in time"),
)
_WORDS = (
    _text("POL", "meta.code;phys.polarization", "State of polarisation: I"),
    _text("ID", "meta.ref.ivoid", "Identifier of an image"),
    _text("COLLECTION", "meta.id", "Name of a data release"),
    _text("FACILITY", "meta.id;instr.tel", "Observatory or telescope"),
    _text("INSTRUMENT", "meta.id;instr", "Instrument"),
    _text("DPTYPE", "meta.code.class", "Kind of data: image"),
    # An array, since pyvo and astropy fail on scalar numbers that are empty.
    Field("CALIB", "int", "*", ucd="meta.code;obs.calib", description="Calibration level: 3"),
    _text("TARGET", "meta.id;src", "Object that was observed"),
    _text("FORMAT", "meta.code.mime", "Media type of the content at access_url"),
)
_POS = _text(
    "POS",
    "pos.outline;obs",
    "Part of the sky that the image overlaps: CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or "
    "POLYGON ra1 dec1 ra2 dec2 ra3 dec3 ..., ICRS, degrees",
)
_NAMES = tuple(each.name for each in (_POS, *_INTERVALS, *_WORDS))


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """Format of the response."""

    kind: str
    """`votable`, `csv` or `tsv`."""

    content_type: str


@dataclass(frozen=True, slots=True)
class SiaQuery:
    """The conditions of a query."""

    shapes: tuple[Position, ...] = ()
    intervals: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    """Intervals by parameter, in its unit."""

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Texts by parameter."""

    rows_max: int | None = None
    """MAXREC."""


_FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "votable": ("votable", MEDIA_TYPE),
        MEDIA_TYPE: ("votable", MEDIA_TYPE),
        "text/xml": ("votable", "text/xml"),
        "csv": ("csv", "text/csv"),
        "text/csv": ("csv", "text/csv"),
        "tsv": ("tsv", "text/tab-separated-values"),
        "text/tab-separated-values": ("tsv", "text/tab-separated-values"),
    }
)
"""RESPONSEFORMAT -> format and media type (DALI-13)."""

_TYPE_PARAMETERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "votable": frozenset({"serialization=tabledata", "charset=utf-8"}),
        "csv": frozenset({"header=present", "charset=utf-8"}),
        "tsv": frozenset({"charset=utf-8"}),
    }
)

Given = Mapping[str, Sequence[str]]
"""Texts by parameter, in upper case; blank texts are omitted."""


def input_params(*, rows_default: int, rows_max: int) -> tuple[Param, ...]:
    """Return the parameters of a query, for the service's own description."""
    count = Field("MAXREC", "int", ucd="meta.number", description="Maximum number of rows")
    formats = tuple(name for name in _FORMATS if "/" not in name)
    answer = _text("RESPONSEFORMAT", "meta.code.mime", "Format of the response")
    return (
        *map(Param, (_POS, *_INTERVALS, *_WORDS)),
        Param(count, str(rows_default), minimum="0", maximum=str(rows_max)),
        Param(answer, options=formats),
    )


def read_format(given: Given) -> ResponseFormat:
    """Parse RESPONSEFORMAT; a requested media type is returned as it was written.

    Raises
    ------
    OptionsError
        If it is unknown, or given twice.
    """
    texts = given.get("RESPONSEFORMAT", ())
    _require_single("RESPONSEFORMAT", texts)
    if not texts:
        return ResponseFormat("votable", MEDIA_TYPE)
    name, *details = (part.strip() for part in _media_type(texts[0]).lower().split(";"))
    kind, media_type = _FORMATS.get(name, ("", ""))
    if not kind or not set(details) <= _TYPE_PARAMETERS[kind]:
        message = f"{shorten(texts[0])!r} is not offered; allowed: {', '.join(_FORMATS)}"
        raise OptionsError((Fault(message, column="RESPONSEFORMAT", found=shorten(texts[0])),))
    if kind != "votable" and not details:
        details = ["charset=utf-8"]
    return ResponseFormat(kind, ";".join([media_type, *details]))


def parse_query(given: Given) -> SiaQuery:
    """Parse the parameters of a query.

    Raises
    ------
    OptionsError
        With all errors in them.
    """
    faults = [_unknown(name) for name in given if name not in {*_NAMES, *_SINGLE, *_IDLE}]
    words = {each.name: tuple(given[each.name]) for each in _WORDS if each.name in given}

    def read(name: str, parse: Callable[[str], _Value]) -> tuple[_Value, ...]:
        found = []
        for text in given.get(name, ()):
            try:
                found.append(parse(text))
            except InvalidText as error:
                faults.append(fault_of(name, text, error))
        return tuple(found)

    query = SiaQuery(
        shapes=read("POS", parse_pos),
        intervals={
            each.name: read(each.name, parse_interval) for each in _INTERVALS if each.name in given
        },
        words=words
        | {name: read(name, parse) for name, parse in _WORD_PARSERS.items() if name in given},
        rows_max=_single_count("MAXREC", given, faults),
    )
    outlines = sum(shape.sides if isinstance(shape, Polygon) else 1 for shape in query.shapes)
    if outlines > _OUTLINES_MAX:
        message = f"{outlines} shapes and vertices found; allowed are {_OUTLINES_MAX}"
        faults.append(Fault(message, column="POS"))
    if faults:
        raise OptionsError(tuple(faults[:_FAULTS_MAX]), len(faults))
    return query


def select(query: SiaQuery, images: Images, releases: ReleaseLookup) -> NDArray[np.intp]:
    """Return the rows of a release that match a query.

    Parameters
    ----------
    releases
        Look-up of identifiers.

    Returns
    -------
    ndarray, shape (n,)
        Numbers of rows, ascending.
    """
    release = images.release
    if not _suits(query, release):
        return np.empty(0, dtype=np.intp)
    bands = [_has_band(query, band) for band in release.bands]
    chosen = np.outer(_tiles(query, images), np.array(bands, dtype=np.bool_))
    if "ID" in query.words:
        chosen &= _identified(query.words["ID"], images, releases)
    return np.flatnonzero(chosen)


def _suits(query: SiaQuery, release: Release) -> bool:
    """Return whether the properties that all images of a release share match a query."""
    known = {
        "POL": POLARISATIONS,
        "COLLECTION": (release.name,),
        "DPTYPE": (PRODUCT_TYPE,),
        "CALIB": (str(CALIB_LEVEL),),
        "FORMAT": (DATALINK_TYPE,),
    }
    for name, texts in query.words.items():
        if name != "ID" and set(texts).isdisjoint(known.get(name, ())):
            return False
    # No release defines these for its images.
    return query.intervals.keys().isdisjoint({"SPATRES", "EXPTIME", "TIMERES"}) and _meets(
        query, "TIME", release.time_mjd
    )


def _has_band(query: SiaQuery, band: Band) -> bool:
    power = resolving_power(band)
    return _meets(query, "BAND", wavelengths_m(band)) and _meets(
        query, "SPECRP", None if power is None else (power, power)
    )


def _tiles(query: SiaQuery, images: Images) -> Bools:
    """Return which tiles match the position and size conditions of a query."""
    met = np.ones(len(images.index), dtype=np.bool_)
    if "FOV" in query.intervals:
        sizes = fields_of_view_deg(images.index)
        wanted = [(low <= sizes) & (sizes <= high) for low, high in query.intervals["FOV"]]
        met &= np.logical_or.reduce(wanted)
    if query.shapes:
        overlaps = (tiles_meeting(images.index, shape) for shape in query.shapes)
        met &= np.logical_or.reduce(list(overlaps))
    return met


def _identified(ids: Iterable[str], images: Images, releases: ReleaseLookup) -> Bools:
    """Return which rows, shape (tiles, bands), have one of the identifiers."""
    index, release = images.index, images.release
    chosen = np.zeros((len(index), len(release.bands)), dtype=np.bool_)
    for text in ids:
        try:
            found = find_dataset(text, releases)
        except (UnknownRelease, UnknownTile):
            continue
        tile = index.number(found.tile)
        # Shorter identifiers do not identify a row.
        if found.release.name == release.name and found.band and tile is not None:
            chosen[tile, release.band_names.index(found.band)] = True
    return chosen


def _meets(query: SiaQuery, name: str, known: Interval | None) -> bool:
    """Return whether an interval overlaps one of those requested; True if none was requested."""
    if name not in query.intervals:
        return True
    if known is None:
        return False
    return any(low <= known[1] and known[0] <= high for low, high in query.intervals[name])


def _parse_level(text: str) -> str:
    if text not in set("01234"):
        raise InvalidText(f"{shorten(text)!r} is not a calibration level from 0 to 4")
    return text


def _media_type(text: str) -> str:
    """Restore the `+` in a media type, which a client may have sent unencoded."""
    return text.replace("x-votable xml", "x-votable+xml")


_WORD_PARSERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"POL": parse_polarisation, "CALIB": _parse_level, "FORMAT": _media_type}
)
"""Parsers of texts that are not used as they are."""


def _single_count(name: str, given: Given, faults: list[Fault]) -> int | None:
    texts = given.get(name, ())
    try:
        _require_single(name, texts)
    except OptionsError as error:
        faults.extend(error.faults)
        return None
    if texts and not _COUNT.fullmatch(texts[0]):
        message = f"{shorten(texts[0])!r} is not a non-negative integer"
        faults.append(Fault(message, column=name, found=shorten(texts[0])))
        return None
    return int(texts[0]) if texts else None


def _require_single(name: str, texts: Sequence[str]) -> None:
    if len(texts) > 1:
        raise OptionsError((Fault(f"{len(texts)} values found; allowed is one", column=name),))


def _unknown(name: str) -> Fault:
    if name == "UPLOAD":
        return Fault("uploads are not supported", column=name)
    meant = suggest(name, (*_NAMES, *_SINGLE))
    hint = f"did you mean {meant}?" if meant else f"allowed: {', '.join((*_NAMES, *_SINGLE))}"
    return Fault(f"unknown parameter; {hint}", column=shorten(name))
