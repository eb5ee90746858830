"""What pages take: finding jobs among many, rows of a large job, a gallery of 10,000 pictures."""

import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from soda_service.results.reading import JobResults
from soda_service.results.rowindex import RowIndexWriter
from soda_service.results.rows import Status
from soda_service.results.tree import positions_name, row_index_key
from tests.bench.figures import Figure, milliseconds
from tests.bench.running import running
from tests.synthetic import DEC_DEG, RA_DEG
from tests.toyjob import new_toy
from uws.finding import JobColumn, JobQuery
from uws.localfiles import LocalFiles
from uws.store import open_store

__all__ = ["measure"]

_JOBS = 10_000
_ROWS = 1_000_000
_PICTURES = 10_000
_TRIES = 30

_QUERIES = {
    "newest first": JobQuery(),
    "part of a name": JobQuery("12"),
    "by name, page 100": JobQuery(order=((JobColumn.NAME, False),), offset=4950),
    "by duration and size, page 100": JobQuery(
        order=((JobColumn.DURATION, True), (JobColumn.SIZE, False)), offset=4950
    ),
}

_SCROLL = """async () => {
    const place = document.getElementById("gallery"), times = [];
    let last = performance.now();
    for (let n = 0; n < 300; n += 1) {
        place.scrollTop += place.scrollHeight / 300;
        await new Promise((done) => requestAnimationFrame(done));
        times.push(performance.now() - last);
        last = performance.now();
    }
    return [times, document.querySelectorAll(".cell").length];
}"""


def measure() -> list[Figure]:
    """Measure on SQLite, on local files, and in a browser without a graphics card."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        figures = [*_found(Path(name)), *_rows(Path(name))]
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    return figures + ([_gallery(program)] if program else [])


def _seconds(ask: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(_TRIES):
        before = time.perf_counter()
        ask()
        found.append(time.perf_counter() - before)
    return found


def _found(folder: Path) -> list[Figure]:
    store = open_store(f"sqlite:///{folder / 'jobs.db'}")
    store.migrate()
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    chance = random.Random(1)
    for number in range(_JOBS):
        made = noon + timedelta(seconds=number)
        job = replace(new_toy(f"{number:032x}"), creation_time=made)
        store.create(replace(job, run_id=f"night {chance.randrange(999)}"))
    figures = [
        Figure(
            f"a page of 50 of {_JOBS:,} jobs, {name}, p50 / p95 / p99",
            f"{milliseconds(_seconds(lambda query=query: store.find.page('', query)))} ms",  # type: ignore[misc]
        )
        for name, query in _QUERIES.items()
    ]
    store.close()
    return figures


def _rows(folder: Path) -> list[Figure]:
    files, job_id = LocalFiles(folder), "0" * 32
    (folder / job_id).mkdir()
    told = {
        "RA": 1.0, "DEC": 2.0, "COADD_OBJECT_ID": None, "FILES": ["J_g.fits"], "FOLDER": "T/J",
        "TILENAME": "T", "SEXAGECIMAL": "J", "ROW": 1, "STATUS": "ok", "MESSAGE": "",
        "SIZE_PIX": [228, 228], "COVERAGE": 1.0,
    }  # fmt: skip
    line = json.dumps(told).encode() + b",\n"
    index_key = row_index_key(job_id)
    with (folder / job_id / "summary.json").open("wb") as summary:
        summary.writelines(line for _ in range(_ROWS))
    with files.writer(index_key, durable=False) as index:
        writer = RowIndexWriter(index)
        for number in range(_ROWS):
            status = Status.OK if number % 1000 else Status.FAILED
            writer.add(number * len(line), status)
        writer.close(_ROWS)
    header = b"RA,DEC,COADD_OBJECT_ID\r\n"
    files.write(f"{job_id}/{positions_name(job_id)}", header)
    results = JobResults(files, new_toy(job_id))
    asked = {
        "any page of 50": (_ROWS - 50, ()),
        "a page of those that failed": (500, (Status.FAILED,)),
    }
    return [
        Figure(
            f"rows of a job of {_ROWS:,}: {name}, p50 / p95 / p99",
            milliseconds(
                _seconds(
                    lambda start=start, of=of: results.page(start, 50, of)  # type: ignore[misc]
                )
            )
            + " ms",
        )
        for name, (start, of) in asked.items()
    ]


def _gallery(program: str) -> Figure:
    """Scroll through the gallery of a real job."""
    row = f"{RA_DEG},{DEC_DEG}"
    chance = random.Random(1)
    places = (
        f"{RA_DEG + chance.uniform(-0.01, 0.01):.6f},{DEC_DEG + chance.uniform(-0.01, 0.01):.6f}"
        for _ in range(_PICTURES - 1)
    )
    table = "\n".join(["RA,DEC", row, *places])
    form = {"POSITIONS": table, "XSIZE": "0.2", "YSIZE": "0.2", "COLORS_FITS": "i", "PHASE": "RUN"}
    with running() as service, service.client() as client, sync_playwright() as playwright:
        job = client.create(form)
        client.finish(job)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        before = time.perf_counter()
        page.goto(f"http://{service.address}{job.replace('/async/', '/jobs/')}")
        page.wait_for_selector(".cell img")
        opened_s = time.perf_counter() - before
        times, cells = page.evaluate(_SCROLL)
        browser.close()
    frames = milliseconds([each / 1e3 for each in times])
    median = statistics.median(times)
    return Figure(
        f"gallery of {_PICTURES:,} rows: opened; scrolled from end to end in 300 steps, frames of"
        " p50 / p95 / p99; cells at the end",
        f"{opened_s:.1f} s; {frames} ms ({1e3 / median:.0f} a second); {cells}",
    )
