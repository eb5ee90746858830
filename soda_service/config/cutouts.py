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
    """Maximum number of rows in a positions table; a longer table is answered by 413."""

    rows_checked_at_once: Annotated[Integer, Interval(ge=0)] = 100_000
    """Tables of up to this many rows are validated while the client waits; longer ones during
    planning."""

    results_listed_max: Annotated[Integer, Interval(ge=0)] = 1000
    """Maximum number of files listed individually in a job's results; further files are in manifest
    and archive only."""

    chunk_rows: Annotated[Integer, Interval(ge=1)] = 100
    """Rows that one worker processes together in one task."""

    open_tiles: Annotated[Integer, Interval(ge=1)] = 64
    """Number of tile files that a process keeps open."""

    index_folder: Folder | None = None
    """Folder of the restart indexes of tiles, shared by the workers; empty: `tile-index` in the
    data directory."""

    index_from_rows: Annotated[Integer, Interval(ge=0)] = 64
    """A job that cuts this many rows from a tile makes the tile's restart index, if there is none;
    0: only `index-tiles` makes them."""


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Cutouts made while the client waits (`/sync`)."""

    pixels_max: Annotated[Integer, Interval(ge=1)] = 16_000_000
    """Maximum number of pixels in a cutout; a larger one is answered by 400, and can be made by
    `/async`."""

    at_once_per_core: Annotated[Integer, Interval(ge=1, le=1000)] = 4
    """Maximum number of cutouts made at a time, over all web processes, per core; beyond it 503."""


@dataclass(frozen=True, slots=True)
class Sia2Config:
    """Lists of images (`/sia2`)."""

    rows_default: Annotated[Integer, Interval(ge=1)] = 10_000
    """Number of rows returned without MAXREC."""

    rows_max: Annotated[Integer, Interval(ge=1)] = 100_000
    """Maximum number of rows returned, whatever MAXREC says."""


def _with_methods(kind: type[Section]) -> type[Section]:
    """Add a key for each operator setting of the picture methods."""
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
    # Any: a type, and a method's metadata for it.
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
    """Options of pictures that requests have no parameter for; see docs/pictures.md."""

    jpeg_quality: Annotated[Integer, Interval(ge=1, le=100)] = 92
    """JPEG quality of pictures with RESPONSEFORMAT=jpeg."""

    thumbnails_rows_max: Annotated[Integer, Interval(ge=0)] = 10_000
    """Number of a job's first rows that get thumbnails; 0: none."""

    def of_method(self, method: Method) -> object:
        """Return the settings of a picture method, a value of its `operator_settings`.

        Raises
        ------
        ValueError
            If they do not fit together. The message begins with the field to change.
        """
        kind = method.operator_settings
        if kind is None:
            return None
        keys = {each: f"{method.name}_{each.name}" for each in fields(kind)}
        found = kind(**{each.name: getattr(self, key, each.default) for each, key in keys.items()})
        if method.check_operator is not None:
            method.check_operator(found)
        return found
