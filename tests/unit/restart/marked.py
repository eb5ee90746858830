"""Tiles with restart indexes, what is in these, and what happens to them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.decoding import row_marks
from soda_service.pixels.fitsfile import FitsFile
from soda_service.restart.indexfolder import IndexFolder
from soda_service.restart.restart import STEP, RestartIndex
from tests.unit.skyimages import tan_header

ROWS, WIDTH = 300, 700
LOSSLESS = 7
"""A row that cannot be quantised, and is packed."""


def sky(shape: tuple[int, ...] = (ROWS, WIDTH), seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(20.0, 5.0, shape).astype(np.float32)


def write(path: Path, *planes: NDArray[np.generic], kind: str = "RICE_1") -> Path:
    hdus: list[fits.PrimaryHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
    for data in planes:
        header = tan_header((data.shape[-2], data.shape[-1]))
        tile_shape = (*(1 for _ in data.shape[1:]), data.shape[-1])
        quantised = {"quantize_method": 2, "dither_seed": 7} if data.dtype.kind == "f" else {}
        hdus.append(fits.CompImageHDU(data, header, None, kind, tile_shape, **quantised))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def made(folder: IndexFolder, file: FitsFile, path: Path) -> RestartIndex:
    index = folder.provide(str(path), file, rows=10)
    assert index is not None
    return index


def all_marks(file: FitsFile, number: int) -> NDArray[np.uint32]:
    rows = file.images[number - 1].rows
    assert rows is not None
    return row_marks(rows.scheme, rows.streams(0, len(rows.starts)), STEP)


def as_bytes(marks: NDArray[np.uint32] | None) -> bytes | None:
    return None if marks is None else marks.tobytes()


def touched(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 2 * 10**9))


def longer(path: Path) -> None:
    times = path.stat()
    with path.open("ab") as stream:
        stream.write(bytes(2880))
    os.utime(path, ns=(0, times.st_mtime_ns))


def replaced(path: Path) -> None:
    times = path.stat()
    other = shutil.copy(path, path.with_name("other"))
    os.utime(other, ns=(0, times.st_mtime_ns))
    Path(other).replace(path)


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail
