"""Finding, checking and planning 100,000 positions among the DES tiles.

Needs the DES tables of the folder `shared` beside the project.
"""

import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from soda_service.config.load import load_config
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.planning import plan_cutouts
from soda_service.ingest.importing import import_tiles
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.request.rows import check_rows, rows_of
from soda_service.request.values import CutoutRequest, Table
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.bench.figures import Figure
from tests.bench.offline import job_context
from uws.localfiles import LocalFiles

__all__ = ["measure"]

_TABLES = Path(__file__).resolve().parents[3] / "shared" / "realsky" / "des_tables"
_COUNT = 100_000


def measure() -> list[Figure]:
    """Measure in this process, without a server."""
    if not _TABLES.is_dir():
        return [Figure("positions among the DES tiles", "not measured: no folder `shared`")]
    content, places = _table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conf = Path(__file__).resolve().parents[2] / "conf" / "releases"
        releases = Releases([folder, conf], check_every_s=0)
        release = releases.get("DR2")
        import_tiles(release, _TABLES / "des_tiles.csv", folder)
        sky = Holdings(
            releases, ObjectCatalogue(load_config(data=folder).store_url()), TileReader()
        )
        context = job_context(LocalFiles(folder / "jobs"))
        table = Table(content.decode())
        request = CutoutRequest(release.name, default_options(release), table)

        def plan() -> None:
            with rows_of(request, None, releases) as rows:
                plan_cutouts(context, request, rows, sky, chunk_rows=100, rows_max=_COUNT)

        def check() -> None:
            with rows_of(request, None, releases) as rows:
                check_rows(rows, rows_max=_COUNT)

        return [
            _timed("tile table of 10,169 tiles read", lambda: releases.index(release)),
            _timed(
                "100,000 positions found among them",
                lambda: releases.index(release).find(places[:, 0] % 360, places[:, 1]),
                "1 s; 0.2 s",
            ),
            _timed(
                "table of 100,000 rows checked",
                check,
                "2 s; 0.5 s",
            ),
            _timed("job of 100,000 rows planned", plan),
        ]


def _timed(what: str, call: Callable[[], object], bar: str = "") -> Figure:
    begun, begun_cpu = time.perf_counter(), time.process_time()
    call()
    took_s, cpu_s = time.perf_counter() - begun, time.process_time() - begun_cpu
    return Figure(what, f"{took_s:.2f} s ({cpu_s:.2f} CPU)", bar)


def _table() -> tuple[bytes, np.ndarray]:
    """Scatter the positions around the DES service's own."""
    with (_TABLES / "des_positions_4499.csv").open() as file:
        known = np.array([[float(row["RA"]), float(row["DEC"])] for row in csv.DictReader(file)])
    random = np.random.default_rng(1)
    places = known[np.arange(_COUNT) % len(known)] + random.uniform(-0.01, 0.01, (_COUNT, 2))
    lines = [f"{ra:.6f},{dec:.6f},{1 + n % 3 / 2},g{n}" for n, (ra, dec) in enumerate(places)]
    return "\n".join(["RA,DEC,XSIZE,name", *lines]).encode(), places
