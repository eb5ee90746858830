"""Publish a directory of FITS images as a release, and withdraw a release."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from soda_service.errors import ConfigError, SourceUnavailable, TileUnreadable, UnknownRelease
from soda_service.ingest.filenames import SUFFIX, FileName, match_names, tell_names
from soda_service.ingest.gathering import TileImage, competing_tiles, gather_tiles, tile_rows
from soda_service.ingest.publishdefaults import default_options, largest_size_arcmin
from soda_service.ingest.scanning import Layer, scan_file
from soda_service.ingest.siblings import without_maps
from soda_service.sky.filters import by_wavelength, wavelength_m
from soda_service.sky.index import Tile
from soda_service.sky.release import Band, Release
from soda_service.sky.releasefile import is_band_name, is_release_name, parse_release, write_release
from soda_service.sky.table import table_path, write_atomically, write_tiles

__all__ = ["PublishReport", "publish", "withdraw"]

_TEMPLATE = "{path}"
"""Mark that distinguishes a published release from one described by an operator."""

_SERVER = re.compile(r"(https?|s3):/")
"""Prefix of an address that was parsed as a path."""

Progress = Callable[[int, int], None]
"""Called with the number of finished files and of all files."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """Result of publishing."""

    release: Release
    tiles: int
    files: int
    """Number of files that are used."""

    warnings: tuple[str, ...]
    """Messages that an operator should read, one line each."""


def publish(  # noqa: PLR0913 - one for each option of the command
    directory: Path,
    *,
    name: str,
    folder: Path,
    title: str = "",
    band: str | None = None,
    pattern: str | None = None,
    default: bool = False,
    progress: Progress | None = None,
) -> PublishReport:
    """Index a directory of FITS images and write it as a release.

    Files are searched in all subfolders. Files whose names differ only in the band form one tile.
    The band is `band`, otherwise the part of the file name matched by `pattern`, otherwise the only
    part in which names differ, otherwise from the header, otherwise a part of the name that is a
    known filter, otherwise `x` (with a warning). Image HDUs on one grid are planes of one tile; on
    different grids they are separate tiles. Publishing the same name again updates the release. It
    keeps the spelling of the name and the operator's changes to the TOML file: title,
    acknowledgement, and, if the bands are the same, defaults and limits.

    Parameters
    ----------
    directory
        Directory of the images.
    name
        Name of the release; not case-sensitive.
    folder
        Folder for the release: the data directory's folder of releases.
    title
        Title for users; by default the name.
    band
        Band of all images.
    pattern
        Regular expression with a group `band`, searched in file names; files that do not match are
        omitted.
    default
        Whether requests that name no release mean this one.
    progress
        Called after each file.

    Returns
    -------
    PublishReport

    Raises
    ------
    ConfigError
        If an option is wrong, or no file can be used.
    """
    expression = _checked_options(directory, name, band, pattern)
    toml = folder / f"{name.lower()}.toml"
    known = _known(toml)
    root = directory.absolute()
    found = _fits_files(root)
    warnings: list[str] = []
    if expression:
        names = match_names(found, expression)
        if left_out := len(found) - len(names):
            warnings.append(f"{left_out} files do not match the pattern and are omitted")
    else:
        names = tell_names(without_maps(found, warnings))
    if known is not None and known.name != name:
        warnings.append(f"{name} is updated under its existing name, {known.name}")
        name = known.name
    tiles = gather_tiles(_scanned(root, names, warnings, progress), names, band, warnings)
    if not tiles:
        raise ConfigError("\n".join([f"{root}: no FITS image to publish", *warnings]))
    rows = tile_rows(tiles, root.name)
    warnings += competing_tiles(tiles, [row.name for row in rows])
    images = [image for of_tile in tiles.values() for image in of_tile.values()]
    release = _described(known, images, name=name, title=title, root=root)
    if not release.defaults:
        made = [Tile(r.name, r.ra_deg, r.dec_deg, {"tilename": r.name, **r.columns}) for r in rows]
        release = replace(release, defaults=default_options(release, made))
    write_tiles(table_path(folder, name), rows)
    if default:
        release = replace(release, is_default=True)
        _unmark_others(folder, toml)
    write_release(release, toml)
    return PublishReport(
        release=replace(release, source=toml, is_local=True),
        tiles=len(rows),
        files=len({image.path for image in images}),
        warnings=tuple(warnings),
    )


def withdraw(name: str, folder: Path) -> None:
    """Withdraw a release from service; its images and its object catalogue stay.

    Parameters
    ----------
    name
        Its name.
    folder
        The data directory's folder of releases.

    Raises
    ------
    UnknownRelease
        If there is no release of that name in the folder.
    """
    toml = folder / f"{name.lower()}.toml"
    if not is_release_name(name) or not toml.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml"))) or "none"
        raise UnknownRelease(f"there is no release {name!r} in {folder}; there are: {known}")
    # Remove the TOML first: without tiles the release would be listed; tiles alone are not.
    toml.unlink()
    table_path(folder, name).unlink(missing_ok=True)


def _checked_options(
    directory: Path, name: str, band: str | None, pattern: str | None
) -> re.Pattern[str] | None:
    if not is_release_name(name):
        allowed = "1 to 64 letters, digits or _.+-, the first a letter or digit"
        raise ConfigError(f"name: {name!r} is not a valid release name: {allowed}")
    if _SERVER.match(str(directory)):
        raise ConfigError(
            f"{directory}: images are published from a directory; for those on a server write a"
            " release file with this root, and import its tile table (import-tiles)"
        )
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    if band is not None and not is_band_name(band):
        raise ConfigError(f"band: {band!r} is not a valid band name: letters, digits or _.+'-")
    if pattern is None:
        return None
    if band is not None:
        raise ConfigError("both band and pattern are given; only one is allowed")
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"pattern: {pattern!r} is not a regular expression: {error}") from error
    if "band" not in expression.groupindex:
        raise ConfigError(f"pattern: {pattern!r} has no group (?P<band>...)")
    return expression


def _known(toml: Path) -> Release | None:
    """Return the release as it was published before."""
    if not toml.exists():
        return None
    release = parse_release(toml)
    if release.path_template != _TEMPLATE:
        raise ConfigError(
            f"{toml}: this release was not made by publishing; choose another name, or withdraw it"
        )
    return release


def _fits_files(root: Path) -> list[str]:
    """Return the FITS files below a directory, as sorted POSIX paths; links are followed once."""
    found = []
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        found += [
            (below / name).as_posix()
            for name in files
            if SUFFIX.search(name) and not name.startswith(".") and name.isprintable()
        ]
    return sorted(found)


def _scanned(
    root: Path,
    names: Mapping[str, FileName],
    warnings: list[str],
    progress: Progress | None,
) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    for done, path in enumerate(names, 1):
        try:
            yield path, scan_file(root / path, warnings)
        except (TileUnreadable, SourceUnavailable) as error:
            reason = str(error).removeprefix(f"{Path(path).name}: ")
            warnings.append(f"{path} is omitted: {reason}")
        if progress is not None:
            progress(done, len(names))


def _described(
    known: Release | None, images: Sequence[TileImage], *, name: str, title: str, root: Path
) -> Release:
    """Build the release; without its defaults if they must be computed again."""
    footprints = [image.layer.footprint for image in images]
    scale = float(np.median([footprint.scale_arcsec for footprint in footprints]))
    wavelengths: dict[str, Counter[tuple[float, float]]] = defaultdict(Counter)
    for image in images:
        if image.layer.wavelength_m is not None:
            wavelengths[image.band][image.layer.wavelength_m] += 1
    bands = []
    for band in sorted({image.band for image in images}, key=by_wavelength):
        usual = [limits for limits, _ in wavelengths[band].most_common(1)]
        bands.append(Band(band, *(usual[0] if usual else wavelength_m(band) or ())))
    release = known or Release(name=name, title=name, bands=(), root="", path_template=_TEMPLATE)
    if known is None or {band.name for band in known.bands} != {band.name for band in bands}:
        size_max = largest_size_arcmin(footprints, scale)
        release = replace(
            release, size_min_arcmin=min(0.1, size_max), size_max_arcmin=size_max, defaults={}
        )
    return replace(
        release,
        name=name,
        title=title or release.title,
        bands=tuple(bands),
        root=str(root),
        pixel_scale_arcsec=float(f"{scale:.6g}"),
    )


def _unmark_others(folder: Path, toml: Path) -> None:
    """Remove the default mark from all other releases of the folder."""
    for path in folder.glob("*.toml"):
        if path != toml:
            with suppress(OSError, UnicodeDecodeError):
                text = path.read_text(encoding="utf-8")
                changed = re.sub(r"(?m)^default\s*=\s*true\b", "default = false", text)
                if changed != text:
                    write_atomically(path, changed)
