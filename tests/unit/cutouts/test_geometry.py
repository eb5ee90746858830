"""Rows placed in their tiles: one by one, together, and ahead of time."""

import gc
import itertools
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soda_service.cutouts.geometry import Place, TileGeometry
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs import footprint
from soda_service.errors import NoCoverage, TileUnreadable
from soda_service.pixels.reader import TileHandle, TileReader
from soda_service.request.options import default_options
from soda_service.results.rows import PlannedRow
from tests.unit.cutouts.scenes import DEC_DEG, RA_DEG, Scene, extensions, scene

STEP_DEG = 0.263 / 3600


def rows_of(made: Scene, count: int, **options: object) -> list[PlannedRow]:
    """Rows up a column of the tile, a pixel apart, of 20 x 10 pixels."""
    chosen = replace(default_options(made.release), **{"xpix": 20, "ypix": 10, **options})
    at = ((RA_DEG, DEC_DEG + n * STEP_DEG) for n in range(count))
    return [
        PlannedRow(n, None, *place, *place, "T1", "", f"J{n}", chosen)
        for n, place in enumerate(at, 1)
    ]


def geometry_of(made: Scene) -> TileGeometry:
    return TileGeometry(made.release, made.index, made.reader)


@pytest.fixture
def made(tmp_path: Path) -> Scene:
    bands = {band: extensions("SCI", "WGT") for band in "gr"}
    return scene(tmp_path, bands)


def test_rows_of_a_tile_are_projected_in_one_call_for_each_file(
    made: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    sky_to_pixel = footprint.sky_to_pixel

    def counted(grid: Any, ra_deg: Any, dec_deg: Any) -> Any:
        calls.append(len(ra_deg))
        return sky_to_pixel(grid, ra_deg, dec_deg)

    monkeypatch.setattr(footprint, "sky_to_pixel", counted)
    rows = rows_of(made, 30)
    geometry = geometry_of(made)
    geometry.expect(rows)
    for row in rows:
        for band in "gr":
            geometry.place(row, band)
    assert calls == [30, 30]


def test_a_row_lies_where_it_lies_however_it_is_asked_for(made: Scene) -> None:
    rows = rows_of(made, 5)
    together, announced, alone = (geometry_of(made) for _ in range(3))
    together.expect(rows)
    announced.expect(rows[:2])
    boxes = []
    for row in rows:
        announced.announce(row, "gr")
        found = [geometry.place(row, "g") for geometry in (together, announced, alone)]
        assert len({(place.box, place.inside) for place in found}) == 1
        boxes.append(found[0].box)
    assert boxes == [PixelBox(35 + n, 45 + n, 40, 60) for n in range(5)]


def test_rows_at_one_position_lie_at_one_place(made: Scene) -> None:
    first, second = rows_of(made, 2)
    rows = [first, replace(first, number=7), second, replace(second, number=9)]
    geometry = geometry_of(made)
    geometry.expect(rows)
    boxes = [geometry.place(row, "g").box for row in rows]
    assert boxes == [boxes[0], boxes[0], boxes[2], boxes[2]]
    assert boxes[2] == PixelBox(36, 46, 40, 60)


def test_what_is_announced_is_asked_of_the_disk_and_opened_once(
    made: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[PixelBox] = []
    monkeypatch.setattr(TileHandle, "announce", lambda _, box: asked.append(box))
    (row,) = rows_of(made, 1)
    geometry = geometry_of(made)
    geometry.announce(row, "gr")
    assert asked == [PixelBox(35, 45, 40, 60)] * 2
    for band in "gr":
        (Path(made.release.root) / f"T1_{band}.fits").unlink()
        assert isinstance(geometry.place(row, band), Place)
    with pytest.raises(TileUnreadable):
        geometry_of(replace(made, reader=type(made.reader)())).place(row, "g")


def test_what_is_wrong_is_told_when_the_row_is_cut(made: Scene) -> None:
    (row,) = rows_of(made, 1)
    astray = [
        replace(row, tile="T2"),
        replace(row, centre_ra_deg=None),
        replace(row, centre_dec_deg=DEC_DEG + 1),
    ]
    geometry = geometry_of(made)
    geometry.expect(astray)
    for wrong in astray:
        geometry.announce(wrong, "gr")
        with pytest.raises(NoCoverage):
            geometry.place(wrong, "g")


@pytest.mark.parametrize(
    ("edge", "covers"), [("trim", "inside"), ("pad", "box"), ("mosaic", "box")]
)
def test_what_a_cutout_covers(made: Scene, edge: str, covers: str) -> None:
    (row,) = rows_of(made, 1, xpix=120)
    place = geometry_of(made).place(row, "g")
    assert not place.is_whole
    assert (place.box, place.inside) == (PixelBox(35, 45, -10, 110), PixelBox(35, 45, 0, 100))
    assert place.output_box(edge) == getattr(place, covers)


def test_what_was_announced_is_found_once(made: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of a chunk: the next row is announced before this one is cut."""
    found: list[int] = []
    find = TileGeometry._find
    monkeypatch.setattr(
        TileGeometry,
        "_find",
        lambda self, row, band: found.append(row.number) or find(self, row, band),
    )
    rows = rows_of(made, 6)
    geometry = geometry_of(made)
    geometry.expect(rows)
    for row, following in itertools.zip_longest(rows, rows[1:]):
        if following:
            geometry.announce(following, "gr")
        for band in "gr":
            geometry.place(row, band)
    assert sorted(found) == sorted([*range(1, 7)] * 2)


def test_places_keep_no_tile_open(made: Scene) -> None:
    (row,) = rows_of(made, 1)
    geometry = TileGeometry(made.release, made.index, TileReader(max_open=1))
    geometry.expect([row])
    first = weakref.ref(geometry.place(row, "g").handle)
    geometry.place(row, "r")
    gc.collect()
    assert first() is None
