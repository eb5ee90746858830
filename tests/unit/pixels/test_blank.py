"""Pixels without data in compressed images of integers.

Data F06 (astropy#15236, #15756, #16550): Pan-STARRS names them by ZBLANK alone.
"""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.engine.fits.header import TextHeader, image_header
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import open_fits
from tests.unit.skyimages import tan_header


@pytest.mark.parametrize("cards", [{"ZBLANK": 32767}, {"BLANK": 32767}, {}], ids=str)
def test_blank_pixels_stay_blank(tmp_path: Path, cards: dict[str, int]) -> None:
    path = tmp_path / "a.fits.fz"
    pixels = (np.arange(3600).reshape(60, 60) % 3000).astype("i2")
    pixels[20:40, 20:40] = 32767
    header = tan_header((60, 60))
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, header)]).writeto(path)
    with fits.open(path, mode="update", disable_image_compression=True) as file:
        file[1].header.update({"BSCALE": 0.01, "BZERO": 5.0} | cards)
    with closing(open_fits(str(path))) as file:
        (image,) = file.images
        assert image.header.get("BLANK") == (32767 if cards else None)


def test_blanks_that_differ_from_row_to_row_are_refused() -> None:
    table = fits.Header({"ZIMAGE": True, "ZBITPIX": 16, "ZNAXIS": 1, "ZNAXIS1": 9})
    table["TTYPE3"] = "ZBLANK"
    with pytest.raises(TileUnreadable, match="another value in each row"):
        image_header(TextHeader.from_astropy(table))
    table["ZBITPIX"] = -32
    assert "BLANK" not in image_header(TextHeader.from_astropy(table))
