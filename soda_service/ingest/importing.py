"""Import of operators' tables of tiles and objects into the service's own form."""

import dataclasses
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from soda_service.engine.wcs.vectors import positions, unit_vectors
from soda_service.errors import Fault, TileUnreadable, UnknownTile
from soda_service.ingest.operatortable import read_table
from soda_service.pixels.paths import relative_path
from soda_service.sky.catalogue import CatalogueObject, ObjectCatalogue
from soda_service.sky.index import Tile
from soda_service.sky.outlines import tan_corners
from soda_service.sky.release import Release
from soda_service.sky.releasefile import OBJECT_COLUMNS
from soda_service.sky.table import (
    CORNERS,
    UNIQUE,
    Corners,
    TileRow,
    refuse_faults,
    row_faults,
    table_path,
    write_tiles,
)

__all__ = ["import_objects", "import_tiles", "read_table"]

_BOX = ("ra_ll", "dec_ll", "ra_ur", "dec_ur")
"""Lower left and upper right corner, for tables that have no others."""

_OPERATORS_NAMES: Mapping[str, str] = {
    "ra": "ra_cent",
    "dec": "dec_cent",
    **{name: f"{name[:-1]}c{name[-1]}" for name in CORNERS},
    **{name: name.replace("_", "") for name in (*UNIQUE, *_BOX)},
}
"""Names of the DES tables, which are also those of most surveys that use its software."""

_GEOMETRY = ("ra", "dec", *CORNERS, *UNIQUE, *_BOX, "radius_deg")

Cells = Mapping[str, str]


def import_tiles(release: Release, source: Path, folder: Path) -> int:
    """Convert an operator's tile table to the canonical one.

    Column names are not case-sensitive. A column is looked up as `release.tile_columns` says, then
    by its canonical name, then as in DES tables (`TILENAME RA_CENT DEC_CENT RAC1 DECC1 .. URAMIN
    URAMAX UDECMIN UDECMAX CROSSRA0`; `RALL DECLL RAUR DECUR` if there are no others). All other
    columns are kept, in lower case, for path templates; `release.tile_patterns` derives more from
    them. A tile without corners gets those of a TAN image of `tile_size_px` at its centre,
    otherwise those of its box, otherwise those of its unique area. A table may have a row for each
    band of a tile (a column `band`): columns that differ between the bands become
    `{column}_{band}`.

    Parameters
    ----------
    release
        The release.
    source
        The operator's table, see `read_table`.
    folder
        Folder for the canonical table: the data directory's folder of releases.

    Returns
    -------
    int
        Number of tiles.

    Raises
    ------
    ConfigError
        If the table has errors, one line each: of its columns, or if these are right of its cells,
        by row and column. Nothing is written.
    """
    table = read_table(source)
    names = table.places(
        (*_GEOMETRY, "tilename"),
        renamed=release.tile_columns,
        usual=_OPERATORS_NAMES,
        required=("tilename",),
    )
    own = [name for name in names if name not in (*_GEOMETRY, "tilename", "crossra0")]
    refuse_faults(source, list(_header_faults(release, names, own)))
    faults: list[Fault] = []
    by_tile: dict[str, list[tuple[int, Cells]]] = {}
    for number, record in table.records(names, faults):
        by_tile.setdefault(record["tilename"], []).append((number, record))
    if not by_tile and not faults:
        faults.append(Fault("the table has no tiles"))
    joined = _joined(release, list(by_tile.values()), own, faults)
    tiles = []
    for (row, cells), columns in joined:
        known = len(faults)
        tile = _tile(release, cells, row, faults)
        derived = _derived(release, columns, row, faults)
        if tile is not None:
            tiles.append(dataclasses.replace(tile, columns={**columns, **derived}))
            faults += row_faults(tile, row)
            if len(faults) == known:
                named = {"tilename": tile.name, **tiles[-1].columns}
                faults += _path_faults(release, named, row)
    refuse_faults(source, faults)
    return write_tiles(table_path(folder, release.name), tiles)


def _header_faults(release: Release, names: Collection[str], own: Sequence[str]) -> Iterator[Fault]:
    """Yield errors of the header, which affect every row."""
    groups = (("ra", "dec"), CORNERS, UNIQUE, _BOX)
    for group in groups:
        given = [column for column in group if column in names]
        if 0 < len(given) < len(group):
            missing = next(column for column in group if column not in names)
            yield Fault(f"this column is missing; the table has {', '.join(given)}", column=missing)
    centre, *outlines = (set(group) <= set(names) for group in groups)
    is_sized = bool(release.pixel_scale_arcsec and release.tile_size_px)
    if not (centre or any(outlines)):
        yield Fault(
            "no position: expected columns of a centre (ra, dec) or of corners", column="ra"
        )
    elif not (any(outlines) or is_sized or "radius_deg" in names):
        yield Fault("no area: expected columns of four corners, a unique area or a radius")
    absent = [column for column in release.tile_patterns if column not in own]
    for column in absent:
        yield Fault("this column is missing; tile_patterns needs it", column=column)
    if not absent:
        patterns = map(re.compile, release.tile_patterns.values())
        derived = [name for pattern in patterns for name in pattern.groupindex]
        yield from _path_faults(release, dict.fromkeys(("tilename", *own, *derived), "x"), None)


def _joined(
    release: Release,
    tiles: Sequence[Sequence[tuple[int, Cells]]],
    own: Sequence[str],
    faults: list[Fault],
) -> Iterator[tuple[tuple[int, Cells], Cells]]:
    """Return the first row of each tile, and the other columns of all its rows."""
    spelling = {band.lower(): band for band in release.band_names}
    differing = {
        column
        for rows, column in product(tiles, own)
        if any(cells[column] != rows[0][1][column] for _, cells in rows[1:])
    } - {"band"}
    for rows in tiles:
        if len(rows) > 1 and not _is_one_tile(rows):
            name, first, again = rows[0][1]["tilename"], rows[0][0], rows[1][0]
            faults.append(Fault(f"{name!r} is also the name of row {first}", again, "tilename"))
        columns = {
            f"{column}_{_spelled(cells.get('band', ''), spelling)}": cells[column]
            for _, cells in rows
            for column in own
            if column in differing
        }
        columns |= {c: rows[0][1][c] for c in own if c not in differing and c != "band"}
        yield rows[0], {_band_column(column, spelling): cell for column, cell in columns.items()}


def _float(text: str) -> float:
    """Parse a number; Python itself would accept 1_0 and digits of any script."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _is_one_tile(rows: Sequence[tuple[int, Cells]]) -> bool:
    """Return whether rows are the bands of one tile: different bands, the same geometry."""
    bands = [cells.get("band", "").lower() for _, cells in rows]
    places = {tuple(cells.get(column) for column in _GEOMETRY) for _, cells in rows}
    return "" not in bands and len(set(bands)) == len(bands) and len(places) == 1


def _spelled(band: str, spelling: Mapping[str, str]) -> str:
    return spelling.get(band.lower(), band)


def _band_column(column: str, spelling: Mapping[str, str]) -> str:
    """Spell the band at the end of `path_y` and `hdus_y` as the release does."""
    kind, _, band = column.partition("_")
    return f"{kind}_{_spelled(band, spelling)}" if kind in ("path", "hdus") and band else column


def _derived(release: Release, columns: Cells, row: int, faults: list[Fault]) -> dict[str, str]:
    """Return the columns that the release's patterns extract from others."""
    derived: dict[str, str] = {}
    for column, pattern in release.tile_patterns.items():
        found = re.search(pattern, columns.get(column, ""))
        if column not in columns:
            message = "differs between the bands of a tile; tile_patterns needs one value"
            faults.append(Fault(message, row, column))
        elif found is None:
            message = f"{columns[column]!r} does not match {pattern!r} of tile_patterns"
            faults.append(Fault(message, row, column))
        else:
            derived |= {name: text or "" for name, text in found.groupdict().items()}
    return derived


def _tile(release: Release, cells: Cells, row: int, faults: list[Fault]) -> TileRow | None:
    """Return the tile of a row; None if a number is not valid."""
    numbers: dict[str, float] = {}
    known = len(faults)
    for column in _GEOMETRY:
        if cells.get(column, ""):
            try:
                numbers[column] = _float(cells[column])
            except ValueError:
                faults.append(Fault(f"{cells[column]!r} is not a number", row, column))
    for group in (("ra", "dec"), CORNERS, UNIQUE, _BOX):
        missing = [column for column in group if column not in numbers]
        if 0 < len(missing) < len(group) and len(faults) == known:
            given = ", ".join(column for column in group if column in numbers)
            faults.append(Fault(f"is empty although there are {given}", row, missing[0]))
    if len(faults) > known:
        return None
    unique = _unique(numbers, cells.get("crossra0", ""), row, faults)
    corners = _corners(release, numbers, unique)
    centre = _centre(numbers, corners)
    if centre is None:
        faults.append(Fault("no position: expected a centre (ra, dec) or corners", row, "ra"))
        return None
    radius = numbers.get("radius_deg")
    return TileRow(cells["tilename"], *centre, corners, unique, radius)


def _unique(
    numbers: Mapping[str, float], crosses: str, row: int, faults: list[Fault]
) -> tuple[float, float, float, float] | None:
    """Return the unique area. CROSSRA0 decides if its two RA values are ambiguous."""
    if "ura_min" not in numbers:
        return None
    ra_min, ra_max, dec_min, dec_max = (numbers[column] for column in UNIQUE)
    if crosses.strip().upper() in ("Y", "YES", "TRUE", "T", "1"):
        # Some tables sort the numbers: 0.2 to 358.9 for the area from 358.9 to 0.2.
        ra_min, ra_max = (ra_max, ra_min) if ra_max - ra_min > 180 else (ra_min, ra_max)
    elif crosses and ra_min > ra_max:
        message = f"{ra_min} exceeds ura_max, {ra_max}, but CROSSRA0 is {crosses!r}"
        faults.append(Fault(message, row, "ura_min"))
    return ra_min, ra_max, dec_min, dec_max


def _corners(
    release: Release,
    numbers: Mapping[str, float],
    unique: tuple[float, float, float, float] | None,
) -> Corners | None:
    if "ra1" in numbers:
        return tuple((numbers[f"ra{n}"], numbers[f"dec{n}"]) for n in range(1, 5))
    centre = _centre(numbers, None)
    if centre and release.pixel_scale_arcsec and release.tile_size_px:
        width, height = (n * release.pixel_scale_arcsec / 3600 for n in release.tile_size_px)
        found = tan_corners(*centre, width_deg=width, height_deg=height)
        return tuple((float(ra), float(dec)) for ra, dec in found)
    if "ra_ll" in numbers:
        west, south, east, north = (numbers[column] for column in _BOX)
    elif unique is not None and "radius_deg" not in numbers:
        west, east, south, north = unique
    else:
        return None
    return tuple(product((west % 360.0, east % 360.0), (south, north)))


def _centre(numbers: Mapping[str, float], corners: Corners | None) -> tuple[float, float] | None:
    """Return the centre: from the table, else that of the box, else the mean of the corners."""
    if "ra" in numbers:
        return numbers["ra"] % 360.0, numbers["dec"]
    if "ra_ll" in numbers:
        # Both corners of a DES box have the same distance from its centre in RA cos(Dec) and Dec.
        west, south, east, north = (numbers[column] for column in _BOX)
        lower, upper = math.cos(math.radians(south)), math.cos(math.radians(north))
        east += 360.0 if east < west else 0.0
        ra_deg = (west * lower + east * upper) / (lower + upper)
        return ra_deg % 360.0, (south + north) / 2
    if corners is None:
        return None
    angles = np.array(corners)
    ra, dec = positions(unit_vectors(angles[:, 0], angles[:, 1]).sum(axis=0))
    return float(ra), float(dec)


def _path_faults(release: Release, columns: Cells, row: int | None) -> Iterator[Fault]:
    """Check that the release's template gives a path for at least one band of a tile."""
    tile = Tile(columns["tilename"], 0.0, 0.0, columns)  # paths do not depend on the position
    reasons = []
    for band in release.band_names:
        try:
            relative_path(release, tile, band)
        except UnknownTile as error:
            reasons.append(str(error))
        except TileUnreadable as error:
            yield Fault(str(error), row)
    if len(reasons) == len(release.band_names):
        yield Fault(reasons[0], row)


def import_objects(
    release: Release, source: Path, catalogue: ObjectCatalogue, *, replace: bool = False
) -> int:
    """Load an operator's catalogue of objects.

    Its columns are COADD_OBJECT_ID RA DEC and, if present, ALPHAWIN_J2000 DELTAWIN_J2000 (default:
    RA, DEC) and TILENAME; or those named by `release.object_columns`.

    Parameters
    ----------
    release
        The release.
    source
        The table, see `read_table`; it is read as a stream.
    catalogue
        Catalogue that receives the objects: all of them, or none if there is an error.
    replace
        Whether to remove the release's previous objects.

    Returns
    -------
    int
        Number of objects.

    Raises
    ------
    ConfigError
        If the table has errors; each with row and column.
    SourceUnavailable
        If the catalogue's database does not respond.
    """
    # Read once to find all errors, then again, since the catalogue takes rows in batches.
    for _ in _objects(release, source):
        pass
    return catalogue.load(release.name, _objects(release, source), replace=replace)


def _objects(release: Release, source: Path) -> Iterator[CatalogueObject]:
    """Yield objects; after the last row, or many errors, raise ConfigError if there were any."""
    table = read_table(source)
    names = table.places(
        OBJECT_COLUMNS, renamed=release.object_columns, required=OBJECT_COLUMNS[:3]
    )
    wanted = {name: place for name, place in names.items() if name in OBJECT_COLUMNS}
    faults: list[Fault] = []
    for row, cells in table.records(wanted, faults):
        try:
            yield _object(cells)
        except ValueError:
            faults += _object_faults(cells, row)
    refuse_faults(source, faults)


def _object(cells: Cells) -> CatalogueObject:
    """Return the object of a row; raises ValueError if a cell is not valid."""
    number = int(cells["coadd_object_id"])
    ra, dec = _float(cells["ra"]), _float(cells["dec"])
    alpha = _float(cells.get("alphawin_j2000") or cells["ra"])
    delta = _float(cells.get("deltawin_j2000") or cells["dec"])
    good = math.isfinite(ra + alpha) and abs(dec) <= 90 and abs(delta) <= 90
    if not (good and 0 <= number < 2**63 and cells["coadd_object_id"].isdecimal()):
        raise ValueError
    return CatalogueObject(number, alpha % 360.0, delta, ra % 360.0, dec, cells.get("tilename", ""))


def _object_faults(cells: Cells, row: int) -> Iterator[Fault]:
    """Yield the errors of a row that is not a valid object."""
    if not re.fullmatch(r"[0-9]{1,19}", number := cells["coadd_object_id"]) or int(number) >> 63:
        yield Fault(f"{number!r} is not a 63-bit integer", row, "coadd_object_id")
    for column, limit in zip(OBJECT_COLUMNS[1:5], (math.inf, 90, math.inf, 90), strict=True):
        cell = cells.get(column, "")
        if not cell and column not in ("ra", "dec"):
            continue
        try:
            good = math.isfinite(_float(cell)) and abs(_float(cell)) <= limit
        except ValueError:
            good = False
        if not good:
            allowed = "-90 to 90" if limit == 90 else "a number"
            yield Fault(f"{cell!r} is not in degrees: {allowed}", row, column)
