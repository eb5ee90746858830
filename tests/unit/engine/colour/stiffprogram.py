"""The STIFF program itself (Debian's package `stiff`): what our pictures are held against."""

import dataclasses
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from soda_service.engine.colour.stiff import StiffSettings

KEYWORDS = {
    "gamma": "GAMMA",
    "luminance_gamma": "GAMMA_FAC",
    "saturation": "COLOUR_SAT",
    "min_type": "MIN_TYPE",
    "min_level": "MIN_LEVEL",
    "max_type": "MAX_TYPE",
    "max_level": "MAX_LEVEL",
}
"""What the program calls our settings."""


def painted(
    bands: Sequence[NDArray[np.generic]],
    settings: StiffSettings | None = None,
    **keywords: str,
) -> NDArray[np.uint8]:
    """Have the program paint a picture, or skip the test where there is no program.

    Parameters
    ----------
    bands
        One or three arrays of shape (ny, nx), in FITS row order; written to FITS as they are.
    settings
        None for what the program does when told nothing.
    keywords
        More of the program's own options, laid over the settings.

    Returns
    -------
    picture : ndarray, uint8, shape (ny, nx, 3), or (ny, nx) of one band
        In FITS row order: the program writes the last row first.
    """
    if shutil.which("stiff") is None:
        pytest.skip("the program stiff is not installed")
    options = {} if settings is None else _spelt(settings)
    # A directory of its own for each call: whatever it is told, the program writes beside itself.
    with tempfile.TemporaryDirectory(prefix="stiff-") as folder:
        names = [f"{number}.fits" for number in range(len(bands))]
        for name, band in zip(names, bands, strict=True):
            fits.PrimaryHDU(band).writeto(Path(folder, name))
        told = [
            word for name, value in (options | keywords).items() for word in (f"-{name}", value)
        ]
        command = ["stiff", *names, "-OUTFILE_NAME", "picture.tif", "-IMAGE_TYPE", "TIFF", *told]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        with Image.open(Path(folder, "picture.tif")) as picture:
            return np.asarray(picture)[::-1]


def _spelt(settings: StiffSettings) -> Mapping[str, str]:
    values = dataclasses.asdict(settings)
    return {keyword: str(values.pop(name)).upper() for name, keyword in KEYWORDS.items()}


def assert_same_picture(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Hold a picture against the bar: no value more than a level off, 99.99 % of them equal."""
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= 1e-4 * difference.size
