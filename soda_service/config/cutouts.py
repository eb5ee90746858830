"""Settings of cutouts and pictures; sections of `soda_service.config`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from soda_service.config.validation import ANY_CASE, Folder, Integer, Number

__all__ = ["CutoutsConfig", "PicturesConfig", "Sia2Config", "SyncConfig"]


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


@dataclass(frozen=True, slots=True)
class PicturesConfig:
    """How pictures are made, where a request has no parameter for it; see docs/pictures.md."""

    stiff_gamma: Annotated[Number, Interval(ge=0.001, le=10)] = 2.2
    """STIFF's GAMMA: of the screen; larger brings up what is faint."""

    stiff_luminance_gamma: Annotated[Number, Interval(ge=0.001, le=10)] = 1.0
    """STIFF's GAMMA_FAC: a gamma on brightness alone, which leaves colours as they are."""

    stiff_saturation: Annotated[Number, Interval(ge=0, le=10)] = 1.0
    """STIFF's COLOUR_SAT: 0 is black and white, 2 exaggerates."""

    stiff_min_type: Annotated[Literal["greylevel", "quantile", "manual"], ANY_CASE] = "greylevel"
    """STIFF's MIN_TYPE: black so that the sky has the grey level `stiff_min_level`; at that
    quantile of the darker half; or at that pixel value."""

    stiff_min_level: Number = 0.001
    """STIFF's MIN_LEVEL."""

    stiff_max_type: Annotated[Literal["quantile", "manual"], ANY_CASE] = "quantile"
    """STIFF's MAX_TYPE: white at the quantile `stiff_max_level` of the brighter half, or at that
    pixel value."""

    stiff_max_level: Number = 0.999
    """STIFF's MAX_LEVEL."""

    jpeg_quality: Annotated[Integer, Interval(ge=1, le=100)] = 92
    """Of pictures that RESPONSEFORMAT asks for as JPEG."""

    thumbnails_rows_max: Annotated[Integer, Interval(ge=0)] = 10_000
    """Rows of a job, its first ones, that get thumbnails; 0: none."""
