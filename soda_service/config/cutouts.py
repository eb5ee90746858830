"""Settings of cutouts and pictures; sections of `soda_service.config`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

from annotated_types import Interval
from pydantic import Field

from soda_service.config.validation import ANY_CASE, Folder, Integer, Number
from soda_service.engine.colour.methods import METHODS, Method

__all__ = ["CutoutsConfig", "PicturesConfig", "Sia2Config", "SyncConfig"]

Section = TypeVar("Section")


@dataclass(frozen=True, slots=True)
class CutoutsConfig:
    """Limits and sizes of cutout jobs."""

    rows_max: Annotated[Integer, Interval(ge=1)] = 1_000_000
    """Rows of a positions table; beyond it 413."""

    rows_checked_at_once: Annotated[Integer, Interval(ge=0)] = 100_000
    """Tables of up to so many rows are checked while the client waits, longer ones when planned."""

    results_listed_max: Annotated[Integer, Interval(ge=0)] = 1000
    """Files listed one by one among a job's results; beyond it by manifest and archive alone."""

    chunk_rows: Annotated[Integer, Interval(ge=1)] = 100
    """Rows worked together by one worker in one task."""

    open_tiles: Annotated[Integer, Interval(ge=1)] = 64
    """Tile files that a process keeps open."""

    index_folder: Folder | None = None
    """Folder of the restart indexes of tiles, shared by the workers; empty: `tile-index` in the
    data directory."""

    index_from_rows: Annotated[Integer, Interval(ge=0)] = 64
    """A job that cuts so many rows from a tile makes the tile's restart index, if it has none;
    0: `index-tiles` alone makes them."""


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Cutouts made while the client waits (`/sync`)."""

    pixels_max: Annotated[Integer, Interval(ge=1)] = 16_000_000
    """Pixels of a cutout; beyond it 400, such are made by `/async`."""

    at_once_per_core: Annotated[Integer, Interval(ge=1, le=1000)] = 4
    """Cutouts made at a time, of all web processes, for each core; beyond it 503."""


@dataclass(frozen=True, slots=True)
class Sia2Config:
    """Lists of images (`/sia2`)."""

    rows_default: Annotated[Integer, Interval(ge=1)] = 10_000
    """Rows of an answer where MAXREC is not given."""

    rows_max: Annotated[Integer, Interval(ge=1)] = 100_000
    """Rows of an answer at most, whatever MAXREC says."""


def _with_methods(kind: type[Section]) -> type[Section]:
    """Add a key for each setting that the picture methods leave to the operator."""
    added = [
        (f"{method.name}_{each.name}", _annotated(hints[each.name], each.metadata), each.default)
        for method in METHODS.values()
        if method.operator_settings is not None
        for hints in [get_type_hints(method.operator_settings)]
        for each in fields(method.operator_settings)
    ]
    return make_dataclass(
        kind.__name__,
        [(name, hint, field(default=default)) for name, hint, default in added],
        bases=(kind,),
        namespace={"__doc__": kind.__doc__, "__module__": kind.__module__},
        frozen=True,
        slots=True,
    )


def _annotated(hint: Any, metadata: Mapping[str, Any]) -> Any:
    # Any: a type, and what a method says of it.
    described = Field(description=metadata["text"])
    if hint is not float:
        return Annotated[hint, ANY_CASE, described]
    if metadata["minimum"] is None:
        return Annotated[Number, described]
    limits = Interval(ge=metadata["minimum"], le=metadata["maximum"])
    return Annotated[Number, limits, described]


@_with_methods
@dataclass(frozen=True, slots=True)
class PicturesConfig:
    """How pictures are made, where a request has no parameter for it; see docs/pictures.md."""

    jpeg_quality: Annotated[Integer, Interval(ge=1, le=100)] = 92
    """Of pictures that RESPONSEFORMAT asks for as JPEG."""

    thumbnails_rows_max: Annotated[Integer, Interval(ge=0)] = 10_000
    """Rows of a job, its first ones, that get thumbnails; 0: none."""

    def of_method(self, method: Method) -> object:
        """Return the settings of a picture method, a value of its `operator_settings`.

        Raises
        ------
        ValueError
            When they do not go together; led by the field that is to be changed.
        """
        kind = method.operator_settings
        if kind is None:
            return None
        keys = {each: f"{method.name}_{each.name}" for each in fields(kind)}
        found = kind(**{each.name: getattr(self, key, each.default) for each, key in keys.items()})
        if method.check_operator is not None:
            method.check_operator(found)
        return found
