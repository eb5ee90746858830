"""A tile whose rows can be indexed, and a folder for its index."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.pixels.fitsfile import FitsFile, open_fits
from soda_service.restart.indexfolder import IndexFolder
from tests.unit.restart.marked import LOSSLESS, ROWS, WIDTH, sky, write


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a tile of two planes that can be indexed, 256 rows in a block, and one that cannot."""
    science, mask = sky(), np.random.default_rng(2).integers(0, 9, (ROWS, WIDTH), np.int32)
    science[LOSSLESS] = 3.5
    path = write(tmp_path_factory.mktemp("tile") / "a.fits.fz", science, mask)
    with fits.open(path, mode="append") as file:
        file.append(fits.ImageHDU(science[:, :5]))
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path))


@pytest.fixture
def file(path: Path) -> Iterator[FitsFile]:
    with closing(open_fits(str(path))) as file:
        yield file


@pytest.fixture
def folder(tmp_path: Path) -> IndexFolder:
    return IndexFolder(tmp_path / "index", from_rows=10)


@pytest.fixture(autouse=True)
def _log_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
