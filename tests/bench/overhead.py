"""What a job costs beyond cutting its rows: HTTP, queue, store, plan, journals, documents."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from typing_extensions import Buffer

from soda_service.config.load import load_config
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.journal import planned_rows
from soda_service.cutouts.planning import plan_cutouts
from soda_service.pixels.reader import TileReader
from soda_service.request.options import complete_options
from soda_service.request.rows import rows_of
from soda_service.request.values import CutoutRequest, Table
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.bench.figures import Figure
from tests.bench.offline import job_context
from tests.bench.running import Running, cpu_s, running
from tests.synthetic import DEC_DEG, RA_DEG, RELEASE, STEP_DEG
from uws.localfiles import LocalFiles

__all__ = ["measure"]

_CHUNK_ROWS = 100
_ROWS = 16 * _CHUNK_ROWS
"""The fewest that are planned as chunks of full size."""


def measure() -> list[Figure]:
    """Run a job with one worker, then cut the same rows in this process."""
    content = _table()
    with running(workers=1) as service:
        job_s, job_cpu_s = _run(service, content)
        cut_s, cut_cpu_s = _cut(service.data, content)
    return [
        Figure(
            f"job of {_ROWS:,} positions (1', one band) with one worker, POST to COMPLETED",
            f"{job_s:.1f} s ({job_cpu_s:.1f} CPU of all processes)",
        ),
        Figure("the same rows cut by a plain loop", f"{cut_s:.1f} s ({cut_cpu_s:.1f} CPU)"),
        Figure(
            "overhead of the job, by time and by CPU time",
            f"{(job_s / cut_s - 1) * 100:.0f} %, {(job_cpu_s / cut_cpu_s - 1) * 100:.0f} %",
            "10 %; 3 % at 10,000 positions",
        ),
    ]


def _table() -> str:
    random = np.random.default_rng(3)
    ra = RA_DEG + random.uniform(-0.012, STEP_DEG + 0.012, _ROWS)
    dec = DEC_DEG + random.uniform(-0.012, 0.012, _ROWS)
    lines = (f"{a:.6f},{d:.6f}" for a, d in zip(ra, dec, strict=True))
    return "\n".join(["RA,DEC", *lines])


def _run(service: Running, content: str) -> tuple[float, float]:
    """Give the time of a job, and the CPU time of all processes of the service."""
    fields = {"PHASE": "RUN", "POSITIONS": content, "XSIZE": "1", "YSIZE": "1"}
    with service.client() as client:
        begun, begun_cpu = time.perf_counter(), cpu_s(service.all())
        client.finish(client.create(fields))
        return time.perf_counter() - begun, cpu_s(service.all()) - begun_cpu


def _cut(data: Path, content: str) -> tuple[float, float]:
    """Plan the rows, which is not timed, and cut them in the order of the plan."""
    config = load_config(data=data)
    releases = Releases(config.release_folders(), check_every_s=0)
    release = releases.get(RELEASE.name)
    sky = Holdings(releases, ObjectCatalogue(config.store_url()), TileReader())
    with TemporaryDirectory() as name:
        files = LocalFiles(Path(name))
        context = job_context(files)
        options = complete_options(release, {"XSIZE": "1", "YSIZE": "1"})
        request = CutoutRequest(release.name, options, Table(content))
        limits = {"chunk_rows": _CHUNK_ROWS, "rows_max": _ROWS}
        with rows_of(request, files, releases) as rows:
            plan = plan_cutouts(context, request, rows, sky, **limits)
        job_id = context.job.id

        def save(path: str, data: Buffer) -> None:
            files.write(f"{job_id}/{path}", data)

        cutter = Cutter(TileGeometry(release, releases.index(release), sky.reader), save)
        chunks = range(len(plan.chunks))
        planned = [row.planned for chunk in chunks for row in planned_rows(files, job_id, chunk)]
        begun, begun_cpu = time.perf_counter(), time.process_time()
        for row in planned:
            cutter.cut(row)
        return time.perf_counter() - begun, time.process_time() - begun_cpu
