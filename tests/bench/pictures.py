"""Colour pictures from decoded pixels to PNG, against the STIFF program, astropy and Pillow."""

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray
from PIL import Image

from soda_service.engine.colour.lupton import lupton
from soda_service.engine.colour.stiff import StiffSettings, stiff
from soda_service.formats.deflate import fastest_deflate
from soda_service.formats.png import to_png
from soda_service.pixels.reader import TileReader
from soda_service.startup import choose_loops
from tests.bench.cutting import Ours
from tests.bench.figures import Figure
from tests.bench.tiles import make_tiles, random_positions

__all__ = ["measure"]

_SIZES = ((1.0, 40), (5.0, 8), (12.0, 4))
"""Arcmin, and how many fields each method draws."""

_BANDS = "irg"
_NO_CODE = "no compiled code"
_KINDS = {
    "compiled, isal": {},
    "compiled": {"BENCH_NO_ISAL": "1"},
    _NO_CODE: {"BENCH_NO_ISAL": "1", "SODA_PURE_PYTHON": "1"},
}
"""How pictures are made, each in a process of its own, and the variables that say so."""

_CODE = """
import os, sys
if os.environ.get("BENCH_NO_ISAL"):
    sys.modules["isal"] = None  # as if it were not installed
from tests.bench.pictures import drawn
print(drawn())
"""

_OTHERS = {
    "program": "the STIFF program + Pillow",
    "program magick": "the STIFF program + ImageMagick",
    "astropy": "make_lupton_rgb + Pillow",
}

Found = dict[str, list[float]]
"""Seconds by method, one a field; the sizes of files, bytes, under the method's name + `: bytes`;
`px` by `px`."""


@dataclass(frozen=True, slots=True)
class Field:
    """Three bands of one place, decoded; and as `i.fits` and so on where programs find them."""

    bands: tuple[NDArray[np.float32], ...]
    """Red, green, blue, each of shape (ny, nx)."""

    folder: Path

    def picture(self) -> NDArray[np.uint8]:
        """Give a picture to be painted."""
        return np.empty((*self.bands[0].shape, 3), np.uint8)


Draw = Callable[[Field], int]
"""Draws a field; gives the size of what came out, bytes."""


def measure() -> list[Figure]:
    """Draw all sizes in each way, one process after the other."""
    make_tiles()
    kinds = [kind for kind in _KINDS if "isal" not in kind or find_spec("isal")]
    runs = {kind: _run(_KINDS[kind]) for kind in kinds}
    found = [Figure("compared with", _versions())]
    for number, (size_arcmin, _) in enumerate(_SIZES):
        for kind, sizes in runs.items():
            found += _told(size_arcmin, kind, sizes[number])
    return found


def _run(variables: dict[str, str]) -> list[Found]:
    environment = {**os.environ, "SODA_PURE_PYTHON": "", **variables}
    command = [sys.executable, "-c", _CODE]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    sizes: list[Found] = json.loads(run.stdout)
    return sizes


def drawn() -> str:
    """Draw all sizes in this process; give what was found, size by size, as JSON."""
    choose_loops()
    with TemporaryDirectory() as name:
        return json.dumps([_interleaved(size, count, Path(name)) for size, count in _SIZES])


def _interleaved(size_arcmin: float, count: int, folder: Path) -> Found:
    """Draw each field by each method, one after the other."""
    methods = _methods()
    found: Found = {}
    for number, field in enumerate(_fields(size_arcmin, count, folder)):
        found["px"] = [field.bands[0].shape[1]]
        for name, draw in methods.items():
            if number == 0:
                draw(field)  # what is done once is not counted
            begun = time.perf_counter()
            size_bytes = draw(field)
            found.setdefault(name, []).append(time.perf_counter() - begun)
            found.setdefault(f"{name}: bytes", []).append(size_bytes)
    return found


def _methods() -> dict[str, Draw]:
    # Levels that are given need no measuring: what it takes to paint alone.
    given = StiffSettings(min_type="manual", min_level=-2.0, max_type="manual", max_level=2000.0)
    deflate = fastest_deflate()
    methods: dict[str, Draw] = {
        "stiff": lambda field: len(to_png(_stiff(field, StiffSettings()), deflate=deflate)),
        "stiff pixels": lambda field: _stiff(field, StiffSettings()).size,
        "stiff painting": lambda field: _stiff(field, given).size,
        "lupton": lambda field: len(to_png(_lupton(field), deflate=deflate)),
        "lupton pixels": lambda field: _lupton(field).size,
        "astropy": _by_astropy,
    }
    if shutil.which("stiff"):
        methods["program"] = _by_program
        if _magick():
            methods["program magick"] = _by_program_and_magick
    return methods


def _fields(size_arcmin: float, count: int, folder: Path) -> Iterator[Field]:
    """Cut fields out of the tiles."""
    ours = Ours(make_tiles(), folder / "unused", TileReader(), size_arcmin)
    for ra_deg, dec_deg in random_positions(count, size_arcmin, seed=3).tolist():
        row = ours.row(ra_deg, dec_deg)
        bands = []
        for band in _BANDS:
            place = ours.placer.place(row, band)
            cut = ours.cutter.cut(row, place, with_file=False, with_science=True)
            bands.append(np.ascontiguousarray(cut.science, np.float32))
            fits.writeto(folder / f"{band}.fits", bands[-1], overwrite=True)
        yield Field(tuple(bands), folder)


def _stiff(field: Field, settings: StiffSettings) -> NDArray[np.uint8]:
    picture = field.picture()
    stiff(field.bands, settings, out=picture[::-1])
    return picture


def _lupton(field: Field) -> NDArray[np.uint8]:
    picture = field.picture()
    lupton(*field.bands, minimum=1.0, stretch=50.0, q=10.0, out=picture[::-1])
    return picture


def _by_astropy(field: Field) -> int:
    return _saved(make_lupton_rgb(*field.bands, minimum=1.0, stretch=50.0, Q=10.0)[::-1])


def _by_program(field: Field) -> int:
    _run_program(field)
    with Image.open(field.folder / "stiff.tiff") as picture:
        return _saved(np.asarray(picture))


def _by_program_and_magick(field: Field) -> int:
    _run_program(field)
    command = [_magick(), "stiff.tiff", "stiff.png"]
    subprocess.run(command, cwd=field.folder, check=True, capture_output=True)
    return (field.folder / "stiff.png").stat().st_size


def _run_program(field: Field) -> None:
    names = [f"{band}.fits" for band in _BANDS]
    command = ["stiff", *names, "-OUTFILE_NAME", "stiff.tiff", "-VERBOSE_TYPE", "QUIET"]
    subprocess.run(command, cwd=field.folder, check=True, capture_output=True)


def _saved(picture: NDArray[np.uint8]) -> int:
    """Encode as PNG with Pillow's defaults."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.tell()


@cache
def _magick() -> str:
    """Give the command of ImageMagick; empty where it is not installed."""
    for command in ("magick", "convert"):
        with suppress(OSError):
            run = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
            if "ImageMagick" in run.stdout:
                return command
    return ""


def _versions() -> str:
    names = [f"{name} {version(name)}" for name in ("astropy", "pillow")]
    if shutil.which("stiff"):
        run = subprocess.run(["stiff", "-v"], capture_output=True, text=True, check=False)
        names.append(" ".join(run.stdout.split()))
    if find_spec("isal"):
        names.append(f"isal {version('isal')} on our side")
    return ", ".join(names)


def _told(size_arcmin: float, kind: str, found: Found) -> list[Figure]:
    what = f"{size_arcmin:g}' ({found['px'][0]} px), {kind}:"
    whole, pixels, painting = (
        _ms(found, name) for name in ("stiff", "stiff pixels", "stiff painting")
    )
    drawing = _ms(found, "lupton pixels")
    return [
        Figure(
            f"{what} STIFF as PNG (levels + painting + encoding)",
            f"{whole:.2f} ms ({pixels - painting:.2f} + {painting:.2f} + {whole - pixels:.2f})"
            + _times(found, "stiff", ("program", "program magick")),
            "" if kind == _NO_CODE else "6; 30",
        ),
        Figure(
            f"{what} Lupton as PNG (painting + encoding)",
            f"{_ms(found, 'lupton'):.2f} ms ({drawing:.2f} + {_ms(found, 'lupton') - drawing:.2f})"
            + _times(found, "lupton", ("astropy",)),
            "" if kind == _NO_CODE else "3; 15",
        ),
        Figure(
            f"{what} size of the PNG (Pillow's of the same picture)",
            f"STIFF {_kb(found, 'stiff')} ({_kb(found, 'program')}),"
            f" Lupton {_kb(found, 'lupton')} ({_kb(found, 'astropy')})",
        ),
    ]


def _ms(found: Found, name: str) -> float:
    return statistics.median(found[name]) * 1e3


def _kb(found: Found, name: str) -> str:
    sizes = found.get(f"{name}: bytes")
    return f"{statistics.median(sizes) / 1e3:.0f} kB" if sizes else "-"


def _times(found: Found, ours: str, others: tuple[str, ...]) -> str:
    """Tell how many times longer others take: the median over the same fields."""
    told = ""
    for other in others:
        if other in found:
            ratio = statistics.median(a / b for a, b in zip(found[other], found[ours], strict=True))
            told += f"; {_OTHERS[other]} {_ms(found, other):.1f} ms, {ratio:.1f} times as long"
    return told
