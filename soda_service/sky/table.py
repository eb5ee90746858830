"""The canonical tile table, `{release}.tiles.csv`: one CSV line per tile, read and written here.

The columns are these, in this order, then any others of the release (for path templates):

====================================  =======================================================
`tilename`                            name, unique without regard to case: letters, digits, _+.=@~-
`ra`, `dec`                           centre, ICRS deg
`ra1`, `dec1` .. `ra4`, `dec4`        corners of the pixel edges, in any order; empty where the
                                      image is no quadrilateral smaller than a hemisphere
`ura_min`, `ura_max`, `udec_min`,     the tile's own area, half-open; `ura_min` > `ura_max`
`udec_max`                            crosses RA 0; empty if there is none
`radius_deg`                          for a tile without corners: a circle about the centre that
                                      holds the image
`path_{band}`                         of a published release: the file below the root
`hdus_{band}`                         its planes, `SCI:1;WGT:3` (role and HDU number)
====================================  =======================================================
"""

import csv
import io
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soda_service.errors import ConfigError, Fault

__all__ = [
    "CANONICAL",
    "CORNERS",
    "UNIQUE",
    "Corners",
    "TileRow",
    "TileTable",
    "is_tile_name",
    "read_tiles",
    "refuse_faults",
    "row_faults",
    "table_path",
    "write_atomically",
    "write_tiles",
]

Corners = tuple[tuple[float, float], ...]
"""Four (RA, Dec), ICRS deg."""

CORNERS = tuple(f"{axis}{corner}" for corner in range(1, 5) for axis in ("ra", "dec"))
UNIQUE = ("ura_min", "ura_max", "udec_min", "udec_max")
CANONICAL = ("tilename", "ra", "dec", *CORNERS, *UNIQUE, "radius_deg")
"""Columns used by the index; `tilename`, `ra` and `dec` are always present."""

_FAULTS_SHOWN = 100
_NAME = re.compile(r"[A-Za-z0-9_+=@~][A-Za-z0-9_+.=@~-]{0,127}", re.ASCII)
_COLUMN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+'-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TileRow:
    """One line of the table."""

    name: str
    ra_deg: float
    """Centre, ICRS."""

    dec_deg: float
    corners: Corners | None = None
    unique: tuple[float, float, float, float] | None = None
    """RA from, RA to, Dec from, Dec to, deg."""

    radius_deg: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """The columns beyond the canonical ones."""


@dataclass(frozen=True, slots=True, eq=False)
class TileTable:
    """The whole table: numbers as arrays, the rest as the original lines.

    A line is split only when its cells are needed: 10,000 DES tiles take 3 MB in this form and
    about 20 MB as one string per cell.
    """

    names: tuple[str, ...]
    ra_deg: NDArray[np.float64]
    """Shape (n,): centres, ICRS deg."""

    dec_deg: NDArray[np.float64]
    corners_deg: NDArray[np.float64]
    """Shape (n, 4, 2): RA, Dec; NaN where there are none."""

    unique_deg: NDArray[np.float64]
    """Shape (n, 4): RA from, RA to, Dec from, Dec to; NaN where there is none."""

    radius_deg: NDArray[np.float64]
    """Shape (n,); NaN where there is none."""

    columns: tuple[str, ...]
    lines: tuple[str, ...]

    def cells(self, number: int) -> dict[str, str]:
        """Return all cells of a tile as text, by column."""
        return dict(zip(self.columns, next(csv.reader([self.lines[number]])), strict=True))


def table_path(folder: Path, release: str) -> Path:
    """Return the path of a release's tile table in a folder of releases."""
    return folder / f"{release.lower()}.tiles.csv"


def is_tile_name(text: str) -> bool:
    """Return whether a text is a valid tile name; the name is also used for a folder of results."""
    return _NAME.fullmatch(text) is not None


def refuse_faults(source: Path, faults: Sequence[Fault]) -> None:
    """Raise ConfigError if there are errors: with the first 100, and the number of others."""
    if not faults:
        return
    lines = [f"{source}: {fault}" for fault in faults[:_FAULTS_SHOWN]]
    if len(faults) > _FAULTS_SHOWN:
        lines.append(f"{source}: and {len(faults) - _FAULTS_SHOWN} more faults")
    raise ConfigError("\n".join(lines))


def row_faults(tile: TileRow, row: int) -> Iterator[Fault]:
    """Check the name, numbers and columns of one tile.

    Parameters
    ----------
    row
        Number of the row; 1 is the first row after the header.

    Yields
    ------
    Fault
        Each error, with row and column.
    """
    if not is_tile_name(tile.name):
        allowed = "a name has 1 to 128 letters, digits or _+.=@~- and does not begin with . or -"
        yield Fault(f"{tile.name[:140]!r} is not a valid tile name: {allowed}", row, "tilename")
    corners = tile.corners or ()
    positions = [("", (tile.ra_deg, tile.dec_deg))]
    positions += [(str(n), corner) for n, corner in enumerate(corners, 1)]
    for number, (ra, dec) in positions:
        if not math.isfinite(ra):
            yield Fault(f"{ra!r} is not a right ascension in degrees", row, f"ra{number}")
        if not -90 <= dec <= 90:
            yield Fault(f"{dec!r} is not a declination from -90 to 90 deg", row, f"dec{number}")
    if tile.unique is not None:
        yield from _unique_faults(tile.unique, row)
    if tile.radius_deg is not None and not 0 < tile.radius_deg <= 180:
        yield Fault(f"{tile.radius_deg!r} is not above 0 and at most 180 deg", row, "radius_deg")
    if not corners and tile.radius_deg is None and tile.unique is None:
        yield Fault("no area: expected four corners, a unique area or a radius", row)


def _unique_faults(unique: tuple[float, float, float, float], row: int) -> Iterator[Fault]:
    ra_min, ra_max, dec_min, dec_max = unique
    if not math.isfinite(ra_min) or not math.isfinite(ra_max) or ra_min == ra_max:
        yield Fault(f"{ra_min!r} to {ra_max!r} is not a range of right ascension", row, "ura_min")
    elif abs(ra_max - ra_min) > 360:
        yield Fault(f"{ra_min!r} to {ra_max!r} deg is more than a full circle", row, "ura_min")
    if not -90 <= dec_min < dec_max <= 90:
        found = f"{dec_min!r} to {dec_max!r}"
        yield Fault(f"{found} is not a range of declination from -90 to 90 deg", row, "udec_min")


def write_atomically(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old text or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".part-{secrets.token_hex(8)}"
    try:
        with part.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise


def write_tiles(path: Path, tiles: Iterable[TileRow]) -> int:
    """Write a canonical tile table, atomically.

    Parameters
    ----------
    path
        The file; see `table_path`.
    tiles
        The tiles in the order of their numbers in the index.

    Returns
    -------
    int
        Number of tiles.

    Raises
    ------
    ConfigError
        If a tile has errors or two tiles have the same name; nothing is written.
    """
    rows = list(tiles)
    faults = [fault for row, tile in enumerate(rows, 1) for fault in row_faults(tile, row)]
    faults += _repeated(tuple(tile.name for tile in rows))
    extra = tuple(dict.fromkeys(column for tile in rows for column in tile.columns))
    for column in extra:
        if column in CANONICAL or not _COLUMN.fullmatch(column):
            faults.append(Fault("this column cannot be added to the canonical ones", None, column))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*CANONICAL, *extra))
    for number, tile in enumerate(rows, 1):
        own = [tile.columns.get(column, "") for column in extra]
        faults += [
            Fault("the cell contains a line break; none is allowed", number, column)
            for column, cell in zip(extra, own, strict=True)
            if len(cell.splitlines()) > 1 or cell != cell.rstrip("\r\n")
        ]
        writer.writerow((tile.name, *_number_cells(tile), *own))
    refuse_faults(path, faults)
    write_atomically(path, text.getvalue())
    return len(rows)


def _number_cells(tile: TileRow) -> Iterator[str]:
    """Yield the numbers of a tile as text, in the order of CANONICAL, rounded to 1e-10 deg."""
    corners = [angle for corner in tile.corners or () for angle in corner]
    nothing: list[float | None] = [None] * 8
    numbers = [tile.ra_deg, tile.dec_deg, *(corners or nothing), *(tile.unique or nothing[:4])]
    numbers.append(tile.radius_deg)
    return ("" if number is None else repr(round(float(number), 10)) for number in numbers)


def _repeated(names: Sequence[str]) -> list[Fault]:
    first: dict[str, int] = {}
    faults = []
    for row, name in enumerate(names, 1):
        known = first.setdefault(name.lower(), row)
        if known != row:
            faults.append(Fault(f"{name!r} is also the name of row {known}", row, "tilename"))
    return faults


def read_tiles(path: Path) -> TileTable:
    """Read a canonical tile table.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    TileTable

    Raises
    ------
    ConfigError
        If the file is missing or not such a table, or cells have errors: each with row and column.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a tile table: {error}") from error
    reader = csv.reader(lines)
    columns = tuple(next(reader, ()))
    for column in ("tilename", "ra", "dec"):
        if column not in columns:
            raise ConfigError(f"{path}: no column {column}; it has: {', '.join(columns)}")
    places = [columns.index(c) if c in columns else None for c in CANONICAL[1:]]
    name_place = columns.index("tilename")
    names: list[str] = []
    numbers: list[list[float]] = []
    faults: list[Fault] = []
    for row, cells in enumerate(reader, 1):
        if len(cells) != len(columns):
            faults.append(Fault(f"{len(cells)} cells; the header has {len(columns)}", row))
            continue
        names.append(cells[name_place])
        numbers.append(_numbers(cells, places, row, faults))
    if not faults and len(names) != len(lines) - 1:
        faults.append(Fault("a cell contains a line break; each tile has one line"))
    faults += _repeated(names)
    refuse_faults(path, faults)
    table = np.array(numbers, dtype=np.float64).reshape(len(names), len(CANONICAL) - 1)
    result = TileTable(
        names=tuple(names),
        ra_deg=table[:, 0],
        dec_deg=table[:, 1],
        corners_deg=table[:, 2:10].reshape(-1, 4, 2),
        unique_deg=table[:, 10:14],
        radius_deg=table[:, 14],
        columns=columns,
        lines=tuple(lines[1:]),
    )
    refuse_faults(path, _table_faults(result))
    return result


def _numbers(
    cells: Sequence[str], places: Sequence[int | None], row: int, faults: list[Fault]
) -> list[float]:
    """Read the canonical numbers of a line; an empty cell is NaN."""
    try:
        return [float(cells[p] or "nan") if p is not None else math.nan for p in places]
    except ValueError:
        for column, place in zip(CANONICAL[1:], places, strict=True):
            if place is not None:
                try:
                    float(cells[place] or "nan")
                except ValueError:
                    faults.append(Fault(f"{cells[place]!r} is not a number", row, column))
        return [math.nan] * len(places)


def _table_faults(table: TileTable) -> list[Fault]:
    """Check every tile: array tests select the rows that need an error message."""
    corners, unique = table.corners_deg.reshape(-1, 8), table.unique_deg
    has_corners, has_unique = np.isfinite(corners), np.isfinite(unique)
    decs = np.concatenate([corners[:, 1::2], unique[:, 2:], table.dec_deg[:, None]], axis=1)
    width = unique[:, 1] - unique[:, 0]
    doubtful = ~(np.isfinite(table.ra_deg) & np.isfinite(table.dec_deg))
    doubtful |= np.any(np.abs(decs) > 90, axis=1)
    doubtful |= has_corners.any(axis=1) != has_corners.all(axis=1)
    doubtful |= has_unique.any(axis=1) != has_unique.all(axis=1)
    doubtful |= (width == 0) | (np.abs(width) > 360) | (unique[:, 2] >= unique[:, 3])
    doubtful |= ~(has_corners[:, 0] | has_unique[:, 0] | np.isfinite(table.radius_deg))
    doubtful |= (table.radius_deg <= 0) | (table.radius_deg > 180)
    doubtful |= np.fromiter((not is_tile_name(n) for n in table.names), bool, len(table.names))
    faults: list[Fault] = []
    for number in np.flatnonzero(doubtful).tolist():
        faults += row_faults(_row(table, number), number + 1)
    return faults


def _row(table: TileTable, number: int) -> TileRow:
    corners, unique = table.corners_deg[number], table.unique_deg[number]
    radius = float(table.radius_deg[number])
    return TileRow(
        name=table.names[number],
        ra_deg=float(table.ra_deg[number]),
        dec_deg=float(table.dec_deg[number]),
        corners=None if np.isnan(corners).all() else tuple(map(tuple, corners.tolist())),
        unique=None if np.isnan(unique).all() else tuple(unique.tolist()),
        radius_deg=None if math.isnan(radius) else radius,
    )
