"""Settings of cutouts and pictures; sections of `soda_service.config`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from soda_service.config.settings import bounds

__all__ = ["CutoutsConfig", "PicturesConfig", "Sia2Config", "SyncConfig"]


@dataclass(frozen=True, slots=True)
class CutoutsConfig:
    """Limits and sizes of cutout jobs."""

    rows_max: int = field(default=1_000_000, metadata=bounds(1))
    """Rows of a positions table; beyond it 413."""

    rows_checked_at_once: int = field(default=100_000, metadata=bounds(0))
    """Tables of up to so many rows are checked while the client waits, longer ones when planned."""

    results_listed_max: int = field(default=1000, metadata=bounds(0))
    """Files listed one by one among a job's results; beyond it by manifest and archive alone."""

    chunk_rows: int = field(default=100, metadata=bounds(1))
    """Rows worked together by one worker in one task."""

    open_tiles: int = field(default=64, metadata=bounds(1))
    """Tile files that a process keeps open."""

    index_folder: Path | None = None
    """Folder of the restart indexes of tiles, shared by the workers; empty: `tile-index` in the
    data directory."""

    index_from_rows: int = field(default=64, metadata=bounds(0))
    """A job that cuts so many rows from a tile makes the tile's restart index, if it has none;
    0: `index-tiles` alone makes them."""


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Cutouts made while the client waits (`/sync`)."""

    pixels_max: int = field(default=16_000_000, metadata=bounds(1))
    """Pixels of a cutout; beyond it 400, such are made by `/async`."""

    at_once_per_core: int = field(default=4, metadata=bounds(1, 1000))
    """Cutouts made at a time, of all web processes, for each core; beyond it 503."""


@dataclass(frozen=True, slots=True)
class Sia2Config:
    """Lists of images (`/sia2`)."""

    rows_default: int = field(default=10_000, metadata=bounds(1))
    """Rows of an answer where MAXREC is not given."""

    rows_max: int = field(default=100_000, metadata=bounds(1))
    """Rows of an answer at most, whatever MAXREC says."""


@dataclass(frozen=True, slots=True)
class PicturesConfig:
    """How pictures are made, where a request has no parameter for it; see docs/pictures.md."""

    stiff_gamma: float = field(default=2.2, metadata=bounds(0.001, 10))
    """STIFF's GAMMA: of the screen; larger brings up what is faint."""

    stiff_luminance_gamma: float = field(default=1.0, metadata=bounds(0.001, 10))
    """STIFF's GAMMA_FAC: a gamma on brightness alone, which leaves colours as they are."""

    stiff_saturation: float = field(default=1.0, metadata=bounds(0, 10))
    """STIFF's COLOUR_SAT: 0 is black and white, 2 exaggerates."""

    stiff_min_type: Literal["greylevel", "quantile", "manual"] = "greylevel"
    """STIFF's MIN_TYPE: black so that the sky has the grey level `stiff_min_level`; at that
    quantile of the darker half; or at that pixel value."""

    stiff_min_level: float = 0.001
    """STIFF's MIN_LEVEL."""

    stiff_max_type: Literal["quantile", "manual"] = "quantile"
    """STIFF's MAX_TYPE: white at the quantile `stiff_max_level` of the brighter half, or at that
    pixel value."""

    stiff_max_level: float = 0.999
    """STIFF's MAX_LEVEL."""

    jpeg_quality: int = field(default=92, metadata=bounds(1, 100))
    """Of pictures that RESPONSEFORMAT asks for as JPEG."""

    thumbnails_rows_max: int = field(default=10_000, metadata=bounds(0))
    """Rows of a job, its first ones, that get thumbnails; 0: none."""
