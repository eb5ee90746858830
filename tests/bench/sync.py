"""Cutouts at once, and searches for images, over HTTP: how long one takes, how many a second."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from soda_service.sky.outlines import tan_corners
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from tests.bench.figures import Figure, milliseconds
from tests.bench.running import Client, Running, running_on
from tests.bench.tiles import make_tiles, random_positions
from tests.synthetic import RELEASE

__all__ = ["measure"]

_CLIENTS = 4
_COUNT = 400
_DEC_ROWS = 98
"""Rings of tiles of 0.73 deg, as many as make about 10,169 tiles between Dec -70 and +5."""

_WARM = 60
_KINDS = {
    "FITS": ("", "10 ms, 150/s; 5 ms, 400/s"),
    "PNG, STIFF of three bands": ("&MAKE_RGB_STIFF=true&RESPONSEFORMAT=png", ""),
    "JPEG, Lupton of three bands": ("&MAKE_RGB_LUPTON=true&RESPONSEFORMAT=jpeg", ""),
}


def measure() -> list[Figure]:
    """Measure cutouts of 1' of a survey's tile, and searches of a whole survey."""
    figures = []
    releases = make_tiles().data / "releases"
    with running_on(releases, workers=1) as service:
        figures += [_cutouts(service, name, query, bar) for name, (query, bar) in _KINDS.items()]
    with running_on(releases, workers=1, with_indexes=True) as service:
        for name, (query, bar) in _KINDS.items():
            figures.append(_cutouts(service, f"with restart indexes, {name}", query, bar))
    with _survey() as (service, images):
        figures.append(_searches(service, images))
    return figures


def _cutouts(service: Running, name: str, query: str, bar: str) -> Figure:
    paths = [
        f"/sync?CIRCLE={ra:.6f}+{dec:.6f}+0.008333{query}"
        for ra, dec in random_positions(_WARM + (1 + _CLIENTS) * _COUNT, 1.0, seed=5).tolist()
    ]
    _ask(service.address, paths[:_WARM])
    alone = _ask(service.address, paths[_WARM : _WARM + _COUNT])
    rate = _crowd(service.address, paths[_WARM + _COUNT :])
    return Figure(
        f"/sync, 1' (228 px), {name}: one client, p50 / p95 / p99; {_CLIENTS} clients",
        f"{milliseconds(alone)} ms; {rate:.0f}/s",
        bar,
    )


def _searches(service: Running, images: int) -> Figure:
    random = np.random.default_rng(2)
    places = zip(random.uniform(0, 360, _COUNT), random.uniform(-60, 0, _COUNT), strict=True)
    paths = [f"/sia2?POS=CIRCLE+{ra:.5f}+{dec:.5f}+0.01" for ra, dec in places]
    _ask(service.address, paths[:_WARM])
    alone = _ask(service.address, paths)
    return Figure(
        f"/sia2, a circle of 0.01 deg among {images:,} images: one client, p50 / p95 / p99",
        f"{milliseconds(alone)} ms",
        "20 ms",
    )


def _ask(address: str, paths: list[str]) -> list[float]:
    """Ask one after the other on one connection; give the seconds of each."""
    seconds = []
    with closing(Client(address)) as client:
        for path in paths:
            before = time.perf_counter()
            client.call("GET", path)
            seconds.append(time.perf_counter() - before)
    return seconds


def _crowd(address: str, paths: list[str]) -> float:
    """Give the requests per second of clients in processes of their own."""
    parts = [paths[n::_CLIENTS] for n in range(_CLIENTS)]
    with ProcessPoolExecutor(_CLIENTS, get_context("spawn")) as pool:
        list(pool.map(_ask, [address] * _CLIENTS, [part[:1] for part in parts]))
        before = time.perf_counter()
        taken = list(pool.map(_ask, [address] * _CLIENTS, parts))
        whole = time.perf_counter() - before
    assert statistics.median(map(len, taken)) == len(parts[0])
    return len(paths) / whole


@contextmanager
def _survey() -> Iterator[tuple[Running, int]]:
    """Serve a survey of some 10,000 tiles in five bands, of which there are no files."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        release = replace(RELEASE, name="SURVEY", root=name)
        write_release(release, folder / "survey.toml")
        tiles = [
            TileRow(f"T{n}-{m}", ra, dec, corners=tuple(map(tuple, _corners(ra, dec))))
            for n, dec in enumerate(np.linspace(-66, 4.5, _DEC_ROWS).tolist())
            for m, ra in enumerate(_ring(dec))
        ]
        write_tiles(table_path(folder, "SURVEY"), tiles)
        with running_on(folder, workers=1) as service:
            yield service, len(tiles) * len(release.bands)


def _ring(dec_deg: float) -> list[float]:
    count = int(130 * np.cos(np.radians(dec_deg)))
    return np.linspace(0, 360, count, endpoint=False).tolist()


def _corners(ra_deg: float, dec_deg: float) -> list[list[float]]:
    return tan_corners(ra_deg, dec_deg, width_deg=0.73, height_deg=0.73).tolist()
