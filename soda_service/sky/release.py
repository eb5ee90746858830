"""A data release, as described by one TOML file in `conf/releases` or in the data directory."""

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
    """The configuration of a release. `pixels.paths` builds the paths of its tiles."""

    name: str
    """Such as `DR1`; not case-sensitive."""

    title: str
    bands: tuple[Band, ...]
    root: str
    """Directory, `https://` or `s3://` address that holds the tiles; never shown to users."""

    path_template: str
    """Path below the root: `{archive_path}/{tilename}_{reqatt}_{band}.fits.fz`, with columns of the
    tile table in braces and `{band}` as spelled in `band_spelling`. For `{path}`, as for any other
    column, the column `path_{band}` is used if it exists, otherwise `path`. May contain `*` and `?`
    where part of a name is unknown."""

    band_spelling: Mapping[str, str] = field(default_factory=dict)
    """Spelling of a band in paths, if it differs from its name."""

    planes: tuple[Plane, ...] = ()
    """Planes to cut, the science plane first; empty: every image HDU with a celestial WCS."""

    database: str = ""
    """Qualifier that users may send as DB, e.g. `DESDR`."""

    name_prefix: str = "J"
    """Start of the names of cutouts: `DESJ`."""

    pixel_scale_arcsec: float | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Options by name, as text, that differ from the system's defaults."""

    size_min_arcmin: float = 0.1
    size_max_arcmin: float = 12.0
    is_default: bool = False
    is_local: bool = False
    """Whether its file is in the data directory."""

    tile_columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical tile column -> the operator's column, for `import-tiles`."""

    tile_patterns: Mapping[str, str] = field(default_factory=dict)
    """Column of the tile table -> regular expression that `import-tiles` searches in it. Its named
    groups become columns: `archive_path` -> `/r(?P<reqnum>[0-9]+)/`."""

    tile_size_px: tuple[int, int] | None = None
    """Width and height of every tile, for tile tables without corners."""

    object_columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical catalogue column -> the operator's column, for `import-objects`."""

    time_mjd: tuple[float, float] | None = None
    """First and last time of the observations, MJD UTC; None if unknown."""

    zero_point_mag: float | None = None
    unit: str = ""
    """BUNIT for tiles that have none."""

    acknowledgement: str = ""
    serves_whole_tiles: bool = True
    mask_no_data_bit: int = 0
    """Value of the bit set in MSK where a padded cutout has no pixel; 0 if unknown."""

    source: Path | None = None
    """The file from which this was read."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(band.name for band in self.bands)

    def label(self, band: str) -> str:
        """Return a band as used in file names: in lower case, unless that is ambiguous."""
        twins = [name for name in self.band_names if name.lower() == band.lower()]
        return band.lower() if len(twins) < 2 else band

    def labels(self, bands: Sequence[str]) -> str:
        """Return several bands as used in file names: `gry`, or `w3-w2-w1` for longer names.

        Different bands give different texts, since the separator is in none of the names (no band
        name contains `~`).
        """
        names = self.band_names
        if all(len(name) == 1 for name in names):
            joint = ""
        else:
            joint = "~" if any("-" in name for name in names) else "-"
        return joint.join(map(self.label, bands))
