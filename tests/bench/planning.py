"""How long 100,000 positions take: found among the DES tiles, checked, planned. `make bench`.

Needs the DES tables of the folder `shared` beside the project; says so where it is not there.
"""

import csv
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from soda_service.config import load_config
from soda_service.jobs.planning import plan_cutouts
from soda_service.jobs.sky import Sky
from soda_service.parameters.positions import check_positions, open_positions
from soda_service.tiles.catalogue import ObjectCatalogue
from soda_service.tiles.importing import import_tiles
from soda_service.tiles.reader import TileReader
from soda_service.tiles.releases import Releases
from uws.files import JobFiles, LocalFiles
from uws.models import Job, Phase

TABLES = Path(__file__).resolve().parents[3] / "shared" / "realsky" / "des_tables"
COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Context:
    """A job without a server."""

    job: Job
    files: JobFiles

    def heartbeat(self) -> None:
        """Nobody takes the job away."""

    def progress(self) -> None:
        """Nobody counts."""


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    sys.stdout.write(f"{what:45} {time.perf_counter() - started:7.3f} s\n")


def table() -> tuple[bytes, np.ndarray]:
    """Scatter the positions around the DES service's own."""
    with (TABLES / "des_positions_4499.csv").open() as file:
        known = np.array([[float(row["RA"]), float(row["DEC"])] for row in csv.DictReader(file)])
    random = np.random.default_rng(1)
    places = known[np.arange(COUNT) % len(known)] + random.uniform(-0.01, 0.01, (COUNT, 2))
    lines = [f"{ra:.6f},{dec:.6f},{1 + n % 3 / 2},g{n}" for n, (ra, dec) in enumerate(places)]
    return "\n".join(["RA,DEC,XSIZE,name", *lines]).encode(), places


def main() -> None:
    if not TABLES.is_dir():
        sys.exit(f"{TABLES.name} is not there: no folder `shared` beside the project")
    content, places = table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conf = Path(__file__).resolve().parents[2] / "conf" / "releases"
        releases = Releases([folder, conf], check_every_s=0)
        release = releases.get("DR2")
        import_tiles(release, TABLES / "des_tiles.csv", folder)
        sky = Sky(releases, ObjectCatalogue(load_config(data=folder).store_url()), TileReader())
        with timed("tile table of 10,169 tiles read"):
            index = releases.index(release)
        with timed("100,000 positions found among them"):
            index.find(places[:, 0] % 360, places[:, 1])
        with timed("table of 100,000 rows checked"):
            check_positions(io.BytesIO(content), release, {}, rows_max=COUNT)
        now = datetime.now(UTC)
        context = Context(
            Job("bench", "cutout", "", Phase.QUEUED, now, now, 0), LocalFiles(folder / "jobs")
        )
        with timed("job of 100,000 rows planned"):
            rows = open_positions(io.BytesIO(content), release, {})
            plan_cutouts(context, rows, release, sky, chunk_rows=100, rows_max=COUNT)


if __name__ == "__main__":
    main()
