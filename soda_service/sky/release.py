"""A data release as a value: one TOML file of `conf/releases` or of the data directory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Band", "Plane", "Release"]


@dataclass(frozen=True, slots=True)
class Band:
    """A filter of a release."""

    name: str
    """As the release writes it: `g`, `Y`, `W1`."""

    wavelength_min_m: float | None = None
    wavelength_max_m: float | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """An image plane of a tile's file."""

    role: str
    """`SCI` (science), `MSK` (mask), `WGT` (weight), or another name."""

    hdu: str | int
    """EXTNAME, or number of the HDU."""


@dataclass(frozen=True, slots=True)
class Release:
    """Everything that configuration says of a release. Paths are made by `tiles.paths`."""

    name: str
    """`DR1`; compared without regard to case."""

    title: str
    bands: tuple[Band, ...]
    root: str
    """Directory, `https://` or `s3://` below which the tiles lie; never shown to users."""

    path_template: str
    """Below the root: `{archive_path}/{tilename}_{reqatt}_{band}.fits.fz`; columns of the tile
    table in braces, `{band}` in the spelling of `band_spelling`; `{path}` is the column
    `path_{band}` where there is one, else `path`, and so is every other column.
    May hold `*` and `?` where the rest of a name is not known."""

    band_spelling: Mapping[str, str] = field(default_factory=dict)
    """How a band is written in paths, where it differs from its name."""

    planes: tuple[Plane, ...] = ()
    """Planes to cut, the science plane first; empty: every image HDU with a celestial WCS."""

    database: str = ""
    """Qualifier that users may name as DB, e.g. `DESDR`."""

    name_prefix: str = "J"
    """Start of a cutout's name: `DESJ`."""

    pixel_scale_arcsec: float | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Options by name, as text, where they differ from the system's."""

    size_min_arcmin: float = 0.1
    size_max_arcmin: float = 12.0
    is_default: bool = False
    is_local: bool = False
    """Whether its file lies below the data directory."""

    tile_columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical tile column -> the operator's column, for `import-tiles`."""

    tile_patterns: Mapping[str, str] = field(default_factory=dict)
    """Column of the tile table -> regular expression, searched in it by `import-tiles`; its named
    groups become columns: `archive_path` -> `/r(?P<reqnum>[0-9]+)/`."""

    tile_size_px: tuple[int, int] | None = None
    """Width and height of every tile, for tile tables that lack the corners."""

    object_columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical catalogue column -> the operator's column, for `import-objects`."""

    time_mjd: tuple[float, float] | None = None
    """From when to when it was observed, MJD UTC; None: not told."""

    zero_point_mag: float | None = None
    unit: str = ""
    """BUNIT where the tiles do not say."""

    acknowledgement: str = ""
    serves_whole_tiles: bool = True
    mask_no_data_bit: int = 0
    """Bit (value, e.g. 1) set in MSK where a padded cutout has no pixel; 0: none is known."""

    source: Path | None = None
    """The file that this was read from."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(band.name for band in self.bands)

    def label(self, band: str) -> str:
        """Write a band as file names and texts do: in lower case, unless that is ambiguous."""
        twins = [name for name in self.band_names if name.lower() == band.lower()]
        return band.lower() if len(twins) < 2 else band

    def labels(self, bands: Sequence[str]) -> str:
        """Write several bands as file names do: `gry`, or `w3-w2-w1` if names have more letters.

        Different bands give different texts: what joins names occurs in none of them (`~` is in
        no band's name).
        """
        names = self.band_names
        if all(len(name) == 1 for name in names):
            joint = ""
        else:
            joint = "~" if any("-" in name for name in names) else "-"
        return joint.join(map(self.label, bands))
