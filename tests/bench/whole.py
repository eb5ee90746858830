"""A thousand positions as one job, five bands and two pictures each, against a plain loop."""

import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.visualization import make_lupton_rgb
from astropy.wcs import WCS
from PIL import Image

from tests.bench.figures import Figure
from tests.bench.running import Running, running_on
from tests.bench.tiles import BANDS, Tiles, make_tiles, random_positions
from tests.e2e.service_process import Process

__all__ = ["measure"]

_ROWS = 1000
_PURE_ROWS = 200
_LOOP_ROWS = 2
_OPTIONS = {
    "PHASE": "RUN",
    "XSIZE": "1",
    "YSIZE": "1",
    "COLORS_FITS": BANDS,
    "MAKE_RGB_LUPTON": "true",
    "MAKE_RGB_STIFF": "true",
    "RGB_LUPTON_COLORS": "irg",
    "RGB_STIFF_COLORS": "irg",
}


def measure() -> list[Figure]:
    """Run the loop, then the job on one and on two workers, compiled and not."""
    tiles = make_tiles()
    loop_s, loop_what = _loop(tiles)
    found = [
        Figure(
            f"{loop_what}, of {_LOOP_ROWS} positions",
            f"{loop_s:.1f} s a position",
        )
    ]
    seconds: dict[str, float] = {}
    runs = (("1 worker", 1, ""), ("2 workers", 2, ""), ("2 workers, no compiled code", 2, "1"))
    for name, workers, pure in runs:
        with _service(tiles, workers, pure) as service:
            rows = _PURE_ROWS if pure else _ROWS
            first_s, memory_mb = _job(service, rows)
            again_s, _ = _job(service, rows)
        seconds[name] = again_s
        bar = {"2 workers": "300; 900", "2 workers, no compiled code": "50; 80"}.get(name, "")
        found += [
            Figure(
                f"job of {rows:,} positions, {name}: the first on these tiles; the next",
                f"{first_s / rows * 1e3:.1f}; {again_s / rows * 1e3:.1f} ms a position",
            ),
            Figure(
                f"... times faster than the loop: the first; the next ({name})",
                f"{loop_s * rows / first_s:.0f}; {loop_s * rows / again_s:.0f}",
                bar,
            ),
            Figure(f"... anonymous memory of any process of the service, at most ({name})",
                   f"{memory_mb:.0f} MB", "150 MiB; 100 MiB"),
        ]  # fmt: skip
    gain = seconds["1 worker"] / seconds["2 workers"]
    found.append(Figure("throughput of 2 workers over that of 1", f"{gain:.2f}", "1.6; 1.9"))
    return found


@contextmanager
def _service(tiles: Tiles, workers: int, pure: str) -> Iterator[Running]:
    before = os.environ.get("SODA_PURE_PYTHON")
    os.environ["SODA_PURE_PYTHON"] = pure
    try:
        with running_on(tiles.data / "releases", workers=workers) as service:
            yield service
    finally:
        os.environ.pop("SODA_PURE_PYTHON")
        if before is not None:
            os.environ["SODA_PURE_PYTHON"] = before


def _job(service: Running, rows: int) -> tuple[float, float]:
    """Give the seconds of a job from POST to COMPLETED, and a worker's memory at most, MB."""
    lines = (f"{ra:.6f},{dec:.6f}" for ra, dec in random_positions(rows, 1.0, seed=9))
    table = "\n".join(["RA,DEC", *lines])
    is_done = threading.Event()
    most = [0.0]

    def watch() -> None:
        while not is_done.wait(0.2):
            most.extend(_anonymous_mb(process) for process in service.all())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with service.client() as client:
            begun = time.perf_counter()
            client.finish(client.create(_OPTIONS | {"POSITIONS": table}))
            return time.perf_counter() - begun, max(most)
    finally:
        is_done.set()
        watcher.join()


def _anonymous_mb(process: Process) -> float:
    """Give memory that is no page of a file: a tile's pages that are mapped can be dropped."""
    with suppress(FileNotFoundError, ProcessLookupError, IndexError):
        text = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        return int(text.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6
    return 0.0


def _loop(tiles: Tiles) -> tuple[float, str]:
    """Do as many scripts do: open each tile, decode it whole, cut, write, draw."""
    has_stiff = shutil.which("stiff") is not None
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        for number, (ra_deg, dec_deg) in enumerate(random_positions(_LOOP_ROWS, 1.0, seed=9)):
            folder = Path(name) / str(number)
            folder.mkdir()
            begun = time.perf_counter()
            for band in BANDS:
                _cut(tiles.packed(band), ra_deg, dec_deg, folder / f"{band}.fits")
            _draw(folder, has_stiff=has_stiff)
            seconds.append(time.perf_counter() - begun)
    drawn = "make_lupton_rgb and the STIFF program" if has_stiff else "make_lupton_rgb (no `stiff`)"
    return statistics.mean(seconds), f"a loop with astropy, Cutout2D, {drawn}"


def _cut(path: Path, ra_deg: float, dec_deg: float, target: Path) -> None:
    with fits.open(path) as file:
        planes: list[object] = []
        for number in (1, 2, 3):
            wcs = WCS(file[number].header)
            at = wcs.all_world2pix(ra_deg, dec_deg, 0)
            part = Cutout2D(file[number].data, at, 228, wcs)
            kind = fits.ImageHDU if planes else fits.PrimaryHDU
            planes.append(kind(part.data, part.wcs.to_header()))
        fits.HDUList(planes).writeto(target)


def _draw(folder: Path, *, has_stiff: bool) -> None:
    red, green, blue = (fits.getdata(folder / f"{band}.fits").astype(np.float32) for band in "irg")
    rgb = make_lupton_rgb(red, green, blue, minimum=1, stretch=50, Q=10)
    Image.fromarray(rgb[::-1]).save(folder / "lupton.png")
    if has_stiff:
        names = [f"{band}.fits" for band in "irg"]
        command = ["stiff", *names, "-OUTFILE_NAME", "stiff.tiff", "-VERBOSE_TYPE", "QUIET"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        with Image.open(folder / "stiff.tiff") as picture:
            picture.save(folder / "stiff.png")
