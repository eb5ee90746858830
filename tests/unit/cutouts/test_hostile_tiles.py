"""Tiles whose headers or sizes are absurd: an outcome that says so, never an internal error."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.cutouts.geometry import TileGeometry
from soda_service.engine.fits.cut import blank_for, fill_value
from soda_service.engine.fits.header import TextHeader
from soda_service.errors import OptionsError, TileUnreadable
from soda_service.pixels.reader import TileFile, TileReader
from tests.unit.cutouts.scenes import EAST_DEG, RA_DEG, SHAPE, plain, scene
from tests.unit.cutouts.test_geometry import rows_of
from tests.unit.skyimages import noise, tan_header


def with_cards(path: Path, cards: dict[str, str]) -> Path:
    """Write a tile and put values in place of its header's, as they stand."""
    fits.PrimaryHDU(noise(SHAPE), tan_header(SHAPE)).writeto(path)
    content = path.read_bytes()
    for name, value in cards.items():
        place = content.index(f"{name:<8}=".encode())
        card = f"{name:<8}= {value:>20}".ljust(80).encode()
        content = content[:place] + card + content[place + 80 :]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "5"},
        {"CD1_1": "1E-312"},
        {"CD1_1": "1E306", "CD2_2": "1E306"},
        {"CD1_1": "1E999"},
    ],
    ids=str,
)
def test_an_absurd_wcs_is_a_fault_of_the_tile(tmp_path: Path, cards: dict[str, str]) -> None:
    path = with_cards(tmp_path / "a.fits", cards)
    with pytest.raises(TileUnreadable, match="WCS"):
        TileReader().open(TileFile(str(path)))


def test_more_axes_than_an_array_has_are_refused(tmp_path: Path) -> None:
    header = tan_header(SHAPE)
    header["NAXIS"] = 70
    for axis in range(70, 2, -1):
        header.insert("NAXIS2", (f"NAXIS{axis}", 1), after=True)
    content = header.tostring().encode() + bytes(4 * SHAPE[0] * SHAPE[1])
    (tmp_path / "a.fits").write_bytes(content + bytes(-len(content) % 2880))
    with pytest.raises(TileUnreadable, match="70 axes"):
        TileReader().open(TileFile(str(tmp_path / "a.fits")))


@pytest.mark.parametrize(("dtype", "blank"), [("i2", 99_999), ("u1", -1), ("i2", 32_768)])
def test_a_blank_that_the_pixels_cannot_hold_is_none(dtype: str, blank: int) -> None:
    header = TextHeader.from_astropy(fits.Header([("BLANK", blank)]))
    pixels = np.ones((2, 2), dtype)
    assert fill_value("SCI", header, pixels.dtype, 64) == 0
    assert blank_for(pixels, header) == np.iinfo(dtype).min


def test_such_a_tile_is_padded(tmp_path: Path) -> None:
    hdus = plain(BZERO=0.0)
    hdus[0].data = np.ones(SHAPE, "i2")
    made = scene(tmp_path, {"g": hdus})
    path = tmp_path / "T1_g.fits"
    content = path.read_bytes()
    place = content.index(b"RADESYS ")
    card = b"BLANK   =                99999".ljust(80)
    path.write_bytes(content[:place] + card + content[place + 80 :])
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, edge="pad")
    assert (outcome.status, outcome.size_px) == ("ok", (20, 10))


def test_a_cube_beyond_all_memory_is_not_cut(tmp_path: Path) -> None:
    layers = 3_000_000
    header = tan_header(SHAPE)
    header["NAXIS"] = 3
    header.insert("NAXIS2", ("NAXIS3", layers), after=True)
    made = scene(tmp_path, {"g": plain()})
    with (tmp_path / "T1_g.fits").open("wb") as stream:
        stream.write(header.tostring().encode())
        stream.truncate(stream.tell() + 4 * layers * SHAPE[0] * SHAPE[1])  # takes no room
    (row,) = rows_of(made, 1, xpix=40, ypix=40)
    with pytest.raises(OptionsError, match="bytes are allowed"):
        TileGeometry(made.release, made.index, TileReader()).place(row, "g")
