"""Settings of cutouts; a section of `soda_service.config`. Imports settings only."""

from dataclasses import dataclass, field
from pathlib import Path

from soda_service.settings import bounds

__all__ = ["CutoutsConfig"]


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
