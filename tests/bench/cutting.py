"""Cutting three planes of one band into a FITS file, against others and against the limit."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from soda_service.cutouts.bands import BandCutter
from soda_service.cutouts.geometry import TileGeometry
from soda_service.engine.fits.decoding import decode_rows
from soda_service.engine.fits.image import PixelBox
from soda_service.pixels.reader import TileHandle, TileReader
from soda_service.request.options import default_options
from soda_service.restart.indexfolder import IndexFolder
from soda_service.restart.restart import RestartIndex
from soda_service.results.rows import PlannedRow
from soda_service.sky.releases import Releases
from tests.bench.figures import Figure
from tests.bench.plot import Bar, draw
from tests.bench.tiles import BANDS, Tiles, make_tiles, random_positions

__all__ = ["measure"]

_SIZES = ((1.0, 60), (2.0, 40), (5.0, 12), (12.0, 6))
"""Arcmin, and how many positions each method cuts."""

_PLOT = Path(__file__).resolve().parents[2] / "docs" / "cutting.svg"
_PLANES = (1, 2, 3)

Cut = Callable[[float, float], int]
"""Cuts at (RA, Dec) deg and writes the file; gives its size."""


@dataclass
class Ours:
    """This service's engine, with a way to write that is as short as can be."""

    tiles: Tiles
    target: Path
    reader: TileReader
    size_arcmin: float
    release_name: str = "BENCH"

    def __post_init__(self) -> None:
        folder = self.tiles.data / "releases"
        release = Releases([folder]).get(self.release_name)
        self.geometry = TileGeometry(release, Releases([folder]).index(release), self.reader)
        self.cutter = BandCutter(self.geometry)
        size = {"xsize_arcmin": self.size_arcmin, "ysize_arcmin": self.size_arcmin}
        self.options = replace(default_options(release), **size)

    def row(self, ra_deg: float, dec_deg: float) -> PlannedRow:
        at = (ra_deg, dec_deg, ra_deg, dec_deg)
        return PlannedRow(1, None, *at, self.geometry.index.names[0], "", "J", self.options)

    def __call__(self, ra_deg: float, dec_deg: float) -> int:
        row = self.row(ra_deg, dec_deg)
        place = self.geometry.place(row, "i")
        file = self.cutter.cut(row, place, with_file=True, with_science=False).file
        assert file is not None
        return write(self.target, file)


def write(target: Path, content: memoryview) -> int:
    """Write a new file in one call."""
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        return os.write(descriptor, content)
    finally:
        os.close(descriptor)


def by_section(path: Path, target: Path, size_px: int, *, memmap: bool) -> Cut:
    """Cut by astropy's `.section`, which decodes the blocks that it touches."""
    file = fits.open(path, memmap=memmap)
    wcs = WCS(file[1].header)

    def cut(ra_deg: float, dec_deg: float) -> int:
        x, y = (int(v) - size_px // 2 for v in wcs.all_world2pix(ra_deg, dec_deg, 0))
        planes: list[object] = []
        for number in _PLANES:
            header = file[number].header.copy()
            header["CRPIX1"] -= x
            header["CRPIX2"] -= y
            data = file[number].section[y : y + size_px, x : x + size_px]
            kind = fits.ImageHDU if planes else fits.PrimaryHDU
            planes.append(kind(data, header))
        target.unlink(missing_ok=True)
        fits.HDUList(planes).writeto(target, output_verify="ignore")
        return target.stat().st_size

    return cut


def by_cutout2d(path: Path, target: Path, size_px: int) -> Cut:
    """Open the tile for each position, decode it whole, and cut by `Cutout2D`, as many do."""

    def cut(ra_deg: float, dec_deg: float) -> int:
        with fits.open(path) as file:
            planes: list[object] = []
            for number in _PLANES:
                wcs = WCS(file[number].header)
                at = wcs.all_world2pix(ra_deg, dec_deg, 0)
                part = Cutout2D(file[number].data, at, size_px, wcs)
                kind = fits.ImageHDU if planes else fits.PrimaryHDU
                planes.append(kind(part.data, part.wcs.to_header()))
            target.unlink(missing_ok=True)
            fits.HDUList(planes).writeto(target)
        return target.stat().st_size

    return cut


def by_fitsio(path: Path, target: Path, size_px: int) -> Cut | None:
    """Cut by fitsio, where it is installed."""
    try:
        import fitsio  # type: ignore[import-not-found] # no dependency of ours
    except ImportError:
        return None
    file = fitsio.FITS(path)
    with fits.open(path) as read:
        wcs = WCS(read[1].header)
    headers = [file[number].read_header() for number in _PLANES]

    def cut(ra_deg: float, dec_deg: float) -> int:
        x, y = (int(v) - size_px // 2 for v in wcs.all_world2pix(ra_deg, dec_deg, 0))
        target.unlink(missing_ok=True)
        with fitsio.FITS(target, "rw") as made:
            for number, header in zip(_PLANES, headers, strict=True):
                made.write(file[number][y : y + size_px, x : x + size_px], header=header)
        return target.stat().st_size

    return cut


@dataclass
class Limit:
    """Decoding just the pixels of a box from rows in memory, and writing as many bytes."""

    handle: TileHandle
    target: Path
    index: RestartIndex
    ours: Ours

    def __post_init__(self) -> None:
        self._size = self.ours(*random_positions(1, 6.1)[0])
        self._buffer = memoryview(bytearray(self._size))

    def __call__(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Give the seconds that decoding and writing take."""
        box = self.ours.geometry.place(self.ours.row(ra_deg, dec_deg), "i").inside
        calls = [self._call(number, box) for number in range(len(self.handle.planes))]
        begun = time.perf_counter()
        for call in calls:
            decode_rows(*call)
        decoded = time.perf_counter()
        write(self.target, self._buffer)
        return decoded - begun, time.perf_counter() - decoded

    def _call(self, number: int, box: PixelBox) -> tuple[object, ...]:
        plane = self.handle.planes[number]
        table = self.handle.file.images[number].rows
        assert table is not None
        column = box.x0 // self.index.step
        marks = self.index.marks(number + 1, box.y0, box.y1, column) if column else None
        streams = table.streams(box.y0, box.y1)
        if marks is not None:
            streams = replace(streams, marks=marks, marks_x=column * self.index.step)
        out = np.zeros(box.shape, plane.dtype)
        return table.scheme, streams, box.x0, box.x1, out


def measure() -> list[Figure]:
    """Measure all sizes, memory, and where the time goes."""
    tiles = make_tiles()
    found = [
        Figure(
            "the tile set, per band",
            f"10,000 x 10,000 px, SCI + MSK + WGT, packed by {tiles.packer},"
            f" {tiles.bytes_per_px:.2f} byte/px",
        )
    ]
    bars: list[Bar] = []
    with TemporaryDirectory() as name:
        for size_arcmin, count in _SIZES:
            found += _size(tiles, Path(name), size_arcmin, count, bars)
        found += _memory(Path(name))
    draw(_PLOT, bars, "1' cutout of three planes, written: milliseconds")
    return found


def _size(
    tiles: Tiles, folder: Path, size_arcmin: float, count: int, bars: list[Bar]
) -> list[Figure]:
    target = folder / "cut.fits"
    indexes = IndexFolder(folder / "index", from_rows=1)
    indexed = TileReader(indexes=indexes)
    plain = Ours(tiles, target, TileReader(), size_arcmin)
    ours = Ours(tiles, target, indexed, size_arcmin)
    place = ours.geometry.place(ours.row(*random_positions(1, 6.1)[0]), "i")
    size_px = place.box.shape[0]
    file = next(iter(indexed._open))  # the one that is open
    indexed.prepare(file, rows=1, progress=lambda: None)
    index = indexes.find(file.path, place.handle.file)
    assert index is not None
    methods: dict[str, tuple[Cut | None, int]] = {
        "index": (ours, count),
        "no index": (plain, count),
        "section": (by_section(tiles.packed("i"), target, size_px, memmap=False), count // 3),
        "plain section": (by_section(tiles.plain, target, size_px, memmap=True), count),
        "fitsio": (by_fitsio(tiles.packed("i"), target, size_px), count // 3),
        "Cutout2D": (by_cutout2d(tiles.packed("i"), target, size_px), 1 if size_arcmin == 1 else 0),
    }
    limit = Limit(place.handle, target, index, ours)
    positions = random_positions(count, size_arcmin).tolist()
    seconds = _interleaved(methods, limit, positions)
    return _told(size_arcmin, size_px, seconds, bars)


def _interleaved(
    methods: dict[str, tuple[Cut | None, int]], limit: Limit, positions: Sequence[Sequence[float]]
) -> dict[str, list[float]]:
    """Cut each position by each method, one after the other; seconds by method."""
    seconds: dict[str, list[float]] = {"decode": [], "write": [], "limit": []}
    for name, (cut, _) in methods.items():
        seconds[name] = []
        if cut is not None and name != "Cutout2D":
            cut(*positions[0])  # what is done once is not counted
    for number, (ra_deg, dec_deg) in enumerate(positions):
        for name, (cut, count) in methods.items():
            if cut is not None and number < count:
                begun = time.perf_counter()
                cut(ra_deg, dec_deg)
                seconds[name].append(time.perf_counter() - begun)
        decode, writing = limit(ra_deg, dec_deg)
        seconds["decode"].append(decode)
        seconds["write"].append(writing)
        seconds["limit"].append(decode + writing)
    return seconds


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Give the median of the ratios of the same positions."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=False))


def _told(
    size_arcmin: float, size_px: int, seconds: dict[str, list[float]], bars: list[Bar]
) -> list[Figure]:
    def ms(name: str) -> str:
        return f"{statistics.median(seconds[name]) * 1e3:.2f} ms" if seconds[name] else "-"

    index, what = seconds["index"], f"{size_arcmin:g}' ({size_px} px)"
    others = [
        f"{name} {ms(name)} ({_ratio(seconds[name], index):.1f})"
        for name in ("no index", "section", "plain section", "fitsio", "Cutout2D")
        if seconds[name]
    ]
    is_small = size_arcmin <= 2
    if size_arcmin == 1:
        bars += [Bar(name, statistics.median(s) * 1e3) for name, s in seconds.items() if s]
    return [
        Figure(f"{what}: with index (and how many times longer others take)",
               f"{ms('index')}; {', '.join(others)}"),
        Figure(f"{what}: times faster than `.section`, without and with index",
               f"{_ratio(seconds['section'], seconds['no index']):.0f}, "
               f"{_ratio(seconds['section'], index):.0f}",
               "15, 60; 75" if size_arcmin == 1 else ""),
        Figure(f"{what}: with index over decoding and writing alone"
               f" ({ms('decode')} + {ms('write')})",
               f"{_ratio(index, seconds['limit']):.2f}", "<= 1.3; 1.1" if is_small else ""),
        Figure(f"{what}: with index over a bare write of the same bytes",
               f"{_ratio(index, seconds['write']):.2f}", "<= 3; 1.7" if size_arcmin == 12 else ""),
    ]  # fmt: skip


def _memory(folder: Path) -> list[Figure]:
    """Cut 200 positions in five bands in a process of its own, and look at its memory."""
    code = "import sys; from tests.bench.cutting import memory_mib; print(*memory_mib(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = map(float, run.stdout.split())
    return [
        Figure(
            "anonymous memory of a process that cut 200 positions in five bands, at its largest"
            " (before the first)",
            f"{after:.0f} MiB ({before:.0f})",
            "150 MiB; 100 MiB",
        )
    ]


def memory_mib(folder: str) -> tuple[float, float]:
    """Cut 200 positions in five bands; give anonymous memory before and at most, MiB."""
    tiles = make_tiles()
    reader = TileReader(indexes=IndexFolder(Path(folder) / "index", from_rows=1))
    ours = Ours(tiles, Path(folder) / "cut.fits", reader, 1.0)
    before = most = _anonymous_mib()
    for ra_deg, dec_deg in random_positions(200, 1.0, seed=5).tolist():
        row = ours.row(ra_deg, dec_deg)
        for band in BANDS:
            place = ours.geometry.place(row, band)
            ours.cutter.cut(row, place, with_file=True, with_science=True)
        most = max(most, _anonymous_mib())
    return before, most


def _anonymous_mib() -> float:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.partition("RssAnon:")[2].split()[0]) / 1024
