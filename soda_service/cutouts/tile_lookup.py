"""Find the tiles of positions and objects of a release, in batches."""

from collections.abc import Iterator, Sequence

import numpy as np

from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.naming import sexagesimal
from soda_service.pixels.paths import logical_dir
from soda_service.request.values import PositionRow
from soda_service.results.rows import PlannedRow
from soda_service.sky.catalogue import CatalogueObject
from soda_service.sky.release import Release

__all__ = ["TileLookup"]


class TileLookup:
    """Finds the tiles of rows, in batches."""

    def __init__(self, release: Release, holdings: Holdings) -> None:
        self._release = release
        self._catalogue = holdings.catalogue
        self._index = holdings.releases.index(release)
        self._places: dict[int, tuple[str, str]] = {}

    def find_tiles(self, rows: Sequence[PositionRow]) -> Iterator[tuple[PlannedRow, str]]:
        """Yield each row with its tile, and the reason if it has none, in order."""
        wanted = [row.object_id for row in rows if row.object_id is not None]
        objects = self._catalogue.find(self._release.name, wanted) if wanted else {}
        centres = [_centre(row, objects) for row in rows]
        ra = np.array([np.nan if c is None else c[0] for c in centres])
        dec = np.array([np.nan if c is None else c[1] for c in centres])
        known = np.isfinite(ra)
        tiles = np.full(len(rows), -1, dtype=np.int32)
        tiles[known] = self._index.find(ra[known], dec[known])
        for row, centre, number in zip(rows, centres, tiles.tolist(), strict=True):
            yield self._planned(row, centre, number, objects)

    def tile_number(self, planned: PlannedRow) -> int:
        """Return the number of a planned row's tile; -1 if the release has no such tile."""
        number = self._index.number(planned.tile)
        return -1 if number is None else number

    def _planned(
        self,
        row: PositionRow,
        centre: tuple[float, float] | None,
        number: int,
        objects: dict[int, CatalogueObject],
    ) -> tuple[PlannedRow, str]:
        found = None if row.object_id is None else objects.get(row.object_id)
        ra, dec = (row.ra_deg, row.dec_deg) if found is None else (found.ra_deg, found.dec_deg)
        name = "" if ra is None or dec is None else self._name(ra, dec)
        named = row.tile if found is None else found.tilename
        own = self._index.number(named) if named else None
        number = number if own is None else own
        tile, folder = self._place(number)
        reason = ""
        if centre is None:
            reason = f"no object {row.object_id} in the catalogue of release {self._release.name}"
        elif row.nothing:
            reason = row.nothing
        elif not tile:
            reason = f"no tile of release {self._release.name} at RA {centre[0]}, Dec {centre[1]}"
        planned = PlannedRow(
            row.number,
            row.object_id,
            ra,
            dec,
            None if centre is None else centre[0],
            None if centre is None else centre[1],
            tile,
            folder,
            name,
            row.options,
            row.extra,
            shape=row.shape,
            is_masked=row.is_masked,
        )
        return planned, reason

    def _place(self, number: int) -> tuple[str, str]:
        """Return name and folder of a tile, empty for -1; cached, else a third of the time."""
        place = self._places.get(number)
        if place is None:
            tile = self._index.tile(number) if number >= 0 else None
            place = ("", "") if tile is None else (tile.name, logical_dir(self._release, tile))
            self._places[number] = place
        return place

    def _name(self, ra_deg: float, dec_deg: float) -> str:
        return sexagesimal(ra_deg, dec_deg, self._release.name_prefix)


def _centre(row: PositionRow, objects: dict[int, CatalogueObject]) -> tuple[float, float] | None:
    if row.object_id is not None:
        found = objects.get(row.object_id)
        return None if found is None else (found.alphawin_deg % 360, found.deltawin_deg)
    if row.ra_deg is None or row.dec_deg is None:
        return None
    return row.ra_deg, row.dec_deg
